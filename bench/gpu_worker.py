"""What `gpu.py` has done in processes of their own: training steps of hw6's network, a matrix product, a profile.

Each function is one measurement. All processes of a pool begin it together and none ends before the others: what is
measured is steady. A step is the one of `solution/hw6/hw6.py`: the batch to the device, zero_grad, forward, backward,
SGD with momentum and weight decay, the scheduler, and `loss.item()`, which waits for the device.
"""

import itertools
import os
import re
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
import torchvision
from operations import network_class
from torch.profiler import ProfilerActivity
from torchvision import transforms

from autograder.course import dataset
from autograder.machine import processor
from autograder.proctor import fake_dataset, loaders

MIB = 2**20
WAIT_S = 120.0  # for the other processes: an import of torch and a few steps, on a machine that is busy
AFTER_S = 0.5  # steps go on so long after the window, for those whose window began a little later
WARM_STEPS, WARM_S = 3, 1.0  # whichever is longer; libraries choose their algorithms in the first step
EPOCH = 50_000  # images that the script sees as its dataset
PARTS = 5  # of a window; their spread is the measurement's
KINDS = {  # kind -> names; an operation is of the kind of the outermost one around it that matches
    "optimizer": r"^Optimizer\.",
    "convolution": r"conv",
    "batch norm": r"batch_?norm",
    "ReLU": r"relu|threshold_backward",
    "additions": r"^aten::add_?$",
    "copies": r"^aten::(copy_|to|_to_copy|item|_local_scalar_dense)$",
}
REST, IDLE = "other operations", "idle, or Python"


@dataclass(frozen=True)
class Job:
    """A training to measure.

    Attributes:
        batch: images a batch.
        loader: whether batches come from the proctor's stand-in of the dataset, as in a graded training; else they
            are tensors that the device holds already.
        reference: bfloat16 with channels last, which no submission has to use: what the hardware can do.
    """

    batch: int
    loader: bool = False
    reference: bool = False


@dataclass(frozen=True)
class Measured:
    """What a process saw of a training.

    Attributes:
        images_per_s: of each part of the window, by the clock of this process.
        peak_mib: most memory that tensors had; on the CPU, that the process had.
        reserved_mib: most memory that torch held for them.
        held_mib: what one process takes of the device, with all that isn't a tensor: what is in use there, by
            whomever, over the number of processes.
        total_mib: what the device has.
    """

    images_per_s: tuple[float, ...]
    peak_mib: float
    reserved_mib: float
    held_mib: float
    total_mib: float

    @property
    def median(self) -> float:
        """Images a second."""
        return statistics.median(self.images_per_s)


@dataclass(frozen=True)
class _Here:
    """What a process is told once."""

    device: torch.device
    pictures: dataset.Dataset
    together: Barrier
    count: int


_here: _Here  # a pool's initializer has no other way to hand over a barrier


class _Unheard:
    """A listener that doesn't count what loaders hand out."""

    def asked(self, loader: Any, role: loaders.Role, at: int) -> bool:
        return True

    def served(self, loader: Any, role: loaders.Role, batch: Any, at: int) -> None:
        pass


def begin(
    device: Literal["cuda", "cpu"], folder: Path, images: int, together: Barrier, count: int, threads: int
) -> None:
    """Called once in each of the `count` processes: the stand-in over the first `images` of the dataset in `folder`."""
    global _here
    torch.set_num_threads(threads)
    _here = _Here(torch.device(device), dataset.load(folder), together, count)
    found = _here.pictures
    split = fake_dataset.Split(found.train_images[:images], np.array(found.train_labels[:images]), EPOCH)
    fake_dataset.install(fake_dataset.Pictures(split, split, found.classes))
    loaders.install(_Unheard(), loaders.Ration())


def name() -> str:
    """What the device calls itself."""
    if _here.device.type == "cuda":
        return torch.cuda.get_device_name()
    return processor()


def train(job: Job, seconds: float) -> Measured:
    """Train for `seconds` while all processes of the pool do the same."""
    with _all_or_none():
        _forget_memory()
        steps = _steps(job)
        _warm(steps)
        _here.together.wait(WAIT_S)  # nobody's window begins before everybody is warm
        held, total = _device_memory()
        durations: list[float] = []
        began = last = time.monotonic()
        while (now := last) - began < seconds + AFTER_S or len(durations) < 2:
            next(steps)
            last = time.monotonic()
            if now - began < seconds or len(durations) < 2:  # the last one may end after the window
                durations.append(last - now)
        _here.together.wait(WAIT_S)
        peak, reserved = _peak_memory()
        parts = np.array_split(np.array(durations), min(PARTS, len(durations)))
        rates = tuple(float(len(part) * job.batch / part.sum()) for part in parts)
        return Measured(rates, peak, reserved, held, total)


def matrix_product(size: int, seconds: float) -> tuple[float, ...]:
    """TFLOP/s of products of square float32 matrices, on a GPU with TF32 as convolutions have it; of each product."""
    torch.backends.cuda.matmul.allow_tf32 = True
    left, right = torch.randn(2, size, size, device=_here.device).unbind()
    reached = []
    began = time.monotonic()
    while time.monotonic() - began < seconds or len(reached) < 3:
        _wait()
        started = time.monotonic()
        torch.mm(left, right)
        _wait()
        reached.append(2 * size**3 / (time.monotonic() - started) / 1e12)
    torch.backends.cuda.matmul.allow_tf32 = False  # torch's default
    return tuple(reached[1:])


def profile(job: Job, steps: int) -> dict[str, float]:
    """Seconds of the device in each kind of operation (`KINDS`) over `steps` steps, and without any.

    A profiled step takes longer than others, mostly outside the operations: `IDLE` is an upper bound.
    """
    on_gpu = _here.device.type == "cuda"
    running = _steps(job)
    _warm(running)
    activities = [ProfilerActivity.CPU, ProfilerActivity.CUDA] if on_gpu else [ProfilerActivity.CPU]
    with torch.profiler.profile(activities=activities) as seen:
        _wait()
        started = time.monotonic()
        for _ in range(steps):
            next(running)
        _wait()
        wall = time.monotonic() - started
    spent = dict.fromkeys([*KINDS, REST], 0.0)
    for event in seen.events():
        if event.device_type != torch.autograd.DeviceType.CPU:  # type: ignore[attr-defined]
            continue  # its operation has it, too
        if on_gpu:  # a named region is repeated on the device's side as if it were a kernel of its own
            microseconds = sum(kernel.duration for kernel in event.kernels if kernel.name != event.name)
        else:
            microseconds = event.self_cpu_time_total
        spent[_kind(event)] += microseconds / 1e6
    if not any(spent.values()):
        raise RuntimeError("the profiler saw no kernel; it may not be allowed to")
    return {**spent, IDLE: max(0.0, wall - sum(spent.values()))}


# --- the training ----------------------------------------------------------------------------------------------------


def _steps(job: Job) -> Iterator[None]:
    """Endless training steps."""
    torch.manual_seed(0)
    layout = torch.channels_last if job.reference else torch.contiguous_format
    net = network_class()(2, 2, 2, 2).to(_here.device, memory_format=layout)
    criterion = torch.nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9, weight_decay=5e-4)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 0.04)
    losses = []
    net.train()
    for images, labels in _batches(job):
        images, labels = images.to(_here.device, memory_format=layout), labels.to(_here.device)
        optimizer.zero_grad()
        with torch.autocast(_here.device.type, torch.bfloat16, enabled=job.reference):
            loss = criterion(net(images), labels)
        loss.backward()
        optimizer.step()
        scheduler.step()
        losses.append(loss.item())
        yield


def _batches(job: Job) -> Iterator[Any]:
    """Endless batches, all of the same size."""
    transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.5,) * 3, (0.5,) * 3)])
    trainset = torchvision.datasets.CIFAR10(root="./data", train=True, download=True, transform=transform)
    loader = torch.utils.data.DataLoader(trainset, batch_size=job.batch, shuffle=True)
    whole = (batch for _ in itertools.count() for batch in loader if len(batch[1]) == job.batch)
    if job.loader:
        return whole
    ready = [(images.to(_here.device), labels.to(_here.device)) for images, labels in itertools.islice(whole, 8)]
    return itertools.cycle(ready)


def _warm(steps: Iterator[None]) -> None:
    began = time.monotonic()
    for done in itertools.count(1):
        next(steps)
        if done >= WARM_STEPS and time.monotonic() - began >= WARM_S:
            return


@contextmanager
def _all_or_none() -> Iterator[None]:
    """Where this process fails, the others stop waiting for it."""
    try:
        yield
    except BaseException:
        _here.together.abort()
        raise


# --- memory, time, names ---------------------------------------------------------------------------------------------


def _wait() -> None:
    if _here.device.type == "cuda":
        torch.cuda.synchronize()


def _forget_memory() -> None:
    """Begin to look for the peak anew."""
    if _here.device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    else:
        with suppress(OSError):
            Path("/proc/self/clear_refs").write_text("5")  # Linux: VmHWM begins anew


def _peak_memory() -> tuple[float, float]:
    if _here.device.type == "cuda":
        return torch.cuda.max_memory_allocated() / MIB, torch.cuda.max_memory_reserved() / MIB
    peak = _status("VmHWM")
    return peak, peak


def _device_memory() -> tuple[float, float]:
    """MiB that a process takes, and that there are."""
    if _here.device.type == "cuda":
        free, total = torch.cuda.mem_get_info()
        return (total - free) / _here.count / MIB, total / MIB
    return _status("VmRSS"), os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / MIB


def _status(field: str) -> float:
    """A size of this process, in MiB, as Linux has it; 0 elsewhere."""
    with suppress(OSError):
        if found := re.search(rf"^{field}:\s+(\d+) kB", Path("/proc/self/status").read_text(), re.MULTILINE):
            return int(found.group(1)) / 1024
    return 0.0


def _kind(event: Any) -> str:
    found = REST
    around = event
    while around is not None:
        found = next((kind for kind, names in KINDS.items() if re.search(names, around.name, re.IGNORECASE)), found)
        around = around.cpu_parent
    return found
