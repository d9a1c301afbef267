"""Keys: a change in a module that a result follows from changes the right key, and no other change does."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from autograder.course import rubric
from autograder.course.dataset import Dataset
from autograder.files import PACKAGE, RUBRIC
from autograder.grading import keys
from autograder.homeworks import load
from autograder.intake import submission
from autograder.intake.entry import READ, Entry
from autograder.runner.setup import Setup
from autograder.sandbox.sandbox import Sandbox

HW6 = load("hw6")
ENTRY = Entry("s1", READ, submission=submission.of("hw6.py", b"print(1)\n"))


def modules(*places: str) -> list[str]:
    """All modules in folders of the package, as paths within it."""
    return [
        path.relative_to(PACKAGE).as_posix() for place in places for path in sorted((PACKAGE / place).rglob("*.py"))
    ]


OF_EVIDENCE = [
    *modules("proctor", "runner", "sandbox", "course"),
    *("observations.py", "machine.py", "files.py", "errors.py", "intake/submission.py", "homeworks/hw6.py"),
]
OF_DECISION_ALONE = [
    *modules("checks"),
    *("grading/decision.py", "grading/flags.py", "grading/lateness.py", "grading/keys.py", "results/result.py"),
    *("language.py", "intake/hand_ins.py"),
]
OF_NOTHING = [
    *("publish/templates/feedback.html", "publish/feedback_page.py", "commands/app.py", "grading/class_summary.py"),
    *("homeworks/resnet20.py", "locale/ko/LC_MESSAGES/autograder.po"),
]


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the package, in which bytes may change."""
    place = tmp_path_factory.mktemp("copy") / "autograder"
    shutil.copytree(PACKAGE, place, ignore=shutil.ignore_patterns("__pycache__"))
    return place


@pytest.fixture
def setup(practice: Dataset) -> Setup:
    return Setup(HW6, rubric.load(RUBRIC, "hw6"), HW6.preview, practice, Sandbox("none"))


def both(setup: Setup, package: Path = PACKAGE) -> tuple[str, str]:
    """The keys of the evidence and of the result."""
    keys.of_kit.cache_clear()
    return keys.of_evidence(ENTRY, setup, package), keys.of_result(ENTRY, setup, package)


@pytest.mark.parametrize(
    ("module", "evidence", "decision"),
    [
        *((module, True, True) for module in OF_EVIDENCE),
        *((module, False, True) for module in OF_DECISION_ALONE),
        *((module, False, False) for module in OF_NOTHING),
    ],
)
def test_a_byte_of_a_module_changes_the_keys_that_follow_from_it(
    module: str, evidence: bool, decision: bool, copy: Path, setup: Setup
) -> None:
    before = both(setup, copy)
    assert before == both(setup)
    path = copy / module
    content = path.read_bytes()
    path.write_bytes(content + b"#")
    try:
        after = both(setup, copy)
    finally:
        path.write_bytes(content)
    assert (before[0] != after[0], before[1] != after[1]) == (evidence, decision)


@pytest.mark.parametrize(("old", "new"), [("| over 70% | 20 |", "| over 70% | 19 |"), ("| over 70% |", "| Over 70% |")])
def test_a_byte_of_the_rubrics_rows_changes_what_is_decided_and_trains_nobody(
    old: str, new: str, setup: Setup, tmp_path: Path
) -> None:
    text = RUBRIC.read_text(encoding="utf-8")
    assert text.count(old) == 1
    path = tmp_path / "rubric.md"
    path.write_text(text.replace(old, new), encoding="utf-8")
    before, after = both(setup), both(replace(setup, rubric=rubric.load(path, "hw6")))
    assert after[0] == before[0]
    assert after[1] != before[1]


def test_what_was_handed_in_and_what_it_is_graded_with_are_part_of_the_keys(setup: Setup) -> None:
    before = both(setup)
    assert both(replace(setup, language="ko"))[0] == before[0]
    assert both(replace(setup, language="ko"))[1] != before[1]
    assert both(replace(setup, sandbox=Sandbox("bwrap")))[0] != before[0]
    assert both(replace(setup, protocol=replace(setup.protocol, epochs=6)))[0] != before[0]
    another = replace(ENTRY, submission=submission.of("hw6.py", b"print(2)\n"))
    assert keys.of_evidence(another, setup) != before[0]


def test_a_worker_of_another_kit_is_told_apart() -> None:
    assert keys.worker_kit("hw6") != keys.worker_kit("resnet20")
    assert keys.of_kit(keys.DECISION, "hw6")[:8] in keys.worker_kit("hw6")
