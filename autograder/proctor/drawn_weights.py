"""The answers of a network to drawn pictures, with drawn weights: what tells apart two networks of equal shapes.

Called by `examine.py`, and by the test that computes the answers that a homework declares. Every entry of a state dict
is drawn from a seed made of its name, so equal names and shapes mean equal weights, in any order and on any machine.
Where names are a student's, the seed is made of the layer's place in the order of execution.
All is in float64, where two right ways to compute the same differ by less than 1e-12 of it. A network of 15 million
numbers costs 0.7 s on one core of an Intel Xeon.
"""

import hashlib
import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from autograder.observations import Op

PICTURES = 2
LARGEST = 2**28  # numbers in all; more than any homework's network has by a factor of ten


def entries(network: nn.Module) -> dict[str, list[int]]:
    """Name -> shape of every entry of its state dict."""
    return {name: [int(side) for side in value.shape] for name, value in nn.Module.state_dict(network).items()}


def answers(network: nn.Module, input_shape: tuple[int, ...]) -> list[list[float]]:
    """Its scores, (PICTURES, classes), in evaluation mode. Changes the network for good.

    [] where they aren't finite, or where it is too large to draw.
    """
    state = nn.Module.state_dict(network)
    if sum(value.numel() for value in state.values()) > LARGEST:
        return []
    network.cpu().double().eval()
    network.load_state_dict({name: _drawn(name, tuple(value.shape)) for name, value in state.items()})
    with torch.no_grad():
        scores = network(_normal("pictures", (PICTURES, *input_shape)))
    if not isinstance(scores, Tensor) or scores.dim() != 2 or not bool(torch.isfinite(scores).all()):
        return []
    found: list[list[float]] = scores.tolist()
    return found


def order(graph: Sequence[Op]) -> list[str]:
    """The names of the layers that a forward pass runs, by their first operation."""
    return list(dict.fromkeys(op.layer for op in graph if op.layer is not None))


def answers_by_place(
    network: nn.Module, input_shape: tuple[int, ...], below: int, layers: Sequence[str], most: int
) -> list[list[float]]:
    """What it answers, (PICTURES, numbers), at most `most` of them evenly spread, in evaluation mode.

    Biases that a student may leave out are zero: those of layers whose weight is a table. Changes the network for good.
    [] where the answers aren't finite, or where it is too large to draw.

    Args:
        below: inputs are whole numbers below this; 0 for real ones.
        layers: by name, in the order of execution.
    """
    if sum(value.numel() for value in nn.Module.state_dict(network).values()) > LARGEST:
        return []
    network.cpu().double().eval()
    with torch.no_grad():
        for place, name in enumerate(layers):
            _draw_layer(network.get_submodule(name), place)
        drawn = _normal("pictures", (PICTURES, *input_shape))
        outputs = network((drawn.abs() * 1000).long() % below if below else drawn)
    if not isinstance(outputs, Tensor) or outputs.dim() < 2 or not bool(torch.isfinite(outputs).all()):
        return []
    flat = outputs.flatten(1)
    found: list[list[float]] = flat[:, :: -(-flat.shape[1] // most)].tolist()
    return found


def _draw_layer(layer: nn.Module, place: int) -> None:
    own = {key: value for key, value in layer._parameters.items() if value is not None}
    table = any(value.dim() > 1 for value in own.values())
    for number, (key, value) in enumerate(own.items()):
        if table and "bias" in key:
            value.zero_()
        else:
            kind = "bias" if "bias" in key else "weight"
            value.copy_(_drawn(f"{place}.{number}.{kind}", tuple(value.shape)))
    for key in ("running_mean", "running_var"):
        if isinstance(buffer := layer._buffers.get(key), Tensor):
            buffer.copy_(_drawn(f"{place}.{key}", tuple(buffer.shape)))


def _drawn(name: str, shape: tuple[int, ...]) -> Tensor:
    """Weights that keep a signal's size, whatever is behind the name: convolution, BN or linear layer."""
    if len(shape) > 1:
        return _normal(name, shape) * math.sqrt(2 / math.prod(shape[1:]))
    if name.endswith(("weight", "running_var")):  # a BN's: away from zero
        return 1 + _normal(name, shape).tanh() / 2
    return _normal(name, shape) / 10


def _normal(name: str, shape: tuple[int, ...]) -> Tensor:
    seed = int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big")
    # RandomState, not a Generator: NumPy promises that its numbers stay what they are (NEP 19).
    return torch.from_numpy(np.asarray(np.random.RandomState(seed).standard_normal(shape)))
