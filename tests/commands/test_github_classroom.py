"""classroom.py: the template holds the handout and a workflow that checks what a student pushes."""

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from autograder import homeworks
from autograder.commands.course import github_classroom
from autograder.errors import KitError
from autograder.files import ROOT

KIT = "git+https://example.org/course/kit.git@v1.0"


@pytest.fixture(scope="module", params=homeworks.names())
def name(request: pytest.FixtureRequest) -> str:
    given: str = request.param
    return given


@pytest.fixture(scope="module")
def built(name: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("classroom") / "template"
    files = github_classroom.template(name, folder, KIT)
    assert files == sorted(path for path in folder.rglob("*") if path.is_file())
    assert list(folder.parent.iterdir()) == [folder]
    return folder


def workflow(folder: Path) -> dict[Any, Any]:
    loaded: dict[Any, Any] = yaml.safe_load((folder / ".github" / "workflows" / "check.yml").read_text())
    return loaded


def steps(folder: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = workflow(folder)["jobs"]["check"]["steps"]
    return found


def test_the_handout_is_there_as_it_was_released(built: Path, name: str) -> None:
    handout = ROOT / "assignment" / name
    released = {path.relative_to(handout) for path in handout.rglob("*") if path.is_file()}
    ours = {Path(".github", "workflows", "check.yml"), Path("CHECK.md"), Path(".gitignore")}
    assert {path.relative_to(built) for path in built.rglob("*") if path.is_file()} == released | ours
    for path in released:
        assert (built / path).read_bytes() == (handout / path).read_bytes().replace(b"ADDRESS", KIT.encode())


def test_the_workflow_installs_and_checks_at_every_push(built: Path, name: str) -> None:
    said = workflow(built)
    assert "push" in said[True]  # YAML 1.1 reads the word `on` so; GitHub doesn't
    assert said["permissions"] == {"contents": "read"}
    assert list(said["jobs"]) == ["check"]
    assert said["jobs"]["check"]["env"] == {"KIT": KIT}
    checkout, python, install, check = steps(built)
    assert checkout["uses"].startswith("actions/checkout@v")
    assert python["uses"].startswith("actions/setup-python@v")
    assert python["with"] == {"python-version": "3.11"}
    assert "pip install --quiet torch torchvision" in install["run"]
    assert 'pip install --quiet "$KIT"' in install["run"]
    assert f"--homework {name} --sandbox none" in check["run"]
    assert "$GITHUB_STEP_SUMMARY" in check["run"]
    for step in (install, check):
        assert step["shell"] == "bash"
        subprocess.run(["bash", "-n", "-c", step["run"]], check=True)


def test_no_word_was_left_unfilled(built: Path, name: str) -> None:
    for path in (built / ".github" / "workflows" / "check.yml", built / "CHECK.md"):
        assert not [word for word in path.read_text().split() if word.strip("`'\"").startswith("@")]
    note = (built / "CHECK.md").read_text()
    assert f'pip install "{KIT}"\n' in note
    assert f"autograder check {homeworks.load(name).stem}.py --homework {name}\n" in note
    assert "It gives no points." in note
    assert ("delete the other" in note) == (built / f"{name}.ipynb").exists()
    assert max(len(line) for line in note.splitlines()) <= 120


# --- the step that checks, as GitHub's shell runs it, with a command of ours in the place of `autograder` ------------


def checked(folder: Path, command: str) -> tuple[int, str]:
    """The step's exit code, and the job's summary."""
    programs, summary = folder.parent / "bin", folder.parent / "summary.md"
    programs.mkdir()
    (programs / "autograder").write_text(f"#!/bin/sh\n{command}\n")
    (programs / "autograder").chmod(0o755)
    step = steps(folder)[-1]
    places = {"RUNNER_TEMP": str(folder.parent), "GITHUB_STEP_SUMMARY": str(summary)}
    environment = {**os.environ, **step["env"], **places, "PATH": f"{programs}:{os.environ['PATH']}"}
    shell = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]]
    done = subprocess.run(shell, cwd=folder, env=environment, capture_output=True, text=True)
    report, _, last = summary.read_text().removeprefix("~~~~~~~~~~text\n").partition("~~~~~~~~~~\n")
    assert done.stdout == report
    assert last.startswith("This is a check, not a grade: it gives no points.")
    return done.returncode, report


@pytest.fixture
def pushed(tmp_path: Path) -> Path:
    """A student's repository, the notebook deleted."""
    folder = tmp_path / "repository"
    github_classroom.template("hw6", folder, KIT)
    (folder / "hw6.ipynb").unlink()
    return folder


@pytest.mark.parametrize("code", [0, 1])
def test_the_report_is_the_summary_and_its_code_the_steps(pushed: Path, code: int) -> None:
    assert checked(pushed, f'echo "$@"; echo "$NO_COLOR" >&2; exit {code}') == (
        code,
        "check hw6.py --homework hw6 --sandbox none\n1\n",
    )


def test_the_notebook_is_checked_where_it_is_the_one_that_stayed(pushed: Path) -> None:
    (pushed / "hw6.py").rename(pushed / "hw6.ipynb")
    assert checked(pushed, 'echo "$2"') == (0, "hw6.ipynb\n")


def test_two_files_are_not_chosen_from_and_none_is_said(pushed: Path) -> None:
    (pushed / "hw6.ipynb").write_text("{}")
    code, report = checked(pushed, "echo ran")
    assert code == 2
    assert report.startswith("error: no telling which file counts: hw6.py hw6.ipynb\nhint: ")


def test_a_file_that_was_renamed_is_missed(pushed: Path) -> None:
    (pushed / "hw6.py").rename(pushed / "final.py")
    assert checked(pushed, "echo ran") == (2, "error: the repository's first folder holds no hw6.py or hw6.ipynb\n")


# --- what is refused -------------------------------------------------------------------------------------------------


def test_an_empty_folder_is_filled_and_another_one_is_left_alone(tmp_path: Path) -> None:
    folder = tmp_path / "template"
    folder.mkdir()
    assert github_classroom.template("hw6", folder, KIT)
    before = sorted(folder.rglob("*"))
    with pytest.raises(KitError, match="exists and isn't an empty folder"):
        github_classroom.template("hw6", folder, KIT)
    assert sorted(folder.rglob("*")) == before
    with pytest.raises(KitError, match="exists and isn't an empty folder"):
        github_classroom.template("hw6", folder / "README.md", KIT)


def test_what_was_not_released_is_refused(tmp_path: Path) -> None:
    with pytest.raises(KitError, match=r"holds no hw6\.py or hw6\.ipynb") as caught:
        github_classroom.template("hw6", tmp_path / "template", KIT, root=tmp_path)
    assert caught.value.hint == "make it first, in a checkout: autograder release hw6"
    with pytest.raises(KitError, match="there is no homework called 'hw7'"):
        github_classroom.template("hw7", tmp_path / "template", KIT)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "kit", ["", "  ", "-r requirements.txt", "kit\n      - run: id", "${{ github.token }}", "git+https://e.org/'x'"]
)
def test_what_is_no_address_is_refused(kit: str, tmp_path: Path) -> None:
    with pytest.raises(KitError, match="is no address of the kit"):
        github_classroom.template("hw6", tmp_path / "template", kit)


@pytest.mark.parametrize("kit", ["git+https://abc123@example.org/kit.git", "git+ssh://me:word@example.org/kit.git"])
def test_no_password_is_published(kit: str, tmp_path: Path) -> None:
    with pytest.raises(KitError, match="holds a name or a password") as caught:
        github_classroom.template("hw6", tmp_path / "template", kit)
    assert kit not in caught.value.message


@pytest.mark.parametrize(
    "kit",
    [KIT, "torch-autograder @ git+https://example.org/kit.git", "git+ssh://git@example.org/course/kit.git", "./kit"],
)
def test_every_kind_of_address_arrives_as_it_is(kit: str, tmp_path: Path) -> None:
    github_classroom.template("hw6", tmp_path / "template", kit)
    assert workflow(tmp_path / "template")["jobs"]["check"]["env"] == {"KIT": kit}
