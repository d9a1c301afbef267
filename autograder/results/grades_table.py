"""The class as one table, `grades.csv`: a row for each student.

Called by `grade` and by what a person decides. Decides nothing.
"""

import csv
import io
from collections.abc import Iterable

from autograder.course.rubric import points_text
from autograder.results.result import Result

CSV_COLUMNS = (
    "student",
    "name",
    "points",
    "max_points",
    "accuracy_percent",
    "tier",
    "status",
    "protocol",
    "flags",
    "submitted_at",
    "sha256",
)


def csv_text(results: Iterable[Result]) -> str:
    """`grades.csv`: a header and a row for each student, by name.

    Points are empty where none were given; then `tier` says what they would be, and `protocol` why there are none.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    ordered = sorted(results, key=lambda one: one.student)
    scored = [result.accuracy for result in ordered if result.accuracy is not None]
    columns = (*CSV_COLUMNS, "error") if any(one.measured.is_error for one in scored) else CSV_COLUMNS
    writer.writerow(columns)
    for result in ordered:
        file = result.submission
        by_error = result.accuracy is not None and result.accuracy.measured.is_error
        moment = None if file is None else file.submitted_at
        row = {
            "student": result.student,
            "name": result.name,
            "points": "" if result.points is None else points_text(result.points),
            "max_points": points_text(result.max_points),
            "accuracy_percent": "" if result.accuracy is None or by_error else f"{result.accuracy.counted_percent:.2f}",
            "tier": result.tier_label,
            "status": result.status,
            "protocol": result.protocol_label,
            "flags": " ".join(result.flags),
            "submitted_at": "" if moment is None else moment.isoformat(sep=" ", timespec="seconds"),
            "sha256": "" if file is None else file.sha256,
        }
        if result.accuracy is not None and by_error:
            row["error"] = f"{result.accuracy.counted_percent:.6g}"
        writer.writerow([row.get(column, "") for column in columns])
    return text.getvalue()
