"""What the last cells of a homework's notebook call: check it, train it under the rules, write what is handed in.

`release` puts these cells there. The notebook is taken as it is at that moment. On Colab, which keeps no file of it,
Colab hands it over; elsewhere it is read from the file that Jupyter runs, as it was last saved. The script is written
from its cells by the code that the grader reads notebooks with, so what is handed in is what was checked. These cells,
and the one that installs the kit, begin with `submission.OWN_CELL` and are no part of it. What they print is in the
language that the environment variable AUTOGRADER_LANG names; the plot of a training is in English.
"""

import json
import os
import tempfile
from pathlib import Path
from typing import Any

from autograder.commands.student.live_plot import LivePlot
from autograder.course.homework import Homework
from autograder.errors import KitError
from autograder.homeworks import load
from autograder.intake import submission
from autograder.intake.submission import Submission
from autograder.language import asked, spoken
from autograder.language import gettext as _

COLAB_S = 60  # until Colab has handed over the notebook


def check(homework_name: str) -> None:
    """Check this notebook: seconds, nothing is trained. What is wrong is printed, never raised."""
    _say(lambda: _checked(homework_name, train=False))


def train(homework_name: str) -> None:
    """Train this notebook under the rules of grading, with a plot, and tell the tier that it would earn.

    On a GPU that is a full training within the homework's budget; without one it is a preview, which names no tier.
    Leaves `<homework>_receipt.json` in the current folder.
    """
    _say(lambda: _checked(homework_name, train=True))


def hand_in(homework_name: str) -> None:
    """Write `<homework>.py` from this notebook's cells into the current folder; on Colab, download it too."""

    def write() -> None:
        homework = load(homework_name)
        path = Path(f"{homework.stem}.py")
        path.write_bytes(_this(homework).script)
        text = _("wrote {path}, {count} lines, from the cells of this notebook: hand it in")
        print(text.format(path=path, count=len(path.read_bytes().splitlines())))
        if (colab := _colab("files")) is not None:
            colab.download(str(path))

    _say(write)


def _say(action: Any) -> None:
    with spoken(asked()):
        try:
            action()
        except KitError as error:
            print(error.message)
            if error.hint:
                print(_("hint: {command}").format(command=error.hint))


def _checked(homework_name: str, *, train: bool) -> None:
    from autograder.commands.student import check
    from autograder.commands.student.check_request import CheckRequest

    homework = load(homework_name)
    handed_in = _this(homework)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, f"{homework.stem}.ipynb")  # so that places are told by cell
        file.write_bytes(handed_in.content)
        request = CheckRequest(file, homework.name, train=train, receipt=Path() if train else None)
        check.check(request, plot=LivePlot() if train else None)


def _this(homework: Homework) -> Submission:
    """The notebook that runs this. Raises KitError where it can't be found or read."""
    name = f"{homework.stem}.ipynb"
    if (message := _colab("_message")) is not None:
        answer = message.blocking_request("get_ipynb", timeout_sec=COLAB_S)
        if not isinstance(answer, dict) or "ipynb" not in answer:
            raise KitError(_("Colab did not hand over the notebook"), _("run the cell again"))
        return submission.of(name, json.dumps(answer["ipynb"]).encode())
    session = os.environ.get("JPY_SESSION_NAME", "")  # Jupyter's name for what a kernel runs
    path = Path(session) if session.endswith(".ipynb") and Path(session).is_file() else Path(name)
    try:
        return submission.of(name, submission.read(path).content, str(path))
    except KitError as error:
        raise KitError(
            error.message, _("save the notebook under the name {name}, in the folder that it runs in").format(name=name)
        ) from error


def _colab(part: str) -> Any | None:
    """A part of Colab's own package; None elsewhere."""
    try:
        import importlib

        return importlib.import_module(f"google.colab.{part}")
    except ImportError:
        return None
