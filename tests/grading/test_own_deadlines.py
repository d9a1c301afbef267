"""Deadlines of one's own, and what a person settles: other decisions about a class train nobody who was trained."""

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support import downloads
from support.downloads import Uploaded
from support.runner import FakeRunner

from autograder.commands import grade
from autograder.commands.decide import settle, show
from autograder.commands.request import ClassRequest
from autograder.course.dataset import Dataset
from autograder.errors import KitError
from autograder.grading.decisions import Decisions
from autograder.results import history, store
from autograder.results.result import Result

DEADLINE, LATER = "2026-11-30 23:59", "2026-12-03 23:59"
FIRST, SECOND = b"x = 'first'\n", b"x = 'second one'\n"


@pytest.fixture
def runs() -> FakeRunner:
    return FakeRunner()


@pytest.fixture
def run(practice: Dataset, tmp_path: Path, runs: FakeRunner) -> Callable[..., Result]:
    """Grades a class of Ann's two attempts and Ben's two files, and gives Ann's result."""
    attempts = [
        Uploaded("ann", "Ann", "2026-11-30 10:00:00", [("hw6.py", FIRST)]),
        Uploaded("ann", "Ann", "2026-12-02 10:00:00", [("hw6.py", SECOND)]),
        Uploaded("ben", "Ben", "2026-11-30 10:00:00", [("a.py", b"x = 1\n"), ("b.py", b"x = 2\n")]),
    ]
    source = downloads.pack(tmp_path / "class.zip", downloads.blackboard(attempts))

    def call(**options: Any) -> Result:
        words: dict[str, Any] = {
            "submissions": source,
            "out": tmp_path / "out",
            "homework": "hw6",
            "data": practice.folder,
            "protocol": "preview",
            "workers": 1,
            "sandbox": "none",
            "gradebook": "none",
            "deadline": DEADLINE,
            "timezone": "Asia/Seoul",
        }
        assert grade.grade(ClassRequest(**{**words, **options}), runner=runs) == 0
        return of(tmp_path / "out", "ann")

    return call


def of(out: Path, student: str) -> Result:
    found = store.read(out / student)
    assert found is not None
    return found


def trainings(runs: FakeRunner) -> list[bytes]:
    return [asked.submission.content for asked in runs.trainings]


def test_another_deadline_decides_anew_and_trains_nobody_twice(
    run: Callable[..., Result], runs: FakeRunner, tmp_path: Path
) -> None:
    first = run()
    assert (first.submission and first.submission.submitted_at and first.own_deadline) is False
    assert trainings(runs) == [FIRST]
    later = run(extension=[f"ANN={LATER}"])
    assert trainings(runs) == [FIRST, SECOND]
    assert (later.own_deadline, later.deadline and later.deadline.isoformat()) == (True, "2026-12-03T23:59:00+09:00")
    again = run()  # the attempt that counts is one that was trained before
    assert trainings(runs) == [FIRST, SECOND]
    assert again.submission == first.submission
    assert (again.own_deadline, again.accuracy) == (False, first.accuracy)
    moved = run(deadline="2026-11-30 12:00")  # the same attempt, by another deadline
    assert trainings(runs) == [FIRST, SECOND]
    assert moved.key != again.key
    run(extension=["ann=2026-11-29 12:00"])
    assert of(tmp_path / "out", "ann").status == "late"
    assert run(extension=[f"ann={LATER}"]).submission == later.submission
    assert trainings(runs) == [FIRST, SECOND]


def test_the_deadline_is_on_the_pages_and_in_the_list_of_attempts(run: Callable[..., Result], tmp_path: Path) -> None:
    (tmp_path / "roster.csv").write_text(f"id,deadline\nann,{LATER}\nben,\n")
    run(roster=tmp_path / "roster.csv")
    out = tmp_path / "out"
    assert "2026-12-03 23:59+09:00, your own" in (out / "ann" / "feedback.html").read_text(encoding="utf-8")
    ben = (out / "ben" / "feedback.html").read_text(encoding="utf-8")
    assert "2026-11-30 23:59+09:00" in ben
    assert "+09:00, your own" not in ben
    report = (out / "report.html").read_text(encoding="utf-8")
    assert "ann 2026-12-03 23:59+09:00" in report
    with (out / "attempts.csv").open(encoding="utf-8", newline="") as file:
        rows = [(row["student"], row["deadline"], row["counts"], row["state"]) for row in csv.DictReader(file)]
    assert rows == [
        ("ann", "2026-12-03 23:59:00+09:00", "", ""),
        ("ann", "2026-12-03 23:59:00+09:00", "counts", "on time"),
        ("ben", "2026-11-30 23:59:00+09:00", "counts", "for a person"),
    ]


def test_what_a_person_settles_holds_for_every_later_run(
    run: Callable[..., Result], runs: FakeRunner, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    run()
    assert of(out, "ben").status == "needs a person"
    with pytest.raises(KitError, match=r"c.py: can't count for ben") as refused:
        settle(Decisions(out), "ben", "c.py", "")
    assert "a.py, b.py" in refused.value.hint
    with pytest.raises(KitError, match="no student called 'eve'"):
        settle(Decisions(out), "eve", "a.py", "")
    settle(Decisions(out), "BEN", "b.py", "asked him")
    run()
    assert of(out, "ben").submission is not None
    assert trainings(runs)[-1] == b"x = 2\n"
    assert "a person has decided that b.py counts" in of(out, "ben").notes
    settle(Decisions(out), "ben", "hw6_ben_attempt_2026-11-30-10-00-00_a.py", "the other one")
    run()
    assert trainings(runs)[-1] == b"x = 1\n"
    settle(Decisions(out), "ben", None, "not his")
    run()
    assert of(out, "ben").status == "absent"
    settle(Decisions(out), "ben", None, "", withdraw=True)
    run()
    assert of(out, "ben").status == "needs a person"
    with pytest.raises(KitError, match="nothing was settled"):
        settle(Decisions(out), "ben", None, "", withdraw=True)
    lines = [(line.what, line.file, line.reason) for line in history.read(out) if line.what.startswith("settled")]
    assert lines == [
        ("settled", "b.py", "asked him"),
        ("settled", "hw6_ben_attempt_2026-11-30-10-00-00_a.py", "the other one"),
        ("settled", "", "not his"),
        ("settled withdrawn", "", ""),
    ]
    capsys.readouterr()
    show(out, "ben", None)
    assert "settled, b.py, by " in capsys.readouterr().out


def test_a_file_that_is_nobodys_is_settled_as_somebodys(
    run: Callable[..., Result], runs: FakeRunner, tmp_path: Path
) -> None:
    members = [
        ("hanakim_101_5001_hw6.py", FIRST),
        ("leejun_102_5002_report.pdf", b"%PDF"),
        ("bo_103_5003_hw6.py", FIRST),
        ("final version.py", SECOND),
        ("notes.py", b"x = 3\n"),
    ]
    source = downloads.pack(tmp_path / "canvas.zip", members)
    out = tmp_path / "canvas"
    with pytest.raises(AssertionError):  # there is no Ann
        run(submissions=source, out=out)
    assert of(out, "102").status == of(out, "final version").status == "needs a person"
    settle(Decisions(out), "102", "final version.py", "came by mail")
    settle(Decisions(out), "notes", None, "the instructor's own")
    request = ClassRequest.of_last_run(out)
    assert grade.grade(request, runner=runs) == 0
    assert trainings(runs)[-1] == SECOND
    with (out / "grades.csv").open(encoding="utf-8", newline="") as file:
        assert [row["student"] for row in csv.DictReader(file)] == ["101", "102", "103"]
