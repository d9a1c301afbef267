"""Schedules observation and training of a class: the longest trainings begin first.

Called by `class_run.py`. Tasks run on Dask, on this machine or on a cluster (`cluster.py`); each waits for one
submission's subprocess at a time. Where there is a GPU, submissions are observed while others are trained; else all are
observed before the first is trained, so that what is wrong with a class shows early. Results come back one by one, to
one thread. Whatever ends a run, an interrupt or an error, no subprocess of this machine is left. The submissions of a
worker that is lost go to another one. Starting a scheduler costs 1.5 s on one core.
"""

import contextlib
import signal
import threading
import traceback
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

import psutil

from autograder.grading import cluster, student_run
from autograder.grading.cluster import LOOK, TRAINING, Cluster
from autograder.grading.estimate import Work, work
from autograder.grading.student_run import Graded
from autograder.intake.entry import Entry
from autograder.machine import cores
from autograder.observations import Observations, TrainingProgress
from autograder.runner import gpu_sharing
from autograder.runner.setup import Setup
from autograder.sandbox import fork_client

FIRST = 1e12  # the priority of observations; a training's is the seconds that it is expected to take

Look = bytes | str
"""Observations, compressed, since everybody's wait until trainings begin; or, when the grader failed, the traceback."""


class SchedulerLostError(Exception):
    """The scheduler of a cluster is gone, and what ran with it."""


@dataclass(frozen=True)
class Listener:
    """The callbacks of a run. They are called on more than one thread.

    Attributes:
        observed: a student has been observed, and the training has this work. Returns the seconds that it is expected
            to take.
        progressed: how far a student's training is.
        notice: anything else that people should read.
    """

    observed: Callable[[str, Work], float]
    progressed: Callable[[str, TrainingProgress], None]
    notice: Callable[[str], None]


Engine = Callable[[list[Entry]], Iterator[Graded]]


@contextlib.contextmanager
def start(
    setup: Setup,
    workers: int,
    listener: Listener,
    elsewhere: Cluster | None = None,
    patience_s: float = cluster.CONNECT_S,
) -> Iterator[Engine]:
    """Yield the function that grades a class: `workers` submissions at a time here, or as many as workers `elsewhere`
    can.

    Raises KitError where the scheduler elsewhere can't be reached in `patience_s`. The function raises
    SchedulerLostError where that scheduler is lost.
    """
    from distributed import as_completed

    def run(entries: list[Entry]) -> Iterator[Graded]:
        def on_progress(event: tuple[float, tuple[str, dict[str, Any]]]) -> None:
            student, said = event[1]
            listener.progressed(student, TrainingProgress.model_validate(said))

        client.subscribe_topic("progress", on_progress)  # type: ignore[no-untyped-call]
        looks = {LOOK: 1}
        for entry in entries:
            future = client.submit(_observe_task, entry, setup, pure=False, priority=FIRST, resources=looks)
            futures[future] = (entry, "observed")
        waiting = as_completed(list(futures))  # type: ignore[no-untyped-call]
        looked_at = 0
        held: list[tuple[Entry, Any, float]] = []  # who has been observed, and waits for the others
        for future in waiting:
            if future.status in ("cancelled", "lost"):
                raise SchedulerLostError
            entry, part = futures.pop(future)
            try:
                came = future.result()
            except Exception:  # Dask failed, not the submission
                came = traceback.format_exc()
            if part == "trained":
                yield student_run.failed(entry, setup, came) if isinstance(came, str) else came
                continue
            seconds = listener.observed(entry.student, work(_seen(came), setup))
            looked_at += 1
            if looked_at == len(entries) and not setup.forks_trainings:
                fork_client.end()  # nothing is forked any more, so free its memory for trainings
            held.append((entry, future, seconds))
            if beside or looked_at == len(entries):
                for one, seen, expected in sorted(held, key=itemgetter(2), reverse=True):
                    training = client.submit(
                        _train_task, one, setup, seen, pure=False, priority=expected, resources={TRAINING: 1}
                    )
                    futures[training] = (one, "trained")
                    waiting.add(training)  # type: ignore[no-untyped-call]
                held.clear()

    futures: dict[Any, tuple[Entry, str]] = {}
    beside = elsewhere is not None or setup.runner.has_gpu()  # without a GPU, both need the same cores
    if elsewhere is not None:
        from autograder.grading.cluster_worker import GradingPlugin

        place = cluster.remote(elsewhere, GradingPlugin(setup), listener.notice, patience_s)
    else:
        if setup.forks and setup.sandbox.name == "bwrap":
            fork_client.begin()  # it gets ready while Dask does
        place = cluster.local(workers, max(1, cores() - workers) if beside else 0)
    with place as client, _terminated_like_interrupted():
        try:
            yield run
        finally:
            # Nothing that waits is started any more.
            client.cancel(list(futures), force=True)  # type: ignore[no-untyped-call]
            fork_client.end()
            gpu_sharing.end()
            _end_children()


def _observe_task(entry: Entry, setup: Setup) -> Look:
    from autograder.grading.cluster_worker import setup_here

    seen = student_run.observe(entry, setup_here(setup))
    return seen if isinstance(seen, str) else zlib.compress(seen.model_dump_json().encode())


def _seen(look: Look) -> Observations | str:
    return look if isinstance(look, str) else Observations.model_validate_json(zlib.decompress(look))


def _train_task(entry: Entry, setup: Setup, look: Look) -> Graded:
    from distributed import get_worker

    from autograder.grading.cluster_worker import setup_here

    worker = get_worker()
    return student_run.grade(
        entry,
        setup_here(setup),
        _seen(look),
        lambda said: worker.log_event("progress", (entry.student, said.model_dump())),
    )


def _end_children() -> None:
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()


@contextlib.contextmanager
def _terminated_like_interrupted() -> Iterator[None]:
    """SIGTERM and SIGHUP (a closed terminal) end the run as Ctrl-C does."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
