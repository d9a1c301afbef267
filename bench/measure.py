"""`make bench`: what must be fast, against what people would otherwise use, measured side by side in one run.

Writes `build/bench.json`, a flat object of ratios, and the table of `docs/results.md` with medians, spreads, machine
and date:

    loader_ours_over_torchvision  how many times faster a script's own loader (ToTensor and Normalize, batches of 64) is
                                  on the proctor's stand-in than on torchvision's CIFAR10
    proctor_over_bare_NAME_BATCH  seconds of training under the proctor over those of the bare script: the solutions of
                                  hw6 and resnet20, in batches of 4 and of 128
    check_over_import             `autograder check` over `python -c "import torch, torchvision"`
    check_over_limit              the same over what it may take: one and a half such imports and a second
    checks_fresh_over_warm        checks of 40 submissions, one `autograder check` after the other (the median of some,
                                  times 40), over the same by what `grade` has: forks, as many at a time as there are
                                  cores, the start of what is forked from included
    class_serial_over_ours        the scripts of the example class of resnet20, each there twice, started bare one after
                                  another on a preview's images, over `autograder grade` of that class: checks,
                                  trainings, tests and pages
    engine_over_loop              `grading/schedule.py` with 20 trainings of 10 s each, two at a time, over a plain
                                  loop of the same (both at once, as they only wait)

Both sides run one script, which times itself, on the same pictures: torchvision's files are written from the prepared
dataset in the official format, and only the check of their MD5 sums is left out. Sides take turns, and begin in turn. A
ratio is the one of the medians; its spread is that of the single turns. It needs two quiet cores, and with the defaults
ten minutes of them.
"""

import argparse
import json
import os
import pickle
import re
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import torch
import whole_class
from torchvision.datasets import CIFAR10

from autograder import checks, homeworks
from autograder.course import dataset, prepare
from autograder.course.dataset import Dataset
from autograder.course.homework import Homework
from autograder.files import ROOT
from autograder.intake import submission
from autograder.machine import processor
from autograder.runner.runner import SANDBOX_RUNNER
from autograder.sandbox import fork_client, sandbox

BUILD = ROOT / "build"
SOLUTIONS = {name: ROOT / "solution" / name / f"{name}.py" for name in ("hw6", "resnet20")}
TRAINED = (
    ("hw6", 4, 140),
    ("hw6", 128, 6),
    ("resnet20", 4, 700),
    ("resnet20", 128, 50),
)  # batches that take ten seconds
CLOCK = 'print(f"measured {time.perf_counter() - started} s")'
HW6 = homeworks.load("hw6")
BATCH = 64
CHECKED = 40
LOADED = 6_400  # images that loaders are timed with
RESULTS = ROOT / "docs" / "results.md"
BEGIN, END = "<!-- make bench -->", "<!-- end of make bench -->"
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


@dataclass(frozen=True)
class Ratio:
    """One of the ratios, and what is behind it.

    Attributes:
        asked: what it must be, in words; "" where nothing is asked.
        value: of the medians.
        low, high: of single turns; None where there was one.
        behind: the seconds, in words.
    """

    name: str
    asked: str
    value: float
    low: float | None
    high: float | None
    behind: str


def main() -> None:
    """Measure, print, and write `build/bench.json` and the table."""
    parser = argparse.ArgumentParser(description="Measure what must be fast, into build/bench.json.")
    parser.add_argument("--share", type=float, default=1.0, help="of the training batches of a side (default: 1)")
    parser.add_argument("--repeats", type=int, default=2, help="trainings a side (default: 2)")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="of torch (default: one a core)")
    parser.add_argument("--data", type=Path, help="a prepared dataset's folder (default: practice data)")
    parser.add_argument("--only", choices=list(MEASURED), help="measure one of them only, and leave the table as it is")
    asked = parser.parse_args()

    about = (
        f"{date.today()} · {processor()}, {os.cpu_count()} cores · torch {torch.__version__}, {asked.threads} threads"
    )
    print(about)
    shutil.rmtree(BUILD / "bench", ignore_errors=True)
    (BUILD / "bench").mkdir(parents=True)
    ratios: list[Ratio] = []
    for name, measure in MEASURED.items():
        if asked.only in (None, name):
            for ratio in measure(asked):
                ratios.append(ratio)
                print(f"{ratio.name} {ratio.value:.3f}{_spread(ratio)}: {ratio.behind}", flush=True)
    path = BUILD / "bench.json"
    path.write_text(json.dumps({ratio.name: round(ratio.value, 4) for ratio in ratios}, indent=2) + "\n")
    print(path.read_text(), end="")
    if asked.only is None:
        _write_table(about, ratios)


def _loader(asked: argparse.Namespace) -> Iterator[Ratio]:
    pictures = _pictures(_source(asked), LOADED, TEST_IMAGES)
    theirs, ours = _in_turns(*_sides("loading.py", LOADING, pictures, asked.threads), repeats=2)
    rates = [pictures.train_count / statistics.median(side) for side in (ours, theirs)]
    behind = f"{rates[0]:,.0f} images/s against {rates[1]:,.0f}, batches of {BATCH}"
    yield _ratio("loader_ours_over_torchvision", "at least 8", theirs, ours, behind)


def _checks(asked: argparse.Namespace) -> Iterator[Ratio]:
    """Of one file in a process of its own; and of many, all right and all different, by forks."""
    imported, checked = _in_turns(
        lambda: _seconds_of([sys.executable, "-c", "import torch, torchvision"]),
        lambda: _seconds_of([str(Path(sys.executable).parent / "autograder"), "check", str(SOLUTIONS["hw6"])]),
        repeats=3,
    )
    behind = (
        f"{statistics.median(checked):.2f} s; `import torch, torchvision` takes {statistics.median(imported):.2f} s"
    )
    yield _ratio("check_over_import", "", checked, imported, behind)
    yield _ratio("check_over_limit", "under 1", checked, [1.5 * seconds + 1 for seconds in imported], behind)

    text = SOLUTIONS["hw6"].read_bytes()
    handed_in = [submission.of("hw6.py", text + f"# {number}\n".encode()) for number in range(CHECKED)]
    place = sandbox.choose(None)

    def look(one: submission.Submission) -> None:
        seen = SANDBOX_RUNNER.observe(HW6, one, place, warm=True)
        if not checks.passed(checks.run(seen, HW6)):
            sys.exit("a check of the solution failed")

    began = time.perf_counter()
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(look, handed_in))
    forked = time.perf_counter() - began
    fork_client.end()
    fresh = [CHECKED * seconds for seconds in checked]
    behind = f"{CHECKED} submissions: {forked:.1f} s by forks, {statistics.median(fresh):.1f} s one after the other"
    yield _ratio("checks_fresh_over_warm", "at least 8", fresh, [forked], behind)


def _proctor(asked: argparse.Namespace) -> Iterator[Ratio]:
    for name, size, count in TRAINED:
        batches = max(1, round(count * asked.share))
        pictures = _pictures(_source(asked), batches * size, TEST_IMAGES)
        sides = _sides(f"{name}_{size}.py", _training(name, size), pictures, asked.threads, homeworks.load(name))
        bare, proctored = _in_turns(*sides, repeats=asked.repeats)
        behind = (
            f"{statistics.median(proctored):.1f} s against {statistics.median(bare):.1f} s: {batches} batches of {size}"
        )
        yield _ratio(f"proctor_over_bare_{name}_{size}", "at most 1.00", proctored, bare, behind)


def _class(asked: argparse.Namespace) -> Iterator[Ratio]:
    preview = homeworks.load("resnet20").preview
    _pictures(prepare.practice(ROOT / "data"), preview.train_count(10**9), preview.test_count(10**9))

    def bare(script: Path) -> list[str]:
        return [sys.executable, "-c", BARE.format(script=str(script))]

    serial = whole_class.serial(bare, BUILD / "bench", asked.threads)
    graded = whole_class.graded()
    behind = f"{graded:.1f} s against {serial:.1f} s, one run a side"
    yield _ratio("class_serial_over_ours", "at least 1.5", [serial], [graded], behind)


def _engine(asked: argparse.Namespace) -> Iterator[Ratio]:
    ours, loop = whole_class.engine_and_loop()
    yield _ratio("engine_over_loop", "under 1.03", [ours], [loop], f"{ours:.2f} s against {loop:.2f} s, one run a side")


MEASURED = {
    "loader": _loader,
    "checks": _checks,
    "proctor": _proctor,
    "class": _class,
    "engine": _engine,
}


def _source(asked: argparse.Namespace) -> Dataset:
    return dataset.load(asked.data) if asked.data else prepare.practice(ROOT / "data")


def _ratio(name: str, asked: str, above: Sequence[float], below: Sequence[float], behind: str) -> Ratio:
    turns = [one / other for one, other in zip(above, below, strict=False)]
    if len(below) == 1:
        turns = [one / below[0] for one in above]
    ends = (min(turns), max(turns)) if len(turns) > 1 else (None, None)
    return Ratio(name, asked, statistics.median(above) / statistics.median(below), *ends, behind)


def _spread(ratio: Ratio) -> str:
    return "" if ratio.low is None else f" ({ratio.low:.3f} to {ratio.high:.3f})"


def _write_table(about: str, ratios: Sequence[Ratio]) -> None:
    """Between the two comments of docs/results.md."""
    text = RESULTS.read_text(encoding="utf-8")
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        sys.exit(f"{RESULTS}: the comments {BEGIN} and {END} are gone, so the table has no place")
    lines = ["| ratio | must be | measured | single turns | seconds behind it |", "| --- | --- | --- | --- | --- |"]
    for ratio in ratios:
        turns = "" if ratio.low is None else f"{ratio.low:.3f} to {ratio.high:.3f}"
        lines.append(f"| `{ratio.name}` | {ratio.asked} | {ratio.value:.3f} | {turns} | {ratio.behind} |")
    table = "\n".join([f"{about}.", "", *lines])
    RESULTS.write_text(f"{before}{begin}\n{table}\n{end}{after}", encoding="utf-8")


def _in_turns(first: Callable[[], float], second: Callable[[], float], *, repeats: int) -> tuple[list[float], ...]:
    """Two measurements that take turns."""
    seconds: tuple[list[float], list[float]] = ([], [])
    for number in range(repeats):
        sides = [(first, seconds[0]), (second, seconds[1])]
        for side, measured in sides if number % 2 == 0 else reversed(sides):
            measured.append(side())
            _note(measured[-1])
    _note(None)
    return seconds


def _note(seconds: float | None) -> None:
    if sys.stderr.isatty():
        print(
            "" if seconds is None else f"{seconds:.2f} s",
            end="\n" if seconds is None else "  ",
            file=sys.stderr,
            flush=True,
        )


def _sides(
    name: str, source: str, pictures: Dataset, threads: int, homework: Homework = HW6
) -> tuple[Callable[[], float], Callable[[], float]]:
    """Two ways to run a script: bare, on torchvision's files; and under the proctor. Each returns what it measured."""
    script = BUILD / "bench" / name
    script.write_text(source, encoding="utf-8")
    handed_in = submission.read(script)
    place = sandbox.choose(None)
    protocol = homework.protocol("full", hours=4)

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
        return _measured(SANDBOX_RUNNER.train(homework, handed_in, pictures, protocol, place, threads=threads).log)

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


def _training(name: str, size: int) -> str:
    """A homework's solution, but for its batches, one epoch and a clock around the training; it ends after that."""
    text = SOLUTIONS[name].read_text(encoding="utf-8")
    begun = "import time\n\nstarted = time.perf_counter()\n"
    ends = {
        "hw6": (r"^net\.eval\(\).*$", f"{CLOCK}\nnet.eval()\nraise SystemExit(0)"),
        "resnet20": (r"^    test_loss, accuracy = test\(\)$", f"    {CLOCK}\n    raise SystemExit(0)"),
    }
    for wanted, instead in (
        (r"^batch_size = \d+$", f"batch_size = {size}"),
        (r"^for epoch in range\((?:5|1, epochs \+ 1)\):$", f"{begun}for epoch in range(1):"),
        ends[name],
    ):
        text, count = re.subn(wanted, instead, text, flags=re.MULTILINE)
        if count != 1:
            sys.exit(f"{SOLUTIONS[name]} has {count} lines like {wanted}: the bench has to follow it")
    return text


def _pictures(source: Dataset, count: int, test_count: int) -> Dataset:
    """So many images of a dataset, repeated where it has fewer, prepared under build/ in both formats."""
    root = BUILD / "bench"
    train, test = np.arange(count) % source.train_count, np.arange(test_count) % source.test_count
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


if __name__ == "__main__":
    main()
