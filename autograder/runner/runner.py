"""What runs a submission, to observe it or to train it. The real runner does both in the sandbox.

A `Setup` holds one, so that a test or a benchmark that wants no training passes an object of its own.
"""

from collections.abc import Callable
from typing import Protocol as Interface

from autograder import machine
from autograder.course.checkpoint import Checkpoint
from autograder.course.dataset import Dataset
from autograder.course.homework import Homework, Protocol
from autograder.intake.submission import Submission
from autograder.observations import Observations, TrainingProgress
from autograder.runner import observe, train
from autograder.runner.train import Training
from autograder.sandbox.sandbox import Sandbox


class Runner(Interface):
    """Observes submissions and trains them."""

    def has_gpu(self) -> bool:
        """Whether trainings run on a GPU."""

    def observe(
        self, homework: Homework, submission: Submission, sandbox: Sandbox, *, threads: int = 1, warm: bool = False
    ) -> Observations:
        """See `observe.observe`."""

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
        progress: Callable[[TrainingProgress], None] | None = None,
    ) -> Training:
        """See `train.train`."""


class SandboxRunner:
    """Runs a submission under the proctor, in the sandbox that it is given."""

    has_gpu = staticmethod(machine.gpu_available)
    observe = staticmethod(observe.observe)
    train = staticmethod(train.train)


SANDBOX_RUNNER = SandboxRunner()
