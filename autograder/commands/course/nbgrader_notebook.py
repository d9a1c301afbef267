"""The notebook of a homework for a course that nbgrader grades by itself.

Called by the command line. What its cells call is `autograder/in_nbgrader.py`, whose address they hold.
"""

from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell

from autograder.commands.course import release
from autograder.course import rubric
from autograder.errors import KitError
from autograder.files import ROOT, write_text
from autograder.homeworks import load
from autograder.publish import nbgrader_gradebook


def write(homework_name: str, course: Path, root: Path = ROOT) -> Path:
    """Write `source/<name>/<name>.ipynb` into nbgrader's folder of a course: the skeleton, between locked cells.

    Raises KitError when there is no such homework, it has no notebook, or `release` hasn't made it yet.
    """
    homework = load(homework_name)
    skeleton = root / "assignment" / homework.name / f"{homework.name}.ipynb"
    if homework.given or not skeleton.is_file():
        raise KitError(
            f"{skeleton}: no such notebook", "only a homework of one file has one; autograder release makes it"
        )
    notebook = nbformat.read(skeleton, as_version=4)
    most = rubric.load(rubric.PATH, homework.name).max_points
    made = {
        name: new_code_cell(
            f"from autograder.in_nbgrader import {name}\n\n{name}({homework.name!r})",
            id=f"autograder-{name}",
            metadata={"nbgrader": nbgrader_gradebook.marks(name, worth)},
        )
        for name, worth in (("begin", None), ("check", 0.0), ("points", most))
    }
    # The kit's own cells would train in nbgrader's kernel, too.
    cells = [cell for cell in notebook.cells if not cell["id"].startswith(release.KIT_CELL)]
    notebook.cells = [made["begin"], *cells, made["check"], made["points"]]
    path = course / "source" / homework.name / f"{homework.name}.ipynb"
    write_text(path, nbformat.writes(notebook) + "\n")
    return path
