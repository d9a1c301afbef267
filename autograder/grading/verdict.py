"""One submission end to end: observe, check, train, score, decide.

Called by `grade` for each student, on the engine's threads. Students' code never runs here: `supervise` runs it in the
sandbox, and what comes back is data. Never raises: a crash of ours is a result too, one that needs a person and has no
points. Writes nothing.

Cost beside the training itself: two imports of torch in the sandbox and the checks, 8 to 20 s a submission on one core.
"""

import platform
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from importlib.metadata import version
from typing import Any

from autograder import (
    __version__,
    audit,
    checks,
    dataset,
    epochs,
    flags,
    language,
    pictures,
    results,
    score,
    sharing,
    supervise,
)
from autograder.audit import Audit
from autograder.checkpoint import Checkpoint
from autograder.checks.entries import counted, differing
from autograder.dataset import Dataset
from autograder.epochs import Epoch
from autograder.errors import printable
from autograder.homework import Homework, Protocol
from autograder.intake import Entry
from autograder.language import gettext as _
from autograder.language import marked, spoken
from autograder.machine import machine
from autograder.observations import Observations, TrainingProgress, TrainingReport
from autograder.results import Result, Status, duration
from autograder.rubric import Rubric, Tier
from autograder.sandbox import Sandbox
from autograder.score import Score
from autograder.submission import Submission

PREVIEW = marked("a preview gives no points")
UNDECIDED = marked("a person has to decide")
NOTHING = marked("nothing")
MOST_MISTAKEN = 12  # pictures of mistakes that a page shows

# What intake found that nobody but a person can settle. Every other outcome is a row of the rubric.
FOR_A_PERSON = frozenset(
    {
        "AMBIGUOUS",
        "BAD_ARCHIVE",
        "BAD_PATH",
        "BOMB",
        "ENCRYPTED",
        "NOT_REGULAR",
        "SYMLINK",
        "TOO_MANY_MEMBERS",
        "UNREADABLE",
    }
)

Progressed = Callable[[TrainingProgress], None]


@dataclass(frozen=True)
class Setup:
    """What a run grades with, the same for everybody."""

    homework: Homework
    rubric: Rubric
    protocol: Protocol
    dataset: Dataset
    sandbox: Sandbox
    threads: int = 1
    checkpoint: Checkpoint | None = None  # what trainings go on from, of networks that it fits
    no_checkpoint_because: str = ""  # "" where there is one, or the homework has none
    language: str = "en"  # of what students read
    sharing: int = 1  # how many trainings share a GPU at most, where there is one
    forks: bool = True  # whether looks and previews are forked from one process that has imported torch

    @property
    def own_data(self) -> bool:
        """Whether the dataset is the homework's own."""
        return self.dataset.name == self.homework.dataset

    @property
    def forks_trainings(self) -> bool:
        """Whether trainings are forked too: previews, which give no points, where one thread is what they have anyway.

        What a fork gives up is in docs/security.md.
        """
        return self.forks and self.protocol.name == "preview" and self.threads == 1 and not supervise.gpu_available()

    @property
    def no_points_because(self) -> str | None:
        """Why nobody gets points in this run; None when they are given."""
        if self.protocol.name == "preview":
            return _(PREVIEW)
        if not self.own_data:
            text = _("the data is {data}, not the homework's own {own}")
            return text.format(data=self.dataset.name, own=self.homework.dataset)
        if not self.protocol.own_budget:
            text = _("the time box was set to {box}, not the homework's own")
            return text.format(box=duration(self.protocol.time_box_s))
        return None

    def percent_off(self, entry: Entry) -> float | None:
        """What being late takes off an entry's points, in percent: 0 in time; None where it leaves nothing to grade."""
        if not entry.late:
            return 0.0
        late = self.rubric.late
        return None if late is None or entry.late_s is None else late.percent_off(entry.late_s)


@dataclass(frozen=True)
class Start:
    """What one training starts from, and how long it goes on from there.

    Attributes:
        checkpoint: None when it starts from nothing.
        words: the same as pages say it; "" where the homework has no checkpoints.
    """

    protocol: Protocol
    checkpoint: Checkpoint | None
    words: str


@dataclass(frozen=True)
class Evidence:
    """What running a submission brought to light: all that checks and rubric decide from."""

    observations: Observations
    outcome: str
    message: str = ""
    report: TrainingReport | None = None
    accuracy: Score | None = None
    mistaken: Sequence[results.Mistaken] = ()
    audit: Audit | None = None
    epochs: Sequence[Epoch] = ()
    runs: Sequence[results.OneRun] = ()  # all of them, where it was trained more than once
    seconds: float = 0.0
    device: str = ""
    threads: int = 0
    machine: str = ""

    @property
    def percent(self) -> float | None:
        """The accuracy that counts; None without one."""
        return None if self.accuracy is None else self.accuracy.counted_percent


@dataclass(frozen=True)
class Graded:
    """A submission's result, what its script printed, and, when the grader itself failed, its traceback."""

    result: Result
    log: str
    crash: str = ""


def start_of(setup: Setup, seen: Observations) -> Start:
    """What the training of the network that was `seen` starts from: the checkpoint, where it fits."""
    if setup.checkpoint is None:
        return Start(setup.protocol, None, _(NOTHING) if setup.no_checkpoint_because else "")
    entries = {} if seen.network is None else {name: tuple(shape) for name, shape in seen.network.entries.items()}
    if not entries:
        return Start(setup.protocol, None, _("nothing, since no network was seen"))
    asked = setup.checkpoint.entries
    if differs := counted(differing(entries, asked)):
        words = _("nothing, since the network doesn't fit the checkpoint: of its {count} entries {differ}")
        return Start(setup.protocol, None, words.format(count=len(asked), differ=differs))
    shorter = replace(setup.protocol, epochs=setup.homework.epochs_from_checkpoint)
    words = _("the checkpoint {checkpoint}").format(checkpoint=setup.checkpoint)
    return Start(shorter, setup.checkpoint, words)


def started_from_nothing(words: str) -> bool:
    """Whether a start, in the words of any language, is one from nothing: they all begin with that."""
    return words.startswith(tuple(language.versions(NOTHING)))


def one_training(
    setup: Setup,
    start: Start,
    submission: Submission,
    *,
    seed: int = 0,
    warm: bool = False,
    progress: Progressed | None = None,
) -> supervise.Training:
    """Train from `start`; see `supervise.train`."""
    return supervise.train(
        setup.homework,
        submission,
        setup.dataset,
        start.protocol,
        setup.sandbox,
        threads=setup.threads,
        checkpoint=start.checkpoint,
        seed=seed,
        warm=warm,
        progress=progress,
    )


def observe(entry: Entry, setup: Setup) -> Observations | str:
    """What the checks look at; or, when the grader failed, the traceback."""
    assert entry.submission is not None
    try:
        with spoken(setup.language):
            given, file, place = setup.homework, entry.submission, setup.sandbox
            return supervise.observe(given, file, place, threads=setup.threads, warm=setup.forks)
    except Exception:
        return traceback.format_exc()


def train(entry: Entry, setup: Setup, seen: Observations | str, progress: Progressed | None = None) -> Graded:
    """Train, score and decide. `seen` is what `observe` gave."""
    with spoken(setup.language):
        return _train(entry, setup, seen, progress)


def _train(entry: Entry, setup: Setup, seen: Observations | str, progress: Progressed | None) -> Graded:
    if isinstance(seen, str):
        return failed(entry, setup, seen)
    assert entry.submission is not None
    try:
        if seen.syntax_error is not None:
            # Python reads a file to its end before it runs a line: there is nothing that could be trained.
            error = seen.syntax_error
            message = _("line {line}: {message}").format(line=error.line, message=error.message)
            return Graded(conclude(entry, setup, Evidence(seen, "SYNTAX", message)), "")
        evidence, log = _trained(entry, setup, seen, progress, seed=0)
        runs = [_run_of(evidence)]
        while is_due(setup, evidence.percent, len(runs)):
            another, its_log = _trained(entry, setup, seen, progress, seed=len(runs))
            runs.append(_run_of(another))
            if another.percent is not None and another.percent > (evidence.percent or 0):
                evidence, log = another, its_log
        evidence = replace(evidence, runs=runs if len(runs) > 1 else ())
        return Graded(conclude(entry, setup, evidence), log)
    except Exception:
        return failed(entry, setup, traceback.format_exc())


def is_due(setup: Setup, percent: float | None, runs: int) -> bool:
    """Whether the best accuracy of so many runs is so near below a better row that another is due; never in a preview.

    `percent` is None where there is none.
    """
    ruled = setup.rubric
    return setup.protocol.name == "full" and runs <= ruled.borderline.runs and ruled.is_borderline(percent)


def _trained(
    entry: Entry, setup: Setup, seen: Observations, progress: Progressed | None, seed: int
) -> tuple[Evidence, str]:
    """One training's evidence, and its log."""
    assert entry.submission is not None
    start = start_of(setup, seen)
    run = partial(one_training, setup, start, entry.submission, seed=seed, warm=setup.forks_trainings)
    if setup.sharing > 1:
        training = sharing.train(sharing.gate(setup.sharing), run, start.protocol.time_box_s, progress)
    else:
        training = run(progress=progress)
    accuracy, mistaken, by_epoch, second_look = None, [], [], None
    if training.outcome == "GRADED":
        labels = setup.dataset.test_labels[: setup.protocol.test_images]
        accuracy = score.score(training.scores, labels)
        mistaken = _mistaken(setup, training.scores[accuracy.counted], labels)
        epoch_images = setup.protocol.train_count(setup.dataset.train_count)
        if (again := training.audited) is not None:
            first = training.scores["eval"][again.chosen]
            timed = _timed_epochs(training, again, epoch_images)
            second_look = audit.judge(first, again.again, again.altered, labels[again.chosen], again.before, timed)
        if training.report is not None:
            by_epoch = epochs.proctored(training.report, epoch_images, training.epoch_scores, labels)
    evidence = Evidence(
        observations=seen,
        outcome=training.outcome,
        message=training.message,
        report=training.report,
        accuracy=accuracy,
        mistaken=mistaken,
        audit=second_look,
        epochs=by_epoch,
        seconds=training.seconds,
        device=training.device,
        threads=training.threads,
        machine=machine(training.device),
    )
    return evidence, _log(entry, setup, training.outcome, training.log)


def _mistaken(setup: Setup, scores: score.Scores, labels: score.Labels) -> list[results.Mistaken]:
    """The surest mistakes with their pictures: of public images only, since an instructor's own ones are secret."""
    if setup.dataset.name not in (setup.homework.dataset, dataset.PRACTICE):
        return []
    return [
        results.Mistaken(
            image=image,
            label=int(labels[image]),
            answered=answered,
            sure_percent=sure,
            picture=pictures.png(setup.dataset.test_images[image]),
        )
        for image, answered, sure in score.surest_mistakes(scores, labels, MOST_MISTAKEN)
    ]


def _timed_epochs(training: supervise.Training, again: supervise.Audited, epoch_images: int) -> float | None:
    if training.beside:
        return None  # its neighbours came and went
    report = training.report
    assert report is not None  # who was audited was trained
    computing_s = training.training_s - report.loading_s
    return audit.timed_epochs(computing_s, again.forward_s / len(again.chosen), epoch_images, report.tested_images)


def _run_of(evidence: Evidence) -> results.OneRun:
    return results.OneRun(outcome=evidence.outcome, accuracy_percent=evidence.percent, seconds=evidence.seconds)


def conclude(entry: Entry, setup: Setup, evidence: Evidence) -> Result:
    """The result that follows from the evidence: checks, the rubric's row, points where they may be given."""
    with spoken(setup.language):
        return _conclude(entry, setup, evidence)


def _conclude(entry: Entry, setup: Setup, evidence: Evidence) -> Result:
    found = checks.run(evidence.observations, setup.homework)
    start = start_of(setup, evidence.observations)
    signs = flags.signs(evidence, start)
    tier = setup.rubric.decide(evidence.percent, checks.unmet(found))
    status: Status = "graded"
    if evidence.accuracy is None:
        status = "no accuracy"
    elif setup.protocol.name == "preview":
        status = "preview"
    elif setup.no_points_because:
        status = "no points"
    return replace_fields(
        _decided(entry, setup, status, tier),
        protocol=_protocol_used(start.protocol),
        started_from=start.words,
        outcome=evidence.outcome,
        message=evidence.message,
        accuracy=evidence.accuracy,
        mistaken=list(evidence.mistaken),
        audit=evidence.audit,
        checks=found,
        observations=evidence.observations,
        training=evidence.report,
        epochs=list(evidence.epochs),
        runs=list(evidence.runs),
        flags=flags.of_result(setup, evidence, found, start, [*signs, *(["late"] if entry.late else [])]),
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
    return Evidence(
        observations=result.observations,
        outcome=result.outcome,
        message=result.message,
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


def of_equal(graded: Graded, entry: Entry, setup: Setup) -> Graded:
    """What came of the same bytes, for another entry: the evidence is one, the rest (lateness, records) its own."""
    if entry.student == graded.result.student:
        return graded
    if graded.crash:
        return failed(entry, setup, graded.crash)
    log = entry.student + graded.log.removeprefix(graded.result.student) if graded.log else ""
    return Graded(conclude(entry, setup, evidence_of(graded.result)), log)


def without_a_run(entry: Entry, setup: Setup) -> Result:
    """The result of somebody whose file never ran: it is late, missing, or no file that could be run."""
    with spoken(setup.language):
        return _without_a_run(entry, setup)


def _without_a_run(entry: Entry, setup: Setup) -> Result:
    everybodys = flags.of_run(setup)
    if entry.late and entry.late_s is None and setup.rubric.late is not None:
        message = _("late by nobody knows how much, and the rubric takes points off by time")
        undecided = _decided(entry, setup, "needs a person", None)
        return replace_fields(
            undecided, outcome="LATE", message=message, flags=["late", *everybodys], for_a_person=[message]
        )
    if entry.late and setup.percent_off(entry) is None:
        late = _decided(entry, setup, "late", setup.rubric.no_file)
        message = _("the file came after the deadline")
        return replace_fields(late, outcome="LATE", message=message, flags=["late", *everybodys])
    if entry.outcome == "NO_FILE":
        missing = _decided(entry, setup, "no file", setup.rubric.no_file)
        return replace_fields(missing, outcome=entry.outcome, message=entry.message, flags=["no-file", *everybodys])
    named = [entry.outcome.lower().replace("_", "-"), *everybodys]
    if entry.outcome in FOR_A_PERSON:
        undecided = _decided(entry, setup, "needs a person", None)
        return replace_fields(
            undecided, outcome=entry.outcome, message=entry.message, flags=named, for_a_person=[entry.message]
        )
    unusable = _decided(entry, setup, "no accuracy", setup.rubric.no_accuracy)
    return replace_fields(unusable, outcome=entry.outcome, message=entry.message, flags=named)


def failed(entry: Entry, setup: Setup, crash: str) -> Graded:
    """The result when the grader itself failed: no row, no points, and no key, so that the next run tries again."""
    with spoken(setup.language):
        return _failed(entry, setup, crash)


def _failed(entry: Entry, setup: Setup, crash: str) -> Graded:
    last = crash.strip().splitlines()[-1][:500]
    result = replace_fields(
        _decided(entry, setup, "needs a person", None),
        key="",
        evidence_key="",
        outcome="GRADER_FAILED",
        message=_("the grader itself failed, which says nothing about the submission"),
        flags=["grader-failed", *flags.of_run(setup)],
        for_a_person=[f"the grader itself failed: {last}"],
    )
    return Graded(result, "", crash)


def replace_fields(result: Result, **fields: Any) -> Result:
    """`result` with other values, validated as any."""
    return Result.model_validate({**dict(result), **fields})


def key(entry: Entry, setup: Setup) -> str:
    """Fingerprint of all that a result follows from."""
    more = [setup.rubric.fingerprint, results.kit_fingerprint("checks", "proctor", "homeworks"), entry.late]
    more += [[epoch.model_dump() for epoch in entry.own_epochs], entry.receipt, entry.notes]  # a new record is shown
    more += [setup.percent_off(entry), setup.language]
    return results.fingerprint([evidence_key(entry, setup), more])


def evidence_key(entry: Entry, setup: Setup) -> str:
    """Fingerprint of all that the evidence follows from: neither rubric nor checks are part of it."""
    protocol = setup.protocol
    budget = [protocol.name, protocol.epochs, protocol.time_box_s, protocol.train_images, protocol.test_images]
    return results.fingerprint(
        [
            results.SCHEMA_VERSION,
            entry.outcome if entry.submission is None else entry.submission.sha256,
            "" if entry.submission is None else entry.submission.name,
            setup.homework.name,
            setup.homework.version,
            setup.dataset.name,
            setup.dataset.fingerprint,
            budget,
            "" if setup.checkpoint is None else setup.checkpoint.record.sha256,
            [audit.MOST_IMAGES, audit.SHIFT, audit.NOISE],
            setup.sandbox.name,
            results.kit_fingerprint("proctor"),
        ]
    )


def _decided(entry: Entry, setup: Setup, status: Status, tier: Tier | None) -> Result:
    """A result with all that doesn't depend on a run."""
    because = _(UNDECIDED) if tier is None else setup.no_points_because
    off = setup.percent_off(entry) or 0.0
    points = None if tier is None else round(tier.points * (1 - off / 100), 4)
    late = results.LateTaken(seconds=entry.late_s, percent_off=off) if off and entry.late_s is not None else None
    protocol = setup.protocol
    notices = [setup.no_points_because] if setup.no_points_because else []
    notices += [setup.no_checkpoint_because] if setup.no_checkpoint_because else []
    notices += [_(setup.sandbox.notice)] if setup.sandbox.notice else []
    notices += entry.notes
    file = None
    if entry.submission is not None:
        file = results.SubmittedFile(
            name=entry.submission.name, sha256=entry.submission.sha256, submitted_at=entry.submitted_at
        )
    return Result(
        key=key(entry, setup),
        evidence_key=evidence_key(entry, setup),
        student=entry.student,
        name=entry.name,
        status=status,
        outcome="GRADED",
        points=None if because else points,
        no_points_because=because,
        would_earn=points,
        late=late,
        max_points=setup.rubric.max_points,
        tier=None if tier is None else results.TierReached(label=tier.label, kind=tier.kind, points=tier.points),
        submission=file,
        **used(setup, protocol),
        rubric=setup.rubric.fingerprint,
        own_epochs=list(entry.own_epochs),
        receipt=entry.receipt,
        notices=notices,
        sandbox=setup.sandbox.name,
    )


def used(setup: Setup, protocol: Protocol) -> dict[str, Any]:
    """What a training was made with, as results and records have it: fields `homework`, `dataset` and so on."""
    data = setup.dataset
    return {
        "homework": results.HomeworkUsed(
            name=setup.homework.name, title=setup.homework.title, version=setup.homework.version
        ),
        "dataset": results.DatasetUsed(
            name=data.name,
            fingerprint=data.fingerprint,
            own=setup.own_data,
            train_images=protocol.train_count(data.train_count),
            test_images=protocol.test_count(data.test_count),
            classes=list(data.classes),
        ),
        "protocol": _protocol_used(protocol),
        "versions": results.Versions(kit=__version__, python=platform.python_version(), torch=version("torch")),
    }


def _protocol_used(protocol: Protocol) -> results.ProtocolUsed:
    return results.ProtocolUsed(
        name=protocol.name,
        own_budget=protocol.own_budget,
        epochs=protocol.epochs,
        time_box_s=protocol.time_box_s,
    )


def _log(entry: Entry, setup: Setup, outcome: str, printed: str) -> str:
    assert entry.submission is not None
    head = f"{entry.student}: {entry.submission.name}, SHA-256 {entry.submission.sha256}\n"
    head += f"{setup.protocol.name} protocol on {setup.dataset.name}: {outcome}\n"
    return f"{head}{'-' * 40} what the script printed\n{printable(printed)}"
