"""The class as one table, `grades.csv`: a row for each student.

Called by `grading/class_files.py` and `grading/decisions.py`. Decides nothing.
"""

import csv
import io
from collections.abc import Iterable, Mapping
from pathlib import Path

from autograder.course.rubric import points_text
from autograder.files import write_text
from autograder.results.history import Line
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
    "decided_by",
)
ERROR = "error"  # a further column, where a homework is scored by an error
FILE = "grades.csv"


def csv_text(results: Iterable[Result], set_points: Mapping[str, Line] | None = None) -> str:
    """`grades.csv`: a header and a row for each student, by name.

    Points are empty where none were given; then `tier` says what they would be, and `protocol` why there are none.
    `set_points`: student -> the line by which a person has set theirs, which win.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    ordered = sorted(results, key=lambda one: one.student)
    scored = [result.accuracy for result in ordered if result.accuracy is not None]
    columns = (*CSV_COLUMNS, ERROR) if any(one.measured.is_error for one in scored) else CSV_COLUMNS
    writer.writerow(columns)
    for result in ordered:
        file, line = result.submission, (set_points or {}).get(result.student)
        by_error = result.accuracy is not None and result.accuracy.measured.is_error
        moment = None if file is None else file.submitted_at
        row = {
            "student": result.student,
            "name": result.name,
            **_decided(result, line),
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
            row[ERROR] = f"{result.accuracy.counted_percent:.6g}"
        writer.writerow([row.get(column, "") for column in columns])
    return text.getvalue()


def change(out: Path, result: Result, line: Line | None) -> None:
    """Write a student's points into the `grades.csv` of `out`, where there is one: those of `line`, else the run's."""
    path = out / FILE
    try:
        with path.open(encoding="utf-8", newline="") as file:
            read = csv.DictReader(file)
            rows = list(read)
            columns = (*CSV_COLUMNS, ERROR) if ERROR in (read.fieldnames or ()) else CSV_COLUMNS
    except OSError:
        return  # the run will write it
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(row | (_decided(result, line) if row["student"] == result.student else {}) for row in rows)
    write_text(path, text.getvalue())


def _decided(result: Result, line: Line | None) -> dict[str, str]:
    points = result.points if line is None else line.points
    by = "override" if line is not None else "nobody" if points is None else "run"
    return {"points": "" if points is None else points_text(points), "decided_by": by}
