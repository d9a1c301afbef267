"""A class end to end: what is refused before anything runs, what is kept, and what a kill leaves."""

import errno
import os
import re
import shutil
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
from pydantic import ValidationError
from support.classes import done, start, table, write
from support.observed import right
from support.results import result
from support.runner import Asked, FakeRunner, Look, by_length, half_right
from support.waiting import wait_for

from autograder.commands import grade
from autograder.commands.request import ClassRequest
from autograder.course import prepare, rubric
from autograder.course.dataset import Dataset
from autograder.errors import KitError
from autograder.files import write_text
from autograder.grading import class_files, progress_display, schedule
from autograder.machine import cores
from autograder.observations import Loader, Observations, TrainingProgress
from autograder.publish import feedback_page, nbgrader_gradebook
from autograder.results import history, store
from autograder.runner.train import Training
from autograder.sandbox import sandbox
from autograder.sandbox.sandbox import Sandbox

Grade = Callable[..., int]

DEADLINE = "2026-11-30 23:59"


@pytest.fixture
def runs() -> FakeRunner:
    """Looks and trainings of a class cost nothing, and are counted."""
    return FakeRunner()


@pytest.fixture
def run(practice: Dataset, tmp_path: Path, runs: FakeRunner) -> Grade:
    """Grades `tmp_path/class` into `tmp_path/out` under a preview, with `runs`, unless told otherwise."""

    def call(**options: Any) -> int:
        given: dict[str, Any] = {
            "submissions": tmp_path / "class",
            "out": tmp_path / "out",
            "homework": "hw6",
            "data": practice.folder,
            "protocol": "preview",
            "workers": 1,
            "sandbox": "none",
            "gradebook": "none",
        }
        return grade.grade(ClassRequest(**{**given, **options}), runner=runs)

    return call


def class_that_needs_no_run(folder: Path) -> None:
    """Four students: late (by `DEADLINE`), an empty file, two files, no file."""
    write(folder / "s1" / "hw6.py", moment="2026-12-01 00:00:01")
    write(folder / "s2" / "hw6.py", "")
    write(folder / "s3" / "a.py")
    write(folder / "s3" / "b.py", "print('another')\n")
    (folder / "s4").mkdir()
    write(folder / "README.md")


# --- without a single run --------------------------------------------------------------------------------------------


def test_a_class_in_which_nothing_can_run_is_graded_all_the_same(
    run: Grade, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    class_that_needs_no_run(tmp_path / "class")
    assert run(deadline=DEADLINE) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("4 submissions: 1 late, 1 absent, 2 for a person · hw6 rubric ")
    assert said[0].endswith(" · preview, no points")
    assert said[1].startswith("deadline 2026-11-30 23:59:00")
    assert "notice: no sandbox: submissions run with your own rights" in said
    assert "not submissions, left out: README.md" in said
    counts = "2 for a person to decide   ·   1 late: came after the deadline   ·   1 absent: nothing was handed in"
    assert counts in said
    assert said[-6:-3] == [
        "for a person (2)",
        "  s2   hw6.py: the file is empty",
        "  s3   no telling which file counts: a.py, b.py",
    ]
    assert said[-3] == "no points were given: a preview gives no points"
    assert said[-1] == f"history {history.head(tmp_path / 'out')[:16]}"
    assert [(row["student"], row["points"], row["tier"], row["status"]) for row in table(tmp_path / "out")] == [
        ("s1", "", "", "late"),
        ("s2", "", "", "needs a person"),
        ("s3", "", "", "needs a person"),
        ("s4", "", "", "absent"),
    ]
    for student in ("s1", "s2", "s3", "s4"):
        assert "Preview: no points" in (tmp_path / "out" / student / "feedback.html").read_text(encoding="utf-8")
        assert store.read(tmp_path / "out" / student) is not None


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"deadline": "tomorrow"}, "no deadline"),
        ({"sandbox": "docker"}, "'bwrap' or 'none'"),
        ({"data": Path("/nowhere/at-all")}, "no dataset is there"),
        ({"submissions": Path("/nowhere/at-all")}, "no such folder"),
        ({"out": Path("/dev/null/out")}, "can't be written"),
    ],
)
def test_what_is_wrong_is_said_before_anything_runs(
    run: Grade, runs: FakeRunner, tmp_path: Path, options: dict[str, Any], words: str
) -> None:
    write(tmp_path / "class" / "s1" / "hw6.py")
    with pytest.raises((KitError, ValidationError), match=words):
        run(**options)
    assert runs.order == []
    assert not list(tmp_path.glob("out/*"))


def test_the_output_may_not_lie_among_the_submissions(run: Grade, tmp_path: Path) -> None:
    write(tmp_path / "class" / "s1" / "hw6.py")
    with pytest.raises(KitError, match="would be somebody's hand-in"):
        run(out=tmp_path / "class" / "grades")


def test_a_preview_never_replaces_points(run: Grade, tmp_path: Path) -> None:
    class_that_needs_no_run(tmp_path / "class")
    given = result("s9", status="graded", points=20.0, no_points_because=None)
    store.write(tmp_path / "out" / "s9", given)
    with pytest.raises(KitError, match="holds results with points, and this run gives none"):
        run()
    assert store.read(tmp_path / "out" / "s9") == given


def test_two_runs_cannot_write_to_one_place(run: Grade, tmp_path: Path) -> None:
    class_that_needs_no_run(tmp_path / "class")
    named = rf"another run is writing there \(process {os.getpid()} on .+, since \d{{4}}-\d\d-\d\d \d\d:\d\d\)"
    with grade._only_run(tmp_path / "out"), pytest.raises(KitError, match=named):
        run(deadline=DEADLINE)
    assert run(deadline=DEADLINE) == 0


def test_a_disk_that_fills_up_is_said_in_a_line_and_loses_nothing(
    run: Grade, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class_that_needs_no_run(tmp_path / "class")
    written: list[Path] = []

    def full(path: Path, text: str) -> None:
        if len(written) == 5:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        written.append(path)
        write_text(path, text)

    with monkeypatch.context() as patched:
        for module in (store, class_files):
            patched.setattr(module, "write_text", full)
        with pytest.raises(KitError, match="can't be written any more") as refused:
            run(deadline=DEADLINE)
    assert refused.value.hint.startswith("every result that was finished is kept")
    finished = [path for path in written if path.name == "result.json"]
    assert finished
    before = {path: path.read_bytes() for path in finished}
    assert run(deadline=DEADLINE) == 0
    assert {path: path.read_bytes() for path in finished} == before
    assert len(table(tmp_path / "out")) == 4


def test_a_gradebook_that_cannot_be_written_costs_nothing_else(run: Grade, tmp_path: Path) -> None:
    class_that_needs_no_run(tmp_path / "class")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "gradebook.db").write_bytes(b"no database" * 100)
    with pytest.raises(KitError, match="can't be used"):
        run(deadline=DEADLINE, gradebook=nbgrader_gradebook.url_of(tmp_path / "out"))
    assert len(table(tmp_path / "out")) == 4
    assert (tmp_path / "out" / "report.html").exists()


def test_a_result_that_is_replaced_is_put_aside(run: Grade, tmp_path: Path) -> None:
    write(tmp_path / "class" / "s1" / "hw6.py", "")
    for _ in range(2):  # the same again is not another result
        assert run() == 0
    folder = tmp_path / "out" / "s1"
    before = (folder / "result.json").read_bytes()
    assert not (folder / "earlier").exists()
    write(tmp_path / "class" / "s1" / "hw6.py", "\0")
    assert run() == 0
    write(tmp_path / "class" / "s1" / "hw6.py", "")
    assert run() == 0
    kept = sorted((folder / "earlier").glob("*/result.json"))
    assert len(kept) == 2
    assert before in [path.read_bytes() for path in kept]
    assert {path.name for path in kept[0].parent.iterdir()} == {"result.json", "feedback.html"}


def test_a_rubric_that_requires_an_unknown_check_is_refused(
    run: Grade, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class_that_needs_no_run(tmp_path / "class")
    text = rubric.PATH.read_text(encoding="utf-8").replace("Required checks: none", "Required checks: blanks, blank")
    text = text.replace("| no file by", "| a required check failed | 1 |\n| no file by")
    (tmp_path / "rubric.md").write_text(text, encoding="utf-8")
    monkeypatch.setattr(rubric, "PATH", tmp_path / "rubric.md")
    with pytest.raises(KitError, match="no check called 'blank' to require"):
        run()


def test_without_a_sandbox_only_the_example_class_runs(
    run: Grade, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class_that_needs_no_run(tmp_path / "class")
    monkeypatch.setattr(sandbox.shutil, "which", lambda name: None)
    with pytest.raises(KitError, match="bubblewrap is not installed") as refused:
        run(sandbox=None)
    assert "--sandbox none" in refused.value.hint
    assert not (tmp_path / "out").exists()

    monkeypatch.setattr(grade, "EXAMPLES", tmp_path / "class")
    assert run(sandbox=None, deadline=DEADLINE) == 0
    said = capsys.readouterr().out
    assert "*  NO SANDBOX" in said
    assert "Submissions of other people are refused" in said
    assert {store.read(tmp_path / "out" / f"s{k}").sandbox for k in (1, 2, 3, 4)} == {"none"}  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("protocol", "said"),
    [
        (None, "no GPU here: 1 full trainings would take about 2 h on this CPU; this is a preview instead"),
        ("full", "no GPU here: 1 full trainings take about 2 h on this CPU, 1 at a time"),
        ("preview", None),
    ],
)
def test_without_a_gpu_the_first_line_says_what_full_takes(
    run: Grade,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    protocol: str | None,
    said: str | None,
) -> None:
    write(tmp_path / "class" / "s1" / "hw6.py")
    monkeypatch.setattr(schedule, "start", _nobody)
    monkeypatch.setattr(grade, "cores", lambda: 2)
    with pytest.raises(KeyError):  # nobody was graded, so there is no class to report
        run(protocol=protocol)
    first = capsys.readouterr().out.splitlines()[0]
    assert first.startswith(said or "1 submission: 1 on time")


def _nobody(*_: object) -> Any:
    from contextlib import nullcontext

    return nullcontext(lambda *_: iter(()))


# --- with an engine, and in place of the sandboxed runs what they would give -----------------------------------------


def test_a_deadline_that_moves_decides_anew(run: Grade, runs: FakeRunner, tmp_path: Path) -> None:
    write(tmp_path / "class" / "s1" / "hw6.py", moment="2026-12-01 12:00")
    statuses = []
    for deadline in ("2026-11-30 23:59", "2026-12-01 23:59", "2026-11-30 23:59"):
        run(deadline=deadline)
        statuses.append(table(tmp_path / "out")[0]["status"])
    assert statuses == ["late", "preview", "late"]
    assert len(runs.trained) == 1


def test_what_was_done_is_kept_and_what_changed_is_done_again(
    run: Grade, runs: FakeRunner, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(4):
        write(tmp_path / "class" / f"s{number}" / "hw6.py", f"print({'1' * number})\n")
    assert run(workers=2) == 0
    assert len(runs.trained) == 4
    first = (tmp_path / "out" / "grades.csv").read_bytes(), (tmp_path / "out" / "report.html").read_bytes()

    assert run() == 0
    assert len(runs.trained) == 4
    assert "4 done by an earlier run, kept" in capsys.readouterr().out
    assert first == ((tmp_path / "out" / "grades.csv").read_bytes(), (tmp_path / "out" / "report.html").read_bytes())

    write(tmp_path / "class" / "s1" / "hw6.py", "print('another')\n")
    (tmp_path / "out" / "s2" / "result.json").write_text("damaged")
    assert run() == 0
    assert sorted(runs.trained[4:]) == [b"print('another')\n", b"print(11)\n"]
    assert "result.json: not a result of schema version 2" in capsys.readouterr().out


def test_everybody_is_checked_before_the_first_is_trained(
    run: Grade, runs: FakeRunner, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(6):
        write(tmp_path / "class" / f"s{number}" / "hw6.py", f"print({number})\n")
    assert run(workers=1) == 0
    assert runs.order == ["observed"] * 6 + ["trained"] * 6
    said = capsys.readouterr().out
    assert said.index("checks 6/6") < said.index("1/6  s")


def test_the_longest_is_trained_first(run: Grade, runs: FakeRunner, tmp_path: Path) -> None:
    """Small batches make a training long. What is looked at says so before anything is trained."""
    batches = {"s0": 64, "s1": 4, "s2": 128, "s3": 16}
    for student, batch in batches.items():
        write(tmp_path / "class" / student / "hw6.py", f"batch_size = {batch}\n")

    def look(asked: Look) -> Observations:
        time.sleep(0.3)  # a look takes longer than the next training takes to be queued
        seen = right()
        loader = Loader(batch_size=int(asked.submission.content.split()[-1]), images=50_000)
        return seen.model_copy(update={"rehearsal": seen.rehearsal.model_copy(update={"train_loader": loader})})

    runs.seen = look
    assert run(workers=1) == 0
    assert [int(content.split()[-1]) for content in runs.trained] == [4, 16, 64, 128]


def test_how_far_a_training_is_gets_through_and_says_what_is_left(
    run: Grade, runs: FakeRunner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(2):
        write(tmp_path / "class" / f"s{number}" / "hw6.py", f"print({number})\n")

    def train(asked: Asked) -> Training:
        assert asked.progress is not None
        asked.progress(TrainingProgress(images=300, of=1200, seconds=100.0))
        time.sleep(1)
        return by_length(asked)

    runs.training = train
    monkeypatch.setattr(progress_display, "QUIET_S", 0.0)
    assert run(workers=1) == 0
    assert re.search(r"^training  0/2   about \d+ min left$", capsys.readouterr().out, re.MULTILINE)


def test_equal_files_are_run_once_and_each_gets_a_result_of_its_own(
    run: Grade, runs: FakeRunner, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for student in ("s1", "s2", "s3"):
        write(tmp_path / "class" / student / "hw6.py", "print('the same')\n")
    write(tmp_path / "class" / "s4" / "hw6.py", "print('another')\n")
    assert run() == 0
    said = capsys.readouterr().out
    assert "2 are byte for byte somebody else's file: run once" in said
    assert "4/4  s" in said
    assert len(runs.trained) == 2
    own = [store.read(tmp_path / "out" / f"s{number}") for number in (1, 2, 3)]
    assert [one.student for one in own if one] == ["s1", "s2", "s3"]
    assert len({one.accuracy.model_dump_json() for one in own if one and one.accuracy}) == 1
    for number in (1, 2, 3):
        assert (tmp_path / "out" / f"s{number}" / "log.txt").read_text().startswith(f"s{number}: hw6.py")
        assert f"Feedback for s{number}" in (tmp_path / "out" / f"s{number}" / "feedback.html").read_text()
    assert run() == 0
    assert "4 done by an earlier run, kept" in capsys.readouterr().out


def test_a_crash_of_ours_on_equal_files_is_a_crash_on_each(run: Grade, runs: FakeRunner, tmp_path: Path) -> None:
    for student in ("s1", "s2"):
        write(tmp_path / "class" / student / "hw6.py", "# crash of ours\n")
    assert run() == 1
    assert [row["status"] for row in table(tmp_path / "out")] == ["needs a person"] * 2


def test_another_rubric_decides_anew_and_trains_nobody(
    run: Grade, runs: FakeRunner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path / "class" / "s1" / "hw6.py", "print(1)\n")
    run(protocol="demo")
    before = store.read(tmp_path / "out" / "s1")
    text = rubric.PATH.read_text(encoding="utf-8")
    (tmp_path / "rubric.md").write_text(text.replace("| 2 |", "| 3 |").replace("| 6 |", "| 7 |"), encoding="utf-8")
    monkeypatch.setattr(rubric, "PATH", tmp_path / "rubric.md")
    run(protocol="demo")
    after = store.read(tmp_path / "out" / "s1")
    assert before is not None
    assert after is not None
    assert before.would_earn is not None
    assert after.would_earn == before.would_earn + 1
    assert after.accuracy == before.accuracy
    assert len(runs.trained) == 1
    assert "1 trained by an earlier run, decided anew" in capsys.readouterr().out


def test_a_rubric_that_asks_for_more_runs_has_them_made(
    run: Grade, runs: FakeRunner, tmp_path: Path, practice: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs.training = half_right
    monkeypatch.setattr(prepare, "choose", lambda *_: replace(practice, name="cifar10"))
    write(tmp_path / "class" / "s1" / "hw6.py")
    text = rubric.PATH.read_text(encoding="utf-8")
    monkeypatch.setattr(rubric, "PATH", tmp_path / "rubric.md")
    for least, asked in ((60, [0]), (50.5, [0, 0, 1, 2]), (45, [0, 0, 1, 2])):
        rubric.PATH.write_text(text.replace("70%", f"{least}%"), encoding="utf-8")
        assert run(protocol="full") == 0  # half are right: far below the row, just below it, above it
        assert runs.seeds == asked
    kept = store.read(tmp_path / "out" / "s1")
    assert kept is not None
    assert (kept.points, len(kept.runs)) == (20, 3)


def test_a_crash_of_ours_stops_nobody_else_and_is_tried_again(
    run: Grade, runs: FakeRunner, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path / "class" / "s1" / "hw6.py", "print('crash of ours')\n")
    write(tmp_path / "class" / "s2" / "hw6.py")
    assert run() == 1
    said = capsys.readouterr().out
    assert "error: the grader itself failed on s1: ZeroDivisionError: ours" in said
    assert [(row["status"], row["points"]) for row in table(tmp_path / "out")] == [
        ("needs a person", ""),
        ("preview", ""),
    ]
    assert "ZeroDivisionError" in (tmp_path / "out" / "s1" / "log.txt").read_text()
    assert run() == 1
    assert len(runs.trained) == 3


def test_a_page_that_cannot_be_made_loses_no_result(
    run: Grade, runs: FakeRunner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "class" / "s1" / "hw6.py")

    def crash(*_: object) -> str:
        raise ZeroDivisionError("page")

    with monkeypatch.context() as patch:
        patch.setattr(feedback_page, "feedback", crash)
        assert run() == 1
    kept = store.read(tmp_path / "out" / "s1")
    assert kept is not None
    assert kept.accuracy is not None
    assert run() == 0
    assert (tmp_path / "out" / "s1" / "feedback.html").exists()
    assert len(runs.trained) == 1


def test_a_full_run_on_the_homeworks_own_data_gives_points(
    run: Grade, runs: FakeRunner, tmp_path: Path, practice: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = replace(practice, name="cifar10")
    monkeypatch.setattr(prepare, "choose", lambda *_: own)
    runs.training = half_right
    write(tmp_path / "class" / "s1" / "hw6.py")
    assert run(protocol="full") == 0
    row = table(tmp_path / "out")[0]
    assert (row["points"], row["tier"], row["protocol"], row["accuracy_percent"]) == (
        "6",
        "from 30% to 70%, both included",
        "full",
        "50.00",
    )
    assert run(protocol="full", hours=9, out=tmp_path / "other") == 0
    row = table(tmp_path / "other")[0]
    assert (row["points"], row["tier"], row["protocol"]) == (
        "",
        "would be 6 points",
        "full (another time box): no points",
    )


# --- the real thing: processes that are killed -----------------------------------------------------------------------


@pytest.mark.timeout(150)  # a class takes what it takes beside other work
def test_a_class_is_graded_end_to_end_in_the_real_sandbox(
    two: Path, tmp_path: Path, practice: Dataset, sandbox_bwrap: Sandbox
) -> None:
    out = tmp_path / "out"
    graded = start(two, out, practice.folder, sandbox_bwrap.name)
    said, _ = graded.communicate(timeout=140)
    assert graded.returncode == 0, said
    assert [row["student"] for row in table(out)] == ["s1", "s2"]
    assert all(row["accuracy_percent"] and row["status"] == "preview" for row in table(out))
    for file in ("report.html", "attempts.csv", "gradebook.db", "s1/feedback.html", "s2/log.txt"):
        assert (out / file).stat().st_size > 0


@pytest.mark.slow
def test_a_class_gets_the_same_with_every_lever_and_with_none(
    two: Path, tmp_path: Path, practice: Dataset, sandbox_bwrap: Sandbox
) -> None:
    """Forked, as many at a time as there are cores, an equal file not run again; and each alone, all processes fresh.

    One thread each: with more, sums are rounded in another order.
    """
    shutil.copytree(two / "s2", two / "s3")
    single = ["--workers", str(cores())]
    said, _ = start(two, tmp_path / "on", practice.folder, sandbox_bwrap.name, *single).communicate(timeout=600)
    assert "1 is byte for byte somebody else's file: run once" in said
    for student in ("s1", "s2", "s3"):
        alone = tmp_path / "alone" / student
        shutil.copytree(two / student, alone / "class" / student)
        words = [alone / "class", alone / "out", practice.folder, sandbox_bwrap.name]
        start(*words, *single, "--fresh").communicate(timeout=600)
        on, off = store.read(tmp_path / "on" / student), store.read(alone / "out" / student)
        assert on is not None
        assert off is not None
        assert on.accuracy is not None
        assert on.accuracy == off.accuracy
        assert on.training is not None
        assert off.training is not None
        assert on.training.losses == off.training.losses
        assert on.threads == off.threads == 1


@pytest.mark.slow
def test_a_run_that_is_killed_goes_on_and_ends_the_same(
    two: Path, tmp_path: Path, practice: Dataset, sandbox_bwrap: Sandbox
) -> None:
    start(two, tmp_path / "whole", practice.folder, sandbox_bwrap.name).communicate(timeout=600)
    killed = start(two, tmp_path / "out", practice.folder, sandbox_bwrap.name)
    wait_for("result", lambda: done(tmp_path / "out"), 300)
    family = psutil.Process(killed.pid).children(recursive=True)
    killed.kill()
    killed.communicate()
    wait_for("end of all processes", lambda: not any(process.is_running() for process in family))
    assert len(done(tmp_path / "out")) == 1

    again = start(two, tmp_path / "out", practice.folder, sandbox_bwrap.name)
    said, _ = again.communicate(timeout=600)
    assert again.returncode == 0, said
    assert "1 done by an earlier run, kept" in said
    assert (tmp_path / "out" / "grades.csv").read_text() == (tmp_path / "whole" / "grades.csv").read_text()
    assert all(row["accuracy_percent"] for row in table(tmp_path / "out"))
    assert not list((tmp_path / "out").glob("**/.*.json.*"))


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_leaves_no_process_and_keeps_what_is_done(
    two: Path, tmp_path: Path, practice: Dataset, number: signal.Signals
) -> None:
    process = start(two, tmp_path / "out", practice.folder, "none")
    wait_for("result", lambda: done(tmp_path / "out"), 300)
    wait_for("process of the next run", lambda: psutil.Process(process.pid).children(recursive=True))
    family = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(number)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert "what is done is kept" in said
    assert not any(one.is_running() and one.status() != psutil.STATUS_ZOMBIE for one in family)
    assert len(done(tmp_path / "out")) == 1
    assert not (tmp_path / "out" / "grades.csv").exists()
