"""Which network a script has trained, and what it holds.

Called by `training.py`. What counts is which parameters an optimizer has stepped, and not what anything is called.
"""

import gc
from collections.abc import Sequence

import torch
from torch import nn

State = dict[str, torch.Tensor]


def find(called: Sequence[nn.Module], optimizer: torch.optim.Optimizer | None, name: str) -> nn.Module | None:
    """The network that `optimizer` stepped, as the script called it; else one of the class called `name`.

    None when there is nothing to test. `called`: the modules that the script has called as a whole.
    """
    trained = set()
    if optimizer is not None:
        trained = {id(parameter) for group in optimizer.param_groups for parameter in group["params"]}
    modules = [module for module in called if _ids(module)]
    if not any(trained <= _ids(module) for module in modules):
        # No called module has all that was trained: look at all modules in memory.
        modules += [thing for thing in gc.get_objects() if isinstance(thing, nn.Module) and _ids(thing)]
    best = max((len(_ids(module) & trained) for module in modules), default=0)
    if best:
        modules = [module for module in modules if len(_ids(module) & trained) == best]
    else:  # nothing was stepped, or other parameters have taken the places of those that were
        modules = [module for module in modules if type(module).__name__ == name]
    as_called = [module for module in modules if any(module is other for other in called)]
    return min(as_called or modules, key=lambda module: len(_ids(module)), default=None)


def copied_state(network: nn.Module) -> State:
    """Parameters and buffers by name, on the CPU, whatever the student's class makes of `state_dict`."""
    state = nn.Module.state_dict(network)
    return {name: value.detach().cpu().clone() for name, value in state.items() if isinstance(value, torch.Tensor)}


def _ids(module: nn.Module) -> set[int]:
    return {id(parameter) for parameter in module.parameters()}
