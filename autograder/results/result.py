"""What came of each submission, on disk: `result.json`, and the class's `grades.csv`.

Called by `grade` (writes, and reads again what an earlier run left) and by `report`. A result is written whole or not
at all: into a temporary file, to the disk, then into place by a rename. What is read is validated, whoever wrote it.
Decides nothing: points are what `grade` says.

`result.json` is one object, UTF-8, with the fields of `Result`, schema version 1. Times are ISO 8601 with an offset.
Numbers that aren't finite (a loss can be) are the strings "NaN", "Infinity" and "-Infinity". A later version of the kit
that changes the meaning of a field counts the schema version up, and grades again what has another.
"""

import contextlib
import csv
import hashlib
import io
import json
import math
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from autograder import __version__
from autograder.audit import Audit
from autograder.checks import CheckResult
from autograder.epochs import Epoch
from autograder.errors import KitError
from autograder.language import gettext as _
from autograder.observations import Observations, TrainingReport
from autograder.rubric import Kind, points_text
from autograder.score import Score

SCHEMA_VERSION = 1  # the same as in Result
LARGEST_RESULT = 64 * 2**20  # bytes; one with a graph of 5,000 operations has under 4 MiB
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

Status = Literal["graded", "preview", "no points", "no accuracy", "late", "no file", "needs a person"]
"""How far a submission came. The first three have an accuracy: with the points it gives, in a preview, or in a full run
that gives no points, on other data or within another time box. Only "needs a person" has no row of the rubric."""


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

    name: Literal["full", "preview"]
    own_budget: bool
    epochs: int
    time_box_s: float


class TierReached(Recorded):
    """The rubric's row that applies: its first cell, which case it is for, its points."""

    label: str
    kind: Kind
    points: float


class OneRun(Recorded):
    """One of several trainings of the same file: how it ended, the accuracy of the pass that counts, and its time."""

    outcome: str
    accuracy_percent: float | None
    seconds: float


class LateTaken(Recorded):
    """How many seconds after the deadline a file came that counts, and what that took off the points, in percent."""

    seconds: float
    percent_off: float


class Mistaken(Recorded):
    """A test image that was taken for something else, and how sure the network was of that.

    Attributes:
        image: its number in the dataset.
        label, answered: classes.
        sure_percent: the softmax of the answered class.
        picture: the image as a PNG file, in base64.
    """

    image: int
    label: int
    answered: int
    sure_percent: float
    picture: str


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
        would_earn: the row's points, given or not; None without a row.
        max_points: of the rubric.
        tier: the rubric's row.
        late: what being late cost; None where it cost nothing, or everything.
        accuracy: both passes; None when no network could be tested.
        mistaken: the test images that were wrong with the greatest certainty, where the dataset may be shown.
        audit: some test images once more, altered and not; None where no network could be audited.
        observations: what the checks looked at; None when nothing ran.
        training: what the proctor saw of the training.
        runs: all trainings, in their order, where the first was borderline; the best of them counts.
        epochs: how the network did after each epoch, where the homework asks for it.
        started_from: what the training started from, in words: "nothing", or a checkpoint; "" where the homework has no
            checkpoints.
        own_epochs: the same as the student's own record has it: shown, and never believed.
        receipt: what the student's own receipt says, "" without one: shown, and never believed.
        flags: short words for the gradebook: ids of failed checks, "time-box", "no-sandbox", ...
        for_a_person: sentences; each a reason why somebody should look at it.
        notices: sentences about the run as a whole (another dataset, another time box, no sandbox), and why a student's
            own record couldn't be read.
        rubric: fingerprint of the rubric's section.
        seconds: of the training run, start of the process to the last answer.
        device, threads, machine: what it ran on.
    """

    schema_version: Literal[1] = 1
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
    epochs: list[Epoch] = []
    runs: list[OneRun] = []
    own_epochs: list[Epoch] = []
    receipt: str = ""
    flags: list[str] = []
    for_a_person: list[str] = []
    notices: list[str] = []
    seconds: Annotated[float, Field(ge=0)] = 0.0
    device: str = ""
    threads: int = 0
    machine: str = ""
    sandbox: str
    versions: Versions

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


def duration(seconds: float) -> str:
    """`2:00:00`, `1:05`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def fingerprint(value: Any) -> str:
    """SHA-256, as hex, of a value that JSON can hold."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


@cache
def kit_fingerprint(*folders: str) -> str:
    """SHA-256 of the kit's version and of the modules in its `folders`, in which a change can change a result."""
    package = Path(__file__).resolve().parent
    files = sorted(path for folder in folders for path in (package / folder).rglob("*.py"))
    digest = hashlib.sha256(__version__.encode())
    for path in files:
        digest.update(f"\n{path.relative_to(package).as_posix()}\n".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def write_text(path: Path, text: str) -> None:
    """Write `path` whole or not at all. Its folder is made when it is missing."""
    with whole(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="")


@contextlib.contextmanager
def whole(path: Path) -> Iterator[Path]:
    """A file to write in the place of `path`, which it becomes when it is whole and on the disk.

    The folder is made when it is missing. Whatever fails, what was at `path` before stays.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    os.close(descriptor)
    temporary = Path(name)
    try:
        yield temporary
        _to_disk(temporary)
        temporary.chmod(0o666 & ~_umask())  # mkstemp makes files for the owner's eyes only
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _to_disk(path.parent)


def _to_disk(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove_left_overs(folder: Path) -> None:
    """Remove the temporary files that killed runs left in a result's folder."""
    for name in ("result.json", "feedback.html", "log.txt", "grades.csv", "attempts.csv", "report.html", "run.json"):
        for path in folder.glob(f".{name}.*"):
            path.unlink(missing_ok=True)


def write(folder: Path, result: Result) -> None:
    """Write `result` to `folder/result.json`."""
    fields = _without_infinities(result.model_dump(mode="python"))
    write_text(folder / "result.json", json.dumps(fields, ensure_ascii=False, indent=1, default=_plain) + "\n")


def put_aside(folder: Path) -> None:
    """Copy what an earlier run has left in `folder` to `earlier/<time>/`, under its own time: result, page and log.

    Called before another result is written. Nothing is ever thrown away; a person may compare.
    """
    path = folder / "result.json"
    if not path.exists():
        return
    moment = datetime.fromtimestamp(path.stat().st_mtime).strftime("%Y-%m-%d-%H%M%S")
    number, aside = 1, folder / "earlier" / moment
    while aside.exists():
        number += 1
        aside = folder / "earlier" / f"{moment}-{number}"
    aside.mkdir(parents=True)
    for name in ("result.json", "feedback.html", "log.txt"):
        with contextlib.suppress(FileNotFoundError):
            shutil.copy2(folder / name, aside / name)


def read(folder: Path) -> Result | None:
    """The result in `folder`, or None when there is none.

    Raises KitError when there is a file that isn't a result of this schema version.
    """
    path = folder / "result.json"
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_RESULT + 1)
        if len(content) > LARGEST_RESULT:
            raise KitError(f"{path}: too large for a result")
        return Result.model_validate_json(content)
    except FileNotFoundError:
        return None
    except (OSError, ValidationError) as error:
        reason = error.errors()[0]["msg"] if isinstance(error, ValidationError) else error.strerror
        raise KitError(f"{path}: not a result of schema version {SCHEMA_VERSION} ({reason})") from error


def csv_text(results: Iterable[Result]) -> str:
    """`grades.csv`: a header and a row for each student, by name.

    Points are empty where none were given; then `tier` says what they would be, and `protocol` why there are none.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(CSV_COLUMNS)
    for result in sorted(results, key=lambda one: one.student):
        file = result.submission
        moment = None if file is None else file.submitted_at
        row = {
            "student": result.student,
            "name": result.name,
            "points": "" if result.points is None else points_text(result.points),
            "max_points": points_text(result.max_points),
            "accuracy_percent": "" if result.accuracy is None else f"{result.accuracy.counted_percent:.2f}",
            "tier": result.tier_label,
            "status": result.status,
            "protocol": result.protocol_label,
            "flags": " ".join(result.flags),
            "submitted_at": "" if moment is None else moment.isoformat(sep=" ", timespec="seconds"),
            "sha256": "" if file is None else file.sha256,
        }
        writer.writerow([row[column] for column in CSV_COLUMNS])
    return text.getvalue()


@cache
def _umask() -> int:
    # There is no way to ask but to set it, for all threads: so once, before there are any.
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _without_infinities(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _without_infinities(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_without_infinities(one) for one in value]
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")
    return value


def _plain(value: Any) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} is nothing for JSON")
