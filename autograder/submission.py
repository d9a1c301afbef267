"""One handed-in file: its bytes, and the script that runs.

Called by `check` and by intake. Only reads: nothing of the file is executed or imported here, and a script that isn't
valid Python is no error (a check says where). A `.py` file runs byte for byte as it was handed in. Of a notebook, the
code cells run, in order, as jupytext's percent script: magics and shell lines become comments, and so do text cells.

Cost: under a millisecond for a `.py` file; the first notebook imports jupytext, 0.8 to 1.8 s on one core.
"""

import ast
import hashlib
import io
import json
import os
import re
import stat
import threading
import tokenize
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from autograder.errors import KitError, first_line, printable
from autograder.observations import Blank

SUFFIXES = (".py", ".ipynb")
LARGEST_SCRIPT = 2 * 2**20  # bytes; the longest real submission seen has 20,000
LARGEST_NOTEBOOK = 8 * 2**20  # bytes; outputs and pictures count
TEXT_CONTROLS = frozenset(b"\t\n\r\f")

_MENTIONS = re.compile(r"\bq(?:uestion)?[ .]{0,2}(\d{1,2})\b", re.IGNORECASE)
_STARTS = re.compile(r"\W*" + _MENTIONS.pattern, re.IGNORECASE)


PARSING = threading.RLock()
"""Held by whatever parses Python: before 3.11.8 two threads that do it at a time can both fail (cpython gh-106905)."""


class UnreadableError(KitError):
    """A file that can't be a submission. `outcome` names the reason: "EMPTY", "BINARY", ..."""

    def __init__(self, outcome: str, message: str, hint: str = "") -> None:
        super().__init__(message, hint)
        self.outcome = outcome


@dataclass(frozen=True)
class Submission:
    """A file as handed in.

    Attributes:
        name: the file's name.
        content: its bytes.
        script: what runs: the content itself, or the script that a notebook's cells make. Lines count in this.
        sha256: of the content, as hex.
    """

    name: str
    content: bytes
    script: bytes
    sha256: str


def read(path: Path) -> Submission:
    """The submission in `path`, a `.py` or an `.ipynb` file.

    Raises UnreadableError (a KitError) when there is no such file, or it isn't a regular file, is too large, empty,
    binary, in another encoding than it says, or no Python notebook.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise UnreadableError("BAD_PATH", f"{path}: neither a .py nor an .ipynb file")
    notebook = path.suffix.lower() == ".ipynb"
    content = _content(path, LARGEST_NOTEBOOK if notebook else LARGEST_SCRIPT)
    if not content.strip(b"\xef\xbb\xbf \t\r\n\f"):
        raise UnreadableError("EMPTY", f"{path}: the file is empty")
    script = _notebook_script(path, content) if notebook else content
    _check_text(path, script)
    return Submission(printable(path.name), content, script, hashlib.sha256(content).hexdigest())


def blanks(script: bytes) -> list[Blank]:
    """Answers that are still `...`, in the order of their lines; none where the script doesn't parse.

    A blank is an Ellipsis used as a statement or as a value. It is no blank as an index (`x[..., 0]`), in an
    annotation, as a default, in a comparison, or as the body of an exception, a protocol or an abstract method.
    """
    try:
        found = sorted(set(_ellipses(_parse(script))))
        comments = list(_comments(script))
    except (SyntaxError, tokenize.TokenError, ValueError, RecursionError, MemoryError):
        return []
    return [Blank(line=line, question=_question(line, scope_line, comments)) for line, scope_line in found]


def open_regular(path: Path, *, follow_links: bool = True) -> BinaryIO | None:
    """`path`, open for reading; None when it is something other than a regular file. Raises OSError."""
    # Without O_NONBLOCK, opening a pipe would wait for its other end.
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    descriptor = os.open(path, flags if follow_links else flags | getattr(os, "O_NOFOLLOW", 0))
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return os.fdopen(descriptor, "rb")
    os.close(descriptor)
    return None


def _content(path: Path, largest: int) -> bytes:
    try:
        opened = open_regular(path)
    except FileNotFoundError as error:
        raise UnreadableError("NO_FILE", f"{path}: no such file") from error
    except OSError as error:
        raise UnreadableError("NOT_REGULAR", f"{path}: can't be read ({error.strerror})") from error
    if opened is None:
        raise UnreadableError("NOT_REGULAR", f"{path}: not a regular file")
    with opened as file:
        size = os.fstat(file.fileno()).st_size
        content = file.read(largest + 1)
    if len(content) > largest:
        raise UnreadableError(
            "SOURCE_TOO_BIG",
            f"{path}: {size:,} bytes, and {largest:,} are the most that is read",
            "clear a notebook's outputs; data and weights don't belong into the file",
        )
    return content


def _check_text(path: Path, script: bytes) -> None:
    """Refuse what no editor would show as text, and what isn't in the encoding it declares (UTF-8 by default)."""
    hint = "save it as UTF-8"
    controls = sum(byte < 32 and byte not in TEXT_CONTROLS for byte in script)
    if b"\0" in script or controls > len(script) // 100:
        raise UnreadableError("BINARY", f"{path}: holds binary data, not text", hint)
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(script).readline)
        script.decode(encoding)
    except UnicodeDecodeError as error:
        line = script.count(b"\n", 0, error.start) + 1
        message = f"{path}:{line}: byte 0x{script[error.start]:02x} isn't {error.encoding}"
        raise UnreadableError("ENCODING", message, hint) from error
    except (SyntaxError, LookupError, UnicodeError) as error:  # Python has codecs that decode nothing
        reason = first_line(error)
        raise UnreadableError(
            "ENCODING", f"{path}: its first lines declare no usable encoding ({reason})", hint
        ) from error


def _notebook_script(path: Path, content: bytes) -> bytes:
    try:
        cells = list(_cells(json.loads(content.decode("utf-8-sig"))))
    except (ValueError, KeyError, RecursionError) as error:
        reason = first_line(error)[:200]
        message = f"{path}: not a notebook ({reason})"
        raise UnreadableError("BAD_NOTEBOOK", message, "save it again as .ipynb") from error
    if not any(kind == "code" and source.strip() for kind, source in cells):
        raise UnreadableError("EMPTY", f"{path}: no cell holds code")

    import jupytext

    # Cells are made anew, without metadata: some tags would make jupytext leave a cell out.
    code: dict[str, Any] = {"outputs": [], "execution_count": None}
    made = [
        {"cell_type": kind, "metadata": {}, "source": source, **(code if kind == "code" else {})}
        for kind, source in cells
    ]
    metadata = {
        "jupytext": {"notebook_metadata_filter": "-all", "cell_metadata_filter": "-all"},
        "kernelspec": {"language": "python", "name": "python3", "display_name": "Python 3"},
    }
    whole = {"cells": made, "metadata": metadata, "nbformat": 4, "nbformat_minor": 4}
    notebook = jupytext.reads(json.dumps(whole), fmt="ipynb")
    script: str = jupytext.writes(notebook, fmt="py:percent")
    if not _parses(script):
        # An `if` or `try` that held nothing but a shell line is left without a body.
        repaired = re.sub(r"^([ \t]+)# ([!%?].*)$", r"\1pass  # \2", script, flags=re.MULTILINE)
        script = repaired if _parses(repaired) else script
    return script.rstrip("\n").encode("utf-8", "surrogatepass") + b"\n"


def _cells(notebook: Any) -> Iterator[tuple[str, str]]:
    """(type, source) of every cell. Raises ValueError or KeyError where it isn't a notebook in Python."""
    if not isinstance(notebook, dict) or not isinstance(notebook.get("cells"), list):
        raise ValueError("it has no list of cells")
    if notebook.get("nbformat") != 4:
        raise ValueError(f"its format is {str(notebook.get('nbformat'))[:20]}, not 4")
    metadata = notebook.get("metadata")
    kernel = metadata.get("kernelspec") if isinstance(metadata, dict) else None
    language = kernel.get("language", "python") if isinstance(kernel, dict) else "python"
    if language != "python":
        raise ValueError(f"it is in {str(language)[:20]}, not Python")
    for cell in notebook["cells"]:
        kind, source = (cell.get("cell_type"), cell.get("source")) if isinstance(cell, dict) else (None, None)
        lines = [source] if isinstance(source, str) else source
        if kind not in ("code", "markdown", "raw") or not isinstance(lines, list):
            raise ValueError("it has a cell without type or source")
        if not all(isinstance(line, str) for line in lines):
            raise ValueError("it has a cell that isn't text")
        text = "".join(lines).replace("\r\n", "\n")
        # `%time statement` runs the statement; jupytext would make a comment of it.
        yield kind, re.sub(r"^(\s*)%time[ \t]+", r"\1", text, flags=re.MULTILINE) if kind == "code" else text


def _parses(script: str) -> bool:
    try:
        _parse(script.encode())
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True


def _parse(script: bytes) -> ast.Module:
    with PARSING, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a student's "\d" is no news for the instructor's terminal
        return ast.parse(script)


Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def _ellipses(tree: ast.Module) -> Iterator[tuple[int, int]]:
    """(line, first line of the innermost class or function around it, 0 for the module) of every blank."""
    pending: list[tuple[ast.AST, int]] = [(tree, 0)]
    while pending:
        node, scope_line = pending.pop()
        if isinstance(node, ast.Constant):
            if node.value is ...:
                yield node.lineno, scope_line
            continue
        if isinstance(node, Definition):
            scope_line = node.lineno
            if _is_finished_without_body(node):
                continue
        for name, value in ast.iter_fields(node):
            if name in ("slice", "annotation", "returns", "defaults", "kw_defaults") or isinstance(node, ast.Compare):
                continue
            children = value if isinstance(value, list) else [value]
            pending += [(child, scope_line) for child in children if isinstance(child, ast.AST)]


def _is_finished_without_body(node: Definition) -> bool:
    outer = node.bases if isinstance(node, ast.ClassDef) else node.decorator_list
    names = [ast.unparse(expression).rpartition(".")[2] for expression in outer]
    return any(name.endswith(("Error", "Exception", "Protocol", "abstractmethod", "overload")) for name in names)


@dataclass(frozen=True)
class _Comment:
    line: int
    text: str
    own_line: bool


def _comments(script: bytes) -> Iterator[_Comment]:
    for token in tokenize.tokenize(io.BytesIO(script).readline):
        if token.type == tokenize.COMMENT:
            own_line = not token.line[: token.start[1]].strip()
            yield _Comment(token.start[0], token.string, own_line)


def _question(line: int, scope_line: int, comments: list[_Comment]) -> str | None:
    """The question of a blank: named in a comment on its line, else by the nearest block of comments above.

    A block above counts within the same class or function only: the class itself stands between Q2 and Q3.
    Of several lines in one block, one that begins with a question outdoes one that mentions it.
    """
    for comment in comments:
        if comment.line == line and (number := _mentioned(comment.text)):
            return number
    above = [comment for comment in comments if comment.own_line and scope_line <= comment.line < line]
    block: list[_Comment] = []
    for comment in reversed(above):
        if block and comment.line != block[-1].line - 1:
            if number := _of_block(block):
                return number
            block = []
        block.append(comment)
    return _of_block(block)


def _of_block(block: list[_Comment]) -> str | None:
    starting = [number for comment in block if (number := _mentioned(comment.text, at_start=True))]
    mentioned = [number for comment in block if (number := _mentioned(comment.text))]
    return next(iter(starting + mentioned), None)


def _mentioned(comment: str, at_start: bool = False) -> str | None:
    found = _STARTS.match(comment) if at_start else _MENTIONS.search(comment)
    return None if found is None else f"Q{int(found.group(1))}"
