"""What a homework is: one declaration that every part of the kit reads.

A declaration says what the students' network is called, how it is built, which check modules apply and what the
budget of a graded training is. It holds no points: those are in `grading_rubric.md`.
"""

import hashlib
import importlib
import pkgutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from autograder.errors import KitError

ROOT = Path(__file__).resolve().parent.parent
"""The checkout (or the folder that holds the installed package)."""


@dataclass(frozen=True)
class Protocol:
    """How a graded training runs.

    `full` is the homework's own budget on all of the homework's own data: the only one that gives points.
    `preview` takes the first `train_images` and `test_images` of a dataset, to see that everything works.
    """

    name: Literal["full", "preview"]
    epochs: int
    time_box_s: float
    train_images: int | None = None  # None: all of them
    test_images: int | None = None
    own_budget: bool = True  # False when somebody changed the time box (`--hours`): such a run gives no points


@dataclass(frozen=True)
class Question:
    """A numbered blank of the script."""

    number: int
    title: str

    @property
    def name(self) -> str:
        return f"Q{self.number}"


@dataclass(frozen=True)
class Stage:
    """A run of blocks that keep their shape: (N, channels, side, side)."""

    channels: int
    side: int


@dataclass(frozen=True)
class AskedOptimizer:
    """The optimizer that the homework's text asks for; the learning rate is the student's choice."""

    class_name: str
    momentum: float | None = None


@dataclass(frozen=True)
class Homework:
    """One assignment.

    Attributes:
        name: the short name, which is also the folder's and the file's: `hw6`.
        title: what pages call it.
        network: the class that students write.
        arguments: what it is built with, e.g. `(2, 2, 2, 2)`.
        other_arguments: further ways to build it that are reported and never charged.
        input_shape: one image as the network gets it, (C, H, W).
        classes: how many classes it tells apart.
        checks: modules under `autograder/checks`, in the order they run and are shown.
        questions: the numbered blanks.
        stages: what the network's stages are, from the image to the classifier.
        optimizer: what trains the network.
        full, preview: the two protocols.
        dataset: the name of its own dataset; a run on any other gives no points.
    """

    name: str
    title: str
    network: str
    arguments: tuple[int, ...]
    other_arguments: tuple[tuple[int, ...], ...]
    input_shape: tuple[int, int, int]
    classes: int
    checks: tuple[str, ...]
    questions: tuple[Question, ...]
    stages: tuple[Stage, ...]
    optimizer: AskedOptimizer
    full: Protocol
    preview: Protocol
    dataset: str = "cifar10"

    def protocol(self, name: str, hours: float | None = None) -> Protocol:
        """The protocol called `name`; with `hours`, its time box replaced (and marked as not the homework's own)."""
        chosen = {"full": self.full, "preview": self.preview}[name]
        return chosen if hours is None else replace(chosen, time_box_s=hours * 3600, own_budget=False)

    @property
    def version(self) -> str:
        """A fingerprint of the declaration: results made under another one are not reused."""
        return hashlib.sha256(repr(self).encode()).hexdigest()[:12]


def homework_names() -> list[str]:
    """The homeworks that ship with the kit, sorted."""
    from autograder import homeworks

    return sorted(module.name for module in pkgutil.iter_modules(homeworks.__path__))


def load(name: str) -> Homework:
    """The homework called `name`. Raises KitError when there is none."""
    if name not in homework_names():
        raise KitError(f"there is no homework called {name!r}", f"choose one of: {', '.join(homework_names())}")
    homework: Homework = importlib.import_module(f"autograder.homeworks.{name}").HOMEWORK
    return homework
