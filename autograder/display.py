"""What `grade` shows while a class runs: bars with an estimate on a terminal, a line for each student on any output.

Called by `class_run.py`. Counts what the engine tells it, and decides nothing.
"""

import time

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from autograder.intake import Entry
from autograder.observations import TrainingProgress
from autograder.results import Result
from autograder.rubric import points_text

QUIET_S = 300.0  # without a terminal, a line about the whole class comes this often


class Display:
    """The progress of one class; to be used as a context manager."""

    def __init__(self, console: Console, runs: list[Entry], workers: int) -> None:
        self.console = console
        self.total = len(runs)
        self.parts = {entry.student: 0.0 for entry in runs}  # how much of each training is done, 0 to 1
        self.seen = self.done = 0
        self.began: float | None = None
        self.said = time.monotonic()  # when a line about the whole class was last printed
        columns = (
            TextColumn("{task.description:9}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[more]}"),
        )
        self.bars = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
        self.checks = self.bars.add_task("checks", total=self.total, more="")
        self.training = self.bars.add_task("training", total=self.total, more=f"{min(workers, self.total)} at a time")

    def __enter__(self) -> "Display":
        self.bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.bars.stop()

    def observed(self, student: str) -> None:
        self.seen += 1
        self.bars.update(self.checks, completed=self.seen)
        if self.seen == self.total and not self.console.is_terminal:
            self.console.print(f"checks {self.seen}/{self.total}")

    def progressed(self, student: str, said: TrainingProgress) -> None:
        self.began = self.began or time.monotonic()
        self.parts[student] = min(1.0, said.images / max(said.of, 1))
        left = self._estimate()
        if left and not self.console.is_terminal and time.monotonic() - self.said > QUIET_S:
            self.said = time.monotonic()
            self.console.print(f"training  {self.done}/{self.total}   {left} left")

    def graded(self, result: Result) -> None:
        self.done += 1
        self.parts[result.student] = 1.0
        left = self._estimate()
        reached = "no accuracy" if result.accuracy is None else f"{result.accuracy.counted_percent:.1f}%"
        protocol = "" if result.protocol_label == "full" else f"{result.protocol_label}  "
        earned = result.tier_label if result.points is None else f"{points_text(result.points)} points"
        self.bars.update(self.training, completed=self.done)
        self.console.print(
            f"{self.done:>{len(str(self.total))}}/{self.total}  {result.student}  {protocol}{reached}  "
            f"{earned or result.status}{'' if self.console.is_terminal or not left else f'   {left} left'}"
        )

    def _estimate(self) -> str:
        """How long the rest takes if it goes on as so far, "" while that can't be said."""
        share = sum(self.parts.values()) / self.total
        if self.began is None or share < 0.01 or self.done == self.total:
            return ""
        spent = time.monotonic() - self.began
        left = about(spent * (1 - share) / share)
        self.bars.update(self.training, more=f"{left} left")
        return left


def about(seconds: float) -> str:
    """`about 40 s`, `about 31 min`, `about 16 h`, `about 5 days`."""
    for unit, size, most in (("s", 1, 90), ("min", 60, 90), ("h", 3600, 48)):
        if seconds < size * most:
            return f"about {max(1, round(seconds / size))} {unit}"
    return f"about {round(seconds / 86_400)} days"
