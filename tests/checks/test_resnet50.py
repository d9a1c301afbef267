"""resnet50: its networks, what its declaration says of them, and main.py, which trains and tests them."""

import importlib.util
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from autograder import homeworks
from autograder.checks.reference_answers import TOLERANCE
from autograder.files import ROOT
from autograder.proctor import drawn_weights

RESNET50 = homeworks.load("resnet50")
FOLDER = ROOT / "solution" / "resnet50"
FILES = ("main.py", "resnet50_skeleton.py", "vgg16_full.py")
PARAMETERS = 14_750_730
WITHOUT_OPTIONAL = 8_898_826

DRIVER = """
import runpy, sys

import torch, torchvision
from PIL import Image


class Pictures(torch.utils.data.Dataset):
    def __init__(self, root, train, download, transform):
        generator = torch.Generator().manual_seed(50 + train)
        self.pictures = torch.randint(256, (200, 32, 32, 3), generator=generator, dtype=torch.uint8)
        self.transform = transform

    def __len__(self):
        return len(self.pictures)

    def __getitem__(self, index):
        return self.transform(Image.fromarray(self.pictures[index].numpy())), index % 10


torchvision.datasets.CIFAR10 = Pictures
sys.argv = sys.argv[1:]
sys.path.insert(0, sys.argv[0].rpartition("/")[0])
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def module_of(file: str) -> ModuleType:
    path = FOLDER / file
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def network_class() -> Any:
    return module_of("resnet50_skeleton.py").ResNet50_layer4


@pytest.fixture
def network(network_class: Any) -> Any:
    torch.manual_seed(50)
    return network_class()


def count(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def kinds(network: nn.Module) -> Counter[type]:
    return Counter(type(module) for module in network.modules() if hasattr(module, "weight"))


def projections_where_the_shape_stays(network: nn.Module) -> list[str]:
    return [
        name
        for name, module in network.named_modules()
        if name.endswith(".make_equal_channel") and module[0].in_channels == module[0].out_channels
    ]


def without_projections(network: nn.Module) -> nn.Module:
    """The same, with x as it is where the shape stays."""
    for name in projections_where_the_shape_stays(network):
        network.get_submodule(name.rpartition(".")[0]).make_equal_channel = nn.Identity()
    return network


# --- the networks ---


def test_the_networks_have_the_parameters_that_the_handout_gives_them(network: Any) -> None:
    assert count(network) == PARAMETERS
    assert count(without_projections(network)) == WITHOUT_OPTIONAL
    assert count(module_of("vgg16_full.py").VGG16()) == 14_983_498


def test_the_convolutions_are_as_many_as_the_handout_says(network: Any) -> None:
    assert kinds(network) == {nn.Conv2d: 53, nn.BatchNorm2d: 53, nn.Linear: 1}
    assert kinds(without_projections(network)) == {nn.Conv2d: 45, nn.BatchNorm2d: 45, nn.Linear: 1}


def test_shapes_on_the_way(network: Any) -> None:
    seen: list[tuple[int, ...]] = []
    parts = (network.layer1, network.layer2, network.layer3, network.layer4, network.avgpool, network.fc)
    for part in parts:
        part.register_forward_hook(lambda _module, _inputs, output: seen.append(tuple(output.shape)))
    for n in (1, 4):
        seen.clear()
        assert network.eval()(torch.zeros(n, 3, 32, 32)).shape == (n, 10)
        assert seen == [(n, 64, 8, 8), (n, 256, 4, 4), (n, 512, 2, 2), (n, 1024, 2, 2), (n, 1024, 1, 1), (n, 10)]


def test_a_block_downsamples_with_its_first_convolution_and_its_shortcut_alone(network: Any) -> None:
    strided = [name for name, module in network.named_modules() if getattr(module, "stride", 1) in (2, (2, 2))]
    last = ("layer2.2", "layer3.3")
    assert strided == [
        *("layer1.0", "layer1.3"),
        *(f"{block}.{part}.0" for block in last for part in ("layer.0", "downsize")),
        "avgpool",
    ]


def test_a_relu_after_the_addition_would_change_nothing(network: Any) -> None:
    seen: list[bool] = []
    blocks = [*network.layer2, *network.layer3, *network.layer4]
    for block in blocks:
        block.register_forward_hook(lambda _module, _inputs, output: seen.append(bool((output >= 0).all())))
    network(torch.randn(2, 3, 32, 32))
    assert seen == [True] * 13


# --- the declaration ---


def test_the_entries_are_the_solutions(network: Any) -> None:
    own = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    assert {entry.name: entry.shape for entry in RESNET50.entries} == own
    assert len(RESNET50.entries) == len(own) == 373


def test_optional_entries_are_those_of_projections_where_the_shape_stays(network: Any) -> None:
    names = projections_where_the_shape_stays(network)
    assert len(names) == 8
    optional = [entry.name for entry in RESNET50.entries if entry.optional]
    assert optional == [name for name in network.state_dict() if name.rpartition(".")[0].rpartition(".")[0] in names]
    needed = [entry for entry in RESNET50.entries if not entry.optional]
    assert [entry.name for entry in needed] == list(without_projections(network).state_dict())


def test_the_answers_are_the_solutions(network_class: Any) -> None:
    networks = (network_class(), without_projections(network_class()))
    assert [answers.entries for answers in RESNET50.answers] == [len(each.state_dict()) for each in networks]
    for declared, each in zip(RESNET50.answers, networks, strict=True):
        expected = torch.tensor(declared.scores, dtype=torch.float64)
        found = torch.tensor(drawn_weights.answers(each, RESNET50.input_shape), dtype=torch.float64)
        assert found.shape == (drawn_weights.PICTURES, 10)
        assert (found - expected).abs().max() <= TOLERANCE * expected.abs().max()


def test_the_answers_do_not_depend_on_the_weights_that_were_there(network_class: Any) -> None:
    first, second = (drawn_weights.answers(network_class(), RESNET50.input_shape) for _ in range(2))
    assert first == second


# --- main.py ---


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A student's folder with the three files, beside the one that main.py is started in."""
    (tmp_path / "homework").mkdir()
    (tmp_path / "elsewhere").mkdir()
    for file in FILES:
        shutil.copyfile(FOLDER / file, tmp_path / "homework" / file)
    return tmp_path / "homework"


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """main.py, with 200 made-up pictures in the place of CIFAR-10."""
    program = [sys.executable, "-c", DRIVER, str(folder / "main.py"), *arguments]
    elsewhere = folder.parent / "elsewhere"
    return subprocess.run(program, cwd=elsewhere, capture_output=True, text=True, check=False, timeout=300)


@pytest.mark.slow
def test_main_trains_from_nothing_and_goes_on_from_what_it_saved(folder: Path, network: Any) -> None:
    first = run(folder, "--epochs", "1")
    assert first.returncode == 0, first.stderr
    lines = first.stdout.splitlines()
    assert re.fullmatch(rf"resnet50: {PARAMETERS:,} parameters, on (cpu|cuda)", lines[0])
    assert lines[1] == "There is no resnet50.safetensors beside main.py: training starts from nothing"
    assert re.fullmatch(r"Epoch \[1/1\], Step \[2/2\], Loss: \d+\.\d{4}", lines[2])
    assert re.fullmatch(r"Accuracy of the model on the test images: \d+\.\d\d %", lines[3])
    assert len(lines) == 4
    saved = folder.parent / "elsewhere" / "resnet50_trained.safetensors"
    assert [file.name for file in saved.parent.iterdir()] == [saved.name]
    once = load_file(saved)
    assert {name: value.shape for name, value in once.items()} == {
        name: value.shape for name, value in network.state_dict().items()
    }
    assert once["layer1.1.num_batches_tracked"] == 2

    saved.rename(folder / "resnet50.safetensors")
    again = run(folder)
    assert again.returncode == 0, again.stderr
    lines = again.stdout.splitlines()
    assert lines[1] == "The weights are those of resnet50.safetensors"
    # One epoch, which nobody asked for by number: that is how far a training from a checkpoint goes.
    assert lines[2].startswith("Epoch [1/1], Step [2/2], Loss: ")
    assert load_file(saved)["layer1.1.num_batches_tracked"] == 4


@pytest.mark.slow
def test_main_says_where_a_checkpoint_does_not_fit_and_ends(folder: Path, network: Any) -> None:
    state = {name: value.clone() for name, value in network.state_dict().items()}
    del state["layer2.2.downsize.0.weight"]
    state["layer2.2.shortcut.0.weight"] = torch.zeros(256, 256, 1, 1)
    state["fc.weight"] = torch.zeros(100, 1024)
    save_file(state, folder / "resnet50.safetensors")
    ended = run(folder, "--epochs", "1")
    assert ended.returncode == 1
    first, *lines = ended.stdout.splitlines()
    assert first.startswith(f"resnet50: {PARAMETERS:,} parameters")
    assert lines[0] == "resnet50.safetensors and the network differ in 3 of 374 entries:"
    assert [re.split(" {2,}", line.strip()) for line in lines[1:]] == [
        ["entry", "network", "checkpoint"],
        ["layer2.2.downsize.0.weight", "(256, 256, 1, 1)", "missing"],
        ["fc.weight", "(10, 1024)", "(100, 1024)"],
        ["layer2.2.shortcut.0.weight", "missing", "(256, 256, 1, 1)"],
    ]
    assert ended.stderr.startswith("nothing was loaded")
    assert not list((folder.parent / "elsewhere").iterdir())


@pytest.mark.slow
def test_main_ends_before_the_download_where_the_network_is_not_finished(folder: Path) -> None:
    skeleton = folder / "resnet50_skeleton.py"
    answer = "return self.fc(torch.flatten(x, 1))"
    assert answer in skeleton.read_text()
    skeleton.write_text(skeleton.read_text().replace(answer, "return torch.flatten(x, 1)"))
    ended = run(folder)
    assert ended.returncode == 1
    assert ended.stderr.startswith("to two pictures the network answers shape (2, 1024), not ten scores each")
    assert len(ended.stdout.splitlines()) == 1


def test_the_files_of_the_solution_leave_no_module_behind(network_class: Any) -> None:
    module_of("vgg16_full.py")
    assert not {"main", "resnet50_skeleton", "vgg16_full"} & set(sys.modules)
