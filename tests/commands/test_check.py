"""What the command `check` prints and exits with.

`tests/golden/check_*` holds what people and programs read. After a change that was meant: UPDATE_GOLDEN=1 pytest
tests/commands/test_check.py, and read the difference.
"""

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest
from support.checked import CASES, RIGHT, check
from support.golden import golden
from support.observed import CRASH, HW6
from support.runner import Asked, FakeRunner

from autograder import checks
from autograder.commands.student import check as command
from autograder.commands.student.check_report import where
from autograder.course.dataset import Dataset
from autograder.errors import KitError
from autograder.files import ROOT
from autograder.intake import submission
from autograder.observations import Observations
from autograder.runner.train import Training
from autograder.sandbox.sandbox import Sandbox

GOLDEN = Path(__file__).parent.parent / "golden"


@pytest.fixture(autouse=True)
def still(monkeypatch: pytest.MonkeyPatch) -> None:
    """Time stands still, so that texts can be compared."""
    monkeypatch.setattr("autograder.commands.student.check.time.monotonic", lambda: 7.0)


@pytest.mark.parametrize("name", CASES)
def test_what_people_read(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert check(FakeRunner(CASES[name])) == (0 if checks.passed(checks.run(CASES[name], HW6)) else 1)
    text = capsys.readouterr().out
    assert all(len(line) <= 80 for line in text.splitlines())
    assert "\x1b" not in text
    golden(f"check_{name}.txt", text)


def test_what_people_read_of_a_notebook(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = RIGHT.read_text().splitlines()
    parts = ["\n".join(lines[:30]), "\n".join(lines[30:60]), "\n".join(lines[60:])]
    cells = [{"cell_type": "markdown", "metadata": {}, "source": "# hw6"}]
    cells += [
        {"cell_type": "code", "metadata": {}, "source": part, "outputs": [], "execution_count": None} for part in parts
    ]
    path = tmp_path / "hw6.ipynb"
    path.write_text(json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 4}))
    runner = FakeRunner(CASES["shared"])
    assert check(runner, path) == 1
    golden("check_notebook.txt", capsys.readouterr().out)


def test_what_people_read_when_they_ask_for_more(capsys: pytest.CaptureFixture[str]) -> None:
    runner = FakeRunner(CASES["shared"])
    assert check(runner, verbose=True) == 1
    golden("check_shared_verbose.txt", capsys.readouterr().out)


def test_what_programs_read(capsys: pytest.CaptureFixture[str]) -> None:
    runner = FakeRunner(CASES["shared"])
    assert check(runner, as_json=True) == 1
    text = capsys.readouterr().out
    golden("check_shared.json", text)
    said = json.loads(text)
    assert list(said) == ["homework", "file", "passed", "checks", "packages", "training"]
    assert said["passed"] is False
    assert said["training"] is None
    asked = {"id", "title", "outcome", "question", "line", "saw", "expected", "why"}
    assert all(asked <= set(each) for each in said["checks"])


def test_colour_is_for_terminals_that_want_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    runner = FakeRunner(CASES["shared"])
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    check(runner)
    assert "\x1b[1;31m" in capsys.readouterr().out
    monkeypatch.setenv("NO_COLOR", "1")
    check(runner)
    assert "\x1b[1;31m" not in capsys.readouterr().out


def test_a_notebooks_lines_are_told_by_cell(tmp_path: Path) -> None:
    cells = [
        {"cell_type": "markdown", "metadata": {}, "source": "# hw6"},
        {"cell_type": "code", "metadata": {}, "source": "a = 1", "outputs": [], "execution_count": None},
        {"cell_type": "code", "metadata": {}, "source": "b = 1\nc = (", "outputs": [], "execution_count": None},
    ]
    path = tmp_path / "hw6.ipynb"
    path.write_text(json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 4}))
    script = submission.read(path)
    assert script.cells == (1, 4, 7)
    failing = script.script.decode().splitlines()[8]
    assert where(path, script, 9) == "hw6.ipynb, cell 3, line 2"
    assert failing == "raise SyntaxError(\"'(' was never closed\")  # c = ("


def test_json_says_what_is_not_python(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "hw6.py"
    path.write_bytes(b"import torch\ndef f(:\n")
    assert check(FakeRunner(), path, as_json=True) == 1
    said = json.loads(capsys.readouterr().out)
    failed = [each for each in said["checks"] if each["outcome"] == "failed"]
    assert [(each["id"], each["line"]) for each in failed] == [("builds", 2)]
    assert said["passed"] is False


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"def f(:\n", "hw6.py:1: not Python that can be run: invalid syntax"),
        (b"x = 1\n  y = 2\n", "hw6.py:2: not Python that can be run: unexpected indent"),
        (b"if True:\n\tx = 1\n        y = 2\n", "hw6.py:3: not Python that can be run: inconsistent use of tabs"),
        (b"return 3\n", "hw6.py:1: not Python that can be run: 'return' outside function"),
        (b"Dear all,\nplease find enclosed", "hw6.py:1: not Python that can be run: invalid syntax"),
        (b"\n \n", "hw6.py: the file is empty"),
        (b"\x00\x01\x02", "hw6.py: holds binary data"),
    ],
)
def test_what_is_not_python_is_refused_before_anything_runs(content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "hw6.py"
    path.write_bytes(content)
    with pytest.raises(KitError) as caught:
        check(FakeRunner(), path)
    assert message in caught.value.message
    assert "\n" not in caught.value.message
    assert caught.value.exit_code == 2


def test_what_only_the_run_finds_to_be_no_python_is_refused_too() -> None:
    error = CRASH.model_copy(update={"type": "SyntaxError", "message": "source code too deep", "line": 9})
    runner = FakeRunner(Observations(homework="hw6", file="hw6.py", syntax_error=error))
    with pytest.raises(KitError, match=r"hw6_right\.py:9: not Python that can be run: source code too deep"):
        check(runner)


def test_a_training_is_told_with_its_tier(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, practice: Dataset
) -> None:
    import numpy as np

    def trained(asked: Asked) -> Training:
        labels = practice.test_labels[: HW6.preview.test_images]
        scores = np.eye(10, dtype=np.float32)[labels]
        scores[: len(labels) // 4] = 0
        scores[: len(labels) // 4, 0] = np.nan
        return Training("GRADED", "", None, {"eval": scores}, seconds=61.4, threads=asked.threads)

    runner = FakeRunner(CASES["right"])
    runner.training = trained
    monkeypatch.setattr("autograder.machine.cores", lambda: 2)
    assert check(runner, train=True, protocol="preview", data=practice.folder) == 0
    text = capsys.readouterr().out
    golden("check_trained.txt", text)
    lines = text.splitlines()
    training = [line for line in lines if "training on practice" in line or "of the test images" in line]
    assert len(training) == 2
    assert all(line.startswith("no points: ") for line in training)
    assert lines[-2].startswith("no points: ")
    assert check(runner, train=True, protocol="preview", data=practice.folder, as_json=True) == 0
    said = json.loads(capsys.readouterr().out)["training"]
    assert said["accuracy_percent"] == 75.0
    assert said["as_left_percent"] is None
    assert (said["tier"], said["tier_points"]) == (None, None)
    assert check(runner, train=True, protocol="demo", data=practice.folder, as_json=True) == 0
    assert json.loads(capsys.readouterr().out)["training"]["tier_points"] == 20
    assert said["gives_points"] is False


def test_a_training_without_an_accuracy_is_told_with_its_row(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, practice: Dataset
) -> None:
    def trained(asked: Asked) -> Training:
        return Training("EXIT 3", "the process ended itself with status 3", None, threads=asked.threads)

    runner = FakeRunner(CASES["right"])
    runner.training = trained
    check(runner, train=True, protocol="preview", data=practice.folder)
    text = capsys.readouterr().out
    assert "no points: no accuracy (EXIT 3): the process ended itself with status 3" in text
    assert "points (" not in text  # a preview names no row
    check(runner, train=True, protocol="demo", data=practice.folder)
    assert "gets 2 points (no accuracy could be had)" in " ".join(capsys.readouterr().out.split())


def test_the_homework_is_told_by_the_name_where_there_are_several(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("autograder.homeworks.names", lambda: ["hw6", "resnet20", "resnet50"])
    assert command._homework_of(Path("resnet50_final.py")) == "resnet50"
    assert command._homework_of(Path("HW6 (1).ipynb")) == "hw6"
    with pytest.raises(KitError, match="doesn't say which homework") as caught:
        command._homework_of(Path("main.py"))
    assert caught.value.hint == "say --homework hw6|resnet20|resnet50"


def test_the_command_never_imports_torch() -> None:
    program = (
        "import sys; from autograder import checks; from autograder.course import dataset, rubric;"
        "from autograder.runner import evaluate, runner, score, setup; from autograder.commands.student import check;"
        "from autograder.homeworks import load; check._load_what_is_needed_later(load('hw6'));"
        "print(sorted(name for name in ('torch', 'torchvision', 'jinja2', 'distributed') if name in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.fixture
def saves(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Have each of these happen while a watch waits, one a look; then Ctrl-C."""

    def waiting(*happen: Any) -> None:
        rest = iter(happen)

        def sleep(_seconds: float) -> None:
            act = next(rest, None)
            if act is None:
                raise KeyboardInterrupt
            act()

        monkeypatch.setattr("autograder.commands.student.check.time.sleep", sleep)

    return waiting


def test_a_watched_file_is_checked_at_every_save(
    saves: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runner = FakeRunner(CASES["right"])
    path = tmp_path / "hw6.py"
    path.write_text("x = 1\n")
    aside = tmp_path / "new.py"
    aside.write_text("x = 4\n")
    saves(
        lambda: None,
        lambda: path.write_text("x = (\n"),
        lambda: None,
        path.unlink,
        lambda: None,
        lambda: path.write_text("x = 33\n"),
        lambda: aside.replace(path),
    )
    assert command.watch(path, None, sandbox="none", verbose=False, runner=runner) == 0
    text = capsys.readouterr().out
    said = text.split("watching hw6.py: save it to check it again, Ctrl-C to stop\n")
    assert [part.strip().splitlines()[-1] for part in said[:-1]] == [
        "22 of 22 required checks pass",
        "hint: Python reads the whole file before it runs",
        "22 of 22 required checks pass",
        "22 of 22 required checks pass",
    ]
    assert said[-1] == ""
    assert "\x1b" not in text


@pytest.mark.parametrize(
    ("name", "homework", "message"),
    [
        ("hw6.py", None, "no such file"),
        ("main.py", None, "doesn't say which homework"),
        ("hw6.py", "hw7", "called 'hw7'"),
    ],
)
def test_what_can_never_be_checked_is_not_watched(
    name: str, homework: str | None, message: str, tmp_path: Path
) -> None:
    if message != "no such file":
        (tmp_path / name).write_text("x = 1\n")
    with pytest.raises(KitError, match=message):
        command.watch(tmp_path / name, homework, sandbox="none", verbose=False)


@pytest.mark.slow
def test_a_real_file_is_watched(sandbox_bwrap: Sandbox, tmp_path: Path) -> None:
    path = tmp_path / "hw6.py"
    path.write_bytes(RIGHT.read_bytes())
    program = "from autograder.commands.app import main; main()"
    watching = subprocess.Popen(
        [sys.executable, "-u", "-c", program, "check", str(path), "--watch", "--sandbox", sandbox_bwrap.name],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert watching.stdout is not None
    said = iter(watching.stdout.readline, "")

    def report() -> str:
        return "".join(iter(said.__next__, "watching hw6.py: save it to check it again, Ctrl-C to stop\n"))

    assert "22 of 22 required checks pass" in report()
    path.write_bytes(RIGHT.read_bytes().replace(b"        optimizer.zero_grad()\n", b""))
    again = report()
    assert "21 of 22 required checks pass" in again
    assert "hint: autograder hint hw6 zero-grad · autograder explain hw6 zero-grad" in again
    family = psutil.Process(watching.pid).children(recursive=True)
    assert family  # what has imported torch, waiting
    watching.send_signal(signal.SIGINT)
    assert watching.wait(timeout=60) == 0
    watching.stdout.close()
    assert psutil.wait_procs(family, timeout=10)[1] == []


@pytest.mark.slow
def test_a_real_file_end_to_end(sandbox_none: Sandbox, tmp_path: Path) -> None:
    script = submission.read(RIGHT).script.replace(b"        optimizer.zero_grad()\n", b"")
    path = tmp_path / "hw6.py"
    path.write_bytes(script)
    program = "from autograder.commands.app import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", program, "check", str(path), "--sandbox", sandbox_none.name, "--json"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1, done.stderr
    said = json.loads(done.stdout)
    assert [each["id"] for each in said["checks"] if each["outcome"] != "passed"] == ["zero-grad"]
