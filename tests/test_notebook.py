"""The notebook that students get: what the kit adds to it, what its last cells do, and all of it run in a kernel."""

import json
import subprocess
import sys
import types
from pathlib import Path
from typing import Any

import nbformat
import pytest
from support.command_line import hand_in
from support.observed import right
from support.runner import FakeRunner

from autograder import notebook
from autograder.commands.course import nbgrader_notebook, release
from autograder.commands.student import live_plot
from autograder.files import ROOT
from autograder.homeworks import load
from autograder.homeworks import names as homework_names
from autograder.intake import receipt, submission
from autograder.intake.receipt import Receipt
from autograder.observations import TrainingProgress

NOTEBOOKS = [name for name in homework_names() if (ROOT / "assignment" / name / f"{name}.ipynb").exists()]
INSTALL = "%pip install --quiet {KIT}"


def skeleton(name: str) -> Any:
    return nbformat.read(ROOT / "assignment" / name / f"{name}.ipynb", as_version=4)


def solution(name: str) -> Any:
    """The notebook with every answer in it."""
    text = (ROOT / "solution" / name / f"{name}.py").read_text(encoding="utf-8")
    return nbformat.reads(release._write_notebook(release._read(text), name, ""), as_version=4)


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_what_is_handed_in_holds_nothing_of_the_kits(name: str) -> None:
    cells = skeleton(name).cells
    own = [cell for cell in cells if cell.source.startswith(submission.OWN_CELL)]
    assert [cell.id for cell in own] == ["kit-0", "kit-2", "kit-3", "kit-4"]
    path = ROOT / "assignment" / name / f"{name}.ipynb"
    script = submission.read(path).script.decode()
    assert "import autograder" not in script
    assert "notebook." not in script
    assert submission.OWN_CELL not in script
    # Cells keep their numbers: places in a notebook are told by them.
    assert sum(line.startswith("# %%") for line in script.splitlines()) == len(cells)

    def code(text: str) -> list[str]:
        return [line for line in text.splitlines() if line.strip() and not line.startswith("#")]

    assert code(script) == code((ROOT / "assignment" / name / f"{name}.py").read_text(encoding="utf-8"))


def test_the_kits_address_goes_into_the_notebook_and_a_link_into_the_handout(tmp_path: Path) -> None:
    release.build("hw6", tmp_path / "hub", kit="git+https://github.com/course/kit.git@v1")
    first = nbformat.read(tmp_path / "hub" / "hw6.ipynb", as_version=4).cells[1].source
    assert 'KIT = "git+https://github.com/course/kit.git@v1"' in first
    place = "https://colab.research.google.com/github/course/kit/blob/v1/assignment/hw6/hw6.ipynb"
    assert f"]({place})" in (tmp_path / "hub" / "README.md").read_text(encoding="utf-8")
    release.build("hw6", tmp_path / "other", kit="git+https://example.org/kit.git")
    assert release.COLAB in (tmp_path / "other" / "README.md").read_text(encoding="utf-8")
    assert 'KIT = ""' in skeleton("hw6").cells[1].source
    assert INSTALL in skeleton("hw6").cells[1].source


def test_nbgraders_own_notebook_has_none_of_these_cells(tmp_path: Path) -> None:
    text = nbgrader_notebook.write("hw6", tmp_path).read_text(encoding="utf-8")
    assert submission.OWN_CELL not in text
    assert "Check it, train it, hand it in" not in text


@pytest.fixture
def runner(monkeypatch: pytest.MonkeyPatch) -> FakeRunner:
    """What the cells' checks run with: it finds everything to be right."""
    found = FakeRunner(right())
    hand_in(monkeypatch, found)
    return found


def test_on_colab_the_notebook_comes_from_colab(
    runner: FakeRunner,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    # A stand-in for Colab's own package, which is nowhere else: the calls are those that Colab documents or uses.
    asked: list[Any] = []
    answer: Any = {"ipynb": json.loads(nbformat.writes(solution("hw6")))}
    message, files = types.ModuleType("google.colab._message"), types.ModuleType("google.colab.files")
    message.blocking_request = lambda what, timeout_sec: (asked.append((what, timeout_sec)), answer)[1]  # type: ignore[attr-defined]
    files.download = asked.append  # type: ignore[attr-defined]
    for module in (types.ModuleType("google"), types.ModuleType("google.colab"), message, files):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.chdir(tmp_path)

    notebook.check("hw6")
    assert "22 of 22 required checks pass" in capsys.readouterr().out
    assert b"class IdentityResNet" in runner.looks[0].submission.script
    notebook.hand_in("hw6")
    assert "wrote hw6.py" in capsys.readouterr().out
    assert asked == [("get_ipynb", 60), ("get_ipynb", 60), "hw6.py"]
    assert (tmp_path / "hw6.py").read_bytes() == runner.looks[0].submission.script

    answer = None
    notebook.check("hw6")
    assert capsys.readouterr().out.splitlines()[0] == "Colab did not hand over the notebook"


def test_elsewhere_it_is_the_file_that_jupyter_runs(
    runner: FakeRunner,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("JPY_SESSION_NAME", raising=False)
    notebook.check("hw6")
    assert capsys.readouterr().out.splitlines() == [
        "hw6.ipynb: no such file",
        "hint: save the notebook under the name hw6.ipynb, in the folder that it runs in",
    ]
    nbformat.write(skeleton("hw6"), tmp_path / "hw6.ipynb")
    nbformat.write(solution("hw6"), tmp_path / "mine.ipynb")
    notebook.check("hw6")
    monkeypatch.setenv("JPY_SESSION_NAME", str(tmp_path / "mine.ipynb"))
    notebook.check("hw6")
    assert [bool(submission.blanks(one.submission.script)) for one in runner.looks] == [True, False]
    notebook.check("hw7")
    assert "there is no homework called 'hw7'" in capsys.readouterr().out


def test_the_plot_is_drawn_now_and_then_and_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[Any] = []

    class Handle:
        update = shown.append

    monkeypatch.setattr("IPython.display.display", lambda image, display_id: (shown.append(image), Handle)[1])
    plot = live_plot.LivePlot()
    for second in range(9):
        images = 1000 * second
        plot.progressed(TrainingProgress(images=images, of=10_000, seconds=second, loss=2.0 - second / 10), 5)
    plot.progressed(TrainingProgress(images=9000, of=10_000, seconds=8.5), 5)
    plot.ended(5, "71.0% of the test images: 20 points")
    assert plot.points == [(second / 2, 2.0 - second / 10) for second in range(9)]
    assert len(shown) == 4  # after 0, 3 and 6 s, and at the end
    assert len({image.data for image in shown}) == 4
    assert all(image.data.startswith(b"\x89PNG") for image in shown)
    assert shown[-1].alt == "The loss of a batch over 5 epochs. 71.0% of the test images: 20 points"


FEW = """
from dataclasses import replace
from autograder import in_nbgrader
from autograder.homeworks import {name} as declared
in_nbgrader.begin({name!r})
few = replace(declared.HOMEWORK.preview, train_images=40, test_images=20)
declared.HOMEWORK = replace(declared.HOMEWORK, preview=few)
"""


def run(cells: Any, folder: Path, name: str) -> subprocess.CompletedProcess[str]:
    """All cells in a kernel, as `jupyter execute` does it, with a handful of drawn pictures for their own training."""
    begin = FEW.format(name=name)
    cells.cells = [nbformat.v4.new_code_cell(begin), *cells.cells]
    nbformat.write(cells, folder / f"{name}.ipynb")
    program = (
        "import nbformat, sys; from nbclient import NotebookClient\n"
        f"book = nbformat.read('{name}.ipynb', as_version=4)\n"
        "NotebookClient(book, timeout=900, resources={'metadata': {'path': '.'}}).execute()\n"
        "nbformat.write(book, 'ran.ipynb')"
    )
    environment = {"AUTOGRADER_IN_NBGRADER": "preview", "PYTHONPATH": str(ROOT), "HOME": str(folder)}
    environment |= {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin", "MPLBACKEND": "Agg"}
    return subprocess.run(
        [sys.executable, "-c", program], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", NOTEBOOKS)
def test_the_skeletons_notebook_stops_kindly_at_its_first_blank(name: str, tmp_path: Path) -> None:
    done = run(skeleton(name), tmp_path, name)
    assert done.returncode != 0
    assert "Q1" in done.stderr[-3000:]


@pytest.mark.slow
@pytest.mark.parametrize("name", NOTEBOOKS)
def test_the_solutions_notebook_runs_to_its_end(name: str, tmp_path: Path) -> None:
    done = run(solution(name), tmp_path, name)
    assert done.returncode == 0, done.stderr[-3000:]
    ran = nbformat.read(tmp_path / "ran.ipynb", as_version=4)
    outputs = ["".join(out.get("text", "") for out in cell.get("outputs", ())) for cell in ran.cells]
    checked, trained, handed_in = outputs[-3:]
    required = "22 of 22" if name == "hw6" else "required checks pass"
    assert required in checked
    assert "\x1b" not in checked + trained + handed_in
    assert "\n\n\n" not in checked + trained
    assert "no points: " in trained
    assert "wrote" in handed_in
    assert any("image/png" in out.get("data", {}) for out in ran.cells[-2].outputs)
    said = receipt.read((tmp_path / f"{name}{receipt.ENDING}").read_bytes())
    script = (tmp_path / f"{name}.py").read_bytes()
    assert isinstance(said, Receipt)
    assert said.protocol == "preview"
    assert said.accuracy_percent is not None
    assert set(said.checks.values()) <= {"passed"}
    assert not receipt.of(said, script).endswith("of another file than this one")
    assert load(name).network.encode() in script
