"""pretrain.py: a checkpoint from nothing, one that was interrupted, one of a file that somebody has."""

import pickle
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from autograder import homeworks
from autograder.commands.course import pretrain
from autograder.commands.course.rescaled import rescale
from autograder.course import checkpoint, dataset
from autograder.course.dataset import Dataset
from autograder.errors import KitError
from autograder.homeworks import load

RESNET50 = load("resnet50")


@pytest.fixture(scope="module")
def few(practice: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """The practice set's first 24 training and 20 test images."""
    arrays = {
        "train_images": practice.train_images[:24],
        "train_labels": practice.train_labels[:24],
        "test_images": practice.test_images[:20],
        "test_labels": practice.test_labels[:20],
    }
    return dataset.write(tmp_path_factory.mktemp("few"), "few", "the first", arrays, practice.classes)


@pytest.fixture(scope="module")
def network() -> nn.Module:
    return pretrain._network(*pretrain.find("resnet50"))


def test_every_recipe_has_its_network_and_only_a_homeworks_own_is_gone_on_from() -> None:
    known = pretrain.networks()
    assert set(known) == {"resnet50", "vgg16", "resnet20-long"}
    sizes = {model: sum(p.numel() for p in pretrain._network(*found).parameters()) for model, found in known.items()}
    assert sizes == {"resnet50": 14_750_730, "vgg16": 14_983_498, "resnet20-long": 272_474}
    assert [name for name in homeworks.names() if load(name).goes_on_from_checkpoint] == ["resnet50"]
    with pytest.raises(KitError, match="there is no recipe for 'resnet18'"):
        pretrain.find("resnet18")


def test_pictures_are_shifted_and_mirrored_as_torchvision_would(few: Dataset) -> None:
    images, _ = pretrain._on_device(few.train_images, few.train_labels, torch.device("cpu"))
    varied = pretrain._varied(images, torch.Generator().manual_seed(1))
    assert (varied.shape, varied.dtype) == (images.shape, images.dtype)
    padded = nn.functional.pad(images, (pretrain.PADDING,) * 4)
    shifts = range(2 * pretrain.PADDING + 1)
    for image, result in zip(padded, varied, strict=True):
        crops = [image[:, top : top + 32, left : left + 32] for top in shifts for left in shifts]
        assert any(torch.equal(result, crop) or torch.equal(result, crop.flip(2)) for crop in crops)


@pytest.mark.parametrize("model", ["resnet50", "vgg16"])
def test_larger_numbers_answer_the_same_and_adam_moves_them_less(model: str, few: Dataset) -> None:
    homework, recipe = pretrain.find(model)
    network = pretrain._network(homework, recipe).double()
    pictures = pretrain._prepared(
        pretrain._on_device(few.train_images[:6], few.train_labels[:6], torch.device("cpu"))[0]
    )
    pictures = pictures.double()
    with torch.no_grad():
        for _ in range(40):
            trained = network(pictures)  # until the running statistics are those of these pictures, nearly
        evaluated = network.eval()(pictures)
        rescale(network, recipe.larger, recipe.answering)
        torch.testing.assert_close(network(pictures), evaluated, rtol=1e-6, atol=1e-6)
        torch.testing.assert_close(network.train()(pictures), trained, rtol=0, atol=0.01)

    def moved(larger: float) -> float:
        """By how much of itself one step of Adam changes the features: what the last part of the network reads."""
        network = pretrain._network(homework, recipe).double()
        if larger > 1:
            rescale(network, larger, recipe.answering)
        for name in ("layer4", "fc") if model == "resnet50" else ("classifier",):
            setattr(network, name, nn.Identity())
        before = network(pictures)
        (before / before.norm()).sum().backward()
        torch.optim.Adam(network.parameters(), lr=1e-3).step()
        return float(((network(pictures) - before).norm() / before.norm()).detach())

    assert moved(recipe.larger) < moved(1.0) / 2


@pytest.mark.slow
def test_a_training_that_was_stopped_ends_as_one_that_was_not(
    few: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    three_steps = replace(pretrain.find("resnet50")[1], batch_size=8)
    monkeypatch.setattr(pretrain, "find", lambda model: (RESNET50, three_steps))
    whole = pretrain.pretrain("resnet50", few, tmp_path / "whole", epochs=2, source=None)
    assert whole.record.fingerprint == few.fingerprint
    assert whole.record.epochs == 2
    assert {name: tuple(shape) for name, shape in whole.entries.items()} == {
        entry.name: entry.shape for entry in RESNET50.entries
    }

    keep = pretrain._keep
    reached: list[tuple[int, int]] = []

    def keep_and_stop(partial: Path, belongs: object, at: pretrain._State, *rest: object) -> None:
        keep(partial, belongs, at, *rest)  # type: ignore[arg-type]
        reached.append((at.epoch, at.step))
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(pretrain, "_keep", keep_and_stop)
        patched.setattr(pretrain, "KEEP_EVERY_S", 0.0)  # after every step
        for _ in range(3):
            with pytest.raises(KeyboardInterrupt):
                pretrain.pretrain("resnet50", few, tmp_path / "stopped", epochs=2, source=None)
    assert reached == [(0, 1), (0, 2), (1, 0)]
    assert (tmp_path / "stopped" / "resnet50.partial").is_file()
    with pytest.raises(KitError, match="was begun with another recipe or on other data"):
        pretrain.pretrain("resnet50", few, tmp_path / "stopped", epochs=3, source=None)
    resumed = pretrain.pretrain("resnet50", few, tmp_path / "stopped", epochs=2, source=None)
    assert resumed.record.sha256 == whole.record.sha256
    assert not (tmp_path / "stopped" / "resnet50.partial").exists()


def test_a_file_of_plain_tensors_becomes_a_checkpoint(few: Dataset, tmp_path: Path, network: nn.Module) -> None:
    source = tmp_path / "resnet50_epoch285.ckpt"
    torch.save({f"module.{name}": value for name, value in network.state_dict().items()}, source)
    made = pretrain.pretrain("resnet50", few, tmp_path, epochs=None, source=source)
    assert made.record.recipe.startswith("imported from resnet50_epoch285.ckpt, SHA-256 ")
    assert made.record.epochs is None
    assert 0 <= made.record.accuracy_percent <= 100
    assert checkpoint.load(tmp_path / "resnet50.safetensors").entries == made.entries


def test_a_file_of_another_network_is_refused_with_the_entries_that_differ(
    few: Dataset, tmp_path: Path, network: nn.Module, capsys: pytest.CaptureFixture[str]
) -> None:
    state = dict(network.state_dict())
    state["classifier.weight"] = state.pop("fc.weight")
    state["fc.bias"] = torch.zeros(100)
    torch.save(state, tmp_path / "other.pt")
    with pytest.raises(KitError, match="1 missing, 1 under other names, 1 of another shape"):
        pretrain.pretrain("resnet50", few, tmp_path, epochs=None, source=tmp_path / "other.pt")
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert [row[0] for row in rows] == ["fc.weight", "fc.bias", "classifier.weight"]
    assert not (tmp_path / "resnet50.safetensors").exists()


class Trap:
    """Unpickled, it would make a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (Path.touch, (str(self.path),))


def test_nothing_is_unpickled(few: Dataset, tmp_path: Path) -> None:
    sprung = tmp_path / "sprung"
    for name, write in (
        ("torch.ckpt", torch.save),
        ("plain.ckpt", lambda value, path: path.write_bytes(pickle.dumps(value))),
    ):
        source = tmp_path / name
        write({"state_dict": Trap(sprung)}, source)
        with pytest.raises(KitError, match="not a file of plain tensors"):
            pretrain.pretrain("resnet50", few, tmp_path, epochs=None, source=source)
    with pytest.raises(KitError, match="No such file"):
        pretrain.pretrain("resnet50", few, tmp_path, epochs=None, source=tmp_path / "missing.ckpt")
    assert not sprung.exists()
