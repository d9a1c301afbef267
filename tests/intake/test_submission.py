"""Submissions: what is read, what is refused and why, and which answers are still open."""

import ast
import json
import os
import textwrap
from pathlib import Path

import pytest

from autograder.files import ROOT
from autograder.intake import submission
from autograder.intake.submission import LARGEST_SCRIPT, UnreadableError


def notebook(*cells: str | tuple[str, str], language: str = "python", **metadata: object) -> bytes:
    """A notebook's bytes; a cell is code, or (type, text)."""
    made = []
    for cell in cells:
        kind, text = ("code", cell) if isinstance(cell, str) else cell
        more = {"outputs": [], "execution_count": None} if kind == "code" else {}
        made.append({"cell_type": kind, "metadata": dict(metadata), "source": text.splitlines(keepends=True), **more})
    kernel = {"kernelspec": {"language": language, "name": language, "display_name": language}}
    return json.dumps({"cells": made, "metadata": kernel, "nbformat": 4, "nbformat_minor": 4}).encode()


def read(tmp_path: Path, content: bytes, name: str = "hw6.py") -> submission.Submission:
    path = tmp_path / name
    path.write_bytes(content)
    return submission.read(path)


@pytest.mark.parametrize(
    "content",
    [
        b"x = 1\r\nif x:\r\n\ty = 2\r\n",
        b"\xef\xbb\xbfx = 'caf\xc3\xa9'\n",
        b"# -*- coding: latin-1 -*-\nx = 'caf\xe9'\n",
        b"x = 1  # no newline at the end",
        b"def broken(:\n",
    ],
    ids=["crlf and tabs", "byte order mark", "encoding cookie", "no newline", "syntax error"],
)
def test_a_script_runs_byte_for_byte(tmp_path: Path, content: bytes) -> None:
    read_back = read(tmp_path, content)
    assert read_back.script == read_back.content == content
    assert read_back.name == "hw6.py"


@pytest.mark.parametrize(
    ("content", "name", "outcome", "words"),
    [
        (b"", "hw6.py", "EMPTY", "empty"),
        (b"\xef\xbb\xbf \r\n\n", "hw6.py", "EMPTY", "empty"),
        (b"PK\x03\x04\0\0\0", "hw6.py", "BINARY", "binary"),
        ("x = 1\n".encode("utf-16"), "hw6.py", "BINARY", "binary"),
        (b"\x1b\x02\x03\x04" * 30, "hw6.py", "BINARY", "binary"),
        (b"x = 1\ny = 'caf\xe9'\n", "hw6.py", "ENCODING", "hw6.py:2: byte 0xe9 isn't utf-8"),
        (b"# coding: nonsense\n", "hw6.py", "ENCODING", "nonsense"),
        (b"# coding: rot13\n", "hw6.py", "ENCODING", "rot13"),
        (b"\xef\xbb\xbf# coding: latin-1\n", "hw6.py", "ENCODING", "no usable encoding"),
        (b"#" * (LARGEST_SCRIPT + 1), "hw6.py", "SOURCE_TOO_BIG", "2,097,153 bytes"),
        (b"x = 1\n", "hw6.txt", "BAD_PATH", "neither"),
        (b"x = 1\n", "hw6.ipynb", "BAD_NOTEBOOK", "not a notebook"),
        (b"[1, 2]", "hw6.ipynb", "BAD_NOTEBOOK", "no list of cells"),
        (b'{"cells": 3}', "hw6.ipynb", "BAD_NOTEBOOK", "no list of cells"),
        (b'{"cells": [1]}', "hw6.ipynb", "BAD_NOTEBOOK", "its format is"),
        (b'{"nbformat": 4, "cells": [1]}', "hw6.ipynb", "BAD_NOTEBOOK", "without type or source"),
        (
            b'{"nbformat": 4, "cells": [{"cell_type": "code", "source": [1]}]}',
            "hw6.ipynb",
            "BAD_NOTEBOOK",
            "isn't text",
        ),
        (b"[" * 100_000, "hw6.ipynb", "BAD_NOTEBOOK", "not a notebook"),
        (notebook("x = 1")[:-30], "hw6.ipynb", "BAD_NOTEBOOK", "not a notebook"),
        (notebook("x <- 1", language="R"), "hw6.ipynb", "BAD_NOTEBOOK", "R, not Python"),
        (notebook(("markdown", "# Title"), " \n"), "hw6.ipynb", "EMPTY", "no cell holds code"),
    ],
)
def test_what_is_no_submission_is_refused_with_its_reason(
    tmp_path: Path, content: bytes, name: str, outcome: str, words: str
) -> None:
    with pytest.raises(UnreadableError) as refused:
        read(tmp_path, content, name)
    assert refused.value.outcome == outcome
    assert refused.value.exit_code == 2
    assert words in refused.value.message
    assert "\n" not in refused.value.message


def test_a_missing_file_a_folder_and_a_pipe_are_refused(tmp_path: Path) -> None:
    (tmp_path / "folder.py").mkdir()
    os.mkfifo(tmp_path / "pipe.py")
    outcomes = {}
    for name in ("missing.py", "folder.py", "pipe.py"):
        with pytest.raises(UnreadableError) as refused:
            submission.read(tmp_path / name)
        outcomes[name] = refused.value.outcome
    assert outcomes == {"missing.py": "NO_FILE", "folder.py": "NOT_REGULAR", "pipe.py": "NOT_REGULAR"}


def test_a_notebook_becomes_a_script_that_python_reads(tmp_path: Path) -> None:
    cells = (
        ("markdown", "## Q2: the batch size"),
        "%matplotlib inline\n!pip install torch\nbatch_size = ...",
        "%%time\nx = 1",
        "import sys\nif 'google.colab' in sys.modules:\n    !pip install autograder\n    %cd /content",
        "%time y = x + 1",
        's = """\n%s and\n!x\n"""',
        "%%html\n<b>everything</b>",
        ("raw", "not code"),
    )
    read_back = read(tmp_path, notebook(*cells, tags=["active-ipynb", "skip"]), "hw6.ipynb")
    namespace: dict[str, object] = {}
    open_answers = submission.blanks(read_back.script)
    exec(compile(read_back.script, "hw6.ipynb", "exec"), namespace)
    assert namespace["y"] == 2
    assert namespace["s"] == "\n%s and\n!x\n"
    assert [blank.question for blank in open_answers] == ["Q2"]
    assert b"rm -rf" not in ast.unparse(ast.parse(read_back.script)).encode()


def test_the_same_notebook_gives_the_same_script(tmp_path: Path) -> None:
    first, second = (read(tmp_path, notebook("x = 1\n"), "hw6.ipynb") for _ in range(2))
    assert first == second
    assert first.script == b"# %%\nx = 1\n"


def test_every_example_is_a_submission() -> None:
    files = sorted((ROOT / "examples" / "submissions" / "hw6").glob("*/hw6.*"))
    assert len(files) == 8
    for path in files:
        ast.parse(submission.read(path).script)


def blanks(text: str) -> list[tuple[int, str | None]]:
    found = submission.blanks(textwrap.dedent(text).lstrip("\n").encode())
    return [(blank.line, blank.question) for blank in found]


def test_blanks_are_named_by_the_comment_on_or_above_them() -> None:
    found = blanks("""
        # Q1: the device
        device = ...

        batch_size = ...  # Q2

        # Use what Q1 says.
        # Q3. the network
        #     on the device
        net = Network(2, 2).to(...)

        for images, labels in loader:
            # ## Question 5
            ...
            outputs, loss = ..., ...  # the answers to q6
    """)
    assert found == [(2, "Q1"), (4, "Q2"), (9, "Q3"), (13, "Q5"), (14, "Q6")]


def test_blanks_of_the_class_have_no_question() -> None:
    found = blanks("""
        # Q2: the batch size
        batch_size = 4

        class Network(Module):
            def __init__(self):
                # the stem
                self.stem = ...

            def forward(self, x):
                ...

        # Q3
        net = ...
    """)
    assert found == [(7, None), (10, None), (13, "Q3")]


def test_an_ellipsis_that_means_something_is_no_blank() -> None:
    found = blanks("""
        first = x[..., 0] + x[0, ...]
        sizes: tuple[int, ...] = (1,)
        def f(a: Callable[..., int], b=..., *, c=...) -> tuple[int, ...]:
            return a
        if b is ...:
            pass
        class TooLongError(ValueError): ...
        class Stop(Exception): ...
        class Sized(typing.Protocol):
            def size(self): ...
        class Base:
            @abc.abstractmethod
            def size(self): ...
    """)
    assert found == []


def test_of_very_many_blanks_the_first_are_named() -> None:
    found = submission.blanks(b"# Q3\n" + b"x = ...\n" * 50_000 + b"# Q4\ny = ...\n")
    assert [(blank.line, blank.question) for blank in found] == [
        (line, "Q3") for line in range(2, 2 + submission.MOST_BLANKS)
    ]


def test_a_script_that_does_not_parse_has_no_blanks() -> None:
    assert submission.blanks(b"x = ...\ndef f(:\n") == []
    assert submission.blanks(b"x = " + b"(" * 500 + b"..." + b")" * 500) == []
    assert submission.blanks(b"x = ...\0") == []
