"""Describes the layers of a network as observations: their kinds, their parameters, the lines that made them.

Called by `examine.py`. Runs nothing of the student's.
"""

from collections import Counter
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd
from torch.nn.parameter import is_lazy

from autograder.observations import Layer, Values
from autograder.proctor.failure import NAME_CHARACTERS, clip
from autograder.proctor.trace import MOST_SIDES

MOST_LAYERS = 2000
MOST_PARAMETERS_OF_A_LAYER = 64
MOST_PARENTS = 32


class Made(NamedTuple):
    """A module and the line that made it. The module is kept alive, so that no later one gets its `id()`."""

    module: nn.Module
    line: int | None


def described(network: nn.Module, made: dict[int, Made], values: bool) -> list[Layer]:
    """Every module that has parameters itself, `MOST_LAYERS` at most. `values`: with their statistics, too."""
    layers: list[Layer] = []
    known = dict(nn.Module.named_modules(network))
    times = Counter(id(module) for _, module in nn.Module.named_modules(network, remove_duplicate=False))
    for name, module in nn.Module.named_modules(network):
        own = {key: value for key, value in module._parameters.items() if value is not None and not is_lazy(value)}
        kept = list(own)[:MOST_PARAMETERS_OF_A_LAYER]
        if own and len(layers) < MOST_LAYERS:
            layers.append(
                Layer(
                    name=clip(name, NAME_CHARACTERS),
                    kind=_kind(module),
                    class_name=clip(type(module).__name__, NAME_CHARACTERS),
                    parameters={
                        clip(key, NAME_CHARACTERS): [int(side) for side in own[key].shape[:MOST_SIDES]] for key in kept
                    },
                    values={clip(key, NAME_CHARACTERS): _values(own[key]) for key in kept} if values else {},
                    line=_line_of(module, made),
                    parents={clip(each, NAME_CHARACTERS): _line_of(known[each], made) for each in _above(name, known)},
                    repeated=next(
                        (
                            _line_of(known[each], made)
                            for each in (*_above(name, known), name)
                            if times[id(known[each])] > 1
                        ),
                        None,
                    ),
                )
            )
    return layers


def _line_of(module: nn.Module, made: dict[int, Made]) -> int | None:
    return made[id(module)].line if id(module) in made else None


def _above(name: str, known: dict[str, nn.Module]) -> list[str]:
    """The names of the modules that contain a module, outermost first, without the network itself."""
    parts = name.split(".")[:MOST_PARENTS]
    names = [".".join(parts[:count]) for count in range(1, len(parts))]
    return [each for each in names if each in known]


def _values(parameter: Tensor) -> Values:
    exact = parameter.detach().cpu().double().flatten()  # in this order: Apple's GPU has no float64
    numbers = (exact.mean(), exact.std(correction=0), exact.abs().max()) if exact.numel() else ()
    found = [float(number) if bool(torch.isfinite(number)) else None for number in numbers] or [None] * 3
    return Values(mean=found[0], deviation=found[1], largest=found[2])


def _kind(module: nn.Module) -> Any:
    kinds: dict[str, type] = {"conv": _ConvNd, "bn": _BatchNorm, "linear": nn.Linear}
    return next((kind for kind, base in kinds.items() if isinstance(module, base)), "other")
