"""What `check` prints: the report on one file, and how far a training is.

Called by `check.py`. Prints to standard output only, decides nothing, and imports rich when something is printed.
"""

import sys
import textwrap
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from autograder.homework import Homework
from autograder.sandbox import Sandbox
from autograder.submission import Submission

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress

    from autograder.checks import CheckResult, EntryRow, Row
    from autograder.observations import TrainingProgress
    from autograder.verdict import Setup, Start

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
        started_from: "nothing" or a checkpoint, in words; "" where the homework has no checkpoints.
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
    started_from: str
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


def where(file: Path, handed_in: Submission, line: int | None) -> str:
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


def wrapped(text: str, width: int, indent: str) -> str:
    """Lines of at most `width` columns, all but the first behind `indent`."""
    return textwrap.fill(text, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


class Transcript:
    """The report of one check, in lines that read without colour."""

    def __init__(
        self, file: Path, handed_in: Submission, homework: Homework, results: "list[CheckResult]", verbose: bool
    ) -> None:
        from rich.console import Console

        # A notebook's cell is a page, whatever its kernel says of itself: lines as in a pipe.
        plain = False if "ipykernel" in sys.modules else None
        self.console = Console(
            highlight=False, markup=False, emoji=False, soft_wrap=True, force_terminal=plain, force_jupyter=plain
        )
        self.width = max(NARROW, min(self.console.width, WIDE)) if self.console.is_terminal else NARROW
        self.file = file
        self.handed_in = handed_in
        self.homework = homework
        self.results = results
        self.verbose = verbose

    def show(self, seconds: float, place: Sandbox, rows: "list[Row]", entries: "list[EntryRow]") -> None:
        """The list of checks, the first failure in full, what comes after it."""
        self._line(f"{self.homework.name} · {self.homework.title}", f"checked in {seconds:.1f} s, nothing was trained")
        if place.notice:
            self._line(f"  {place.notice}", style="dim")
        self._list()
        failures = [result for result in self.results if result.outcome == "failed"]
        advice = [result for result in self.results if result.outcome == "advice"]
        if rows:
            self._table(rows)
        if entries:
            self._entries(entries)
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
            self.print(wrapped(f"{note}no accuracy ({trained.outcome}): {trained.message}", self.width, "  "))
        else:
            passes = {"in eval mode": trained.eval_percent, "as the script left it": trained.as_left_percent}
            told = [f"{percent:.1f}% {mode}" for mode, percent in passes.items() if percent is not None]
            time_taken = f"{trained.epochs:.3g} epochs in {trained.seconds:.0f} s on {trained.device}"
            text = f"{trained.accuracy_percent:.1f}% of the test images ({', '.join(told)}), {time_taken}"
            self.print(wrapped(note + text, self.width, "  "))
        points = f"{trained.tier_points:.10g} points ({trained.tier})"
        text = f"a graded run with this result gets {points}; {trained.no_points_because}"
        self.print(wrapped(f"would earn {points}" if trained.gives_points else note + text, self.width, "  "))

    def where(self, result: "CheckResult") -> str:
        """Where a result points to."""
        return where(self.file, self.handed_in, result.line)

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
        self.print(wrapped(f"{lead}{question}{result.title} ({self.where(result)})", self.width, "  "), style="bold")
        for name, text in (("Saw", result.saw), ("Expected", result.expected), ("Why", result.why)):
            self._paragraph(name, text)

    def _also(self, lead: str, results: "list[CheckResult]") -> None:
        if results:
            self.print("")
            self.print(f"{lead}:", style="bold")
        for result in results:
            question = f"{result.question} " if result.question else ""
            text = f"  {question}{result.title} ({self.where(result)}): {result.saw}"
            self.print(wrapped(text, self.width, "    "))

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
        asked = f"{self.homework.name} {failures[0].id}"
        self.print(f"hint: autograder hint {asked} · autograder explain {asked}")

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

    def _entries(self, entries: "list[EntryRow]") -> None:
        self.print("")
        self.print("Entries of the state dict that differ: these, and the homework's", style="bold")
        for row in entries:
            self._line(f"  ≠ {row.name}", f"{row.theirs_text:>14} {row.ours_text:>14}")

    def _paragraph(self, name: str, text: str) -> None:
        self.print(wrapped(f"  {name:<9} {text}", self.width, " " * 12))

    def _line(self, left: str, right: str = "", style: str = "") -> None:
        """`left`, and `right` at the right edge; on a line of its own where there is no room."""
        room = self.width - len(left) - len(right)
        if right and room >= 2:
            self.print(left + " " * room + right, style)
            return
        self.print(wrapped(left, self.width, "    "), style)
        if right:
            self.print(right.rjust(self.width), style)

    def print(self, text: str, style: str = "") -> None:
        self.console.print(text, style=style or None)


class Progress:
    """How far a training is: a bar on a terminal, one line elsewhere, nothing without a report."""

    def __init__(self, report: Transcript | None, setup: "Setup", start: "Start") -> None:
        self.report = report
        self.setup = setup
        self.start = start
        self.bar: RichProgress | None = None

    def __enter__(self) -> "Progress":
        if self.report is None:
            return self
        protocol, note = self.start.protocol, self.setup.no_points_because
        box = f"{protocol.epochs} epochs or {protocol.time_box_s / 60:g} minutes"
        self.report.print("")
        text = f"training on {self.setup.dataset.name}, {protocol.name} protocol, {box}"
        text += f", from {self.start.words}" if self.start.words else ""
        self.report.print(wrapped(f"no points: {text}" if note else text, self.report.width, "  "))
        if self.report.console.is_terminal:
            from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
            from rich.progress import Progress as RichProgress

            columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed:,} images"))
            self.bar = RichProgress(*columns, TimeRemainingColumn(), console=self.report.console, transient=True)
            self.task = self.bar.add_task("no points" if note else "training", total=None)
            self.bar.start()
        return self

    def __call__(self, said: "TrainingProgress") -> None:
        if self.bar is not None:
            self.bar.update(self.task, completed=said.images, total=said.of)

    def __exit__(self, *_: object) -> None:
        if self.bar is not None:
            self.bar.stop()
