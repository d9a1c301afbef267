"""How many trainings share one GPU: as many as fit its memory and, together, train faster than fewer would.

Called by `evaluate.py` around each training. A process that trains on GPUs has one `Pool`, with a `Gate` for each GPU;
each GPU is judged by itself. It begins with one training. When all that run have been measured for a while, and one
more would fit by the memory that those so far took, one more is let in. That number stays if all together then train
more images a second; else it is one less.

What other trainings could have spoiled doesn't count. A training that shared the GPU, and crashed or reached the end of
its time box, is repeated alone, and only the repeat counts. One that is too slow to end within its time box is ended
early, and repeated. So a training that counts either had the GPU to itself, or ended within its time box although it
shared.

Processes take turns on the GPU. CUDA's MPS, which lets them run at the same moment, isn't used: see docs/scale.md.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from statistics import fmean
from typing import Protocol

from autograder.machine import Card
from autograder.observations import TrainingProgress
from autograder.runner import nvidia_smi
from autograder.runner.train import Training

WINDOW_S = 30.0  # for so long speeds are measured before anything is decided by them
LEAST_GAIN = 0.05  # in images/s of all together, by one more training
FILLED = 0.95  # of the GPU's memory, at most
SURE_S = 60.0  # of a training, before its end is foretold

Progressed = Callable[[TrainingProgress], None]


class Train(Protocol):
    """Trains, and tells of its progress."""

    def __call__(self, *, progress: Progressed | None) -> Training: ...


Memory = Callable[[], tuple[float, float] | None]
"""(MiB in use, MiB in all) of the GPU's memory; None where that isn't known."""


class EndedError(Exception):
    """The run has ended: nobody gets a turn any more."""


class TooSlowError(Exception):
    """Beside others, a training would not end within its time box."""


@dataclass(eq=False)
class Turn:
    """A training's time on the GPU.

    Attributes:
        others: how many it shared with, at most.
        images: trained so far; `at`: when that was said, by this process's clock; None before the first.
    """

    others: int = 0
    images: int = 0
    at: float | None = None


@dataclass
class Window:
    """A time in which the same trainings ran, to measure speeds in: images and time of each at its beginning."""

    since: float
    began: dict[Turn, tuple[int, float]] = field(default_factory=dict)

    def rates(self) -> dict[Turn, float]:
        """Images a second of each since then; 0 where none came."""
        return {
            turn: (turn.images - images) / max(turn.at - at, 1e-9) if turn.at is not None else 0.0
            for turn, (images, at) in self.began.items()
        }


class Share:
    """Decides how many trainings are on one GPU, from what it is told of them. Waits for nothing; see `Gate`.

    Attributes:
        level: how many may run at the moment.
        settled: whether that number is final.
        running: the turns of those that run.
    """

    def __init__(self, most: int, memory: Memory, clock: Callable[[], float] = time.monotonic) -> None:
        """At `most` so many."""
        self.most = most
        self.level = 1
        self.settled = most <= 1
        self.running: list[Turn] = []
        self._memory = memory
        self._clock = clock
        self._alone: Turn | None = None
        self._idle_mib: float | None = None  # in use while nobody trained
        self._largest_mib = 0.0  # what one training was seen to take
        self._window: Window | None = None
        self._before: dict[Turn, float] | None = None  # speeds before the last one was let in, while that is on trial

    def may_enter(self, *, alone: bool = False) -> bool:
        """Whether another training may begin, with or without neighbours."""
        if not self.running:
            return True
        return (
            not alone
            and self._alone is None
            and len(self.running) < self.level
            and all(turn.at is not None for turn in self.running)  # so it is known what each takes
            and self._one_more_fits()
        )

    def enter(self, *, alone: bool = False) -> Turn:
        """A training begins."""
        if not self.running and (known := self._memory()):
            self._idle_mib = min(known[0], self._idle_mib or known[0])  # observations may have used some
        turn = Turn()
        self.running.append(turn)
        self._alone = turn if alone else None
        for one in self.running:
            one.others = max(one.others, len(self.running) - 1)
        self._window = None
        return turn

    def leave(self, turn: Turn) -> None:
        """A training has ended."""
        self.running.remove(turn)
        self._alone = None if self._alone is turn else self._alone
        self._window = None

    def progressed(self, turn: Turn, images: int) -> None:
        """A training has trained so many images in all."""
        turn.images, turn.at = images, self._clock()
        if not self.settled:
            self._measure()

    def was_too_much(self) -> None:
        """One of several ran out of memory, and has left: so many are enough, and no more are tried."""
        self.level = max(1, min(self.level, len(self.running)))
        self.settled = True

    def _one_more_fits(self) -> bool:
        known = self._memory()
        if known is None or self._idle_mib is None:
            return False
        used, total = known
        self._largest_mib = max(self._largest_mib, (used - self._idle_mib) / len(self.running))
        return used + self._largest_mib <= FILLED * total

    def _measure(self) -> None:
        """Go on with the measurement; when it is long enough, decide."""
        now = self._clock()
        if len(self.running) < self.level or any(turn.at is None for turn in self.running):
            self._window = None
            return
        if self._window is None:
            self._window = Window(now, {turn: (turn.images, turn.at or now) for turn in self.running})
        if now - self._window.since < WINDOW_S:
            return
        rates = self._window.rates()
        self._window = None
        if min(rates.values()) <= 0:
            return  # one of them does something else than training
        if self._before is None:
            self._try_one_more(rates)
            return
        kept = [rates[turn] / before for turn, before in self._before.items() if turn in rates]
        self._before = None
        if not kept:  # those that were measured before have ended: the trial has to be made again
            self.level -= 1
        elif fmean(kept) * self.level / (self.level - 1) - 1 < LEAST_GAIN:
            self.level -= 1
            self.settled = True
        else:
            self._try_one_more(rates)

    def _try_one_more(self, rates: dict[Turn, float]) -> None:
        if self.level >= self.most:
            self.settled = True
        elif self._one_more_fits():
            self.level += 1
            self._before = rates


class Gate:
    """Lets trainings onto one GPU in the order in which they come, each on a thread of its own."""

    def __init__(self, most: int, memory: Memory = nvidia_smi.memory) -> None:
        self.share = Share(most, memory)
        self._changed = threading.Condition()
        self._queue: deque[object] = deque()
        self._ended = False

    @contextmanager
    def turn(self, *, alone: bool = False) -> Iterator[Turn]:
        """Wait for one, have it, and give it back. Raises EndedError after `end`."""
        ticket = object()

        def is_next() -> bool:
            return self._ended or (self._queue[0] is ticket and self.share.may_enter(alone=alone))

        with self._changed:
            self._queue.append(ticket)
            self._changed.wait_for(is_next)
            self._queue.remove(ticket)
            if self._ended:
                raise EndedError
            turn = self.share.enter(alone=alone)
            self._changed.notify_all()
        try:
            yield turn
        finally:
            with self._changed:
                self.share.leave(turn)
                self._changed.notify_all()

    def progressed(self, turn: Turn, images: int) -> None:
        """See `Share`."""
        with self._changed:
            self.share.progressed(turn, images)
            self._changed.notify_all()

    def was_too_much(self) -> None:
        """See `Share`."""
        with self._changed:
            self.share.was_too_much()

    def end(self) -> None:
        """Whoever waits needn't any more."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()


class Pool:
    """This process's GPUs, a gate for each. A training gets the one on which the fewest are, or wait."""

    def __init__(self, gates: Sequence[tuple[Card | None, Gate]]) -> None:
        self.gates = gates
        self._on = [0] * len(gates)
        self._lock = threading.Lock()

    @contextmanager
    def one(self) -> Iterator[tuple[Card | None, Gate]]:
        """A GPU, and the gate onto it, until it is given back. It waits for nothing: the gate does."""
        with self._lock:
            at = self._on.index(min(self._on))
            self._on[at] += 1
        try:
            yield self.gates[at]
        finally:
            with self._lock:
                self._on[at] -= 1

    def end(self) -> None:
        """Whoever waits needn't any more."""
        for _, gate in self.gates:
            gate.end()


_lock = threading.Lock()
_pool: Pool | None = None
_asked: tuple[object, ...] = ()


def pool(cards: Sequence[Card], most: int) -> Pool:
    """This process's pool of these GPUs, with at most `most` trainings on each at a time."""
    global _pool, _asked
    with _lock:
        asked = (tuple(cards), most)
        if _pool is None or _asked != asked:
            each = [(card, Gate(most, partial(nvidia_smi.memory, card))) for card in cards or (None,)]
            _pool, _asked = Pool(each), asked
        return _pool


def end() -> None:
    """Nobody who waits for this process's GPUs is let onto one any more."""
    global _pool
    with _lock:
        if _pool is not None:
            _pool.end()
            _pool = None


def at_a_time(workers: int) -> int:
    """How many of `workers` train at a time at the moment."""
    return workers if _pool is None else min(workers, sum(gate.share.level for _, gate in _pool.gates))


def train(gate: Gate, run: Train, time_box_s: float, progress: Progressed | None) -> Training:
    """`run` a training when its turn comes; again and alone where neighbours could have spoiled it.

    `run` gets the function to call with its progress. Where the training that counts shared the GPU, or is a repeat,
    its log says so.
    """

    def told(turn: Turn) -> Progressed:
        return lambda said: _told(gate, turn, said, time_box_s, progress)

    try:
        with gate.turn() as turn:
            training = run(progress=told(turn))
        if not turn.others:
            return training
        why = _spoiled(training)
        if not why:
            return _logged(training, f"it shared the GPU with other trainings, {turn.others} at most", turn.others)
        if _is_out_of_memory(training):
            gate.was_too_much()
    except TooSlowError:
        why = "would not have ended within the time box"
    with gate.turn(alone=True) as turn:
        return _logged(run(progress=told(turn)), f"trained again, with the GPU to itself: beside others it {why}")


def _logged(training: Training, words: str, others: int = 0) -> Training:
    return replace(training, beside=others, log=f"[grader] {words}\n{training.log}")


def _told(gate: Gate, turn: Turn, said: TrainingProgress, time_box_s: float, progress: Progressed | None) -> None:
    gate.progressed(turn, said.images)
    if progress is not None:
        progress(said)
    if turn.others and said.images and said.seconds > SURE_S and said.seconds * said.of > time_box_s * said.images:
        raise TooSlowError


def _spoiled(training: Training) -> str:
    """What of a training its neighbours could be to blame for; "" where nothing."""
    report = training.report
    if report is not None and report.ended_by == "time":
        return "didn't end within the time box"
    if _is_out_of_memory(training):
        return "ran out of memory"
    if training.outcome != "GRADED" or report is None or report.failure is not None:
        return "didn't end well"
    return ""


def _is_out_of_memory(training: Training) -> bool:
    failure = None if training.report is None else training.report.failure
    said = [training.message] if failure is None else [training.message, failure.type, failure.message]
    return any("out of memory" in part.lower() or "OutOfMemory" in part for part in said)
