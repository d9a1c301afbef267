"""How fast hw6's solution trains on a GPU, alone and with others beside it, and where the time goes; in one command.

Prints tables in Markdown, ready for `docs/results.md`, and writes `build/gpu.json` with everything behind them:

    one training      images/s of a step at each batch size, on pictures that the device holds and from the loader of a
                      graded training; peak memory; the part of what the card can do; bfloat16 as a reference
    profile           the kinds of operations that the time of a step goes to
    the real thing    `--full`: five epochs under the proctor, without a sandbox, and the accuracy
    sharing           the same with 2, 4 and 8 processes on one GPU, with CUDA MPS where it can be started; more are
                      tried as long as they fit the memory and together serve more images

Needs torch, torchvision, numpy and what the kit's core needs, no network and no bubblewrap; `--data` is a folder that
`autograder data` prepared, here or elsewhere. What doesn't fit `--minutes` is left out, and said. Throughput is the
median of the five parts of a window, with the slowest and the fastest part; the clock is that of each process.

    python bench/gpu.py --data data/cifar10 --full
    python bench/gpu.py --device cpu --batches 4 64 --only alone profile      # on the processor
"""

import argparse
import json
import multiprocessing
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import asdict, replace
from datetime import date
from pathlib import Path
from threading import BrokenBarrierError
from typing import Any

import gpu_worker
import operations
import torch
from gpu_worker import Job, Measured
from operations import TRAINING_IMAGES

from autograder import homeworks
from autograder.course import dataset, prepare
from autograder.course.dataset import Dataset
from autograder.errors import KitError
from autograder.files import ROOT

SOLUTION = ROOT / "solution" / "hw6" / "hw6.py"
MEASUREMENTS = ("alone", "reference", "product", "profile", "shared")
MPS = "nvidia-cuda-mps-control"
MPS_NAME, TURNS = "CUDA MPS", "turns (time slicing)"
MPS_S = 20.0  # for one command to it
FITS = 0.95  # of the device's memory
GAINS = 1.05  # times as many images/s, or more processes aren't worth it
PROFILED = 20  # steps
PRODUCT_S = 2.0
START_S = 30.0  # of processes that import torch, before it has been measured here
OVERHEAD_S = 5.0  # of a measurement, likewise
AFTER_S = 30.0  # after the minutes are over: what still runs then hangs


class Budget:
    """The minutes that there are, and what was left out because they were over or it failed."""

    def __init__(self, minutes: float) -> None:
        self.ends = time.monotonic() + 60 * minutes
        self.left_out: list[str] = []

    @property
    def left_s(self) -> float:
        """Seconds."""
        return self.ends - time.monotonic()

    def allows(self, what: str, seconds: float) -> bool:
        """Whether there is time for `what`; else it is left out."""
        if seconds <= self.left_s:
            return True
        self.left_out.append(f"{what}: about {seconds:.0f} s, and {max(0.0, self.left_s):.0f} s were left")
        return False

    def attempt(self, what: str, measurement: Callable[[], Any]) -> Any:
        """What `measurement` returns; None where it fails, which is said."""
        try:
            return measurement()
        except Exception as error:
            self.left_out.append(f"{what}: failed, {type(error).__name__}: {(str(error).splitlines() or [''])[0]}")
            return None


class Pool:
    """`count` processes that measure the same at the same time."""

    def __init__(self, asked: argparse.Namespace, pictures: Dataset, budget: Budget, count: int) -> None:
        spawn = multiprocessing.get_context("spawn")  # CUDA doesn't survive a fork
        self.count = count
        self.together = spawn.Barrier(count)
        self._budget = budget
        threads = asked.threads or max(1, (os.cpu_count() or 1) // count)
        started = (asked.device, pictures.folder, asked.images, self.together, count, threads)
        self._executor = ProcessPoolExecutor(count, spawn, gpu_worker.begin, started)

    def __enter__(self) -> "Pool":
        return self

    def __exit__(self, *_: object) -> None:
        self._executor.shutdown(wait=False, cancel_futures=True)
        for process in multiprocessing.active_children():
            process.join(10)
            process.kill()  # one that hangs
        self._executor.shutdown()

    def one(self, function: Callable[..., Any], *arguments: object) -> Any:
        """What one process returns."""
        return self._executor.submit(function, *arguments).result(self._patience_s)

    def train(self, job: Job, seconds: float) -> list[Measured]:
        """What each process measured. Raises what the first of them failed with."""
        self.together.reset()
        running: list[Future[Measured]] = [
            self._executor.submit(gpu_worker.train, job, seconds) for _ in range(self.count)
        ]
        failed = [error for one in running if (error := one.exception(self._patience_s)) is not None]
        for error in failed:
            if not isinstance(error, BrokenBarrierError):  # that one only waited for another
                raise error
        return [one.result() for one in running]

    @property
    def _patience_s(self) -> float:
        return max(1.0, self._budget.left_s + AFTER_S)


# --- what is measured ------------------------------------------------------------------------------------------------


def main() -> None:
    """Measure, print, and write `build/gpu.json`."""
    asked = _arguments()
    try:
        if asked.device == "cuda" and not torch.cuda.is_available():
            raise KitError(
                "torch finds no GPU, so there is nothing to measure",
                "run it where one is, or with --device cpu --batches 4 to see that it works",
            )
        pictures = dataset.load(asked.data) if asked.data else prepare.practice(dataset.default_root())
    except KitError as error:
        print(f"error: {error.message}; hint: {error.hint}", file=sys.stderr)
        sys.exit(error.exit_code)
    found = measure(asked, pictures)
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    asked.out.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    print(tables(found))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure trainings of hw6's solution on a GPU, into build/gpu.json.")
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda", help="default: cuda")
    parser.add_argument("--data", type=Path, help="a prepared dataset's folder (default: practice data)")
    parser.add_argument("--images", type=int, default=50_000, help="use so many training images at most")
    parser.add_argument("--batches", type=int, nargs="+", default=[4, 32, 128], help="default: 4 32 128")
    parser.add_argument("--processes", type=int, nargs="+", default=[2, 4, 8], help="that share it (default: 2 4 8)")
    parser.add_argument("--threads", type=int, help="of the CPU, for each process (default: its part of the cores)")
    parser.add_argument("--seconds", type=float, default=5.0, help="of each window (default: 5)")
    parser.add_argument("--minutes", type=float, default=8.0, help="for everything (default: 8)")
    parser.add_argument("--only", nargs="+", choices=MEASUREMENTS, default=MEASUREMENTS, help="measure these only")
    parser.add_argument("--full", action="store_true", help="the real five epochs, too")
    parser.add_argument("--no-mps", action="store_true", help="share in turns, even where CUDA MPS could be started")
    parser.add_argument("--peak-tflops", type=float, help="what the card's maker promises for TF32, to compare with")
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "gpu.json", help="default: build/gpu.json")
    return parser.parse_args()


def measure(asked: argparse.Namespace, pictures: Dataset) -> dict[str, Any]:
    """Everything, as `build/gpu.json` has it."""
    budget = Budget(asked.minutes)
    began = time.monotonic()
    step = operations.count(batch=1)
    found: dict[str, Any] = {
        "date": str(date.today()),
        "torch": torch.__version__,
        "cuda": torch.version.cuda if asked.device == "cuda" else None,
        "load_before": round(os.getloadavg()[0], 1),
        "data": pictures.name,
        "flop_per_image": {"forward": step.forward_flop, "backward": step.backward_flop},
        "peak_tflops": asked.peak_tflops,
        "window_s": asked.seconds,
        "threads": asked.threads,
    }
    with Pool(asked, pictures, budget, 1) as pool:
        found["device"] = f"{pool.one(gpu_worker.name)}, {os.cpu_count()} cores"
        start_s = time.monotonic() - began
        products = _products(asked, pool, budget)
        found["alone"], cost_s = _alone(asked, pool, budget)
        found["product_tflops"] = [*products, *_products(asked, pool, budget)]  # a machine's speed changes
        found["profile"] = _profiles(asked, pool, budget, found["alone"])
    if asked.full:
        found["full"] = _full(asked, pictures, budget, found["alone"])
    if "shared" in asked.only:
        found |= _shared(asked, pictures, budget, found["alone"], start_s, cost_s)
    return {**found, "left_out": budget.left_out, "seconds": round(time.monotonic() - began, 1)}


def _products(asked: argparse.Namespace, pool: Pool, budget: Budget) -> list[float]:
    """TFLOP/s of large matrix products."""
    if "product" not in asked.only or not budget.allows("matrix products", 2 * PRODUCT_S):
        return []
    size = 8192 if asked.device == "cuda" else 2048
    return budget.attempt("matrix products", lambda: pool.one(gpu_worker.matrix_product, size, PRODUCT_S)) or []


def _alone(asked: argparse.Namespace, pool: Pool, budget: Budget) -> tuple[list[dict[str, Any]], float]:
    """A row for each batch size, and what a measurement costs beside its window, in seconds."""
    kinds = {"tensors": Job(0), "loader": Job(0, loader=True), "reference": Job(0, reference=True)}
    if "reference" not in asked.only:
        del kinds["reference"]
    if "alone" not in asked.only:
        kinds = {name: job for name, job in kinds.items() if name == "reference"}
    rows, cost_s = [], OVERHEAD_S
    for batch in asked.batches:
        row: dict[str, Any] = {"batch": batch}
        for name, job in kinds.items():
            what = f"one training, batches of {batch}, {name}"
            if not budget.allows(what, asked.seconds + cost_s):
                continue
            started = time.monotonic()
            seen = budget.attempt(
                what, lambda job=job, batch=batch: pool.train(replace(job, batch=batch), asked.seconds)
            )
            if seen is not None:
                row[name] = asdict(seen[0])
                cost_s = max(0.5, time.monotonic() - started - asked.seconds)  # the last: nothing begins any more
        rows.append(row)
    return rows, cost_s


def _profiles(
    asked: argparse.Namespace, pool: Pool, budget: Budget, alone: list[dict[str, Any]]
) -> dict[str, dict[str, float]]:
    """Seconds by kind of operation, at the smallest and the largest batch size."""
    profiles = {}
    for batch in sorted({min(asked.batches), max(asked.batches)}) if "profile" in asked.only else []:
        rate = rate_of(alone, batch, "tensors")
        expected_s = 10.0 + (2 * PROFILED * batch / rate if rate else 0.0)
        what = f"profile, batches of {batch}"
        if budget.allows(what, expected_s):
            seen = budget.attempt(what, lambda batch=batch: pool.one(gpu_worker.profile, Job(batch), PROFILED))
            if seen is not None:
                profiles[str(batch)] = seen
    return profiles


def _full(
    asked: argparse.Namespace, pictures: Dataset, budget: Budget, alone: list[dict[str, Any]]
) -> dict[str, Any] | None:
    """The solution under the proctor, on all training and test images."""
    from autograder.intake import submission
    from autograder.runner import score
    from autograder.runner.runner import SANDBOX_RUNNER
    from autograder.sandbox import sandbox

    hw6 = homeworks.load("hw6")
    limit = asked.images if asked.images < pictures.train_count else None
    protocol = replace(hw6.protocol("full"), train_images=limit, test_images=limit)
    images = protocol.epochs * protocol.train_count(pictures.train_count)
    rate = rate_of(alone, 128, "loader") or rate_of(alone, max(asked.batches), "loader")
    what = f"five epochs of {images // protocol.epochs:,} images"
    if not budget.allows(what, START_S + (images / rate if rate else 0.0)):
        return None
    protocol = replace(protocol, time_box_s=budget.left_s)
    place = sandbox.choose("none")
    threads = os.cpu_count() or 1
    done = budget.attempt(
        what,
        lambda: SANDBOX_RUNNER.train(hw6, submission.read(SOLUTION), pictures, protocol, place, threads=threads),
    )
    if done is None:
        return None
    if done.outcome != "GRADED" or done.report is None or "eval" not in done.scores:
        budget.left_out.append(f"{what}: {done.outcome} {done.message}".rstrip())
        return None
    labels = pictures.test_labels[: len(done.scores["eval"])]
    return {
        "images": done.report.images,
        "epochs": done.report.epochs,
        "training_s": done.training_s,
        "fixed_s": done.seconds - done.training_s,
        "accuracy_percent": score.accuracy_percent(done.scores["eval"], labels),
        "test_images": len(labels),
        "device": done.device,
    }


def _shared(
    asked: argparse.Namespace,
    pictures: Dataset,
    budget: Budget,
    alone: list[dict[str, Any]],
    start_s: float,
    cost_s: float,
) -> dict[str, Any]:
    """How processes share the device, in words, and a row for each count and batch size."""
    with sharing(asked.device == "cuda" and not asked.no_mps) as how:
        rows = _counts(asked, pictures, budget, alone, start_s, cost_s)
    if how.startswith(MPS_NAME) and not all(row["served"] for row in rows):
        how = f"{TURNS}; {MPS_NAME} was started, and served nobody"
    elif how.startswith(MPS_NAME) and not rows:
        how = f"{TURNS}; nothing could be measured with {MPS_NAME}"
        with sharing(False):
            rows = _counts(asked, pictures, budget, alone, start_s, cost_s)
    return {"sharing": how if asked.device == "cuda" else "processes side by side", "shared": rows}


def _counts(
    asked: argparse.Namespace,
    pictures: Dataset,
    budget: Budget,
    alone: list[dict[str, Any]],
    start_s: float,
    cost_s: float,
) -> list[dict[str, Any]]:
    """A row for each count and batch size, until a batch size doesn't fit any more or gains nothing."""
    before = {row["batch"]: row["loader"] for row in alone if "loader" in row}  # one process, then the last count
    total = {batch: statistics.median(one["images_per_s"]) for batch, one in before.items()}
    rows: list[dict[str, Any]] = []
    for count in sorted(asked.processes):
        fitting = []
        for batch, one in before.items():
            if fits(count, one["held_mib"], one["total_mib"]):
                fitting.append(batch)
            else:
                budget.left_out.append(
                    f"{count} processes, batches of {batch}: {count} x {one['held_mib']:,.0f} MiB don't fit "
                    f"{one['total_mib']:,.0f} MiB"
                )
        before = {batch: before[batch] for batch in fitting}
        if not before or not budget.allows(f"{count} processes", 1.5 * start_s + asked.seconds + cost_s):
            break
        with Pool(asked, pictures, budget, count) as pool:
            for batch in list(before):
                what = f"{count} processes, batches of {batch}"
                if not budget.allows(what, asked.seconds + 2 * cost_s):
                    continue
                seen = budget.attempt(what, lambda batch=batch: pool.train(Job(batch, loader=True), asked.seconds))
                if seen is None:
                    del before[batch]
                    continue
                row = together(batch, seen) | {"served": bool(_mps("get_server_list"))}
                rows.append(row)
                before[batch] = asdict(max(seen, key=lambda one: one.held_mib))
                if row["images_per_s"] < GAINS * total[batch]:
                    del before[batch]  # more of them would only wait for each other
                total[batch] = row["images_per_s"]
    return rows


def fits(count: int, held_mib: float, total_mib: float) -> bool:
    """Whether `count` processes that take `held_mib` each fit a device with `total_mib`."""
    return count * held_mib <= FITS * total_mib


def together(batch: int, seen: Sequence[Measured]) -> dict[str, Any]:
    """A row of the table: what processes that ran side by side reached in all."""
    parts = [sum(rates) for rates in zip(*(one.images_per_s for one in seen), strict=False)]
    return {
        "batch": batch,
        "processes": len(seen),
        "images_per_s": sum(one.median for one in seen),
        "parts": parts,
        "peak_mib": max(one.peak_mib for one in seen),
        "held_mib": max(one.held_mib for one in seen),
    }


def rate_of(alone: list[dict[str, Any]], batch: int, name: str) -> float | None:
    """Images/s that were measured."""
    for row in alone:
        if row["batch"] == batch and name in row:
            return statistics.median(row[name]["images_per_s"])
    return None


# --- CUDA MPS --------------------------------------------------------------------------------------------------------


@contextmanager
def sharing(mps: bool) -> Iterator[str]:
    """How processes that are started within share the GPU, in words; with a service of our own where `mps` allows.

    Without CUDA MPS their kernels take turns; with it they run at the same time. The card's own settings stay.
    """
    if not mps or shutil.which(MPS) is None:
        yield f"{TURNS}; " + (f"{MPS} isn't installed" if mps else f"{MPS_NAME} wasn't asked for")
        return
    if _mps("get_server_list") is not None:
        yield f"{MPS_NAME}, which was running already"
        return
    outer = dict(os.environ)
    with tempfile.TemporaryDirectory(prefix="mps-") as folder:
        os.environ |= {"CUDA_MPS_PIPE_DIRECTORY": folder, "CUDA_MPS_LOG_DIRECTORY": folder}
        started = _begin_mps()
        try:
            yield MPS_NAME if started else f"{TURNS}; {MPS_NAME} couldn't be started"
        finally:
            if started:
                _mps("quit")
            os.environ.clear()
            os.environ |= outer


def _begin_mps() -> bool:
    """Whether the service runs now. It keeps what it is given to print to, so that must be nobody's pipe."""
    nowhere = subprocess.DEVNULL
    with suppress(OSError, subprocess.TimeoutExpired):
        done = subprocess.run([MPS, "-d"], stdin=nowhere, stdout=nowhere, stderr=nowhere, timeout=MPS_S, check=False)
        return done.returncode == 0
    return False


def _mps(said: str) -> str | None:
    """What the service answers; None where there is none."""
    with suppress(OSError, subprocess.TimeoutExpired):
        done = subprocess.run([MPS], input=f"{said}\n", capture_output=True, text=True, timeout=MPS_S, check=False)
        return done.stdout.strip() if done.returncode == 0 else None
    return None


# --- what is printed -------------------------------------------------------------------------------------------------


def tables(found: dict[str, Any]) -> str:
    """The measurements in Markdown."""
    flop = found["flop_per_image"]
    step = sum(flop.values())
    parts = [
        f"{found['date']} · {found['device']}, load {found['load_before']} before · "
        f"torch {found['torch']} · {found['data']} · windows of {found['window_s']:g} s",
        f"A training step has {step / 1e9:.3f} GFLOP for each image ({flop['forward'] / 1e9:.3f} forward), "
        f"{step * TRAINING_IMAGES / 1e12:.0f} TFLOP for {TRAINING_IMAGES:,} images.",
    ]
    if found.get("product_tflops"):
        parts.append(f"Square float32 products reach {_spread(found['product_tflops'], 3)} TFLOP/s.")
    if any(len(row) > 1 for row in found["alone"]):
        parts.append(_alone_table(found, step))
    if found.get("profile"):
        parts.append(_profile_table(found["profile"]))
    if found.get("full"):
        full = found["full"]
        rate = full["images"] / full["training_s"]
        parts.append(
            f"Five epochs under the proctor, without a sandbox: {full['images']:,} images "
            f"in {full['training_s']:,.1f} s on {full['device']}, {rate:,.1f} images/s, "
            f"and {full['fixed_s']:.1f} s for everything else; "
            f"{full['accuracy_percent']:.2f}% of {full['test_images']:,} test images."
        )
    if found.get("shared"):
        parts.append(f"Sharing: {found['sharing']}.\n\n" + _shared_table(found))
    parts.append("\n".join(["Left out:", "", *(f"- {one}" for one in found["left_out"])]) if found["left_out"] else "")
    parts.append(f"All of it took {found['seconds']:.0f} s.")
    return "\n\n".join(part for part in parts if part)


def _alone_table(found: dict[str, Any], step: float) -> str:
    matmul = statistics.median(found["product_tflops"]) if found.get("product_tflops") else None
    rows = []
    for row in found["alone"]:
        ready, loaded = (rate_of([row], row["batch"], name) for name in ("tensors", "loader"))
        reached = ready * step / 1e12 if ready else None
        peak_mib = row["tensors"]["peak_mib"] if ready else None
        rows.append(
            [
                row["batch"],
                _spread(row["tensors"]["images_per_s"], 3) if ready else "",
                _spread(row["loader"]["images_per_s"], 3) if loaded else "",
                f"{100 * (1 - loaded / ready):.1f}%" if loaded and ready else "",
                f"{peak_mib:,.0f} MiB" if peak_mib else "",
                f"{reached:.3g}" if reached else "",
                f"{100 * reached / matmul:.1f}%" if reached and matmul else "",
                f"{100 * reached / found['peak_tflops']:.1f}%" if reached and found["peak_tflops"] else "",
                _spread(row["reference"]["images_per_s"], 3) if "reference" in row else "",
                f"{per_hour(loaded, 1, _fixed_s(found)):.3g}" if loaded else "",
            ]
        )
    heads = [
        "batch",
        "images/s, pictures at hand",
        "images/s, from the loader",
        "part of the input",
        "peak memory",
        "TFLOP/s",
        "of a product's",
        "of the card's peak",
        "images/s, bfloat16, channels last",
        "submissions per hour",
    ]
    return _table(heads, rows)


def _profile_table(profile: dict[str, dict[str, float]]) -> str:
    batches = list(profile)
    kinds = profile[batches[0]]
    share = {batch: sum(profile[batch].values()) for batch in batches}
    rows = [[kind, *(f"{100 * profile[batch][kind] / share[batch]:.1f}%" for batch in batches)] for kind in kinds]
    return _table(
        [f"time of {PROFILED} profiled steps", *(f"batches of {batch}" for batch in batches)],
        rows,
    )


def _shared_table(found: dict[str, Any]) -> str:
    rows = []
    for row in found["shared"]:
        one = rate_of(found["alone"], row["batch"], "loader")
        rows.append(
            [
                row["batch"],
                row["processes"],
                _spread(row["parts"], 3),
                f"{row['images_per_s'] / one:.2f}" if one else "",
                f"{row['held_mib']:,.0f} MiB",
                f"{per_hour(row['images_per_s'], row['processes'], _fixed_s(found)):.3g}",
            ]
        )
    heads = ["batch", "processes", "images/s together", "times one", "memory each", "submissions per hour"]
    return _table(heads, rows)


def per_hour(images_per_s: float, processes: int, fixed_s: float) -> float:
    """Submissions an hour: each of the processes trains at its part of `images_per_s`, and has `fixed_s` beside it."""
    return processes * 3600 / (processes * TRAINING_IMAGES / images_per_s + fixed_s)


def _fixed_s(found: dict[str, Any]) -> float:
    """Seconds a submission beside its training, where they were measured; else only the training is counted."""
    return found["full"]["fixed_s"] if found.get("full") else 0.0


def _spread(values: Sequence[float], digits: int) -> str:
    """The median, the smallest and the largest, at so many significant digits."""

    def short(value: float) -> str:
        return f"{value:,.0f}" if value >= 10**digits else f"{value:.{digits}g}"

    return f"{short(statistics.median(values))} ({short(min(values))} to {short(max(values))})"


def _table(heads: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    used = [place for place in range(len(heads)) if any(row[place] != "" for row in rows)]
    lines = [[line[place] for place in used] for line in [heads, ["---"] * len(heads), *rows]]
    return "\n".join(f"| {' | '.join(str(cell) for cell in line)} |" for line in lines)


if __name__ == "__main__":
    main()
