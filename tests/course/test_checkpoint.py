"""checkpoint.py, and what a training starts from: the homework's own checkpoint, where it fits the network."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file
from support.observed import right

from autograder.course import checkpoint, rubric
from autograder.course.checkpoint import Checkpoint, Record
from autograder.course.dataset import Dataset
from autograder.course.same_pictures import sketches
from autograder.errors import KitError
from autograder.files import ROOT
from autograder.grading import keys
from autograder.homeworks import load
from autograder.intake import submission
from autograder.intake.entry import READ, Entry
from autograder.observations import Network, Observations
from autograder.runner.runner import SANDBOX_RUNNER
from autograder.runner.setup import Setup, start_of
from autograder.sandbox.sandbox import Sandbox

RESNET50 = load("resnet50")
WEIGHTS = {"conv.weight": np.ones((4, 3, 1, 1), np.float32), "conv.bias": np.zeros(4, np.float32)}


def make(folder: Path, dataset: Dataset, weights: dict[str, Any] = WEIGHTS, name: str = "resnet50") -> Path:
    """A checkpoint of these weights, as if trained on the dataset."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.safetensors"
    save_file(weights, path)
    record = Record(
        model=name,
        dataset=dataset.name,
        fingerprint=dataset.fingerprint,
        accuracy_percent=81.25,
        epochs=3,
        recipe="made by hand",
        sha256=checkpoint.sha256(path),
        made="2026-11-25T12:00:00+00:00",
        machine="none",
        torch="0",
    )
    checkpoint.write_record(path, record)
    return path


def setup_of(dataset: Dataset, sandbox: Sandbox, found: Checkpoint | None, why_not: str = "") -> Setup:
    return Setup(
        homework=RESNET50,
        rubric=rubric.load(rubric.PATH, "resnet50"),
        protocol=RESNET50.full,
        dataset=dataset,
        sandbox=sandbox,
        checkpoint=found,
        no_checkpoint_because=why_not,
    )


def seen(entries: dict[str, list[int]]) -> Observations:
    network = Network(class_name="ResNet50_layer4", entries=entries)
    return right(homework="resnet50", file="resnet50_skeleton.py", network=network, variants=[])


def test_a_checkpoint_is_read_with_its_record_and_its_shapes(tmp_path: Path, practice: Dataset) -> None:
    found = checkpoint.load(make(tmp_path, practice))
    assert found.record.accuracy_percent == 81.25
    assert found.entries == {"conv.weight": (4, 3, 1, 1), "conv.bias": (4,)}
    assert str(found).startswith("resnet50.safetensors (81.25%, SHA-256 ")


def test_the_same_pictures_in_another_encoding_count(tmp_path: Path, practice: Dataset) -> None:
    path = make(tmp_path, practice)
    kept = sketches(practice.train_images, practice.test_images)
    record = checkpoint.load(path).record.model_copy(update={"fingerprint": "of their JPEG copies"})
    checkpoint.write_record(path, record)
    with pytest.raises(KitError, match="was trained on"):
        checkpoint.find(RESNET50, RESNET50.full, practice, str(path))
    checkpoint.write_record(path, record.model_copy(update={"pictures": kept}))
    found, why_not = checkpoint.find(RESNET50, RESNET50.full, practice, str(path))
    assert found is not None
    assert not why_not


def test_what_is_no_checkpoint_is_refused_and_says_why(tmp_path: Path, practice: Dataset) -> None:
    with pytest.raises(KitError, match=r"weights\.ckpt: not a \.safetensors file"):
        checkpoint.load(tmp_path / "weights.ckpt")
    with pytest.raises(KitError, match="No such file"):
        checkpoint.load(tmp_path / "resnet50.safetensors")
    path = make(tmp_path, practice)
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + b"x")
    with pytest.raises(KitError, match=r"not the file that resnet50\.json is about"):
        checkpoint.load(path)
    path.write_bytes(b"no header at all")
    with pytest.raises(KitError, match="not a safetensors file"):
        checkpoint.load(path)
    path.write_bytes(whole)
    path.with_suffix(".json").write_text("{}")
    with pytest.raises(KitError, match="not a checkpoint's record"):
        checkpoint.load(path)


@pytest.fixture
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(checkpoint, "default_folder", lambda: tmp_path / "own")
    return tmp_path / "own"


def test_the_homeworks_own_is_taken_where_it_belongs_to_the_data(own_folder: Path, practice: Dataset) -> None:
    found, why_not = checkpoint.find(RESNET50, RESNET50.full, practice, None)
    assert found is None
    assert why_not == ("there is no checkpoint resnet50.safetensors, so training starts from nothing, for 10 epochs")
    path = make(own_folder, practice)
    found, why_not = checkpoint.find(RESNET50, RESNET50.full, practice, None)
    assert found is not None
    assert (found.path, why_not) == (path, "")
    other = replace(practice, name="other", fingerprint="f" * 64)
    found, why_not = checkpoint.find(RESNET50, RESNET50.full, other, None)
    assert found is None
    assert f"is of practice ({practice.fingerprint[:12]}), not of other (ffffffffffff)" in why_not


def test_the_one_asked_for_is_taken_or_refused(own_folder: Path, tmp_path: Path, practice: Dataset) -> None:
    path = make(tmp_path / "elsewhere", practice)
    found, _ = checkpoint.find(RESNET50, RESNET50.full, practice, str(path))
    assert found is not None
    make(own_folder, practice)
    assert checkpoint.find(RESNET50, RESNET50.full, practice, "none")[0] is None
    other = replace(practice, name="other", fingerprint="f" * 64)
    with pytest.raises(KitError, match="was trained on practice"):
        checkpoint.find(RESNET50, RESNET50.full, other, str(path))
    with pytest.raises(KitError, match="hw6 starts from no checkpoint"):
        checkpoint.find(load("hw6"), RESNET50.full, practice, str(path))
    assert checkpoint.find(load("hw6"), RESNET50.full, practice, None) == (None, "")


def test_a_network_starts_from_a_checkpoint_that_fits_it_alone(
    tmp_path: Path, practice: Dataset, sandbox_none: Sandbox
) -> None:
    setup = setup_of(practice, sandbox_none, checkpoint.load(make(tmp_path, practice)))
    fits = start_of(setup, seen({"conv.bias": [4], "conv.weight": [4, 3, 1, 1]}))
    assert fits.checkpoint is setup.checkpoint
    assert fits.protocol == replace(RESNET50.full, epochs=1)
    assert fits.words.startswith("the checkpoint resnet50.safetensors (81.25%")
    differs = start_of(setup, seen({"conv.weight": [4, 3, 3, 3], "fc.weight": [1]}))
    assert (differs.checkpoint, differs.protocol) == (None, RESNET50.full)
    assert differs.words == (
        "nothing, since the network doesn't fit the checkpoint: of its 2 entries 1 missing, 1 under other names, "
        "1 of another shape"
    )
    crashed = start_of(setup, seen({}).model_copy(update={"network": None}))
    assert (crashed.checkpoint, crashed.words) == (None, "nothing, since no network was seen")


def test_a_run_without_a_checkpoint_says_so(practice: Dataset, sandbox_none: Sandbox) -> None:
    start = start_of(setup_of(practice, sandbox_none, None, "there is none"), seen({}))
    assert (start.checkpoint, start.protocol, start.words) == (None, RESNET50.full, "nothing")


def test_another_checkpoint_is_another_training(tmp_path: Path, practice: Dataset, sandbox_none: Sandbox) -> None:
    entry = Entry("s1", READ, "", submission.read(ROOT / "solution" / "resnet50" / "resnet50_skeleton.py"))
    weights = {**WEIGHTS, "conv.bias": np.ones(4, np.float32)}
    paths = [make(tmp_path / "a", practice), make(tmp_path / "b", practice, weights)]
    setups = [setup_of(practice, sandbox_none, found) for found in (None, *map(checkpoint.load, paths))]
    assert len({keys.of_evidence(entry, setup) for setup in setups}) == 3


@pytest.mark.slow
def test_a_training_goes_on_from_the_checkpoint(tmp_path: Path, practice: Dataset, sandbox_bwrap: Sandbox) -> None:
    """The given script finds it beside itself, loads it, and trains one epoch."""
    handed_in = submission.read(ROOT / "solution" / "resnet50" / "resnet50_skeleton.py")
    weights = {entry.name: np.full(entry.shape, 0.01, np.float32) for entry in RESNET50.entries}
    weights |= {name: np.ones_like(value) for name, value in weights.items() if name.endswith("running_var")}
    weights = {
        name: value.astype(np.int64) if name.endswith("num_batches_tracked") else value
        for name, value in weights.items()
    }
    path = make(tmp_path, practice, weights)
    small = replace(RESNET50.preview, epochs=1, train_images=100, test_images=20)
    training = SANDBOX_RUNNER.train(
        RESNET50, handed_in, practice, small, sandbox_bwrap, threads=1, checkpoint=checkpoint.load(path)
    )
    assert (training.outcome, training.message) == ("GRADED", "")
    assert "The weights are those of resnet50.safetensors" in training.log
    assert "Epoch [1/1], Step [1/1]" in training.log
    assert training.report
    assert (training.report.epochs, training.report.steps) == (1.0, 1)
