"""Operations and bytes of a training step of hw6's network, counted from shapes: nothing is run, any machine will do.

Prints what `docs/performance.md` has. An operation (FLOP) is a multiplication or an addition of a convolution or of the
linear layer, forward or backward, as torch's `FlopCounterMode` counts them. Bytes are those of all tensors that an
operator reads and writes, each operator for itself: what goes through the memory where no cache keeps anything and
nothing is fused. A real machine moves less. Kept is what autograd keeps from the forward to the backward pass.

    python bench/operations.py --batches 4 32 128
    python bench/operations.py --measure    # and what one core reaches: about a minute for each batch size

What a core reaches is measured by one thread, on its CPU time, so that other work on the machine shows less: training
steps take turns with products of square matrices, the best that a core is known to do with float32.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from autograder.files import ROOT

sys.path.insert(0, str(ROOT / "solution" / "hw6"))
from record import network_class

TRAINING_IMAGES = 250_000  # five epochs


@dataclass(frozen=True)
class Step:
    """One training step, float32, SGD with momentum and weight decay.

    Attributes:
        forward_flop, backward_flop: operations of either pass.
        kept_bytes: activations that autograd keeps for the backward pass.
        passes_bytes: read and written by forward and backward.
        optimizer_bytes: read and written by the optimizer's step.
        parameters: how many.
    """

    batch: int
    forward_flop: int
    backward_flop: int
    kept_bytes: int
    passes_bytes: int
    optimizer_bytes: int
    parameters: int

    @property
    def flop_per_image(self) -> float:
        """Operations for each image of the batch."""
        return (self.forward_flop + self.backward_flop) / self.batch

    @property
    def intensity(self) -> float:
        """Operations for each byte."""
        return (self.forward_flop + self.backward_flop) / (self.passes_bytes + self.optimizer_bytes)


class _Traffic(TorchDispatchMode):
    """Adds up the bytes of the tensors that go into operators and come out of them."""

    def __init__(self) -> None:
        super().__init__()
        self.bytes = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        out = func(*args, **kwargs)
        if not func.is_view:  # another shape of the same memory
            self.bytes += sum(one.numel() * one.element_size() for one in _tensors((args, kwargs, out)))
        return out


def count(batch: int) -> Step:
    """A step on `batch` images."""
    with torch.device("meta"):
        net = network_class()(2, 2, 2, 2)
        images, labels = torch.empty(batch, 3, 32, 32), torch.zeros(batch, dtype=torch.long)
    parameters = {id(parameter) for parameter in net.parameters()}
    kept: dict[int, torch.UntypedStorage] = {}  # by address: several operators keep the same

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        if id(tensor) not in parameters:
            storage = tensor.untyped_storage()
            kept[storage._cdata] = storage
        return tensor

    optimizer = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9, weight_decay=5e-4)
    for _ in range(2):  # the first step makes the momentum buffers
        kept.clear()
        optimizer.zero_grad()
        with _Traffic() as passes, torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            with FlopCounterMode(display=False) as forward:
                loss = torch.nn.functional.cross_entropy(net(images), labels)
            with FlopCounterMode(display=False) as backward:
                loss.backward()
        with _Traffic() as stepping:
            optimizer.step()
    return Step(
        batch,
        forward.get_total_flops(),
        backward.get_total_flops(),
        sum(storage.nbytes() for storage in kept.values()),
        passes.bytes,
        stepping.bytes,
        sum(parameter.numel() for parameter in net.parameters()),
    )


def measure(batches: list[int], rounds: int = 5, seconds: float = 2.0) -> dict[str, list[float]]:
    """GFLOP for each second of CPU time, of one thread: of a matrix product and of training steps, a number a round."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    left, right = torch.randn(2, 1536, 1536).unbind()
    sides = {"product": (2 * len(left) ** 3, lambda: torch.mm(left, right))}
    for batch in batches:
        flop = count(batch).flop_per_image * batch
        sides[f"batches of {batch}"] = (flop, _step(batch))
    reached: dict[str, list[float]] = {name: [] for name in sides}
    for number in range(rounds + 1):
        for name, (flop, once) in sides.items():
            began, times = time.thread_time(), 0
            while time.thread_time() - began < seconds or times < 2:
                once()
                times += 1
            if number > 0:  # the first one finds cold caches and chooses algorithms
                reached[name].append(flop * times / (time.thread_time() - began) / 1e9)
    return reached


def _step(batch: int) -> Callable[[], None]:
    net = network_class()(2, 2, 2, 2).train()
    images, labels = torch.randn(batch, 3, 32, 32), torch.randint(10, (batch,))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.002, momentum=0.9, weight_decay=5e-4)

    def once() -> None:
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(net(images), labels).backward()
        optimizer.step()

    return once


def _tensors(nested: Any) -> Iterator[torch.Tensor]:
    return (leaf for leaf in tree_leaves(nested) if isinstance(leaf, torch.Tensor))


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description="Count operations and bytes of a training step of hw6's network.")
    parser.add_argument("--batches", type=int, nargs="+", default=[4, 32, 128], help="default: 4 32 128")
    parser.add_argument("--measure", action="store_true", help="and measure what one core reaches")
    asked = parser.parse_args()
    steps = [count(batch) for batch in asked.batches]
    first = steps[0]
    total = TRAINING_IMAGES * first.flop_per_image
    print(
        f"{first.parameters:,} parameters; for each image {first.forward_flop / first.batch:,.0f} FLOP forward, "
        f"{first.backward_flop / first.batch:,.0f} backward; "
        f"{total / 1e12:.1f} TFLOP for {TRAINING_IMAGES:,} images\n\n"
        "| batch | GFLOP a step | MB kept an image | MB moved an image | of it the optimizer's | FLOP a byte |\n"
        "| --- | --- | --- | --- | --- | --- |"
    )
    for step in steps:
        moved = step.passes_bytes + step.optimizer_bytes
        print(
            f"| {step.batch} | {step.flop_per_image * step.batch / 1e9:.1f} | {step.kept_bytes / step.batch / 1e6:.2f} "
            f"| {moved / step.batch / 1e6:.1f} | {100 * step.optimizer_bytes / moved:.0f}% | {step.intensity:.1f} |"
        )
    if not asked.measure:
        return
    reached = measure(asked.batches)
    product = statistics.median(reached["product"])
    print("\n| one thread, by CPU time | GFLOP/s (least to most) | of a product's |\n| --- | --- | --- |")
    for name, rounds in reached.items():
        middle = statistics.median(rounds)
        print(f"| {name} | {middle:.1f} ({min(rounds):.1f} to {max(rounds):.1f}) | {100 * middle / product:.0f}% |")


if __name__ == "__main__":
    main()
