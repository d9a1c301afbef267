"""A submission's code as pages show it: coloured, a notebook by its cells, with findings and comments at their lines.

Called by `feedback_page` and by the desk. What students wrote is untrusted text: it is escaped here, and characters
that a page can't hold are replaced. Nothing is run or imported; Pygments only splits it into tokens.
"""

import bisect
import io
import tokenize
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from markupsafe import Markup, escape
from pygments.lexers.python import PythonLexer
from pygments.token import Comment, Keyword, Name, Number, String, _TokenType

from autograder.intake import notebook_script
from autograder.intake.submission import Submission
from autograder.language import gettext as _
from autograder.publish.html import printable
from autograder.results.history import Line as Said
from autograder.results.result import Result

MOST_LINES = 3_000  # of a file that are shown, besides those near a note
LONGEST_LINE = 500  # characters
COLOURED = 2**18  # characters; the code after them is shown without colours
NEAR = 5  # so many lines before and after a note are never folded
SHORT = 60  # a file of at most so many lines isn't folded
LEAST_FOLDED = 10  # lines; fewer of them aren't folded

_COLOURS: tuple[tuple[_TokenType, str], ...] = (
    *((Comment, "c"), (String, "s"), (Number, "m"), (Keyword, "k")),
    *((Name.Class, "f"), (Name.Function, "f"), (Name.Decorator, "f"), (Name.Builtin, "b")),
)


@dataclass(frozen=True)
class Note:
    """A finding or a comment at a line.

    Attributes:
        kind: "failed", "advice", "crash" or "comment".
        title: a few words; "" for a comment.
        parts: pairs of a label and a text.
        check: the id of the check, or of the comment; "" for a crash.
        who: who wrote the comment; "" for a finding.
    """

    kind: str
    title: str
    parts: list[tuple[str, str]]
    check: str = ""
    who: str = ""


@dataclass
class Line:
    """A line: `number` in the script, `shown` in its cell, both counted from 1; its code as HTML, and its notes."""

    number: int
    shown: int
    html: Markup
    notes: list[Note] = field(default_factory=list)


@dataclass(frozen=True)
class Block:
    """Consecutive lines, `first` to `last`: open, folded, or left out (folded, with `lines` empty)."""

    first: int
    last: int
    lines: list[Line]
    is_folded: bool


@dataclass(frozen=True)
class Cell:
    """A cell of a notebook, of kind "code", "markdown" or "raw"; a script is one cell without a title."""

    title: str
    kind: str
    blocks: list[Block]


@dataclass(frozen=True)
class Code:
    """A file with `count` lines, and `notes` findings and comments at them."""

    name: str
    count: int
    cells: list[Cell]
    notes: int


def of(handed_in: Submission, result: Result | None, said: Sequence[Said] = (), *, folded: bool = True) -> Code:
    """A submission's code, with the findings of its result, and the comments among `said` that are about this file.

    `folded`: whether lines of a long file that are far from all notes are folded; lines after `MOST_LINES` are left out
    in any case, except near a note.
    """
    texts = _lines(handed_in)
    notes = _notes(result) if result is not None else {}
    for line in said:
        if line.what == "comment" and line.at is not None and line.sha256 == handed_in.sha256:
            notes.setdefault(line.at, []).append(Note("comment", "", [("", line.reason)], line.id, line.who))
    starts = handed_in.cells
    lines = []
    for number, html in enumerate(_coloured(texts), 1):
        at = bisect.bisect_right(starts, number)
        shown = number - starts[at - 1] if at else number
        lines.append(Line(number, shown, html, notes.get(number, [])))
    near = {one for number in notes for one in range(number - NEAR, number + NEAR + 1)}
    fold = folded and len(lines) > SHORT
    cells = [
        Cell(title, kind, list(_blocks(own, near, fold))) for title, kind, own in _cells(lines, texts, starts) if own
    ]
    return Code(handed_in.name, len(lines), cells, sum(map(len, notes.values())))


def _lines(handed_in: Submission) -> list[str]:
    """The lines of the script, as Python counts them."""
    encoding = "utf-8"
    try:
        encoding, _first = tokenize.detect_encoding(io.BytesIO(handed_in.script).readline)
        text = handed_in.script.decode(encoding, "replace")
    except (SyntaxError, LookupError, UnicodeError):
        text = handed_in.script.decode("utf-8", "replace")
    lines = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return lines[:-1] if len(lines) > 1 and not lines[-1] else lines


def _coloured(texts: Sequence[str]) -> Iterator[Markup]:
    """Each line's HTML."""
    short = [printable(text[:LONGEST_LINE]) + (" …" if len(text) > LONGEST_LINE else "") for text in texts]
    count, size = 0, 0
    while count < len(short) and size < COLOURED:
        size += len(short[count]) + 1
        count += 1
    parts: list[Markup] = []
    lexer = PythonLexer(stripnl=False, stripall=False, ensurenl=False)
    made = 0
    for token, value in lexer.get_tokens("\n".join(short[:count])):
        colour = next((name for kind, name in _COLOURS if token in kind), "")
        for at, text in enumerate(value.split("\n")):
            if at:
                yield Markup("").join(parts)
                made += 1
                parts = []
            if text:
                parts.append(Markup('<span class="{}">{}</span>').format(colour, text) if colour else escape(text))
    if made < count:
        yield Markup("").join(parts)
    yield from map(escape, short[count:])


def _cells(
    lines: Sequence[Line], texts: Sequence[str], starts: Sequence[int]
) -> Iterator[tuple[str, str, Sequence[Line]]]:
    """(title, kind, lines) of each cell, without the marks that the kit puts between cells."""
    if not starts:
        yield "", "code", lines
        return
    for at, start in enumerate(starts):
        end = starts[at + 1] if at + 1 < len(starts) else len(lines) + 1
        named = texts[start - 1].removeprefix(notebook_script.MARK).strip(" []")
        kind = named if named in ("markdown", "raw") else "code"
        own = list(lines[start : end - 1])
        while own and not texts[own[-1].number - 1].strip():
            own.pop()
        if kind != "code":  # in the script, its lines are comments
            for line in own:
                line.html = escape(printable(texts[line.number - 1][:LONGEST_LINE]).removeprefix("#").removeprefix(" "))
        yield _("Cell {number}").format(number=at + 1), kind, own


def _blocks(lines: Sequence[Line], near: set[int], fold: bool) -> Iterator[Block]:
    """Groups the lines into blocks that are open, folded or left out."""

    def state(line: Line) -> str:
        if line.number in near:
            return "open"
        return "left out" if line.number > MOST_LINES else "folded" if fold else "open"

    pending: list[Line] = []
    for kind, group in groupby(lines, key=state):
        own = list(group)
        if kind == "open" or (kind == "folded" and len(own) < LEAST_FOLDED):
            pending += own
            continue
        if pending:
            yield Block(pending[0].number, pending[-1].number, pending, False)
            pending = []
        yield Block(own[0].number, own[-1].number, own if kind == "folded" else [], True)
    if pending:
        yield Block(pending[0].number, pending[-1].number, pending, False)


def _notes(result: Result) -> dict[int, list[Note]]:
    """Line -> the findings of the checks and of the training there."""
    found: dict[int, list[Note]] = {}
    for check in result.checks:
        if check.line is not None and check.outcome in ("failed", "advice"):
            parts = [(_("Saw"), check.saw), (_("Expected"), check.expected), (_("Why"), check.why)]
            note = Note(check.outcome, check.title, [one for one in parts if one[1]], check.id)
            found.setdefault(check.line, []).append(note)
    failure = None if result.training is None else result.training.failure
    seen = result.observations
    for failed in (failure, None if seen is None else seen.syntax_error):
        if failed is not None and failed.line is not None:
            words = Note("crash", _("It stopped here"), [("", failed.words)])
            found.setdefault(failed.line, []).append(words)
    return found
