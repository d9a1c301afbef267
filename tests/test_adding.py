"""docs/adding-a-homework.md: the files on that page, put where it says, are a homework, and nothing else is needed."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from autograder.course.dataset import Dataset
from autograder.files import ROOT
from autograder.results import store

PAGE = ROOT / "docs" / "adding-a-homework.md"

pytestmark = pytest.mark.slow


def files_of_the_page() -> dict[str, str]:
    """Path -> content, for each block whose paragraph above names the file it is, last."""
    found, named = {}, None
    for token in MarkdownIt("commonmark").parse(PAGE.read_text(encoding="utf-8")):
        if token.type == "inline":
            paths = re.findall(r"`([\w./]+\.(?:py|md))`(?=[:;])", token.content)
            named = paths[-1] if paths else None
        elif token.type == "fence" and named is not None:
            found[named] = token.content
            named = None
    return found


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package as it is, with the page's files added."""
    root = tmp_path_factory.mktemp("checkout")
    skipped = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "autograder", root / "autograder", symlinks=True, ignore=skipped)
    for name in ("grading_rubric.md", "pyproject.toml"):  # the second one says that this is a checkout
        shutil.copyfile(ROOT / name, root / name)
    files = files_of_the_page()
    assert sorted(files) == [
        "autograder/homeworks/tiny.py",
        "grading_rubric.md",
        "solution/tiny/README.md",
        "solution/tiny/tiny.py",
    ]
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as file:
            file.write(f"\n{content}" if name == "grading_rubric.md" else content)
    return root


def autograder(root: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from autograder.commands.app import main; main()", *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    return subprocess.run(command, cwd=root, capture_output=True, text=True, env=environment, check=False)


def test_it_is_released_checked_and_graded(checkout: Path, practice: Dataset, tmp_path: Path) -> None:
    released = autograder(checkout, "release", "tiny")
    assert released.returncode == 0, released.stderr
    assignment = checkout / "assignment" / "tiny"
    assert sorted(path.name for path in assignment.iterdir()) == ["README.md", "tiny.ipynb", "tiny.py"]
    assert "| from 40% | 10 |" in (assignment / "README.md").read_text()

    right = autograder(checkout, "check", checkout / "solution/tiny/tiny.py", "--sandbox", "none")
    assert right.returncode == 0, right.stdout + right.stderr
    skeleton = autograder(checkout, "check", assignment / "tiny.py", "--sandbox", "none")
    assert skeleton.returncode == 1
    assert "4 blanks are still `...`" in " ".join(skeleton.stdout.split())
    assert skeleton.stdout.count("✗") == 1

    (tmp_path / "class" / "s1").mkdir(parents=True)
    shutil.copyfile(checkout / "solution/tiny/tiny.py", tmp_path / "class" / "s1" / "tiny.py")
    options = ["--homework", "tiny", "--data", practice.folder, "--protocol", "preview", "--sandbox", "none"]
    graded = autograder(checkout, "grade", tmp_path / "class", "--out", tmp_path / "out", *options)
    assert graded.returncode == 0, graded.stdout + graded.stderr
    result = store.read(tmp_path / "out" / "s1")
    assert result is not None
    assert (result.status, result.outcome, result.max_points) == ("preview", "GRADED", 10)
    assert result.failed_checks == []
    assert (tmp_path / "out" / "s1" / "feedback.html").stat().st_size > 1000
