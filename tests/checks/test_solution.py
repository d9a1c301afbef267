"""The reference answers, right in every check, and what is beside hw6's: trainable from end to end."""

import importlib.util
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

from autograder import checks, homeworks
from autograder.checks import CheckResult
from autograder.course.dataset import Dataset
from autograder.course.homework import Homework
from autograder.files import ROOT
from autograder.intake import submission
from autograder.runner.runner import SANDBOX_RUNNER
from autograder.sandbox.sandbox import Sandbox

FOLDER = ROOT / "solution" / "hw6"
HW6 = homeworks.load("hw6")
HOMEWORKS = [homeworks.load(name) for name in homeworks.names()]
BLANKS = {"hw6": 13, "resnet20": 15, "resnet50": 11}
CHECKS_OF_ITS_BLOCKS = {
    "hw6": {"pre-activation", "identity", "arguments", "block-counts"},
    "resnet20": {"post-activation", "initial-weights", "initial-norms", "class-count"},
    "resnet50": {"conv-norm-relu", "downsampling", "state-dict", "answers"},
}
REGION = re.compile(r"(?ms)^([ ]*)### BEGIN SOLUTION\n.*?### END SOLUTION$")


@pytest.fixture(scope="module")
def record() -> ModuleType:
    spec = importlib.util.spec_from_file_location("record", FOLDER / "record.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def network_class(record: ModuleType) -> Any:
    return record.network_class()


def results(given: Homework, path: Path, sandbox: Sandbox) -> dict[str, CheckResult]:
    observations = SANDBOX_RUNNER.observe(given, submission.read(path), sandbox)
    return {result.id: result for result in checks.run(observations, given)}


@pytest.mark.parametrize("given", HOMEWORKS, ids=lambda given: given.name)
def test_the_solution_passes_every_check(given: Homework, sandbox_none: Sandbox) -> None:
    found = results(given, ROOT / "solution" / given.name / f"{given.stem}.py", sandbox_none)
    outcomes = {name: result.outcome for name, result in found.items()}
    assert outcomes == dict.fromkeys(outcomes, "passed")
    assert set(outcomes) >= CHECKS_OF_ITS_BLOCKS[given.name]


@pytest.mark.parametrize(
    ("given", "suffix"),
    [(given, suffix) for given in HOMEWORKS for suffix in ([".py"] if given.given else [".py", ".ipynb"])],
    ids=lambda part: part if isinstance(part, str) else part.name,
)
def test_the_skeleton_fails_for_its_blanks_alone(given: Homework, suffix: str, sandbox_none: Sandbox) -> None:
    of_skeleton = results(given, ROOT / "assignment" / given.name / f"{given.stem}{suffix}", sandbox_none)
    assert [check for check, result in of_skeleton.items() if result.outcome == "failed"] == ["blanks"]
    assert f"{BLANKS[given.name]} blanks" in of_skeleton["blanks"].saw
    assert all(result.waits_for for result in of_skeleton.values() if result.outcome == "skipped")


def test_each_answer_left_open_alone_is_found_and_named() -> None:
    solution = (FOLDER / "hw6.py").read_text()
    assert submission.blanks(solution.encode()) == []
    named = []
    for region in REGION.finditer(solution):
        opened = f"{solution[: region.start()]}{region.group(1)}...{solution[region.end() :]}"
        (blank,) = submission.blanks(opened.encode())
        assert blank.line == solution.count("\n", 0, region.start()) + 1
        named.append(blank.question)
    assert named == ["Q1", "Q2", None, None, None, None, "Q3", "Q4", "Q5", "Q6", "Q7", "Q8", "Q9"]


@pytest.mark.parametrize(
    ("counts", "parameters"),
    [((2, 2, 2, 2), 11_175_946), ((1, 1, 1, 1), 4_903_306), ((3, 3, 3, 3), 17_448_586)],
)
def test_the_network_has_the_parameters_that_the_paper_gives_it(
    network_class: Any, counts: tuple[int, ...], parameters: int
) -> None:
    assert sum(parameter.numel() for parameter in network_class(*counts).parameters()) == parameters


def test_shapes_on_the_way(network_class: Any) -> None:
    network = network_class(2, 2, 2, 2).eval()
    seen: list[tuple[int, ...]] = []
    for part in (network.conv, network.stage1, network.stage2, network.stage3, network.stage4, network.pool):
        part.register_forward_hook(lambda module, inputs, output: seen.append(tuple(output.shape)))
    for n in (1, 4):
        seen.clear()
        assert network(torch.zeros(n, 3, 32, 32)).shape == (n, 10)
        sides = [(64, 32), (64, 32), (128, 16), (256, 8), (512, 4), (512, 1)]
        assert seen == [(n, channels, side, side) for channels, side in sides]


def test_a_block_whose_convolutions_are_zero_passes_on_what_it_gets(network_class: Any) -> None:
    torch.manual_seed(6)
    network = network_class(2, 2, 2, 2)
    block = network.stage2[1]
    for convolution in (block.conv1, block.conv2):
        torch.nn.init.zeros_(convolution.weight)
        torch.nn.init.zeros_(convolution.bias)
    x = torch.randn(2, 128, 16, 16)
    assert torch.equal(block(x), x)


@pytest.mark.slow
def test_the_solution_trains_under_the_proctor_to_its_own_end(practice: Dataset, sandbox_none: Sandbox) -> None:
    small = replace(HW6.preview, train_images=24, test_images=20)
    training = SANDBOX_RUNNER.train(HW6, submission.read(FOLDER / "hw6.py"), practice, small, sandbox_none, threads=1)
    assert (training.outcome, training.message) == ("GRADED", "")
    assert training.report
    assert (training.report.ended_by, training.report.epochs, training.report.steps) == ("script", 5.0, 5)
    assert training.scores["eval"].shape == (20, 10)
    assert "epoch 5: mean loss" in training.log


def test_a_shifted_picture_is_a_window_of_the_mirrored_one(record: ModuleType) -> None:
    torch.manual_seed(6)
    images = torch.randn(40, 3, 32, 32)
    shifted = record.shifted(images)
    padded = torch.nn.functional.pad(images, (record.SHIFT,) * 4, mode="reflect")
    places = []
    for image, wide in zip(shifted, padded, strict=True):
        windows = {
            (down, right): wide[:, down : down + 32, right : right + 32] for down in range(5) for right in range(5)
        }
        (place,) = [place for place, window in windows.items() if torch.equal(window, image)]
        places.append(place)
    assert len(set(places)) > 10  # of 25, by 40 pictures: each has its own


def test_an_epoch_serves_every_picture_once_and_undoes_the_flips_of_the_last(
    record: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(record, "SHIFT", 0)
    monkeypatch.setattr(record, "BATCH", 16)
    torch.manual_seed(6)
    images, labels = torch.randn(40, 3, 32, 32), torch.arange(40)
    batches = list(record.epochs(images, labels))
    assert [len(target) for _, target in batches] == [16, 16, 8] * 5
    last = None
    for start in range(0, 15, 3):
        order = torch.cat([target for _, target in batches[start : start + 3]])
        seen = torch.cat([batch for batch, _ in batches[start : start + 3]])[order.argsort()]
        assert torch.equal(order.sort().values, labels)
        if last is not None:
            assert torch.equal(seen, last.flip(3))
        last = seen


@pytest.mark.slow
def test_the_record_runs_from_end_to_end(practice: Dataset) -> None:
    program = [sys.executable, str(FOLDER / "record.py"), "--data", str(practice.folder), "--images", "16"]
    run = subprocess.run(program, capture_output=True, text=True, check=True)
    assert re.search(r"^\d+\.\d\d% of 16 test images after 5 epochs of 16$", run.stdout, re.MULTILINE)
