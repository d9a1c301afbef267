"""The list of everybody's attempts that `grade` keeps, `attempts.csv`: a row for each upload of each student.

Called by `grade`, and read by what packs feedback for an LMS. Decides nothing.
"""

import csv
import io
from collections.abc import Iterable
from pathlib import Path

from autograder.intake.entry import Entry

FILE = "attempts.csv"
COLUMNS = ("student", "name", "submitted_at", "deadline", "counts", "late", "state", "outcome", "files", "downloaded")


def csv_text(entries: Iterable[Entry]) -> str:
    """`attempts.csv`: a header, and a row for each attempt of each student, in the order in which they came."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for entry in entries:
        deadline = "" if entry.deadline is None else entry.deadline.isoformat(sep=" ")
        if not any(upload.counts for upload in entry.uploads):
            who = [entry.student, entry.name, "", deadline]
            writer.writerow([*who, "", "", entry.state, entry.outcome, "", ""])
        for upload in entry.uploads:
            moment = "" if upload.submitted_at is None else upload.submitted_at.isoformat(sep=" ")
            late = "late" if upload.late else ""
            outcome = [entry.state, entry.outcome] if upload.counts else ["", ""]
            counts = "counts" if upload.counts else ""
            names = [" | ".join(upload.files), " | ".join(upload.downloaded)]
            writer.writerow([entry.student, entry.name, moment, deadline, counts, late, *outcome, *names])
    return text.getvalue()


def attempts(out: Path) -> list[dict[str, str]]:
    """The rows of the `attempts.csv` that `grade` has left in `out`; none where there is no such file."""
    try:
        with (out / FILE).open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))
    except OSError:
        return []


def downloaded(out: Path) -> dict[str, str]:
    """Student -> the name under which the first file of the attempt that counts was downloaded."""
    rows = [row for row in attempts(out) if row["counts"] and row["downloaded"]]
    return {row["student"]: row["downloaded"].split(" | ")[0] for row in rows}
