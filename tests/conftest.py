"""What the tests share: the two sandboxes, one practice set for all, limits, and an order."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support import classes, command_line
from support.command_line import Command
from support.pages import CHROMIUM

from autograder.course import prepare
from autograder.course.dataset import Dataset
from autograder.errors import KitError
from autograder.sandbox import sandbox
from autograder.sandbox.sandbox import Sandbox

SLOW_S = 600
LONGEST = ("test_corpus", "test_cluster")  # minutes each: begun last, they would run on alone


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Fast tests first, so that what is broken shows early; of the slow ones those first that take longest.

    A test has a minute, in which it ends or says where every thread stands; a slow one has ten.
    """
    for item in items:
        if item.get_closest_marker("slow") and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(SLOW_S))

    def order(item: pytest.Item) -> int:
        if not item.get_closest_marker("slow"):
            return 0
        return 1 if item.path.stem in LONGEST else 2

    items.sort(key=order)


@pytest.fixture(scope="session")
def sandbox_bwrap() -> Sandbox:
    """The real sandbox. On a developer's machine without it the test is skipped; in CI it fails."""
    try:
        return sandbox.choose("bwrap")
    except KitError as error:
        if os.environ.get("CI"):
            pytest.fail(f"CI has no sandbox: {error.message}")
        pytest.skip(error.message)


@pytest.fixture(scope="session")
def sandbox_none() -> Sandbox:
    """A plain subprocess with the same protocol."""
    return sandbox.choose("none")


@pytest.fixture(scope="session")
def practice(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """The practice set, prepared once for the whole session. Tests read it and never change it."""
    root: Path = tmp_path_factory.mktemp("data")
    return prepare.practice(root)


@pytest.fixture
def two(tmp_path: Path) -> Path:
    """A class of two, whose tiny scripts do train; its folder."""
    for student, rate in (("s1", "0.01"), ("s2", "0.03")):
        classes.write(tmp_path / "class" / student / "hw6.py", classes.TINY.replace("RATE", rate))
    return tmp_path / "class"


@pytest.fixture
def autograder(monkeypatch: pytest.MonkeyPatch) -> Command:
    """Runs the command line in this process with some words, and returns what it exits with."""
    return command_line.command(monkeypatch)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium, without a window."""
    from playwright.sync_api import sync_playwright

    if CHROMIUM is None and "CI" not in os.environ:
        pytest.skip("no chromium")
    assert CHROMIUM is not None
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()
