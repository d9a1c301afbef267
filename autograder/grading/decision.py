"""What follows from evidence: checks, tier, flags, points. Pure: equal arguments give equal results.

Called by `student_run`, by `reuse` (for results that an earlier run left, and for students who need no run) and by
nbgrader's notebooks (`in_nbgrader.py`); records and previews use `conditions`. Runs and writes nothing.
"""

import platform
from importlib.metadata import version
from typing import Any

from autograder import __version__, checks
from autograder.checks.places import told_of
from autograder.course.homework import Protocol
from autograder.course.rubric import Tier
from autograder.grading import flags, keys
from autograder.grading.lateness import percent_off
from autograder.intake.entry import NO_FILE, Entry
from autograder.language import gettext as _
from autograder.language import spoken
from autograder.results.result import (
    DatasetUsed,
    HomeworkUsed,
    LateTaken,
    ProtocolUsed,
    Result,
    Status,
    SubmittedFile,
    TierReached,
    Versions,
)
from autograder.runner.evaluate import Evidence
from autograder.runner.setup import Setup, start_of

MISSING_PACKAGE = "MISSING_PACKAGE"


def decide(entry: Entry, setup: Setup, evidence: Evidence) -> Result:
    """The result that follows from the evidence: checks, tier, and points where they may be given."""
    with spoken(setup.language), told_of(evidence.observations.cells):
        return _decide(entry, setup, evidence)


def _decide(entry: Entry, setup: Setup, evidence: Evidence) -> Result:
    found = checks.run(evidence.observations, setup.homework)
    start = start_of(setup, evidence.observations)
    signs = flags.signs(evidence, start)
    missing = flags.missing_packages(evidence, start.protocol)
    tier = None if missing else setup.rubric.decide(evidence.percent, checks.unmet(found))
    status: Status = "graded"
    if missing:
        status = "needs a person"
    elif evidence.accuracy is None:
        status = "no accuracy"
    elif setup.protocol.is_small:
        status = "preview"
    elif setup.no_points_because:
        status = "no points"
    return _with(
        _without_evidence(entry, setup, status, tier),
        protocol=_protocol_used(start.protocol),
        started_from=start.words,
        checkpoint_sha256="" if start.checkpoint is None else start.checkpoint.record.sha256,
        outcome=MISSING_PACKAGE if missing else evidence.outcome,
        message=flags.about_packages(missing) if missing else evidence.message,
        missing_packages=missing,
        # Once it is installed, the next run tries again.
        **({"key": "", "evidence_key": ""} if missing else {}),
        accuracy=evidence.accuracy,
        mistaken=list(evidence.mistaken),
        audit=evidence.audit,
        checks=found,
        observations=evidence.observations,
        training=evidence.report,
        epochs=list(evidence.epochs),
        runs=list(evidence.runs),
        flags=flags.of_result(setup, evidence, found, start, [*signs, *(["late"] if entry.late else [])]),
        signs=signs,
        for_a_person=[*flags.reasons(evidence, start.protocol), *signs.values()],
        seconds=evidence.seconds,
        device=evidence.device,
        threads=evidence.threads,
        machine=evidence.machine,
    )


def evidence_of(result: Result) -> Evidence:
    """The evidence that a result followed from. Raises ValueError where nothing was run."""
    if result.observations is None:
        raise ValueError("nothing was run")
    outcome = result.outcome
    if outcome == MISSING_PACKAGE:  # an outcome of the decision, not of the run
        outcome = "NO_RESULT" if result.accuracy is None else "GRADED"
    return Evidence(
        observations=result.observations,
        outcome=outcome,
        message="" if outcome != result.outcome else result.message,
        report=result.training,
        accuracy=result.accuracy,
        mistaken=result.mistaken,
        audit=result.audit,
        epochs=result.epochs,
        runs=result.runs,
        seconds=result.seconds,
        device=result.device,
        threads=result.threads,
        machine=result.machine,
    )


def without_a_run(entry: Entry, setup: Setup) -> Result:
    """The result of somebody whose file never ran: it is too late, missing, or only a person can settle it."""
    with spoken(setup.language):
        return _without_a_run(entry, setup)


def _without_a_run(entry: Entry, setup: Setup) -> Result:
    everybodys = flags.of_run(setup)
    if entry.is_for_a_person:
        undecided = _without_evidence(entry, setup, "needs a person", None)
        named = [entry.outcome.lower().replace("_", "-"), *everybodys]
        return _with(undecided, outcome=entry.outcome, message=entry.message, flags=named, for_a_person=[entry.message])
    if entry.late and entry.late_s is None and setup.rubric.late is not None:
        message = _("late by nobody knows how much, and the rubric takes points off by time")
        undecided = _without_evidence(entry, setup, "needs a person", None)
        return _with(undecided, outcome="LATE", message=message, flags=["late", *everybodys], for_a_person=[message])
    if entry.late and percent_off(entry, setup.rubric) is None:
        late = _without_evidence(entry, setup, "late", setup.rubric.no_file)
        message = _("the file came after the deadline")
        return _with(late, outcome="LATE", message=message, flags=["late", *everybodys])
    missing = _without_evidence(entry, setup, "absent", setup.rubric.no_file)
    return _with(missing, outcome=NO_FILE, message=entry.message, flags=["no-file", *everybodys])


def failed(entry: Entry, setup: Setup, crash: str) -> Result:
    """The result when the grader itself failed: no tier, no points, and no key, so that the next run tries again.

    `crash`: the traceback.
    """
    last = crash.strip().splitlines()[-1][:500]
    with spoken(setup.language):
        return _with(
            _without_evidence(entry, setup, "needs a person", None),
            key="",
            evidence_key="",
            outcome="GRADER_FAILED",
            message=_("the grader itself failed, which says nothing about the submission"),
            flags=["grader-failed", *flags.of_run(setup)],
            for_a_person=[f"the grader itself failed: {last}"],
        )


def is_due(setup: Setup, percent: float | None, runs: int) -> bool:
    """Whether one more run is due: under the full protocol, where the best accuracy so far is just below a better tier.

    `percent` is the best accuracy so far; None where there is none. The rubric says how near, and how often.
    """
    ruled = setup.rubric
    return setup.protocol.name == "full" and runs <= ruled.borderline.runs and ruled.is_borderline(percent)


def conditions(setup: Setup, protocol: Protocol) -> dict[str, Any]:
    """What a training was made with, as results and records have it: fields `homework`, `dataset` and so on."""
    data = setup.dataset
    return {
        "homework": HomeworkUsed(name=setup.homework.name, title=setup.homework.title, version=setup.homework.version),
        "dataset": DatasetUsed(
            name=data.name,
            fingerprint=data.fingerprint,
            own=setup.own_data,
            train_images=protocol.train_count(data.train_count),
            test_images=protocol.test_count(data.test_count),
            classes=list(data.classes),
        ),
        "protocol": _protocol_used(protocol),
        "versions": Versions(kit=__version__, python=platform.python_version(), torch=version("torch")),
    }


def _with(result: Result, **fields: Any) -> Result:
    """`result` with other values, validated."""
    return Result.model_validate({**dict(result), **fields})


def _without_evidence(entry: Entry, setup: Setup, status: Status, tier: Tier | None) -> Result:
    """A result with all that doesn't depend on a run."""
    everybodys = setup.no_points_because
    if not setup.protocol.names_rows:
        tier = None  # a few steps on a few images predict no tier
    undecided = tier is None and setup.protocol.names_rows
    because = _("a person has to decide") if undecided else everybodys
    off = percent_off(entry, setup.rubric) or 0.0
    points = None if tier is None else round(tier.points * (1 - off / 100), 4)
    late = LateTaken(seconds=entry.late_s, percent_off=off) if off and entry.late_s is not None else None
    notices = [setup.no_checkpoint_because] if setup.no_checkpoint_because else []
    notices += [_(setup.sandbox.notice)] if setup.sandbox.notice else []
    file = entry.submission
    return Result(
        key=keys.of_result(entry, setup),
        evidence_key=keys.of_evidence(entry, setup),
        student=entry.student,
        name=entry.name,
        status=status,
        outcome="GRADED",
        points=None if because else points,
        no_points_because=because,
        would_earn=points,
        late=late,
        deadline=entry.deadline,
        own_deadline=entry.own_deadline,
        max_points=setup.rubric.max_points,
        tier=None if tier is None else TierReached(label=tier.label, kind=tier.kind, points=tier.points),
        submission=None
        if file is None
        else SubmittedFile(name=file.name, sha256=file.sha256, submitted_at=entry.submitted_at),
        **conditions(setup, setup.protocol),
        rubric=setup.rubric.fingerprint,
        own_epochs=list(entry.own_epochs),
        record_notes=list(entry.record_notes),
        receipt=entry.receipt,
        run_gives_no_points_because=everybodys,
        notices=notices,
        notes=list(entry.notes),
        sandbox=setup.sandbox.name,
    )


def _protocol_used(protocol: Protocol) -> ProtocolUsed:
    return ProtocolUsed(
        name=protocol.name,
        own_budget=protocol.own_budget,
        epochs=protocol.epochs,
        time_box_s=protocol.time_box_s,
    )
