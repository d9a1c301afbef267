"""A runner that runs nothing: it gives what a test has told it to give, and remembers what it was asked for.

Handed in wherever the kit takes a `Runner`, so that no test replaces a function of the kit's to keep a training away.
"""

from collections.abc import Callable, MutableMapping
from dataclasses import dataclass, field
from weakref import WeakValueDictionary

import numpy as np

from autograder.course.checkpoint import Checkpoint
from autograder.course.dataset import Dataset
from autograder.course.homework import Homework, Protocol
from autograder.intake.submission import Submission
from autograder.observations import Observations, TrainingProgress, TrainingReport
from autograder.runner.train import Training
from autograder.sandbox.sandbox import Sandbox

Progressed = Callable[[TrainingProgress], None]


@dataclass(frozen=True)
class Look:
    """A look that was asked for."""

    homework: Homework
    submission: Submission


@dataclass(frozen=True)
class Asked:
    """A training that was asked for."""

    homework: Homework
    submission: Submission
    dataset: Dataset
    protocol: Protocol
    threads: int
    checkpoint: Checkpoint | None
    seed: int
    progress: Progressed | None


def nothing_seen(look: Look) -> Observations:
    """What the kit has where a look gave nothing."""
    return Observations(homework=look.homework.name, file=look.submission.name, problem="NO_RESULT: not run here")


def by_length(asked: Asked) -> Training:
    """Right for a tenth to nine tenths of the images, by how long the file is; a crash of ours where it says so."""
    if b"crash of ours" in asked.submission.content:
        raise ZeroDivisionError("ours")
    labels = asked.dataset.test_labels[: asked.protocol.test_images]
    right = len(labels) // 10 * (1 + len(asked.submission.content) % 9)
    answers = np.where(np.arange(len(labels)) < right, labels, (labels + 1) % 10)
    return Training("GRADED", "", None, {"eval": np.eye(10, dtype=np.float32)[answers]}, log="printed", seconds=1.0)


def half_right(asked: Asked, report: TrainingReport | None = None) -> Training:
    """Right for every other image."""
    labels = asked.dataset.test_labels
    answers = np.where(np.arange(len(labels)) % 2 == 0, labels, (labels + 1) % 10)
    return Training("GRADED", "", report, {"as_left": np.eye(10, dtype=np.float32)[answers]})


@dataclass(eq=False)
class FakeRunner:
    """Stands where a sandbox would be.

    Attributes:
        seen: what a look gives: always the same, or what a function makes of it; an exception is raised.
        training: the same of a training.
        gpu: whether there is one.
        looks, trainings: what was asked for.
        order: "observed" and "trained", as they came.
    """

    seen: Observations | Exception | Callable[[Look], Observations] = nothing_seen
    training: Training | Exception | Callable[[Asked], Training] = by_length
    gpu: bool = False
    looks: list[Look] = field(default_factory=list)
    trainings: list[Asked] = field(default_factory=list)
    order: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        _HERE[id(self)] = self

    def __reduce__(self) -> tuple[Callable[[int], "FakeRunner"], tuple[int]]:
        """Dask packs what its tasks get, also within one process: what is unpacked here is the same runner."""
        return _of_this_process, (id(self),)

    @property
    def trained(self) -> list[bytes]:
        """The files that were trained, in that order."""
        return [asked.submission.content for asked in self.trainings]

    @property
    def seeds(self) -> list[int]:
        """What trainings were started from, in their order."""
        return [asked.seed for asked in self.trainings]

    def has_gpu(self) -> bool:
        """See `Runner`."""
        return self.gpu

    def observe(
        self, homework: Homework, submission: Submission, sandbox: Sandbox, *, threads: int = 1, warm: bool = False
    ) -> Observations:
        """See `Runner`."""
        look = Look(homework, submission)
        self.looks.append(look)
        self.order.append("observed")
        if isinstance(self.seen, Exception):
            raise self.seen
        return self.seen(look) if callable(self.seen) else self.seen

    def train(
        self,
        homework: Homework,
        submission: Submission,
        dataset: Dataset,
        protocol: Protocol,
        sandbox: Sandbox,
        *,
        threads: int,
        checkpoint: Checkpoint | None = None,
        seed: int = 0,
        warm: bool = False,
        progress: Progressed | None = None,
    ) -> Training:
        """See `Runner`."""
        asked = Asked(homework, submission, dataset, protocol, threads, checkpoint, seed, progress)
        self.trainings.append(asked)
        self.order.append("trained")
        if isinstance(self.training, Exception):
            raise self.training
        return self.training(asked) if callable(self.training) else self.training


_HERE: MutableMapping[int, FakeRunner] = WeakValueDictionary()


def _of_this_process(number: int) -> FakeRunner:
    return _HERE[number]
