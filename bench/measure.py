"""`make bench`: what must be fast, against what people would otherwise use, measured side by side in one run.

Writes `build/bench.json`, a flat object of ratios, and prints the seconds behind them with machine and date:

    loader_ours_over_torchvision  how many times faster a script's own loader (ToTensor and Normalize, batches of 64) is
                                  on the proctor's stand-in than on torchvision's CIFAR10
    proctor_over_bare             seconds of training under the proctor over seconds of the bare script
    check_over_import             `autograder check` over `python -c "import torch, torchvision"`
    check_over_limit              the same over what it may take: one and a half such imports and a second
    checks_fresh_over_warm        checks of 40 submissions, one `autograder check` after the other (the median of eight,
                                  times 40), over the same by what `grade` has: forks, as many at a time as there are
                                  cores, the start of what is forked from included

Both sides run one script, which times itself, on the same pictures: torchvision's files are written from the prepared
dataset in the official format, and only the check of their MD5 sums is left out. Sides take turns, and the one that
begins changes; a ratio is that of the medians. It needs two quiet cores: on two, with the defaults, about 45 minutes.
"""

import argparse
import json
import os
import pickle
import platform
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path

import numpy as np
import torch
from torchvision.datasets import CIFAR10

from autograder import checks, dataset, homework, sandbox, submission, supervise, warm
from autograder.dataset import Dataset
from autograder.homework import ROOT

BUILD = ROOT / "build"
SOLUTION = ROOT / "solution" / "hw6" / "hw6.py"
HW6 = homework.load("hw6")
BATCH = 64
CHECKED = 40
TEST_IMAGES = 200  # they are answered after the training that is timed

BARE = """
import runpy
import torchvision.datasets.cifar as cifar
cifar.check_integrity = lambda *_: True
runpy.run_path({script!r}, run_name="__main__")
"""

LOADING = """
import time
import torch
import torchvision
from torchvision import transforms

normalize = transforms.Normalize((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
transform = transforms.Compose([transforms.ToTensor(), normalize])
trainset = torchvision.datasets.CIFAR10(root="./data", train=True, download=True, transform=transform)
loader = torch.utils.data.DataLoader(trainset, batch_size=64, shuffle=True)
for _ in range(3):
    started = time.perf_counter()
    images = 0
    for batch, labels in loader:
        images += len(batch)
    print(f"measured {time.perf_counter() - started} s, {images} images")
"""


def main() -> None:
    """Measure, print, and write `build/bench.json`."""
    parser = argparse.ArgumentParser(description="Measure what must be fast, into build/bench.json.")
    parser.add_argument("--batches", type=int, default=200, help="training batches of 64 a side (default: 200)")
    parser.add_argument("--repeats", type=int, default=3, help="trainings a side (default: 3)")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="of torch (default: one a core)")
    parser.add_argument("--data", type=Path, help="a prepared dataset's folder (default: practice data)")
    parser.add_argument("--only", choices=["loader", "proctor", "check", "checks"], help="measure one of them only")
    asked = parser.parse_args()

    print(
        f"{date.today()} · {processor()}, {os.cpu_count()} cores · torch {torch.__version__}, {asked.threads} threads"
    )
    source = dataset.load(asked.data) if asked.data else dataset.practice(ROOT / "data")
    pictures = _pictures(source, asked.batches * BATCH)
    ratios: dict[str, float] = {}

    if asked.only in (None, "loader"):
        theirs, ours = _in_turns(*_sides("loading.py", LOADING, pictures, asked.threads), repeats=5)
        ratios["loader_ours_over_torchvision"] = theirs / ours
        images = pictures.train_count
        print(f"loader: {images / ours:,.0f} images/s under the proctor, {images / theirs:,.0f} from torchvision")

    if asked.only in (None, "check"):
        imported, checked = _in_turns(
            lambda: _seconds_of([sys.executable, "-c", "import torch, torchvision"]),
            lambda: _seconds_of([str(Path(sys.executable).parent / "autograder"), "check", str(SOLUTION)]),
            repeats=7,
        )
        ratios["check_over_import"] = checked / imported
        ratios["check_over_limit"] = checked / (1.5 * imported + 1)
        print(f"check: {checked:.2f} s, import torch, torchvision: {imported:.2f} s")

    if asked.only in (None, "checks"):
        warmed, fresh = _checks()
        ratios["checks_fresh_over_warm"] = fresh / warmed
        print(f"checks of {CHECKED} submissions: {warmed:.1f} s by forks, {fresh:.1f} s one after the other")

    if asked.only in (None, "proctor"):
        bare, proctored = _in_turns(*_sides("training.py", _training(), pictures, asked.threads), repeats=asked.repeats)
        ratios["proctor_over_bare"] = proctored / bare
        print(f"training, {asked.batches} batches of {BATCH}: {proctored:.1f} s under the proctor, {bare:.1f} s bare")

    path = BUILD / "bench.json"
    path.write_text(json.dumps({name: round(ratio, 4) for name, ratio in ratios.items()}, indent=2) + "\n")
    print(path.read_text(), end="")


def _in_turns(first: Callable[[], float], second: Callable[[], float], *, repeats: int) -> tuple[float, float]:
    """The medians of two measurements that take turns."""
    seconds: tuple[list[float], list[float]] = ([], [])
    for number in range(repeats):
        sides = [(first, seconds[0]), (second, seconds[1])]
        for side, measured in sides if number % 2 == 0 else reversed(sides):
            measured.append(side())
            _note(measured[-1])
    _note(None)
    return statistics.median(seconds[0]), statistics.median(seconds[1])


def _note(seconds: float | None) -> None:
    if sys.stderr.isatty():
        print(
            "" if seconds is None else f"{seconds:.2f} s",
            end="\n" if seconds is None else "  ",
            file=sys.stderr,
            flush=True,
        )


def _sides(name: str, source: str, pictures: Dataset, threads: int) -> tuple[Callable[[], float], Callable[[], float]]:
    """Two ways to run a script: bare, on torchvision's files; and under the proctor. Each returns what it measured."""
    script = BUILD / "bench" / name
    script.write_text(source, encoding="utf-8")
    handed_in = submission.read(script)
    place = sandbox.choose(None)
    protocol = HW6.protocol("full", hours=4)

    def bare() -> float:
        return _measured(
            subprocess.run(
                [sys.executable, "-c", BARE.format(script=str(script))],
                cwd=BUILD / "bench",
                env={**os.environ, "OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                check=False,
            ).stdout
        )

    def proctored() -> float:
        return _measured(supervise.train(HW6, handed_in, pictures, protocol, place, threads=threads).log)

    return bare, proctored


def _measured(printed: str) -> float:
    """The median of what a script says it measured."""
    seconds = [float(found) for found in re.findall(r"^measured (\S+) s", printed, re.MULTILINE)]
    if not seconds:
        sys.exit(f"the script measured nothing. It printed:\n{printed[-3000:]}")
    return statistics.median(seconds)


def _seconds_of(command: list[str]) -> float:
    started = time.perf_counter()
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    seconds = time.perf_counter() - started
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)} exited with {done.returncode}:\n{done.stdout[-3000:]}")
    return seconds


def _checks() -> tuple[float, float]:
    """Seconds for `CHECKED` submissions, all right and all different: by forks, and in fresh processes."""
    text = SOLUTION.read_bytes()
    handed_in = [submission.of(SOLUTION.name, text + f"# {number}\n".encode()) for number in range(CHECKED)]
    place = sandbox.choose(None)

    def look(one: submission.Submission) -> None:
        seen = supervise.observe(HW6, one, place, warm=True)
        if not checks.passed(checks.run(seen, HW6)):
            sys.exit("a check of the solution failed")

    began = time.perf_counter()
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(look, handed_in))
    forked = time.perf_counter() - began
    warm.end()
    command = [str(Path(sys.executable).parent / "autograder"), "check", str(SOLUTION)]
    return forked, CHECKED * statistics.median(_seconds_of(command) for _ in range(8))


def _training() -> str:
    """The solution, but for batches of 64, one epoch and a clock around the training loop; it ends after that."""
    text = SOLUTION.read_text(encoding="utf-8")
    for wanted, instead in (
        (r"^batch_size = \d+$", f"batch_size = {BATCH}"),
        (r"^for epoch in range\(5\):$", "import time\n\nstarted = time.perf_counter()\nfor epoch in range(1):"),
        (
            r"^net\.eval\(\).*$",
            'print(f"measured {time.perf_counter() - started} s")\nnet.eval()\nraise SystemExit(0)',
        ),
    ):
        text, count = re.subn(wanted, instead, text, flags=re.MULTILINE)
        if count != 1:
            sys.exit(f"{SOLUTION} has {count} lines like {wanted}: the bench has to follow it")
    return text


def _pictures(source: Dataset, count: int) -> Dataset:
    """`count` training images of a dataset, repeated where it has fewer, prepared under build/ in both formats."""
    root = BUILD / "bench"
    train, test = np.arange(count) % source.train_count, np.arange(TEST_IMAGES) % source.test_count
    arrays = {
        "train_images": source.train_images[train],
        "train_labels": source.train_labels[train],
        "test_images": source.test_images[test],
        "test_labels": source.test_labels[test],
    }
    prepared = dataset.write(root, "pictures", f"{count} of {source.name}, for the bench", arrays, source.classes)
    folder = root / "data" / CIFAR10.base_folder
    folder.mkdir(parents=True, exist_ok=True)
    names = [name for name, _ in CIFAR10.train_list]
    _write_batches(folder, names, arrays["train_images"], arrays["train_labels"])
    _write_batches(folder, [CIFAR10.test_list[0][0]], arrays["test_images"], arrays["test_labels"])
    (folder / CIFAR10.meta["filename"]).write_bytes(pickle.dumps({CIFAR10.meta["key"]: list(source.classes)}))
    return prepared


def _write_batches(folder: Path, names: list[str], images: dataset.Images, labels: dataset.Labels) -> None:
    planes = images.transpose(0, 3, 1, 2).reshape(len(images), -1)
    for name, some, of in zip(
        names, np.array_split(planes, len(names)), np.array_split(labels, len(names)), strict=True
    ):
        (folder / name).write_bytes(pickle.dumps({"data": some, "labels": of.tolist()}))


def processor() -> str:
    """What the processor calls itself."""
    try:
        found = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:
        found = None
    return found.group(1) if found else platform.processor() or platform.machine()


if __name__ == "__main__":
    main()
