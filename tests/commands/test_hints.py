"""Hints and explanations: there for every check of every homework, nearer by a step, and never the answer."""

import re
from pathlib import Path

import pytest
from support.golden import golden

from autograder.commands.course import release
from autograder.commands.student import hints
from autograder.errors import KitError
from autograder.files import ROOT
from autograder.homeworks import load
from autograder.homeworks import names as homework_names

TEXTS = {name: (ROOT / "assignment" / name / "README.md").read_text(encoding="utf-8") for name in homework_names()}


@pytest.mark.parametrize("name", homework_names())
def test_every_check_has_its_part_of_the_handout(name: str) -> None:
    named = [check for found in hints._EXPLAINS.findall(TEXTS[name]) for check in found.split()]
    assert sorted(named) == sorted(hints.declared(load(name)))  # each once, and nothing else
    for check in named:
        text = hints.part(load(name), check)
        assert re.match(r"#+ \w", text)
        assert len(re.findall(r"^#+ ", text, re.MULTILINE)) == 1
        assert len(text) > 100
        assert "<!--" not in text
        assert "](figures/" not in text


@pytest.mark.parametrize("name", homework_names())
def test_hints_come_nearer_and_never_say_the_answer(name: str) -> None:
    source = ROOT / "solution" / name / f"{load(name).stem}.py"
    text = source.read_text(encoding="utf-8")
    answers = release._clear(release._read(text), text, source)
    assert len(answers) > 8
    for mark, _ in hints.declared(load(name)).values():
        assert mark["hint"] != mark["more"]
        assert not [answer for answer in answers for said in (mark["hint"], mark["more"]) if answer in said]


def test_what_people_read(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert hints.hint("hw6", "zero-grad", 1) == 0
    golden("hint_first.txt", capsys.readouterr().out)
    assert hints.hint("hw6", "q5", 2) == 0  # a question is its check
    golden("hint_second.txt", capsys.readouterr().out)
    assert hints.explain("hw6", "skip") == 0
    golden("explain.txt", capsys.readouterr().out)


def test_on_a_terminal_a_handout_is_set(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "80")
    hints.explain("hw6", "skip")
    text = capsys.readouterr().out
    assert "\x1b[" in text
    assert "**" not in text
    assert all(len(re.sub(r"\x1b\[[\d;]*m", "", line)) <= 80 for line in text.splitlines())


def test_what_there_is_not_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(KitError, match="hw6 has no check called 'Q10'") as raised:
        hints.hint("hw6", "Q10", 1)
    assert "zero-grad" in raised.value.hint
    for step in (0, 3):
        with pytest.raises(KitError, match="there are 2 hints for step"):
            hints.hint("hw6", "step", step)
    with pytest.raises(KitError, match="no homework called 'hw7'"):
        hints.explain("hw7", "step")
    monkeypatch.setattr(hints, "HANDOUTS", tmp_path)
    with pytest.raises(KitError, match="no handout of hw6"):
        hints.explain("hw6", "step")
    (tmp_path / "hw6").mkdir()
    (tmp_path / "hw6" / "README.md").write_text("# A handout\n\n<!-- explains: step -->\n\nSteps.\n")
    assert hints.explain("hw6", "step") == 0
    with pytest.raises(KitError, match="has no part about forward"):
        hints.explain("hw6", "forward")
