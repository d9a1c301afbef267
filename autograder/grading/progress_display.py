"""What `grade` shows while a class runs: bars with an estimate on a terminal, a line for each student on any output.

Called by `class_run.py`, and by `schedule.py` from two threads. Counts what it is told, and decides nothing.
"""

import threading
import time
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from autograder.course.rubric import points_text
from autograder.grading.estimate import Estimate, Work
from autograder.intake.entry import Entry
from autograder.observations import TrainingProgress
from autograder.results.live import Running
from autograder.results.result import Result
from autograder.runner import gpu_sharing

QUIET_S = 8.0  # without a terminal, a line about the whole class comes this often at first
QUIET_SHARE = 0.05  # and later after this share of the time that the class has taken so far,
LONGEST_QUIET_S = 300.0  # up to this
FRESH_S = 1.0  # how long an estimate of the time left is shown: a new one looks at everybody who waits


class Display:
    """The progress of one class; to be used as a context manager."""

    def __init__(self, console: Console, runs: list[Entry], copies: int, workers: int, estimate: Estimate) -> None:
        """`copies`: how many more students have the same bytes as one of `runs`, and need no run of their own."""
        self.console = console
        self.total = len(runs) + copies
        self.looks = len(runs)
        self.workers = workers
        self.estimate = estimate
        self.waiting = {entry.student for entry in runs}
        self.running: dict[str, float] = {}  # when each training began, by this process's clock
        self.heard: dict[str, TrainingProgress] = {}  # what each of these said last
        self.seen = self.done = 0
        self.began = self.said = time.monotonic()  # `said`: when a line was last printed
        self.over = threading.Event()
        self.teller = threading.Thread(target=self._tell, daemon=True)
        self.left = ""
        self.left_at = -FRESH_S  # when that was estimated
        self.lock = threading.Lock()
        columns = (
            TextColumn("{task.description:9}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[more]}"),
        )
        self.bars = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
        self.checks = self.bars.add_task("checks", total=self.looks, more="")
        self.training = self.bars.add_task("training", total=self.total, more=f"{min(workers, self.total)} at a time")

    def __enter__(self) -> "Display":
        self.bars.start()
        if not self.console.is_terminal:
            self.teller.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.bars.stop()
        self.over.set()
        if self.teller.is_alive():
            self.teller.join()

    def _tell(self) -> None:
        """Without a terminal: a line where nothing else was said for a while, so that nobody thinks it hangs."""
        while not self.over.wait(min(1.0, QUIET_S)):
            now = time.monotonic()
            if now - self.said < min(max(QUIET_S, QUIET_SHARE * (now - self.began)), LONGEST_QUIET_S):
                continue
            with self.lock:
                left = self._left(now)
            done = (
                f"training  {self.done}/{self.total}" if self.seen == self.looks else f"checks {self.seen}/{self.looks}"
            )
            self._say(f"{done}   {left} left" if left else done)

    def _say(self, line: str) -> None:
        self.said = time.monotonic()
        self.console.print(line)

    def observed(self, student: str, work: Work) -> float:
        """A student has been observed. Returns the seconds that the training is expected to take."""
        self.seen += 1
        self.bars.update(self.checks, completed=self.seen)
        if self.seen == self.looks and not self.console.is_terminal:
            self._say(f"checks {self.seen}/{self.looks}")
        with self.lock:
            return self.estimate.expect(student, work)

    def progressed(self, student: str, said: TrainingProgress) -> None:
        """Take a report of a training that runs; one that comes after the training's result is dropped."""
        now = time.monotonic()
        with self.lock:
            if student not in self.waiting and student not in self.running:
                return  # sent before the training ended, received after
            self.waiting.discard(student)
            self.running.setdefault(student, now - said.seconds)
            self.heard[student] = said
            if said.images:
                self.estimate.measured(student, now - self.running[student], min(1.0, said.images / max(said.of, 1)))
            self._left(now)

    def graded(self, result: Result) -> None:
        """Print the line of a student whose result is final, and move the bar on."""
        self.done += 1
        with self.lock:
            began = self.running.pop(result.student, None)
            self.heard.pop(result.student, None)
            self.waiting.discard(result.student)
            if began is not None:
                self.estimate.measured(result.student, time.monotonic() - began, 1.0)
            left = self._left(time.monotonic())
        reached = "no accuracy" if result.accuracy is None else result.accuracy.shown
        protocol = "" if result.protocol_label == "full" else f"{result.protocol_label}  "
        # Of several GPUs of a machine, `machine` names the one that it was.
        reached += f" on {result.machine}" if "(GPU " in result.machine else ""
        earned = result.tier_label if result.points is None else f"{points_text(result.points)} points"
        self.bars.update(self.training, completed=self.done)
        self._say(
            f"{self.done:>{len(str(self.total))}}/{self.total}  {result.student}  {protocol}{reached}  "
            f"{earned or result.status}{'' if self.console.is_terminal or not left else f'   {left} left'}"
        )

    def told(self) -> dict[str, Any]:
        """How far the class is, as fields of `Live`."""
        with self.lock:
            running = {
                student: Running(images=said.images, of=said.of, seconds=said.seconds, loss=said.loss)
                for student, said in self.heard.items()
            }
            counts = {"looks": self.looks, "seen": self.seen, "total": self.total, "done": self.done}
            left = self._left(time.monotonic())
            return {**counts, "left": left, "waiting": sorted(self.waiting), "running": running}

    def notice(self, text: str) -> None:
        self._say(f"notice: {text}")

    def _left(self, now: float) -> str:
        """How long the rest takes, as far as the trainings so far tell; "" while that can't be said."""
        if self.seen < self.looks or not self.estimate.has_measured or not (self.waiting or self.running):
            return ""
        if now - self.left_at > FRESH_S:
            gone = {student: now - began for student, began in self.running.items()}
            self.left = about(
                self.estimate.left(list(self.waiting), gone, max(gpu_sharing.at_a_time(self.workers), len(gone)))
            )
            self.left_at = now
            self.bars.update(self.training, more=f"{self.left} left")
        return self.left


def about(seconds: float) -> str:
    """`about 40 s`, `about 31 min`, `about 16 h`, `about 5 days`."""
    for unit, size, most in (("s", 1, 90), ("min", 60, 90), ("h", 3600, 48)):
        if seconds < size * most:
            return f"about {max(1, round(seconds / size))} {unit}"
    return f"about {round(seconds / 86_400)} days"
