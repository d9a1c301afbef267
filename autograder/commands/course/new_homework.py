"""The command `new`: makes a homework, with all files that belong to one, from a solution with marks.

Called by the command line. Reads the solution's text, observes it in the sandbox (what it trains on, and what its
network does), writes the files, and at last runs the new homework's checks on the solution. Overwrites nothing. Where a
step fails, it removes what it has written.
"""

import importlib
import re
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from autograder import checks, homeworks
from autograder.checks.result import CheckResult
from autograder.commands.course import homework_files
from autograder.commands.course.homework_files import Draft
from autograder.commands.course.read_solution import Reading, read
from autograder.course.families import traced
from autograder.course.homework import AskedOptimizer, Homework
from autograder.errors import KitError
from autograder.files import PACKAGE, ROOT, write_text
from autograder.intake import submission
from autograder.observations import Observations, Rehearsal
from autograder.runner.observe import observe
from autograder.sandbox import sandbox as sandboxes
from autograder.sandbox.sandbox import Sandbox

DECLARATIONS = PACKAGE / "homeworks"
RUBRIC = "grading_rubric.md"


@dataclass(frozen=True)
class Made:
    """What `new` has made: the files, the questions that are open, and the checks' results for the solution."""

    files: list[Path]
    open_questions: list[str]
    results: list[CheckResult]


def new(name: str, source: Path, *, root: Path = ROOT, sandbox: str | None = None) -> Made:
    """Make the homework `name` from the solution at `source`, in the checkout `root`.

    Raises KitError where the name is taken or can't be one, where the solution can't be read, doesn't run to its end or
    has no network that is trained; then nothing is written.
    """
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,30}", name):
        raise KitError(f"a homework can't be called {name!r}", "use lower case letters, digits and '_'")
    if DECLARATIONS.parent.parent != root:
        raise KitError(f"{root}: isn't the checkout that this program runs from", "a homework is added to a checkout")
    reading = read(name, source)
    folder, declaration = root / "solution" / name, DECLARATIONS / f"{name}.py"
    example, test = root / "examples" / "submissions" / name, root / "tests" / "checks" / f"test_{name}.py"
    written = [folder, declaration, traced.record_of(declaration), example, test]
    for path in written:
        if path.exists():
            raise KitError(
                f"{path}: is there already", "nothing is ever overwritten: choose another name, or remove it"
            )
    rubric = root / RUBRIC
    ruled = rubric.read_text(encoding="utf-8")
    if re.search(rf"^## {name}\b", ruled, re.MULTILINE):
        raise KitError(f"{rubric}: has a section '## {name}' already", "choose another name, or remove it")
    place = sandboxes.choose(sandbox)
    with _all_or_nothing(name, written, rubric, ruled):
        draft = _drafted(name, reading, source, declaration, place)
        seen = _looked_at(homeworks.load(name), source, place)
        assert seen.network is not None
        traced.record(declaration, seen.network)
        again = _looked_at(_declare(draft, declaration), source, place)  # the declaration now asks for answers, too
        assert again.network is not None
        traced.record(declaration, again.network)
        homework = _declare(draft, declaration)
        write_text(folder / f"{name}.py", source.read_text(encoding="utf-8"))
        write_text(folder / "README.md", homework_files.handout(draft, homework))
        write_text(rubric, f"{ruled.rstrip()}\n\n{homework_files.rubric(draft)}")
        for student, script in homework_files.examples(source.read_text(encoding="utf-8")).items():
            write_text(example / student / f"{name}.py", script)
        write_text(test, homework_files.test(name))
        results = checks.run(again, homework)
    files = [path for place in written for path in ([place] if place.is_file() else sorted(place.rglob("*.*")))]
    return Made([*files, rubric], homework_files.open_questions(draft), results)


def _drafted(name: str, reading: Reading, source: Path, declaration: Path, place: Sandbox) -> Draft:
    """The draft once the script has run: with the shapes of its network's inputs and answers."""
    given = homework_files.first_draft(name, reading)
    homework = _declare(given, declaration)
    rehearsal = _rehearsed(homework, source, place)
    forward = next((call for step in rehearsal.steps for call in step.forwards), None)
    if forward is None or len(forward.input_shape) < 2 or len(forward.output_shape) < 2:
        raise KitError(f"{source}: no network was given a batch", "the network is called in the loop over the batches")
    optimizer = rehearsal.optimizer
    draft = homework_files.second_draft(
        given,
        tuple(forward.input_shape[1:]),
        tuple(forward.output_shape[1:]),
        None if optimizer is None else AskedOptimizer(optimizer.class_name, optimizer.momentum or None),
    )
    _declare(draft, declaration)
    return draft


def _declare(draft: Draft, declaration: Path) -> Homework:
    """Write the declaration, and load it as the kit does."""
    write_text(declaration, homework_files.declaration(draft, traced.record_of(declaration).exists()))
    importlib.invalidate_caches()
    sys.modules.pop(f"{homeworks.__name__}.{draft.name}", None)
    return homeworks.load(draft.name)


def _rehearsed(homework: Homework, source: Path, place: Sandbox) -> Rehearsal:
    seen = _observed(homework, source, place)
    rehearsal = seen.rehearsal
    if rehearsal is None or rehearsal.cut_short or not rehearsal.steps:
        failure = seen.syntax_error or (rehearsal.failure if rehearsal is not None else None)
        words = failure.words if failure else seen.problem or "nothing was trained"
        line = f":{failure.line}" if failure is not None and failure.line else ""
        raise KitError(f"{source}{line}: the solution doesn't run to its end in the sandbox: {words}")
    return rehearsal


def _looked_at(homework: Homework, source: Path, place: Sandbox) -> Observations:
    seen = _observed(homework, source, place)
    if seen.network is None or not seen.network.graph:
        failures = [] if seen.network is None else list(seen.network.forward_failures.values())
        failure = next(iter(failures), seen.network_failure)
        words = failure.words if failure is not None else seen.problem or "its operations can't be followed"
        raise KitError(f"{source}: {homework.call} could not be looked at: {words}")
    return seen


def _observed(homework: Homework, source: Path, place: Sandbox) -> Observations:
    script = submission.read(source)
    return observe(homework, submission.of(f"{homework.stem}.py", script.script), place)


@contextmanager
def _all_or_nothing(name: str, written: list[Path], rubric: Path, ruled: str) -> Iterator[None]:
    try:
        yield
    except BaseException:
        for path in written:
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        if rubric.read_text(encoding="utf-8") != ruled:
            write_text(rubric, ruled)
        sys.modules.pop(f"{homeworks.__name__}.{name}", None)
        raise
