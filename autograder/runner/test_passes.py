"""The test images, shown to a network that has been trained, batch by batch in a secret order; and the audit after.

Called by `train` when the script or its budget has ended. Test labels never leave this process; an answer must have the
exact type and shape.
"""

import math
import secrets
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from autograder.course.dataset import Images
from autograder.course.homework import Homework
from autograder.observations import TrainingReport
from autograder.runner import audit
from autograder.runner.conversation import Conversation, RunError, Scores

TESTING_S = 600.0  # for all test images; 10,000 take a minute on two slow cores
EVAL_BATCH = 250
AUDIT_BATCH = 160  # of the altered images, and of others where the script's own training batches are unknown
LARGEST_TEST_BATCH = 1000
LARGEST_ANSWER = 2**21  # numbers, of a whole batch: a message holds twice as many

Order = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Audited:
    """What the network answered when some test images were asked again.

    Attributes:
        chosen: which, (K,).
        again, altered: (K, classes) scores of these as they are, and altered.
        before: scores of the same images by the network as it was after its first step; None where that wasn't asked
            for, or an answer is missing.
        forward_s: how long `again` took, in batches as large as the training's; by this process's clock.
        forward_cpu_s: the same in the CPU time of the run; None where it can't be seen.
    """

    chosen: Order
    again: Scores
    altered: Scores
    before: Scores | None = None
    forward_s: float = 0.0
    forward_cpu_s: float | None = None


def reveal(
    proctor: Conversation, homework: Homework, images: Images, order: Order, report: TrainingReport
) -> tuple[dict[str, Scores], Audited | None]:
    """Both passes over the test images, in this run's secret order, and the audit. Scores are in the dataset's order.

    The audit comes before the pass "as left": in training mode, batch norm's running statistics change with the test
    images.
    """
    scores: dict[str, Scores] = {}
    audited: Audited | None = None
    trouble: RunError | None = None
    most = max(1, min(EVAL_BATCH, LARGEST_ANSWER // math.prod(homework.answer_shape)))
    sizes = {"eval": most}
    if report.left_in == "train":
        sizes["as_left"] = min(max(report.test_batch_size or 4, 1), LARGEST_TEST_BATCH)
    for name, size in sizes.items():
        try:
            scores[name] = _pass(proctor, homework, images, _batches(order, size), {"pass": name})
            if name == "eval":
                audited = _audit(proctor, homework, images, report)
        except RunError as error:
            trouble = error
            if error.outcome != "CRASHED":
                break
    if not scores and trouble is not None:
        raise trouble
    if "eval" in scores and report.left_in == "eval":
        scores["as_left"] = scores["eval"]
    return scores, audited


def _audit(proctor: Conversation, homework: Homework, images: Images, report: TrainingReport) -> Audited | None:
    """Both passes of the audit, which the submission can't tell from others; None where an answer is missing.

    Images are chosen and ordered anew, so that no image is in a batch with the same others again.
    """
    random = np.random.default_rng(secrets.randbits(128))
    chosen = audit.choose(len(images), random)
    some = images[chosen]
    places = np.arange(len(some))
    as_trained = _batches(places, min(max(report.train_batch_size or AUDIT_BATCH, 1), LARGEST_TEST_BATCH))
    try:
        proctor.run.extend(TESTING_S)
        began, began_cpu = time.monotonic(), proctor.run.cpu_s()
        again = _pass(proctor, homework, some, as_trained, {"pass": "eval"})
        forward_s, ended_cpu = time.monotonic() - began, proctor.run.cpu_s()
        forward_cpu_s = None if began_cpu is None or ended_cpu is None else ended_cpu - began_cpu
        # Where an input is its own target, an altered one has another.
        altered = some if homework.target == "input" else audit.altered(some, random, homework.own_dataset.mirrors)
        of_altered = _pass(proctor, homework, altered, _batches(places, AUDIT_BATCH), {"pass": "eval"})
    except RunError:
        return None
    return Audited(chosen, again, of_altered, forward_s=forward_s, forward_cpu_s=forward_cpu_s)


def before_training(proctor: Conversation, homework: Homework, some: Images) -> Scores | None:
    """Scores by the network as it was after its first step, when it can't have learned much; None without an answer."""
    try:
        proctor.run.extend(TESTING_S)
        return _pass(proctor, homework, some, _batches(np.arange(len(some)), AUDIT_BATCH), {"pass": "before"})
    except RunError:
        return None


def reveal_epochs(
    proctor: Conversation, homework: Homework, images: Images, order: Order, report: TrainingReport
) -> list[Scores]:
    """A pass for each epoch that the proctor kept. They decide nothing, so an error only ends the list early."""
    scores: list[Scores] = []
    try:
        for epoch in range(1, report.kept_epochs + 1):
            proctor.run.extend(TESTING_S)
            opening = {"pass": "epoch", "epoch": epoch}
            scores.append(_pass(proctor, homework, images, _batches(order, EVAL_BATCH), opening))
    except RunError:
        pass
    return scores


def _pass(
    proctor: Conversation, homework: Homework, images: Images, batches: list[Order], opening: dict[str, Any]
) -> Scores:
    """The scores of one pass, (M, classes), in the dataset's order. Raises RunError where an answer is missing."""
    proctor.send({**opening, "batches": len(batches)})
    answered = np.empty((len(images), *homework.answer_shape), dtype=np.float32)
    for batch in batches:
        proctor.send_images(images[batch])
        answered[batch] = proctor.scores((len(batch), *homework.answer_shape))
    return answered


def _batches(order: Order, size: int) -> list[Order]:
    """`order` in batches of `size`; a last image alone joins the batch before it (batch norm can't take one)."""
    starts = list(range(0, len(order), size))
    if size > 1 and len(starts) > 1 and len(order) - starts[-1] == 1:
        starts.pop()
    return [order[start:end] for start, end in zip(starts, [*starts[1:], len(order)], strict=True)]
