"""Checkpoints that a training may go on from: two files, NAME.safetensors and its record NAME.json beside it.

Called by `grade` and `check --train`, which look for the homework's own, and by `pretrain`, which writes them. A
A checkpoint counts only for the images that it was trained on, in whatever encoding. On other data it may have been
trained on the test images. Never imports torch, and never unpickles: safetensors holds names, shapes and numbers only.
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from autograder.course.dataset import Dataset, default_root
from autograder.course.homework import Homework, Protocol
from autograder.course.same_pictures import Sketches, are_those
from autograder.course.state_dict import Shapes
from autograder.errors import KitError, first_line
from autograder.files import write_text
from autograder.language import gettext as _

SUFFIX = ".safetensors"
NONE = "none"
"""What `--checkpoint` takes for no checkpoint."""


class Record(BaseModel):
    """What is known about a checkpoint.

    Attributes:
        model: which network it is of.
        dataset, fingerprint: the data it was trained on, and tested on.
        pictures: sketches of some of its images, by which the data is recognised in another encoding; None where there
            are none.
        accuracy_percent: of its test images, in eval mode.
        epochs: how many it was trained.
        recipe: how, in words; of an imported one, where it came from.
        sha256: of the safetensors file, as hex.
        made, machine, torch: when, on what and with which version.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str
    dataset: str
    fingerprint: str
    pictures: Sketches | None = None
    accuracy_percent: Annotated[float, Field(ge=0, le=100)]
    epochs: int | None = None
    recipe: str
    sha256: str
    made: str
    machine: str
    torch: str


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint on disk: its file, what is known about it, and name -> shape of its entries."""

    path: Path
    record: Record
    entries: Shapes

    def __str__(self) -> str:
        return f"{self.path.name} ({self.record.accuracy_percent:.2f}%, SHA-256 {self.record.sha256[:8]})"


def default_folder() -> Path:
    """Where checkpoints are kept unless somebody says otherwise: beside the datasets."""
    return default_root() / "checkpoints"


def load(path: Path) -> Checkpoint:
    """The checkpoint at `path`, a `.safetensors` file with its record beside it.

    Raises KitError when one of the two is missing or damaged, and when the file isn't the one of the record.
    """
    hint = "autograder pretrain makes one; with --from it makes one of a file that you have"
    if path.suffix != SUFFIX:
        raise KitError(f"{path}: not a {SUFFIX} file", hint)
    beside = path.with_suffix(".json")
    try:
        record = Record.model_validate_json(beside.read_bytes())
        found = sha256(path)
        entries = shapes(path)
    except ValidationError as error:
        raise KitError(f"{beside}: not a checkpoint's record ({error.errors()[0]['msg']})", hint) from error
    except OSError as error:
        raise KitError(
            f"{error.filename or path}: can't be read ({error.strerror or first_line(error)})", hint
        ) from error
    if found != record.sha256:
        raise KitError(f"{path}: not the file that {beside.name} is about (another SHA-256)", hint)
    return Checkpoint(path, record, entries)


def shapes(path: Path) -> Shapes:
    """Name -> shape of every entry of a safetensors file. Raises KitError when it isn't one."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            return {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise KitError(f"{path}: not a safetensors file ({first_line(error)})") from error


def sha256(path: Path) -> str:
    """Of the file's bytes, as hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def find(homework: Homework, protocol: Protocol, dataset: Dataset, asked: str | None) -> tuple[Checkpoint | None, str]:
    """The checkpoint that trainings of this run go on from; or None, and the reason, a sentence without its full stop.

    `asked`: a file, "none", or None for the homework's own in `default_folder`. ("" for a homework without any.)
    `protocol`: the one that a training without a checkpoint follows.
    Raises KitError when the checkpoint asked for can't be read, or was trained on other data.
    """
    if not homework.goes_on_from_checkpoint:
        if asked is not None:
            raise KitError(f"{homework.name} starts from no checkpoint", "leave --checkpoint away")
        return None, ""
    if asked == NONE:
        text = _("no checkpoint was wanted, so training starts from nothing, for {epochs} epochs")
        return None, text.format(epochs=protocol.epochs)
    path = default_folder() / f"{homework.name}{SUFFIX}" if asked is None else Path(asked)
    if asked is None and not path.exists():
        text = _("there is no checkpoint {file}, so training starts from nothing, for {epochs} epochs")
        return None, text.format(file=path.name, epochs=protocol.epochs)
    found = load(path)
    if not _is_of(found.record, dataset):
        of = f"{found.record.dataset} ({found.record.fingerprint[:12]})"
        mine = f"{dataset.name} ({dataset.fingerprint[:12]})"
        if asked is not None:
            raise KitError(f"{path}: was trained on {of}, and this run is on {mine}", "choose the data it belongs to")
        text = _(
            "the checkpoint {file} is of {of}, not of {mine}, so training starts from nothing, for {epochs} epochs"
        )
        return None, text.format(file=path.name, of=of, mine=mine, epochs=protocol.epochs)
    return found, ""


def _is_of(record: Record, dataset: Dataset) -> bool:
    """Whether a checkpoint saw the training pictures of `dataset`, and none that it tests with."""
    if record.fingerprint == dataset.fingerprint:
        return True
    try:
        return record.pictures is not None and are_those(record.pictures, dataset.train_images, dataset.test_images)
    except ValueError:  # sketches that somebody has damaged
        return False


def write_record(path: Path, record: Record) -> None:
    """Write the record of the checkpoint at `path`, whole or not at all."""
    write_text(path.with_suffix(".json"), json.dumps(record.model_dump(), indent=2) + "\n")
