"""A class of bad and hostile hand-ins for hw6, and three honest ones: what each does, and what must come of it.

Called by `test_corpus.py`, which grades them all as one class. Everything is made from small recipes: `files.py` has
what is wrong with a file, `archives.py` with a zip file, `broken.py` innocent mistakes, `hostile.py` attacks on the
machine, `forged.py` attacks on the grade, `honest.py` the honest ones. A row says what it does, and its outcome by the
name in docs/output.md.
"""

import os
from collections.abc import Sequence
from pathlib import Path

from support.corpus import archives, broken, files, forged, honest, hostile
from support.corpus.hostile import MARK, MARKER
from support.corpus.row import CHANCE_PERCENT, Row, Seen, status_of

ROWS: tuple[Row, ...] = (*files.ROWS, *archives.ROWS, *broken.ROWS, *hostile.ROWS, *forged.ROWS)
HONEST = honest.ROWS
PLAIN = honest.PLAIN

HANDED_IN_AT = 1_796_083_200  # all at one moment, since results hold it

__all__ = ["CHANCE_PERCENT", "HONEST", "MARK", "MARKER", "PLAIN", "ROWS", "Row", "Seen", "build", "status_of"]


def build(rows: Sequence[Row], folder: Path) -> None:
    """Write a class of these rows, a folder for each."""
    for row in rows:
        place = folder / row.name
        place.mkdir(parents=True)
        row.make(place)
        for inside in os.scandir(place):
            os.utime(inside.path, (HANDED_IN_AT, HANDED_IN_AT), follow_symlinks=False)
