"""A CPU where a script insists on a GPU: whatever asks for CUDA by name gets something harmless, and is noted.

Called by `run_script.comforts`, on machines without a GPU only. `.cuda()`, `.to("cuda")`, `device="cuda"` and the types
of `torch.cuda` give what the CPU has; events measure by the clock; names and sizes of a device that isn't there are
empty. What a script asks of `torch.cuda` that works without a GPU is left as it is. Lines are noted where PyTorch
would have stopped.
"""

import contextlib
import functools
import inspect
import sys
import time
import types
from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn.parameter import UninitializedParameter

from autograder.proctor.own_code import is_own, line_in

MOST_LINES = 1000
FACTORIES = (
    *("zeros", "ones", "empty", "full", "rand", "randn", "randint", "randperm", "tensor", "arange", "eye", "as_tensor"),
    *("zeros_like", "ones_like", "empty_like", "full_like", "rand_like", "randn_like", "randint_like", "asarray"),
    *("linspace", "logspace", "empty_strided", "scalar_tensor", "tril_indices", "triu_indices", "sparse_coo_tensor"),
    *("load", "hann_window", "normal"),
)
METHODS = ("new_zeros", "new_ones", "new_empty", "new_full", "new_tensor")
TYPES = (
    *("FloatTensor", "DoubleTensor", "HalfTensor", "BFloat16Tensor", "LongTensor", "IntTensor", "ShortTensor"),
    *("ByteTensor", "CharTensor", "BoolTensor"),
)
WORK_ANYWHERE = ("is_available", "device_count", "is_initialized", "is_bf16_supported", "is_tf32_supported")
NAME = "no GPU"

_cuda: Any = torch.cuda
_CpuGenerator: Any = torch.Generator


def answer() -> list[int]:
    """From now on CUDA by name is answered by the CPU. Returns a list that fills with the lines that asked for it."""
    requests: list[int] = []

    def noted() -> None:
        line = line_in()
        if line is not None and line not in requests and len(requests) < MOST_LINES:
            requests.append(line)

    for kind in (torch.Tensor, nn.Module):
        _redirect(kind, "to", noted, by_number=True)
        kind.cuda = _stay(noted)  # type: ignore[method-assign]
    # A lazy layer's parameters know by identity what may be done to them.
    UninitializedParameter._allowed_methods.extend([torch.Tensor.to, torch.Tensor.cuda])  # type: ignore[attr-defined]
    for name in FACTORIES:
        _redirect(torch, name, noted)
    for name in METHODS:
        _redirect(torch.Tensor, name, noted)
    torch.Tensor.pin_memory = lambda self, *_args, **_kwargs: self  # type: ignore[method-assign]
    torch.Tensor.record_stream = lambda *_args: None  # type: ignore[method-assign]
    _of_types(noted)
    _of_module(noted)
    _of_generator(noted)
    _of_defaults(noted)
    _of_processes(noted)
    return requests


def _is_absent(value: object) -> bool:
    """Whether it names a GPU of a kind that isn't here: NVIDIA's, or Apple's on another machine than a Mac."""
    if not isinstance(value, str | torch.device):
        return False
    kind = value.split(":")[0] if isinstance(value, str) else value.type
    return kind == "cuda" or (kind == "mps" and not torch.backends.mps.is_available())


def _is_number(value: object) -> bool:
    """A device by its number, which is a GPU's."""
    return type(value) is int


def _redirect(owner: Any, name: str, noted: Callable[[], None], *, by_number: bool = False) -> None:
    """Make `owner.name` use the CPU for any CUDA device among its arguments."""
    function = getattr(owner, name)

    def on_cpu(value: Any) -> Any:
        if isinstance(value, dict):  # map_location={"cuda:0": "cuda:1"}
            return {key: "cpu" if _is_absent(place) else place for key, place in value.items()}
        return "cpu" if _is_absent(value) else value

    def asks(args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
        device = kwargs.get("device", kwargs.get("map_location"))
        by_name = any(_is_absent(value) for value in args) or _is_absent(device) or _is_number(device)
        return by_name or (by_number and len(args) > 1 and _is_number(args[1]))

    @functools.wraps(function)
    def redirected(*args: Any, **kwargs: Any) -> Any:
        if asks(args, kwargs):
            noted()
            args = tuple(
                "cpu" if by_number and at == 1 and _is_number(value) else on_cpu(value) for at, value in enumerate(args)
            )
            for key in ("device", "map_location"):
                if key in kwargs:
                    kwargs[key] = "cpu" if _is_number(kwargs[key]) else on_cpu(kwargs[key])
        elif isinstance(kwargs.get("map_location"), dict):
            kwargs["map_location"] = on_cpu(kwargs["map_location"])
        return function(*args, **kwargs)

    setattr(owner, name, redirected)


def _stay(noted: Callable[[], None]) -> Any:
    def cuda(self: Any, *_args: Any, **_kwargs: Any) -> Any:
        noted()
        return self

    return cuda


def _of_types(noted: Callable[[], None]) -> None:
    """`torch.cuda.FloatTensor` is `torch.FloatTensor`, as a type, as a function and as a string."""
    for name in TYPES:
        vars(torch.cuda).pop(name, None)

    def missing(name: str) -> Any:
        if name in TYPES:
            noted()
            return getattr(torch, name)
        raise AttributeError(f"module 'torch.cuda' has no attribute {name!r}")

    _cuda.__getattr__ = missing

    def by_word(function: Any, at: int) -> Any:
        @functools.wraps(function)
        def typed(*args: Any, **kwargs: Any) -> Any:
            given = list(args)
            if len(given) > at and isinstance(given[at], str) and given[at].startswith("torch.cuda."):
                noted()
                given[at] = "torch." + given[at].removeprefix("torch.cuda.")
            return function(*given, **kwargs)

        return typed

    torch.Tensor.type = by_word(torch.Tensor.type, 1)  # type: ignore[method-assign]
    torch.set_default_tensor_type = by_word(torch.set_default_tensor_type, 0)


class Stream:
    """A queue of work for a GPU: here everything is done when it is asked for."""

    device = torch.device("cpu")

    def __init__(self, *_args: Any, **_kwargs: Any) -> None:
        pass

    def __enter__(self) -> "Stream":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def query(self) -> bool:
        """Whether all is done."""
        return True

    def record_event(self, event: "Event | None" = None) -> "Event":
        """An event at this moment."""
        event = event or Event()
        event.record()
        return event

    def synchronize(self) -> None:
        """Nothing to wait for."""

    def wait_stream(self, _other: Any) -> None:
        """Nothing to wait for."""

    def wait_event(self, _event: Any) -> None:
        """Nothing to wait for."""


class Event:
    """A mark in such a queue: here the clock's time."""

    def __init__(self, *_args: Any, **_kwargs: Any) -> None:
        self.at = time.perf_counter()

    def record(self, _stream: Any = None) -> None:
        """Now."""
        self.at = time.perf_counter()

    def elapsed_time(self, end: "Event") -> float:
        """Milliseconds from this one to `end`."""
        return (end.at - self.at) * 1000

    def query(self) -> bool:
        """Whether it has come."""
        return True

    def synchronize(self) -> None:
        """Nothing to wait for."""

    def wait(self, _stream: Any = None) -> None:
        """Nothing to wait for."""


class _Device(Stream):
    """A device that is entered by `with`."""


ANSWERS: dict[str, Callable[..., Any]] = {
    "get_device_name": lambda *_args, **_kwargs: NAME,
    "get_device_properties": lambda *_args, **_kwargs: types.SimpleNamespace(
        name=NAME, major=0, minor=0, total_memory=0, multi_processor_count=0
    ),
    "get_device_capability": lambda *_args, **_kwargs: (0, 0),
    "current_device": lambda: 0,
    "mem_get_info": lambda *_args, **_kwargs: (0, 0),
    "memory_summary": lambda *_args, **_kwargs: NAME,
    "current_stream": Stream,
    "default_stream": Stream,
    "stream": lambda stream=None: stream or Stream(),
    "can_device_access_peer": lambda *_args, **_kwargs: False,
    "is_current_stream_capturing": lambda: False,
    "get_rng_state": lambda *_args, **_kwargs: torch.get_rng_state(),
    "initial_seed": lambda: torch.initial_seed(),
    "make_graphed_callables": lambda callables, *_args, **_kwargs: callables,
    **{
        name: lambda *_args, **_kwargs: 0
        for name in ("utilization", "memory_usage", "temperature", "power_draw", "clock_rate", "device_memory_used")
    },
}
"""What functions of `torch.cuda` answer where there is no GPU; the others answer None."""


def _of_module(noted: Callable[[], None]) -> None:
    """Functions and classes of `torch.cuda`: as ever where they work, harmless where they would have stopped."""
    for name, found in list(vars(torch.cuda).items()):
        own = getattr(found, "__module__", "") or ""
        theirs = inspect.isfunction(found) and own.startswith("torch.cuda") and not name.startswith("_")
        if theirs and name not in WORK_ANYWHERE:
            setattr(torch.cuda, name, _harmless(name, found, noted))
    # These return nothing, so doing nothing will do; they aren't noted.
    for name in ("set_device", "synchronize", "manual_seed", "manual_seed_all", "empty_cache"):
        setattr(torch.cuda, name, lambda *_args, **_kwargs: None)
    for name, kind in {"Stream": Stream, "ExternalStream": Stream, "Event": Event}.items():
        setattr(torch.cuda, name, _noting(kind, noted))
    for name in ("device", "device_of"):
        setattr(torch.cuda, name, _noting(_Device, noted))
    for name in ("range_push", "range_pop", "range_start", "range_end", "mark"):
        setattr(torch.cuda.nvtx, name, lambda *_args, **_kwargs: None)
    _cuda.nvtx.range = lambda *_args, **_kwargs: contextlib.nullcontext()


def _harmless(name: str, function: Any, noted: Callable[[], None]) -> Any:
    answer: Callable[..., Any] = ANSWERS.get(name, lambda *_args, **_kwargs: None)

    @functools.wraps(function)
    def asked(*args: Any, **kwargs: Any) -> Any:
        if not is_own(sys._getframe(1).f_code.co_filename):
            return function(*args, **kwargs)  # PyTorch's own code knows what to do without one
        try:
            return function(*args, **kwargs)
        except Exception:
            noted()
            return answer(*args, **kwargs)

    return asked


def _noting(kind: type, noted: Callable[[], None]) -> type:
    def made(self: Any, *args: Any, **kwargs: Any) -> None:
        noted()
        kind.__init__(self, *args, **kwargs)  # type: ignore[misc]

    return type(kind.__name__.strip("_"), (kind,), {"__init__": made})


def _of_generator(noted: Callable[[], None]) -> None:
    class Generator(_CpuGenerator):  # type: ignore[misc]
        """A generator of the CPU, whatever device is named."""

        def __new__(cls, device: Any = "cpu") -> Any:
            if _is_absent(device) or _is_number(device):
                noted()
                device = "cpu"
            return super().__new__(cls, device=device)

    torch.Generator = Generator  # type: ignore[misc]


def _of_defaults(noted: Callable[[], None]) -> None:
    """`torch.set_default_device("cuda")` and `with torch.device("cuda"):`."""
    set_default = torch.set_default_device

    def set_there(device: Any) -> None:
        absent = _is_absent(device) or _is_number(device)
        if absent:
            noted()
        set_default("cpu" if absent else device)

    torch.set_default_device = set_there
    from torch.utils import _device

    make = _device.DeviceContext.__init__

    def made(self: Any, device: Any) -> None:
        if _is_absent(device):
            noted()
            device = torch.device("cpu")
        make(self, device)

    _device.DeviceContext.__init__ = made  # type: ignore[method-assign]


def _of_processes(noted: Callable[[], None]) -> None:
    """A group of processes that talks through NCCL, and a network that is spread over GPUs by their numbers."""
    distributed = nn.parallel.DistributedDataParallel
    make = distributed.__init__

    @functools.wraps(make)
    def made(self: Any, module: Any, device_ids: Any = None, output_device: Any = None, *args: Any, **kw: Any) -> None:
        if device_ids is not None or output_device is not None:
            noted()
        make(self, module, None, None, *args, **kw)

    distributed.__init__ = made  # type: ignore[method-assign]
    if not torch.distributed.is_available():
        return
    join = torch.distributed.init_process_group

    @functools.wraps(join)
    def joined(backend: str | None = None, *args: Any, **kwargs: Any) -> Any:
        if backend is not None and "nccl" in str(backend):
            noted()
            backend = "gloo"
        return join(backend, *args, **kwargs)

    torch.distributed.init_process_group = joined
