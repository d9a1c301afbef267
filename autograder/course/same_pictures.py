"""Whether two datasets hold the same pictures, however they are encoded and in whatever order they come.

Called by `checkpoint`, and by `pretrain`, which keeps the sketches: which data a checkpoint counts for depends on its
pictures, not on their bytes. Of some pictures of each split a sketch is kept, the grey of 4x4 fields. Measured on
CIFAR-10's pictures as JPEG: encoding them once more, at a quality of 30 to 95, moves a sketch by 2.3 of 255 at most
(root mean square); of 500 pictures of one split none comes nearer than 4 to any of the other.
"""

import base64

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict

from autograder.course.dataset import Images

FIELDS = 4  # in each direction
MOST = 200  # pictures of a split
NEAR = 3.0  # of 255, root mean square: sketches of one picture
ALMOST_ALL, HARDLY_ANY = 0.95, 0.05  # near-duplicates lie in both splits of CIFAR-10
AT_ONCE = 10_000
SEED = 20_090_408


class Sketches(BaseModel):
    """Sketches of some pictures of both splits, each (N, 16) uint8 in base64."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    train: str
    test: str


def sketches(train_images: Images, test_images: Images) -> Sketches:
    """Of `MOST` pictures of each split, (N, H, W, C) uint8, or of all that there are."""
    return Sketches(train=_packed(train_images), test=_packed(test_images))


def are_those(kept: Sketches, train_images: Images, test_images: Images) -> bool:
    """Whether these are the splits that were sketched, and no picture of the training is among those of the test.

    Raises ValueError where `kept` holds no sketches.
    """
    train, test = _unpacked(kept.train), _unpacked(kept.test)
    if not len(train) or not len(test):
        return False
    tested = _sketch(test_images)
    return (
        _share_found(test, tested) >= ALMOST_ALL
        and _share_found(train, tested) <= HARDLY_ANY
        and _share_found(train, _sketch(train_images)) >= ALMOST_ALL
    )


def _packed(images: Images) -> str:
    chosen = np.sort(np.random.default_rng(SEED).permutation(len(images))[:MOST])
    return base64.b64encode(np.rint(_sketch(np.asarray(images[chosen]))).astype(np.uint8).tobytes()).decode()


def _unpacked(packed: str) -> npt.NDArray[np.float32]:
    """Raises ValueError where it holds no whole sketches."""
    return np.frombuffer(base64.b64decode(packed, validate=True), np.uint8).reshape(-1, FIELDS**2).astype(np.float32)


def _sketch(images: Images) -> npt.NDArray[np.float32]:
    """(N, 16) of (N, H, W, 3): mean grey of each field, 0 to 255."""
    rows, columns = (images.shape[1] // FIELDS, images.shape[2] // FIELDS)
    found = [
        np.asarray(images[start : start + AT_ONCE, : FIELDS * rows, : FIELDS * columns])
        .mean(axis=-1, dtype=np.float32)
        .reshape(-1, FIELDS, rows, FIELDS, columns)
        .mean(axis=(2, 4))
        .reshape(-1, FIELDS**2)
        for start in range(0, len(images), AT_ONCE)
    ]
    return np.concatenate(found) if found else np.zeros((0, FIELDS**2), np.float32)


def _share_found(wanted: npt.NDArray[np.float32], among: npt.NDArray[np.float32]) -> float:
    """Which part of `wanted` has its like `among` others."""
    if not len(among):
        return 0.0
    squared = (wanted**2).sum(1)[:, None] + (among**2).sum(1)[None] - 2 * wanted @ among.T
    return float((squared.min(axis=1) <= NEAR**2 * FIELDS**2).mean())
