"""Every command of docs/instructors.md, run in its order on a small class."""

import re
import shlex
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from support import downloads
from support.command_line import hand_in
from support.downloads import Uploaded
from support.runner import FakeRunner, half_right

from autograder.commands import app
from autograder.course import prepare
from autograder.course.dataset import Dataset
from autograder.files import ROOT
from autograder.observations import TrainingReport
from autograder.publish import solution_runs

TEXT = (ROOT / "docs" / "instructors.md").read_text(encoding="utf-8")


def commands() -> list[list[str]]:
    """The words of each, as the shell would have them; `make grade` as the Makefile says it to the command."""
    blocks = "\n".join(re.findall(r"```\n(.*?)```", TEXT, re.DOTALL)).replace("\\\n", " ")
    found = [shlex.split(line) for line in blocks.splitlines() if line.strip()]
    found += [shlex.split(line) for line in re.findall(r"`(autograder (?:gradescope|release) [^`]+)`", TEXT)]
    return [_of_make(words) if words[0] == "make" else words for words in found]


def _of_make(words: list[str]) -> list[str]:
    said = dict(word.split("=", 1) for word in words[2:])
    submissions = said.pop("SUBMISSIONS")
    options = [part for name, value in said.items() for part in (f"--{name.lower()}", value)]
    return ["autograder", "grade", submissions, "--homework", "hw6", "--out", "grades/hw6", *options]


def test_the_page_has_the_whole_way() -> None:
    named = [words[1] for words in commands()]
    asked = ["collect", "grade", "reference", "settle", "settle", "extend", "show", "regrade"]
    asked += ["override", "override", "comment", "looked", "export", "feedback"]
    assert named == [*asked, "gradescope", "release", "release"]


@pytest.mark.slow
def test_every_command_of_the_page_does_what_it_says(
    tmp_path: Path,
    practice: Dataset,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    attempts = [
        Uploaded("2016320187", "김하늘", "2026-11-30 23:58:00"),
        Uploaded("71", "Tomasz Wilk", "2026-12-01 10:00:00"),
    ]
    downloads.pack(tmp_path / "gradebook_hw6.zip", downloads.blackboard(attempts))
    (tmp_path / "roster.csv").write_text(
        "Student ID,Name\n2016320187,김하늘\n71,Tomasz Wilk\n72,Anna\n", encoding="utf-8"
    )
    (tmp_path / "gc_downloaded.csv").write_text("Username,hw6 |1\n2016320187,\n71,\n72,\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(prepare, "choose", lambda *_: replace(practice, name="cifar10"))
    report = TrainingReport(ended_by="script", epochs=5, steps=500, losses=[(125_000, 2.0), (250_000, 1.0)])
    hand_in(monkeypatch, FakeRunner(training=lambda asked: half_right(asked, report), gpu=True))  # so full is what runs
    monkeypatch.setattr(solution_runs, "default_root", lambda: tmp_path / "data")
    for words in commands():
        monkeypatch.setattr(sys, "argv", words)
        with pytest.raises(SystemExit) as left:
            app.main()
        assert left.value.code in (0, None), (words, capsys.readouterr())
    said = capsys.readouterr().out
    for line in (
        "on time 1 · late 1 · absent 1 · for a person 0 · deadline 2026-11-30 23:59:00+09:00",
        "run 5 of 5: 50.00% of the test images",
        "2016320187: hw6.py counts, on time; written down as decided by ",
        "2016320187: the rules decide again; written down as decided by ",
        "2016320187: a deadline of their own, 2026-12-03 23:59; written down as decided by ",
        "2016320187: 12 points, 6 before",
        "2016320187: a comment on the whole, ",
        "2016320187: looked at, nothing to do; written down as decided by ",
        "2016320187: the points of the run again, 12 before",
        "wrote upload.csv: 3 students, column 'hw6 |1'",
        "wrote feedback.zip: 3 pages",
        "wrote hw6.zip",
    ):
        assert line in said
    assert (tmp_path / "upload.csv").read_text() == "Username,hw6 |1\n2016320187,6\n71,0\n72,0\n"
    assert (tmp_path / "COURSE" / "source" / "hw6" / "hw6.ipynb").exists()
    assert (tmp_path / "FOLDER" / ".github" / "workflows" / "check.yml").exists()
