"""A student's own record of the epochs: a file `history.csv` among their files, or what a notebook has printed.

Called by `own_files`. What a student wrote is untrusted text: it is read with limits, shown as the student's own, and
never believed.
"""

import csv
import io
import json
import math
from collections.abc import Iterator, Sequence
from typing import Any

from autograder.language import gettext as _
from autograder.observations import Epoch

RECORD = "history.csv"  # the file of a student's own record, in any case
MOST_EPOCHS = 1000  # of one record
LARGEST_RECORD = 256 * 2**10  # bytes of a file, and characters of a notebook's output; 1000 epochs have about 40,000
NEEDED = ("epoch", "accuracy")
LOSSES = ("train_loss", "test_loss")


def from_csv(text: str) -> list[Epoch]:
    """The record in a CSV file: a header, then a row for each epoch.

    The header's names may come in any order and case. `epoch` (from 1) and `accuracy` (in percent) are needed;
    `train_loss` and `test_loss` are None where they are missing, empty or not finite; other columns are ignored.

    Raises ValueError, with a short reason, when it is no such record, and for nothing else.
    """
    reader = csv.reader(io.StringIO(text, newline=""))
    columns: dict[str, int] | None = None
    epochs: list[Epoch] = []
    try:
        for row in reader:
            if not any(cell.strip() for cell in row):
                continue
            if columns is None:
                columns = _columns(row)
                continue
            if len(epochs) == MOST_EPOCHS:
                raise ValueError(_("more than {most} epochs").format(most=MOST_EPOCHS))
            epochs.append(_epoch(columns, row, epochs))
    except (csv.Error, ValueError) as error:
        raise ValueError(_("line {line}: {message}").format(line=reader.line_num, message=error)) from error
    if not epochs:
        raise ValueError(_("no epochs in it"))
    return epochs


def from_notebook(content: bytes) -> list[Epoch]:
    """The record that a notebook's outputs hold: the last printed table of the kind that `from_csv` reads.

    A table goes from its header on for as long as lines are rows of it. `[]` where there is none, whatever `content`
    is: nothing is raised.
    """
    try:
        notebook = json.loads(content.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        return []
    for text in reversed(list(_outputs(notebook))):
        if found := _last_table(text):
            return found
    return []


def _columns(header: Sequence[str]) -> dict[str, int]:
    """Where each column is. Raises ValueError when one that is needed is missing, or one comes twice."""
    names = [cell.strip(" \t\ufeff").casefold() for cell in header]
    for name in (*NEEDED, *LOSSES):
        if names.count(name) > 1:
            raise ValueError(_("two columns are called {name!r}").format(name=name))
    missing = [name for name in NEEDED if name not in names]
    if missing:
        raise ValueError(_("no column is called {names}").format(names=" or ".join(map(repr, missing))))
    return {name: names.index(name) for name in (*NEEDED, *LOSSES) if name in names}


def _epoch(columns: dict[str, int], row: Sequence[str], earlier: Sequence[Epoch]) -> Epoch:
    """The epoch in a row. Raises ValueError when it is none, or doesn't follow the `earlier` ones."""
    cells = {name: row[at].strip() if at < len(row) else "" for name, at in columns.items()}
    number = _number("epoch", cells["epoch"])
    if not (1 <= number <= 1_000_000 and number.is_integer()):
        text = _("epoch {cell!r} is no whole number from 1 to 1,000,000")
        raise ValueError(text.format(cell=cells["epoch"][:20]))
    if earlier and number <= earlier[-1].epoch:
        text = _("epoch {number:.0f} comes after epoch {earlier}")
        raise ValueError(text.format(number=number, earlier=earlier[-1].epoch))
    accuracy = _number("accuracy", cells["accuracy"])
    if not 0 <= accuracy <= 100:
        text = _("accuracy {cell!r} is not from 0 to 100 percent")
        raise ValueError(text.format(cell=cells["accuracy"][:20]))
    losses = {name: _number(name, cells[name]) for name in LOSSES if cells.get(name)}
    finite = {name: loss for name, loss in losses.items() if math.isfinite(loss)}
    return Epoch(epoch=int(number), accuracy_percent=accuracy, **finite)


def _number(name: str, cell: str) -> float:
    try:
        return float(cell)
    except ValueError:
        raise ValueError(_("{column} {cell!r} is no number").format(column=name, cell=cell[:20])) from None


def _outputs(notebook: Any) -> Iterator[str]:
    """The end of each text that a code cell has put out, in order. A notebook that has another shape has none."""
    for cell in _items(notebook, "cells"):
        if not isinstance(cell, dict) or cell.get("cell_type") != "code":
            continue
        for output in _items(cell, "outputs"):
            if not isinstance(output, dict):
                continue
            text = output.get("text") if output.get("name") == "stdout" else None
            if isinstance(output.get("data"), dict):
                text = output["data"].get("text/plain")
            if isinstance(text, list):
                text = "".join(line for line in text if isinstance(line, str))
            if isinstance(text, str):
                yield text[-LARGEST_RECORD:]


def _items(holder: Any, key: str) -> list[Any]:
    held = holder.get(key) if isinstance(holder, dict) else None
    return held if isinstance(held, list) else []


def _last_table(text: str) -> list[Epoch]:
    """The last table in what was printed, `[]` for none."""
    lines = text.splitlines()
    for at in range(len(lines) - 1, -1, -1):
        if "accuracy" not in lines[at].casefold():  # few lines are left to be looked at closely
            continue
        try:
            columns = _columns(_cells(lines[at]))
        except ValueError:
            continue
        epochs: list[Epoch] = []
        for line in lines[at + 1 : at + 1 + MOST_EPOCHS]:
            try:
                epochs.append(_epoch(columns, _cells(line), epochs))
            except ValueError:
                break
        if epochs:
            return epochs
    return []


def _cells(line: str) -> list[str]:
    """One line's cells. Raises ValueError where it is no CSV."""
    try:
        return next(csv.reader([line]), [])
    except csv.Error as error:
        raise ValueError(str(error)) from error
