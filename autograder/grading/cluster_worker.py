"""What a worker of a cluster does before it grades: looks whether it can.

Registered by `schedule.py` where the scheduler is elsewhere, and asked by its tasks. Imported only there, since it
needs Dask, whose import takes half a second.
"""

import asyncio
import os
import platform
from dataclasses import replace
from pathlib import Path

from distributed import Worker, get_worker
from distributed.core import Status
from distributed.diagnostics.plugin import WorkerPlugin

from autograder.course import dataset
from autograder.errors import KitError
from autograder.grading.cluster import DATA, LOOK, TOPIC, TRAINING
from autograder.grading.keys import worker_kit
from autograder.machine import cards, cores
from autograder.runner import gpu_sharing
from autograder.runner.setup import Setup
from autograder.sandbox import fork_client
from autograder.sandbox import sandbox as sandboxes


class GradingPlugin(WorkerPlugin):
    """Gives a worker something to do where it can grade with `setup`, and has it say so where it can't."""

    name = "autograder"

    def __init__(self, asked: Setup) -> None:
        self.asked = asked
        self.kit = worker_kit(asked.homework.name)
        self.here: Setup | None = None  # the setup with this worker's own dataset, sandbox and GPUs

    def teardown(self, worker: Worker) -> None:
        """Dask calls it when the plugin is taken away, and when the worker ends."""
        fork_client.end()
        gpu_sharing.end()

    async def setup(self, worker: Worker) -> None:
        """Dask calls it when the plugin comes to a worker, or the worker to the scheduler."""
        own = worker.state.total_resources.get(TRAINING)  # `dask worker --resources training=2`
        gpus = max(1, len(cards()))  # those that CUDA_VISIBLE_DEVICES names, as Slurm does
        trainings = int(own or (gpus if self.asked.runner.has_gpu() else worker.state.nthreads))
        problem = ""
        # Dask looks at waiting tasks again when a worker starts to run, but not when a worker gets more resources.
        worker.status = Status.paused
        try:
            self.here = await asyncio.to_thread(self._setup_here, trainings)
        except KitError as error:
            problem = error.message
            trainings = 0
        await worker.set_resources(**{TRAINING: trainings, LOOK: worker.state.nthreads if trainings else 0})
        worker.status = Status.running
        can = f"{trainings} training{'s' * (trainings != 1)} at a time"
        able = f"gets nothing to do: {problem}" if problem else can
        worker.log_event(TOPIC, f"worker {worker.name} on {platform.node()}: {able}")

    def _setup_here(self, trainings: int) -> Setup:
        asked = self.asked
        own = worker_kit(asked.homework.name)
        if self.kit != own:
            raise KitError(f"its kit is {own}, the grader's {self.kit}")
        root = Path(os.environ.get(DATA) or dataset.default_root())
        found = next((one for one in dataset.prepared(root) if one.fingerprint == asked.dataset.fingerprint), None)
        if found is None:
            data = f"{asked.dataset.name} {asked.dataset.fingerprint[:16]}"
            raise KitError(f"no dataset in {root} is {data}; another folder is named by {DATA}")
        dataset.verify(found)
        if asked.checkpoint is not None and not asked.checkpoint.path.is_file():
            raise KitError(f"{asked.checkpoint.path}: the checkpoint isn't here")
        place = sandboxes.choose(asked.sandbox.name)
        here = cards() if self.asked.runner.has_gpu() else ()
        most = -(-trainings // max(1, len(here))) if self.asked.runner.has_gpu() else 1
        threads = max(1, cores() // trainings)
        return replace(asked, dataset=found, sandbox=place, threads=threads, sharing=most, cards=here)


def setup_here(setup: Setup) -> Setup:
    """For a task: the setup that this worker grades with."""
    plugin = get_worker().plugins.get(GradingPlugin.name)
    return plugin.here or setup if isinstance(plugin, GradingPlugin) else setup
