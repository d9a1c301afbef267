"""A fresh instance of the student's network, looked at from all sides: shapes, layers, data flow, gradients.

Called by the proctor, in the process where the student's script ran; it builds the class once more and never touches
the network that the script trained. Whatever the student's code raises becomes a Failure. Nothing is trained, and big
convolutions are neither initialised nor computed (`trace.py` says why that loses nothing): an 18-layer network with two
variants costs 0.17 s on one core of an AMD EPYC.
"""

import ast
import contextlib
import gc
import inspect
import linecache
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from autograder.observations import Failure, Network, Op, Variant
from autograder.proctor import drawn_weights, lazy_compiler
from autograder.proctor.described_layers import Made, described
from autograder.proctor.failure import LAST_LINE, NAME_CHARACTERS, clip, failure
from autograder.proctor.skip_convolutions import Unfilled
from autograder.proctor.student_lines import border, student_line
from autograder.proctor.trace import MOST_SIDES, Trace, memory_key

Result = TypeVar("Result")


class Inputs(NamedTuple):
    """What a network is given: the shape of one input, and what whole numbers stay below (0 for real numbers)."""

    shape: tuple[int, ...]
    below: int


BATCHES = (2, 4, 1)  # in the order in which they are preferred for the graph
SEED = 6
MOST_NAMES = 5000
MOST_SCORES = 100  # of a picture
MOST_ARGUMENTS = 100
LARGEST_COUNT = 10**12


def examine(
    network_class: Any,
    arguments: tuple[int, ...],
    input_shape: tuple[int, ...],
    file: str,
    *,
    below: int = 0,
    values: bool = False,
    entries: bool = False,
    by_place: bool = False,
) -> tuple[Network | None, Failure | None]:
    """What `network_class(*arguments)` is, for images of `input_shape` (C, H, W), or for other inputs.

    Args:
        file: the student's, as its code objects name it.
        below: inputs are whole numbers from 0 to below this; 0 for real ones.
        values: initialise it in full, and say what values its parameters start from.
        entries: say what its state dict has, and what it answers with weights drawn for each name.
        by_place: say what it answers with weights drawn for each layer's place in the order of execution.

    Returns the network, or None and why there is none. What fails later is recorded in the network.
    """
    made: dict[int, Made] = {}
    inputs = Inputs(input_shape, below)

    def build() -> nn.Module:
        with _quiet_state(), _building(file, made, fill=values):
            return _build(network_class, arguments)

    def observe(network: nn.Module) -> Network:
        with _quiet_state():
            seen = _observe(network, network_class, inputs, file, made, values)
            if by_place:
                given, _ = _attempt(lambda: _answers(network, inputs, drawn_weights.order(seen.graph)), file)
                return seen.model_copy(update={"answers": _few(given)})
            return _with_answers(seen, network, inputs, file) if entries else seen

    network, problem = _attempt(build, file)
    if network is None:
        if problem is not None and problem.line is None:  # its arguments don't fit: nothing of it has run
            problem = problem.model_copy(update={"line": _line_of_init(network_class, file)})
        return None, problem
    return _attempt(lambda: observe(network), file)  # this fails for a class that breaks what nn.Module promises


def variant(network_class: Any, arguments: tuple[int, ...], input_shape: tuple[int, ...], file: str) -> Variant:
    """How many parameters and convolutions `network_class(*arguments)` has (see Variant)."""

    def count() -> tuple[int, dict[int, int]]:
        trace = Trace(file)
        with _quiet_state():
            with _building(file, {}, fill=False):
                network = _build(network_class, arguments)
            network.eval()
            with torch.no_grad(), _eager():
                image = _images(network, 2, Inputs(input_shape, 0))
                with trace:
                    network(image)
            return _count(network), {side: min(times, LARGEST_COUNT) for side, times in sorted(trace.convs.items())}

    counted, problem = _attempt(count, file)
    parameters, convs = counted or (0, {})
    return Variant(arguments=list(arguments), parameters=parameters, convs=convs, failure=problem)


def _attempt(action: Callable[[], Result], file: str) -> tuple[Result | None, Failure | None]:
    """What `action` returns, or why the student's code in it failed. Only an interruption from outside passes."""
    try:
        return action(), None
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        return None, failure(error, file)


@border
def _build(network_class: Any, arguments: tuple[int, ...]) -> nn.Module:
    network = network_class(*arguments)
    if not isinstance(network, nn.Module):
        raise TypeError(f"{_name(network_class)}(...) is a {type(network).__name__}, not a torch.nn.Module")
    return network


def _observe(
    network: nn.Module,
    network_class: Any,
    inputs: Inputs,
    file: str,
    made: dict[int, Made],
    values: bool,
) -> Network:
    network.eval()
    if any(is_lazy(parameter) for parameter in nn.Module.parameters(network)):
        _attempt(lambda: _forward(network, 2, inputs, file), file)  # gives them their sizes
    outputs: dict[int, list[int]] = {}
    failures: dict[int, Failure] = {}
    graphs: dict[int, list[Op]] = {}
    for batch in BATCHES:
        passed, problem = _attempt(lambda batch=batch: _forward(network, batch, inputs, file), file)  # type: ignore[misc]
        if passed:
            outputs[batch], graphs[batch] = passed
        elif problem:
            failures[batch] = problem
    zeroed: list[Op] = []
    without_gradient: list[str] | None = []
    gradient_failure: Failure | None = None
    if graphs:
        batch = next(iter(graphs))
        passed, _ = _attempt(lambda: _forward(network, batch, inputs, file, zeroed=True), file)
        zeroed = passed[1] if passed else []
        without_gradient, gradient_failure = _attempt(lambda: _without_gradient(network, batch, inputs, file), file)
    return Network(
        class_name=clip(_name(network_class), NAME_CHARACTERS),
        line=_class_line(network_class, file),
        argument_names=_argument_names(network_class),
        parameters=_count(network),
        layers=described(network, made, values),
        outputs=outputs,
        forward_failures=failures,
        loses_batch={batch: op for batch, graph in graphs.items() if (op := _loses_batch(graph, batch)) is not None},
        graph=next(iter(graphs.values()), []),
        zeroed=zeroed,
        without_gradient=without_gradient or [],
        gradient_failure=gradient_failure,
    )


def _loses_batch(graph: list[Op], batch: int) -> Op | None:
    """The first operation on the way from the image whose result no longer has a row for each of `batch` images."""
    on_the_way: set[int] = set()
    for op in graph:
        if op.kind == "input" or on_the_way & set(op.inputs):
            if op.shape[:1] != [batch]:
                return op
            on_the_way.add(op.index)
    return None


def _with_answers(seen: Network, network: nn.Module, inputs: Inputs, file: str) -> Network:
    """`seen` and what is found last, since it takes the network's own weights away."""
    found, _ = _attempt(lambda: drawn_weights.entries(network), file)
    given, _ = _attempt(lambda: _answers(network, inputs, None), file)
    named = list((found or {}).items())[:MOST_NAMES]
    entries = {clip(name, NAME_CHARACTERS): shape[:MOST_SIDES] for name, shape in named}
    return seen.model_copy(update={"entries": entries, "answers": _few(given)})


def _few(answers: list[list[float]] | None) -> list[list[float]]:
    return answers if answers and all(len(row) <= MOST_SCORES for row in answers) else []


@border
def _answers(network: nn.Module, inputs: Inputs, layers: list[str] | None) -> list[list[float]]:
    with _eager():
        if layers is None:
            return drawn_weights.answers(network, inputs.shape)
        return drawn_weights.answers_by_place(network, inputs.shape, inputs.below, layers, MOST_SCORES)


@border
def _forward(
    network: nn.Module, batch: int, inputs: Inputs, file: str, *, zeroed: bool = False
) -> tuple[list[int], list[Op]]:
    """The output's shape and the operations of one forward pass without gradients."""
    with torch.no_grad(), _eager():
        image = _images(network, batch, inputs)
        with Trace(file, _owners(network), image, zeroed=zeroed) as trace:
            output = _call(network, image)
    return [int(side) for side in output.shape[:MOST_SIDES]], trace.ops


def _without_gradient(network: nn.Module, batch: int, inputs: Inputs, file: str) -> list[str]:
    """Parameters that no loss could train: nothing of the output, in training mode, depends on them.

    A gradient of zeros isn't missing: before a scale that starts at zero all gradients are zeros, and the block still
    learns. So the sum of the outputs is traced back, which reaches whatever cross-entropy reaches.
    """
    network.train()
    with torch.enable_grad(), _eager(), Trace(file):
        output = _call(network, _images(network, batch, inputs))
        named = list(nn.Module.named_parameters(network))
        trained = [(name, parameter) for name, parameter in named if parameter.requires_grad]
        reached: set[str] = set()
        if trained and output.requires_grad:
            gradients = torch.autograd.grad(output.sum(), [parameter for _, parameter in trained], allow_unused=True)
            reached = {name for (name, _), one in zip(trained, gradients, strict=True) if one is not None}
    return [clip(name, NAME_CHARACTERS) for name, _ in named if name not in reached][:MOST_NAMES]


@border
def _call(network: nn.Module, image: Tensor) -> Tensor:
    output = network(image)
    if not isinstance(output, Tensor):
        raise TypeError(f"forward returned a {type(output).__name__}, not a tensor")
    return output


def _images(network: nn.Module, batch: int, inputs: Inputs) -> Tensor:
    """Made-up images, (batch, C, H, W) in [-1, 1], or other inputs, where the network's first parameter is."""
    device = next((parameter.device for parameter in nn.Module.parameters(network)), torch.device("cpu"))
    generator = torch.Generator(device="cpu").manual_seed(SEED)
    if inputs.below:
        return torch.randint(inputs.below, (batch, *inputs.shape), generator=generator, device="cpu").to(device)
    images = torch.rand((batch, *inputs.shape), generator=generator, device="cpu", dtype=torch.get_default_dtype())
    return (images * 2 - 1).to(device)


def _owners(network: nn.Module) -> dict[int, str]:
    owners: dict[int, str] = {}
    for name, module in nn.Module.named_modules(network):
        for parameter in module._parameters.values():
            if parameter is not None and not is_lazy(parameter):
                owners.setdefault(memory_key(parameter), clip(name, NAME_CHARACTERS))
    return owners


def _count(network: nn.Module) -> int:
    """How many numbers it trains, shared ones once; lazy ones, which have no size yet, not at all."""
    every = nn.Module.parameters(network)
    return min(sum(parameter.numel() for parameter in every if not is_lazy(parameter)), LARGEST_COUNT)


def _name(network_class: Any) -> str:
    return str(getattr(network_class, "__name__", type(network_class).__name__))


def _argument_names(network_class: Any) -> list[str]:
    names = list(inspect.signature(network_class).parameters)
    return [clip(name, NAME_CHARACTERS) for name in names[:MOST_ARGUMENTS]]


def _line_of_init(network_class: Any, file: str) -> int | None:
    """Where the constructor's `def` stands in `file`; of a class without one, the class."""
    code = getattr(getattr(network_class, "__init__", None), "__code__", None)
    if code is None or code.co_filename != file:
        return _class_line(network_class, file)
    return min(int(code.co_firstlineno), LAST_LINE)


def _class_line(network_class: Any, file: str) -> int | None:
    """Where `file` defines the class, or the function that builds it; None when it doesn't.

    Of several definitions of one name, it is the one in use.
    """
    try:
        tree = ast.parse("".join(linecache.getlines(file)))
    except (SyntaxError, ValueError, RecursionError):  # the source changed, or can't be read any more
        return None
    functions = [one for one in (network_class, *vars(network_class).values()) if inspect.isfunction(one)]
    lines = [one.__code__.co_firstlineno for one in functions if one.__code__.co_filename == file]
    found = [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef | ast.FunctionDef)
        and node.name == _name(network_class)
        and any(node.lineno <= line <= (node.end_lineno or 0) for line in lines)
    ]
    return min(found[-1], LAST_LINE) if found else None


@contextlib.contextmanager
def _quiet_state() -> Iterator[None]:
    """Seed for what runs inside, with gradients, and put back afterwards the modes that the script left.

    Garbage isn't collected meanwhile: going through all of PyTorch's objects takes longer than the whole examination.
    """
    collecting = gc.isenabled()
    gc.disable()
    grad = torch.is_grad_enabled()
    try:
        with torch.random.fork_rng(devices=[]), torch.inference_mode(False):
            torch.set_grad_enabled(True)
            torch.manual_seed(SEED)
            yield
    finally:
        torch.set_grad_enabled(grad)
        if collecting:
            gc.enable()


@contextlib.contextmanager
def _eager() -> Iterator[None]:
    """Run what `torch.compile` wrapped as it was written: what a compiler made of it would hide its operations."""
    fused = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)  # a whole layer in one operation
    try:
        if lazy_compiler.imported():  # to ask it for this would import it, which takes seconds
            with torch.compiler.set_stance("force_eager"):
                yield
        else:
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fused)


@contextlib.contextmanager
def _building(file: str, made: dict[int, Made], *, fill: bool) -> Iterator[None]:
    """While inside, note in `made`, by id, where `file` makes modules; unless `fill`, skip what initialising costs."""
    original = nn.Module.__init__

    def noting(self: nn.Module, *args: Any, **kwargs: Any) -> None:
        made[id(self)] = Made(self, student_line(file, skip_init_of=self))
        original(self, *args, **kwargs)

    nn.Module.__init__ = noting  # type: ignore[method-assign]
    try:
        with contextlib.nullcontext() if fill else Unfilled():
            yield
    finally:
        nn.Module.__init__ = original  # type: ignore[method-assign]
