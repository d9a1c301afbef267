"""The notebook that nbgrader grades by itself: the same points as by `grade`, and nothing for whoever works on it."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbformat.v4 import new_code_cell
from support.classes import TINY

from autograder import in_nbgrader
from autograder.commands import grade
from autograder.commands.course import nbgrader_notebook
from autograder.commands.request import ClassRequest
from autograder.course import dataset
from autograder.course.dataset import Dataset
from autograder.errors import KitError
from autograder.results import store
from autograder.sandbox.sandbox import Sandbox

CONFIGURATION = """
import os
c = get_config()
c.CourseDirectory.root = "."
c.ExecutePreprocessor.timeout = 600
os.environ["AUTOGRADER_IN_NBGRADER"] = "full"
os.environ["AUTOGRADER_DATA"] = {data!r}
"""


def test_the_notebook_is_the_skeleton_between_locked_cells(tmp_path: Path) -> None:
    path = nbgrader_notebook.write("hw6", tmp_path)
    assert path == tmp_path / "source" / "hw6" / "hw6.ipynb"
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    marks = [cell.metadata.get("nbgrader", {}) for cell in notebook.cells]
    assert [mark.get("grade_id") for mark in marks if mark] == ["begin", "check", "points"]
    assert [mark.get("points") for mark in marks if mark] == [None, 0.0, 20.0]
    assert all(mark["locked"] for mark in marks if mark)
    assert path.read_bytes() == nbgrader_notebook.write("hw6", tmp_path).read_bytes()
    with pytest.raises(KitError, match="no such notebook"):
        nbgrader_notebook.write("resnet50", tmp_path)


def test_who_works_on_it_sees_nothing(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.delenv(in_nbgrader.GRADING, raising=False)
    assert (in_nbgrader.begin("hw6"), in_nbgrader.check("hw6"), in_nbgrader.points("hw6")) == (None, None, None)
    assert capfd.readouterr() == ("", "")


@pytest.mark.slow
def test_nbgrader_gives_the_points_that_grade_gives(tmp_path: Path, practice: Dataset, sandbox_bwrap: Sandbox) -> None:
    few = {
        f"{split}_{kind}": getattr(practice, f"{split}_{kind}")[:400]
        for split in ("train", "test")
        for kind in ("images", "labels")
    }
    own = dataset.write(tmp_path / "data" / "cifar10", "cifar10", "a few drawn pictures", few, practice.classes)
    course = tmp_path / "course"
    source = nbformat.read(nbgrader_notebook.write("hw6", course), as_version=4)
    locked = [cell for cell in source.cells if "nbgrader" in cell.metadata]
    scripts = {
        "s1": TINY.replace("RATE", "0.03"),
        "s2": TINY.replace("RATE", "0.03 / 0"),
    }
    for student, script in scripts.items():
        source.cells = [locked[0], new_code_cell(script), *locked[1:]]
        place = course / "submitted" / student / "hw6"
        place.mkdir(parents=True)
        nbformat.write(source, place / "hw6.ipynb")
        (tmp_path / "class").mkdir(exist_ok=True)
        nbformat.write(source, tmp_path / "class" / f"{student}.ipynb")
    (course / "nbgrader_config.py").write_text(CONFIGURATION.format(data=str(own.folder)))
    for words in (["generate_assignment", "hw6"], ["autograde", "hw6"], ["export", "--to", "scores.csv"]):
        done = subprocess.run(
            [sys.executable, "-m", "nbgrader", *words],
            cwd=course,
            env={**os.environ, "HOME": str(tmp_path), "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-3000:]
    header, *rows = [line.split(",") for line in (course / "scores.csv").read_text().splitlines()]
    scores = {row[header.index("student_id")]: float(row[header.index("score")]) for row in rows}

    request = ClassRequest(
        submissions=tmp_path / "class",
        out=tmp_path / "out",
        homework="hw6",
        data=own.folder,
        protocol="full",
        workers=1,
        sandbox=sandbox_bwrap.name,
    )
    assert grade.grade(request) == 0
    found = {student: store.read(tmp_path / "out" / student) for student in scripts}
    assert scores == {student: one.points for student, one in found.items() if one is not None}
    assert scores["s1"] > scores["s2"]
    said = outputs(course / "autograded" / "s1" / "hw6" / "hw6.ipynb")
    assert f"{found['s1'].accuracy.counted_percent:.2f}% test accuracy" in said["points"]  # type: ignore[union-attr]
    assert "passed   no answer is left open" in said["check"]


def outputs(path: Path) -> dict[str, str]:
    notebook: dict[str, Any] = json.loads(path.read_text())
    return {
        cell["metadata"]["nbgrader"]["grade_id"]: "".join("".join(out.get("text", "")) for out in cell["outputs"])
        for cell in notebook["cells"]
        if "nbgrader" in cell["metadata"]
    }
