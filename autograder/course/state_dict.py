"""Compares the entries of a network's state dict with those that the homework asks for, or those of a checkpoint.

Called by the check `state-dict`, by `check --verbose`, by the feedback page, and where a checkpoint is loaded.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from autograder.course.homework import Homework
from autograder.language import gettext as _
from autograder.observations import Observations

Shapes = dict[str, tuple[int, ...]]
"""Name -> shape of every entry."""
AMISS = ("missing", "under other names", "of another shape")  # keys: `counted` has the words that people read


@dataclass(frozen=True)
class EntryRow:
    """An entry that isn't the same on both sides: its shape in the student's network and in the homework's."""

    name: str
    theirs: tuple[int, ...] | None
    ours: tuple[int, ...] | None

    @property
    def amiss(self) -> str:
        """What is wrong with theirs: one of `AMISS`."""
        return AMISS[0 if self.theirs is None else 1 if self.ours is None else 2]

    @property
    def theirs_text(self) -> str:
        """The shape, or "missing"."""
        return _text(self.theirs)

    @property
    def ours_text(self) -> str:
        """The shape, or "missing"."""
        return _text(self.ours)


def entry_table(observed: Observations, homework: Homework) -> list[EntryRow]:
    """The entries that differ, as in `differing`; optional layers that aren't there at all don't.

    Empty where the homework doesn't say which entries there are, and where no network could be looked at.
    """
    if observed.network is None or not homework.entries:
        return []
    theirs = {name: tuple(shape) for name, shape in observed.network.entries.items()}
    ours = {entry.name: entry.shape for entry in homework.entries}
    left_out = _left_out(theirs, homework)
    return [row for row in differing(theirs, ours) if row.name not in left_out]


def differing(theirs: Shapes, ours: Shapes) -> list[EntryRow]:
    """The entries that differ: ours first, in their order, then those that only they have."""
    names = [name for name in dict.fromkeys((*ours, *theirs)) if theirs.get(name) != ours.get(name)]
    return [EntryRow(name, theirs.get(name), ours.get(name)) for name in names]


def counted(rows: Sequence[EntryRow]) -> str:
    """How many of each kind: `2 missing, 1 of another shape`; "" for no rows."""
    texts = (_("{count} missing"), _("{count} under other names"), _("{count} of another shape"))
    counts = Counter(row.amiss for row in rows)
    return ", ".join(text.format(count=counts[kind]) for kind, text in zip(AMISS, texts, strict=True) if counts[kind])


def _left_out(theirs: Shapes, homework: Homework) -> set[str]:
    """Optional entries of layers that aren't there at all: half a layer is an entry missing."""
    there = {name.rpartition(".")[0] for name in theirs}
    optional = [entry.name for entry in homework.entries if entry.optional]
    return {name for name in optional if name.rpartition(".")[0] not in there}


def _text(shape: tuple[int, ...] | None) -> str:
    if shape is None:
        return _("missing")
    return "x".join(map(str, shape)) or _("a number")
