"""What a submission costs the grader beside its run, in classes of 10, 100 and 1,000: time, memory, bytes on disk.

Each class is graded in a process of its own by the real `grade`: schedule, checks, results, pages, history, gradebook.
Only what would run in a sandbox is stood in for, by observations and trainings that take no time and hold what real
ones hold. For that the made-up class of `examples/` is observed, and the solution is trained for a moment; every
student gets a copy with accuracies and 500 losses of their own. Files are different from each other, more than any two
in a class.

    python bench/cohort.py                     # on two quiet cores about ten minutes
    python bench/cohort.py --sizes 10 100

A cost is a difference quotient: the seconds that a class takes more than the one before, divided by the students that
it has more. So the start of a process isn't in it. CPU seconds say more than seconds where other work runs beside it.
Prints what `docs/results.md` has, and writes `build/cohort.json`:

    submission_cost_ratio          CPU seconds of one submission between the two largest classes over those of one
                                   between the two smallest, without the comparison of files
    mib_more_per_1000              how many MiB more memory 1,000 submissions more take at most, between the two largest
    mib_more_per_1000_comparing    the same with the comparison of files
    classes                        all that was measured of each

Files are compared pair by pair, so that cost grows with the class (`autograder/publish/similar_files.py`) and is shown
apart.
"""

import argparse
import contextlib
import itertools
import json
import multiprocessing
import os
import random
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import torch

from autograder import checks, homeworks
from autograder.commands import grade
from autograder.commands.request import ClassRequest
from autograder.course import dataset, prepare
from autograder.files import ROOT, write_text
from autograder.grading import collected
from autograder.intake import submission
from autograder.machine import machine
from autograder.observations import Observations, TrainingProgress
from autograder.publish import class_report, feedback_page, nbgrader_gradebook, similar_files
from autograder.results import history, store
from autograder.runner.runner import SANDBOX_RUNNER
from autograder.runner.train import Training
from autograder.sandbox import fork_client, sandbox

SOLUTION = ROOT / "solution" / "hw6" / "hw6.py"
EXAMPLES = ROOT / "examples" / "submissions" / "hw6"
HW6 = homeworks.load("hw6")
TRAINED = 40  # images, so that a training is over in seconds
LOSSES = 500  # of a full training's report
TELLS = 10  # times that a training says how far it is; a real one says it every two seconds
OWN_LINES = 60  # of each file

Parts = dict[str, float]


@dataclass(frozen=True)
class Sample:
    """What real runs gave, to be handed out again.

    Attributes:
        looks: of the solution and of the made-up class.
        training: of the solution, on few images.
    """

    looks: list[Observations]
    training: Training


@dataclass(frozen=True)
class Measured:
    """One class.

    Attributes:
        seconds, cpu_s: of the command.
        parts: CPU seconds of what is called once for each submission or once for the class, by what it does.
        start_mib: of memory, before the first submission is read.
        peak_mib: the most there was before files are compared, and `peak_comparing_mib` at all.
        files: how many were written.
        disk_bytes: of these, by what they are.
    """

    students: int
    seconds: float
    cpu_s: float
    parts: Parts
    start_mib: float
    peak_mib: float
    peak_comparing_mib: float
    files: int
    disk_bytes: dict[str, int]

    @property
    def own_cpu_s(self) -> float:
        """Without the comparison of files."""
        return self.cpu_s - self.parts["comparing files"]


def main() -> None:
    """Measure, print, and write a file."""
    parser = argparse.ArgumentParser(description="What a submission costs the grader, in small and large classes.")
    parser.add_argument("--sizes", type=int, nargs="+", default=[10, 100, 1000], help="default: 10 100 1000")
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "cohort.json")
    asked = parser.parse_args()
    if len(asked.sizes) < 2 or sorted(set(asked.sizes)) != asked.sizes:
        parser.error("--sizes: at least two, each larger than the one before")
    data = prepare.practice(ROOT / "data")
    print(f"{date.today()} · {machine('cpu')} · torch {torch.__version__} · load {os.getloadavg()[0]:.1f}")
    sample = take_sample(data)
    classes = []
    for students in asked.sizes:
        with (
            tempfile.TemporaryDirectory(prefix="bench-") as name,
            ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as apart,
        ):
            classes.append(apart.submit(measure, students, sample, Path(name), data.folder).result())
    found = {**ratios(classes), "classes": [asdict(one) for one in classes]}
    write_text(asked.out, json.dumps(found, indent=1) + "\n")
    print(table(classes))
    print(*(f"{name} {value:.3g}" for name, value in ratios(classes).items()), sep="\n")


# --- what is handed out ----------------------------------------------------------------------------------------------


def take_sample(data: dataset.Dataset) -> Sample:
    """Look at the examples and train the solution on a few images."""
    place = sandbox.choose("none")  # these are our own
    paths = [SOLUTION, *sorted(EXAMPLES.glob("*/*.py"))]
    looks = [SANDBOX_RUNNER.observe(HW6, submission.read(path), place, warm=True) for path in paths]
    fork_client.end()
    short = replace(HW6.protocol("preview"), epochs=1, train_images=TRAINED)
    return Sample(looks, SANDBOX_RUNNER.train(HW6, submission.read(SOLUTION), data, short, place, threads=1))


class Runs:
    """A runner that runs nothing. A process has one: Dask packs what its tasks get, and unpacks this very one."""

    here: "Runs | None" = None

    def __init__(self, sample: Sample, labels: Sequence[int]) -> None:
        self.sample = sample
        self.labels = np.asarray(labels)
        Runs.here = self

    def __reduce__(self) -> tuple[Callable[[], "Runs | None"], tuple[()]]:
        return _here, ()

    def has_gpu(self) -> bool:
        """There is none."""
        return False

    def observe(self, given: object, handed_in: submission.Submission, *_: object, **__: object) -> Observations:
        looks = self.sample.looks
        return looks[seed_of(handed_in) % len(looks)].model_copy(deep=True)

    def train(
        self,
        given: object,
        handed_in: submission.Submission,
        *_: object,
        progress: Callable[[TrainingProgress], None],
        **__: object,
    ) -> Training:
        seed = seed_of(handed_in)
        chance = np.random.default_rng(seed)
        for part in range(TELLS):
            progress(TrainingProgress(images=part + 1, of=TELLS, seconds=0.0, loss=1.0))
        right = chance.random(len(self.labels)) < chance.uniform(0.2, 0.95)
        answers = np.where(right, self.labels, (self.labels + chance.integers(1, 10, len(self.labels))) % 10)
        scores = {name: one.copy() for name, one in self.sample.training.scores.items()}
        for one in scores.values():
            one[np.arange(len(answers)), answers] = one.max() + 1
        sampled = self.sample.training.report
        assert sampled is not None
        images = np.linspace(1, 250_000, LOSSES).astype(int)
        losses = 2.3 * np.exp(-images / 100_000) + chance.uniform(0, 0.5, LOSSES)
        told = sampled.model_copy(
            update={"losses": list(zip(images.tolist(), losses.tolist(), strict=True))}, deep=True
        )
        return replace(self.sample.training, report=told, scores=scores)


def _here() -> Runs | None:
    return Runs.here


def seed_of(handed_in: submission.Submission) -> int:
    """Which student's file it is: its last line says so."""
    return int(handed_in.content.rpartition(b"#")[2])


def write_class(folder: Path, students: int) -> None:
    """Write everybody's file: the solution, and lines that nobody else has."""
    text = SOLUTION.read_text(encoding="utf-8")
    for number in range(students):
        chance = random.Random(number)
        own = "\n".join(f"value_{line} = {_expression(chance, depth=3)}" for line in range(OWN_LINES))
        write_text(folder / f"s{number:06}" / "hw6.py", f"{text}\n{own}\n# {number}\n")


def _expression(chance: random.Random, depth: int) -> str:
    if depth == 0:
        return chance.choice(["width", "[]", "()", "{}", "None", "True", str(chance.randrange(100))])
    one, other = (_expression(chance, chance.randrange(depth)) for _ in range(2))
    form = chance.choice(["({} + {})", "({} * {})", "max({}, {})", "[{}, {}]", "({} or {})", "({} if {} else 0)"])
    return form.format(one, other)


# --- one class, in a process of its own ------------------------------------------------------------------------------


def measure(students: int, sample: Sample, place: Path, data: Path) -> Measured:
    """Grade a class of so many students under `place`."""
    write_class(place / "class", students)
    out = place / "out"
    runs = Runs(sample, dataset.load(data).test_labels[: HW6.preview.test_images].tolist())
    parts: Counter[str] = Counter()
    before_comparing: list[float] = []

    def timed(name: str, holder: Any, function: str) -> None:
        """Have every call of `holder.function` add its CPU time to a part."""
        called = getattr(holder, function)

        def call(*given: Any, **words: Any) -> Any:
            if name == "comparing files":
                before_comparing.append(peak_mib())
            began = time.thread_time()
            try:
                return called(*given, **words)
            finally:
                parts[name] += time.thread_time() - began

        setattr(holder, function, call)

    for name, holder, function in (
        ("reading the class", collected, "take"),
        ("runs that are stood in for", runs, "observe"),
        ("runs that are stood in for", runs, "train"),
        ("checks", checks, "run"),
        ("history", history, "add"),
        ("result.json", store, "write"),
        ("feedback.html", feedback_page, "feedback"),
        ("comparing files", similar_files, "pairs"),
        ("report.html", class_report, "class_report"),
        ("gradebook", nbgrader_gradebook, "write"),
    ):
        timed(name, holder, function)
    start_mib = peak_mib()
    began, cpu_began = time.perf_counter(), time.process_time()
    with (place / "said").open("w") as said, contextlib.redirect_stdout(said):
        request = ClassRequest(
            submissions=place / "class",
            out=out,
            homework="hw6",
            data=data,
            protocol="preview",
            workers=2,
            sandbox="none",
        )
        code = grade.grade(request, runner=runs)
    seconds, cpu_s = time.perf_counter() - began, time.process_time() - cpu_began
    if code != 0:
        raise SystemExit(f"grading exited with {code}:\n{(place / 'said').read_text()[-3000:]}")
    files = [path for path in out.rglob("*") if path.is_file()]
    disk: Counter[str] = Counter()
    for path in files:
        disk["formgrader/" if path.is_relative_to(out / nbgrader_gradebook.FOLDER) else path.name] += (
            path.stat().st_size
        )
    return Measured(
        students=students,
        seconds=seconds,
        cpu_s=cpu_s,
        parts=dict(parts),
        start_mib=start_mib,
        peak_mib=before_comparing[0],
        peak_comparing_mib=peak_mib(),
        files=len(files),
        disk_bytes=dict(disk),
    )


def peak_mib() -> float:
    """The most memory that this process has had. (`ru_maxrss` counts the process that started it, too.)"""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise SystemExit("/proc doesn't say how much memory a process has had: this needs Linux")


# --- what came of it -------------------------------------------------------------------------------------------------


def ratios(classes: Sequence[Measured]) -> dict[str, float]:
    """What should be flat, of the smallest two classes and the largest two."""
    small, large = each(classes[0], classes[1]), each(classes[-2], classes[-1])
    return {
        "submission_cost_ratio": large["own_cpu_s"] / small["own_cpu_s"],
        "mib_more_per_1000": 1000 * large["peak_mib"],
        "mib_more_per_1000_comparing": 1000 * large["peak_comparing_mib"],
    }


def each(smaller: Measured, larger: Measured) -> Parts:
    """What one student more takes, between two classes."""
    more = larger.students - smaller.students
    names = ("seconds", "cpu_s", "own_cpu_s", "peak_mib", "peak_comparing_mib", "files")
    found = {name: (getattr(larger, name) - getattr(smaller, name)) / more for name in names}
    return found | {part: (larger.parts[part] - smaller.parts[part]) / more for part in larger.parts}


def table(classes: Sequence[Measured]) -> str:
    """All of it, as Markdown."""
    lines = ["| students | seconds | CPU s | peak MiB | the same with comparing files | files | MB on disk |"]
    lines.append("| --- " * 7 + "|")
    for one in classes:
        lines.append(
            f"| {one.students:,} | {one.seconds:.1f} | {one.cpu_s:.1f} | {one.peak_mib:.0f} "
            f"| {one.peak_comparing_mib:.0f} | {one.files:,} | {sum(one.disk_bytes.values()) / 1e6:.1f} |"
        )
    steps = list(itertools.pairwise(classes))
    heads = [f"{smaller.students:,} to {larger.students:,}" for smaller, larger in steps]
    lines += ["", f"| CPU ms for one submission more | {' | '.join(heads)} |", "| --- " * (1 + len(heads)) + "|"]
    found = [each(smaller, larger) for smaller, larger in steps]
    parts = [part for part in found[0] if part in classes[0].parts]
    rest = [one["cpu_s"] - sum(one[part] for part in parts) for one in found]
    rows = [(part, [one[part] for one in found]) for part in parts]
    rows += [("engine, display and all else", rest), ("all but comparing files", [one["own_cpu_s"] for one in found])]
    lines += [f"| {name} | {' | '.join(f'{1000 * value:.1f}' for value in values)} |" for name, values in rows]
    largest = classes[-1]
    lines += ["", "| kB on disk for each student | |", "| --- | --- |"]
    lines += [f"| {name} | {size / largest.students / 1e3:.1f} |" for name, size in largest.disk_bytes.items()]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
