"""Rescales a network without changing its answers, so that an optimizer's steps are small relative to its weights.

Called by `pretrain` for a checkpoint that a homework goes on from with Adam. Adam changes every weight by about its
learning rate in each step, however large the weight is; weight decay leaves weights small, and one epoch at 0.001 takes
ten points from a 50-layer network. A convolution that a BN follows may be multiplied by anything: the BN divides it out
again. A BN's own weight and bias may be, too, where all that reads it is such a convolution. So both are, and the
answers stay as they are, in train mode and in eval mode.
"""

from collections.abc import Collection, Iterator
from itertools import pairwise

import torch
from torch import nn

CONVOLUTIONS = 40.0  # times as large
BNS = 10.0  # times as large, where their scale is divided out behind them


def rescale(network: nn.Module, answering: Collection[str]) -> None:
    """Multiply what a BN follows, and the BNs. `answering`: names of the BNs whose scale nothing divides out.

    For networks in which every convolution but the first reads BNs, scaled alike, through ReLUs, sums and pools.
    """
    before = 1.0  # by how much larger the input of a convolution is
    with torch.no_grad():
        for convolution, name, norm in _pairs(network):
            behind = 1.0 if name in answering else BNS
            larger = CONVOLUTIONS * before
            if norm.running_mean is None or norm.running_var is None:
                raise TypeError(f"{name} keeps no statistics")
            variance, epsilon = norm.running_var.clone(), norm.eps
            convolution.weight.mul_(CONVOLUTIONS)
            if convolution.bias is not None:
                convolution.bias.mul_(larger)
            norm.running_mean.mul_(larger)
            norm.running_var.mul_(larger**2)
            # Beside larger numbers epsilon counts for less: what it took from a channel with little variance is taken
            # from the weight.
            norm.weight.mul_(behind * ((larger**2 * variance + epsilon) / (variance + epsilon)).sqrt() / larger)
            norm.bias.mul_(behind)
            before = BNS


def _pairs(network: nn.Module) -> Iterator[tuple[nn.Conv2d, str, nn.BatchNorm2d]]:
    """Each convolution that a BN follows, the BN's name and the BN, in the order in which they were built."""
    leaves = [(name, module) for name, module in network.named_modules() if not any(module.children())]
    for (_, convolution), (name, norm) in pairwise(leaves):
        if isinstance(convolution, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
            yield convolution, name, norm
