"""Observations of a right hw6 submission, made by hand, to be changed one thing at a time."""

from typing import Any

from autograder.homeworks import load
from autograder.observations import (
    Failure,
    Forward,
    Layer,
    Loader,
    Network,
    Observations,
    Op,
    Optimizer,
    Rehearsal,
    Step,
    Variant,
)

HW6 = load("hw6")
assert HW6.family is not None
STAGES = HW6.family.stages


class Sketch:
    """A graph, drawn operation by operation; each method returns the index of what it drew."""

    def __init__(self) -> None:
        self.ops: list[Op] = []

    def draw(self, kind: str, inputs: list[int], shape: list[int], **details: Any) -> int:
        self.ops.append(Op(index=len(self.ops), kind=kind, inputs=inputs, shape=shape, **details))
        return len(self.ops) - 1

    def conv(self, x: int, name: str, channels: int, kernel: int = 3, stride: int = 1) -> int:
        before = self.ops[x].shape
        side = before[2] // stride
        return self.draw(
            "conv",
            [x],
            [2, channels, side, side],
            layer=name,
            bias=True,
            kernel=[kernel, kernel],
            stride=[stride, stride],
            padding=[kernel // 2, kernel // 2],
        )

    def same(self, kind: str, inputs: list[int], **details: Any) -> int:
        return self.draw(kind, inputs, self.ops[inputs[0]].shape, **details)

    def block(self, x: int, name: str, channels: int, stride: int) -> int:
        y = self.same("relu", [self.same("bn", [x], layer=f"{name}.bn1")])
        y = self.conv(y, f"{name}.conv1", channels, stride=stride)
        y = self.same("relu", [self.same("bn", [y], layer=f"{name}.bn2")])
        y = self.conv(y, f"{name}.conv2", channels)
        if self.ops[x].shape != self.ops[y].shape:
            x = self.conv(x, f"{name}.match", channels, kernel=1, stride=stride)
        return self.same("add", [y, x], equals=[x])

    def network(self) -> list[Op]:
        """hw6's own, option B with biases."""
        x = self.conv(self.draw("input", [], [2, 3, 32, 32]), "conv", 64)
        before = 32
        for number, stage in enumerate(STAGES, 1):
            for block in range(2):
                x = self.block(x, f"stage{number}.{block}", stage.channels, before // stage.side)
                before = stage.side
        x = self.draw("avgpool", [x], [2, 512, 1, 1], kernel=[4, 4], stride=[4, 4], padding=[0, 0])
        x = self.draw("flatten", [x], [2, 512])
        self.draw("linear", [x], [2, 10], layer="fc", bias=True)
        return self.ops


def convs_at(counts: list[int]) -> dict[int, int]:
    """Convolutions by map size in a network with these counts of blocks."""
    convs = {stage.side: 2 * count for stage, count in zip(STAGES, counts, strict=True)}
    return convs | {32: convs[32] + 1}


def right_network(**changes: Any) -> Network:
    graph = Sketch().network()
    names = dict.fromkeys(op.layer for op in graph if op.layer is not None)
    kinds = {op.layer: op.kind for op in graph}
    return Network(
        **{
            "class_name": "IdentityResNet",
            "line": 40,
            "argument_names": ["a", "b", "c", "d"],
            "parameters": 11_175_946,
            "layers": [
                Layer(name=name, kind=kinds[name], class_name="Layer", parameters={"weight": [1]}, line=30)  # type: ignore[arg-type]
                for name in names
            ],
            "outputs": {1: [1, 10], 2: [2, 10], 4: [4, 10]},
            "graph": graph,
            "zeroed": graph,
        }
        | changes
    )


def forward(**changes: Any) -> Forward:
    values = {"input_shape": [2, 3, 32, 32], "output_shape": [2, 10], "grad_enabled": True, "training": True}
    places = {"input_device": "cpu", "network_device": "cpu", "on_batch": True, "line": 80}
    return Forward(**{**values, **places, **changes})


def step(*events: str, **changes: Any) -> Step:
    values: dict[str, Any] = {"images": 2, "events": list(events), "forwards": [forward()], "stale_gradients": False}
    lines = {event: 75 + number for number, event in enumerate(events)}
    return Step(**{**values, "reaches_network": True, "changed_parameters": True, "lines": lines, **changes})


USUAL = ("zero_grad", "forward", "backward", "step")


def right_rehearsal(**changes: Any) -> Rehearsal:
    values: dict[str, Any] = {
        "ended": "finished",
        "network_class": "IdentityResNet",
        "network_moved": True,
        "network_device": "cpu",
        "optimizer": Optimizer(class_name="SGD", lr=0.001, momentum=0.9, covered=60, line=70),
        "train_loader": Loader(batch_size=16, images=50_000, line=16),
        "test_loader": Loader(batch_size=4, images=10_000, line=18),
        "steps": [step(*USUAL), step(*USUAL)],
        "tests": [forward(grad_enabled=False, training=False, line=95)] * 3,
    }
    return Rehearsal(**(values | changes))


def right(**changes: Any) -> Observations:
    values: dict[str, Any] = {
        "homework": "hw6",
        "file": "hw6.py",
        "rehearsal": right_rehearsal(),
        "network": right_network(),
        "variants": [
            Variant(arguments=list(counts), parameters=1, convs=convs_at(list(counts)))
            for counts in HW6.other_arguments
        ],
    }
    return Observations(**(values | changes))


CRASH = Failure(type="NameError", message="name 'x' is not\ndefined", line=50, frames=[(50, "y = x")])
