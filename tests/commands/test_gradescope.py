"""gradescope.py: the zip file that an instructor uploads, and what a student reads there after each submission."""

import hashlib
import json
import os
import stat
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any, get_args

import pytest
from support.observed import CRASH, HW6, USUAL, right, right_rehearsal, step
from support.runner import Asked, FakeRunner

from autograder import __version__, homeworks
from autograder.commands.course import gradescope
from autograder.course import prepare
from autograder.course.dataset import Dataset
from autograder.errors import KitError
from autograder.files import ROOT
from autograder.observations import Observations, TrainingReport
from autograder.runner.train import Training

SOLUTION = ROOT / "solution" / "hw6" / "hw6.py"
SCRIPT = b"print('homework')\n"


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    return zipfile.ZipFile(gradescope.build("hw6", tmp_path_factory.mktemp("zip") / "hw6.zip"))


def platform(folder: Path, files: dict[str, bytes]) -> Path:
    """What Gradescope makes under /autograder before it runs anything, with these files handed in."""
    for name in ("submission", "results", "source"):
        (folder / name).mkdir()
    (folder / "submission_metadata.json").write_text('{"id": 1, "assignment": {"total_points": "0.0"}}')
    for name, content in files.items():
        (folder / "submission" / name).write_bytes(content)
    return folder


def told(folder: Path) -> dict[str, Any]:
    """`results.json`, after a look at what the platform's documentation asks of it."""
    said: dict[str, Any] = json.loads((folder / "results" / "results.json").read_text(encoding="utf-8"))
    fields = ["score", "visibility", "stdout_visibility", "output_format", "output", "tests", "extra_data"]
    assert list(said) == fields
    assert said["score"] == 0
    assert said["visibility"] == "visible"
    assert said["output"].startswith(gradescope.NO_POINTS)
    assert said["extra_data"]["kit"] == __version__
    for row in said["tests"]:
        assert row["name"]
        assert row["number"]
        assert row["output"]
        assert row["status"] in ("passed", "failed")
        assert (row["score"], row["max_score"], row["visibility"]) == (0, 0, "visible")
    text = json.dumps(said)
    assert "tier" not in text
    assert " points (" not in text
    return said


def row(said: dict[str, Any], number: str) -> dict[str, Any]:
    (found,) = [each for each in said["tests"] if each["number"] == number]
    return dict(found)


# --- the zip file ----------------------------------------------------------------------------------------------------


def test_the_two_scripts_are_at_the_root_and_can_be_run(archive: zipfile.ZipFile, tmp_path: Path) -> None:
    assert [name for name in archive.namelist() if "/" not in name] == ["setup.sh", "run_autograder"]
    for info in archive.infolist():
        script = info.filename in ("setup.sh", "run_autograder")
        assert stat.S_ISREG(info.external_attr >> 16), info.filename
        assert stat.S_IMODE(info.external_attr >> 16) == (0o755 if script else 0o644), info.filename
        if script:
            content = archive.read(info)
            assert content.startswith(b"#!/usr/bin/env bash\n")
            assert b"@" not in content.replace(b"[@]", b""), "a word that wasn't filled in"
            path = tmp_path / info.filename
            path.write_bytes(content)
            subprocess.run(["bash", "-n", str(path)], check=True)


def test_it_holds_the_package_and_nothing_else(archive: zipfile.ZipFile) -> None:
    names = archive.namelist()
    assert len(set(names)) == len(names)
    assert not [name for name in names if name.startswith("/") or ".." in name.split("/") or "\\" in name]
    kit = {name.removeprefix("kit/") for name in names if name.startswith("kit/")}
    outside = {name for name in kit if not name.startswith("autograder/")}
    assert outside == {"pyproject.toml", "README.md", "LICENSE"}
    assert not [name for name in kit if "__pycache__" in name or "/." in name]
    tests = [name for name in kit if Path(name).name.startswith("test_")]
    assert tests == ["autograder/runner/test_passes.py"]  # which is no test: it passes test images to a network
    listed = subprocess.run(["git", "ls-files", "autograder"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert set(listed.stdout.split()) <= kit


def test_what_a_checkout_keeps_elsewhere_is_packed_where_an_installed_kit_looks_for_it(
    archive: zipfile.ZipFile,
) -> None:
    assert archive.read("kit/autograder/built/grading_rubric.md") == (ROOT / "grading_rubric.md").read_bytes()
    for name in homeworks.names():
        for file, content in homeworks.load(name).given_files().items():
            assert archive.read(f"kit/autograder/built/given/{name}/{file}") == content
        handout = (ROOT / "assignment" / name / "README.md").read_bytes()
        assert archive.read(f"kit/autograder/built/handouts/{name}/README.md") == handout


def test_no_solution_is_in_it(archive: zipfile.ZipFile) -> None:
    packed = {hashlib.sha256(archive.read(name)).digest() for name in archive.namelist()}
    for name in homeworks.names():
        declared = homeworks.load(name)
        answers = ROOT / "solution" / name / f"{declared.stem}.py"
        assert hashlib.sha256(answers.read_bytes()).digest() not in packed
    assert not [name for name in archive.namelist() if b"### BEGIN SOLUTION\n" in archive.read(name)]


@pytest.mark.slow
def test_pip_installs_all_of_the_package_from_it(archive: zipfile.ZipFile, tmp_path: Path) -> None:
    archive.extractall(tmp_path)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "./kit"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, timeout=300)
    (wheel,) = tmp_path.glob("*.whl")
    installed = {name for name in zipfile.ZipFile(wheel).namelist() if name.startswith("autograder/")}
    assert {f"kit/{name}" for name in installed} == {name for name in archive.namelist() if "/autograder/" in name}


def test_the_same_checkout_gives_the_same_bytes_in_a_file_or_a_folder(tmp_path: Path) -> None:
    path = gradescope.build("hw6", tmp_path)
    assert path == tmp_path / "gradescope-hw6.zip"
    other = gradescope.build("hw6", tmp_path / "course" / "hw6.zip")
    assert path.read_bytes() == other.read_bytes()
    assert sorted(tmp_path.rglob("*")) == [other.parent, other, path]


def test_a_preview_is_asked_for_by_the_one_who_builds(archive: zipfile.ZipFile, tmp_path: Path) -> None:
    asked = zipfile.ZipFile(gradescope.build("hw6", tmp_path, preview=True))
    assert b"${AUTOGRADER_PREVIEW:-1}" in asked.read("run_autograder")
    assert b"${AUTOGRADER_PREVIEW:-0}" in archive.read("run_autograder")


def test_what_cannot_be_built_is_refused(tmp_path: Path) -> None:
    with pytest.raises(KitError, match="there is no homework called 'hw7'"):
        gradescope.build("hw7", tmp_path / "hw7.zip")
    with pytest.raises(KitError, match=r"pyproject\.toml: no such file"):
        gradescope.build("hw6", tmp_path / "hw6.zip", root=tmp_path)
    assert list(tmp_path.iterdir()) == []


# --- on the platform -------------------------------------------------------------------------------------------------


def started(archive: zipfile.ZipFile, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """`run_autograder` as the platform starts it, but for where everything is."""
    path = folder / "run_autograder"
    path.write_bytes(archive.read("run_autograder"))
    path.chmod(0o755)
    places = {"AUTOGRADER_ROOT": str(folder), "AUTOGRADER_PYTHON": sys.executable}
    return subprocess.run(
        [str(path)], cwd=folder, env={**os.environ, **places, **environment}, capture_output=True, text=True
    )


def test_an_unreadable_submission_is_told_with_intakes_words(archive: zipfile.ZipFile, tmp_path: Path) -> None:
    folder = platform(tmp_path, {"hw6.py": b"\x00\x01\x02", "notes.txt": b"see hw6.py"})
    done = started(archive, folder)
    assert (done.returncode, done.stderr) == (0, "")
    said = told(folder)
    (only,) = said["tests"]
    assert (only["number"], only["status"]) == ("BINARY", "failed")
    assert only["output"] == "hw6.py: holds binary data, not text"
    assert "Nothing was checked: hw6.py: holds binary data, not text." in said["output"]
    assert "sha256" not in said["extra_data"]


def test_an_answer_stands_even_where_python_never_starts(archive: zipfile.ZipFile, tmp_path: Path) -> None:
    folder = platform(tmp_path, {"hw6.py": SCRIPT})
    done = started(archive, folder, AUTOGRADER_PYTHON="/nowhere/python")
    assert done.returncode == 0
    assert gradescope.KIT_FAILED in told(folder)["output"]


@pytest.mark.parametrize(
    ("files", "outcome", "message"),
    [
        ({}, "NO_FILE", "no .py or .ipynb file"),
        ({"one.py": SCRIPT, "two.py": SCRIPT + SCRIPT}, "AMBIGUOUS", "no telling which file counts: one.py, two.py"),
        ({"hw6.py": b" \n"}, "EMPTY", "hw6.py: the file is empty"),
    ],
)
def test_which_file_counts_is_intakes_rule(files: dict[str, bytes], outcome: str, message: str, tmp_path: Path) -> None:
    folder = platform(tmp_path, files)
    assert gradescope.main(["hw6", str(folder)]) == 0
    (only,) = told(folder)["tests"]
    assert (only["number"], only["output"]) == (outcome, message)
    assert {path.name for path in (folder / "submission").iterdir()} == set(files)


def test_every_check_is_a_row_with_what_was_seen(tmp_path: Path) -> None:
    stale = [step(*USUAL[1:]), step(*USUAL[1:], stale_gradients=True)]
    runner = FakeRunner(right(rehearsal=right_rehearsal(steps=stale)))
    folder = platform(tmp_path, {"hw6.py": SCRIPT})
    assert gradescope.main(["hw6", str(folder)], runner) == 0
    said = told(folder)
    failed = row(said, "zero-grad")
    assert failed["status"] == "failed"
    assert failed["output"].startswith("Q5: hw6.py:")
    for word in ("\nSaw: ", "\nExpected: ", "\nWhy: "):
        assert word in failed["output"]
    assert row(said, "builds") == {
        "name": "IdentityResNet(2, 2, 2, 2) builds",
        "number": "builds",
        "status": "passed",
        "score": 0,
        "max_score": 0,
        "output_format": "text",
        "output": "holds",
        "visibility": "visible",
    }
    assert "required checks pass" in said["output"]
    assert "Start here: gradients are zeroed for every batch (hw6.py:" in said["output"]
    assert said["extra_data"] == {
        "kit": __version__,
        "homework": "hw6",
        "homework_version": HW6.version,
        "file": "hw6.py",
        "sha256": hashlib.sha256(SCRIPT).hexdigest(),
    }


def test_what_waits_is_not_called_passed_and_advice_is_not_called_failed(tmp_path: Path) -> None:
    broken = right(rehearsal=right_rehearsal(ended="stopped", tests=[]))
    runner = FakeRunner(broken)
    folder = platform(tmp_path, {"hw6.py": SCRIPT})
    gradescope.main(["hw6", str(folder)], runner)
    waiting = row(told(folder), "no-grad")
    assert waiting["status"] == "failed"
    assert waiting["output"] == "Q9: can't be told yet, waits for the script's training loop to end"
    assert "can't be told yet." in told(folder)["output"]


def test_a_run_without_an_answer_is_told_with_what_may_be_the_platforms(tmp_path: Path) -> None:
    runner = FakeRunner(
        Observations(homework="hw6", file="hw6.py", problem="MEMORY: its processes took more than 8,192 MiB")
    )
    folder = platform(tmp_path, {"hw6.py": SCRIPT})
    gradescope.main(["hw6", str(folder)], runner)
    assert "(MEMORY: its processes took more than 8,192 MiB)" in told(folder)["output"]
    assert "this container may have too little memory or time" in told(folder)["output"]


def test_what_is_not_python_is_told_with_its_line(tmp_path: Path) -> None:
    error = CRASH.model_copy(update={"type": "SyntaxError", "message": "invalid syntax", "line": 9})
    runner = FakeRunner(Observations(homework="hw6", file="hw6.py", syntax_error=error))
    folder = platform(tmp_path, {"hw6.py": SCRIPT})
    assert gradescope.main(["hw6", str(folder)], runner) == 0
    (only,) = told(folder)["tests"]
    assert (only["number"], only["output"]) == ("SYNTAX", "hw6.py:9: not Python that can be run: invalid syntax")


@pytest.mark.parametrize("where", ["observing", "judging", "reading"])
def test_a_crash_of_ours_says_nothing_about_the_submission(
    where: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def crash(*_args: Any, **_options: Any) -> None:
        raise RuntimeError("the kit's own mistake")

    runner = FakeRunner(right())
    names = {
        "judging": "autograder.checks.run",
        "reading": "autograder.intake.hand_ins.collect",
    }
    if where == "observing":
        runner.seen = RuntimeError("the kit's own mistake")
    else:
        monkeypatch.setattr(names[where], crash)
    folder = platform(tmp_path, {"hw6.py": SCRIPT})
    assert gradescope.main(["hw6", str(folder)], runner) == 1
    said = told(folder)
    assert gradescope.KIT_FAILED in said["output"]
    assert said["tests"] == []
    assert "the kit's own mistake" not in json.dumps(said)
    assert "RuntimeError: the kit's own mistake" in capsys.readouterr().err


def test_an_unknown_homework_and_a_missing_folder_are_ours_too(tmp_path: Path) -> None:
    folder = platform(tmp_path, {"hw6.py": SCRIPT})
    assert gradescope.main(["hw7", str(folder)]) == 1
    assert gradescope.KIT_FAILED in told(folder)["output"]
    assert gradescope.main(["hw6", str(tmp_path / "elsewhere")]) == 1
    assert gradescope.KIT_FAILED in told(tmp_path / "elsewhere")["output"]
    assert gradescope.main([]) == 2


def test_it_needs_no_more_than_the_core(tmp_path: Path) -> None:
    extras = ("nbgrader", "jupyter", "distributed", "jinja2", "pyseccomp", "copydetect", "matplotlib", "PIL", "tqdm")
    program = (
        f"import sys; sys.modules.update(dict.fromkeys({extras!r}));"
        "from autograder import checks; from autograder.commands.course import gradescope;"
        "from autograder.commands.student import check_report;"
        "from autograder.course import dataset, practice, prepare;"
        "from autograder.runner import evaluate, runner, score, setup; from autograder.sandbox import sandbox;"
        "sys.exit(gradescope.main(sys.argv[1:]))"
    )
    folder = platform(tmp_path, {"hw6.py": b""})
    subprocess.run([sys.executable, "-I", "-c", program, "hw6", str(folder)], check=True)
    assert "Nothing was checked: hw6.py: the file is empty." in told(folder)["output"]


# --- the preview -----------------------------------------------------------------------------------------------------


def test_a_preview_names_no_points_and_the_checks_are_written_before_it(
    monkeypatch: pytest.MonkeyPatch, practice: Dataset, tmp_path: Path
) -> None:
    import numpy as np

    folder = platform(tmp_path, {"hw6.py": SCRIPT})

    def trained(asked: Asked) -> Training:
        protocol = asked.protocol
        assert (protocol.name, protocol.time_box_s) == ("preview", gradescope.PREVIEW_S)
        assert "the platform ended the run during the training" in told(folder)["output"]
        scores = np.eye(10, dtype=np.float32)[practice.test_labels[: protocol.test_images]]
        report = TrainingReport(ended_by="time", epochs=2.5)
        return Training("GRADED", "", report, {"eval": scores}, seconds=61.4, threads=asked.threads)

    runner = FakeRunner(right())
    runner.training = trained
    monkeypatch.setattr(prepare, "practice", lambda _folder, _homework: practice)
    monkeypatch.setenv("AUTOGRADER_PREVIEW", "1")
    assert gradescope.main(["hw6", str(folder)], runner) == 0
    said = told(folder)
    assert "Preview: the time for the training ran out, after 2.5 epochs of 240 drawn pictures." in said["output"]
    assert "The network was then right on 100% of 100 others, 61 s after the start." in said["output"]
    assert "it foretells no accuracy" in said["output"]
    assert "ended the run" not in said["output"]
    assert row(said, "builds")["status"] == "passed"


def test_every_end_of_a_training_has_its_words() -> None:
    assert set(gradescope.ENDS) == set(get_args(TrainingReport.model_fields["ended_by"].annotation))


@pytest.mark.parametrize(
    ("ends", "words"),
    [
        (Training("EXIT 3", "the process ended itself with status 3", None), "gave no accuracy (EXIT 3)"),
        (RuntimeError("the kit's own mistake"), "Preview: the kit failed during the training. That says nothing"),
    ],
)
def test_a_preview_that_fails_takes_no_check_away(
    ends: Any, words: str, monkeypatch: pytest.MonkeyPatch, practice: Dataset, tmp_path: Path
) -> None:
    runner = FakeRunner(right(), ends)
    monkeypatch.setattr(prepare, "practice", lambda _folder, _homework: practice)
    folder = platform(tmp_path, {"hw6.py": SCRIPT})
    assert gradescope.run("hw6", folder, preview=True, runner=runner) == 0
    assert words in told(folder)["output"]
    assert row(told(folder), "builds")["status"] == "passed"


# --- from end to end -------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_solution_passes_every_check_there(archive: zipfile.ZipFile, tmp_path: Path) -> None:
    folder = platform(tmp_path, {"hw6.py": SOLUTION.read_bytes()})
    done = started(archive, folder)
    assert (done.returncode, done.stderr) == (0, "")
    said = told(folder)
    assert len(said["tests"]) > 20
    assert {each["status"] for each in said["tests"]} == {"passed"}
    assert said["extra_data"]["sha256"] == hashlib.sha256(SOLUTION.read_bytes()).hexdigest()
