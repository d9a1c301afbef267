"""One handed-in file: its bytes, and the script that runs.

Called by `check` and by intake. Only reads: nothing of the file is executed or imported here, and a script that isn't
valid Python is no error (a check says where). A `.py` file runs byte for byte as it was handed in. Of a notebook, the
code cells run, in order, as one script (`notebook_script.py`).

Cost: under a millisecond for a `.py` file; the first notebook imports IPython, 0.5 to 1 s on one core.
"""

import ast
import bisect
import hashlib
import io
import os
import re
import stat
import tokenize
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from autograder.errors import KitError, first_line, printable
from autograder.files import PARSING
from autograder.intake import notebook_script
from autograder.intake.notebook_script import OWN_CELL as OWN_CELL
from autograder.language import gettext as _
from autograder.observations import Blank

SUFFIXES = (".py", ".ipynb")
LARGEST_SCRIPT = 2 * 2**20  # bytes; the longest real submission seen has 20,000
LARGEST_NOTEBOOK = 64 * 2**20  # bytes; outputs and pictures count, and the script has its own limit
MOST_BLANKS = 1_000
TEXT_CONTROLS = frozenset(b"\t\n\r\f")

_MENTIONS = re.compile(r"\bq(?:uestion)?[ .]{0,2}(\d{1,2})\b", re.IGNORECASE)
_STARTS = re.compile(r"\W*" + _MENTIONS.pattern, re.IGNORECASE)


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
        beside: (relative POSIX path, content) of what else of the same attempt lies in the file's folder and below, by
            path: modules of the student's own, and what a script may read. See `beside.py`.
    """

    name: str
    content: bytes
    script: bytes
    sha256: str
    beside: tuple[tuple[str, bytes], ...] = ()

    @property
    def cells(self) -> tuple[int, ...]:
        """Lines of the script at which a notebook's cells begin, text cells too; () of a script."""
        if _suffix(self.name) != ".ipynb":
            return ()
        lines = self.script.decode("utf-8", "replace").split("\n")
        return tuple(number for number, line in enumerate(lines, 1) if line.startswith(notebook_script.MARK))

    @property
    def fingerprint(self) -> str:
        """SHA-256, as hex, of all that runs: the content's own where nothing lies beside it."""
        if not self.beside:
            return self.sha256
        parts = [self.sha256, *(f"{path} {hashlib.sha256(content).hexdigest()}" for path, content in self.beside)]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def read(path: Path) -> Submission:
    """The submission in `path`, a `.py` or an `.ipynb` file.

    Raises UnreadableError (a KitError) when there is no such file, or it isn't a regular file, is too large, empty,
    binary, in another encoding than it says, or no Python notebook.
    """
    return of(path.name, content_of(path, largest(path.name)), str(path))


def of(name: str, content: bytes, shown: str = "") -> Submission:
    """The submission that a file called `name` with this content is. `shown` is what errors call it, else its name.

    Raises UnreadableError as `read` does.
    """
    shown = shown or name
    if _suffix(name) not in SUFFIXES:
        raise UnreadableError("BAD_PATH", _("{file}: neither a .py nor an .ipynb file").format(file=shown))
    if not content.strip(b"\xef\xbb\xbf \t\r\n\f"):
        raise UnreadableError("EMPTY", _("{file}: the file is empty").format(file=shown))
    script = _notebook_script(shown, content) if _suffix(name) == ".ipynb" else content
    if len(script) > LARGEST_SCRIPT:
        text = _("{file}: its code has {size:,} bytes, and {most:,} are the most that is read")
        raise UnreadableError("SOURCE_TOO_BIG", text.format(file=shown, size=len(script), most=LARGEST_SCRIPT))
    _check_text(shown, script)
    return Submission(printable(name), content, script, hashlib.sha256(content).hexdigest())


def largest(name: str) -> int:
    """How many bytes a file called `name` may have, at most."""
    return LARGEST_NOTEBOOK if _suffix(name) == ".ipynb" else LARGEST_SCRIPT


def _suffix(name: str) -> str:
    return PurePosixPath(name).suffix.lower()


def blanks(script: bytes) -> list[Blank]:
    """Answers that are still `...`, in the order of their lines; none where the script doesn't parse.

    A blank is an Ellipsis used as a statement or as a value. It is no blank as an index (`x[..., 0]`), in an
    annotation, as a default, in a comparison, or as the body of an exception, a protocol or an abstract method.
    No more than the first `MOST_BLANKS`.
    """
    try:
        found = sorted(set(_ellipses(parsed(script))))[:MOST_BLANKS]
        comments = _Comments(script)
    except (SyntaxError, tokenize.TokenError, ValueError, RecursionError, MemoryError):
        return []
    return [
        Blank(line=line, question=comments.question(line, scope_line), within=within[:500])
        for line, scope_line, within in found
    ]


def opened(path: Path, *, follow_links: bool = True, shown: str = "") -> BinaryIO:
    """A regular file, open for reading. Raises UnreadableError where there is none; `shown` is what that calls it."""
    shown = shown or str(path)
    # Without O_NONBLOCK, opening a pipe would wait for its other end.
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    try:
        descriptor = os.open(path, flags if follow_links else flags | getattr(os, "O_NOFOLLOW", 0))
    except FileNotFoundError as error:
        raise UnreadableError("NO_FILE", _("{file}: no such file").format(file=shown)) from error
    except OSError as error:
        raise UnreadableError(
            "NOT_REGULAR", _("{file}: can't be read ({reason})").format(file=shown, reason=error.strerror)
        ) from error
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return os.fdopen(descriptor, "rb")
    os.close(descriptor)
    raise UnreadableError("NOT_REGULAR", _("{file}: not a regular file").format(file=shown))


def content_of(path: Path, largest: int, *, follow_links: bool = True, shown: str = "") -> bytes:
    """The bytes of a regular file. Raises UnreadableError where there is none, or it has more than `largest`."""
    shown = shown or str(path)
    with opened(path, follow_links=follow_links, shown=shown) as file:
        size = os.fstat(file.fileno()).st_size
        content = file.read(largest + 1)
    if len(content) > largest:
        raise UnreadableError(
            "SOURCE_TOO_BIG",
            _("{file}: {size:,} bytes, and {most:,} are the most that is read").format(
                file=shown, size=size, most=largest
            ),
            _("clear a notebook's outputs; data and weights don't belong into the file"),
        )
    return content


def _check_text(path: str, script: bytes) -> None:
    """Refuse what no editor would show as text, and what isn't in the encoding it declares (UTF-8 by default)."""
    hint = _("save it as UTF-8")
    controls = sum(byte < 32 and byte not in TEXT_CONTROLS for byte in script)
    if b"\0" in script or controls > len(script) // 100:
        raise UnreadableError("BINARY", _("{file}: holds binary data, not text").format(file=path), hint)
    try:
        encoding, _lines = tokenize.detect_encoding(io.BytesIO(script).readline)
        script.decode(encoding)
    except UnicodeDecodeError as error:
        line = script.count(b"\n", 0, error.start) + 1
        message = _("{file}:{line}: byte 0x{byte:02x} isn't {encoding}")
        message = message.format(file=path, line=line, byte=script[error.start], encoding=error.encoding)
        raise UnreadableError("ENCODING", message, hint) from error
    except (SyntaxError, LookupError, UnicodeError) as error:  # Python has codecs that decode nothing
        message = _("{file}: its first lines declare no usable encoding ({reason})")
        message = message.format(file=path, reason=first_line(error))
        raise UnreadableError("ENCODING", message, hint) from error


def _notebook_script(path: str, content: bytes) -> bytes:
    try:
        script = notebook_script.script(content)
    except (ValueError, KeyError, RecursionError) as error:
        message = _("{file}: not a notebook ({reason})").format(file=path, reason=first_line(error)[:200])
        raise UnreadableError("BAD_NOTEBOOK", message, _("save it again as .ipynb")) from error
    if script is None:
        raise UnreadableError("EMPTY", _("{file}: no cell holds code").format(file=path))
    return script


def parsed(script: bytes) -> ast.Module:
    with PARSING, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a student's "\d" is no news for the instructor's terminal
        return ast.parse(script)


Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def _ellipses(tree: ast.Module) -> Iterator[tuple[int, int, str]]:
    """Of every blank (line, first line of the innermost class or function around it, name of the innermost class).

    0 and "" for the module.
    """
    pending: list[tuple[ast.AST, int, str]] = [(tree, 0, "")]
    while pending:
        node, scope_line, within = pending.pop()
        if isinstance(node, ast.Constant):
            if node.value is ...:
                yield node.lineno, scope_line, within
            continue
        if isinstance(node, Definition):
            scope_line = node.lineno
            within = node.name if isinstance(node, ast.ClassDef) else within
            if _is_finished_without_body(node):
                continue
        for name, value in ast.iter_fields(node):
            if name in ("slice", "annotation", "returns", "defaults", "kw_defaults") or isinstance(node, ast.Compare):
                continue
            children = value if isinstance(value, list) else [value]
            pending += [(child, scope_line, within) for child in children if isinstance(child, ast.AST)]


def _is_finished_without_body(node: Definition) -> bool:
    outer = node.bases if isinstance(node, ast.ClassDef) else node.decorator_list
    names = [ast.unparse(expression).rpartition(".")[2] for expression in outer]
    return any(name.endswith(("Error", "Exception", "Protocol", "abstractmethod", "overload")) for name in names)


class _Comments:
    """Which question each place of a script belongs to, by its comments.

    Made once for all blanks: a hostile file has hundreds of thousands of both.
    """

    def __init__(self, script: bytes) -> None:
        self.on_line: dict[int, str] = {}  # line -> the question that its comment names
        self.blocks: list[tuple[int, str]] = []  # (first line, question) of blocks of comments that name one
        block: list[tuple[int, str]] = []
        for token in tokenize.tokenize(io.BytesIO(script).readline):
            if token.type != tokenize.COMMENT:
                continue
            line, text = token.start[0], token.string
            if number := _mentioned(text):
                self.on_line[line] = number
            if token.line[: token.start[1]].strip():
                continue
            if block and line != block[-1][0] + 1:
                self._end(block)
                block = []
            block.append((line, text))
        self._end(block)

    def _end(self, block: list[tuple[int, str]]) -> None:
        """Of several lines in one block, the last one that begins with a question, else the last that mentions one."""
        starting = [number for _, text in block if (number := _mentioned(text, at_start=True))]
        mentioned = [number for _, text in block if (number := _mentioned(text))]
        if number := next(iter(starting[::-1] + mentioned[::-1]), None):
            self.blocks.append((block[0][0], number))

    def question(self, line: int, scope_line: int) -> str | None:
        """The question of a blank: named in a comment on its line, else by the nearest block of comments above.

        A block above counts within the same class or function only: the class itself stands between Q2 and Q3.
        """
        if number := self.on_line.get(line):
            return number
        at = bisect.bisect_left(self.blocks, (line, "")) - 1
        return self.blocks[at][1] if at >= 0 and self.blocks[at][0] >= scope_line else None


def _mentioned(comment: str, at_start: bool = False) -> str | None:
    found = _STARTS.match(comment) if at_start else _MENTIONS.search(comment)
    return None if found is None else f"Q{int(found.group(1))}"
