"""same_pictures.py: pictures are known in another encoding and another order; splits are never mixed up."""

import io

import numpy as np
import pytest
from PIL import Image

from autograder.course import practice
from autograder.course.dataset import Images
from autograder.course.same_pictures import Sketches, are_those, sketches

TRAIN, TEST = practice.draw(600, seed=1)[0], practice.draw(300, seed=2)[0]


def encoded_again(images: Images, quality: int) -> Images:
    """The same pictures, as JPEG and back."""
    found = []
    for image in images:
        held = io.BytesIO()
        Image.fromarray(np.asarray(image)).save(held, "JPEG", quality=quality)
        found.append(np.asarray(Image.open(held)))
    return np.stack(found)


@pytest.mark.parametrize("quality", [50, 95])
def test_pictures_are_known_in_another_encoding_and_order(quality: int) -> None:
    order = np.random.default_rng(1).permutation(len(TRAIN))
    assert are_those(sketches(TRAIN, TEST), encoded_again(TRAIN[order], quality), encoded_again(TEST, quality))


@pytest.mark.parametrize(
    ("train", "test"),
    [
        (TEST, TRAIN),
        (TRAIN, np.concatenate([TEST, TRAIN])),
        (TRAIN[:, :, ::-1], TEST[:, :, ::-1]),
        (TRAIN[:300], TEST),
        (TRAIN, TEST[:0]),
        (practice.draw(600, seed=3)[0], TEST),
    ],
    ids=["swapped", "trained on the test", "mirrored", "half of them", "no test", "others"],
)
def test_others_are_not_those(train: Images, test: Images) -> None:
    assert not are_those(sketches(TRAIN, TEST), train, test)


def test_what_is_no_sketch_says_nothing() -> None:
    assert not are_those(Sketches(train="", test=""), TRAIN, TEST)
    for damaged in ("?", "AAAA"):
        with pytest.raises(ValueError, match=r".+"):
            are_those(Sketches(train=damaged, test=damaged), TRAIN, TEST)
