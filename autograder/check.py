"""The command `check`: one file, what holds, and where to start on what doesn't.

Called by the command line. Reads the file, has it rehearsed in a sandbox, judges what was seen, prints it. Never
imports torch, and loads pytest while the sandboxed process starts: what a check costs is that process's import of
torch. Prints to standard output only; what can't be checked is a KitError, which the command line prints.
"""

import json
import textwrap
import threading
import time
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autograder import homework as homeworks
from autograder import sandbox as sandboxes
from autograder import submission as submissions
from autograder.errors import KitError
from autograder.homework import Homework
from autograder.observations import Observations
from autograder.sandbox import Sandbox
from autograder.submission import Submission

if TYPE_CHECKING:
    from rich.progress import Progress

    from autograder.checks import CheckResult, Row
    from autograder.verdict import Setup

NARROW = 80
WIDE = 100
MARKS = {"passed": "✓", "failed": "✗", "skipped": "-", "advice": "!"}
STYLES = {"passed": "green", "failed": "bold red", "skipped": "dim", "advice": "yellow"}
CELL = "# %%"  # begins a cell in the script that a notebook's cells make


@dataclass(frozen=True)
class Trained:
    """What `--train` came to.

    Attributes:
        protocol: "full" or "preview".
        dataset: the data's name.
        gives_points: whether such a run counts in a gradebook; `no_points_because` says why not.
        outcome, message: "GRADED", or why there is no accuracy.
        accuracy_percent: the better one of both passes; None when there is none.
        eval_percent, as_left_percent: in eval mode, and as the script left the network.
        tier, tier_points: the rubric's row that such an accuracy earns.
        epochs: how many were trained, by images; `ended_by` is what ended the training.
    """

    protocol: str
    dataset: str
    gives_points: bool
    no_points_because: str | None
    outcome: str
    message: str
    accuracy_percent: float | None
    eval_percent: float | None
    as_left_percent: float | None
    tier: str
    tier_points: float
    epochs: float
    ended_by: str | None
    seconds: float
    device: str
    threads: int


def check(
    file: Path,
    homework_name: str | None,
    *,
    as_json: bool,
    train: bool,
    protocol: str | None,
    data: Path | None,
    sandbox: str | None,
    verbose: bool,
) -> int:
    """Check `file` and print what came of it. Returns 0 when all required checks pass, 1 when some failed.

    Args:
        file: a .py or .ipynb file.
        homework_name: which homework; None: the one that the file's name begins with.
        as_json: print one JSON object and nothing else.
        train: also train, under the protocol's budget, and tell the tier.
        protocol: "full", "preview", or None for full where there is a GPU.
        data: a prepared dataset's folder, or a folder of such; None: the kit's own.
        sandbox: "bwrap", "none", or None for bubblewrap.
        verbose: print every check, every failure in full and the table of layers.

    Raises KitError when it can't be checked: no such file, not Python, too large, unreadable, no sandbox.
    """
    started = time.monotonic()
    handed_in = submissions.read(file)
    homework = homeworks.load(homework_name or _homework_of(file))
    _refuse_what_is_not_python(file, handed_in)
    place = sandboxes.choose(sandbox)
    observations = _observe(homework, handed_in, place)
    if observations.syntax_error is not None:
        raise _not_python(file, handed_in, observations.syntax_error.line, observations.syntax_error.message)

    from autograder import checks

    results = checks.run(observations, homework)
    seconds = time.monotonic() - started
    report = _Report(file, handed_in, homework, results, verbose)
    if not as_json:
        report.show(seconds, place, checks.layer_table(observations, homework) if verbose else [])
    trained = None
    if train:
        setup = _setup(homework, place, protocol, data)
        trained = _train(handed_in, setup, checks.unmet(results), None if as_json else report)
    if as_json:
        print(json.dumps(_object(file, homework, results, trained), indent=2, ensure_ascii=False))
    return 0 if checks.passed(results) else 1


def _homework_of(file: Path) -> str:
    """The homework that the file's name begins with; the only one, where there is one. Raises KitError."""
    names = homeworks.homework_names()
    if len(names) == 1:
        return names[0]
    named = [name for name in names if file.stem.lower().startswith(name)]
    if not named:
        raise KitError(f"{file}: the name doesn't say which homework it is", f"say --homework {'|'.join(names)}")
    return max(named, key=len)


def _refuse_what_is_not_python(file: Path, handed_in: Submission) -> None:
    import warnings

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            compile(handed_in.script, file.name, "exec", dont_inherit=True)
    except SyntaxError as error:
        raise _not_python(file, handed_in, error.lineno, error.msg) from error
    except (ValueError, RecursionError, MemoryError) as error:
        raise _not_python(file, handed_in, None, str(error) or "it is nested too deeply") from error


def _not_python(file: Path, handed_in: Submission, line: int | None, message: str) -> KitError:
    where = _where(file, handed_in, line)
    return KitError(f"{where}: not Python that can be run: {message}", "Python reads the whole file before it runs")


def _observe(homework: Homework, handed_in: Submission, place: Sandbox) -> Observations:
    from autograder import supervise

    loading = threading.Thread(target=_load_what_is_needed_later, args=(homework,), daemon=True)
    loading.start()
    observations = supervise.observe(homework, handed_in, place, threads=1)
    loading.join()
    return observations


def _load_what_is_needed_later(homework: Homework) -> None:
    import importlib

    import rich.console  # noqa: F401

    from autograder import checks

    for name in homework.checks:
        importlib.import_module(f"autograder.checks.{name}")
    # pytest loads parts of itself at its first run; this one has nothing to judge.
    checks.run(Observations(homework=homework.name, file="", problem="nothing ran"), homework)


def _setup(homework: Homework, place: Sandbox, protocol: str | None, data: Path | None) -> "Setup":
    """What a training here runs with: full on a GPU, else a preview, unless `protocol` says which."""
    from autograder import dataset, rubric, supervise
    from autograder.verdict import Setup, cores

    ruled = rubric.load(rubric.PATH, homework.name)
    chosen = homework.protocol(protocol or ("full" if supervise.gpu_available() else "preview"), ruled.budget)
    return Setup(homework, ruled, chosen, dataset.choose(homework, chosen, data), place, cores())


def _train(handed_in: Submission, setup: "Setup", unmet: set[str], report: "_Report | None") -> Trained:
    from autograder import score, supervise

    with _Progress(report, setup) as progress:
        training = supervise.train(
            setup.homework,
            handed_in,
            setup.dataset,
            setup.protocol,
            setup.sandbox,
            threads=setup.threads,
            progress=progress,
        )
    found = None
    if training.outcome == "GRADED":
        found = score.score(training.scores, setup.dataset.test_labels[: setup.protocol.test_images])
    percent = None if found is None else found.counted_percent
    tier = setup.rubric.decide(percent, unmet)
    trained = Trained(
        protocol=setup.protocol.name,
        dataset=setup.dataset.name,
        gives_points=setup.no_points_because is None,
        no_points_because=setup.no_points_because,
        outcome=training.outcome,
        message=training.message,
        accuracy_percent=percent,
        eval_percent=None if found is None else found.eval_percent,
        as_left_percent=None if found is None else found.as_left_percent,
        tier=tier.label,
        tier_points=tier.points,
        epochs=0.0 if training.report is None else training.report.epochs,
        ended_by=None if training.report is None else training.report.ended_by,
        seconds=training.seconds,
        device=training.device,
        threads=training.threads,
    )
    if report is not None:
        report.show_training(trained)
    return trained


def _object(file: Path, homework: Homework, results: "list[CheckResult]", trained: Trained | None) -> dict[str, Any]:
    from autograder.checks import passed

    return {
        "homework": homework.name,
        "file": file.name,
        "passed": passed(results),
        "checks": [result.model_dump() for result in results],
        "training": None if trained is None else dict(vars(trained)),
    }


# --- printing --------------------------------------------------------------------------------------------------------


def _where(file: Path, handed_in: Submission, line: int | None) -> str:
    """`homework.py:64`; of a notebook `homework.ipynb, cell 7, line 3`, counting text cells."""
    if line is None:
        return file.name
    if file.suffix.lower() != ".ipynb":
        return f"{file.name}:{line}"
    lines = handed_in.script.decode("utf-8", "replace").splitlines()[:line]
    starts = [number for number, text in enumerate(lines, 1) if text.startswith(CELL)]
    if not starts:
        return f"{file.name}:{line}"
    return f"{file.name}, cell {len(starts)}, line {line - starts[-1]}"


def _wrapped(text: str, width: int, indent: str) -> str:
    return textwrap.fill(text, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


class _Report:
    """The report of one check, in lines that read without colour."""

    def __init__(
        self, file: Path, handed_in: Submission, homework: Homework, results: "list[CheckResult]", verbose: bool
    ) -> None:
        from rich.console import Console

        self.console = Console(highlight=False, markup=False, emoji=False, soft_wrap=True)
        self.width = max(NARROW, min(self.console.width, WIDE)) if self.console.is_terminal else NARROW
        self.file = file
        self.handed_in = handed_in
        self.homework = homework
        self.results = results
        self.verbose = verbose

    def show(self, seconds: float, place: Sandbox, rows: "list[Row]") -> None:
        """The list of checks, the first failure in full, what comes after it."""
        self._line(f"{self.homework.name} · {self.homework.title}", f"checked in {seconds:.1f} s, nothing was trained")
        if place.notice:
            self._line(f"  {place.notice}", style="dim")
        self._list()
        failures = [result for result in self.results if result.outcome == "failed"]
        advice = [result for result in self.results if result.outcome == "advice"]
        if rows:
            self._table(rows)
        for number, result in enumerate(failures):
            if number == 0 or self.verbose:
                self._explain(result, "Start here: " if number == 0 else "")
        if not self.verbose:
            self._also("Then", failures[1:])
            self._also("Advice", advice)
        else:
            for result in advice:
                self._explain(result, "Advice: ")
        self._close(failures)

    def show_training(self, trained: Trained) -> None:
        """What the training came to. Where it gives no points, every line says so."""
        note = "" if trained.gives_points else "no points: "
        if trained.accuracy_percent is None:
            self.print(_wrapped(f"{note}no accuracy ({trained.outcome}): {trained.message}", self.width, "  "))
        else:
            passes = {"in eval mode": trained.eval_percent, "as the script left it": trained.as_left_percent}
            told = [f"{percent:.1f}% {mode}" for mode, percent in passes.items() if percent is not None]
            time_taken = f"{trained.epochs:.3g} epochs in {trained.seconds:.0f} s on {trained.device}"
            text = f"{trained.accuracy_percent:.1f}% of the test images ({', '.join(told)}), {time_taken}"
            self.print(_wrapped(note + text, self.width, "  "))
        points = f"{trained.tier_points:.10g} points ({trained.tier})"
        text = f"a graded run with this result gets {points}; {trained.no_points_because}"
        self.print(_wrapped(f"would earn {points}" if trained.gives_points else note + text, self.width, "  "))

    def where(self, result: "CheckResult") -> str:
        """Where a result points to."""
        return _where(self.file, self.handed_in, result.line)

    def label(self, name: str | None) -> str:
        """How another line names what it waits for: the question, the check's id, or the words as they are."""
        found = next((result for result in self.results if result.id == name), None)
        return str(name) if found is None else found.question or found.id

    def _list(self) -> None:
        def alike(result: "CheckResult") -> tuple[object, ...]:
            merged = result.outcome in ("passed", "skipped") and not self.verbose
            kept = (result.outcome == "passed" and not result.question) or not merged
            return (result.outcome, bool(result.question), result.waits_for, result.id if kept else "")

        for _, group in groupby(self.results, key=alike):
            members = list(group)
            first = members[0]
            mark = f"  {MARKS[first.outcome]} "
            titles = [f"{result.question} {result.title}" if result.question else result.title for result in members]
            left = titles[0]
            if len(members) > 1:
                names = [result.question or result.id for result in members]
                left = " ".join(names) if first.question else ", ".join(names)
            right = {
                "passed": "",
                "failed": "" if first.question else first.id,
                "skipped": f"waits for {self.label(first.waits_for)}",
                "advice": "advice",
            }[first.outcome]
            self._line(mark + left, right, style=STYLES[first.outcome])

    def _explain(self, result: "CheckResult", lead: str) -> None:
        question = f"{result.question} " if result.question else ""
        self.print("")
        self.print(_wrapped(f"{lead}{question}{result.title} ({self.where(result)})", self.width, "  "), style="bold")
        for name, text in (("Saw", result.saw), ("Expected", result.expected), ("Why", result.why)):
            self._paragraph(name, text)

    def _also(self, lead: str, results: "list[CheckResult]") -> None:
        if results:
            self.print("")
            self.print(f"{lead}:", style="bold")
        for result in results:
            question = f"{result.question} " if result.question else ""
            text = f"  {question}{result.title} ({self.where(result)}): {result.saw}"
            self.print(_wrapped(text, self.width, "    "))

    def _close(self, failures: "list[CheckResult]") -> None:
        required = [result for result in self.results if result.required]
        passed = sum(result.outcome == "passed" for result in required)
        self.print("")
        if not failures:
            waiting = len(required) - passed
            more = f", {waiting} could not be told" if waiting else ""
            self.print(f"{passed} of {len(required)} required checks pass{more}", style="green")
            return
        self.print(f"{passed} of {len(required)} required checks pass")
        self.print(_wrapped(f"hint: {failures[0].hint}", self.width, "      "))

    def _table(self, rows: "list[Row]") -> None:
        self.print("")
        self.print("Layers of one forward pass: the homework's, and where they differ, these", style="bold")
        for row in rows:
            mark = " " if row.same else "≠"
            ours = str(row.ours) if row.ours else "(none)"
            name = row.theirs.name if row.theirs and row.theirs.name else ""
            self._line(f"  {mark} {ours}", name)
            if not row.same:
                self.print(f"      here: {row.theirs or '(none)'}")

    def _paragraph(self, name: str, text: str) -> None:
        self.print(_wrapped(f"  {name:<9} {text}", self.width, " " * 12))

    def _line(self, left: str, right: str = "", style: str = "") -> None:
        """`left`, and `right` at the right edge; on a line of its own where there is no room."""
        room = self.width - len(left) - len(right)
        if right and room >= 2:
            self.print(left + " " * room + right, style)
            return
        self.print(_wrapped(left, self.width, "    "), style)
        if right:
            self.print(right.rjust(self.width), style)

    def print(self, text: str, style: str = "") -> None:
        self.console.print(text, style=style or None)


class _Progress:
    """How far a training is: a bar on a terminal, one line elsewhere, nothing without a report."""

    def __init__(self, report: _Report | None, setup: "Setup") -> None:
        self.report = report
        self.setup = setup
        self.bar: Progress | None = None

    def __enter__(self) -> "_Progress":
        if self.report is None:
            return self
        protocol, note = self.setup.protocol, self.setup.no_points_because
        box = f"{protocol.epochs} epochs or {protocol.time_box_s / 60:g} minutes"
        self.report.print("")
        text = f"training on {self.setup.dataset.name}, {protocol.name} protocol, {box}"
        self.report.print(f"no points: {text}" if note else text)
        if self.report.console.is_terminal:
            from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

            columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed:,} images"))
            self.bar = Progress(*columns, TimeRemainingColumn(), console=self.report.console, transient=True)
            self.task = self.bar.add_task("no points" if note else "training", total=None)
            self.bar.start()
        return self

    def __call__(self, said: dict[str, Any]) -> None:
        if self.bar is not None and isinstance(said.get("images"), int) and isinstance(said.get("of"), int):
            self.bar.update(self.task, completed=said["images"], total=said["of"])

    def __exit__(self, *_: object) -> None:
        if self.bar is not None:
            self.bar.stop()
