"""One submission, end to end: it is observed, trained (again where it is near a better tier), and decided.

Called on the schedule's threads, and by the cell of nbgrader's notebooks. Never raises: a crash of ours is a result
too, one that is for a person and has no points. Writes nothing.

Cost beside the training itself: two imports of torch in the sandbox and the checks, 8 to 20 s a submission on one core.
"""

import traceback
from collections.abc import Callable
from dataclasses import dataclass, replace

from autograder.checks.places import place, told_of
from autograder.errors import printable
from autograder.grading import decision
from autograder.intake.entry import Entry
from autograder.language import gettext as _
from autograder.language import spoken
from autograder.observations import Observations, TrainingProgress
from autograder.results.result import Result
from autograder.runner.evaluate import Evidence, OneRun, evaluate
from autograder.runner.setup import Setup, start_of

Progressed = Callable[[TrainingProgress], None]


@dataclass(frozen=True)
class Graded:
    """A submission's result, what its script printed, and, when the grader itself failed, its traceback."""

    result: Result
    log: str
    crash: str = ""


def observe(entry: Entry, setup: Setup) -> Observations | str:
    """The observations; or, when the grader failed, the traceback."""
    assert entry.submission is not None
    try:
        with spoken(setup.language):
            return setup.runner.observe(
                setup.homework, entry.submission, setup.sandbox, threads=setup.threads, warm=setup.forks
            )
    except Exception:
        return traceback.format_exc()


def grade(entry: Entry, setup: Setup, seen: Observations | str, progress: Progressed | None = None) -> Graded:
    """Train, score and decide. `seen` is what `observe` gave."""
    if isinstance(seen, str):
        return failed(entry, setup, seen)
    try:
        with spoken(setup.language):
            evidence = _evidence(entry, setup, seen, progress)
        return Graded(decision.decide(entry, setup, evidence), _log(entry, setup, evidence))
    except Exception:
        return failed(entry, setup, traceback.format_exc())


def of_equal(graded: Graded, entry: Entry, setup: Setup) -> Graded:
    """The result of another entry with the same bytes: the evidence is shared, the rest (lateness, records) its own."""
    if entry.student == graded.result.student:
        return graded
    if graded.crash:
        return failed(entry, setup, graded.crash)
    log = entry.student + graded.log.removeprefix(graded.result.student) if graded.log else ""
    return Graded(decision.decide(entry, setup, decision.evidence_of(graded.result)), log)


def failed(entry: Entry, setup: Setup, crash: str) -> Graded:
    """The result of a submission on which the grader itself failed. `crash`: the traceback."""
    return Graded(decision.failed(entry, setup, crash), "", crash)


def _evidence(entry: Entry, setup: Setup, seen: Observations, progress: Progressed | None) -> Evidence:
    """The evidence of the best training; there are as many trainings as are due."""
    assert entry.submission is not None
    if seen.syntax_error is not None:
        # Python reads a file to its end before it runs a line: there is nothing that could be trained.
        error = seen.syntax_error
        with told_of(seen.cells):
            where = place(error.line)
        return Evidence(seen, "SYNTAX", _("{place}: {message}").format(place=where, message=error.message))
    start = start_of(setup, seen)
    best = evaluate(setup, start, entry.submission, seen, progress=progress)
    runs = [_run_of(best)]
    while decision.is_due(setup, best.percent, len(runs)):
        another = evaluate(setup, start, entry.submission, seen, seed=len(runs), progress=progress)
        runs.append(_run_of(another))
        better = setup.homework.measure.better
        if another.percent is not None and (best.percent is None or better(another.percent, best.percent)):
            best = another
    return replace(best, runs=runs if len(runs) > 1 else ())


def _run_of(evidence: Evidence) -> OneRun:
    return OneRun(outcome=evidence.outcome, accuracy_percent=evidence.percent, seconds=evidence.seconds)


def _log(entry: Entry, setup: Setup, evidence: Evidence) -> str:
    if evidence.outcome == "SYNTAX":
        return ""
    assert entry.submission is not None
    head = f"{entry.student}: {entry.submission.name}, SHA-256 {entry.submission.sha256}\n"
    head += f"{setup.protocol.name} protocol on {setup.dataset.name}: {evidence.outcome}\n"
    return f"{head}{'-' * 40} what the script printed\n{printable(evidence.log)}"
