"""What is said of a class, before it is graded and after: lines on the terminal.

Called by `class_run`. Decides nothing.
"""

import statistics
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path

from autograder.course.packages import distribution
from autograder.course.rubric import points_text
from autograder.intake.entry import STATES
from autograder.intake.hand_ins import Intake
from autograder.publish import class_report
from autograder.results import history
from autograder.results.result import Result
from autograder.runner.setup import Setup


def before(class_: Intake, setup: Setup, deadline: datetime | None) -> Iterator[str]:
    """Who handed in what, and what it is graded with."""
    counts = Counter(entry.state for entry in class_.entries)
    parts = ", ".join(f"{counts[word]} {word}" for word in STATES if counts[word])
    number, reason = len(class_.entries), setup.no_points_because
    preview = setup.protocol.is_small
    about_points = "" if reason is None else ", no points" if preview else f": no points, {reason}"
    yield (
        f"{number} submission{'s' * (number != 1)}: {parts} · {setup.homework.name} rubric "
        f"{setup.rubric.fingerprint[:4]} · {setup.dataset.name} {setup.dataset.fingerprint[:4]} · "
        f"{setup.protocol.name}{' protocol' if setup.protocol.name == 'full' else ''}{about_points}"
    )
    if deadline:
        yield f"deadline {deadline.isoformat(sep=' ')}"
    if own := [f"{entry.student} {entry.deadline:%Y-%m-%d %H:%M}" for entry in class_.entries if entry.own_deadline]:
        yield f"deadlines of their own: {', '.join(own)}"
    if setup.checkpoint is not None:
        epochs = setup.homework.epochs_from_checkpoint
        yield f"from {setup.checkpoint} for {epochs} epoch{'s' * (epochs != 1)}, where the network fits it"
    for notice in (setup.no_checkpoint_because, setup.sandbox.notice):
        if notice:
            yield f"notice: {notice}"
    if class_.lms != "folder":
        uploads = sum(len(entry.uploads) for entry in class_.entries)
        yield f"from a download of {class_.lms}, {uploads} attempts: see attempts.csv"
    if class_.about:
        yield class_.about
    if class_.left_out:
        yield f"not submissions, left out: {', '.join(class_.left_out)}"
    if class_.unlisted:
        yield f"not on the roster, graded all the same: {', '.join(class_.unlisted)}"


def after(
    everybody: Sequence[Result], setup: Setup, crashes: Mapping[str, str], out: Path, *, gradebook: bool
) -> Iterator[str]:
    """Points, who is for a person, what was written.

    `crashes`: student -> traceback, where the grader itself failed.
    """
    because = setup.no_points_because
    would = "" if because is None else "would be "
    counts = Counter(result.would_earn for result in everybody if result.would_earn is not None)
    parts = [f"{would}{points_text(points)} points  {counts[points]}" for points in sorted(counts, reverse=True)]
    accuracies = [result.accuracy.counted_percent for result in everybody if result.accuracy is not None]
    if not setup.protocol.names_rows:
        parts = [f"{count} {words}" for words, count in class_report.previewed(everybody)]
    by = setup.homework.measure
    what = "" if by.is_error else "accuracy "
    median = f"   median {what}{by.shown(statistics.median(accuracies))}" if accuracies else ""
    yield f"{'   ·   '.join(parts)}{median}"
    waiting = [(result.student, reason) for result in everybody for reason in result.for_a_person]
    if waiting:
        yield f"for a person ({len({student for student, _ in waiting})})"
        yield from (f"  {student}   {reason}" for student, reason in waiting)
    missing = sorted({distribution(name) for result in everybody for name in result.missing_packages})
    if missing:
        yield f'trainings need what isn\'t installed here: make setup EXTRA="{" ".join(missing)}", and grade again'
    for student, crash in crashes.items():
        yield f"error: the grader itself failed on {student}: {crash.strip().splitlines()[-1][:500]}"
    if because is not None:
        yield f"no points were given: {because}"
    yield (
        f"wrote {out}: grades.csv  attempts.csv  report.html  "
        f"{'gradebook  ' if gradebook else ''}and of each student feedback.html  result.json"
    )
    yield f"history {history.head(out)[:16]}"
