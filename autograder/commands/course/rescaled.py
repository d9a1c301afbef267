"""Rescales a network without changing its answers, so that an optimizer's steps are small relative to its weights.

Called by `pretrain` for a checkpoint that a homework goes on from with Adam. Adam changes every weight by about its
learning rate in each step, however large the weight is; weight decay leaves weights small, and one epoch at 0.001 takes
ten points from a 50-layer network. A layer that a BN follows may be multiplied by anything: the BN divides it out
again. So may one whose output goes through ReLUs and pools alone to such a layer. A BN's own weight and bias may be,
too, where all that reads it is one of these. So all of them are, and the answers stay as they are, in train mode and in
eval mode.
"""

from collections.abc import Collection, Iterator
from itertools import pairwise

import torch
from torch import nn

BNS = 10.0  # times as large, where their scale is divided out behind them

Weighted = nn.Conv2d | nn.Linear
Norm = nn.BatchNorm1d | nn.BatchNorm2d


def rescale(network: nn.Module, larger: float, answering: Collection[str]) -> None:
    """Multiply all layers' weights but the last one's by `larger`, and the BNs' by `BNS`.

    For networks in which every layer but the first reads BNs, scaled alike, or one layer without a BN, through ReLUs,
    sums and pools. Without BNs the factors multiply: `larger` to the power of the layers in a row must stay below 1e18,
    since a variance is its square.

    Args:
        answering: names of the BNs whose scale nothing divides out.
    """
    before = 1.0  # by how much larger the input of a layer is
    with torch.no_grad():
        for layer, name, norm in _layers(network):
            scale = larger * before
            layer.weight.mul_(larger)
            if layer.bias is not None:
                layer.bias.mul_(scale)
            if norm is None:
                before = scale
                continue
            if norm.running_mean is None or norm.running_var is None:
                raise TypeError(f"{name} keeps no statistics")
            variance, epsilon = norm.running_var.clone(), norm.eps
            behind = 1.0 if name in answering else BNS
            norm.running_mean.mul_(scale)
            norm.running_var.mul_(scale**2)
            # Beside larger numbers epsilon counts for less: what it took from a channel with little variance is taken
            # from the weight.
            norm.weight.mul_(behind * ((variance + epsilon / scale**2) / (variance + epsilon)).sqrt())
            norm.bias.mul_(behind)
            before = BNS


def _layers(network: nn.Module) -> Iterator[tuple[Weighted, str, Norm | None]]:
    """Each layer but the last, in the order in which they were built; the name of what follows it, and that if a BN."""
    leaves = [(name, module) for name, module in network.named_modules() if not any(module.children())]
    for (_, layer), (name, following) in pairwise(leaves):
        if isinstance(layer, Weighted):
            yield layer, name, following if isinstance(following, Norm) else None
