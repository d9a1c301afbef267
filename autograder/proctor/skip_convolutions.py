"""What isn't computed where only shapes count: convolutions, their gradients, random numbers for their weights.

Called by `trace.py`, `examine.py` and `rehearsal.py`. The numbers in their place have the right shape and the magnitude
of a real network's; they are the same every time. What would raise is computed, so that the error is PyTorch's own. An
18-layer network goes forward and backward with two images in 36 ms in place of 230 (one core of an AMD EPYC).
"""

import functools
import math
from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from autograder.proctor.aten_calls import Mode, Plan, per_side

FILLED = 2**16  # first values of convolutions over this size are left out
WEIGHT = 0.02  # the deviation of what is written in their place, where something is
GRADIENT = 1e-3  # each number of what stands in for a convolution's gradient


class Shortcuts(Mode):  # type: ignore[no-untyped-call]
    """While inside, no convolution is computed, forward or backward. Everything else is."""

    def answer(self, plan: Plan, func: Any, args: Any, kwargs: Any) -> Any:
        """See `Mode`."""
        if plan.name == "convolution":
            given = plan.bind(args, kwargs)
            shape = convolved_shape(given)
            return func(*args, **kwargs) if shape is None else stand_in(given["input"], shape)
        if plan.name == "convolution_backward":
            return passed_back(plan.bind(args, kwargs), written=True)
        return func(*args, **kwargs)


class Unfilled(TorchDispatchMode):
    """Leave out the random numbers of big convolutions: eleven million of them are most of a network's cost."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func.overloadpacket in (torch.ops.aten.uniform_, torch.ops.aten.normal_) and _is_big(args[0]):
            return args[0]
        return func(*args, **(kwargs or {}))


def fill_quickly() -> Callable[[], None]:
    """From now on big convolutions get numbers that are the same ones all over. Returns what ends that.

    For a script's own network: it may read its weights, so there have to be numbers in them.
    """
    names = ("uniform_", "normal_")
    for name in names:
        setattr(torch.Tensor, name, _quick(getattr(torch.Tensor, name)))

    def end() -> None:
        for name in names:
            delattr(torch.Tensor, name)  # the method is a base class's

    return end


def _quick(method: Any) -> Any:
    @functools.wraps(method)
    def fill(self: Tensor, *args: Any, **kwargs: Any) -> Any:
        refused = self.requires_grad and torch.is_grad_enabled()
        if refused or self.dtype != torch.float32 or self.device.type != "cpu" or not _is_big(self):
            return method(self, *args, **kwargs)
        with torch.no_grad():
            for piece in torch.split(self.view(-1), len(_noise())):
                torch.mul(_noise()[: len(piece)], WEIGHT, out=piece)
        return self

    return fill


def _is_big(weight: Tensor) -> bool:
    return weight.dim() == 4 and weight.numel() > FILLED and max(weight.shape[2:]) > 1 and weight.is_contiguous()


def convolved_shape(given: dict[str, Any]) -> list[int] | None:
    """The shape of a convolution's result; None where it is not ordinary, or PyTorch would refuse it."""
    image, weight, bias = given["input"], given["weight"], given["bias"]
    sides = weight.dim() - 2
    if given["transposed"] or sides < 1 or image.dim() != weight.dim() or not image.dtype.is_floating_point:
        return None
    for other in (weight, bias):
        if other is not None and (other.dtype, other.device, other.layout) != (
            image.dtype,
            image.device,
            torch.strided,
        ):
            return None
    groups = given["groups"]
    if image.layout is not torch.strided or groups < 1 or image.shape[1] != weight.shape[1] * groups:
        return None
    if weight.shape[0] % groups or (bias is not None and bias.shape != weight.shape[:1]) or 0 in image.shape:
        return None
    strides, paddings, dilations = (per_side(given[name], sides) for name in ("stride", "padding", "dilation"))
    shape = [int(image.shape[0]), int(weight.shape[0])]
    for side, kernel, stride, padding, dilation in zip(
        image.shape[2:], weight.shape[2:], strides, paddings, dilations, strict=True
    ):
        reach = side + 2 * padding - dilation * (kernel - 1) - 1
        if stride < 1 or padding < 0 or dilation < 1 or kernel < 1 or reach < 0:
            return None
        shape.append(reach // stride + 1)
    return shape


@cache
def _noise() -> Tensor:
    return torch.randn(2**16, generator=torch.Generator().manual_seed(6), dtype=torch.float32, device="cpu")


def stand_in(image: Tensor, shape: list[int]) -> Tensor:
    """Numbers like those of a real activation, the same ones every time, laid out as the convolution would."""
    size = math.prod(shape)
    noise = _noise()
    result = noise.repeat(-(-size // len(noise)))[:size].view(shape).to(image.device, image.dtype)
    if image.dim() == 4 and not image.is_contiguous() and image.is_contiguous(memory_format=torch.channels_last):
        return result.contiguous(memory_format=torch.channels_last)
    return result


def passed_back(given: dict[str, Any], *, written: bool = False) -> tuple[Tensor | None, ...]:
    """Gradients of a convolution by their shapes alone. Unless `written`, each is one zero, expanded to the shape."""
    image, weight = given["input"], given["weight"]
    shapes = (image.shape, weight.shape, given["bias_sizes"])
    return tuple(
        (like.new_full(shape, GRADIENT) if written else like.new_zeros(()).expand(shape)) if wanted else None
        for like, shape, wanted in zip((image, weight, weight), shapes, given["output_mask"], strict=True)
    )
