"""Records of the course's own solution in training, to compare a student's training with: a band, never a target.

Called by the pages, which look for the record that fits a result, and by the command `reference`, which makes one. A
record is a JSON file of a homework, a dataset and a protocol. What comes with the kit is in `publish/references/`; an
instructor's own are in `data/references/`, and win. Runs on JPEG copies of a dataset (`COPIES`) stand in where there
are none on the dataset itself, and the pages say so. What is no record, or fits no result, is left out of the pages and
never stops one. Never imports torch.
"""

import json
import statistics
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Annotated, Literal, Protocol

import numpy as np
from pydantic import Field, ValidationError, model_validator

from autograder.course.dataset import default_root
from autograder.errors import KitError, first_line
from autograder.files import REFERENCES, write_text
from autograder.intake.own_record import MOST_EPOCHS
from autograder.observations import Epoch
from autograder.results.result import DatasetUsed, HomeworkUsed, ProtocolUsed, Recorded, Versions

LARGEST_RECORD = 2**20  # bytes; five runs of ten epochs have 15,000
MOST_RUNS = 100
COPIES = "-jpeg"  # at the end of a dataset's name: the same images, compressed again
MOST_PARTS = 20  # of a training's images, each with its mean loss

Number = Annotated[float, Field(allow_inf_nan=False)]
Words = Annotated[str, Field(max_length=500)]

Range = tuple[float, float]
"""The lowest and the highest of all runs."""


class Part(Recorded):
    """The mean loss of the batches after `begin` images and up to `end`; None where none was finite."""

    begin: Annotated[int, Field(ge=0)]
    end: Annotated[int, Field(ge=1)]
    loss: Number | None

    @property
    def middle(self) -> float:
        """Where it is drawn, in images."""
        return (self.begin + self.end) / 2


class Run(Recorded):
    """One training.

    Attributes:
        seed: what the random numbers started from: the run's number, from 0.
        parts: of the training, in order.
        epochs: how the network did after each, where the homework asks for it.
        accuracy_percent: of the pass that counts.
    """

    seed: int
    parts: Annotated[list[Part], Field(min_length=1, max_length=MOST_PARTS)]
    epochs: Annotated[list[Epoch], Field(max_length=MOST_EPOCHS)]
    accuracy_percent: Annotated[Number, Field(ge=0, le=100)]
    seconds: Annotated[Number, Field(ge=0)]

    @model_validator(mode="after")
    def _in_order(self) -> "Run":
        if any(first.end > second.begin for first, second in zip(self.parts, self.parts[1:], strict=False)):
            raise ValueError("the parts of a run aren't in order")
        if any(part.begin >= part.end for part in self.parts):
            raise ValueError("a part of a run ends before it begins")
        return self


class Record(Recorded):
    """The solution's runs, all of the same kind.

    Attributes:
        checkpoint: what they went on from; "" for nothing. `checkpoint_sha256` is its file's, as hex.
        made: when, ISO 8601 with an offset.
        machine, device, threads: what they ran on.
    """

    format: Literal[1] = 1
    homework: HomeworkUsed
    dataset: DatasetUsed
    protocol: ProtocolUsed
    checkpoint: Words = ""
    checkpoint_sha256: Words = ""
    runs: Annotated[list[Run], Field(min_length=1, max_length=MOST_RUNS)]
    made: Words
    machine: Words
    device: Words
    threads: int
    versions: Versions

    @property
    def accuracies(self) -> Range:
        """Of all runs, in percent."""
        percents = [run.accuracy_percent for run in self.runs]
        return min(percents), max(percents)

    @property
    def all_equal(self) -> bool:
        """Whether several runs came out the same to the last digit, as from one seed."""
        return len(self.runs) > 1 and all(run.parts == self.runs[0].parts for run in self.runs)


@dataclass(frozen=True)
class Band:
    """What a page says and draws of a record.

    Attributes:
        record: whose.
        losses: (images, lowest mean loss, highest mean loss), by images, in the middle of each part that all runs have.
        begin, end: of these parts, in images.
        epochs: epoch -> lowest and highest accuracy in percent; of those epochs that all runs have.
        of_copies: whether its runs saw JPEG copies of the images.
    """

    record: Record
    losses: list[tuple[float, float, float]]
    begin: int
    end: int
    epochs: dict[int, Range]
    of_copies: bool = False

    @property
    def runs(self) -> int:
        return len(self.record.runs)

    def loss_at(self, images: float) -> Range | None:
        """The range after so many images, on the line that joins the middles of parts; None outside of all parts."""
        if not self.losses or not self.begin <= images <= self.end:
            return None
        low = _between([(at, lowest) for at, lowest, _ in self.losses], images)
        return low, _between([(at, highest) for at, _, highest in self.losses], images)


def parts(losses: Sequence[tuple[int, float]]) -> list[tuple[int, int, float | None]]:
    """(from image, to image, mean of the finite losses between), at most `MOST_PARTS`, each of as many batches.

    `losses`: of single batches, by how many images had been served, at least one.
    """
    size = -(-len(losses) // MOST_PARTS)
    rows: list[tuple[int, int, float | None]] = []
    begin = 0
    for start in range(0, len(losses), size):
        group = losses[start : start + size]
        finite = [loss for _, loss in group if np.isfinite(loss)]
        rows.append((begin, group[-1][0], statistics.fmean(finite) if finite else None))
        begin = group[-1][0]
    return rows


def band(record: Record) -> Band:
    """The band of a record."""
    finite = [[part for part in run.parts if part.loss is not None] for run in record.runs]
    losses, begin, end = [], 0, 0
    if all(finite):
        begin, end = max(run[0].begin for run in finite), min(run[-1].end for run in finite)
        lines = [[(part.middle, part.loss) for part in run if part.loss is not None] for run in finite]
        for middle, _ in lines[0]:
            if begin <= middle <= end:
                between = [_between(line, middle) for line in lines]
                losses.append((middle, min(between), max(between)))
    common = set.intersection(*({one.epoch for one in run.epochs} for run in record.runs))
    percents: dict[int, list[float]] = {epoch: [] for epoch in sorted(common)}
    for run in record.runs:
        for one in run.epochs:
            if one.epoch in common:
                percents[one.epoch].append(one.accuracy_percent)
    return Band(record, losses, begin, end, {epoch: (min(found), max(found)) for epoch, found in percents.items()})


def _between(points: Sequence[tuple[float, float]], at: float) -> float:
    """The height at `at` of the line that joins the points."""
    return float(np.interp(at, [x for x, _ in points], [y for _, y in points]))


class Made(Protocol):
    """What a run was made with, as a result says it."""

    @property
    def homework(self) -> HomeworkUsed: ...

    @property
    def dataset(self) -> DatasetUsed: ...

    @property
    def protocol(self) -> ProtocolUsed: ...

    @property
    def checkpoint_sha256(self) -> str: ...


def unfit(record: Record, result: Made, *, copies: bool = False) -> str:
    """Why the record's runs are of another kind than the result's; "" where they are of the same.

    `copies`: where its dataset is one of JPEG copies of the result's.
    """
    ours, theirs = record.dataset, result.dataset
    if record.homework.name != result.homework.name:
        return "another homework"
    if ours.name != theirs.name + COPIES if copies else ours.fingerprint != theirs.fingerprint:
        return "other data"
    if (ours.train_images, ours.test_images) != (theirs.train_images, theirs.test_images):
        return "another number of images"
    name = "preview" if result.protocol.name == "demo" else result.protocol.name  # which trains as one
    if (record.protocol.name, record.protocol.epochs) != (name, result.protocol.epochs):
        return "another protocol"
    if record.checkpoint_sha256 != result.checkpoint_sha256 or bool(record.checkpoint) != bool(
        record.checkpoint_sha256
    ):
        return "another start"
    return ""


def find(result: Made) -> Band | None:
    """The band of the record that fits `result`, an instructor's own first; None where there is none."""
    read_files = (_read_once(path, _changed(path)) for path in _files(result.homework.name))
    records = [record for record in read_files if record is not None]
    for copies in (False, True):
        for record in records:
            if not unfit(record, result, copies=copies):
                return replace(band(record), of_copies=copies)
    return None


def read(path: Path) -> Record:
    """The record in a file. Raises KitError when there is none that can be read."""
    hint = "autograder reference makes one"
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_RECORD + 1)
        if len(content) > LARGEST_RECORD:
            raise KitError(f"{path}: too large for a record of the solution's runs", hint)
        return Record.model_validate_json(content)
    except OSError as error:
        raise KitError(f"{path}: can't be read ({error.strerror or first_line(error)})", hint) from error
    except ValidationError as error:
        reason = error.errors()[0]["msg"]
        raise KitError(f"{path}: not a record of the solution's runs ({reason})", hint) from error


def write(path: Path, record: Record) -> None:
    """Write the record to `path`, whole or not at all."""
    write_text(path, json.dumps(record.model_dump(), ensure_ascii=False, indent=1) + "\n")


def own_folder() -> Path:
    """Where an instructor's records are: beside the datasets."""
    return default_root() / "references"


def file_name(record: Record) -> str:
    """What its file is called. Any name will do that begins with the homework's and a hyphen."""
    start = "-from-checkpoint" if record.checkpoint else ""
    return f"{record.homework.name}-{record.dataset.name}-{record.protocol.name}{start}.json"


def _files(homework: str) -> Iterator[Path]:
    for folder in (own_folder(), REFERENCES):
        yield from sorted(folder.glob(f"{homework}-*.json"))


def _changed(path: Path) -> int:
    """Its modification time, so that a new record is read again; 0 where it isn't known."""
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


@cache
def _read_once(path: Path, changed: int) -> Record | None:
    """The record in a file; or None, and the reason said once, however many pages there are."""
    try:
        return read(path)
    except KitError as error:
        print(f"pages are made without it: {error.message}", file=sys.stderr)
        return None
