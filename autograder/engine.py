"""The scheduler that a class runs on: Dask's, with threads that each wait for one submission's subprocess at a time.

Called by `grade`. Everybody is observed before the first is trained, so that what is wrong with a class shows early.
Results come back one by one, to one thread. Whatever ends a run, an interrupt or an error, no subprocess is left.
Starting the scheduler costs 1.5 s on one core.
"""

import contextlib
import logging
import signal
import tempfile
import threading
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import psutil

from autograder import verdict, warm
from autograder.intake import Entry
from autograder.observations import Observations, TrainingProgress
from autograder.verdict import Graded, Setup

Engine = Callable[
    [list[Entry], Setup, Callable[[str], None], Callable[[str, TrainingProgress], None]],
    Iterator[Graded],
]


@contextlib.contextmanager
def start(workers: int) -> Iterator[Engine]:
    """A scheduler with `workers` threads, each waiting for one submission's subprocess at a time.

    Whatever ends it, an interrupt or an error, no subprocess is left.
    """
    import dask
    from distributed import Client, LocalCluster, as_completed

    def run(
        entries: list[Entry],
        setup: Setup,
        observed: Callable[[str], None],
        progressed: Callable[[str, TrainingProgress], None],
    ) -> Iterator[Graded]:
        def heard(event: tuple[float, dict[str, Any]]) -> None:
            message = dict(event[1])
            progressed(message.pop("student"), TrainingProgress.model_validate(message))

        client.subscribe_topic("progress", heard)
        # All are observed before the first is trained: what is wrong with a class shows early.
        seen = [client.submit(_observe_task, entry, setup, pure=False, priority=1) for entry in entries]
        for entry, future in zip(entries, seen, strict=True):
            futures[future] = (entry, "observed")
            futures[client.submit(_train_task, entry, setup, future, pure=False, priority=0)] = (entry, "trained")
        looked_at = 0
        for future in as_completed(list(futures)):  # type: ignore[no-untyped-call]
            entry, part = futures[future]
            if part == "observed":
                observed(entry.student)
                looked_at += 1
                if looked_at == len(entries):
                    warm.end()  # trainings are never forked, and can use its memory
                continue
            try:
                graded = future.result()
            except Exception:  # the scheduler lost the task, not the submission its way
                graded = verdict.failed(entry, setup, traceback.format_exc())
            yield graded

    futures: dict[Any, tuple[Entry, str]] = {}
    settings = {
        "distributed.admin.large-graph-warning-threshold": "1GiB",  # notebooks travel with their tasks
        "distributed.worker.profile.enabled": False,
        "distributed.scheduler.worker-saturation": "inf",  # else trainings go before observations that still queue
        # Dask always has web servers. These ones have no pages, and are reached from this machine alone.
        "distributed.scheduler.http.routes": [],
        "distributed.worker.http.routes": [],
    }
    with (
        tempfile.TemporaryDirectory(prefix="autograder-") as scratch,
        dask.config.set(settings),
        LocalCluster(  # type: ignore[no-untyped-call]
            n_workers=1,
            threads_per_worker=workers,
            processes=False,
            memory_limit=0,
            dashboard_address="127.0.0.1:0",
            worker_dashboard_address="127.0.0.1:0",
            local_directory=scratch,
            silence_logs=logging.CRITICAL,
        ) as cluster,
        Client(cluster) as client,  # type: ignore[no-untyped-call]
        _terminated_like_interrupted(),
    ):
        try:
            yield run
        finally:
            client.cancel(list(futures), force=True)  # nothing that waits is started any more
            warm.end()
            _end_children()


def _observe_task(entry: Entry, setup: Setup) -> Observations | str:
    return verdict.observe(entry, setup)


def _train_task(entry: Entry, setup: Setup, seen: Observations | str) -> Graded:
    from distributed import get_worker

    worker = get_worker()
    return verdict.train(
        entry, setup, seen, lambda said: worker.log_event("progress", {"student": entry.student, **said.model_dump()})
    )


def _end_children() -> None:
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()


@contextlib.contextmanager
def _terminated_like_interrupted() -> Iterator[None]:
    """A polite request to end (SIGTERM, a closed terminal) ends the run as Ctrl-C does."""
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
