"""What nvidia-smi says of this machine's GPUs: the name, the memory in use, and a record of a class's run.

Called by `gpu_sharing`, by `class_run` for a class's record, and by `check --train` for receipts. The record,
`gpu.csv`, is added to by each run into the same folder; without a GPU there is none. GPUs of a cluster's workers aren't
in it. It decides nothing, and never imports torch.
"""

import contextlib
import csv
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from autograder.machine import Card, cards, gpu_available

FILE = "gpu.csv"
EVERY_S = 10
COLUMNS = "timestamp,index,name,utilization.gpu,memory.used,memory.total"


@dataclass(frozen=True)
class Sample:
    """One GPU at one moment: its share of time in which a kernel ran, and its memory in use."""

    gpu: int
    name: str
    percent: float
    used_mib: float
    total_mib: float


@contextlib.contextmanager
def recorded(out: Path) -> Iterator[None]:
    """Within this context, what the GPUs do is added to the record in `out`."""
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


def memory(card: Card | None = None) -> tuple[float, float] | None:
    """(MiB in use, MiB in all) of a GPU, by default the first that runs are given; None where nvidia-smi doesn't say.

    It doesn't for a MIG slice, so only one training at a time is let onto one.
    """
    card = card or next(iter(cards()), None)
    if card is not None and card.name.startswith("MIG-"):
        return None
    which = "0" if card is None else card.name
    command = ["nvidia-smi", "--query-gpu=memory.used,memory.total", "--format=csv,noheader,nounits", f"--id={which}"]
    try:
        said = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True).stdout
        used, total = map(float, said.split(","))
    except (OSError, subprocess.SubprocessError, ValueError):
        return None
    return used, total


def gpu_name() -> str:
    """What the first NVIDIA GPU calls itself, "" without one. Doesn't import torch."""
    if shutil.which("nvidia-smi") is None:
        return ""
    asked = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
    try:
        said = subprocess.run(asked, capture_output=True, text=True, timeout=20, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return ""
    return (said.splitlines() or [""])[0].strip()[:200]


def read(out: Path) -> list[Sample]:
    """What is on record, in order; [] where nothing is. A line that was cut, or has no numbers, is left out."""
    samples = []
    with contextlib.suppress(OSError), (out / FILE).open(newline="", encoding="utf-8", errors="replace") as file:
        for row in csv.reader(file, skipinitialspace=True):
            with contextlib.suppress(ValueError):
                _, index, name, percent, used, total = row
                samples.append(Sample(int(index), name[:100], float(percent), float(used), float(total)))
    return samples
