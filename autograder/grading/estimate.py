"""How long trainings take, and so which goes first and when a class is done.

Called by `schedule.py` for the order, and by `progress_display.py` and `check --train` for what is shown. A training's
time is taken to be

    operations / rate + steps * overhead

with the network's operations as the proctor traced them, and the batch size of the script's own loader: a batch of 4
makes a training many times longer than one of 64. Rate and overhead are learned from the class's trainings as they go;
until then they are guesses, which only order the queue.
"""

import heapq
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from autograder.observations import Observations, Op
from autograder.runner.setup import Setup

BACKWARD = 2  # a backward pass has twice the operations of the forward pass
USUAL_BATCH = 64
CORE_RATE = 25e9  # operations a second of one core of a 2020s server, in float32: the guess to begin with
STEP_OVERHEAD_S = 0.01  # of one step, whatever its size: the guess to begin with
STARTING_S = 5.0  # import, setting up and testing
TRUST = 1.0  # how many trainings the guess counts for, beside those that were measured

Factors = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Work:
    """What a training has to do.

    Attributes:
        operations: multiplications with their additions, of all images forward and backward.
        steps: of the optimizer.
        limit_s: the time box, and what comes after it at most.
    """

    operations: float
    steps: float
    limit_s: float


def work(seen: Observations | str, setup: Setup) -> Work:
    """The work of a submission's training. `seen` is what `student_run.observe` gave."""
    protocol = setup.protocol
    images = float(protocol.train_count(setup.dataset.train_count) * protocol.epochs)
    batch: float = USUAL_BATCH
    operations = 0
    if isinstance(seen, Observations):
        if seen.syntax_error is not None:
            images = 0.0  # it isn't trained
        loader = None if seen.rehearsal is None else seen.rehearsal.train_loader
        batch = (loader and loader.batch_size) or USUAL_BATCH
        operations = 0 if seen.network is None else forward_operations(seen.network.graph)
    each = (1 + BACKWARD) * operations or CORE_RATE / setup.homework.images_per_core_s
    return Work(images * each, math.ceil(images / max(1.0, batch)), protocol.time_box_s)


def forward_operations(graph: Sequence[Op]) -> int:
    """Multiplications with their additions of the convolutions and linear layers, for one image."""
    shapes = {op.index: op.shape for op in graph}
    total = 0
    for op in graph:
        source = next((shapes[index] for index in op.inputs if len(shapes.get(index, ())) > 1), None)
        if op.kind in ("conv", "linear") and source is not None and len(op.shape) > 1:
            inner = source[1] * math.prod(op.kernel) if op.kind == "conv" else source[-1]
            total += math.prod(op.shape[1:]) * inner
    return total


class Estimate:
    """Learns from a class's trainings how long the others take. Not thread-safe: its callers hold a lock."""

    def __init__(self, threads: int = 1) -> None:
        self._guess = np.array([1 / (CORE_RATE * threads), STEP_OVERHEAD_S])  # seconds of each
        self._works: dict[str, Work] = {}
        self._measured: dict[str, tuple[float, float]] = {}  # seconds so far, and which share of the training they were
        self._factors: Factors | None = None

    def expect(self, name: str, work: Work) -> float:
        """Announce a training that is still to come. Returns the seconds that it is expected to take."""
        self._works[name] = work
        return self.seconds(name)

    @property
    def has_measured(self) -> bool:
        """Whether any training has told how long it takes."""
        return bool(self._measured)

    def measured(self, name: str, seconds: float, share: float) -> None:
        """After `seconds` of a training, `share` of it is done: above 0, and 1 when it has ended."""
        if name in self._works:
            self._measured[name] = (seconds, share)
            self._factors = None

    def seconds(self, name: str) -> float:
        """How long a training takes as a whole."""
        predicted = self._predicted(self._works[name])
        if name not in self._measured:
            return predicted
        # What was measured of a training says more about it than other trainings do, the more the longer it went on.
        seconds, share = self._measured[name]
        as_so_far = seconds / share
        return seconds + (1 - share) * (share * as_so_far + (1 - share) * predicted)

    def left(self, waiting: Sequence[str], running: Mapping[str, float], slots: int) -> float:
        """Seconds until all have ended: `running` (name -> seconds so far), and `waiting`, longest first."""
        free = [max(0.0, self.seconds(name) - gone) for name, gone in running.items()]
        free += [0.0] * (slots - len(free))
        heapq.heapify(free)
        for seconds in sorted((self.seconds(name) for name in waiting), reverse=True):
            heapq.heappush(free, heapq.heappop(free) + seconds)
        return max(free)

    def _predicted(self, work: Work) -> float:
        if self._factors is None:
            self._factors = self._fitted()
        return min(work.limit_s, STARTING_S + float(self._parts(work) @ self._factors))

    def _parts(self, work: Work) -> Factors:
        parts: Factors = np.array([work.operations, work.steps]) * self._guess
        return parts

    def _fitted(self) -> Factors:
        """The two factors that the guesses are multiplied with: one common factor, corrected as far as trainings say.

        Least squares of relative errors: each training's time is divided by what the common factor predicts. So
        trainings that crash at once count as a share of the class that takes no time.
        """
        if not self._measured:
            return np.ones(2)
        shares = np.array([share for _, share in self._measured.values()])
        took = np.array([seconds / share for seconds, share in self._measured.values()]) - STARTING_S
        parts = np.array([self._parts(self._works[name]) for name in self._measured])
        scale = max(1e-6, (shares @ took) / max(1e-6, shares @ parts.sum(1)))
        weights = np.sqrt(shares) / np.maximum(1e-6, scale * parts.sum(1))
        left = np.vstack([parts * weights[:, None], np.eye(2) * np.sqrt(TRUST) / scale])
        right = np.concatenate([took * weights, np.full(2, np.sqrt(TRUST))])
        factors: Factors = np.maximum(np.linalg.lstsq(left, right, rcond=None)[0], scale / 10)
        return factors
