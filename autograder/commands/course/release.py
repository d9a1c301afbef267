"""From a homework's solution to what students get: the skeleton, as a script and as a notebook, and the handout.

Called by `autograder release` and by the test that compares `assignment/` with what would be generated. `solution/` is
the only hand-written source; jupytext reads it, nbgrader's ClearSolutions blanks it, and no other code here knows what
lies between two markers. Nothing is executed, and no file is written before every check has passed.

The same source gives the same bytes: cell ids count up, there are no outputs, no times and no versions.
Importing nbgrader costs 1.5 to 3 s on one core, so it is imported when something is released and not before.
"""

import ast
import logging
import re
import shutil
import tempfile
from collections import Counter
from copy import deepcopy
from pathlib import Path
from typing import Any

from autograder.course import rubric
from autograder.errors import KitError
from autograder.files import ROOT
from autograder.homeworks import load
from autograder.intake.submission import OWN_CELL

BEGIN, END = "### BEGIN SOLUTION", "### END SOLUTION"
STUB = "..."
POINTS = "<!-- points -->"
"""The line of a handout that the homework's table of `grading_rubric.md` replaces."""
COLAB = "<!-- colab -->"
"""The line of a handout where the link to Colab goes, once the kit's address on GitHub is known."""
ADDRESS = "ADDRESS"
"""Stands in a handout for where pip gets the kit, until `kit` says it. By its name alone pip would get another one."""
KIT_CELL = "kit-"
"""How the ids of cells begin that are the kit's own, in a notebook."""
SHORTEST_ANSWER = 12  # characters; below that a line is `else:` or `return x`, which prove nothing
NOTEBOOK_METADATA: dict[str, Any] = {
    "accelerator": "GPU",  # Colab then offers one from the start
    "colab": {"provenance": []},
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
SCRIPT_METADATA: dict[str, Any] = {
    "jupytext": {"notebook_metadata_filter": "-all", "cell_metadata_filter": "-all"},
    "kernelspec": NOTEBOOK_METADATA["kernelspec"],
}
_ALMOST_A_MARKER = re.compile(r"\b(begin|end)[\s_-]*solutions?\b", re.IGNORECASE)


def release(homework_name: str, root: Path = ROOT, kit: str = "") -> list[Path]:
    """Write `assignment/<name>/` from `solution/<name>/`, both under `root`; the files, sorted.

    With `kit`, where pip finds the kit, the notebook installs it by itself, and the handout says it; one on GitHub also
    gets a link to Colab.
    What was there is replaced as a whole, and only when all of it could be built. Raises KitError as `build` does.
    """
    target = root / "assignment" / homework_name
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{homework_name}.", dir=target.parent) as folder:
        built = Path(folder) / "new"
        files = [path.relative_to(built) for path in build(homework_name, built, root, kit)]
        if target.exists():
            target.rename(Path(folder) / "old")
        built.rename(target)
    return [target / path for path in files]


def build(homework_name: str, into: Path, root: Path = ROOT, kit: str = "") -> list[Path]:
    """Write `<name>.py`, `<name>.ipynb`, `README.md` and `figures/*.svg` to the folder `into`; the files, sorted.

    Of a homework of several files: those that students get complete in place of the notebook.

    Raises KitError, with file and line, when there is no such homework or no source for it, when a marker is nested,
    unclosed, unopened or misspelt, when nothing is blanked, when the skeleton isn't valid Python, when a line of an
    answer still stands in what students would get, and when the handout shows points that can't be read.
    """
    declared = load(homework_name)
    source = root / "solution" / homework_name / f"{declared.stem}.py"
    handout = source.with_name("README.md")
    complete = [source.with_name(name) for name in declared.given]
    for needed in (source, handout, *complete):
        if not needed.is_file():
            raise KitError(f"{needed}: no such file", "a homework is released from a checkout, which has its solution")

    text = source.read_text(encoding="utf-8")
    notebook = _read(text)
    answers = _clear(notebook, text, source)
    script = _write_script(notebook)
    _check_python(script, source)
    _check_leaks(script, answers, source.name, source)
    text = handout.read_text(encoding="utf-8")
    if POINTS in text:
        text = text.replace(POINTS, _points_table(root / "grading_rubric.md", homework_name))
    text = text.replace(COLAB, _badge(kit, homework_name) or COLAB)
    text = text.replace(ADDRESS, kit or ADDRESS)
    _check_leaks(text, answers, handout.name, source)
    for path in complete:
        _check_leaks(path.read_text(encoding="utf-8"), answers, path.name, source)

    into.mkdir(parents=True, exist_ok=True)
    (into / source.name).write_text(script, encoding="utf-8", newline="\n")
    if complete:  # a notebook couldn't import the others, nor be imported by them
        for path in complete:
            shutil.copyfile(path, into / path.name)
    else:
        (into / f"{homework_name}.ipynb").write_text(
            _write_notebook(notebook, homework_name, kit), encoding="utf-8", newline="\n"
        )
    (into / handout.name).write_text(text, encoding="utf-8", newline="\n")
    for figure in sorted((source.parent / "figures").glob("*.svg")):
        (into / "figures").mkdir(exist_ok=True)
        shutil.copyfile(figure, into / "figures" / figure.name)
    return sorted(path for path in into.rglob("*") if path.is_file())


def _read(text: str) -> Any:
    import jupytext

    notebook = jupytext.reads(text, fmt="py:percent")
    for index, cell in enumerate(notebook.cells):
        cell["id"] = f"cell-{index:02d}"
        cell.metadata = {}  # such as the number of empty lines that followed it: script and notebook are to agree
    return notebook


def _clear(notebook: Any, text: str, source: Path) -> set[str]:
    """Blank every solution region of `notebook`; the lines that this removed, stripped, but for the shortest."""
    from nbgrader.preprocessors import ClearSolutions
    from traitlets.config import Config

    options = {
        "code_stub": {"python": STUB},
        "begin_solution_delimeter": BEGIN,
        "end_solution_delimeter": END,
        # Cells of a script carry no nbgrader metadata, and a released file is graded by running it, not cell by cell.
        "enforce_metadata": False,
    }
    clear = ClearSolutions(config=Config(ClearSolutions=options), parent=None)
    clear.log = logging.Logger("quiet")  # what nbgrader logs, and more, is in the error that follows
    clear.log.addHandler(logging.NullHandler())

    # Cells don't know their lines, but markers come in the same order in the cells as in the file.
    marked = [number for number, line in enumerate(text.splitlines(), 1) if BEGIN in line or END in line]
    if not marked:
        raise KitError(f"{source}: holds no {BEGIN!r}, so nothing would be left to students")
    removed: set[str] = set()
    for index, cell in enumerate(notebook.cells):
        before = cell.source.splitlines()
        begins = sum(BEGIN in line for line in before)
        ends = sum(END in line for line in before)
        lines, marked = marked[: begins + ends], marked[begins + ends :]
        try:
            clear.preprocess_cell(cell, {"language": "python"}, index)
            if begins != ends:  # each region was closed, so these close nothing; nbgrader passes over them
                raise RuntimeError("end solution statement without a begin")
        except RuntimeError as error:
            raise KitError(
                f"{source}:{lines[0]}: {error}",
                f"the markers of this cell are on {_in_words(lines)}; a cell opens and closes each of its regions, "
                "one after the other",
            ) from error
        for line in cell.source.splitlines():
            if _ALMOST_A_MARKER.search(line):
                raise KitError(
                    f"{source}:{_line_of(line, text)}: looks like a marker and isn't one: {line.strip()!r}",
                    f"the markers are {BEGIN!r} and {END!r}, as they stand here",
                )
        left = Counter(before) - Counter(cell.source.splitlines())
        removed |= {line.strip() for line in left if BEGIN not in line and END not in line}
    return {line for line in removed if len(line) >= SHORTEST_ANSWER}


def _in_words(lines: list[int]) -> str:
    *first, last = [str(line) for line in lines]
    return f"lines {', '.join(first)} and {last}" if first else f"line {last}"


def _line_of(line: str, text: str) -> int:
    """Where `line`, of a cell, is in the file: as it is, or behind the `# ` of a text cell."""
    return next((number for number, other in enumerate(text.splitlines(), 1) if other in (line, f"# {line}")), 1)


def _check_python(script: str, source: Path) -> None:
    try:
        ast.parse(script)
    except SyntaxError as error:
        raise KitError(
            f"{source}: blanked, it isn't valid Python: {error.msg}, at {(error.text or '').strip()!r}",
            f"a region is replaced by one line, {STUB}, which has to be a statement or a value there",
        ) from error


def _check_leaks(text: str, answers: set[str], name: str, source: Path) -> None:
    """Refuse a script or a handout in which a line of an answer can still be read."""
    for number, line in enumerate(text.splitlines(), 1):
        for answer in sorted(answers):
            if answer in line:
                raise KitError(
                    f"{name}, line {number}: students would read an answer of {source}: {answer!r}",
                    "say it otherwise there, or take it out of the region",
                )


def _points_table(path: Path, homework_name: str) -> str:
    decided = rubric.load(path, homework_name)
    rows = [*decided.tiers, decided.no_accuracy, decided.no_file]
    if decided.required_failed:
        checks = ", ".join(f"`{check}`" for check in decided.required_checks)
        rows.append(decided.required_failed.model_copy(update={"label": f"one of these checks failed: {checks}"}))
    lines = [f"| {row.label} | {rubric.points_text(row.points)} |" for row in rows]
    return "\n".join([f"| {load(homework_name).measure.title} | points |", "| --- | --- |", *lines])


def _write_script(notebook: Any) -> str:
    import jupytext

    plain = deepcopy(notebook)
    plain.metadata = SCRIPT_METADATA
    script: str = jupytext.writes(plain, fmt="py:percent")
    return script


def _write_notebook(notebook: Any, homework_name: str, kit: str) -> str:
    import jupytext
    import nbformat

    plain = deepcopy(notebook)
    plain.metadata = NOTEBOOK_METADATA
    added = [nbformat.v4.new_code_cell(_FIRST_CELL.format(own=OWN_CELL, kit=kit))]
    added.append(nbformat.v4.new_markdown_cell(_LAST_WORDS))
    for call in ("check", "train", "hand_in"):
        source = _LAST_CELL.format(own=OWN_CELL, call=f'{call}("{homework_name}")')
        added.append(nbformat.v4.new_code_cell(source))
    for number, cell in enumerate(added):
        cell["id"] = f"{KIT_CELL}{number}"
    plain.cells[1:1] = added[:1]
    plain.cells += added[1:]
    nbformat.validate(plain)
    return f"{jupytext.writes(plain, fmt='ipynb')}\n"


_FIRST_CELL = """\
{own} It gets the program that checks and grades, in seconds.
KIT = "{kit}"  # where your course has the kit, as pip takes it: git+https://..., or a folder
try:
    import autograder
except ImportError:
    if KIT:
        %pip install --quiet {{KIT}}
    else:
        print("Only the last three cells need it: ask your course for the address, and put it behind KIT.")"""

_LAST_WORDS = """\
## Check it, train it, hand it in

These three cells take the notebook as it is now, with everything above: save it before you run them, where you aren't
on Colab. The first takes seconds and trains nothing: use it often. The second trains as the grader will, on a GPU for
real, and tells the row that this would earn; without a GPU it is a preview. The third writes the file to hand in."""

_LAST_CELL = """\
{own}
try:
    from autograder import notebook
except ImportError:
    print("The kit is missing: see the first cell.")
else:
    notebook.{call}"""


def _badge(kit: str, homework_name: str) -> str:
    """A link that opens the notebook in Colab, for a kit on GitHub; else ""."""
    found = re.fullmatch(r"(?:git\+)?https://github\.com/([\w.-]+)/([\w.-]+?)(?:\.git)?(?:@([\w./-]+))?", kit)
    if found is None:
        return ""
    owner, repository, branch = found[1], found[2], found[3] or "main"
    place = f"{owner}/{repository}/blob/{branch}/assignment/{homework_name}/{homework_name}.ipynb"
    badge = "https://colab.research.google.com/assets/colab-badge.svg"
    return f"[![Open in Colab]({badge})](https://colab.research.google.com/github/{place})"
