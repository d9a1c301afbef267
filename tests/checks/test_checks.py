"""Checks over observations made by hand: each outcome, what waits for what, and what people read."""

import importlib
import os
import threading
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from support.observed import (
    CRASH,
    HW6,
    STAGES,
    USUAL,
    Sketch,
    convs_at,
    forward,
    right,
    right_network,
    right_rehearsal,
    step,
)

from autograder import checks
from autograder.checks import CheckResult
from autograder.checks.network.data_flow import Structure
from autograder.checks.network.expected import expected_ladder, expected_parameters, expected_shapes
from autograder.checks.network.layer_table import beside
from autograder.course.families.residual import BOTTLENECK, Residual, Stage, Stem
from autograder.homeworks import load
from autograder.homeworks import names as homework_names
from autograder.observations import Blank, Failure, Layer, Loader, Observations, Optimizer, Variant

IDS = [
    *("blanks", "builds", "output-shape", "runs", "stage-shapes", "layers", "parameters", "own-weights", "gradients"),
    *("arguments", "block-counts", "pre-activation", "skip", "skip-option", "norm-once", "identity"),
    *("device", "batch-size"),
    *("model-on-device", "optimizer", "zero-grad", "forward", "backward", "step", "no-grad"),
    "eval-mode",
]


def amiss(observed: Observations) -> dict[str, str]:
    """Id -> outcome, or what it waits for, of every check that doesn't pass."""
    return {
        result.id: result.waits_for or result.outcome
        for result in checks.run(observed, HW6)
        if result.outcome != "passed"
    }


def one(observed: Observations, name: str) -> CheckResult:
    return next(result for result in checks.run(observed, HW6) if result.id == name)


# --- outcomes and their order ---


def test_a_right_file_passes_all_checks_in_the_declared_order() -> None:
    results = checks.run(right(), HW6)
    assert [result.id for result in results] == IDS
    assert {result.outcome for result in results} == {"passed"}
    assert checks.passed(results)


def test_every_check_has_a_title_a_hint_and_its_question() -> None:
    results = checks.run(right(), HW6)
    assert all(result.title and result.hint for result in results)
    assert [result.question for result in results if result.question] == [q.name for q in HW6.questions]
    assert [result.id for result in results if not result.required] == [
        "block-counts",
        "skip-option",
        "norm-once",
        "eval-mode",
    ]
    assert not any("{" in result.title for result in results)


def test_prerequisites_are_checks_that_there_are() -> None:
    names = {name for given in map(load, homework_names()) for name in given.checks}
    marks = [
        mark.kwargs
        for name in names
        for check in vars(importlib.import_module(f"autograder.checks.{name}")).values()
        for mark in getattr(check, "pytestmark", [])
    ]
    assert len(marks) > 25
    assert {after for mark in marks for after in mark["after"]} <= {mark["identifier"] for mark in marks}
    asked = {question.check for given in map(load, homework_names()) for question in given.questions}
    assert asked <= {mark["identifier"] for mark in marks}


def test_nothing_of_the_users_pytest_takes_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "conftest.py").write_text("raise RuntimeError('conftest')")
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = --no-such-option\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTEST_ADDOPTS", "--no-such-option")
    monkeypatch.setenv("PYTEST_PLUGINS", "no_such_plugin")
    assert amiss(right()) == {}
    assert os.environ["PYTEST_ADDOPTS"] == "--no-such-option"
    assert os.environ["PYTEST_PLUGINS"] == "no_such_plugin"
    assert {path.name for path in tmp_path.iterdir()} == {"conftest.py", "pytest.ini"}


def test_threads_may_run_checks_at_the_same_time() -> None:
    wrong = right(network=right_network(outputs={1: [10], 2: [2, 10], 4: [4, 10]}))
    found: dict[int, dict[str, str]] = {}

    def work(number: int) -> None:
        found[number] = amiss(wrong if number % 2 else right())

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {number: {"output-shape": "failed"} if number % 2 else {} for number in range(6)}


def test_a_crash_of_ours_is_raised_and_nobodys_failure() -> None:
    network = right_network()
    broken = network.model_copy(update={"outputs": None})
    with pytest.raises(AttributeError):
        checks.run(right().model_copy(update={"network": broken}), HW6)


# --- the file ---


def test_blanks_are_named_and_their_questions_wait() -> None:
    blanks = [Blank(line=71, question="Q4"), Blank(line=78, question="Q5")]
    crashed = right_rehearsal(ended="crashed", failure=CRASH, steps=[], tests=[], optimizer=None)
    observed = right(blanks=blanks, rehearsal=crashed)
    found = amiss(observed)
    assert found.pop("blanks") == "failed"
    assert set(found.values()) == {"blanks"}
    assert {"optimizer", "zero-grad", "runs", "forward", "no-grad"} <= set(found)
    assert one(observed, "blanks").saw == "2 blanks are still `...`: Q4 (line 71) and Q5 (line 78)"
    assert one(observed, "blanks").line == 71


def test_a_skeleton_fails_at_its_blanks_alone() -> None:
    blanks = [Blank(line=30, question=None), *(Blank(line=60 + q.number, question=q.name) for q in HW6.questions)]
    crashed = right_rehearsal(
        ended="crashed", failure=CRASH, steps=[], tests=[], optimizer=None, network_class=None, train_loader=None
    )
    broken = Failure(type="TypeError", message="it takes no arguments", line=None)
    found = amiss(right(blanks=blanks, rehearsal=crashed, network=None, network_failure=broken, variants=[]))
    assert found.pop("blanks") == "failed"
    assert set(found.values()) == {"blanks"}
    assert len(found) == len(IDS) - 1


def test_a_syntax_error_fails_builds_and_all_else_waits() -> None:
    error = Failure(type="SyntaxError", message="'(' was never closed", line=12, frames=[(12, "print(")])
    observed = Observations(homework="hw6", file="hw6.py", syntax_error=error)
    found = amiss(observed)
    assert found.pop("builds") == "failed"
    assert set(found.values()) == {"builds"}
    assert len(found) == len(IDS) - 1
    assert one(observed, "builds").saw == "SyntaxError: '(' was never closed at `print(`"
    assert one(observed, "builds").line == 12


def test_a_run_that_gave_nothing_fails_builds() -> None:
    observed = Observations(homework="hw6", file="hw6.py", problem="MEMORY: more than 8,192 MiB")
    found = amiss(observed)
    assert found.pop("builds") == "failed"
    assert found.pop("blanks", None) is None
    assert set(found.values()) == {"builds"}
    assert "MEMORY" in one(observed, "builds").saw


def test_a_missing_class_fails_builds() -> None:
    found = amiss(right(network=None, variants=[]))
    assert found.pop("builds") == "failed"
    assert set(found.values()) == {"builds"}
    assert "no class `IdentityResNet`" in one(right(network=None, variants=[]), "builds").saw


def test_a_script_that_ends_before_its_class_fails_runs() -> None:
    crashed = right_rehearsal(
        ended="crashed", failure=CRASH, steps=[], tests=[], optimizer=None, network_class=None, train_loader=None
    )
    found = amiss(right(network=None, variants=[], rehearsal=crashed))
    assert found.pop("runs") == "failed"
    assert set(found.values()) == {"runs"}


def test_a_crash_in_forward_is_told_once() -> None:
    broken = right_network(outputs={}, graph=[], zeroed=[], forward_failures={1: CRASH, 2: CRASH, 4: CRASH})
    crashed = right_rehearsal(ended="crashed", failure=CRASH, steps=[step("zero_grad")], tests=[])
    found = amiss(right(network=broken, rehearsal=crashed))
    assert found.pop("output-shape") == "failed"
    assert set(found.values()) == {"output-shape"}
    assert one(right(network=broken), "output-shape").saw == (
        "a batch of 1 ends in NameError: name 'x' is not defined at `y = x`"
    )


def test_a_loop_without_end_is_no_failure_and_the_test_waits() -> None:
    found = amiss(right(rehearsal=right_rehearsal(ended="stopped", tests=[])))
    assert found == dict.fromkeys(("no-grad", "eval-mode"), "the script's training loop to end")


def test_a_script_that_hangs_fails_runs() -> None:
    observed = right(rehearsal=right_rehearsal(ended="timeout", tests=[], seconds=40.2))
    found = amiss(observed)
    assert found.pop("runs") == "failed"
    assert set(found.values()) == {"runs"}
    assert "after 40 seconds" in one(observed, "runs").saw


# --- the network ---


def test_a_batch_of_one_that_loses_a_side_leaves_the_rest_judged() -> None:
    found = amiss(right(network=right_network(outputs={1: [10], 2: [2, 10], 4: [4, 10]})))
    assert found == {"output-shape": "failed"}


def test_a_shape_that_no_batch_gets_right_is_looked_at_no_further() -> None:
    found = amiss(right(network=right_network(outputs={1: [1, 512], 2: [2, 512], 4: [4, 512]})))
    assert found["output-shape"] == "failed"
    assert found["layers"] == found["parameters"] == "output-shape"


def test_a_parameter_more_is_not_among_the_layers() -> None:
    network = right_network(parameters=11_175_947)
    scale = Layer(name="scale", kind="other", class_name="Scale", parameters={"weight": [1]}, line=9)
    network = network.model_copy(update={"layers": [*network.layers, scale]})
    result = one(right(network=network), "parameters")
    assert amiss(right(network=network)) == {"parameters": "failed"}
    assert result.saw == "11,175,947 parameters, 1 more; not among the homework's layers: `scale` (Scale, 1)"
    assert result.expected == "11,175,946 parameters (option B, convolutions with biases)"


@pytest.mark.parametrize(
    ("option", "biases", "last_norm", "count"),
    [
        ("B", True, False, 11_175_946),
        ("B", False, False, 11_171_146),
        ("A", True, False, 11_003_018),
        ("A", False, False, 10_999_114),
        ("B", True, True, 11_176_970),
    ],
)
def test_counts_of_parameters_are_derived(option: str, biases: bool, last_norm: bool, count: int) -> None:
    ours = expected_ladder(HW6, [option] * 3)
    theirs = [replace(rung, bias=biases) if rung.kind == "conv" else rung for rung in ours]
    if last_norm:
        theirs.insert(-2, next(rung for rung in ours if rung.kind == "bn" and rung.channels_out == 512))
    assert expected_parameters(beside(ours, theirs), HW6) == count


def test_counts_of_other_depths_are_derived() -> None:
    for counts, parameters in (((1, 1, 1, 1), 4_903_306), ((3, 3, 3, 3), 17_448_586)):
        stages = tuple(replace(stage, blocks=blocks) for stage, blocks in zip(STAGES, counts, strict=True))
        assert HW6.family is not None
        ladder = expected_ladder(replace(HW6, family=replace(HW6.family, stages=stages)), ["B"] * 3)
        theirs = [replace(rung, bias=True) for rung in ladder]
        assert expected_parameters(beside(ladder, theirs), HW6) == parameters


@pytest.mark.parametrize(("skip", "convs", "count"), [("conv", 53, 14_750_730), ("bare", 45, 8_898_826)])
def test_a_network_of_bottlenecks_is_derived_too(skip: str, convs: int, count: int) -> None:
    """A simplified ResNet-50: three layers, the first two of which halve the map in their last block."""
    stages = (Stage(256, 4, 3, 64, True), Stage(512, 2, 4, 128, True), Stage(1024, 2, 6, 256))
    stem = Stem(kernel=7, stride=2, channels=64, pool=True)
    given = replace(HW6, family=Residual(BOTTLENECK, stages, stem=stem, conv_bias=True))
    ladder = expected_ladder(given, [skip] * 13)
    assert sum(rung.kind == "conv" for rung in ladder) == sum(rung.kind == "bn" for rung in ladder) == convs
    assert expected_parameters(beside(ladder, ladder), given) == count
    assert expected_shapes(given) == [(64, 16), (256, 8), (256, 4), (512, 4), (512, 2), (1024, 2)]


def test_ladders_that_differ_at_every_second_layer_are_set_side_by_side() -> None:
    ours = expected_ladder(HW6, ["B"] * 3)
    theirs = [replace(rung, kernel=(5, 5), padding=(2, 2)) if rung.kernel == (3, 3) else rung for rung in ours]
    rows = beside(ours, theirs)
    assert all(row.ours and row.theirs and row.ours.kind == row.theirs.kind for row in rows)
    assert sum(not row.same for row in rows) == 17


def test_the_table_of_layers_is_the_homeworks_own_for_a_right_network() -> None:
    rows = checks.layer_table(right(), HW6)
    assert len(rows) == 1 + 8 * 4 + 3 + 2
    assert all(row.same for row in rows)
    assert str(rows[0].ours) == "conv 3x3, 3 to 64, stride 1, padding 1, map 32x32"
    assert rows[0].theirs is not None
    assert rows[0].theirs.name == "conv"
    assert checks.layer_table(right(network=None), HW6) == []


def test_a_layer_too_many_shifts_nothing_in_the_table() -> None:
    ours = expected_ladder(HW6, ["B"] * 3)
    rows = beside(ours, [*ours[:5], ours[4], *ours[5:]])
    assert [row for row in rows if not row.same] == [row for row in rows if row.ours is None]
    assert len(rows) == len(ours) + 1


def test_ignored_counts_are_advice_and_mixed_ones_a_failure() -> None:
    def variants(mixed: dict[tuple[int, ...], list[int]]) -> list[Variant]:
        return [Variant(arguments=list(asked), convs=convs_at(got)) for asked, got in mixed.items()]

    ignored = variants({(1, 1, 1, 1): [2, 2, 2, 2], (2, 3, 4, 5): [2, 2, 2, 2]})
    assert amiss(right(variants=ignored)) == {"arguments": "block-counts", "block-counts": "advice"}
    mixed = variants({(1, 1, 1, 1): [1, 1, 1, 1], (2, 3, 4, 5): [2, 4, 3, 5]})
    assert amiss(right(variants=mixed)) == {"arguments": "failed", "block-counts": "arguments"}
    failing = [Variant(arguments=[1, 1, 1, 1], failure=CRASH), *variants({(2, 3, 4, 5): [2, 3, 4, 5]})]
    assert amiss(right(variants=failing)) == {"block-counts": "advice"}


def test_structure_reads_blocks_from_the_flow_of_values() -> None:
    structure = Structure(Sketch().network(), [2, 10])
    assert len(structure.blocks) == 8
    assert [block.reshapes for block in structure.blocks] == [False, False, True, False, True, False, True, False]
    assert all(len(block.convs) == 2 for block in structure.blocks)
    assert [len(block.skip) for block in structure.blocks] == [0, 0, 1, 0, 1, 0, 1, 0]
    assert structure.repeats == []
    indices = [op.index for op in structure.trunk]
    assert all(earlier < later for earlier, later in pairwise(indices))


def test_a_convolution_that_is_run_again_on_the_same_input_is_one() -> None:
    sketch = Sketch()
    image = sketch.draw("input", [], [2, 3, 32, 32])
    first, again = sketch.conv(image, "conv", 64), sketch.conv(image, "conv", 64)
    sketch.same("add", [first, again])
    structure = Structure(sketch.ops, [2, 64, 32, 32])
    assert [(one.index, other.index) for one, other in structure.repeats] == [(first, again)]
    assert structure.blocks == []


# --- the training step ---


@pytest.mark.parametrize(
    ("name", "rehearsal"),
    [
        ("device", {"cuda_requests": [9, 9, 70]}),
        ("device", {"cuda_requests": [9], "network_device": "mps:0"}),  # `.cuda()` on a Mac got the CPU
        ("device", {"accelerator": True}),
        ("batch-size", {"train_loader": Loader(batch_size=50_000, images=50_000)}),
        (
            "batch-size",
            {"train_loader": Loader(batch_size=None, images=50_000), "steps": [step(*USUAL, images=1)] * 2},
        ),
        ("model-on-device", {"network_moved": False}),
        ("optimizer", {"optimizer": None}),
        ("optimizer", {"optimizer": Optimizer(class_name="Adam", lr=0.001, covered=60)}),
        ("optimizer", {"optimizer": Optimizer(class_name="SGD", lr=0.001, momentum=0.0, covered=60)}),
        ("optimizer", {"optimizer": Optimizer(class_name="SGD", lr=float("inf"), momentum=0.9, covered=60)}),
        ("optimizer", {"optimizer": Optimizer(class_name="SGD", lr=0.1, momentum=0.9, covered=2, missing=["a"])}),
        ("zero-grad", {"steps": [step(*USUAL[1:]), step(*USUAL[1:], stale_gradients=True)]}),
        ("zero-grad", {"steps": [step("forward", "backward", "zero_grad", "step")] * 2}),
        ("forward", {"steps": [step("zero_grad", "backward", "step", forwards=[])] * 2}),
        ("forward", {"steps": [step(*USUAL, reaches_network=False)] * 2}),
        ("forward", {"steps": [step(*USUAL, forwards=[forward(input_shape=[1, 3, 32, 32], on_batch=False)])] * 2}),
        ("backward", {"steps": [step("zero_grad", "forward", "step", stale_gradients=None)] * 2}),
        ("step", {"steps": [step("zero_grad", "forward", "backward")] * 2}),
        ("step", {"steps": [step("zero_grad", "forward", "step", "backward")] * 2}),
        ("step", {"steps": [step(*USUAL, "step")] * 2}),
        ("no-grad", {"tests": [forward(training=False)] * 3}),
        ("no-grad", {"tests": []}),
        ("eval-mode", {"tests": [forward(grad_enabled=False)] * 3}),
        ("eval-mode", {"steps": [step(*USUAL, forwards=[forward(training=False)])] * 2}),
    ],
)
def test_a_mistake_in_the_training_step_fails_its_own_question(name: str, rehearsal: dict[str, Any]) -> None:
    found = amiss(right(rehearsal=right_rehearsal(**rehearsal)))
    assert found.pop(name) in ("failed", "advice")
    if name == "no-grad":
        found.pop("eval-mode", None)  # where there is no test at all
    assert set(found.values()) <= {name}, found


def test_apples_gpu_is_a_device_that_is_there() -> None:
    assert amiss(right(rehearsal=right_rehearsal(network_device="mps:0"))) == {}


def test_gradients_that_add_up_between_steps_are_a_choice() -> None:
    adding = [step("forward", "backward"), step("forward", "backward", "step", "zero_grad", stale_gradients=True)]
    found = amiss(right(rehearsal=right_rehearsal(steps=adding * 2)))
    assert found == {"step": "failed"}


def test_one_look_at_a_test_batch_is_no_test_without_no_grad() -> None:
    look = forward(training=True, line=60)
    tests = [look, *[forward(grad_enabled=False, training=False, line=95)] * 3]
    assert amiss(right(rehearsal=right_rehearsal(tests=tests))) == {}


def test_what_a_crash_cut_short_is_not_judged() -> None:
    crashed = right_rehearsal(ended="crashed", failure=CRASH, steps=[step("zero_grad", "forward")], tests=[])
    found = amiss(right(rehearsal=crashed))
    assert found.pop("runs") == "failed"
    assert set(found.values()) == {"runs"}
    later = right_rehearsal(
        ended="crashed", failure=CRASH, steps=[step(*USUAL), step(*USUAL), step("zero_grad")], tests=[]
    )
    assert "step" not in amiss(right(rehearsal=later))
