"""What is said of a network must be true of it, whatever style it is written in and whatever it does wrong.

Each test writes a student's file, runs it, and examines the class it defines. `WRITTEN` is a right answer (option B);
the others are that answer with lines exchanged.
"""

import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from autograder.observations import Network, Op, Variant
from autograder.proctor.examine import examine, variant
from autograder.proctor.failure import failure

SHAPE = (3, 32, 32)

WRITTEN = """\
import torch
import torch.nn as nn
import torch.nn.functional as F

class Block(nn.Module):
    def __init__(self, before, after, stride):
        super().__init__()
        self.bn1 = nn.BatchNorm2d(before)
        self.conv1 = nn.Conv2d(before, after, 3, stride=stride, padding=1)
        self.bn2 = nn.BatchNorm2d(after)
        self.conv2 = nn.Conv2d(after, after, 3, padding=1)
        self.project = nn.Conv2d(before, after, 1, stride=stride) if stride == 2 else None

    def forward(self, x):
        y = F.relu(self.bn1(x))
        skip = x if self.project is None else self.project(y)
        y = self.conv1(y)
        y = self.conv2(F.relu(self.bn2(y)))
        return y + skip

class IdentityResNet(nn.Module):
    def __init__(self, nblk_stage1, nblk_stage2, nblk_stage3, nblk_stage4):
        super().__init__()
        self.stem = nn.Conv2d(3, 64, 3, stride=1, padding=1)
        self.stage1 = self.stage(64, 64, nblk_stage1, 1)
        self.stage2 = self.stage(64, 128, nblk_stage2, 2)
        self.stage3 = self.stage(128, 256, nblk_stage3, 2)
        self.stage4 = self.stage(256, 512, nblk_stage4, 2)
        self.fc = nn.Linear(512, 10)

    def stage(self, before, after, count, stride):
        blocks = [Block(before, after, stride)]
        blocks += [Block(after, after, 1) for _ in range(count - 1)]
        return nn.Sequential(*blocks)

    def forward(self, x):
        x = self.stem(x)
        x = self.stage1(x)
        x = self.stage2(x)
        x = self.stage3(x)
        x = self.stage4(x)
        x = F.avg_pool2d(x, 4, stride=4)
        return self.fc(x.view(-1, 512))
"""
PROJECTION = "        self.project = nn.Conv2d(before, after, 1, stride=stride) if stride == 2 else None\n"
SKIP = "        skip = x if self.project is None else self.project(y)\n"
HEAD = "        x = F.avg_pool2d(x, 4, stride=4)\n        return self.fc(x.view(-1, 512))\n"

Write = Callable[..., tuple[type, str]]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """A function that writes the answer with (old, new) exchanged, runs it and gives the class and its file."""

    def written(*exchanges: tuple[str, str], source: str = WRITTEN) -> tuple[type, str]:
        for old, new in exchanges:
            assert source.count(old) >= 1, f"the answer has no {old!r}"
            source = source.replace(old, new)
        path = tmp_path / f"hw6_{len(list(tmp_path.iterdir()))}.py"
        path.write_text(source)
        names: dict[str, type] = {"__name__": "__main__"}  # type: ignore[dict-item]
        exec(compile(source, str(path), "exec"), names)
        return names["IdentityResNet"], str(path)

    return written


@pytest.fixture
def seen(write: Write) -> Callable[..., Network]:
    """A function that examines the answer with (old, new) exchanged."""

    def see(*exchanges: tuple[str, str], source: str = WRITTEN) -> Network:
        network_class, file = write(*exchanges, source=source)
        network, problem = examine(network_class, (2, 2, 2, 2), SHAPE, file)
        assert problem is None
        assert network is not None
        return network

    return see


@pytest.fixture
def counted(write: Write) -> Callable[..., Variant]:
    """A function that builds the answer, with (old, new) exchanged, with other arguments."""

    def count(arguments: tuple[int, ...], *exchanges: tuple[str, str]) -> Variant:
        network_class, file = write(*exchanges)
        return variant(network_class, arguments, SHAPE, file)

    return count


def line_of(text: str, source: str = WRITTEN) -> int:
    """The 1-based line of the answer that holds `text`, which must be one."""
    lines = [number for number, line in enumerate(source.splitlines(), 1) if text in line]
    assert len(lines) == 1
    return lines[0]


def kinds(graph: list[Op]) -> list[str]:
    return [op.kind for op in graph]


def of_kind(graph: list[Op], kind: str) -> list[Op]:
    return [op for op in graph if op.kind == kind]


def made_by(graph: list[Op], layer: str) -> list[Op]:
    return [op for op in graph if op.layer == layer]


# --- a right answer ---


def test_option_b_is_described_completely(seen):
    network = seen()
    assert network.class_name == "IdentityResNet"
    assert network.line == line_of("class IdentityResNet")
    assert network.argument_names == ["nblk_stage1", "nblk_stage2", "nblk_stage3", "nblk_stage4"]
    assert network.parameters == 11_175_946
    assert sum(layer.count for layer in network.layers) == 11_175_946
    assert network.outputs == {1: [1, 10], 2: [2, 10], 4: [4, 10]}
    assert network.forward_failures == {}
    assert network.without_gradient == []
    assert network.gradient_failure is None


def test_layers_come_in_the_order_of_their_definition_with_shapes_and_lines(seen):
    layers = seen().layers
    assert [layer.name for layer in layers[:5]] == [
        "stem",
        "stage1.0.bn1",
        "stage1.0.conv1",
        "stage1.0.bn2",
        "stage1.0.conv2",
    ]
    assert layers[-1].name == "fc"
    assert [layer.kind for layer in layers].count("conv") == 1 + 16 + 3
    assert [layer.kind for layer in layers].count("bn") == 16
    stem = layers[0]
    assert (stem.class_name, stem.parameters) == ("Conv2d", {"weight": [64, 3, 3, 3], "bias": [64]})
    assert stem.line == line_of("self.stem = ")
    assert {layer.line for layer in layers if layer.name.endswith("bn2")} == {line_of("self.bn2 = ")}
    assert {layer.line for layer in layers if layer.name.endswith("project")} == {line_of("self.project = ")}


def test_graph_has_the_first_stages_operations_in_order(seen):
    graph = seen().graph
    block = ["bn", "relu", "conv", "bn", "relu", "conv", "add"]
    assert kinds(graph[:16]) == ["input", "conv", *block, *block]
    assert kinds(graph[-4:]) == ["add", "avgpool", "flatten", "linear"]
    assert [op.index for op in graph] == list(range(len(graph)))
    first, second = of_kind(graph, "add")[:2]
    assert first.inputs == [7, 1]  # the second convolution, and the stem
    assert second.inputs == [14, first.index]
    assert (graph[0].shape, graph[-1].shape) == ([2, 3, 32, 32], [2, 10])


def test_operations_know_their_geometry_layer_and_line(seen):
    graph = seen().graph
    conv = made_by(graph, "stage2.0.conv1")[0]
    assert (conv.kernel, conv.stride, conv.padding, conv.bias) == ([3, 3], [2, 2], [1, 1], True)
    assert conv.shape == [2, 128, 16, 16]
    assert conv.line == line_of("y = self.conv1(y)")
    projection = made_by(graph, "stage2.0.project")[0]
    assert (projection.kernel, projection.stride, projection.padding) == ([1, 1], [2, 2], [0, 0])
    assert projection.inputs == [conv.inputs[0]]  # both read the first ReLU
    pool = of_kind(graph, "avgpool")[0]
    assert (pool.kernel, pool.stride, pool.padding, pool.shape) == ([4, 4], [4, 4], [0, 0], [2, 512, 1, 1])
    linear = graph[-1]
    assert (linear.layer, linear.bias, linear.line) == ("fc", True, line_of("return self.fc"))


def test_zeroed_blocks_are_the_identity(seen):
    network = seen()
    zeroed = network.zeroed
    assert kinds(zeroed) == kinds(network.graph)
    for op in of_kind(zeroed, "add"):
        residual, skip = op.inputs
        assert op.equals == [skip]
        assert zeroed[residual].kind == "conv"
    stem = made_by(zeroed, "stem")[0]
    assert stem.equals == []
    assert of_kind(zeroed, "relu")[0].equals == []  # the stem and the skips are computed with real values


def test_examining_leaves_no_trace_in_the_process(write):
    network_class, file = write()
    init, rng = nn.Module.__init__, torch.get_rng_state()
    python_rng, numpy_rng = random.getstate(), np.random.get_state()[1].copy()
    torch.set_grad_enabled(False)
    try:
        network, _ = examine(network_class, (1, 1, 1, 1), SHAPE, file)
        assert not torch.is_grad_enabled()
    finally:
        torch.set_grad_enabled(True)
    assert network is not None
    assert network.without_gradient == []  # although the script had left gradients off
    assert nn.Module.__init__ is init
    assert torch.equal(torch.get_rng_state(), rng)
    assert random.getstate() == python_rng
    assert np.array_equal(np.random.get_state()[1], numpy_rng)


def test_the_same_file_is_described_the_same_twice(write):
    network_class, file = write()
    assert examine(network_class, (1, 1, 1, 1), SHAPE, file) == examine(network_class, (1, 1, 1, 1), SHAPE, file)


def test_lines_of_the_script_itself_are_not_taken_for_the_networks(tmp_path):
    path = tmp_path / "hw6.py"
    path.write_text(
        WRITTEN.replace("        self.fc = nn", "        self.w = nn.Parameter(torch.zeros(1))\n        self.fc = nn")
        + "\nlook()\n"
    )

    def look() -> None:
        seen.append(examine(names["IdentityResNet"], (1, 1, 1, 1), SHAPE, str(path))[0])

    seen: list[Network] = []
    names = {"__name__": "__main__", "look": look}
    exec(compile(path.read_text(), str(path), "exec"), names)
    assert seen[0].graph[0].line is None
    assert seen[0].layers[0].line == line_of("class IdentityResNet") + 2  # its own parameter: made by its `__init__`
    assert seen[0].without_gradient == ["w"]


# --- other right answers ---

POOL_AND_CAT = """\
        skip = x
        if self.stride == 2:
            skip = F.max_pool2d(x, 2, stride=2)
            skip = torch.cat((skip, torch.zeros(skip.shape, device=skip.device)), 1)
"""
POOL_AND_PAD = """\
        skip = x
        if self.stride == 2:
            skip = F.pad(F.max_pool2d(x, 2, stride=2), (0, 0, 0, 0, 0, x.shape[1]))
"""
POOL_AND_WRITE = """\
        skip = x
        if self.stride == 2:
            skip = torch.zeros(x.shape[0], 2 * x.shape[1], x.shape[2] // 2, x.shape[3] // 2)
            skip[:, : x.shape[1]] = F.max_pool2d(x, 2, stride=2)
"""
SLICE_AND_ZERO_TIMES = """\
        skip = x
        if self.stride == 2:
            skip = x[:, :, ::2, ::2]
            skip = torch.cat((skip, skip * 0), 1)
"""
OPTION_A = (PROJECTION, "        self.stride = stride\n")


@pytest.mark.parametrize(
    ("skip", "path"),
    [
        (POOL_AND_CAT, ["maxpool", "cat"]),
        (POOL_AND_PAD, ["maxpool", "pad"]),
        (POOL_AND_WRITE, ["maxpool", "slice_scatter"]),
        (SLICE_AND_ZERO_TIMES, ["slice", "slice", "cat"]),
    ],
)
def test_option_a_is_followed_in_every_style(seen, skip, path):
    network = seen(OPTION_A, (SKIP, skip))
    assert network.parameters == 11_003_018
    graph = network.graph
    add = of_kind(graph, "add")[2]  # of stage2.0
    at = add.inputs[1]
    walked = []
    while graph[at].kind != "add":
        walked.append(graph[at].kind)
        assert [graph[other].kind for other in graph[at].inputs if graph[other].kind == "zeros"] in ([], ["zeros"])
        at = next(other for other in reversed(graph[at].inputs) if graph[other].kind != "zeros")
    assert walked[::-1] == path
    assert at == of_kind(graph, "add")[1].index  # the block's own input
    assert all(op.equals == [op.inputs[1]] for op in of_kind(network.zeroed, "add"))


def test_max_pools_and_zeros_have_no_layer_and_their_own_geometry(seen):
    graph = seen(OPTION_A, (SKIP, POOL_AND_CAT)).graph
    pool = of_kind(graph, "maxpool")[0]
    assert (pool.kernel, pool.stride, pool.padding, pool.layer) == ([2, 2], [2, 2], [0, 0], None)
    zeros = of_kind(graph, "zeros")[0]
    assert (zeros.shape, zeros.inputs) == ([2, 64, 16, 16], [])


@pytest.mark.parametrize(
    ("exchanges", "parameters"),
    [
        ([("1, stride=stride)", "1, stride=stride, bias=False)")], 11_171_146),
        ([OPTION_A, (SKIP, POOL_AND_PAD)], 10_999_114),
    ],
)
def test_convolutions_without_biases_are_counted_and_seen(seen, exchanges, parameters):
    network = seen(("padding=1)", "padding=1, bias=False)"), *exchanges)
    assert network.parameters == parameters
    assert not any(op.bias for op in of_kind(network.graph, "conv"))
    assert all("bias" not in layer.parameters for layer in network.layers if layer.kind == "conv")


@pytest.mark.parametrize(
    "head",
    [
        "        return self.fc(F.adaptive_avg_pool2d(x, 1).flatten(1))\n",
        "        return self.fc(x.mean([2, 3]))\n",
        "        return self.fc(x.mean(3).mean(2))\n",
        "        return self.fc(x.flatten(2).mean(2))\n",
        "        return self.fc(nn.AvgPool2d(4)(x).reshape(x.size(0), -1))\n",
        "        return self.fc(nn.AdaptiveAvgPool2d((1, 1))(x).view(x.size(0), -1))\n",
    ],
)
def test_every_way_to_average_a_map_is_an_average_pool(seen, head):
    network = seen((HEAD, head))
    pool = of_kind(network.graph, "avgpool")
    assert [op.kernel for op in pool] == [[4, 4]]
    assert network.outputs[1] == [1, 10]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("        return y + skip\n", "        y += skip\n        return y\n"),
        ("        return y + skip\n", "        return torch.add(y, skip)\n"),
        ("        return y + skip\n", "        return sum([y, skip])\n"),
        ("        return y + skip\n", "        return y.add_(skip.clone())\n"),
        ("F.relu(self.bn2(y))", "F.relu(self.bn2(y), inplace=True)"),
        ("F.relu(self.bn2(y))", "self.bn2(y).clamp(min=0)"),
        ("F.relu(self.bn2(y))", "nn.ReLU(True)(self.bn2(y))"),
        ("F.relu(self.bn2(y))", "F.dropout(F.relu(self.bn2(y)), training=self.training)"),
        ("        y = self.conv1(y)\n", "        y = self.conv1(y).contiguous().detach().requires_grad_()\n"),
        ("x = self.stage1(x)", "x = self.stage1.forward(x)"),
    ],
)
def test_style_does_not_change_the_graph(seen, old, new):
    usual = seen()
    other = seen((old, new))

    def essence(graph: list[Op]) -> list[tuple[str, list[int], str | None]]:
        return [(op.kind, op.inputs, op.layer) for op in graph]

    assert essence(other.graph) == essence(usual.graph)
    assert [op.equals for op in other.zeroed] == [op.equals for op in usual.zeroed]


def test_blocks_made_of_sequential_have_the_same_data_flow(seen):
    network = seen(
        (
            "        y = self.conv1(y)\n        y = self.conv2(F.relu(self.bn2(y)))\n",
            "        y = self.rest(y)\n",
        ),
        (PROJECTION, PROJECTION + "        self.rest = nn.Sequential(self.conv1, self.bn2, nn.ReLU(), self.conv2)\n"),
    )
    assert kinds(network.graph) == kinds(seen().graph)
    assert network.parameters == 11_175_946
    assert made_by(network.graph, "stage1.0.conv1")  # its first name


def test_weights_used_through_functions_are_their_modules(seen):
    network = seen(
        (
            "        self.conv2 = nn.Conv2d(after, after, 3, padding=1)\n",
            "        self.w = nn.Parameter(torch.randn(after, after, 3, 3) * 0.01)\n"
            "        self.b = nn.Parameter(torch.zeros(after))\n",
        ),
        ("self.conv2(F.relu(self.bn2(y)))", "F.conv2d(F.relu(self.bn2(y)), self.w, self.b, padding=1)"),
    )
    assert network.parameters == 11_175_946
    conv = made_by(network.graph, "stage1.0")
    assert [(op.kind, op.kernel, op.bias) for op in conv] == [("conv", [3, 3], True)]
    own = next(layer for layer in network.layers if layer.name == "stage1.0")
    assert (own.kind, own.class_name, own.parameters) == ("other", "Block", {"w": [64, 64, 3, 3], "b": [64]})
    assert own.line == line_of("blocks = [Block(") + 1  # the answer got a line longer
    assert of_kind(network.zeroed, "add")[0].equals == [1]


def test_computed_weights_are_their_layers(seen):
    network = seen(
        ("nn.Conv2d(after, after, 3, padding=1)", "nn.utils.spectral_norm(nn.Conv2d(after, after, 3, padding=1))")
    )
    assert len(made_by(network.graph, "stage1.0.conv2")) == 1
    assert len(of_kind(network.graph, "add")) == 8


def test_control_flow_that_looks_at_values_is_followed(seen):
    network = seen(
        ("        return y + skip\n", "        return y + skip if y.abs().max().item() < 1e9 else y\n"),
    )
    assert len(of_kind(network.graph, "add")) == 8
    assert all(op.equals == [op.inputs[1]] for op in of_kind(network.zeroed, "add"))


def test_data_parallel_inside_adds_nothing_but_a_name(seen):
    network = seen(("return nn.Sequential(*blocks)", "return nn.DataParallel(nn.Sequential(*blocks))"))
    assert network.parameters == 11_175_946
    assert kinds(network.graph) == kinds(seen().graph)
    assert made_by(network.graph, "stage1.module.0.conv1")


@pytest.mark.parametrize(
    "device",
    [
        "meta",
        pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here")),
    ],
)
def test_images_go_where_the_constructor_put_the_network(seen, device):
    network = seen(("self.fc = nn.Linear(512, 10)", f"self.fc = nn.Linear(512, 10)\n        self.to({device!r})"))
    assert network.outputs == {1: [1, 10], 2: [2, 10], 4: [4, 10]}
    assert kinds(network.graph) == kinds(seen().graph)
    assert network.without_gradient == []


def test_inference_mode_inside_hides_no_operation(seen):
    network = seen(
        ("        x = self.stage1(x)\n", "        with torch.inference_mode():\n            x = self.stage1(x)\n")
    )
    assert kinds(network.graph) == kinds(seen().graph)


def test_compiled_parts_are_seen_as_written(seen):
    network = seen(("return nn.Sequential(*blocks)", "return torch.compile(nn.Sequential(*blocks), backend='eager')"))
    assert kinds(network.graph) == kinds(seen().graph)


def test_lazy_layers_get_their_sizes(seen):
    network = seen(("self.fc = nn.Linear(512, 10)", "self.fc = nn.LazyLinear(10)"))
    assert network.parameters == 11_175_946
    assert network.layers[-1].parameters == {"weight": [10, 512], "bias": [10]}
    assert network.graph[-1].layer == "fc"


def test_a_function_that_builds_the_network_will_do(seen):
    source = WRITTEN.replace("class IdentityResNet", "class Other") + (
        "\ndef IdentityResNet(a, b, c, d):\n    return Other(a, b, c, d)\n"
    )
    network = seen(source=source)
    assert network.parameters == 11_175_946
    assert network.line == line_of("def IdentityResNet", source)
    assert network.argument_names == ["a", "b", "c", "d"]


def test_a_class_defined_twice_is_at_its_last_place(seen):
    again = WRITTEN[WRITTEN.index("class IdentityResNet") :]
    assert seen(source=WRITTEN + "\n" + again).line == WRITTEN.count("\n") + 2


# --- mistakes ---


def test_a_shared_block_is_one_layer_used_twice(seen):
    network = seen(
        (
            "blocks = [Block(before, after, stride)]\n"
            "        blocks += [Block(after, after, 1) for _ in range(count - 1)]",
            "blocks = [Block(before, after, 1)] * count if stride == 1 else"
            " [Block(before, after, 2), Block(after, after, 1)]",
        )
    )
    assert network.parameters == 11_101_834
    assert len(made_by(network.graph, "stage1.0.conv1")) == 2
    assert not any(layer.name.startswith("stage1.1") for layer in network.layers)


def test_layers_that_are_never_called_get_no_gradient_and_no_operation(seen):
    network = seen((PROJECTION, PROJECTION + "        self.spare = nn.Conv2d(after, after, 1)\n"))
    called = {op.layer for op in network.graph}
    uncalled = [layer.name for layer in network.layers if layer.name not in called]
    assert len(uncalled) == 8
    assert all(name.endswith("spare") for name in uncalled)
    assert network.without_gradient == [f"{name}.{part}" for name in uncalled for part in ("weight", "bias")]


def test_a_second_bn_fed_with_the_input_kills_the_first_half(seen):
    network = seen(
        ("self.bn2 = nn.BatchNorm2d(after)", "self.bn2 = nn.BatchNorm2d(before)"),
        ("self.conv2 = nn.Conv2d(after, after, 3, padding=1)", "self.conv2 = nn.Conv2d(before, after, 3, stride, 1)"),
        ("self.conv2(F.relu(self.bn2(y)))", "self.conv2(F.relu(self.bn2(x)))"),
    )
    assert "stage1.0.conv1.weight" in network.without_gradient
    assert "stage1.0.bn1.weight" in network.without_gradient
    assert "stage1.0.conv2.weight" not in network.without_gradient
    assert "stage2.0.bn1.weight" not in network.without_gradient  # its ReLU still feeds the projection
    assert made_by(network.graph, "stage1.0.bn2")[0].inputs == [1]


def test_a_last_scale_that_starts_at_zero_is_not_a_missing_gradient(seen):
    network = seen((PROJECTION, PROJECTION + "        nn.init.zeros_(self.conv2.weight)\n"))
    assert network.without_gradient == []


def test_frozen_and_detached_parameters_get_no_gradient(seen):
    frozen = seen(("        self.fc = nn", "        self.stem.requires_grad_(False)\n        self.fc = nn"))
    assert frozen.without_gradient == ["stem.weight", "stem.bias"]
    detached = seen(("x = self.stage1(x)", "x = self.stage1(x).detach()"))
    assert [name for name in detached.without_gradient if not name.startswith(("stem", "stage1"))] == []
    assert "stage1.1.conv2.bias" in detached.without_gradient
    nothing = seen(
        (
            "    def forward(self, x):\n        x = self.stem",
            "    @torch.no_grad()\n    def forward(self, x):\n        x = self.stem",
        )
    )
    assert len(nothing.without_gradient) == len([1 for layer in nothing.layers for _ in layer.parameters])
    assert nothing.gradient_failure is None


def test_an_in_place_relu_before_the_skip_is_what_the_skip_carries(seen):
    bug = ("        y = F.relu(self.bn1(x))\n", "        y = F.relu(x, inplace=True)\n")
    graph = seen(
        bug,
        (
            "skip = x if self.project is None else self.project(y)",
            "skip = x if self.project is None else self.project(x)",
        ),
    ).graph
    add = of_kind(graph, "add")[0]
    assert graph[add.inputs[1]].kind == "relu"
    harmless = seen(("F.relu(self.bn1(x))", "F.relu(self.bn1(x), inplace=True)")).graph
    assert graph[add.inputs[1]].inputs == [1]
    assert of_kind(harmless, "add")[0].inputs[1] == 1


def test_an_in_place_relu_through_a_view_or_data_is_seen_too(seen):
    for write_through in ("F.relu_(x.data)", "F.relu_(x.view(x.shape[0], -1))", "F.relu_(x[:])"):
        graph = seen(
            ("        y = F.relu(self.bn1(x))\n", f"        {write_through}\n        y = F.relu(self.bn1(x))\n")
        ).graph
        add = of_kind(graph, "add")[0]
        assert graph[add.inputs[1]].kind == "relu", write_through


def test_a_skip_from_the_first_relu_is_told_from_one_of_the_input(seen):
    network = seen(("skip = x if self.project is None", "skip = y if self.project is None"))
    add = of_kind(network.graph, "add")[0]
    assert network.graph[add.inputs[1]].kind == "relu"
    assert of_kind(network.zeroed, "add")[0].equals == [add.inputs[1]]
    # which is why the block isn't the identity: the ReLU's output isn't its input
    assert network.zeroed[add.inputs[1]].equals == []


def test_in_place_operations_that_break_the_backward_pass_are_a_gradient_failure(seen):
    network = seen(
        (
            "        return y + skip\n",
            "        y = F.relu(y)\n        out = y * skip\n        y += 1\n        return out\n",
        )
    )
    assert network.outputs[2] == [2, 10]
    assert network.gradient_failure is not None
    assert "inplace" in network.gradient_failure.message.replace("-", "")


def test_squeeze_breaks_a_batch_of_one(seen):
    network = seen((HEAD, "        return self.fc(F.avg_pool2d(x, 4).squeeze())\n"))
    assert network.outputs == {1: [10], 2: [2, 10], 4: [4, 10]}


def test_a_hard_coded_batch_is_examined_in_that_size(seen):
    network = seen(("x.view(-1, 512)", "x.view(4, 512)"))
    assert network.outputs == {4: [4, 10]}
    assert sorted(network.forward_failures) == [1, 2]
    assert network.graph[0].shape == [4, 3, 32, 32]
    assert network.zeroed
    assert network.without_gradient == []


def test_a_crash_in_forward_names_the_students_lines(seen):
    source = WRITTEN.replace("nn.Linear(512, 10)", "nn.Linear(256, 10)")
    network = seen(source=source)
    assert network.outputs == {}
    assert network.graph == network.zeroed == []
    problem = network.forward_failures[2]
    assert problem.type == "RuntimeError"
    assert "shapes cannot be multiplied" in problem.message
    assert problem.frames == [(line_of("return self.fc"), "return self.fc(x.view(-1, 512))")]
    assert problem.line == line_of("return self.fc")
    assert network.parameters > 0  # the layers are there to look at


def test_wrong_channels_are_pytorchs_own_complaint(seen):
    network = seen(("self.conv1 = nn.Conv2d(before, after", "self.conv1 = nn.Conv2d(after, after"))
    problem = network.forward_failures[1]
    assert "expected input" in problem.message
    assert [source for _, source in problem.frames] == ["x = self.stage2(x)", "y = self.conv1(y)"]


def test_a_constructor_that_raises_gives_no_network(write):
    network_class, file = write(("        self.fc = nn.Linear(512, 10)\n", "        self.fc = nn.Linear(512, dev)\n"))
    network, problem = examine(network_class, (2, 2, 2, 2), SHAPE, file)
    assert network is None
    assert problem is not None
    assert (problem.type, problem.message) == ("NameError", "name 'dev' is not defined")
    assert problem.line == line_of("self.fc = ")


def test_a_class_that_takes_other_arguments_gives_no_network(write):
    network_class, file = write(("nblk_stage1, nblk_stage2, nblk_stage3, nblk_stage4", "nblk_stage1"))
    network, problem = examine(network_class, (2, 2, 2, 2), SHAPE, file)
    assert network is None
    assert problem is not None
    assert problem.type == "TypeError"
    assert problem.line == 22  # of the constructor: no line of it ran


def test_a_class_that_is_no_module_is_said_to_be_none(write):
    network_class, file = write(source="class IdentityResNet:\n    def __init__(self, *counts):\n        pass\n")
    network, problem = examine(network_class, (2, 2, 2, 2), SHAPE, file)
    assert network is None
    assert problem is not None
    assert problem.message == "IdentityResNet(...) is a IdentityResNet, not a torch.nn.Module"


@pytest.mark.parametrize(
    ("statement", "type_name"),
    [("raise SystemExit(3)", "SystemExit"), ("raise GeneratorExit", "GeneratorExit"), ("exit()", "SystemExit")],
)
def test_no_way_to_leave_gets_out(write, statement, type_name):
    network_class, file = write((HEAD, f"        import sys\n        exit = sys.exit\n        {statement}\n"))
    network, problem = examine(network_class, (1, 1, 1, 1), SHAPE, file)
    assert problem is None
    assert network is not None
    assert network.forward_failures[2].type == type_name
    built = write(
        (
            "        self.stem =",
            f"        import sys\n        exit = sys.exit\n        {statement}\n        self.stem =",
        )
    )
    _, problem = examine(built[0], (1, 1, 1, 1), SHAPE, built[1])
    assert problem is not None
    assert problem.type == type_name
    assert variant(built[0], (1, 1, 1, 1), SHAPE, built[1]).failure == problem


def test_an_interruption_passes(write):
    network_class, file = write((HEAD, "        raise KeyboardInterrupt\n"))
    with pytest.raises(KeyboardInterrupt):
        examine(network_class, (1, 1, 1, 1), SHAPE, file)


@pytest.mark.parametrize(("returned", "name"), [("x, x", "tuple"), ("None", "NoneType"), ("[x]", "list")])
def test_what_is_no_tensor_is_said_to_be_none(seen, returned, name):
    network = seen((HEAD, f"        return {returned}\n"))
    assert network.forward_failures[2].message == f"forward returned a {name}, not a tensor"


def test_layers_in_a_plain_list_own_nothing(seen):
    network = seen(("return nn.Sequential(*blocks)", "return lambda x: [x := block(x) for block in blocks][-1]"))
    assert network.parameters == 64 * 27 + 64 + 512 * 10 + 10
    assert [layer.name for layer in network.layers] == ["stem", "fc"]
    assert {op.layer for op in of_kind(network.graph, "conv")} == {"stem", None}
    assert [len(op.inputs) for op in of_kind(network.graph, "add")] == [2] * 8


def test_a_stem_that_runs_twice_is_seen_twice(seen):
    network = seen(("x = self.stem(x)", "x = self.stem(self.stem(x)[:, :3])"))
    assert len(made_by(network.graph, "stem")) == 2
    assert kinds(network.graph[:4]) == ["input", "conv", "slice", "conv"]


# --- other arguments ---


@pytest.mark.parametrize(
    ("arguments", "parameters", "convs"),
    [
        ((1, 1, 1, 1), 4_903_306, {4: 2, 8: 2, 16: 2, 32: 3}),
        ((3, 3, 3, 3), 17_448_586, {4: 6, 8: 6, 16: 6, 32: 7}),
        ((2, 3, 4, 5), 27_998_986, {4: 10, 8: 8, 16: 6, 32: 5}),
    ],
)
def test_variants_count_parameters_and_convolutions(counted, arguments, parameters, convs):
    result = counted(arguments)
    assert (result.arguments, result.parameters, result.failure) == (list(arguments), parameters, None)
    assert result.convs == convs


def test_mixed_up_arguments_show_in_the_counts(counted):
    result = counted((2, 3, 4, 5), ("self.stage(64, 128, nblk_stage2, 2)", "self.stage(64, 128, nblk_stage3, 2)"))
    assert result.convs == {4: 10, 8: 8, 16: 8, 32: 5}


def test_a_variant_that_fails_says_where(counted):
    result = counted((1, 1, 1, 1), ("blocks = [Block(", "assert count > 1\n        blocks = [Block("))
    assert result.failure is not None
    assert (result.failure.type, result.convs, result.parameters) == ("AssertionError", {}, 0)
    assert result.failure.frames[-1] == (line_of("blocks = [Block("), "assert count > 1")


# --- limits ---


@pytest.mark.slow
def test_a_network_of_endless_operations_is_cut_off_not_refused(seen):
    network = seen((HEAD, "        for _ in range(2600):\n            x = x + x[:, :1]\n" + HEAD))
    assert len(network.graph) == 5000
    assert all(index < op.index for op in network.graph for index in op.inputs)
    assert Network.model_validate_json(network.model_dump_json()) == network


def test_hostile_names_and_sizes_fit_the_record(seen):
    network = seen(
        (
            "        self.fc = nn",
            "        self.huge = nn.Module()\n"
            "        self.huge.weight = nn.Parameter(torch.empty((10**7,) * 2 + (1,) * 10, device='meta'))\n"
            "        for number in range(100):\n"
            "            name = 'p' * 600 + '\\ud800' + str(number)\n"
            "            self.huge.register_parameter(name, nn.Parameter(torch.zeros(1)))\n"
            "        type(self).__name__ = 'N' * 600\n"
            "        self.fc = nn",
        ),
        (HEAD, HEAD.replace("return", "x = x.view(-1, 512, *[1] * 9).sum(-1).reshape(-1, 512)\n        return")),
    )
    assert network.parameters == 10**12
    assert len(network.class_name) == 500
    assert max(len(op.shape) for op in network.graph) == 8
    assert Network.model_validate_json(network.model_dump_json()) == network


class UnreadableError(Exception):
    def __str__(self) -> str:
        raise RuntimeError


def deep(levels: int) -> None:
    if levels == 0:
        raise ValueError("x" * 50_000 + "\ud800")
    deep(levels - 1)


def test_failures_keep_their_limits():
    with pytest.raises(ValueError, match="xxx") as caught:
        deep(200)
    record = failure(caught.value, __file__)
    assert len(record.message) == 20_000
    assert len(record.frames) == 50
    assert record.frames[-1] == (record.line, 'raise ValueError("x" * 50_000 + "\\ud800")')
    assert failure(UnreadableError(), __file__).message == "(its message can't be read: RuntimeError)"
    assert failure(ValueError("\ud800"), __file__).message == "?"
    assert failure(caught.value, "another.py").frames == []


def test_a_syntax_error_is_where_it_complains(tmp_path):
    path = tmp_path / "hw6.py"
    path.write_text("x = 1\nclass A(:\n    pass\n")
    with pytest.raises(SyntaxError) as caught:
        compile(path.read_text(), str(path), "exec")
    record = failure(caught.value, str(path))
    assert (record.type, record.line, record.frames) == ("SyntaxError", 2, [(2, "class A(:")])
    assert record.message == "invalid syntax"
