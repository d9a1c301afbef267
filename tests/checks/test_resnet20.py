"""resnet20: its network, and the curve of its epochs under the proctor."""

import re
import runpy
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from autograder import homeworks
from autograder.course.dataset import Dataset
from autograder.files import ROOT
from autograder.intake import submission
from autograder.observations import TrainingReport
from autograder.runner import epochs
from autograder.runner.runner import SANDBOX_RUNNER
from autograder.runner.score import accuracy_percent
from autograder.runner.train import Training
from autograder.sandbox.sandbox import Sandbox

RESNET20 = homeworks.load("resnet20")
SOLUTION = ROOT / "solution" / "resnet20" / "resnet20.py"
SMALL = replace(RESNET20.preview, epochs=3, train_images=32, test_images=20)
PARAMETERS = 272_474  # the paper says 0.27 million


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A fresh network: what the solution defines above the line that first builds one."""
    text = SOLUTION.read_text()
    start, end = text.index("class ResidualBlock"), text.index("# %%\nnet = ResNet20()")
    path = tmp_path_factory.mktemp("network") / "network.py"
    path.write_text(f"import torch\nimport torch.nn as nn\nimport torch.nn.functional as F\n\n\n{text[start:end]}")
    torch.manual_seed(20)
    return runpy.run_path(str(path))["ResNet20"]()


def test_the_network_has_the_parameters_that_the_paper_gives_it(network: Any) -> None:
    assert sum(parameter.numel() for parameter in network.parameters()) == PARAMETERS


def test_shapes_on_the_way(network: Any) -> None:
    seen: list[tuple[int, ...]] = []
    parts = (network.bn, network.stage1, network.stage2, network.stage3, network.pool)
    handles = [part.register_forward_hook(lambda _module, _in, out: seen.append(tuple(out.shape))) for part in parts]
    assert network.eval()(torch.zeros(2, 3, 32, 32)).shape == (2, 10)
    for handle in handles:
        handle.remove()
    assert seen == [(2, 16, 32, 32), (2, 16, 32, 32), (2, 32, 16, 16), (2, 64, 8, 8), (2, 64, 1, 1)]


# --- the epochs ---


@pytest.fixture(scope="module")
def training(practice: Dataset, sandbox_none: Sandbox) -> Training:
    return SANDBOX_RUNNER.train(RESNET20, submission.read(SOLUTION), practice, SMALL, sandbox_none, threads=1)


@pytest.mark.slow
def test_every_epoch_of_a_training_is_tested_as_it_was(training: Training, practice: Dataset) -> None:
    assert (training.outcome, training.message) == ("GRADED", "")
    assert training.report
    assert (training.report.ended_by, training.report.epochs, training.report.kept_epochs) == ("epochs", 3.0, 3)
    assert [scores.shape for scores in training.epoch_scores] == [(20, 10)] * 3
    first, second, last = training.epoch_scores
    assert not np.array_equal(first, second)
    assert not np.array_equal(second, last)
    # The training ended with the third epoch, so the network after it is the one that counts.
    assert np.array_equal(last, training.scores["eval"])
    rows = epochs.proctored(training.report, 32, training.epoch_scores, practice.test_labels[:20])
    assert [row.epoch for row in rows] == [1, 2, 3]
    assert [row.accuracy_percent for row in rows] == [
        accuracy_percent(scores, practice.test_labels[:20]) for scores in training.epoch_scores
    ]
    assert all(row.train_loss is not None and row.test_loss is not None for row in rows)


@pytest.mark.slow
def test_a_homework_that_asks_for_no_epochs_keeps_none(practice: Dataset, sandbox_none: Sandbox) -> None:
    plain = replace(SMALL, epochs=1, train_images=16, test_images=10)
    hw6 = homeworks.load("hw6")
    handed_in = submission.read(ROOT / "solution" / "hw6" / "hw6.py")
    training = SANDBOX_RUNNER.train(hw6, handed_in, practice, plain, sandbox_none, threads=1)
    assert training.report
    assert training.report.kept_epochs == 0
    assert training.epoch_scores == []


@pytest.mark.slow
def test_the_script_itself_prints_and_writes_what_the_report_reads(training: Training) -> None:
    # The budget ended it after three of ten epochs; each has left its line by then.
    assert re.search(r"epoch  2: training loss \d\.\d+, test loss \d+\.\d+, accuracy \d+\.\d+%", training.log)


def test_losses_and_accuracies_are_those_of_their_epoch() -> None:
    losses = [(2, 3.0), (4, 1.0), (6, float("nan")), (8, 0.5)]
    report = TrainingReport(ended_by="script", epochs=2, images=8, losses=losses, kept_epochs=2)
    labels = np.array([0, 1], dtype=np.int64)
    even, sure = np.zeros((2, 10), np.float32), np.eye(10, dtype=np.float32)[:2] * 100
    first, second = epochs.proctored(report, 4, [even, sure], labels)
    assert (first.train_loss, second.train_loss) == (2.0, 0.5)
    assert first.test_loss == pytest.approx(np.log(10))
    assert second.test_loss == pytest.approx(0, abs=1e-9)
    assert (first.accuracy_percent, second.accuracy_percent) == (50.0, 100.0)
    assert epochs.average_error_percent([first, second]) == 25.0


def test_the_reference_is_the_reports() -> None:
    reference = RESNET20.reference
    assert reference is not None
    assert max(reference.curve, key=lambda point: point[1]) == (47, 82.02)
    assert [epoch for epoch, _ in reference.curve] == sorted({epoch for epoch, _ in reference.curve})
    assert reference.results == (("the paper (8.75% error)", 100 - 8.75),)
