"""How a place in a submission is called: the line of a script, or the cell of a notebook and a line in it.

Called wherever a message names a line. A notebook's cells make one script; the proctor counts its lines, and people see
cells. Enter `told_of` with the cells once; like the language, it holds for what runs inside.
"""

import bisect
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar

from autograder.language import gettext as _
from autograder.language import ngettext

_starts: ContextVar[tuple[int, ...]] = ContextVar("starts", default=())


@contextmanager
def told_of(cells: Sequence[int]) -> Iterator[None]:
    """Places are those of a notebook whose cells begin at these lines of its script; with none, of a script."""
    token = _starts.set(tuple(cells))
    try:
        yield
    finally:
        _starts.reset(token)


def place(line: int | None) -> str:
    """`line 64`, or `cell 7, line 3`, counting text cells; "" for None."""
    if line is None:
        return ""
    starts = _starts.get()
    at = bisect.bisect_right(starts, line)
    if not at:
        return _("line {line}").format(line=line)
    return _("cell {cell}, line {line}").format(cell=at, line=max(1, line - starts[at - 1]))


def places(lines: Iterable[int], most: int = 4) -> str:
    """`line 3`, `lines 3, 7 and 9`, or cells with their lines."""
    found = sorted(set(lines))
    if len(found) == 1:
        return place(found[0])
    shown = [str(line) for line in found] if not _starts.get() else [place(line) for line in found]
    more = len(shown) - most
    listed = ("; " if _starts.get() else ", ").join(shown[:most] if more > 0 else shown[:-1])
    if more > 0:
        text = _("{items} and {count} more").format(items=listed, count=more)
    else:
        text = _("{items} and {last}").format(items=listed, last=shown[-1])
    return text if _starts.get() else ngettext("line {lines}", "lines {lines}", len(found)).format(lines=text)
