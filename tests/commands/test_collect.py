"""The command `collect`: a table for people, one object for programs, the same words in both."""

import json
from pathlib import Path

import pytest
from support import downloads
from support.command_line import Command
from support.downloads import Uploaded

CLASS = [
    Uploaded("ann", "Ann", "2026-11-30 10:00:00"),
    Uploaded("ben", "Ben", "2026-12-01 10:00:00"),
    Uploaded("cho", "Cho", "2026-11-30 10:00:00", [("report.pdf", b"%PDF")]),
]
WORDS = ("--homework", "hw6", "--deadline", "2026-11-30 23:59", "--timezone", "Asia/Seoul")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Three students, of whom one is late and one has only a report; a fourth is on the roster."""
    (tmp_path / "roster.csv").write_text("id,name\nann,Ann Lee\nben,Ben Kim\ncho,Cho Park\ndora,Dora Cruz\n")
    members = [*downloads.blackboard(CLASS), ("notes.csv", b"x"), ("eve.py", b"x = 1\n")]
    return downloads.pack(tmp_path / "class.zip", members)


def test_json_is_one_object(
    autograder: Command, source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert autograder("collect", str(source), *WORDS, "--roster", str(tmp_path / "roster.csv"), "--json") == 0
    said = json.loads(capsys.readouterr().out)
    assert list(said) == ["system", "students", "left_out", "unlisted"]
    assert (said["system"], said["left_out"], said["unlisted"]) == ("blackboard", ["notes.csv"], [])
    assert said["students"][0] == {
        "student": "ann",
        "name": "Ann Lee",
        "outcome": "on time",
        "came": "2026-11-30T10:00:00+09:00",
        "file": "hw6.py",
        "attempts": 1,
        "notes": [],
    }
    outcomes = {one["student"]: one["outcome"] for one in said["students"]}
    assert outcomes == {
        "ann": "on time",
        "ben": "late",
        "cho": "for a person",
        "dora": "absent",
        "eve": "for a person",
    }
    (cho,) = [one for one in said["students"] if one["student"] == "cho"]
    assert (cho["file"], cho["notes"]) == (None, ["no .py or .ipynb file; there is report.pdf"])


def test_the_table_has_the_same_words(
    autograder: Command, source: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    words = [*WORDS, "--extension", "ben=2026-12-02 23:59"]
    assert autograder("collect", str(source), *words) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "a download of blackboard: 4 students, 4 attempts"
    assert said[1] == "6 of 7 names are Blackboard's"
    assert said[2].startswith("on time 2 · late 0 · absent 0 · for a person 2 · deadline 2026-11-30 23:59:00+09:00")
    assert any(line.startswith("ben") and "deadline of their own: 2026-12-02 23:59" in line for line in said)
    assert said[-1] == "nobody's, left out: notes.csv"


@pytest.mark.parametrize("words", ["ben", "=2026-12-02 23:59", "ben=tomorrow"])
def test_what_is_no_extension_is_refused(
    autograder: Command, source: Path, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert autograder("collect", str(source), *WORDS, "--extension", words) == 2
    assert "is no extension" in (said := capsys.readouterr().err) or "is no deadline" in said
