"""Decisions: who was first, who is told, and that a process that is killed leaves no half of one."""

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support.classes import table
from support.results import full

from autograder import homeworks
from autograder.commands.request import ClassRequest
from autograder.errors import KitError
from autograder.files import ROOT, write_text
from autograder.grading.decisions import NOTE, ChangedError, Decisions
from autograder.intake import submission
from autograder.intake.entry import READ, Entry
from autograder.publish import feedback_page, nbgrader_gradebook
from autograder.results import grades_table, history, store

CODE = b"import torch\nx = 1\ny = 2\n"


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """A class of two, as `grade` leaves it, without a gradebook."""
    out, handed_in = tmp_path / "out", submission.of("hw6.py", CODE)
    everybody = []
    for student in ("s1", "s2"):
        file = full().submission
        assert file is not None
        file = file.model_copy(update={"sha256": handed_in.sha256})
        one = full(student, points=6.0, submission=file, for_a_person=["somebody should look"])
        store.write(out / student, one)
        store.write_handed_in(out / student, handed_in)
        history.add(out, "result", student, points=one.points, key=one.key)
        write_text(out / student / feedback_page.FILE, "")
        everybody.append(one)
    write_text(out / grades_table.FILE, grades_table.csv_text(everybody))
    for student in ("s1", "s2"):
        (tmp_path / "class" / student).mkdir(parents=True)
        (tmp_path / "class" / student / "hw6.py").write_bytes(CODE)
    words = ClassRequest(submissions=tmp_path / "class", out=out, homework="hw6", gradebook="none")
    write_text(out / "run.json", words.kept())
    return out


def page(out: Path, student: str = "s1") -> str:
    return (out / student / feedback_page.FILE).read_text(encoding="utf-8")


def test_a_comment_stands_at_its_line_until_it_is_taken_back(out: Path) -> None:
    decisions = Decisions(out)
    line = decisions.comment("s1", "why two?", 3)
    whole = decisions.comment("s1", "well\ndone")
    shown = page(out)
    assert shown.index('id="L3"') < shown.index("why two?")
    assert "well\ndone" in shown
    assert "why two?" not in page(out, "s2")
    decisions.take_back_comment("s1", line.id)
    assert "why two?" not in page(out)
    assert [one.id for one in history.comments(history.read(out))] == [whole.id]
    with pytest.raises(KitError, match="no comment is called"):
        decisions.take_back_comment("s1", line.id)
    with pytest.raises(KitError, match="no line 4"):
        decisions.comment("s1", "x", 4)
    with pytest.raises(KitError, match="1 to 5,000 characters"):
        decisions.comment("s1", "x" * 5001)


def test_a_comment_on_another_file_stands_at_no_line(out: Path) -> None:
    Decisions(out).comment("s1", "of the first file", 3)
    second = submission.of("hw6.py", b"a = 1\n" * 20)
    store.write_handed_in(out / "s1", second)
    file = full().submission
    assert file is not None
    again = full("s1", submission=file.model_copy(update={"sha256": second.sha256}))
    store.write(out / "s1", again)
    Decisions(out).comment("s1", "of the second file", 2)
    shown = page(out)
    assert shown.index("of the first file") < shown.index('id="L1"') < shown.index("of the second file")


def test_points_are_in_the_table_and_on_the_page_and_go_back(out: Path) -> None:
    decisions = Decisions(out)
    decisions.points("s1", 12.5, "agreed <b>")
    assert [(row["points"], row["decided_by"]) for row in table(out)] == [("12.5", "override"), ("6", "run")]
    assert "Set by your instructor: agreed &lt;b&gt;" in page(out)
    decisions.points("s1", 3.0, "after all")
    line = decisions.points("s1", None, "no")
    assert (line.former, line.points) == (3.0, None)
    assert [(row["points"], row["decided_by"]) for row in table(out)] == [("6", "run"), ("6", "run")]
    assert "Set by your instructor" not in page(out)


def test_whoever_saw_less_is_told_and_nothing_is_written(out: Path) -> None:
    first, second = Decisions(out), Decisions(out)
    seen = history.last_of(history.read(out), "s1")
    other = history.last_of(history.read(out), "s2")
    first.points("s1", 12.0, "one", seen)
    before = (out / history.FILE).read_bytes()
    for decide in (
        lambda: second.points("s1", 3.0, "two", seen),
        lambda: second.comment("s1", "x", None, seen),
        lambda: second.looked_at("s1", "", seen),
        lambda: second.run_again(["s1"], "", seen),
        lambda: second.settle("s1", "hw6.py", "", seen),
        lambda: second.deadline("s1", "2026-12-03 23:59", "", seen),
        lambda: second.points("s1", 3.0, "two", "nothing"),
    ):
        with pytest.raises(ChangedError) as told:
            decide()
        assert told.value.lines[-1].points == 12.0
    assert (out / history.FILE).read_bytes() == before
    second.points("s2", 3.0, "another student", other)


def test_what_was_looked_at_leaves_the_queue_until_there_is_a_newer_result(out: Path) -> None:
    decisions = Decisions(out)
    decisions.looked_at("s1", "fine")
    assert set(history.looked_at(history.read(out))) == {"s1"}
    decisions.looked_at("s1", withdraw=True)
    assert history.looked_at(history.read(out)) == {}
    with pytest.raises(KitError, match="nobody has said"):
        decisions.looked_at("s1", withdraw=True)
    decisions.looked_at("s1")
    history.add(out, "result", "s1", points=2.0)
    assert history.looked_at(history.read(out)) == {}


def test_who_is_marked_is_run_again_once(out: Path) -> None:
    Decisions(out).run_again(["s1", "s2"], "the machine was broken")
    assert history.to_run_again(history.read(out)) == {"s1", "s2"}
    history.add(out, "result", "s1", points=2.0)
    assert history.to_run_again(history.read(out)) == {"s2"}


def test_a_deadline_that_a_person_gives_wins(out: Path) -> None:
    decisions = Decisions(out)
    decisions.deadline("S1", "2026-12-03 23:59", "was ill")
    assert decisions.entry("s1").own_deadline
    decisions.deadline("s1", None)
    assert not decisions.entry("s1").own_deadline
    with pytest.raises(KitError, match="was given no deadline"):
        decisions.deadline("s1", None)
    with pytest.raises(KitError, match="no student called"):
        decisions.deadline("nobody", "2026-12-03 23:59")


DECIDES = """
import sys
from pathlib import Path
from autograder.grading.decisions import Decisions
from autograder.results import history
out, who, times = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
print("ready", flush=True)
for number in range(times):
    if who == "run":
        history.add(out, "result", f"s{1 + number % 2}", points=6.0)
    else:
        Decisions(out, sys.argv[4] if len(sys.argv) > 4 else None).points("s1", float(number % 20), f"{who} {number}")
"""


def deciding(out: Path, *words: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", DECIDES, str(out), *words]
    process = subprocess.Popen(
        command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE, text=True
    )
    return process


def test_two_desks_and_a_run_at_once_lose_nothing(out: Path) -> None:
    processes = [deciding(out, *words) for words in (("ann", "12"), ("ben", "12"), ("run", "60"))]
    assert [process.wait(50) for process in processes] == [0, 0, 0]
    lines = history.read(out)
    for who in ("ann", "ben"):
        said = [line.reason for line in lines if line.reason.startswith(who)]
        assert said == [f"{who} {number}" for number in range(12)]
    assert sum(line.what == "result" for line in lines) == 62
    last = history.overrides(lines)["s1"]
    assert float(table(out)[0]["points"]) == last.points
    assert f"Set by your instructor: {last.reason}" in page(out)


def follows(out: Path, book: str | None) -> None:
    """What the history says is what stands everywhere."""
    assert not (out / NOTE).exists()
    line = history.overrides(history.read(out)).get("s1")
    points, by = (6.0, "run") if line is None else (line.points, "override")
    assert [float(table(out)[0]["points"]), table(out)[0]["decided_by"]] == [points, by]
    assert line is None or f"Set by your instructor: {line.reason}" in page(out)
    if book is not None:
        by_hand = nbgrader_gradebook.set_by_hand(book, "hw6")
        assert by_hand == ({} if line is None else {"s1": line.points})


def killed_anywhere(out: Path, times: int, book: str | None = None) -> None:
    """Kill somebody who decides, at any moment; what is half done is finished then."""
    chance = random.Random(22)
    for number in range(times):
        process = deciding(out, f"k{number}", "1000", *([] if book is None else [book]))
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(chance.uniform(0.0, 0.4 if book is None else 4.0))
        process.kill()
        process.wait(20)
        Decisions(out, book).finish()
        follows(out, book)
    Decisions(out, book).points("s1", 1.0, "and it goes on")
    follows(out, book)


def test_a_kill_at_any_moment_leaves_no_half_of_a_decision(out: Path) -> None:
    killed_anywhere(out, 4)


def test_what_is_half_done_is_finished_by_whoever_decides_next(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(grades_table, "change", fail)
        with pytest.raises(KeyboardInterrupt):
            Decisions(out).points("s1", 12.0, "written down")
    assert table(out)[0]["points"] == "6"
    Decisions(out).comment("s2", "somebody else's")
    assert table(out)[0]["points"] == "12"
    follows(out, None)


@pytest.mark.slow
def test_the_gradebook_follows_a_decision_that_was_killed(out: Path) -> None:
    book = nbgrader_gradebook.url_of(out)
    everybody = [one for student in ("s1", "s2") if (one := store.read(out / student)) is not None]
    entries = [Entry(one.student, READ, "", submission.of("hw6.py", CODE)) for one in everybody]
    nbgrader_gradebook.write(out, everybody, entries, homeworks.load("hw6"), None, book)
    killed_anywhere(out, 8, book)
