"""What came of one submission: the fields of `result.json`, as people, pages and programs read them.

Made by `grading.decision`, kept by `store`, read by whatever publishes. Holds no logic: `grading/decision.py` decides
the points.

`result.json` is one object, UTF-8, with the fields of `Result`, schema version 2. Times are ISO 8601 with an offset.
Numbers that aren't finite (a loss can be) are the strings "NaN", "Infinity" and "-Infinity". A later version of the kit
that changes the meaning of a field raises the schema version, and results with another version are graded again.
"""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from autograder.checks import CheckResult
from autograder.course.rubric import Kind, points_text
from autograder.language import gettext as _
from autograder.observations import Epoch, Observations, TrainingReport
from autograder.runner.audit import Audit
from autograder.runner.evaluate import Mistaken, OneRun
from autograder.runner.score import Score

SCHEMA_VERSION = 2  # the same as in Result

Status = Literal["graded", "preview", "no points", "no accuracy", "late", "absent", "needs a person"]
"""How far a submission came. The first three have an accuracy: with the points it gives, in a preview, or in a full run
that gives no points, on other data or within another time box. "needs a person" and "preview" have no tier."""


class Recorded(BaseModel):
    """Base: unknown fields are refused, values don't change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class SubmittedFile(Recorded):
    """The file: its name, the SHA-256 of its bytes as hex, and when it came (None where nobody says)."""

    name: str
    sha256: str
    submitted_at: datetime | None = None


class HomeworkUsed(Recorded):
    """The homework's name, title and the fingerprint of its declaration."""

    name: str
    title: str
    version: str


class DatasetUsed(Recorded):
    """The data: `train_images` and `test_images` are how many of it were used. `own`: it is the homework's own."""

    name: str
    fingerprint: str
    own: bool
    train_images: int
    test_images: int
    classes: list[str]


class ProtocolUsed(Recorded):
    """The protocol as it ran. `own_budget`: nobody changed the time box."""

    name: Literal["full", "preview", "demo"]
    own_budget: bool
    epochs: int
    time_box_s: float


class TierReached(Recorded):
    """The rubric's row that applies: its first cell, which case it is for, its points."""

    label: str
    kind: Kind
    points: float


class LateTaken(Recorded):
    """How many seconds after the deadline a file came that counts, and what that took off the points, in percent."""

    seconds: float
    percent_off: float


class Versions(Recorded):
    """What graded."""

    kit: str
    python: str
    torch: str


class Result(Recorded):
    """All that is known about one submission.

    Attributes:
        key: a fingerprint of everything the result follows from; an equal one is not made again.
        evidence_key: the same without the rubric and the checks: with an equal one, the training is not run again.
        student: their id: what the source of the files or the roster has, or the name of their folder or file.
        name: what they are called; "" where only the id is known.
        status: see `Status`.
        outcome: "GRADED", or which way it ended: a name of intake ("NO_FILE") or of the sandbox ("TIMEOUT").
        message: the same in a sentence; "" for "GRADED".
        points: None where none are given, and `no_points_because` says why.
        would_earn: the tier's points after what being late costs, given or not; None without a tier.
        max_points: of the rubric.
        tier: the rubric's row.
        late: what being late cost; None where it cost nothing, or everything.
        deadline: by which the file had to come, None for none; `own_deadline`: it is the student's own.
        accuracy: both passes; None when no network could be tested.
        missing_packages: what the training needs and isn't installed where it was graded.
        mistaken: the test images that were wrong with the greatest certainty, where the dataset may be shown.
        audit: some test images once more, altered and not; None where no network could be audited.
        observations: what the checks looked at; None when nothing ran.
        training: what the proctor saw of the training.
        runs: all trainings, in their order, where the first was borderline; the best of them counts.
        epochs: how the network did after each epoch, where the homework asks for it.
        started_from: what the training started from, in words: "nothing", or a checkpoint; "" where the homework has no
            checkpoints.
        checkpoint_sha256: of the checkpoint's file, as hex; "" where the training started from nothing.
        own_epochs: the same as the student's own record has it: shown, and never believed.
        receipt: what the student's own receipt says, "" without one: shown, and never believed.
        flags: short words for the gradebook: ids of failed checks, "time-box", "no-sandbox", ...
        signs: flag -> what was seen, of those that look as if the rules had been got around.
        for_a_person: sentences; each a reason why somebody should look at it.
        run_gives_no_points_because: why nobody has points in this run; None where points are given.
        notices: further sentences about the run as a whole (no checkpoint, no sandbox).
        notes: sentences about this hand-in, such as which file was taken out of an archive.
        record_notes: why the student's own record couldn't be read.
        rubric: fingerprint of the rubric's section.
        seconds: of the training run, start of the process to the last answer.
        device, threads, machine: what it ran on.
    """

    schema_version: Literal[2] = 2
    key: str
    evidence_key: str
    student: str
    name: str = ""
    status: Status
    outcome: str
    message: str = ""
    points: float | None = None
    no_points_because: str | None = None
    would_earn: float | None = None
    max_points: float
    tier: TierReached | None = None
    late: LateTaken | None = None
    deadline: datetime | None = None
    own_deadline: bool = False
    missing_packages: list[str] = []
    accuracy: Score | None = None
    mistaken: list[Mistaken] = []
    audit: Audit | None = None
    submission: SubmittedFile | None = None
    homework: HomeworkUsed
    dataset: DatasetUsed
    protocol: ProtocolUsed
    rubric: str
    checks: list[CheckResult] = []
    observations: Observations | None = None
    training: TrainingReport | None = None
    started_from: str = ""
    checkpoint_sha256: str = ""
    epochs: list[Epoch] = []
    runs: list[OneRun] = []
    own_epochs: list[Epoch] = []
    receipt: str = ""
    flags: list[str] = []
    signs: dict[str, str] = {}
    for_a_person: list[str] = []
    run_gives_no_points_because: str | None = None
    notices: list[str] = []
    notes: list[str] = []
    record_notes: list[str] = []
    seconds: Annotated[float, Field(ge=0)] = 0.0
    device: str = ""
    threads: int = 0
    machine: str = ""
    sandbox: str
    versions: Versions

    @property
    def started_from_nothing(self) -> bool:
        """Whether the homework has checkpoints, and this training went on from none."""
        return bool(self.started_from) and not self.checkpoint_sha256

    @property
    def failed_checks(self) -> list[CheckResult]:
        """The checks that failed, in their order."""
        return [check for check in self.checks if check.outcome == "failed"]

    @property
    def comparable(self) -> bool:
        """Whether its accuracy may be set beside others': of a full run on the homework's own data."""
        return self.protocol.name == "full" and self.dataset.own

    @property
    def protocol_label(self) -> str:
        """The protocol in words that leave no doubt whether points were given."""
        if self.protocol.name == "preview":
            return _("preview")
        if self.protocol.name == "demo":
            return _("demonstration")
        changed = [] if self.dataset.own else [_("on {data}").format(data=self.dataset.name)]
        changed += [] if self.protocol.own_budget else [_("another time box")]
        return _("full ({changed}): no points").format(changed=", ".join(changed)) if changed else _("full")

    @property
    def tier_label(self) -> str:
        """The row as a gradebook shows it: "over 70%", or "would be 20 points" where none were given."""
        if self.tier is None:
            return ""
        would_earn = self.tier.points if self.would_earn is None else self.would_earn
        return self.tier.label if self.points is not None else f"would be {points_text(would_earn)} points"
