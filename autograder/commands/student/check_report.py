"""What `check` prints: the report on one file, and how far a training is.

Called by `check.py`. Prints to standard output only, decides nothing, and imports rich when something is printed.
"""

import sys
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from autograder.checks import places
from autograder.course import measure
from autograder.course.homework import Homework
from autograder.intake.submission import Submission
from autograder.language import duration, marked
from autograder.language import gettext as _
from autograder.sandbox.sandbox import Sandbox

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress

    from autograder.checks import CheckResult, EntryRow, Row
    from autograder.observations import Package, TrainingProgress
    from autograder.runner.setup import Setup, Start

NARROW = 80
WIDE = 100
MARKS = {"passed": "✓", "failed": "✗", "skipped": "-", "advice": "!"}
STYLES = {"passed": "green", "failed": "bold red", "skipped": "dim", "advice": "yellow"}
PARTS = {"saw": marked("Saw"), "expected": marked("Expected"), "why": marked("Why")}  # of a failed check
ANOTHER_COLUMN = "\ue000"  # stands for the second column of a wide character; no text has it


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
        tier, tier_points: what such an accuracy earns by the rubric; None in a preview, which predicts no tier.
        preview: what a preview saw, in sentences; () otherwise. `learns` and `beside_solution` say the same in a word
            each.
        epochs: how many were trained, by images; `ended_by` is what ended the training.
        measure: what the accuracies are; where it is an error (mse, mae) they aren't percent.
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
    tier: str | None
    tier_points: float | None
    epochs: float
    ended_by: str | None
    seconds: float
    device: str
    threads: int
    preview: "tuple[str, ...]" = ()
    learns: str | None = None
    beside_solution: str | None = None
    measure: str = "accuracy"


def where(file: Path, handed_in: Submission, line: int | None) -> str:
    """`homework.py:64`; of a notebook `homework.ipynb, cell 7, line 3`, counting text cells."""
    if line is None:
        return file.name
    if not handed_in.cells:
        return f"{file.name}:{line}"
    with places.told_of(handed_in.cells):
        return f"{file.name}, {places.place(line)}"


def wrapped(text: str, width: int, indent: str) -> str:
    """Lines of at most `width` columns, all but the first behind `indent`."""
    from rich.cells import get_character_cell_size

    # textwrap counts characters, and a Hangul syllable takes two columns.
    spaced = "".join(char + ANOTHER_COLUMN * (get_character_cell_size(char) - 1) for char in text)
    lines = textwrap.fill(spaced, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
    return lines.replace(ANOTHER_COLUMN, "")


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

    def show(
        self,
        seconds: float,
        place: Sandbox,
        rows: "list[Row]",
        entries: "list[EntryRow]",
        packages: "Sequence[Package]" = (),
    ) -> None:
        """The list of checks, the first failure in full, what comes after it."""
        took = _("checked in {seconds:.1f} s, nothing was trained").format(seconds=seconds)
        self._line(f"{self.homework.name} · {self.homework.title}", took)
        if place.notice:
            self._line(f"  {_(place.notice)}", style="dim")
        self._list()
        failures = [result for result in self.results if result.outcome == "failed"]
        advice = [result for result in self.results if result.outcome == "advice"]
        if rows:
            self._table(rows)
        if entries:
            self._entries(entries)
        for number, result in enumerate(failures):
            if number == 0 or self.verbose:
                self._explain(result, _("Start here: {check}") if number == 0 else "{check}")
        if not self.verbose:
            self._also(_("Then:"), failures[1:])
            self._also(_("Advice:"), advice)
        else:
            for result in advice:
                self._explain(result, _("Advice: {check}"))
        self._packages(packages)
        self._close(failures)

    def show_training(self, trained: Trained) -> None:
        """What the training came to. Where it gives no points, every line says so."""
        by = measure.of(trained.measure)
        noted = "{text}" if trained.gives_points else _("no points: {text}")
        if trained.accuracy_percent is None:
            text = _("no accuracy ({outcome}): {message}").format(outcome=trained.outcome, message=trained.message)
        else:
            text = _("{accuracy} of the test images ({passes}), {epochs:.3g} epochs in {seconds:.0f} s on {device}")
            text = text.format(
                accuracy=by.shown(trained.accuracy_percent),
                passes=", ".join(_passes(trained)),
                epochs=trained.epochs,
                seconds=trained.seconds,
                device=trained.device,
            )
        self.print(wrapped(noted.format(text=text), self.width, "  "))
        if trained.tier_points is None:
            for sentence in trained.preview:
                self.print(wrapped(noted.format(text=sentence), self.width, "  "))
            return
        if trained.gives_points:
            earned = _("would earn {points:.10g} points ({tier})")
        else:
            earned = _("a graded run with this result gets {points:.10g} points ({tier}); {because}")
        earned = earned.format(points=trained.tier_points, tier=trained.tier, because=trained.no_points_because)
        self.print(wrapped(noted.format(text=earned), self.width, "  "))

    def where(self, result: "CheckResult") -> str:
        """Where a result points to."""
        return self.where_line(result.line)

    def label(self, name: str | None) -> str:
        """How a skipped check's line names the check that it waits for: by question, by id, or else `name`."""
        found = next((result for result in self.results if result.id == name), None)
        return str(name) if found is None else found.question or found.id

    def _list(self) -> None:
        def alike(result: "CheckResult") -> tuple[object, ...]:
            merged = result.outcome in ("passed", "skipped") and not self.verbose
            kept = (result.outcome == "passed" and not result.question) or not merged
            return (result.outcome, bool(result.question), result.waits_for, result.id if kept else "")

        for _kind, group in groupby(self.results, key=alike):
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
                "skipped": _("waits for {check}").format(check=self.label(first.waits_for)),
                "advice": _("advice"),
            }[first.outcome]
            self._line(mark + left, right, style=STYLES[first.outcome])

    def _explain(self, result: "CheckResult", lead: str) -> None:
        question = f"{result.question} " if result.question else ""
        headline = lead.format(check=f"{question}{result.title} ({self.where(result)})")
        self.print("")
        self.print(wrapped(headline, self.width, "  "), style="bold")
        for part, name in PARTS.items():
            self._paragraph(_(name), getattr(result, part))

    def _also(self, lead: str, results: "list[CheckResult]") -> None:
        if results:
            self.print("")
            self.print(lead, style="bold")
        for result in results:
            question = f"{result.question} " if result.question else ""
            text = f"  {question}{result.title} ({self.where(result)}): {result.saw}"
            self.print(wrapped(text, self.width, "    "))

    def _packages(self, packages: "Sequence[Package]") -> None:
        """What is imported here and may be missing where it is graded; and what is missing here, and costs nothing."""
        from autograder.course.packages import GRADED_WITH, WATCHING

        said = []
        for package in packages:
            where = self.where_line(package.line)
            if package.state == "swallowed" or (
                package.state == "installed" and package.name in WATCHING - GRADED_WITH
            ):
                text = _(
                    "{package} ({where}): where it isn't installed, what it logs or draws is left out; it costs nothing"
                )
            elif package.state == "installed" and package.name not in GRADED_WITH:
                text = _(
                    "{package} ({where}) doesn't come with what homework is graded with: where it is missing, a "
                    "training that needs it waits for a person; do without it, or ask for it"
                )
            elif package.state == "needed":
                text = _("{package} ({where}) isn't installed here, and was used")
            else:
                continue
            said.append(text.format(package=package.name, where=where))
        if said:
            self.print("")
            self.print(_("Packages:"), style="bold")
        for text in said:
            self.print(wrapped(f"  {text}", self.width, "    "))

    def where_line(self, line: int | None) -> str:
        """Where a line is."""
        return where(self.file, self.handed_in, line)

    def _close(self, failures: "list[CheckResult]") -> None:
        required = [result for result in self.results if result.required]
        passed = sum(result.outcome == "passed" for result in required)
        self.print("")
        told = {"passed": passed, "required": len(required), "waiting": len(required) - passed}
        if not failures:
            text = _("{passed} of {required} required checks pass")
            if told["waiting"]:
                text = _("{passed} of {required} required checks pass, {waiting} could not be told")
            self.print(text.format(**told), style="green")
            return
        self.print(_("{passed} of {required} required checks pass").format(**told))
        asked = f"{self.homework.name} {failures[0].id}"
        self.print(_("hint: {command}").format(command=f"autograder hint {asked} · autograder explain {asked}"))

    def _table(self, rows: "list[Row]") -> None:
        self.print("")
        self.print(_("Layers of one forward pass: the homework's, and where they differ, these"), style="bold")
        for row in rows:
            mark = " " if row.same else "≠"
            ours = str(row.ours) if row.ours else _("(none)")
            name = row.theirs.name if row.theirs and row.theirs.name else ""
            self._line(f"  {mark} {ours}", name)
            if not row.same:
                self.print("      " + _("here: {layer}").format(layer=row.theirs or _("(none)")))

    def _entries(self, entries: "list[EntryRow]") -> None:
        self.print("")
        self.print(_("Entries of the state dict that differ: these, and the homework's"), style="bold")
        for row in entries:
            self._line(f"  ≠ {row.name}", f"{_right(row.theirs_text, 14)} {_right(row.ours_text, 14)}")

    def _paragraph(self, name: str, text: str) -> None:
        from rich.cells import set_cell_size

        self.print(wrapped(f"  {set_cell_size(name, 9)} {text}", self.width, " " * 12))

    def _line(self, left: str, right: str = "", style: str = "") -> None:
        """`left`, and `right` at the right edge; on a line of its own where there is no room."""
        from rich.cells import cell_len

        room = self.width - cell_len(left) - cell_len(right)
        if right and room >= 2:
            self.print(left + " " * room + right, style)
            return
        self.print(wrapped(left, self.width, "    "), style)
        if right:
            self.print(" " * (self.width - cell_len(right)) + right, style)

    def print(self, text: str, style: str = "") -> None:
        self.console.print(text, style=style or None)


def _passes(trained: Trained) -> list[str]:
    """The accuracy of each pass that there is."""
    passes = []
    by = measure.of(trained.measure)
    if trained.eval_percent is not None:
        passes.append(_("{percent} in eval mode").format(percent=by.shown(trained.eval_percent)))
    if trained.as_left_percent is not None:
        passes.append(_("{percent} as the script left it").format(percent=by.shown(trained.as_left_percent)))
    return passes


def _right(text: str, columns: int) -> str:
    """`text` at the right of so many columns."""
    from rich.cells import cell_len

    return " " * (columns - cell_len(text)) + text


class Progress:
    """How far a training is: a bar on a terminal, one line elsewhere, nothing without a report."""

    def __init__(self, report: Transcript | None, setup: "Setup", start: "Start", seconds: float | None = None) -> None:
        self.report = report
        self.setup = setup
        self.start = start
        self.seconds = seconds  # that the training is expected to take
        self.bar: RichProgress | None = None

    def __enter__(self) -> "Progress":
        if self.report is None:
            return self
        protocol, note = self.start.protocol, self.setup.no_points_because
        self.report.print("")
        text = _("training on {data}, {protocol} protocol, {epochs} epochs or {minutes:g} minutes")
        if self.start.words:
            text = _("training on {data}, {protocol} protocol, {epochs} epochs or {minutes:g} minutes, from {start}")
        text = text.format(
            data=self.setup.dataset.name,
            protocol=protocol.name,
            epochs=protocol.epochs,
            minutes=protocol.time_box_s / 60,
            start=self.start.words,
        )
        noted = _("no points: {text}").format(text=text) if note else text
        self.report.print(wrapped(noted, self.report.width, "  "))
        if self.seconds is not None:
            text = _("it takes about {duration} here, and {most} at most")
            text = text.format(duration=duration(self.seconds), most=duration(protocol.time_box_s))
            self.report.print(
                wrapped(_("no points: {text}").format(text=text) if note else text, self.report.width, "  ")
            )
        if self.report.console.is_terminal:
            from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
            from rich.progress import Progress as RichProgress

            columns = (TextColumn("{task.description}"), BarColumn(), TextColumn(_("{task.completed:,} images")))
            self.bar = RichProgress(*columns, TimeRemainingColumn(), console=self.report.console, transient=True)
            self.task = self.bar.add_task(_("no points") if note else _("training"), total=None)
            self.bar.start()
        return self

    def __call__(self, said: "TrainingProgress") -> None:
        if self.bar is not None:
            self.bar.update(self.task, completed=said.images, total=said.of)

    def __exit__(self, *_: object) -> None:
        if self.bar is not None:
            self.bar.stop()
