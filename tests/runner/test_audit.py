"""audit.py: honest networks pass, tables of known images and answers that change are seen, and so is silence."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.trained import HEAD, HOMEWORK, NET, SMALL

from autograder.course import rubric
from autograder.course.dataset import Dataset
from autograder.grading import student_run
from autograder.intake import submission
from autograder.intake.entry import READ, Entry
from autograder.results.result import Result
from autograder.runner import audit
from autograder.runner.audit import Audit
from autograder.runner.setup import Setup
from autograder.sandbox.sandbox import Sandbox

TRAINED = "for x, y in loader: step(net, optimizer, x, y)\nnet.eval()\n"


def test_altered_images_are_mirrored_shifted_and_noisy(practice: Dataset) -> None:
    images = practice.test_images[:50]
    changed = audit.altered(images, np.random.default_rng(1))
    assert (changed.shape, changed.dtype) == (images.shape, np.uint8)
    inner = slice(audit.SHIFT, 32 - audit.SHIFT)
    for image, result in zip(images.astype(int), changed.astype(int), strict=True):
        mirrored = np.pad(image[:, ::-1], ((audit.SHIFT,) * 2, (audit.SHIFT,) * 2, (0, 0)), mode="edge")
        shifts = range(2 * audit.SHIFT + 1)
        apart = [
            np.abs(mirrored[top : top + 32, left : left + 32][inner, inner] - result[inner, inner]).mean()
            for top in shifts
            for left in shifts
        ]
        assert min(apart) < 1.5 * audit.NOISE  # the mean of |normal| is 0.8 of its deviation


@pytest.mark.parametrize(
    ("plain", "altered", "changed", "flags"),
    [
        (84.1, 76.0, 0.4, []),
        (84.1, 59.1, 10.0, []),
        (84.1, 12.0, 0.0, ["audit-gap"]),
        (50.0, 50.0, 83.0, ["audit-changed"]),
    ],
)
def test_what_is_flagged(plain: float, altered: float, changed: float, flags: list[str]) -> None:
    found = Audit(images=2000, plain_percent=plain, altered_percent=altered, changed_percent=changed).signs
    assert list(found) == flags
    if "audit-gap" in flags:
        assert found["audit-gap"].startswith("accuracy falls from 84.1% to 12.0% on 2,000 test images")


def test_passes_are_compared_image_by_image() -> None:
    labels = np.array([0, 1, 2, 0], dtype=np.int64)
    right = np.eye(3, dtype=np.float32)[labels]
    wrong = np.eye(3, dtype=np.float32)[[0, 1, 0, 1]]
    found = audit.judge(right, wrong, np.roll(right, 1, axis=1), labels)
    assert (found.plain_percent, found.altered_percent, found.changed_percent) == (100.0, 0.0, 50.0)


@pytest.mark.parametrize(
    ("computing_s", "tested", "epochs"),
    [
        (29.9, 0, None),  # too short to tell
        (150.0, 0, 5.0),  # 1,000 images an epoch, three passes of 10 ms each
        (160.0, 1000, 5.0),  # ten of them went into tests
        (1500.0, 0, 50.0),
        (30.0, 10_000, 0.0),
    ],
)
def test_time_is_told_in_epochs(computing_s: float, tested: int, epochs: float | None) -> None:
    assert audit.timed_epochs(computing_s, 0.01, 1000, tested) == pytest.approx(epochs)


def graded(script: str, folder: Path, dataset: Dataset, sandbox: Sandbox) -> Result:
    file = folder / "hw6.py"
    file.write_text(script)
    handed_in = submission.read(file)
    setup = Setup(HOMEWORK, rubric.load(rubric.PATH, "hw6"), replace(SMALL, test_images=200), dataset, sandbox)
    entry = Entry("s1", READ, "", handed_in)
    seen = student_run.observe(entry, setup)
    return student_run.grade(entry, setup, seen).result


@pytest.mark.slow
@pytest.mark.parametrize("left_in", ["eval", "train"])
def test_an_honest_network_passes(tmp_path: Path, practice: Dataset, sandbox_none: Sandbox, left_in: str) -> None:
    result = graded(HEAD + NET + TRAINED + f"net.{left_in}()\n", tmp_path, practice, sandbox_none)
    assert result.audit
    assert result.audit.images == 200
    assert result.audit.changed_percent < 1
    assert result.audit.before_percent is not None
    assert result.audit.before_percent <= audit.BEFORE_PERCENT
    assert (result.audit.signs, result.for_a_person) == ({}, [])


@pytest.mark.slow
def test_a_table_of_the_test_images_is_seen(tmp_path: Path, practice: Dataset, sandbox_none: Sandbox) -> None:
    sums = practice.test_images[:200].reshape(200, -1).sum(axis=1, dtype=np.int64)
    table = {int(key): int(label) for key, label in zip(sums, practice.test_labels[:200], strict=True)}
    lookup = f"""
TABLE = {{int(key): value for key, value in {json.dumps(table)}.items()}}
def forward(self, x):
    keys = ((x * 0.5 + 0.5) * 255).round().flatten(1).sum(1, dtype=torch.float64)
    known = torch.tensor([TABLE.get(int(key), 0) for key in keys])
    return self.bn(self.fc(x.flatten(1))) * 0.01 + nn.functional.one_hot(known, 10)
IdentityResNet.forward = forward
"""
    result = graded(HEAD + lookup + NET + TRAINED, tmp_path, practice, sandbox_none)
    assert result.accuracy
    assert result.accuracy.counted_percent > 95
    assert "audit-gap" in result.flags
    assert any("mirrored" in reason for reason in result.for_a_person)


@pytest.mark.slow
def test_training_on_images_that_were_kept_and_weights_from_elsewhere_are_seen(
    tmp_path: Path, practice: Dataset, sandbox_none: Sandbox
) -> None:
    colours = practice.test_images[:200].mean(axis=(1, 2))
    centres = [colours[practice.test_labels[:200] == label].mean(axis=0).tolist() for label in range(10)]
    brought = f"""
CENTRES = torch.tensor({centres})
class Nearest(nn.Module):
    def forward(self, x):
        return -torch.cdist(((x * 0.5 + 0.5) * 255).mean((2, 3)), CENTRES)
IdentityResNet.forward = lambda self, x: Nearest()(x) + 0.001 * self.bn(self.fc(x.flatten(1)))
"""
    kept = "kept = list(loader)\nfor _ in range(5):\n    for x, y in kept: step(net, optimizer, x, y)\nnet.eval()\n"
    result = graded(HEAD + brought + NET + kept, tmp_path, practice, sandbox_none)
    assert result.training
    # What a loader handed out to be kept is counted again when it is trained on: the budget has an end.
    assert (result.training.steps, result.training.batches) == (10, None)
    assert result.training.ended_by == "epochs"
    assert result.audit
    assert result.audit.before_percent
    assert result.audit.before_percent > 40
    assert "audit-before" in result.flags


@pytest.mark.slow
def test_answers_that_change_and_answers_that_stop_are_seen(
    tmp_path: Path, practice: Dataset, sandbox_none: Sandbox
) -> None:
    wrapped = """
plain = IdentityResNet.forward
tested = 0
def forward(self, x):
    global tested
    tested += not self.training
    SIGN
    return torch.roll(plain(self, x), tested, 1)
IdentityResNet.forward = forward
"""
    changing = graded(HEAD + wrapped.replace("SIGN", "pass") + NET + TRAINED, tmp_path, practice, sandbox_none)
    assert "audit-changed" in changing.flags
    leaving = wrapped.replace("SIGN", "if tested > 1: import os; os._exit(0)")
    silent = graded(HEAD + leaving + NET + TRAINED, tmp_path, practice, sandbox_none)
    assert silent.accuracy
    assert (silent.outcome, silent.audit) == ("GRADED", None)
    assert "no-audit" in silent.flags
