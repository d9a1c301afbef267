"""What `check` sees of six files, and the command as most tests call it."""

from pathlib import Path
from typing import Any

from support.observed import CRASH, HW6, USUAL, Sketch, forward, right, right_network, right_rehearsal, step

from autograder.commands.student import check as command
from autograder.observations import Blank, Observations
from autograder.runner.runner import Runner

RIGHT = Path(__file__).parent.parent / "scripts" / "hw6_right.py"


def shared_block() -> Observations:
    """One block in both places of stage 1, and gradients that are never zeroed."""
    graph = [
        op.model_copy(update={"layer": op.layer.replace("stage1.1", "stage1.0")}) if op.layer else op
        for op in Sketch().network()
    ]
    steps = [step(*USUAL[1:]), step(*USUAL[1:], stale_gradients=True)]
    tests = [forward(grad_enabled=False, line=95)] * 3
    return right(
        network=right_network(graph=graph, parameters=11_101_834), rehearsal=right_rehearsal(steps=steps, tests=tests)
    )


def skeleton() -> Observations:
    blanks = [Blank(line=30, question=None), *(Blank(line=60 + q.number, question=q.name) for q in HW6.questions)]
    crashed = right_rehearsal(
        ended="crashed", failure=CRASH, steps=[], tests=[], optimizer=None, network_class=None, train_loader=None
    )
    return right(blanks=blanks, rehearsal=crashed, network=None, variants=[])


def crash_in_forward() -> Observations:
    broken = right_network(outputs={}, graph=[], zeroed=[], forward_failures={1: CRASH, 2: CRASH, 4: CRASH})
    return right(
        network=broken, rehearsal=right_rehearsal(ended="crashed", failure=CRASH, steps=[step("zero_grad")], tests=[])
    )


CASES = {
    "right": right(),
    "shared": shared_block(),
    "skeleton": skeleton(),
    "crash": crash_in_forward(),
    "endless": right(rehearsal=right_rehearsal(ended="stopped", tests=[])),
    "killed": Observations(homework="hw6", file="hw6.py", problem="MEMORY: its processes took more than 8,192 MiB"),
}


def check(runner: Runner, file: Path = RIGHT, **changes: Any) -> int:
    """The command, on a right file of hw6 unless told otherwise."""
    options: dict[str, Any] = {"homework": "hw6", "sandbox": "none", **changes}
    return command.check(command.CheckRequest(file, **options), runner=runner)
