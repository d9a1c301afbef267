"""A grade file of a learning management system, cell by cell, so that a few can be replaced and every other byte stays.

Called by `lms_grades`. Only reads; the caller writes.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from autograder.errors import KitError
from autograder.intake import code_pages

LARGEST = 16 * 2**20  # bytes


class Cell(NamedTuple):
    """A cell: where it stands in the text, its quotes included, and what it holds."""

    start: int
    end: int
    holds: str


class GradeFile:
    """A file of cells, with its text as it is. Raises KitError where it can't be read as one."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            with path.open("rb") as file:
                content = file.read(LARGEST + 1)
        except OSError as error:
            raise KitError(f"{path}: can't be read ({error.strerror})", "name the file that the LMS gave") from error
        if len(content) > LARGEST:
            raise KitError(f"{path}: too large for a file of grades", "name the file that the LMS gave")
        self._table = code_pages.table(content, str(path))
        self.text, self.between = self._table.text, self._table.between
        self.rows = self._rows()
        self.header = [cell.holds.strip() for cell in self.rows[0]]
        if not any(self.header):
            raise KitError(f"{path}: doesn't begin with the names of its columns", "name the file as the LMS gave it")

    def line(self, row: int) -> int:
        """The line that a row begins on, from 1."""
        return len(re.findall(r"\r\n|\r|\n", self.text[: self.rows[row][0].start])) + 1

    def replaced(self, cells: Sequence[tuple[Cell, str]]) -> bytes:
        """The file with another text in these cells, and nothing else changed."""
        parts, at = [], 0
        for cell, text in sorted(cells):
            was_quoted = self.text[cell.start : cell.end].startswith('"')
            needs = was_quoted or any(char in text for char in (self.between, '"', "\r", "\n"))
            parts += [self.text[at : cell.start], '"' + text.replace('"', '""') + '"' if needs else text]
            at = cell.end
        return self._table.encoded("".join([*parts, self.text[at:]]))

    def _rows(self) -> list[list[Cell]]:
        # As the csv module reads it, but it doesn't tell where a cell stands. The quotes' inside is atomic: else a
        # quoted cell that doesn't end would be taken for a shorter one.
        between = re.escape(self.between)
        pattern = re.compile(
            rf'(?:"(?P<quoted>(?>[^"]*(?:""[^"]*)*))"(?P<rest>[^{between}\r\n]*)|(?P<bare>[^{between}\r\n]*))'
            rf"(?P<end>{between}|\r\n|\r|\n|\Z)"
        )
        rows: list[list[Cell]] = []
        row: list[Cell] = []
        at = self._table.start
        while True:
            found = pattern.match(self.text, at)
            assert found is not None  # `bare` may be empty, and stops where `end` begins
            bare = found["bare"]
            if bare is not None and bare.startswith('"'):
                line = len(re.findall(r"\r\n|\r|\n", self.text[:at])) + 1
                raise KitError(f"{self.path}:{line}: a quote isn't closed", "name the file as the LMS gave it")
            holds = found["quoted"].replace('""', '"') + found["rest"] if bare is None else bare
            row.append(Cell(at, found.start("end"), holds))
            at = found.end()
            if found["end"] != self.between:
                rows.append(row)
                row = []
                if at == len(self.text):
                    return rows
