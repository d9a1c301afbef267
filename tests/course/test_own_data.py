"""Data of an instructor's own: arrays, torchvision's sets from a folder, image folders of any size, held-out images."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support import idx

from autograder import homeworks
from autograder.course import dataset, practice, prepare
from autograder.course.dataset import OFFICIALS, Dataset, Official
from autograder.errors import KitError

ARRAYS = {
    "train_inputs": np.arange(48, dtype=np.float64).reshape(6, 4, 2),
    "train_targets": np.array([0, 1, 2, 0, 1, 2]),
    "test_inputs": np.zeros((2, 4, 2), dtype=np.float32),
    "test_targets": np.array([2, 1]),
}


def written(folder: Path, **changes: np.ndarray) -> Path:
    path = folder / "own.npz"
    np.savez(path, **{**ARRAYS, **changes})
    return path


def test_arrays_are_imported_and_load_again(tmp_path: Path) -> None:
    found = prepare.fetch("own", tmp_path / "data", written(tmp_path))
    assert (found.name, found.image_shape, found.dtype, len(found.classes)) == ("own", (4, 2), "float32", 3)
    assert np.array_equal(found.train_images, ARRAYS["train_inputs"])
    dataset.verify(dataset.load(tmp_path / "data" / "own"))


def test_targets_may_be_numbers(tmp_path: Path) -> None:
    path = written(tmp_path, train_targets=np.ones((6, 3)), test_targets=np.ones((2, 3)))
    found = prepare.fetch("own", tmp_path / "data", path)
    assert (found.classes, found.target_shape) == ((), (3,))
    assert found.test_labels.dtype == np.float32


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"test_targets": np.array([1])}, "2 inputs and 1 targets of test don't fit"),
        ({"train_inputs": np.array(["a"] * 6)}, "neither whole numbers nor real ones"),
        ({"test_inputs": np.full((2, 4, 2), np.nan)}, "aren't finite"),
        ({"test_targets": np.array([2, 3])}, "labels 2 to 3 of 3 classes"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(tmp_path: Path, changes: dict[str, np.ndarray], words: str) -> None:
    with pytest.raises(KitError) as error:
        prepare.fetch("own", tmp_path / "data", written(tmp_path, **changes))
    assert words in error.value.message


def test_a_file_without_the_four_arrays_is_refused_with_their_names(tmp_path: Path) -> None:
    np.savez(tmp_path / "own.npz", x=np.zeros(3))
    with pytest.raises(KitError) as error:
        prepare.fetch("own", tmp_path / "data", tmp_path / "own.npz")
    assert "train_inputs, train_targets, test_inputs, test_targets" in error.value.hint


def test_torchvisions_files_are_read_and_are_not_taken_for_the_official_ones(tmp_path: Path) -> None:
    idx.write(tmp_path / "files", 60, 20)
    found = prepare.fetch("mnist", tmp_path / "data", tmp_path / "files")
    assert (found.name, found.image_shape, len(found.classes)) == ("mnist-imported", (28, 28, 1), 10)
    assert found.train_labels.tolist() == [label % 10 for label in range(60)]
    with pytest.raises(KitError, match="could not be read"):
        prepare.fetch("kmnist", tmp_path / "data", tmp_path / "files")


@pytest.mark.parametrize("name", OFFICIALS)
def test_the_practice_set_has_the_shape_and_the_classes_that_are_declared(name: str, tmp_path: Path) -> None:
    wanted = OFFICIALS[name]
    images, labels = practice.draw_for(wanted, 200)
    assert images.shape == (200, *wanted.image_shape)
    assert images.dtype == np.uint8
    assert set(labels.tolist()) == set(range(wanted.classes))
    assert len(set(practice.class_names(wanted))) == wanted.classes


def test_a_homework_on_other_data_has_a_practice_set_of_its_own(tmp_path: Path) -> None:
    own = Official((8, 3), 100, 20, classes=5, read_as="own.npz", dtype="float32")
    homework = replace(homeworks.load("hw6"), dataset="own", data=own, classes=5)
    found = prepare.choose(homework, homework.preview, tmp_path)
    assert (found.name, found.image_shape, len(found.classes)) == ("practice-own", (8, 3), 5)
    assert found.is_practice
    again = prepare.choose(homework, homework.preview, tmp_path / "practice")
    assert again.fingerprint == found.fingerprint


def picture(path: Path, side: int, grey: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (side, side), (grey, grey, grey)).save(path)


def test_an_image_folder_is_made_as_large_as_its_homework_says(tmp_path: Path) -> None:
    for split in ("train", "test"):
        for label, name in enumerate(("ant", "bee")):
            picture(tmp_path / "own" / split / name / "one.png", 50 + 10 * label, 100 * label)
    found = prepare.fetch("own", tmp_path / "data", tmp_path / "own", (40, 40, 3))
    assert (found.classes, found.image_shape) == (("ant", "bee"), (40, 40, 3))
    with pytest.raises(KitError, match="not 32x32"):
        prepare.fetch("own", tmp_path / "data", tmp_path / "own")


def test_held_out_images_take_the_place_of_the_test_set(practice: Dataset, tmp_path: Path) -> None:
    names = practice.classes[:2]
    for number in range(3):
        picture(tmp_path / "mine" / names[0] / f"{number}.png", 32, 10 * number)
        picture(tmp_path / "mine" / "1" / f"{number}.png", 32, 200 + number)
    found = prepare.held_out(practice, tmp_path / "mine")
    assert (found.name, found.held_out, found.test_count) == (practice.name, True, 6)
    assert found.test_labels.tolist() == [0, 1, 0, 1, 0, 1]
    assert found.test_images[1].max() == 200
    assert found.fingerprint != practice.fingerprint
    assert np.array_equal(found.train_images[:5], practice.train_images[:5])
    assert prepare.held_out(practice, tmp_path / "mine") == found
    dataset.verify(found)


@pytest.mark.parametrize("trouble", ["no such class", "another size", "nothing"])
def test_held_out_images_that_do_not_fit_are_refused(practice: Dataset, tmp_path: Path, trouble: str) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    if trouble != "nothing":
        name = "nobody" if trouble == "no such class" else practice.classes[0]
        picture(folder / name / "one.png", 30, 9)
    words = {"no such class": "no class of practice", "another size": "30x30, not 32x32", "nothing": "no pictures"}
    with pytest.raises(KitError) as error:
        prepare.held_out(practice, folder)
    assert words[trouble] in error.value.message
