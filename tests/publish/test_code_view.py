"""A file's code on a page: its lines, what stands at them, what is folded, and that it is text."""

import json
import re

from support.pages import RUBRIC, Page
from support.results import full

from autograder import language
from autograder.checks import CheckResult
from autograder.intake import submission
from autograder.publish import code_view, feedback_page
from autograder.results.result import Result

HOSTILE = "x = 1  # </code><script>alert(1)</script>\u202e"


def lines_of(code: code_view.Code) -> list[code_view.Line]:
    return [line for cell in code.cells for block in cell.blocks for line in block.lines]


def failed_at(*lines: int) -> Result:
    checks = [CheckResult(id=f"c{line}", title="a title", outcome="failed", line=line, saw="`a`") for line in lines]
    return full(checks=checks)


def shown(text: str, result: Result | None = None) -> code_view.Code:
    return code_view.of(submission.of("hw6.py", text.encode()), result)


def test_every_line_stands_there_once_as_it_was_written() -> None:
    text = f'def f(a):\r\n\t"""two\n  lines"""\n\n{HOSTILE}\nreturn "a<b"\n'
    code = shown(text)
    lines = lines_of(code)
    assert [line.number for line in lines] == list(range(1, 7))
    html = "".join(line.html for line in lines)
    assert "<script" not in html
    assert "\u202e" not in html
    plain = [re.sub(r"</?span[^>]*>", "", line.html).replace("&lt;", "<").replace("&#34;", '"') for line in lines]
    assert plain[1:4] == ['\t"""two', '  lines"""', ""]
    assert 'class="k">def<' in html


def test_what_was_found_stands_at_its_line() -> None:
    code = shown("a = 1\n" * 9, failed_at(3, 3, 7))
    assert {line.number: [note.check for note in line.notes] for line in lines_of(code) if line.notes} == {
        3: ["c3", "c3"],
        7: ["c7"],
    }
    assert code.notes == 3


def test_a_long_file_is_folded_but_for_what_is_near() -> None:
    folded = [
        (block.first, block.last, block.is_folded) for block in shown("a\n" * 200, failed_at(100)).cells[0].blocks
    ]
    assert folded == [(1, 94, True), (95, 105, False), (106, 200, True)]
    assert not any(block.is_folded for block in shown("a\n" * 60).cells[0].blocks)
    handed_in = submission.of("hw6.py", b"a\n" * 200)
    assert not any(block.is_folded for block in code_view.of(handed_in, None, folded=False).cells[0].blocks)


def test_what_is_endless_has_an_end() -> None:
    code = shown(f"x = '{'a' * 100_000}'\n" + "b = 2\n" * 60_000, failed_at(5, 50_000))
    lines = lines_of(code)
    assert len(lines) == code_view.MOST_LINES + 11
    assert 49_995 in {line.number for line in lines}
    assert len(lines[0].html) < 1_000
    assert code.count == 60_001
    left_out = [block for block in code.cells[0].blocks if block.is_folded and not block.lines]
    assert [(block.first, block.last) for block in left_out] == [(3_001, 49_994), (50_006, 60_001)]


def test_a_notebook_is_shown_by_its_cells() -> None:
    cells = [("markdown", "# Title\n<b>x</b>"), ("code", "a = 1\nb = 2"), ("raw", "raw"), ("code", "%time c = 3")]
    notebook = {
        "nbformat": 4,
        "nbformat_minor": 5,
        "metadata": {},
        "cells": [
            {"cell_type": kind, "metadata": {}, "source": text, **({"outputs": []} if kind == "code" else {})}
            for kind, text in cells
        ],
    }
    handed_in = submission.of("hw6.ipynb", json.dumps(notebook).encode())
    code = code_view.of(handed_in, failed_at(handed_in.cells[1] + 2))
    assert [(cell.title, cell.kind) for cell in code.cells] == [
        ("Cell 1", "markdown"),
        ("Cell 2", "code"),
        ("Cell 3", "raw"),
        ("Cell 4", "code"),
    ]
    assert [line.shown for line in code.cells[1].blocks[0].lines] == [1, 2]
    assert [len(line.notes) for line in code.cells[1].blocks[0].lines] == [0, 1]
    assert "".join(line.html for line in code.cells[0].blocks[0].lines) == "# Title&lt;b&gt;x&lt;/b&gt;"


def test_other_encodings_are_read_as_python_reads_them() -> None:
    text = "# -*- coding: cp949 -*-\nname = '한글'\n"
    lines = lines_of(code_view.of(submission.of("hw6.py", text.encode("cp949")), None))
    assert "한글" in lines[1].html


def test_the_page_shows_it_in_both_languages() -> None:
    handed_in = submission.of("hw6.py", b"a = 1\n" * 100)
    for name, words in (("en", "Your code"), ("ko", "제출한 코드")):
        with language.spoken(name):
            page = feedback_page.feedback(failed_at(50), RUBRIC, handed_in)
        assert words in Page(page).text
        assert page.index('id="L50"') < page.index("c50", page.index('id="L50"')) < page.index('id="L51"')
        assert len(page) < 120_000
