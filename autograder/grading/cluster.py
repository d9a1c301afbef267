"""Where a class runs: on this machine, or on the workers of a Dask scheduler that many machines share.

Called by `schedule.py`. On this machine the scheduler is one of this process's own threads. Elsewhere each worker first
checks whether it can grade at all: whether it has the same kit, the dataset (found by its fingerprint among the
worker's own, see `AUTOGRADER_DATA`), the checkpoint and the sandbox. A worker that can't grade says why, and gets
nothing to do. What travels is the submissions' bytes, and results as data; images never do.

Whoever can reach a Dask scheduler can run anything on its workers. So one that isn't on this machine belongs behind
TLS, which Dask's own configuration sets up (docs/scale.md).
"""

import contextlib
import logging
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autograder.errors import KitError, first_line

if TYPE_CHECKING:
    from distributed import Client

DATA = "AUTOGRADER_DATA"  # a worker's environment: where its datasets are, if not where the kit keeps them
TOPIC = "autograder-workers"
CONNECT_S = 10.0  # for a scheduler to be found
RETURN_S = 600.0  # for one that was lost to return
_SETTINGS = {
    "distributed.admin.large-graph-warning-threshold": "1GiB",  # notebooks travel with their tasks
    "distributed.scheduler.worker-saturation": "inf",  # else trainings go before observations that still queue
}
LOOK, TRAINING = "look", "training"  # Dask resources: how many submissions a worker observes and trains at a time


@dataclass(frozen=True)
class Cluster:
    """A scheduler that isn't this process's own.

    Attributes:
        address: of a scheduler that runs already, "tcp://host:8786" or "tls://...".
        slurm: a file that says which Slurm jobs to start as workers, of a scheduler of this process; see
            `docs/scale.md`.
    """

    address: str | None = None
    slurm: Path | None = None

    def __str__(self) -> str:
        return self.address or f"Slurm ({self.slurm})"


@contextlib.contextmanager
def local(workers: int, looks: int) -> Iterator["Client"]:
    """A scheduler of this process's own, which trains `workers` submissions at a time.

    `looks` more are observed meanwhile; 0 where observing needs the same cores as training.
    """
    import dask
    from distributed import Client, LocalCluster

    settings = {
        **_SETTINGS,
        "distributed.worker.profile.enabled": False,
        # Dask's monitoring of itself, many times a second, takes 6% of a core; one worker doesn't need it.
        "distributed.admin.tick.interval": "2s",
        "distributed.admin.tick.cycle": "4s",
        "distributed.admin.system-monitor.interval": "5s",
        "distributed.scheduler.work-stealing": False,
        "distributed.scheduler.active-memory-manager.start": False,
        # Dask always has web servers. These ones have no pages, and are reached from this machine alone.
        "distributed.scheduler.http.routes": [],
        "distributed.worker.http.routes": [],
    }
    with (
        tempfile.TemporaryDirectory(prefix="autograder-") as scratch,
        dask.config.set(settings),
        LocalCluster(  # type: ignore[no-untyped-call]
            n_workers=1,
            threads_per_worker=workers + looks,
            resources={TRAINING: workers, LOOK: looks or workers},
            processes=False,
            memory_limit=0,
            dashboard_address="127.0.0.1:0",
            worker_dashboard_address="127.0.0.1:0",
            local_directory=scratch,
            silence_logs=logging.CRITICAL,
        ) as cluster,
        Client(cluster) as client,  # type: ignore[no-untyped-call]
    ):
        yield client


@contextlib.contextmanager
def remote(
    cluster: Cluster, plugin: Any, notice: Callable[[str], None], patience_s: float = CONNECT_S
) -> Iterator["Client"]:
    """The client of a cluster. Its workers get `plugin`, and say whether they can grade.

    Args:
        plugin: the WorkerPlugin that checks on each worker whether it can grade.
        notice: is called with each sentence that a worker says.
        patience_s: how long to look for the scheduler.

    Raises KitError where there is no such scheduler.
    """
    import dask
    from distributed import Client

    with dask.config.set(_SETTINGS), contextlib.ExitStack() as closed:
        try:
            where = closed.enter_context(_slurm(cluster.slurm)) if cluster.slurm else cluster.address
            client = closed.enter_context(Client(where, timeout=patience_s))  # type: ignore[no-untyped-call]
        except (OSError, ValueError, TypeError, TimeoutError) as error:  # a TypeError where TLS isn't configured
            raise KitError(
                f"{cluster}: no scheduler can be reached there ({first_line(error)})",
                "start one: dask scheduler; with TLS its address begins with tls://",
            ) from error
        client.subscribe_topic(TOPIC, lambda event: notice(str(event[1])))
        client.register_plugin(plugin)
        try:
            yield client
        finally:
            if client.status == "running":
                client.unregister_worker_plugin(plugin.name)


@contextlib.contextmanager
def _slurm(path: Path) -> Iterator[Any]:
    """A scheduler on this machine, whose workers are Slurm's jobs. The file: `SLURMCluster`'s arguments and `jobs`."""
    try:
        from dask_jobqueue.slurm import SLURMCluster
    except ModuleNotFoundError as error:
        raise KitError(f"--slurm needs a package that isn't here: {error.name}", "pip install dask-jobqueue") from error
    if shutil.which("sbatch") is None:
        raise KitError("--slurm needs the command sbatch, which isn't here", "run it where jobs are submitted from")
    import yaml

    try:
        words = dict(yaml.safe_load(path.read_text(encoding="utf-8")))
        jobs = int(words.pop("jobs"))
        web = {"dashboard_address": "127.0.0.1:0", **words.pop("scheduler_options", {})}
        cluster = SLURMCluster(scheduler_options=web, **words)
    except (OSError, UnicodeError, yaml.YAMLError, KeyError, TypeError, ValueError) as error:
        raise KitError(
            f"{path}: doesn't say what to ask Slurm for ({first_line(error)})",
            "it has `jobs` and the words of dask_jobqueue.SLURMCluster: see docs/scale.md",
        ) from error
    with cluster:
        cluster.scale(jobs=jobs)  # type: ignore[no-untyped-call]
        yield cluster
