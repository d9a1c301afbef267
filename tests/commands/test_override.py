"""What a person decides, what is known of a student, and the history that nobody changes unnoticed."""

import json
from pathlib import Path

import pytest
from support.gradebook import full, write

from autograder.commands import decide
from autograder.errors import KitError
from autograder.grading.decisions import Decisions
from autograder.publish import lms_grades, nbgrader_gradebook
from autograder.publish.final_points import final
from autograder.results import history, store


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """A class of two, as `grade` leaves it, with its gradebook."""
    everybody = [full("s1", 6.0, name="김 하늘"), full("s2")]
    for one in everybody:
        store.write(tmp_path / one.student, one)
        history.add(tmp_path, "result", one.student, points=one.points, key=one.key)
    write(tmp_path, nbgrader_gradebook.url_of(tmp_path), *everybody)
    (tmp_path / "attempts.csv").write_text(
        "student,name,submitted_at,counts,late,outcome,files\ns1,,2026-11-30 10:00:00+00:00,,,,a.py\n"
        "s1,,2026-11-30 11:00:00+00:00,counts,,READ,hw6.py\n"
    )
    return tmp_path


def points(out: Path) -> dict[str, tuple[float | None, str]]:
    return {one.student: (one.points, one.decided_by) for one in final(out, nbgrader_gradebook.url_of(out))}


def test_an_override_wins_everywhere_and_is_written_down(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    book = nbgrader_gradebook.url_of(out)
    decide.override(Decisions(out, book), "s1", 12.5, "the machine was broken")
    assert "s1: 12.5 points, 6 before" in capsys.readouterr().out
    assert points(out) == {"s1": (12.5, "override"), "s2": (20.0, "run")}
    assert nbgrader_gradebook.set_by_hand(book, "hw6") == {"s1": 12.5}
    write(out, book, full("s1", 2.0), full("s2"))  # graded again
    store.write(out / "s1", full("s1", 2.0))
    assert points(out)["s1"] == (12.5, "override")
    lms_grades.export(out, "csv", None, out / "to.csv", book=book)
    assert "s1,,12.5,20,override,12.5 of 20 points: set by the instructor: the machine was broken" in (
        (out / "to.csv").read_text()
    )
    last = history.read(out)[-1]
    assert (last.what, last.points, last.former, last.reason) == ("override", 12.5, 6.0, "the machine was broken")

    # Somebody changes it in formgrader, later.
    nbgrader_gradebook.set_score(book, "hw6", "s1", 15.0)
    assert points(out)["s1"] == (15.0, "formgrader")
    decide.override(Decisions(out, book), "s1", None, "it was right after all")
    assert points(out)["s1"] == (2.0, "run")
    assert nbgrader_gradebook.set_by_hand(book, "hw6") == {}


@pytest.mark.parametrize(
    ("student", "set_", "reason", "words"),
    [
        ("s1", 21.0, "x", "21 points: the rubric has 0 to 20"),
        ("s1", -1.0, "x", "the rubric has 0 to 20"),
        ("s1", float("nan"), "x", "the rubric has 0 to 20"),
        ("s1", 10.0, "  ", "needs a reason"),
        ("nobody", 10.0, "x", "no student called 'nobody'"),
    ],
)
def test_what_is_no_decision_is_refused(out: Path, student: str, set_: float, reason: str, words: str) -> None:
    before = (out / history.FILE).read_bytes()
    with pytest.raises(KitError, match=words):
        decide.override(Decisions(out), student, set_, reason)
    assert (out / history.FILE).read_bytes() == before


def test_all_that_is_known_is_shown(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    decide.override(Decisions(out), "s1", 12.0, "asked, and was right")
    store.put_aside(out / "s1")
    capsys.readouterr()
    decide.show(out, "s1", None)
    said = capsys.readouterr().out
    for words in (
        "s1, 김 하늘",
        "12 of 20, decided by override: asked, and was right",
        "GRADED, 80.00%, 6 points, full",
        "flags      own-weights",
        "2026-11-30 11:00:00+00:00   hw6.py   (counts, READ)",
        "earlier    20",
        "override, 12 points, by",
    ):
        assert words in said


def test_a_changed_history_shows(out: Path) -> None:
    decide.override(Decisions(out), "s1", 12.0, "a reason")
    decide.override(Decisions(out), "s2", 6.0, "another")
    path = out / history.FILE
    whole, noted = path.read_bytes(), history.head(out)
    lines = whole.splitlines(keepends=True)
    changes = {
        "changed": whole.replace(b'"points":12.0', b'"points":20.0'),
        "taken out": b"".join([*lines[:1], *lines[2:]]),
        "put in": b"".join([*lines[:2], lines[1], *lines[2:]]),
        "swapped": b"".join([lines[1], lines[0], *lines[2:]]),
        "garbage": whole + b"{}\n",
        "no first": b"".join(lines[1:]),
    }
    for name, content in changes.items():
        path.write_bytes(content)
        with pytest.raises(KitError, match=r"history.jsonl:\d"):
            history.read(out)
        with pytest.raises(KitError):
            decide.override(Decisions(out), "s1", 3.0, "a reason")
        assert path.read_bytes() == content, name
    path.write_bytes(b"".join(lines[:-1]))  # cut short: nothing in the file shows that, but what was noted does
    assert len(history.read(out)) == len(lines) - 1
    assert history.head(out) != noted


def test_a_power_cut_in_the_middle_of_a_line_costs_that_line(out: Path) -> None:
    path = out / history.FILE
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"time":"2026-11-30T10')
    assert len(history.read(out)) == 2
    assert path.read_bytes() == whole
    path.write_bytes(whole[:-1])  # only the end of the line is missing
    assert len(history.read(out)) == 2
    history.add(out, "result", "s1", points=1.0)
    assert [json.loads(line)["student"] for line in path.read_text().splitlines()] == ["s1", "s2", "s1"]
