"""docs/adding-a-homework.md: the script and the commands on that page make a homework, and nothing else is needed."""

import json
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from markdown_it import MarkdownIt
from support.own_homework import Checkout

from autograder.files import ROOT
from autograder.results import store

PAGE = ROOT / "docs" / "adding-a-homework.md"

pytestmark = pytest.mark.slow


def blocks(language: str) -> Iterator[str]:
    """The page's blocks in a language."""
    for token in MarkdownIt("commonmark").parse(PAGE.read_text(encoding="utf-8")):
        if token.type == "fence" and token.info == language:
            yield token.content


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> tuple[Checkout, dict[str, tuple[int, str]]]:
    """The package as it is, and what each command of the page came to, in their order."""
    checkout = Checkout(tmp_path_factory.mktemp("checkout"))
    (script,) = blocks("python")
    (checkout.root / "tiny.py").write_text(script)
    found = {}
    for line in "".join(blocks("sh")).splitlines():
        program, *words = shlex.split(line)
        assert program == "autograder", line
        done = checkout.run(*words)
        found[" ".join(words)] = (done.returncode, done.stdout + done.stderr)
    return checkout, found


def test_the_page_writes_what_it_says(said: tuple[Checkout, dict[str, tuple[int, str]]]) -> None:
    checkout, found = said
    status, text = found["new tiny --from tiny.py"]
    assert status == 0, text
    named = [cell.strip(" `") for cell in (line.split("|")[1] for line in _rows("| file |"))]
    assert len(named) == 7
    for name in named:
        assert (checkout.root / name).exists(), name
    assert "## tiny" in (checkout.root / "grading_rubric.md").read_text()
    declaration = (checkout.root / "autograder" / "homeworks" / "tiny.py").read_text()
    assert declaration.count("\n") < 50
    assert 'Question(1, "Set all gradients to zero", "zero-grad")' in declaration
    compile((checkout.root / "tests" / "checks" / "test_tiny.py").read_text(), "test_tiny.py", "exec")
    seen = json.loads((checkout.root / "autograder" / "homeworks" / "tiny.json").read_text())
    assert seen["parameters"] == 80 + 1168 + 7850
    assert seen["answers"]


def test_it_is_released_checked_and_graded(said: tuple[Checkout, dict[str, tuple[int, str]]]) -> None:
    checkout, found = said
    assert found["release tiny"][0] == 0, found["release tiny"]
    assignment = checkout.root / "assignment" / "tiny"
    assert sorted(path.name for path in assignment.iterdir()) == ["README.md", "tiny.ipynb", "tiny.py"]
    assert "| from 80% | 10 |" in (assignment / "README.md").read_text()
    assert found["check solution/tiny/tiny.py"][0] == 0, found
    status, text = found["check assignment/tiny/tiny.py"]
    assert status == 1
    assert "4 blanks are still `...`" in " ".join(text.split())
    assert text.count("✗") == 1
    (graded,) = (one for words, one in found.items() if words.startswith("grade "))
    assert graded[0] == 0, graded
    result = store.read(checkout.root / "grades" / "tiny" / "s1-right")
    assert result is not None
    assert (result.status, result.outcome, result.max_points) == ("preview", "GRADED", 10)
    assert result.failed_checks == []


def test_nothing_is_overwritten(said: tuple[Checkout, dict[str, tuple[int, str]]]) -> None:
    checkout, _ = said
    before = {path: path.read_bytes() for path in checkout.root.rglob("*tiny*") if path.is_file()}
    again = checkout.run("new", "tiny", "--from", "tiny.py")
    assert again.returncode == 2
    assert "is there already" in again.stderr
    assert {path: path.read_bytes() for path in before} == before


def test_what_fails_leaves_nothing(said: tuple[Checkout, dict[str, tuple[int, str]]], tmp_path: Path) -> None:
    checkout, _ = said
    (script,) = blocks("python")
    broken = tmp_path / "broken.py"
    broken.write_text(script.replace("loss.backward()", "loss.backwards()"))
    before = sorted(path for path in checkout.root.rglob("*") if "__pycache__" not in path.parts)
    rubric = (checkout.root / "grading_rubric.md").read_bytes()
    failed = checkout.run("new", "broken", "--from", broken)
    assert failed.returncode == 2
    assert "broken.py:57: the solution doesn't run to its end" in failed.stderr, failed.stderr
    assert sorted(path for path in checkout.root.rglob("*") if "__pycache__" not in path.parts) == before
    assert (checkout.root / "grading_rubric.md").read_bytes() == rubric


def _rows(head: str) -> list[str]:
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    at = next(number for number, line in enumerate(lines) if line.startswith(head)) + 2
    end = next(number for number in range(at, len(lines)) if not lines[number].startswith("|"))
    return lines[at:end]
