"""One training of a submission under the proctor, within a protocol's budget, and the test of its network.

Called by `runner.SandboxRunner`. What comes back is untrusted: messages are size-limited and validated, and a run that
breaks any of this spoils only itself. Test images leave this process after training only (`test_passes.py`).
"""

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from autograder.course.checkpoint import Checkpoint
from autograder.course.dataset import Dataset, Images
from autograder.course.homework import Homework, Protocol
from autograder.intake.submission import Submission
from autograder.language import gettext as _
from autograder.machine import gpu_available
from autograder.observations import TrainingProgress, TrainingReport
from autograder.runner import test_passes
from autograder.runner.conversation import RunError, Scores, stopped, validated
from autograder.runner.proctored import proctored
from autograder.runner.test_passes import Audited
from autograder.sandbox.sandbox import Sandbox

SETUP_S = 300.0  # from the start to the first training batch
AFTER_BOX_S = 120.0  # on top of a quarter of the time box, for the script's own test loop
REPORT_EVERY_S = 1.0  # at most: the proctor has a rate of its own, which a submission could change


@dataclass(frozen=True)
class Training:
    """What a graded training came to.

    Attributes:
        outcome: "GRADED", or why there are no scores: "TIMEOUT", "MEMORY", "NO_RESULT", "CRASHED", "EXIT 3", ...
        message: the reason in words; "" when graded.
        report: what the proctor saw; None when it never said.
        scores: "eval" and "as_left", each (M, classes) float32, for the first M test images in the dataset's order.
            Only passes that were answered to the end.
        audited: answers to some test images again, unaltered and altered (see `audit.py`); None where the network
            wasn't tested in eval mode, or didn't answer.
        epoch_scores: (M, classes) scores by the network as it was after each epoch, from the first on, where the
            homework asks.
        log: what the script printed, head and tail.
        seconds: from start to end, by this process's clock.
        training_s: of these, from the first training batch to the end of the script or of its budget.
        training_cpu_s: the CPU time of the same; None where it can't be seen.
        device: "cuda", "mps" or "cpu": the best that was there.
        threads: of the CPU, as granted.
        beside: how many other trainings shared its GPU, at most.
    """

    outcome: str
    message: str
    report: TrainingReport | None
    scores: dict[str, Scores] = field(default_factory=dict)
    audited: Audited | None = None
    epoch_scores: list[Scores] = field(default_factory=list)
    log: str = ""
    seconds: float = 0.0
    training_s: float = 0.0
    training_cpu_s: float | None = None
    device: str = "cpu"
    threads: int = 1
    beside: int = 0


def train(
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
    tells_whole: bool = False,
) -> Training:
    """Train `submission` under the proctor on `dataset`, within the budget of `protocol`, and test its network.

    With a `checkpoint`, the given script finds a copy of it beside itself, under the homework's name. Each `seed`
    starts it from other random numbers, unless it seeds for itself. With `warm`, which is for previews, it is forked
    from a process that has imported torch (`fork_client.py`). `progress` is told every two seconds or so while it
    trains.

    In a preview loaders tell how many batches they hand out there. A script that fails over that, as one that counts
    tenths of them, is trained once more; then (`tells_whole`) they tell how many they would have.
    """
    started = time.monotonic()
    gpu = gpu_available()
    binds = {
        "/data/train_images.npy": dataset.folder / "train_images.npy",
        "/data/train_labels.npy": dataset.folder / "train_labels.npy",
    }
    test_images: Images = dataset.test_images[: protocol.test_images]
    report: TrainingReport | None = None
    scores: dict[str, Scores] = {}
    epoch_scores: list[Scores] = []
    audited: Audited | None = None
    device = "cpu"
    began: float | None = None  # when the first training batch was served
    began_cpu: float | None = None
    training_s = 0.0
    training_cpu_s: float | None = None
    with proctored(homework, submission, sandbox, binds, SETUP_S, threads, gpu, checkpoint, warm) as (proctor, files):
        job = {
            "kind": "train",
            "homework": homework.name,
            **files,
            "train_images": sandbox.inside(binds["/data/train_images.npy"], "/data/train_images.npy"),
            "train_labels": sandbox.inside(binds["/data/train_labels.npy"], "/data/train_labels.npy"),
            "train_count": protocol.train_count(dataset.train_count),
            "test_count": len(test_images),
            "classes": list(dataset.classes),
            "epochs": protocol.epochs,
            "seed": seed,
            "time_box_s": protocol.time_box_s,
            "preview": protocol.is_small,
            "tells_whole": tells_whole,
        }
        outcome, message = "GRADED", ""
        try:
            proctor.begin(job)
            next_report = 0.0
            while (said := proctor.message())["kind"] != "trained":
                if said["kind"] == "started":
                    device = next((kind for kind in ("cuda", "mps") if said.get("device") == kind), "cpu")
                elif said["kind"] == "progress":
                    if began is None:
                        # The script's own test loop comes after the box; it gets a quarter of it on top.
                        began, began_cpu = time.monotonic(), proctor.run.cpu_s()
                        proctor.run.extend(protocol.time_box_s * 1.25 + AFTER_BOX_S)
                    now_at = validated(TrainingProgress, said, _("a progress report"))
                    if progress is not None and time.monotonic() >= next_report:
                        next_report = time.monotonic() + REPORT_EVERY_S
                        progress(now_at)
            training_s = 0.0 if began is None else time.monotonic() - began
            if began_cpu is not None and (ended_cpu := proctor.run.cpu_s()) is not None:
                training_cpu_s = ended_cpu - began_cpu
            report = validated(TrainingReport, said.get("report"), _("the training's report"))
            if report.problem:
                raise RunError("NO_RESULT", _(report.problem))
            proctor.run.extend(test_passes.TESTING_S)
            order = np.random.default_rng(secrets.randbits(128)).permutation(len(test_images))
            scores, audited = test_passes.reveal(proctor, homework, test_images, order, report)
            if homework.tests_epochs and audited is not None:
                epoch_scores = test_passes.reveal_epochs(proctor, homework, test_images, order, report)
            if audited is not None and report.kept_before and checkpoint is None:
                audited = replace(
                    audited, before=test_passes.before_training(proctor, homework, test_images[audited.chosen])
                )
        except RunError as error:
            outcome, message = error.outcome, error.message
            untrained = outcome == "NO_RESULT" or (report is not None and outcome == "CRASHED" and not report.steps)
            if untrained and report is not None and report.failure is not None:
                # What a half-made network does with test images says nothing about it.
                outcome, message = "CRASHED", stopped(report.failure)
    if protocol.is_small and not tells_whole and report is not None and report.withheld:
        return train(
            homework,
            submission,
            dataset,
            protocol,
            sandbox,
            threads=threads,
            checkpoint=checkpoint,
            seed=seed,
            warm=warm,
            progress=progress,
            tells_whole=True,
        )
    return Training(
        outcome=outcome,
        message=message,
        report=report,
        scores=scores,
        audited=audited,
        epoch_scores=epoch_scores,
        log=proctor.run.output(),
        seconds=round(time.monotonic() - started, 3),
        training_s=training_s,
        training_cpu_s=training_cpu_s,
        device=device,
        threads=threads,
    )
