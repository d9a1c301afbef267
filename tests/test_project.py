"""The repository as a whole: what is promised in one file is kept in another."""

import ast
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from email.parser import Parser
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from autograder import homeworks
from autograder.course.families.traced import Traced
from autograder.files import ROOT
from autograder.results import grades_table
from autograder.results.result import Result
from autograder.sandbox import sandbox

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
MAKEFILE = (ROOT / "Makefile").read_text()
README = (ROOT / "README.md").read_text()


def _tracked(*patterns: str) -> list[Path]:
    command = ["git", "ls-files", "-z", "--", *patterns]
    listed = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True).stdout
    return [path for name in listed.split("\0") if name and (path := ROOT / name).is_file()]


def _make(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """`make` with `words`, as if it were set up, and as if no make had started the tests."""
    command = ["make", "--old-file=.venv/.ready", *words]
    outer = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")}
    return subprocess.run(
        command, cwd=ROOT, env=outer | environment, capture_output=True, text=True, check=False, timeout=60
    )


# --- CI --------------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(not os.environ.get("CI"), reason="only CI must have the sandbox")
def test_ci_has_the_real_sandbox() -> None:
    assert sandbox.choose().name == "bwrap"


def test_ci_runs_the_test_command_of_the_readme() -> None:
    (command,) = re.findall(r"^(make test)\b", README, re.MULTILINE)
    rest = [f"{command}-rest", f"{command}-windows-where-wine-is"]
    assert (ROOT / ".ci" / "run").read_text().splitlines()[-3:] == [command, *rest]
    assert os.access(ROOT / ".ci" / "run", os.X_OK)


# --- what is in the files --------------------------------------------------------------------------------------------


def test_no_file_names_a_place_on_somebodys_machine() -> None:
    homes = r"/home/(?!student\b)\w+/|/Users/\w+/|/(?:root)/\w|[A-Z]:\\Users"
    somebodys = re.compile(rf"{re.escape(str(ROOT))}\b|{homes}")
    found = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in _tracked()
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1)
        if somebodys.search(line) and path != Path(__file__)
    ]
    assert found == []


def test_no_file_names_a_package_index() -> None:
    index = re.compile(r"(pypi|pythonhosted|anaconda|npmjs)\.org|--(extra-)?index-url|--find-links|--trusted-host")
    found = [
        str(path.relative_to(ROOT))
        for path in _tracked()
        if path != Path(__file__) and index.search(path.read_text(encoding="utf-8", errors="replace"))
    ]
    assert found == []


def test_every_path_that_is_named_exists() -> None:
    """In documents, docstrings and comments, between backticks: a path from the top, or a module by its file's name."""
    folders = "autograder|tests|solution|assignment|bench|docs|examples|data"
    named = re.compile(rf"`((?:{folders})/[\w./-]*[\w/]|[a-z_]+(?:/[a-z_]+)*\.py)`")  # no digits: names in downloads
    made = ("build/", "data/", "grades/", "autograder/built/")  # by running or building the kit
    of_the_page = re.compile(r"tiny|/figures/|<")  # `docs/adding-a-homework.md` adds these
    files = {path.relative_to(ROOT).as_posix() for path in _tracked()}
    known = {"/".join(Path(name).parts[-depth:]) for name in files for depth in (1, 2, 3)} | files
    students = {"hw6.py", "resnet20.py", "net.py", "model.py", "notes.py", "main.py", "data.py"}
    missing = [
        f"{path.relative_to(ROOT)}:{number}: {name}"
        for path in _tracked("*.md", "*.py", "*.toml", "Makefile")
        if path.name != "CHANGELOG.md" and "examples" not in path.parts and "support" not in path.parts
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        for name in named.findall(line)
        if not (name in known or name in students or name.startswith(made) or of_the_page.search(name))
        and not (ROOT / name).exists()
    ]
    assert missing == []


def test_no_link_is_tracked() -> None:
    """A link is a text file on Windows, and in archives that don't know links."""
    command = ["git", "ls-files", "-s"]
    listed = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True).stdout
    assert [line for line in listed.splitlines() if line.startswith("120000")] == []


def test_modules_are_short_enough_to_be_read() -> None:
    long = [path for path in _tracked("autograder/*.py") if len(path.read_text(encoding="utf-8").splitlines()) > 400]
    assert [str(path.relative_to(ROOT)) for path in long] == []


def test_few_modules_lie_at_the_top_of_the_package() -> None:
    assert len([path for path in (ROOT / "autograder").glob("*.py") if not path.name.startswith("__")]) <= 8


def test_the_engine_names_no_homework() -> None:
    # One of an instructor's own may be called as its dataset is.
    every = [one for one in map(homeworks.load, homeworks.names()) if not isinstance(one.family, Traced)]
    words = re.compile("|".join(rf"\b{one.name}\b|\b{one.network}\b" for one in every), re.IGNORECASE)
    files = [*_tracked("autograder/*.py"), *_tracked("autograder/*.html")]
    engine = [path for path in files if "homeworks" not in path.parts]
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in engine
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if words.search(line)
    ]
    assert len(engine) > 30
    assert found == []


# --- the Makefile ----------------------------------------------------------------------------------------------------


def test_every_make_command_that_is_written_down_exists() -> None:
    targets = set(re.findall(r"^([a-z]+):", MAKEFILE, re.MULTILINE))
    assert targets >= {"setup", "grade", "check", "test", "lint", "release", "data", "bench", "clean", "help"}
    written = {
        (path.name, target)
        for path in [*_tracked("*.md"), ROOT / ".pre-commit-config.yaml", ROOT / ".ci" / "run"]
        for target in re.findall(r"(?:^|`|entry: )make ([a-z]+)", path.read_text(encoding="utf-8"), re.MULTILINE)
    }
    assert ("README.md", "grade") in written
    assert {(name, target) for name, target in written if target not in targets} == set()


def test_make_alone_lists_the_targets() -> None:
    shown = _make().stdout
    listed = re.findall(r"^make ([a-z]+) ", shown, re.MULTILINE)
    assert listed == re.findall(r"^([a-z]+):.*## ", MAKEFILE, re.MULTILINE)
    assert "grade" in listed


def test_every_variable_of_the_readme_reaches_the_command() -> None:
    said = {
        "HOMEWORK": "one",
        "DATA": "two",
        "PROTOCOL": "full",
        "DEADLINE": "2026-11-30 23:59",
        "HOURS": "8",
        "OUT": "an out",
        "WORKERS": "4",
        "GPUS": "0,3",
        "SANDBOX": "none",
        "CHECKPOINT": "a checkpoint",
        "LMS": "canvas",
        "TIMEZONE": "Asia/Seoul",
        "ROSTER": "a roster.csv",
        "LANGUAGE": "ko",
    }
    assert set(re.findall(r"^\| `([A-Z]+)=", README, re.MULTILINE)) | {"DEADLINE"} == set(said)
    variables = [f"{name}={value}" for name, value in said.items()]
    done = _make("grade", "SUBMISSIONS=the class", *variables, "AUTOGRADER=printf '%s|'")
    assert done.stdout == (
        "grade|the class|--homework|one|--out|an out|--data|two|--protocol|full|--deadline|2026-11-30 23:59|"
        "--hours|8|--checkpoint|a checkpoint|--lms|canvas|--timezone|Asia/Seoul|--roster|a roster.csv|--workers|4|"
        "--gpus|0,3|--sandbox|none|--language|ko|"
    )


def test_the_environment_says_nothing_to_make() -> None:
    done = _make("grade", "SUBMISSIONS=class", "AUTOGRADER=printf '%s|'", DATA="x", OUT="y", SANDBOX="none")
    assert done.stdout == "grade|class|--homework|hw6|--out|grades/hw6|"


@pytest.mark.parametrize(
    "word", ["DATA=cifar10", "PROTOCOL=full", "DEADLINE=2026-11-30", "HOURS=8", "CHECKPOINT=x", "ROSTER=x"]
)
def test_the_demonstration_is_the_same_everywhere(word: str) -> None:
    done = _make("grade", word, "AUTOGRADER=echo")
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert done.stdout == ""


def test_the_demonstration_can_be_told_where_and_how_to_run() -> None:
    demonstration = "grade|examples/submissions/hw6|--homework|hw6|--out|{}|--data|practice|--protocol|demo|"
    assert _make("grade", "AUTOGRADER=printf '%s|'").stdout == demonstration.format("grades/example/hw6")
    words = ["OUT=some where", "WORKERS=3", "SANDBOX=none"]
    done = _make("grade", "AUTOGRADER=printf '%s|'", *words)
    assert done.stdout == demonstration.format("some where") + "--workers|3|--sandbox|none|"


def test_check_asks_for_a_file() -> None:
    done = _make("check", "AUTOGRADER=echo")
    assert done.returncode == 2
    assert done.stderr.startswith("error: which file?")


# --- setup.sh --------------------------------------------------------------------------------------------------------


def _setup(folder: Path, **programs: str) -> subprocess.CompletedProcess[str]:
    """Run setup.sh in an empty folder where nothing is installed but `programs` (name -> shell script)."""
    folder = folder / "clone"
    (folder / "bin").mkdir(parents=True)
    (folder / "setup.sh").write_bytes((ROOT / "setup.sh").read_bytes())
    for name in ("sh", "dirname"):
        found = subprocess.run(["which", name], capture_output=True, text=True, check=True).stdout.strip()
        (folder / "bin" / name).symlink_to(found)
    for name, script in programs.items():
        (folder / "bin" / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / "bin" / name).chmod(0o755)
    return subprocess.run(
        ["sh", str(folder / "setup.sh")],
        env={"PATH": str(folder / "bin")},
        capture_output=True,
        text=True,
        check=False,
    )


def test_setup_says_when_python_is_too_old(tmp_path: Path) -> None:
    done = _setup(tmp_path, python3="exit 1")
    assert done.returncode == 2
    assert done.stderr.splitlines()[0] == "error: no Python 3.11 or newer was found"


def test_setup_says_when_python_makes_no_environments(tmp_path: Path) -> None:
    python = 'case "$2" in "import ensurepip") exit 1;; *print*) echo python3.11-venv;; esac'
    done = _setup(tmp_path, python3=python, id="echo 1000")
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "error: python3 can't make a virtual environment: it comes without ensurepip",
        "hint: on Debian and Ubuntu: apt-get install python3.11-venv",
    ]


def test_setup_installs_what_is_missing_where_it_may(tmp_path: Path) -> None:
    python = (
        'case "$2" in "import ensurepip") exit 1;; *print*) echo python3.11-venv;; venv) echo "venv $*"; exit 9;; esac'
    )
    done = _setup(
        tmp_path, python3=python, id="echo 0", env='shift; exec "$@"', **{"apt-get": f'echo "$@" >> {tmp_path}/apt'}
    )
    assert (tmp_path / "apt").read_text() == "install -qq -y python3.11-venv\n"
    assert done.stdout == "venv -m venv --clear .venv\n"
    assert done.returncode == 9  # what python said, and nothing went on after it


# --- the package -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """What `pip install .` installs, built from a copy of the tracked files."""
    source, built = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for path in _tracked():
        copy = source / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes())
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", str(source)]
    subprocess.run([*command, "--wheel-dir", str(built)], check=True, capture_output=True, timeout=300)
    (file,) = built.iterdir()
    return zipfile.ZipFile(file)


def test_the_package_holds_every_file_of_it(wheel: zipfile.ZipFile) -> None:
    tracked = {path.relative_to(ROOT).as_posix() for path in _tracked("autograder")}
    packed = {name for name in wheel.namelist() if name.startswith("autograder/")}
    assert len(tracked) > 20
    built = {name for name in packed if name.startswith("autograder/built/")}
    assert packed - built == tracked
    given = {"given/resnet50/main.py", "given/resnet50/vgg16_full.py"}
    handouts = {f"handouts/{name}/README.md" for name in homeworks.names()}
    assert built == {f"autograder/built/{name}" for name in {"grading_rubric.md", *given, *handouts}}


def test_the_package_needs_little(wheel: zipfile.ZipFile) -> None:
    (name,) = [name for name in wheel.namelist() if name.endswith(".dist-info/METADATA")]
    headers = Parser().parsestr(wheel.read(name).decode())
    needed = [Requirement(text) for text in headers.get_all("Requires-Dist", [])]
    core = {one.name: one.specifier for one in needed if one.marker is None}
    assert {"torch", "torchvision", "numpy", "pytest"} <= set(core)
    assert headers["Requires-Python"] == ">=3.11"
    for package, specifier in core.items():
        # A lower bound and nothing else: what is there on Colab is never replaced.
        assert [one.operator for one in specifier] == [">="], package
    constraints = (ROOT / "tests" / "colab-constraints.txt").read_text().splitlines()
    on_colab = dict(line.split("==") for line in constraints if not line.startswith("#"))
    assert set(on_colab) == set(core)
    assert [package for package, version in on_colab.items() if not core[package].contains(version)] == []
    compiled = {"torch", "torchvision", "numpy", "psutil", "pydantic", "safetensors"}  # Colab has these
    for package in set(core) - compiled:
        files = metadata.distribution(package).files or []
        assert not [file for file in files if file.suffix in (".so", ".pyd")], f"{package} is not pure Python"


def test_requirements_pin_everything_exactly() -> None:
    lines = [line for line in (ROOT / "requirements.txt").read_text().splitlines() if not line.startswith("#")]
    assert [line for line in lines if not re.fullmatch(r"[A-Za-z0-9._-]+==[0-9][A-Za-z0-9.+!]*", line)] == []
    pins = {Requirement(line).name.lower().replace("_", "-"): Version(line.split("==")[1]) for line in lines}
    extras = PROJECT["optional-dependencies"]
    wanted = [Requirement(text) for text in [*PROJECT["dependencies"], *extras["instructor"], *extras["dev"]]]
    for one in wanted:
        if one.name != PROJECT["name"]:
            assert one.specifier.contains(pins[one.name.lower()]), one
    # torch brings these where they are of use, and nowhere else can they be installed.
    assert [name for name in pins if name.startswith(("nvidia-", "cuda-", "triton"))] == []


# --- documents -------------------------------------------------------------------------------------------------------


def test_every_entry_of_the_changelog_says_whom_it_is_for() -> None:
    entries = re.findall(r"^- (.*)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert entries
    assert [entry for entry in entries if not re.match(r"(handout|grader): \S", entry)] == []


def test_every_field_of_a_result_is_documented() -> None:
    text = (ROOT / "docs" / "output.md").read_text()
    words = set(re.findall(r"`([a-z_0-9]+)`", text))
    assert set(grades_table.CSV_COLUMNS) <= words
    assert set(Result.model_fields) <= words


def test_every_outcome_is_documented() -> None:
    outcomes = set()
    for path in _tracked("autograder/*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                named = [keyword.value for keyword in node.keywords if keyword.arg == "outcome"]
                raised = ast.unparse(node.func) in ("RunError", "UnreadableError") and node.args
                given = [*named, *(node.args[:1] if raised else [])]
                outcomes |= {one.value for one in given if isinstance(one, ast.Constant) and one.value.isupper()}
    text = (ROOT / "docs" / "output.md").read_text()
    assert {"GRADED", "TIMEOUT", "NO_FILE", "LATE", "BAD_SHAPE"} <= set(re.findall(r"`([A-Z_]+)`", text))
    assert {"BAD_SHAPE", "LATE", "EMPTY"} <= outcomes
    assert outcomes - set(re.findall(r"`([A-Z_]+)`", text)) == set()


def test_every_file_that_a_document_names_exists() -> None:
    places = re.compile(r"`((?:[\w.-]+/)*[\w-]+\.(?:md|py|sh|txt|toml|yaml|cfg))`")
    found = {
        (path.relative_to(ROOT).as_posix(), name)
        for path in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *_tracked("docs/*.md")]
        for name in places.findall(path.read_text(encoding="utf-8"))
        if not (ROOT / name).exists() and not re.search("hw6|tiny", name)  # a hand-in; an invented homework
    }
    assert found == set()
