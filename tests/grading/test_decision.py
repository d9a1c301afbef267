"""One submission's decision: what gives points, what doesn't, and what a crash of ours does."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.evidence import HW6, RUBRIC, SEEN, entry, evidence, full_run, missing
from support.runner import Asked, FakeRunner

from autograder import checks, homeworks, language
from autograder.checks import CheckResult
from autograder.course import rubric
from autograder.course.checkpoint import Checkpoint
from autograder.course.dataset import Dataset
from autograder.files import ROOT
from autograder.grading import decision, flags, keys, student_run
from autograder.grading.lateness import percent_off as percent_off_of
from autograder.observations import Failure, Network, Observations, Package, TrainingReport
from autograder.runner.audit import Audit
from autograder.runner.setup import Setup, Start, start_of
from autograder.runner.train import Training
from autograder.sandbox.sandbox import Sandbox


@pytest.fixture
def full(practice: Dataset) -> Setup:
    return full_run(practice)


def test_an_audit_that_is_missing_or_odd_calls_a_person_and_moves_no_points(full: Setup) -> None:
    usual = decision.decide(entry(), full, evidence(61))
    odd = Audit(images=100, plain_percent=61, altered_percent=12, changed_percent=40)
    for second_look, signs in ((None, ["no-audit"]), (odd, ["audit-gap", "audit-changed"])):
        result = decision.decide(entry(), full, evidence(61, audit=second_look))
        assert (result.points, result.status) == (usual.points, usual.status)
        assert [flag for flag in result.flags if flag not in usual.flags] == signs
        assert len(result.for_a_person) == len(signs)


@pytest.mark.parametrize(
    ("reported", "timed", "expected"),
    [
        ({}, 4.0, []),
        ({}, 9.4, []),
        ({}, 9.6, ["training-time"]),
        ({}, 1.9, ["training-time"]),
        ({"epochs": 2.0}, 4.0, ["training-time"]),
        ({"steps": 0}, None, ["no-steps"]),
        ({"loaded_line": 7}, None, ["loaded-weights"]),
        ({"network_class": "Other", "parameters": 11}, None, ["other-network"]),
        ({"network_class": "Wrapper", "parameters": 10}, None, []),
        ({"steps": 26, "batches": 10}, None, []),
        ({"steps": 27, "batches": 10}, None, ["extra-steps"]),
    ],
)
def test_what_a_training_looked_like_is_a_sign(
    full: Setup, reported: dict[str, Any], timed: float | None, expected: list[str]
) -> None:
    seen = SEEN.model_copy(update={"network": Network(class_name="IdentityResNet", parameters=10)})
    report = TrainingReport(**{"ended_by": "script", "epochs": 5, "steps": 500, **reported})
    second_look = Audit(images=100, plain_percent=61, altered_percent=50, changed_percent=0, timed_epochs=timed)
    found = evidence(61, observations=seen, report=report, audit=second_look)
    assert list(flags.signs(found, start_of(full, seen))) == expected
    with language.spoken("ko"):
        assert all(re.search("[가-힣]", sign) for sign in flags.signs(found, start_of(full, seen)).values())


def test_a_sign_calls_a_person_and_moves_no_points(full: Setup) -> None:
    usual = decision.decide(entry(), full, evidence(61))
    report = TrainingReport(ended_by="script", epochs=5, steps=500, loaded_line=7)
    result = decision.decide(entry(), full, evidence(61, report=report))
    assert result.for_a_person == ["line 7 loads weights into a network before the first step"]
    assert [flag for flag in result.flags if flag not in usual.flags] == ["loaded-weights"]
    assert (result.points, result.status) == (usual.points, usual.status)


@pytest.mark.parametrize(
    ("late_s", "points", "percent_off"), [(None, 20, None), (3600, 18, 10), (86_401, 16, 20), (3 * 86_400, 14, 30)]
)
def test_who_is_late_loses_what_the_rubric_says(
    full: Setup, late_s: float | None, points: float, percent_off: float | None
) -> None:
    late = rubric.Late(percent=10, unit_s=86_400, most_s=3 * 86_400)
    setup = replace(full, rubric=full.rubric.model_copy(update={"late": late}))
    handed_in = entry(late=late_s is not None, late_s=late_s)
    result = decision.decide(handed_in, setup, evidence(80))
    assert (result.points, result.would_earn, result.status) == (points, points, "graded")
    assert (None if result.late is None else result.late.percent_off) == percent_off
    assert ("late" in result.flags) == (late_s is not None)
    assert percent_off_of(entry(late=True, late_s=3 * 86_400 + 1), setup.rubric) is None
    assert decision.without_a_run(entry(late=True, late_s=3 * 86_400 + 1), setup).points == 0
    unknown = decision.without_a_run(entry(late=True), setup)
    assert (unknown.status, unknown.points) == ("needs a person", None)
    assert decision.without_a_run(entry(late=True), full).status == "late"


def test_what_a_checkpoint_explains_is_no_sign(full: Setup) -> None:
    given = replace(full, homework=homeworks.load("resnet50"))
    report = TrainingReport(ended_by="script", epochs=1, loaded_line=7)
    start = Start(given.protocol, Checkpoint.__new__(Checkpoint), "the checkpoint")
    assert flags.signs(evidence(61, report=report), start) == {}


@pytest.mark.parametrize(("right", "points"), [(0, 2), (29, 2), (30, 6), (70, 6), (71, 20), (100, 20)])
def test_a_full_run_on_the_homeworks_own_data_gives_the_rows_points(full: Setup, right: int, points: int) -> None:
    result = decision.decide(entry(), full, evidence(right))
    assert (result.status, result.points, result.would_earn, result.no_points_because) == (
        "graded",
        points,
        points,
        None,
    )
    assert result.max_points == 20
    assert result.notices == []
    assert result.run_gives_no_points_because is None


@pytest.mark.parametrize(
    ("change", "status", "because"),
    [
        ({"protocol": HW6.protocol("demo")}, "preview", "a demonstration gives no points"),
        ({"protocol": HW6.protocol("full", hours=5)}, "no points", "the time box was set to 5:00:00"),
        ({"dataset": "cifar10-jpeg"}, "no points", "the data is cifar10-jpeg, not the homework's own cifar10"),
    ],
)
def test_nothing_else_gives_points_to_anybody(full: Setup, change: dict[str, Any], status: str, because: str) -> None:
    if "dataset" in change:
        change = {"dataset": replace(full.dataset, name=change["dataset"])}
    other = replace(full, **change)
    everybody = [
        decision.decide(entry(), other, evidence(80)),
        decision.decide(entry(), other, evidence(80, accuracy=None, outcome="TIMEOUT")),
        decision.without_a_run(entry(late=True), other),
        decision.without_a_run(missing("NO_FILE"), other),
    ]
    assert [result.points for result in everybody] == [None] * 4
    assert [result.would_earn for result in everybody] == [20, 2, 0, 0]
    assert everybody[0].status == status
    for result in everybody:
        assert result.no_points_because is not None
        assert result.no_points_because.startswith(because)
        assert result.run_gives_no_points_because == result.no_points_because


def test_a_preview_names_no_row_and_no_points(full: Setup) -> None:
    preview = replace(full, protocol=HW6.preview)
    everybody = [
        decision.decide(entry(), preview, evidence(80)),
        decision.decide(entry(), preview, evidence(80, accuracy=None, outcome="TIMEOUT")),
        decision.without_a_run(entry(late=True), preview),
        decision.without_a_run(missing("NO_FILE"), preview),
    ]
    assert [(result.points, result.would_earn, result.tier) for result in everybody] == [(None, None, None)] * 4
    assert {result.no_points_because for result in everybody} == {"a preview gives no points"}
    assert everybody[0].status == "preview"


def test_a_training_that_needs_a_missing_package_is_for_a_person(full: Setup) -> None:
    needed = Package(name="pandas", line=3, state="needed")
    early = TrainingReport(ended_by="crash", epochs=1.0, steps=10, batches=10, packages=[needed])
    result = decision.decide(entry(), full, evidence(12, report=early))
    assert (result.status, result.outcome, result.points, result.tier) == (
        "needs a person",
        "MISSING_PACKAGE",
        None,
        None,
    )
    assert result.missing_packages == ["pandas"]
    assert "missing-package" in result.flags
    assert 'make setup EXTRA="pandas"' in result.for_a_person[0]
    assert result.key == ""  # tried again once it is installed
    again = decision.decide(entry(), full, decision.evidence_of(result))
    assert again == result
    done = early.model_copy(update={"epochs": 5.0})
    assert decision.decide(entry(), full, evidence(80, report=done)).points == 20
    unused = early.model_copy(update={"packages": [needed.model_copy(update={"state": "unused"})]})
    assert decision.decide(entry(), full, evidence(12, report=unused)).points == 2


def test_a_network_that_was_tested_after_no_step_is_flagged(full: Setup) -> None:
    swallowed = TrainingReport(ended_by="script", epochs=0.0, steps=0, batches=0)
    result = decision.decide(entry(), full, evidence(10, report=swallowed))
    assert "no-steps" in result.flags
    assert result.signs["no-steps"] in result.for_a_person
    crashed = swallowed.model_copy(update={"ended_by": "crash"})
    assert "no-steps" not in decision.decide(entry(), full, evidence(10, report=crashed)).flags


def test_without_an_accuracy_the_rubrics_row_for_that_decides(full: Setup) -> None:
    result = decision.decide(entry(), full, evidence(accuracy=None, outcome="MEMORY", message="too much"))
    assert (result.status, result.points) == ("no accuracy", 2)
    assert result.tier is not None
    assert result.tier.kind == "no accuracy"
    assert "memory" in result.flags
    assert result.for_a_person == ["MEMORY: too much"]


@pytest.mark.parametrize(
    "outcome", ["AMBIGUOUS", "BAD_NOTEBOOK", "BINARY", "EMPTY", "ENCODING", "NO_SCRIPT", "SYMLINK", "UNPLACED"]
)
def test_what_nobody_but_a_person_can_settle_gets_no_row(full: Setup, outcome: str) -> None:
    result = decision.without_a_run(missing(outcome), full)
    assert (result.status, result.points, result.tier) == ("needs a person", None, None)
    assert result.for_a_person == ["a reason"]
    assert result.no_points_because == "a person has to decide"
    assert decision.without_a_run(replace(missing(outcome), late=True), full).status == "needs a person"


def test_late_and_missing_files_get_the_deadlines_row(full: Setup) -> None:
    late = decision.without_a_run(entry(late=True), full)
    assert (late.status, late.points, late.flags) == ("late", 0, ["late"])
    assert late.submission is not None
    none = decision.without_a_run(missing("NO_FILE"), full)
    assert (none.status, none.points, none.flags) == ("absent", 0, ["no-file"])


def test_failed_checks_are_flagged_and_cost_nothing(full: Setup) -> None:
    result = decision.decide(entry(), full, evidence(80))
    assert result.points == 20
    assert "blanks" in result.flags
    assert {check.id for check in result.failed_checks} <= set(result.flags)


def test_a_check_that_the_rubric_requires_caps_the_points(full: Setup) -> None:
    cap = RUBRIC.no_accuracy.model_copy(
        update={"points": 3.0, "kind": "required check failed", "label": "a required …"}
    )
    strict = replace(full, rubric=RUBRIC.model_copy(update={"required_checks": ("blanks",), "required_failed": cap}))
    result = decision.decide(entry(), strict, evidence(80))
    assert (result.points, result.tier and result.tier.kind) == (3, "required check failed")


def test_a_check_that_waits_for_a_failed_one_does_not_hold_either() -> None:
    found = [
        CheckResult(id="builds", title="", outcome="failed"),
        CheckResult(id="skip", title="", outcome="skipped", waits_for="builds"),
        CheckResult(id="later", title="", outcome="skipped", waits_for="eval-mode"),
        CheckResult(id="gpu", title="", outcome="skipped", waits_for="a GPU"),
        CheckResult(id="eval-mode", title="", outcome="advice"),
        CheckResult(id="fine", title="", outcome="passed"),
    ]
    assert checks.unmet(found) == {"builds", "skip", "later", "eval-mode"}


def test_the_time_box_calls_a_person(full: Setup) -> None:
    report = TrainingReport(ended_by="time", epochs=3.14, seconds=7200.4, steps=9)
    result = decision.decide(entry(), full, evidence(61, report=report))
    assert result.for_a_person == ["the time box ended training after 2:00:00; 3.14 of 5 epochs seen; 61.0%"]
    assert "time-box" in result.flags
    assert result.points == 6


def test_a_crash_of_the_script_is_explained_and_calls_nobody(full: Setup) -> None:
    failure = Failure(type="ValueError", message="no", line=3)
    report = TrainingReport(ended_by="crash", failure=failure, problem="no network was trained")
    result = decision.decide(entry(), full, evidence(report=report, accuracy=None, outcome="NO_RESULT", message="x"))
    assert (result.status, result.for_a_person) == ("no accuracy", [])


def test_without_a_sandbox_the_result_says_so(full: Setup) -> None:
    open_ = replace(full, sandbox=Sandbox("none", "no sandbox: submissions run with your own rights"))
    result = decision.decide(entry(), open_, evidence())
    assert result.sandbox == "none"
    assert "no-sandbox" in result.flags
    assert result.notices == ["no sandbox: submissions run with your own rights"]
    assert result.points == 20


def test_a_syntax_error_is_not_trained(full: Setup) -> None:
    runs = FakeRunner()
    full = replace(full, runner=runs)
    failure = Failure(type="SyntaxError", message="invalid syntax", line=7)
    seen = Observations(homework="hw6", file="hw6.py", syntax_error=failure)
    graded = student_run.grade(entry(), full, seen)
    assert (graded.result.outcome, graded.result.status) == ("SYNTAX", "no accuracy")
    assert graded.result.message == "line 7: invalid syntax"
    assert graded.result.for_a_person == []
    assert runs.trainings == []
    assert graded.crash == ""


def test_an_f_string_that_a_newer_python_reads_is_put_before_a_person(full: Setup) -> None:
    failure = Failure(type="SyntaxError", message="f-string: expecting '}'", line=7, reason="newer-python")
    seen = Observations(homework="hw6", file="hw6.py", syntax_error=failure)
    graded = student_run.grade(entry(), replace(full, runner=FakeRunner()), seen)
    assert graded.result.for_a_person == [
        "line 7: such an f-string is right since Python 3.12, and this Python is older"
    ]
    (why,) = [check.why for check in graded.result.checks if check.id == "builds"]
    assert "3.12" in why


@pytest.mark.parametrize("broken", ["observe", "train"])
def test_a_crash_of_ours_needs_a_person_and_never_gives_points(full: Setup, broken: str) -> None:
    crash = ZeroDivisionError("ours")
    full = replace(full, runner=FakeRunner(crash if broken == "observe" else SEEN, crash))
    graded = student_run.grade(entry(), full, student_run.observe(entry(), full))
    result = graded.result
    assert (result.status, result.points, result.tier) == ("needs a person", None, None)
    assert result.for_a_person == ["the grader itself failed: ZeroDivisionError: ours"]
    assert result.key == ""  # the next run tries again
    assert "ZeroDivisionError: ours" in graded.crash


@pytest.mark.parametrize(
    ("rights", "runs"),
    [([80], 1), ([690], 1), ([695, 680, 699], 3), ([700, 701], 2), ([695, None, 710], 3), ([299, 301], 2), ([280], 1)],
)
def test_a_borderline_accuracy_is_trained_again_and_the_best_counts(
    full: Setup, rights: list[int | None], runs: int
) -> None:
    def train(asked: Asked) -> Training:
        right = rights[asked.seed]
        if right is None:
            return Training("TIMEOUT", "too long", None)
        scores = np.zeros((1000, 10), np.float32)
        labels = full.dataset.test_labels[:1000]
        answers = np.where(np.arange(1000) < right, labels, (labels + 1) % 10)
        scores[np.arange(1000), answers] = 1
        return Training(
            "GRADED", "", TrainingReport(ended_by="script", epochs=5), scores={"eval": scores}, log=str(right)
        )

    rights = [right if right is None or right > 100 else 10 * right for right in rights]
    runner = FakeRunner(SEEN, train)
    strict = replace(
        full, runner=runner, rubric=full.rubric.model_copy(update={"borderline": rubric.Borderline(points=0.9)})
    )
    graded = student_run.grade(entry(), strict, SEEN)
    assert runner.seeds == list(range(runs))
    best = max(right for right in rights[:runs] if right is not None)
    assert graded.result.accuracy
    assert graded.result.accuracy.counted_percent == best / 10
    assert graded.log.endswith(str(best))
    percents = [None if right is None else right / 10 for right in rights[:runs]]
    assert [one.accuracy_percent for one in graded.result.runs] == (percents if runs > 1 else [])
    runner.trainings.clear()
    preview = student_run.grade(entry(), replace(strict, protocol=HW6.preview), SEEN)
    assert (runner.seeds, preview.result.runs) == ([0], [])


def test_the_log_cannot_command_a_terminal(full: Setup) -> None:
    printed = "epoch 1\r\nepoch 2\repoch 3\n\x1b[2Jgone\x07\ttab\n"
    runner = FakeRunner(SEEN, Training("NO_RESULT", "none", None, log=printed))
    log = student_run.grade(entry(), replace(full, runner=runner), SEEN).log
    assert log.startswith("s1: hw6.py, SHA-256 ")
    assert log.endswith("epoch 1\nepoch 2\nepoch 3\n�[2Jgone�\ttab\n")


def test_a_result_is_reused_only_for_the_same_everything(full: Setup) -> None:
    base = entry()
    tier = RUBRIC.tiers[0].model_copy(update={"points": 19.0})
    changed_rubric = replace(full, rubric=RUBRIC.model_copy(update={"tiers": (tier, *RUBRIC.tiers[1:])}))
    evidence_changes = [
        (entry(b"print(2)\n"), full),
        (base, replace(full, homework=replace(HW6, title="another"))),
        (base, replace(full, dataset=replace(full.dataset, fingerprint="0" * 64))),
        (base, replace(full, dataset=replace(full.dataset, name="another"))),
        (base, replace(full, protocol=HW6.preview)),
        (base, replace(full, protocol=HW6.protocol("full", hours=1))),
        (base, replace(full, sandbox=Sandbox("none"))),
    ]
    assert keys.of_result(entry(), replace(full, threads=7)) == keys.of_result(base, full)
    assert keys.of_evidence(base, changed_rubric) == keys.of_evidence(base, full)
    assert keys.of_result(base, changed_rubric) != keys.of_result(base, full)
    changed = [keys.of_result(*change) for change in evidence_changes]
    assert len({keys.of_result(base, full), *changed}) == len(changed) + 1
    assert len({keys.of_evidence(*change) for change in evidence_changes}) == len(changed)


SCRIPT = ROOT / "tests" / "scripts" / "hw6_right.py"


@pytest.mark.slow
def test_a_right_script_goes_from_end_to_end(practice: Dataset, sandbox_bwrap: Sandbox, tmp_path: Path) -> None:
    from autograder.intake import submission

    small = replace(HW6.preview, epochs=1, train_images=64, test_images=40)
    setup = Setup(HW6, RUBRIC, small, practice, sandbox_bwrap)
    (tmp_path / "hw6.py").write_bytes(SCRIPT.read_bytes())
    heard: list[dict[str, Any]] = []
    handed_in = entry(submission=submission.read(tmp_path / "hw6.py"))
    graded = student_run.grade(handed_in, setup, student_run.observe(handed_in, setup), heard.append)
    result = graded.result
    assert graded.crash == ""
    assert (result.outcome, result.status, result.points) == ("GRADED", "preview", None)
    assert result.failed_checks == []
    assert result.training is not None
    assert result.training.images == 64
    assert result.accuracy is not None
    assert sum(map(sum, result.accuracy.confusion)) == 40
    assert result.machine.endswith("cores")
    assert "what the script printed" in graded.log
