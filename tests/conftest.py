"""What the tests share: the two sandboxes, one practice set for all, and slow tests last."""

import os
from pathlib import Path

import pytest

from autograder.course import prepare
from autograder.course.dataset import Dataset
from autograder.errors import KitError
from autograder.sandbox import sandbox
from autograder.sandbox.sandbox import Sandbox


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Fast tests first, so that what is broken shows early; the order is otherwise kept."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is not None)


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
