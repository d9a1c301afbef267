"""An audit after the test: some test images once more, as they are and altered, in an order of their own.

Called by `test_passes`, which asks for the answers, and by `evaluate`, which compares them with the first ones. What a
network has learned holds for an image that is mirrored, shifted by some pixels and made a little noisy: honest networks
lose 5 to 12 points of accuracy, a table of known images 89 and more (measured on drawn images). And a network in eval
mode gives an image the same answer in any batch; one that adapts to what it is tested on doesn't. Both are signs and no
more: a person looks, points stay as they are.
"""

from typing import Annotated, Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from autograder.language import gettext as _
from autograder.runner.score import Labels, Scores, accuracy_percent

MOST_IMAGES = 2_000  # so many give an accuracy to within a point or two, at a fifth of the cost of all
SMALL_SHIFT = 1  # the same where a picture isn't mirrored
NOISE_SHARE = 0.02  # of the standard deviation of arrays, that noise has
SHIFT = 3  # pixels, up to which an image is moved; its edge is repeated
NOISE = 4.0  # standard deviation, in grey levels
GAP_PERCENT = 25.0  # points of accuracy lost from which on somebody should look
BEFORE_PERCENT = 40.0  # recognised by a network that has hardly been trained; of ten classes guessing finds 10
CHANGED_SHARE = 0.05  # of the targets' standard deviation, that an answer that is numbers may differ the second time
CHANGED_PERCENT = 10.0  # of the answers; rounding changes under one in two hundred
LEAST_TIMED_S = 30.0  # of training; what is shorter is mostly setting up
LEAST_SHARE, LARGEST_SHARE = 0.4, 1.9  # of the time that the epochs seen should take; see docs/security.md

Images = npt.NDArray[np.uint8]
Percent = Annotated[float, Field(ge=0, le=100)]


class Audit(BaseModel):
    """What the audit found.

    Attributes:
        images: how many were asked for again.
        plain_percent: accuracy on these in the first pass, in eval mode.
        altered_percent: the same of the altered images; `altered_by` is what was done to them, most of all.
        changed_percent: how many of the unaltered images were answered differently the second time.
        before_percent: accuracy on these of the network as it was after its first training step; None where it wasn't
            asked, as when training starts from a checkpoint.
        timed_epochs: for how many epochs the training's time was enough; see `timed_epochs`. None for short ones.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    images: int
    plain_percent: Percent
    altered_percent: Percent
    changed_percent: Percent
    before_percent: Percent | None = None
    timed_epochs: Annotated[float, Field(ge=0)] | None = None
    altered_by: Literal["mirrored", "shifted", "noisy"] = "mirrored"

    @property
    def signs(self) -> dict[str, str]:
        """Flag -> what was seen, as a sentence without its end; empty where nothing was."""
        found = {}
        if self.plain_percent - self.altered_percent > GAP_PERCENT:
            text = {
                "mirrored": _(
                    "accuracy falls from {plain} to {altered} on {images:,} test images that are mirrored, "
                    "shifted by up to {shift} pixels and a little noisy"
                ),
                "shifted": _(
                    "accuracy falls from {plain} to {altered} on {images:,} test images that are shifted by up to "
                    "{shift} pixels and a little noisy"
                ),
                "noisy": _(
                    "accuracy falls from {plain} to {altered} on {images:,} test inputs that are a little noisy"
                ),
            }[self.altered_by]
            found["audit-gap"] = text.format(
                plain=f"{self.plain_percent:.1f}%",
                altered=f"{self.altered_percent:.1f}%",
                images=self.images,
                shift=SHIFT if self.altered_by == "mirrored" else SMALL_SHIFT,
            )
        if self.changed_percent > CHANGED_PERCENT:
            text = _("{percent} of {images:,} test images are answered otherwise the second time, in eval mode")
            found["audit-changed"] = text.format(percent=f"{self.changed_percent:.1f}%", images=self.images)
        if self.before_percent is not None and self.before_percent > BEFORE_PERCENT:
            text = _("{percent} of {images:,} test images are recognised after the first step")
            found["audit-before"] = text.format(percent=f"{self.before_percent:.1f}%", images=self.images)
        return found


def choose(count: int, random: np.random.Generator) -> npt.NDArray[np.int64]:
    """Indices of the test images, of `count`, that are asked for again, in the order in which they are asked for."""
    return random.permutation(count)[:MOST_IMAGES]


def altered(inputs: npt.NDArray[Any], random: np.random.Generator, mirrors: bool = True) -> npt.NDArray[Any]:
    """Inputs like these: pictures, (N, H, W, C) uint8, mirrored, shifted and with noise; arrays with a little noise.

    Where a mirrored picture doesn't show the same, as of a digit, it is shifted by a pixel only. Words of a text stay.
    """
    if inputs.dtype == np.uint8:
        return _altered(inputs[:, :, ::-1], random, SHIFT) if mirrors else _altered(inputs, random, SMALL_SHIFT)
    if np.issubdtype(inputs.dtype, np.floating):
        noise = random.normal(0, NOISE_SHARE * float(inputs.std()), inputs.shape)
        return (inputs + noise).astype(inputs.dtype)
    return inputs


def _altered(images: Images, random: np.random.Generator, most: int) -> Images:
    count, height, width, _ = images.shape
    padded = np.pad(images, ((0, 0), (most, most), (most, most), (0, 0)), mode="edge")
    tops, lefts = random.integers(0, 2 * most + 1, (2, count))
    shifted = np.stack(
        [image[top : top + height, left : left + width] for image, top, left in zip(padded, tops, lefts, strict=True)]
    )
    noisy = shifted + random.normal(0, NOISE, shifted.shape)
    return np.clip(np.rint(noisy), 0, 255).astype(np.uint8)


def timed_epochs(computing_s: float, forward_s: float, epoch_images: int, tested_images: int) -> float | None:
    """How many epochs of `epoch_images` a training of `computing_s` had time for: forward, and backward twice as long.

    None where that was too short to tell.

    Args:
        computing_s: of training, without what loaders took.
        forward_s: of one image through the network, in batches like the training's.
        tested_images: which the script sent through its network meanwhile, without training on them.
    """
    if computing_s < LEAST_TIMED_S or forward_s <= 0:
        return None
    return max(0.0, computing_s - tested_images * forward_s) / (3 * forward_s * epoch_images)


def judge_error(
    first: Scores,
    again: Scores,
    of_altered: Scores,
    targets: npt.NDArray[Any],
    before: Scores | None = None,
    timed: float | None = None,
) -> Audit:
    """The same of answers that are numbers: a percentage is how much of the targets' variance the answers explain.

    Altered inputs have other targets where these are the inputs themselves, by little, as they are altered by little.
    """
    spread = max(float(np.square(targets - targets.mean(axis=0)).mean()), 1e-12)

    def explained(answers: Scores) -> float:
        missed = float(np.square(np.nan_to_num(answers.astype(np.float64)) - targets).mean())
        return 100 * min(1.0, max(0.0, 1 - missed / spread))

    apart = np.abs(np.nan_to_num(first.astype(np.float64)) - np.nan_to_num(again.astype(np.float64)))
    changed = (apart.reshape(len(first), -1).max(axis=1) > CHANGED_SHARE * spread**0.5).mean()
    return Audit(
        images=len(targets),
        plain_percent=explained(first),
        altered_percent=explained(of_altered),
        changed_percent=100 * float(changed),
        before_percent=None if before is None else explained(before),
        timed_epochs=None if timed is None else round(timed, 2),
    )


def judge(
    first: Scores,
    again: Scores,
    of_altered: Scores,
    labels: Labels,
    before: Scores | None = None,
    timed: float | None = None,
) -> Audit:
    """The audit of (N, classes) scores of the same N images: the first time, the second, altered, and before all.

    `timed` is what `timed_epochs` gave.
    """
    changed = np.mean(first.argmax(axis=1) != again.argmax(axis=1))
    return Audit(
        images=len(labels),
        plain_percent=accuracy_percent(first, labels),
        altered_percent=accuracy_percent(of_altered, labels),
        changed_percent=100 * float(changed),
        before_percent=None if before is None else accuracy_percent(before, labels),
        timed_epochs=None if timed is None else round(timed, 2),
    )
