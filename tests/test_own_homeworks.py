"""`autograder new`: three homeworks made of their solutions, none a ResNet, none on 32x32 colour pictures.

Each is released, its skeleton fails for its blanks alone, its solution passes everything, each planted mistake is
caught by the check that names it, right files in another manner pass, and a class of four is graded, with pages in
both languages.
"""

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from support.own_homework import Checkout
from support.pages import Page

from autograder.course.dataset import Official
from autograder.course.practice import draw_for
from autograder.results import store

SCRIPTS = Path(__file__).parent / "scripts"
WAVES = Official((20, 2), 500, 200, classes=4, read_as="waves.npz", dtype="float32")

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Own:
    """A homework: its name, the planted mistakes with what must be said, and manners that are as right."""

    name: str
    blanks: int
    wrong: dict[str, tuple[str, str, tuple[tuple[str, str], ...]]]
    right: dict[str, tuple[tuple[str, str], ...]]


LENET = Own(
    "lenet",
    7,
    {
        "no padding": ("layers", "padding 0, map 24x24", (("5, padding=2", "5"), ("16 * 5 * 5", "16 * 4 * 4"))),
        "average pool": (
            "layers",
            "average pool 2x2",
            (("F.max_pool2d(F.relu(self.conv1(x)), 2)", "F.avg_pool2d(F.relu(self.conv1(x)), 2)"),),
        ),
        "a ReLU is missing": ("order", "`fc2` after `fc1`", (("F.relu(self.fc1(x))", "self.fc1(x)"),)),
        "tanh": ("order", "tanh", (("F.relu(self.fc2(x))", "torch.tanh(self.fc2(x))"),)),
        "a layer is never called": (
            "gradients",
            "`fc2` never called",
            (("        x = F.relu(self.fc2(x))\n", ""), ("nn.Linear(84, num_classes)", "nn.Linear(120, num_classes)")),
        ),
        "softmax": ("order", "softmax", (("return self.fc3(x)", "return F.softmax(self.fc3(x), dim=1)"),)),
        "gradients add up": ("zero-grad", "batch 1", (("        optimizer.zero_grad()\n", ""),)),
    },
    {
        "pool first, no bias, log_softmax": (
            ("F.max_pool2d(F.relu(self.conv1(x)), 2)", "F.relu(nn.MaxPool2d(2)(self.conv1(x)))"),
            ("self.fc2 = nn.Linear(120, 84)", "self.fc2 = nn.Linear(120, 84, bias=False)"),
            ("return self.fc3(x)", "return F.log_softmax(self.fc3(x), dim=1)"),
        ),
    },
)

SEQUENCES = Own(
    "waves",
    6,
    {
        "the first state": ("answers", "differ by up to", (("states[:, -1]", "states[:, 0]"),)),
        "a GRU": ("layers", "GRU, weights 72x2", (("nn.LSTM(2", "nn.GRU(2"),)),
        "the width": (
            "layers",
            "weights 128x2, 128x32",
            (("nn.LSTM(2, 24,", "nn.LSTM(2, 32,"), ("nn.Linear(24, 16)", "nn.Linear(32, 16)")),
        ),
        "along the batch": ("answers", "differ by up to", (("2, 24, batch_first=True", "2, 24"),)),
        "the mean of the states": ("order", "mean", (("states[:, -1]", "states.mean(dim=1)"),)),
        "a ReLU is missing": (
            "order",
            "`out` after `hidden`",
            (("torch.relu(self.hidden(states[:, -1]))", "self.hidden(states[:, -1])"),),
        ),
        "no step": ("step", "no steps", (("        optimizer.step()\n", ""),)),
    },
    {
        "the last state by its own name": (
            ("states, _ = self.lstm(x)", "_, (last, _) = self.lstm(x)"),
            ("states[:, -1]", "last[-1]"),
        ),
        "a cell in a loop": (
            ("self.lstm = nn.LSTM(2, 24, batch_first=True)", "self.cell = nn.LSTMCell(2, 24)"),
            (
                "        states, _ = self.lstm(x)\n",
                "        h = c = x.new_zeros(x.shape[0], 24)\n"
                "        for t in range(x.shape[1]):\n            h, c = self.cell(x[:, t], (h, c))\n",
            ),
            ("states[:, -1]", "h"),
        ),
    },
)

AUTOENCODER = Own(
    "autoencoder",
    5,
    {
        "a ReLU is missing": ("order", "`up2` after `up1`", (("torch.relu(self.up1(x))", "self.up1(x)"),)),
        "no sigmoid": ("order", "nothing after `up2`", (("torch.sigmoid(self.up2(x))", "self.up2(x)"),)),
        "the kernel": (
            "layers",
            "transposed conv 2x2",
            (("nn.ConvTranspose2d(width, 1, 4, stride=2, padding=1)", "nn.ConvTranspose2d(width, 1, 2, stride=2)"),),
        ),
        "a smaller picture": (
            "output-shape",
            "(1, 1, 27, 27)",
            (("(width, 1, 4, stride=2, padding=1)", "(width, 1, 3, stride=2, padding=1)"),),
        ),
        "SGD": ("optimizer", "the optimizer SGD", (("torch.optim.Adam", "torch.optim.SGD"),)),
        "no backward pass": ("backward", "no backward pass", (("        loss.backward()\n", ""),)),
    },
    {
        "names of one's own": (
            ("self.up1 = nn", "self.first = nn"),
            ("self.up1(x)", "self.first(x)"),
        ),
    },
)

EVERY = pytest.mark.parametrize("own", [LENET, SEQUENCES, AUTOENCODER], ids=lambda own: own.name)


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """The package with the three, each made of its solution."""
    solutions = tmp_path_factory.mktemp("solutions")
    inputs, targets = draw_for(WAVES, 700)
    np.savez(
        solutions / "waves.npz",
        train_inputs=inputs[:500],
        train_targets=targets[:500],
        test_inputs=inputs[500:],
        test_targets=targets[500:],
    )
    made = Checkout(tmp_path_factory.mktemp("checkout"))
    for own in (LENET, SEQUENCES, AUTOENCODER):
        made.new(own.name, Path(shutil.copy(SCRIPTS / f"{own.name}.py", solutions)))
        released = made.run("release", own.name)
        assert released.returncode == 0, released.stderr
    return made


def right(checkout: Checkout, own: Own) -> str:
    return (checkout.root / "examples" / "submissions" / own.name / "s1-right" / f"{own.name}.py").read_text()


def changed(script: str, lines: tuple[tuple[str, str], ...]) -> str:
    for line, other in lines:
        assert script.count(line) == 1, line
        script = script.replace(line, other)
    return script


@EVERY
def test_the_skeleton_fails_for_its_blanks_alone(checkout: Checkout, own: Own) -> None:
    skeleton = checkout.root / "assignment" / own.name / f"{own.name}.py"
    assert "SOLUTION" not in skeleton.read_text()
    said = checkout.run("check", skeleton, "--sandbox", "none")
    assert said.returncode == 1, said.stdout + said.stderr
    assert f"{own.blanks} blanks are still `...`" in " ".join(said.stdout.split())
    assert said.stdout.count("✗") == 1, said.stdout
    handout = (checkout.root / "assignment" / own.name / "README.md").read_text()
    assert "| layer | gives | parameters |" in handout
    assert "| no accuracy could be had | 2 |" in handout


@EVERY
def test_each_mistake_is_caught_by_its_check(checkout: Checkout, own: Own) -> None:
    script = right(checkout, own)
    scripts = {"right": script}
    scripts |= {name: changed(script, lines) for name, (_, _, lines) in own.wrong.items()}
    scripts |= {name: changed(script, lines) for name, lines in own.right.items()}
    found = checkout.results(own.name, scripts)
    for name in ("right", *own.right):
        amiss = {check: one["saw"] for check, one in found[name].items() if one["outcome"] != "passed"}
        assert amiss == {}, name
    for name, (check, words, _) in own.wrong.items():
        amiss = {check: one["saw"] for check, one in found[name].items() if one["outcome"] == "failed"}
        assert list(amiss) == [check], (name, amiss)
        assert words in amiss[check], (name, amiss)
        assert found[name][check]["expected"], name
        assert found[name][check]["hint"], name


@EVERY
def test_a_class_is_graded_and_its_pages_read_right(checkout: Checkout, own: Own, tmp_path: Path) -> None:
    script, file = right(checkout, own), f"{own.name}.py"
    _, _, mistake = next(iter(own.wrong.values()))
    scripts = {
        "s1": script,
        "s2": (checkout.root / "assignment" / own.name / file).read_text(),
        "s3": changed(script, mistake),
        "s4": changed(script, next(iter(own.right.values()))),
    }
    for student, text in scripts.items():
        (tmp_path / "class" / student).mkdir(parents=True)
        (tmp_path / "class" / student / file).write_text(text)
    for language in ("en", "ko"):
        out = tmp_path / language
        options = ["--homework", own.name, "--protocol", "preview", "--sandbox", "none", "--language", language]
        graded = checkout.run("grade", tmp_path / "class", "--out", out, "--data", tmp_path / "practice", *options)
        assert graded.returncode == 0, graded.stdout + graded.stderr
        results = {student: store.read(out / student) for student in scripts}
        reached = {}
        for student, result in results.items():
            assert result is not None
            assert result.status == ("no accuracy" if student == "s2" else "preview"), result
            assert result.for_a_person == [], result
            reached[student] = result.accuracy
        assert (out / "report.html").stat().st_size > 1000
        for student in scripts:
            page = Page((out / student / "feedback.html").read_text(encoding="utf-8")).text
            assert not re.search(r"\bNone\b|\bnan\b", page)
            if (score := reached[student]) is not None:
                assert score.shown if language == "en" else f"{score.counted_percent:.1f}"[:3] in page
            if own is AUTOENCODER and score is not None:
                assert ("Error on" if language == "en" else "오차") in page
                assert score.measure == "mse"
        first = reached["s1"]
        assert first is not None
        assert first.counted_percent < 0.02 if own is AUTOENCODER else first.counted_percent > 30
