"""What this machine's GPUs did while a class ran: nvidia-smi's own record, and the plot of it in the class report.

Called by `class_run.py`, and by `sharing.py` for what is in use now. The record, `gpu.csv`, is added to by each run
into the same folder; without a GPU there is none. GPUs of a cluster's workers aren't in it. It decides nothing.
"""

import contextlib
import csv
import os
import shutil
import statistics
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from autograder import drawing
from autograder.supervise import gpu_available

FILE = "gpu.csv"
EVERY_S = 10
COLUMNS = "timestamp,index,name,utilization.gpu,memory.used,memory.total"
PARTS = 60  # of a line; the table has tenths
TENTHS = 10


@dataclass(frozen=True)
class Sample:
    """One GPU at one moment: its share of time in which a kernel ran, and its memory in use."""

    gpu: int
    name: str
    percent: float
    used_mib: float
    total_mib: float


@dataclass(frozen=True)
class Line:
    """One GPU's samples, ready to be drawn.

    Attributes:
        path: SVG path data.
        percent: the mean of all.
        tenths: the mean of each tenth of the time.
        most_mib, total_mib: memory in use at most, of so much.
    """

    gpu: int
    name: str
    path: str
    percent: float
    tenths: list[float]
    most_mib: float
    total_mib: float


@dataclass(frozen=True)
class Use:
    """All GPUs' lines; `seconds` is how long was recorded."""

    seconds: float
    lines: list[Line]


@contextlib.contextmanager
def recorded(out: Path) -> Iterator[None]:
    """What the GPUs do within is added to `out`'s record."""
    if not gpu_available() or shutil.which("nvidia-smi") is None:
        yield
        return
    command = ["nvidia-smi", f"--query-gpu={COLUMNS}", "--format=csv,noheader,nounits", f"--loop={EVERY_S}"]
    with (out / FILE).open("ab") as file:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.terminate()
        process.wait()


def memory() -> tuple[float, float] | None:
    """MiB in use of the GPU that runs are given, of how many; None where nvidia-smi doesn't say."""
    which = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")[0] or "0"
    command = ["nvidia-smi", "--query-gpu=memory.used,memory.total", "--format=csv,noheader,nounits", f"--id={which}"]
    try:
        said = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True).stdout
        used, total = map(float, said.split(","))
    except (OSError, subprocess.SubprocessError, ValueError):
        return None
    return used, total


def read(out: Path) -> list[Sample]:
    """What is on record, in order; [] where nothing is. A line that was cut, or has no numbers, is left out."""
    samples = []
    with contextlib.suppress(OSError), (out / FILE).open(newline="", encoding="utf-8", errors="replace") as file:
        for row in csv.reader(file, skipinitialspace=True):
            with contextlib.suppress(ValueError):
                _, index, name, percent, used, total = row
                samples.append(Sample(int(index), name[:100], float(percent), float(used), float(total)))
    return samples


def plot(samples: Sequence[Sample]) -> Use | None:
    """The plot, or None where there are too few samples for a line."""
    by_gpu: dict[int, list[Sample]] = {}
    for sample in samples:
        by_gpu.setdefault(sample.gpu, []).append(sample)
    enough = {gpu: seen for gpu, seen in sorted(by_gpu.items()) if len(seen) >= TENTHS}
    if not enough:
        return None
    return Use(
        seconds=EVERY_S * max(map(len, enough.values())), lines=[_line(gpu, seen) for gpu, seen in enough.items()]
    )


def _line(gpu: int, seen: Sequence[Sample]) -> Line:
    percents = [sample.percent for sample in seen]
    means = _means(percents, min(PARTS, len(seen)))
    return Line(
        gpu=gpu,
        name=seen[-1].name,
        path=drawing.path(
            (drawing.x((part + 0.5) / len(means)), drawing.y(min(mean, 100) / 100)) for part, mean in enumerate(means)
        ),
        percent=statistics.fmean(percents),
        tenths=_means(percents, TENTHS),
        most_mib=max(sample.used_mib for sample in seen),
        total_mib=seen[-1].total_mib,
    )


def _means(values: Sequence[float], parts: int) -> list[float]:
    bounds = [len(values) * part // parts for part in range(parts + 1)]
    return [statistics.fmean(values[begin:end]) for begin, end in pairwise(bounds)]
