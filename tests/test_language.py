"""What students read in another language than English: all of it, with the same values in it, and the same points."""

import ast
import io
import re
import subprocess
import sys
import threading
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from babel.messages.catalog import Catalog, Message
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from rich.cells import cell_len
from support.checked import CASES, RIGHT, check
from support.command_line import Command, hand_in
from support.evidence import entry, evidence, full_run, missing
from support.golden import golden
from support.observed import HW6
from support.pages import RESNET20_RUBRIC, RUBRIC, Page
from support.results import class_of_five, hostile, resnet20, result, training
from support.runner import FakeRunner

from autograder import language, notebook
from autograder.commands import options
from autograder.commands.student import check_report, hints
from autograder.course.dataset import Dataset
from autograder.files import ROOT
from autograder.grading import decision
from autograder.intake import submission
from autograder.observations import Failure
from autograder.publish import class_report, feedback_page

TRANSLATIONS = [name for name in language.LANGUAGES if name != "en"]
PARTS = ("feedback_training.html", "feedback_layers.html", "feedback_run.html", "code.html")
TEMPLATES = ("base.html", "parts.html", "epochs.html", "feedback.html", *PARTS)


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    """All that the sources say, collected with the words of `make words`."""
    made = tmp_path_factory.mktemp("words") / "autograder.pot"
    recipe = (ROOT / "Makefile").read_text().split("\nwords:")[1].split("\n\n")[0].replace("\\\n", "")
    (line,) = [line for line in recipe.splitlines() if "pybabel -q extract" in line]
    words = line.split()[1:]
    words = [f"--output-file={made}" if word.startswith("--output-file") else word for word in words]
    command = [sys.executable, "-m", "babel.messages.frontend", *words]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=120)
    return read_po(io.BytesIO(made.read_bytes()))


def catalogue(name: str) -> Path:
    return language.LOCALE / name / "LC_MESSAGES" / "autograder.po"


def translations(name: str) -> Catalog:
    return read_po(io.BytesIO(catalogue(name).read_bytes()), locale=name)


def texts(words: Any) -> list[str]:
    return list(words) if isinstance(words, list | tuple) else [words]


def placeholders(text: str) -> set[str]:
    return set(re.findall(r"%\(\w+\)s|\{[^{}]*\}", text))


def translated(message: Message | None) -> bool:
    return message is not None and all(texts(message.string)) and not message.fuzzy


# --- the catalogues --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", TRANSLATIONS)
def test_everything_is_translated_and_nothing_else(name: str, said: Catalog) -> None:
    known = translations(name)
    asked = {message.id for message in said if message.id}
    assert [text for text in asked if not translated(known.get(text))] == []
    assert {message.id for message in known if message.id} == asked


@pytest.mark.parametrize("name", TRANSLATIONS)
def test_values_are_in_each_translation(name: str) -> None:
    found = [message for message in translations(name) if message.id]
    assert len(found) > 300
    for message in found:
        for string in texts(message.string):
            if string:
                assert placeholders(string) == placeholders(texts(message.id)[-1]), string
                assert string.count("`") == texts(message.id)[-1].count("`"), string
        assert [error for _, errors in [(message, message.check(None))] for error in errors] == []


@pytest.mark.parametrize("name", TRANSLATIONS)
def test_what_is_compiled_is_what_is_written(name: str) -> None:
    compiled = io.BytesIO()
    write_mo(compiled, translations(name))
    assert catalogue(name).with_suffix(".mo").read_bytes() == compiled.getvalue()


def test_titles_and_hints_of_checks_are_collected(said: Catalog) -> None:
    hint = "backward() adds to the gradients that are there: when do those of the last batch go?"
    title = "{homework.call} builds"
    for text in (hint, title):
        assert any(text in message.id for message in said if isinstance(message.id, str)), text


def test_no_text_is_marked_where_babel_does_not_look() -> None:
    """Within an f-string, that is: it would never be in a catalogue."""
    marks = ("_", "ngettext", "marked")
    found = [
        f"{path.relative_to(ROOT)}:{call.lineno}"
        for path in (ROOT / "autograder").rglob("*.py")
        for outer in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(outer, ast.JoinedStr)
        for call in ast.walk(outer)
        if isinstance(call, ast.Call) and ast.unparse(call.func) in marks and isinstance(call.args[0], ast.Constant)
    ]
    assert found == []


def test_no_korean_particle_hangs_on_a_value() -> None:
    hanging = re.compile(r"(?:\}|\)s)`?(?:은|는|이|가|을|를|과|와|으로|로)(?=[ .,:)]|$)")
    found = [string for message in translations("ko") if message.id for string in texts(message.string)]
    assert [string for string in found if hanging.search(string)] == []


# --- the choice ------------------------------------------------------------------------------------------------------


def test_the_option_offers_what_there_is() -> None:
    assert [one.value for one in options.LanguageName] == list(language.LANGUAGES)
    assert {path.name for path in language.LOCALE.iterdir() if (path / "LC_MESSAGES").is_dir()} == set(TRANSLATIONS)


def test_a_choice_is_a_threads_own_and_ends() -> None:
    heard = []
    with language.spoken("ko"):
        thread = threading.Thread(target=lambda: heard.append(language.gettext("Saw")))
        thread.start()
        thread.join()
        heard.append(language.gettext("Saw"))
        with language.spoken("en"):
            heard.append(language.gettext("Saw"))
    assert heard == ["Saw", "관찰", "Saw"]
    assert language.gettext("Saw") == "Saw"
    assert language.gettext("") == ""


@pytest.mark.parametrize("words", [["check", "hw6.py"], ["hint", "hw6", "q5"], ["grade", "class", "--out", "out"]])
def test_a_language_that_is_not_there_is_refused(
    autograder: Command, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    assert autograder(*words, "--lang", "xx") == 2
    assert "'xx' is not one of 'en', 'ko'" in capsys.readouterr().err
    monkeypatch.setenv(language.VARIABLE, "yy")
    assert autograder(*words) == 2
    assert "'yy' is not one of" in capsys.readouterr().err


def test_the_environment_can_choose(
    autograder: Command, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert autograder("hint", "hw6", "q5", "--lang", "ko") == 0
    korean = capsys.readouterr().out
    assert "다음 힌트: autograder hint hw6 zero-grad 2" in korean
    monkeypatch.setenv(language.VARIABLE, "ko")
    assert autograder("hint", "hw6", "q5") == 0
    assert capsys.readouterr().out == korean
    assert autograder("hint", "hw6", "q5", "--lang", "en") == 0
    assert "more: autograder hint" in capsys.readouterr().out
    assert autograder("check", "nothing.py") == 2
    assert "nothing.py: 파일이 없습니다" in capsys.readouterr().err
    notebook.check("hw7")
    assert "hw7" in capsys.readouterr().out


# --- the transcript --------------------------------------------------------------------------------------------------


def test_check_in_korean_reads_as_it_did(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("autograder.commands.student.check.time.monotonic", lambda: 7.0)
    with language.spoken("ko"):
        assert check(FakeRunner(CASES["shared"])) == 1
    text = capsys.readouterr().out
    assert all(cell_len(line) <= 80 for line in text.splitlines())
    golden("check_shared_ko.txt", text)


def test_what_a_training_came_to_is_said_in_korean(capsys: pytest.CaptureFixture[str]) -> None:
    told = check_report.Trained(
        protocol="preview",
        dataset="practice",
        gives_points=False,
        no_points_because="미리보기는 점수를 주지 않습니다",
        outcome="GRADED",
        message="",
        started_from="",
        accuracy_percent=75.0,
        eval_percent=75.0,
        as_left_percent=None,
        tier="over {70}%",
        tier_points=20.0,
        epochs=5.0,
        ended_by="script",
        seconds=61.4,
        device="cpu",
        threads=2,
    )
    with language.spoken("ko"):
        shown = check_report.Transcript(RIGHT, submission.read(RIGHT), HW6, [], verbose=False)
        shown.show_training(told)
        shown.show_training(replace(told, gives_points=True, no_points_because=None))
        shown.show_training(replace(told, outcome="TIMEOUT", message="{", accuracy_percent=None))
    assert capsys.readouterr().out.splitlines() == [
        "점수 없음: 테스트 이미지 정확도 75.0% (평가 모드 75.0%), cpu: 61초 동안 5 에폭",
        "점수 없음: 채점되는 실행이 이 결과라면 20점입니다 (over {70}%). 이유: 미리보기는",
        "  점수를 주지 않습니다",
        "테스트 이미지 정확도 75.0% (평가 모드 75.0%), cpu: 61초 동안 5 에폭",
        "받을 점수: 20점 (over {70}%)",
        "점수 없음: 정확도 없음 (TIMEOUT): {",
        "점수 없음: 채점되는 실행이 이 결과라면 20점입니다 (over {70}%). 이유: 미리보기는",
        "  점수를 주지 않습니다",
    ]


def test_hints_are_the_same_checks_in_every_language() -> None:
    with language.spoken("ko"):
        korean = hints.declared(HW6)
    assert list(korean) == list(hints.declared(HW6))


def test_lines_are_as_wide_as_their_letters() -> None:
    text = "각 배치마다 기울기를 0으로 초기화하고 optimizer.step() 호출을 배치마다 한 번만 합니다"
    lines = check_report.wrapped(text, 30, "    ").splitlines()
    assert max(cell_len(line) for line in lines) <= 30
    assert " ".join(line.strip() for line in lines) == text


# --- the pages -------------------------------------------------------------------------------------------------------


def feedback(one: Any, rubric: Any = RUBRIC, name: str = "ko") -> str:
    with language.spoken(name):
        return feedback_page.feedback(one, rubric)


def english_of_templates(said: Catalog) -> Collection[str]:
    """Sentences and headings of more than one word that stand in the page's templates, without values."""
    found = [message for message in said if message.id and isinstance(message.id, str)]
    own = [one for one in found if any(Path(place).name in TEMPLATES for place, _ in one.locations)]
    return [one.id for one in own if " " in one.id and not re.search(r"%\(|<", one.id)]


@pytest.mark.parametrize(
    ("one", "rubric"), [*((one, RUBRIC) for one in class_of_five()), (resnet20(), RESNET20_RUBRIC)]
)
def test_a_page_is_korean_from_end_to_end(one: Any, rubric: Any, said: Catalog) -> None:
    text = feedback(one, rubric)
    assert text.startswith('<!DOCTYPE html>\n<html lang="ko">')
    shown = Page(text).text
    english = english_of_templates(said)
    assert len(english) > 50
    assert [words for words in english if words.replace("%%", "%") in shown] == []
    points = re.compile(r'<p class="big">\s*([\d.]+)')
    assert points.findall(text) == points.findall(feedback(one, rubric, "en"))
    assert ("html", {"lang": "ko"}) in Page(text).tags


def test_the_report_of_a_class_stays_english() -> None:
    with language.spoken("ko"):
        made = class_report.class_report(class_of_five(), RUBRIC)
    assert made == class_report.class_report(class_of_five(), RUBRIC)
    assert '<html lang="en">' in made


def test_untrusted_text_stays_text_in_a_translated_sentence() -> None:
    text = feedback(hostile())
    assert not re.search("<script|<img src=x|[\x00\x1b\u202e]", text)
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    braces = Failure(type="KeyError", message="{missing} %(other)s 100%", line=3, frames=[(3, "f'{x}' % (1,)")])
    text = Page(feedback(result(training=training(ended_by="crash", failure=braces)))).text
    assert "{missing} %(other)s 100%" in text
    assert "3번째 줄: f'{x}' % (1,)" in text


@pytest.mark.parametrize("name", language.LANGUAGES)
def test_a_page_says_once_that_it_is_a_preview(name: str) -> None:
    with language.spoken(name):
        because = language.gettext("a preview gives no points")
    shown = Page(feedback(result(no_points_because=because, run_gives_no_points_because=because))).text
    assert because not in shown.replace(because.capitalize(), because)
    assert "미리보기: 점수를 주지 않습니다" in shown


@pytest.mark.parametrize("name", TRANSLATIONS)
def test_a_start_from_nothing_is_known_in_every_language(name: str) -> None:
    starts = [message for message in translations(name) if re.match("nothing($|,)", str(message.id))]
    assert len(starts) == 3
    for text in (text for one in starts for text in (one.id, one.string)):
        assert result(started_from=text).started_from_nothing
        assert not result(started_from=text, checkpoint_sha256="c" * 64).started_from_nothing
    assert not result(started_from="").started_from_nothing


# --- results ---------------------------------------------------------------------------------------------------------


def test_a_language_changes_sentences_and_neither_points_nor_what_is_trained(practice: Dataset) -> None:
    full = full_run(practice)
    korean = replace(full, language="ko")
    for usual, other in (
        (decision.decide(entry(), full, evidence(61)), decision.decide(entry(), korean, evidence(61))),
        (decision.without_a_run(entry(late=True), full), decision.without_a_run(entry(late=True), korean)),
        (decision.without_a_run(missing("NO_FILE"), full), decision.without_a_run(missing("NO_FILE"), korean)),
    ):
        same = ("evidence_key", "points", "would_earn", "status", "outcome", "flags", "tier", "accuracy")
        assert all(getattr(usual, field) == getattr(other, field) for field in same)
        assert usual.key != other.key  # what was trained is kept, and its checks are told anew
        assert [(one.id, one.outcome) for one in usual.checks] == [(one.id, one.outcome) for one in other.checks]
    assert decision.without_a_run(entry(late=True), korean).message == "파일이 마감 후에 제출되었습니다"
    assert language.chosen() == "en"


def test_check_takes_the_language_to_its_end(
    autograder: Command, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    hand_in(monkeypatch, FakeRunner(CASES["right"]))
    assert autograder("check", RIGHT, "--homework", "hw6", "--sandbox", "none", "--lang", "ko") == 0
    assert capsys.readouterr().out.splitlines()[-1] == "필수 검사 22개 중 22개 통과"
