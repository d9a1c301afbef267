"""Runs a homework's checks with pytest, inside this process, over one submission's observations.

Called by `check` and, from several threads, by `grade`. What pytest finds in the user's folders and environment
(configuration, conftest files, plugins, options) doesn't take part. A check that crashes is a crash of ours, and is
raised: it never becomes anybody's failure. 24 checks take about 60 ms on one core.
"""

import contextlib
import graphlib
import os
from collections.abc import Generator, Iterator
from typing import Any

import pytest

from autograder.checks import places
from autograder.checks.result import CheckResult
from autograder.checks.wording import ExpectationError
from autograder.course.homework import Homework
from autograder.files import PARSING
from autograder.language import gettext as _
from autograder.observations import Observations

_IGNORED_VARIABLES = ("PYTEST_ADDOPTS", "PYTEST_PLUGINS")
_UNUSED_PLUGINS = (
    *("terminal", "capture", "logging", "cacheprovider", "warnings", "junitxml", "doctest", "unittest", "nose"),
    *("faulthandler", "threadexception", "unraisableexception", "stepwise", "pastebin", "debugging", "tmpdir"),
)


def run(observations: Observations, homework: Homework) -> list[CheckResult]:
    """One result a check, in the order in which the modules declare them."""
    course = _Course(observations, homework)
    arguments = ["--pyargs", *(f"autograder.checks.{name}" for name in homework.checks)]
    arguments += ["-c", os.devnull, "--rootdir", os.path.dirname(__file__), "--noconftest"]  # noqa: PTH120
    arguments += ["--import-mode=importlib", "--assert=plain"]
    arguments += [part for name in _UNUSED_PLUGINS for part in ("-p", f"no:{name}")]
    # One at a time, since pytest keeps the name of the running test in the environment; and it parses Python.
    with PARSING, _own_environment(), places.told_of(observations.cells):
        status = pytest.main(arguments, plugins=[course])
    if course.crash is not None:
        raise course.crash
    if status == pytest.ExitCode.INTERRUPTED:
        raise KeyboardInterrupt
    if status not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
        raise RuntimeError(f"pytest ended with {status!r}")
    return course.ordered_results()


@contextlib.contextmanager
def _own_environment() -> Iterator[None]:
    kept = {name: os.environ.pop(name) for name in _IGNORED_VARIABLES if name in os.environ}
    autoload = os.environ.get("PYTEST_DISABLE_PLUGIN_AUTOLOAD")
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    try:
        yield
    finally:
        os.environ.update(kept)
        if autoload is None:
            del os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"]
        else:
            os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = autoload


class _Course:
    """A pytest plugin: gives checks what they read, orders them, and keeps what came of each."""

    def __init__(self, observations: Observations, homework: Homework) -> None:
        self.observations = observations
        self.given = homework
        self.declared: list[str] = []
        self.results: dict[str, CheckResult] = {}
        self.crash: BaseException | None = None
        self.blank_questions = {blank.question for blank in observations.blanks if blank.question}

    @pytest.fixture
    def observed(self) -> Observations:
        """What the proctor saw."""
        return self.observations

    @pytest.fixture
    def homework(self) -> Homework:
        """The homework it was handed in for."""
        return self.given

    def pytest_configure(self, config: pytest.Config) -> None:
        config.addinivalue_line("markers", "check: a check of a submission")

    def pytest_internalerror(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        """A crash of pytest's own: raised by `run`, with its traceback, as any crash of ours."""
        self.crash = self.crash or excinfo.value

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Prerequisites first; otherwise as declared."""
        by_id = {_mark(item)["identifier"]: item for item in items}
        self.declared = list(by_id)
        order = graphlib.TopologicalSorter({name: self._prerequisites(item) for name, item in by_id.items()})
        items[:] = [by_id[name] for name in order.static_order()]

    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        if self.given.question_of(_mark(item)["identifier"]) in self.blank_questions:
            pytest.skip("blanks")
        own = _mark(item)["identifier"]
        for name in self._prerequisites(item):
            outcome = self.results[name].outcome
            # What waits for this very check says nothing yet.
            if outcome == "failed" or (outcome == "skipped" and self._waits_for(name) != own):
                pytest.skip(name)

    def _waits_for(self, name: str) -> str | None:
        """What a waiting check waits for in the end, as far as is known."""
        waits_for = self.results[name].waits_for
        for _step in self.declared:  # a longer chain would be a circle
            if waits_for not in self.results or self.results[waits_for].waits_for is None:
                break
            waits_for = self.results[waits_for].waits_for
        return waits_for

    def _prerequisites(self, item: pytest.Item) -> list[str]:
        return [name for name in _mark(item)["after"] if name in self.declared]

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        error = None if call.excinfo is None else call.excinfo.value
        if error is not None or call.when == "call":
            self._keep(item, error)
        return (yield)

    def _keep(self, item: pytest.Item, error: BaseException | None) -> None:
        mark = _mark(item)
        hint: str = mark["hint"]
        result = CheckResult(
            id=mark["identifier"],
            title=_(item.function.__doc__).format(homework=self.given),  # type: ignore[attr-defined]
            outcome="passed",
            question=self.given.question_of(mark["identifier"]),
            required=not mark["advice"],
            hint=_(hint),
        )
        change: dict[str, Any] = {}
        if isinstance(error, ExpectationError):
            change = {"outcome": "advice" if mark["advice"] else "failed", "line": error.line}
            change |= {"saw": error.saw, "expected": error.expected, "why": error.why}
            change |= {"hint": error.hint} if error.hint else {}
        elif isinstance(error, pytest.skip.Exception):
            change = {"outcome": "skipped", "waits_for": error.msg}
        elif error is not None:
            self.crash = self.crash or error
        self.results[result.id] = result.model_copy(update=change)

    def ordered_results(self) -> list[CheckResult]:
        """In declared order. A check that waits for a skipped check waits for what that one waits for."""
        ordered = []
        for name in self.declared:
            result = self.results[name]
            root = self._waits_for(name)
            if root is not None and root in self.results and self.results[root].waits_for is not None:
                raise RuntimeError(f"the check {name} waits for itself")
            if root in self.results and self.results[root].outcome == "passed":
                raise RuntimeError(f"the check {name} waits for {root}, which passed")
            ordered.append(result.model_copy(update={"waits_for": root}))
        return ordered


def _mark(item: pytest.Item) -> dict[str, Any]:
    mark = item.get_closest_marker("check")
    if mark is None:
        raise RuntimeError(f"{item.name} is not marked as a check")
    return dict(mark.kwargs)
