"""What `bench/measure.py` measures of a whole class: against its scripts one after another, and a plain loop."""

import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

from autograder import homeworks
from autograder.course import prepare, rubric
from autograder.files import ROOT
from autograder.grading import schedule
from autograder.intake.entry import Entry
from autograder.intake.submission import of
from autograder.observations import Observations
from autograder.runner.setup import Setup
from autograder.runner.train import Training
from autograder.sandbox import sandbox

# Without the class's notebook, which can't be started bare.
SCRIPTS = sorted((ROOT / "examples" / "submissions" / "resnet20").glob("*/*.py"))
TRAININGS, TRAINING_S, AT_A_TIME = 20, 10.0, 2
COPIES = 2  # students with each of the seven scripts, no two files equal


def serial(bare: Callable[[Path], list[str]], folder: Path, threads: int) -> float:
    """Seconds for the class's scripts, one after another: what `bare` makes of each, run in `folder`.

    Each is run once, and counted as often as it is there.
    """
    began = time.perf_counter()
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}
    for script in SCRIPTS:
        subprocess.run(bare(script), cwd=folder, env=environment, capture_output=True, check=False)
    return COPIES * (time.perf_counter() - began)


def graded() -> float:
    """Seconds for the same scripts by `autograder grade`, with a preview's images: checks, trainings, tests, pages."""
    with tempfile.TemporaryDirectory() as folder:
        class_, out = Path(folder, "class"), Path(folder, "out")
        for script in SCRIPTS:
            for number in range(COPIES):
                student = class_ / f"{script.parent.name}-{number}"
                student.mkdir(parents=True)
                (student / script.name).write_bytes(script.read_bytes() + f"\n# {number}\n".encode())
        words = ["grade", str(class_), "--homework", "resnet20", "--out", str(out), "--data", "practice"]
        began = time.perf_counter()
        done = subprocess.run(
            [str(Path(sys.executable).parent / "autograder"), *words, "--protocol", "preview"],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        seconds = time.perf_counter() - began
    if done.returncode != 0:
        sys.exit(f"the class wasn't graded:\n{done.stdout[-3000:]}")
    return seconds


def engine_and_loop() -> tuple[float, float]:
    """Seconds of the schedule, and of a plain loop, for trainings that only wait; both run at the same time."""
    taken: dict[str, float] = {}

    def loop() -> None:
        began = time.perf_counter()
        threads = [threading.Thread(target=_some, args=(TRAININGS // AT_A_TIME,)) for _ in range(AT_A_TIME)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        taken["loop"] = time.perf_counter() - began

    beside = threading.Thread(target=loop)
    beside.start()
    began = time.perf_counter()
    listener = schedule.Listener(lambda *_: 0.0, lambda *_: None, lambda _: None)
    with schedule.start(_setup(), AT_A_TIME, listener) as run:
        results = list(run([_entry(number) for number in range(TRAININGS)]))
    taken["engine"] = time.perf_counter() - began
    beside.join()
    if len(results) != TRAININGS or any(graded.crash for graded in results):
        sys.exit("the engine lost trainings")
    return taken["engine"], taken["loop"]


def _some(count: int) -> None:
    for _ in range(count):
        time.sleep(TRAINING_S)


def _setup() -> Setup:
    hw6 = homeworks.load("hw6")
    images = prepare.practice(ROOT / "data")
    ruled = rubric.load(rubric.PATH, "hw6")
    return Setup(hw6, ruled, hw6.preview, images, sandbox.Sandbox("none"), runner=_Waits())


def _entry(number: int) -> Entry:
    return Entry(f"s{number:02}", "READ", submission=of("hw6.py", f"print({number})\n".encode()))


class _Waits:
    """A runner whose trainings only wait, and that observes nothing."""

    def has_gpu(self) -> bool:
        return False

    def observe(self, *_: object, **__: object) -> Observations:
        return Observations(homework="hw6", file="hw6.py", problem="NO_RESULT: not run here")

    def train(self, *_: object, **__: object) -> Training:
        time.sleep(TRAINING_S)
        return Training("NO_RESULT", "not run here", None)
