"""The one way to evaluate a submission: train it, score its answers, judge the audit. The result is the evidence.

Called by `grade`, `check --train`, `reference` and the Gradescope autograder. Students' code never runs here: a runner
runs it, and what comes back is data. Decides nothing.
"""

import base64
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict

from autograder.checks.places import told_of
from autograder.course.dataset import Images
from autograder.intake.submission import Submission
from autograder.machine import machine
from autograder.observations import Epoch, Observations, TrainingProgress, TrainingReport
from autograder.runner import audit, epochs, gpu_sharing, score
from autograder.runner.audit import Audit
from autograder.runner.score import Score
from autograder.runner.setup import Setup, Start
from autograder.runner.test_passes import Audited
from autograder.runner.train import Training
from autograder.sandbox.sandbox import Sandbox

MOST_MISTAKEN = 12  # pictures of mistakes that a page shows


class OneRun(BaseModel):
    """One of several trainings of the same file: how it ended, the accuracy of the pass that counts, and its time."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    outcome: str
    accuracy_percent: float | None
    seconds: float


class Mistaken(BaseModel):
    """A test image that was answered wrong, and how sure the network was.

    Attributes:
        image: its number in the dataset.
        label, answered: classes.
        sure_percent: the softmax of the answered class.
        picture: the image as a PNG file, in base64.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    image: int
    label: int
    answered: int
    sure_percent: float
    picture: str


@dataclass(frozen=True)
class Evidence:
    """What running a submission gave: all that checks and rubric decide from.

    Attributes:
        outcome: "GRADED", or why there is no accuracy; `message` says it in a sentence.
        runs: all trainings, where it was trained more than once.
        log: what the script printed.
    """

    observations: Observations
    outcome: str
    message: str = ""
    report: TrainingReport | None = None
    accuracy: Score | None = None
    mistaken: Sequence[Mistaken] = ()
    audit: Audit | None = None
    epochs: Sequence[Epoch] = ()
    runs: Sequence[OneRun] = ()
    seconds: float = 0.0
    device: str = ""
    threads: int = 0
    machine: str = ""
    log: str = ""

    @property
    def percent(self) -> float | None:
        """The accuracy, or other measure, that counts; None without one."""
        return None if self.accuracy is None else self.accuracy.counted_percent

    @property
    def shown(self) -> str:
        """The same as people read it: `81.3%`; "" without one."""
        return "" if self.accuracy is None else self.accuracy.shown


def evaluate(
    setup: Setup,
    start: Start,
    submission: Submission,
    seen: Observations,
    *,
    seed: int = 0,
    progress: Callable[[TrainingProgress], None] | None = None,
) -> Evidence:
    """Train `submission` from `start`, test its network and audit it.

    Args:
        seen: the observations of it.
        seed: what its random numbers start from, unless the script seeds for itself.
        progress: is told every two seconds or so how far the training is.
    """

    def run_in(place: Sandbox) -> gpu_sharing.Train:
        return partial(
            setup.runner.train,
            setup.homework,
            submission,
            setup.dataset,
            start.protocol,
            place,
            threads=setup.threads,
            checkpoint=start.checkpoint,
            seed=seed,
            warm=setup.forks_trainings,
        )

    card = setup.sandbox.card
    with told_of(submission.cells):
        if setup.sharing > 1 or len(setup.cards) > 1:
            with gpu_sharing.pool(setup.cards, setup.sharing).one() as (card, gate):
                run = run_in(replace(setup.sandbox, card=card))
                training = gpu_sharing.train(gate, run, start.protocol.time_box_s, progress)
        else:
            training = run_in(setup.sandbox)(progress=progress)
    accuracy: Score | None = None
    mistaken: list[Mistaken] = []
    by_epoch: list[Epoch] = []
    second_look: Audit | None = None
    if training.outcome == "GRADED":
        labels = _targets(setup)
        asked = setup.homework.measure
        accuracy = score.measured(training.scores, labels, asked, setup.homework.score)
        if not asked.is_error:
            mistaken = _mistaken(setup, training.scores[accuracy.counted], labels)
        epoch_images = setup.protocol.train_count(setup.dataset.train_count)
        if (again := training.audited) is not None:
            first = training.scores["eval"][again.chosen]
            timed = _timed_epochs(training, again, epoch_images)
            judge = audit.judge_error if asked.is_error else audit.judge
            second_look = judge(first, again.again, again.altered, labels[again.chosen], again.before, timed)
            own = setup.homework.own_dataset
            if own.dtype != "uint8" or not own.mirrors:
                altered_by = "shifted" if own.dtype == "uint8" else "noisy"
                second_look = second_look.model_copy(update={"altered_by": altered_by})
        if training.report is not None:
            by_epoch = epochs.proctored(training.report, epoch_images, training.epoch_scores, labels)
    return Evidence(
        observations=seen,
        outcome=training.outcome,
        message=training.message,
        report=training.report,
        accuracy=accuracy,
        mistaken=mistaken,
        audit=second_look,
        epochs=by_epoch,
        seconds=training.seconds,
        device=training.device,
        threads=training.threads,
        machine=machine(training.device, card),
        log=training.log,
    )


def _targets(setup: Setup) -> npt.NDArray[Any]:
    """What the answers are compared with: labels, or the inputs themselves, of pictures (N, C, H, W) from 0 to 1."""
    if setup.homework.target == "labels":
        return setup.dataset.test_labels[: setup.protocol.test_images]
    inputs: npt.NDArray[Any] = setup.dataset.test_images[: setup.protocol.test_images]
    if inputs.dtype == np.uint8:
        inputs = inputs.transpose(0, 3, 1, 2).astype(np.float32) / 255
    return inputs.astype(np.float32).reshape(len(inputs), *setup.homework.answer_shape)


def _mistaken(setup: Setup, scores: score.Scores, labels: score.Labels) -> list[Mistaken]:
    """The surest mistakes with their pictures: of public images only, since an instructor's own ones are secret."""
    public = (setup.own_data or setup.dataset.is_practice) and not setup.dataset.held_out
    if not public or setup.dataset.dtype != "uint8":
        return []
    return [
        Mistaken(
            image=image,
            label=int(labels[image]),
            answered=answered,
            sure_percent=sure,
            picture=_png(setup.dataset.test_images[image]),
        )
        for image, answered, sure in score.surest_mistakes(scores, labels, MOST_MISTAKEN)
    ]


def _png(image: Images) -> str:
    """The PNG file of one (H, W, C) uint8 image, in base64; the same image gives the same text."""
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(image[..., 0] if image.shape[2] == 1 else image).save(file, format="PNG", optimize=True)
    return base64.b64encode(file.getvalue()).decode("ascii")


def _timed_epochs(training: Training, again: Audited, epoch_images: int) -> float | None:
    """See `audit.timed_epochs`. On the CPU, the run's own CPU time counts: other busy processes add nothing to it."""
    report = training.report
    assert report is not None  # who was audited was trained
    computing_s: float | None = training.training_s - report.loading_s
    forward_s: float | None = again.forward_s
    if training.device == "cpu":
        forward_s = again.forward_cpu_s
        computing_s = None if training.training_cpu_s is None else training.training_cpu_s - report.loading_cpu_s
    elif training.beside:
        return None  # its neighbours on the GPU came and went
    if computing_s is None or forward_s is None:
        return None
    return audit.timed_epochs(computing_s, forward_s / len(again.chosen), epoch_images, report.tested_images)
