"""The script that a notebook's cells make: one Python file, in which each cell keeps its lines.

Called by `submission.py`. Only reads: nothing of a cell is executed. IPython's own transformer says what of a cell is
Python; where IPython isn't installed, a look at how lines begin does. Magics that a training can depend on (`%run`,
`%%writefile`, `name = !command`) stay as calls of `get_ipython()`, which the proctor answers; all others become
comments. A cell that isn't Python fails where it stands, when it is reached, and no other cell with it.

Cost: the first notebook imports IPython, 0.5 to 1 s on one core; then 2 ms a cell.
"""

import ast
import json
import re
import warnings
from collections.abc import Callable, Iterator
from typing import Any

from autograder.course import magics
from autograder.files import PARSING
from autograder.language import gettext as _

OWN_CELL = "# The kit's own cell, no part of what is handed in."
"""How cells begin that `release` adds to a notebook: what is in them isn't the student's."""
MARK = "# %%"  # begins a cell in the script
MOST_MAGICS = 5  # above a cell

NEEDED_LINES = ("run", "cd", "env", "set_env", "mkdir", "cp", "mv")
NEEDED_COMMANDS = ("mkdir", "cp", "mv", "unzip", "tar", "python", "python3", "echo", "touch")
AUTOMAGIC = (
    *("cd", "ls", "ll", "pwd", "cat", "cp", "mv", "rm", "mkdir", "rmdir", "man", "less", "more", "pip", "conda"),
    *("tensorboard", "matplotlib", "load_ext", "reload_ext", "who", "whos", "time", "timeit", "reset", "clear"),
    *("history", "env", "run", "who_ls", "autoreload", "config", "lsmagic", "pylab", "autosave", "kill"),
)
"""Magics that IPython takes without a `%`, where one is alone in its cell."""

_CELL_MAGIC = re.compile(r"\s*%%(\w+)[ \t]*(.*)")
_LINE_MAGIC = re.compile(r"(\s*(?:[\w., ]+=\s*)?)([%!])(\S+)(.*)")
_CALL = re.compile(r"get_ipython\(\)\.(\w+)\(['\"]([^'\" ]*)")
_RUNS_A_FILE = re.compile(r"\b(?:python|torchrun)[\d.]*\s.*\.py\b")  # `A=1 python FILE.py`, `cd src && python FILE.py`
_TIMED = re.compile(r"^(\s*)%time[ \t]+", re.MULTILINE)


def script(content: bytes) -> bytes | None:
    """The script; None where no cell holds code. Raises ValueError or KeyError where it isn't a notebook in Python."""
    cells = list(_cells(json.loads(content.decode("utf-8-sig"))))
    if not any(kind == "code" and source.strip() for kind, source in cells):
        return None
    parts = [f"{MARK}\n{_python(source)}" if kind == "code" else _comments(kind, source) for kind, source in cells]
    return ("\n\n".join(part.rstrip("\n") for part in parts) + "\n").encode("utf-8", "surrogatepass")


def parses(text: str | bytes) -> bool:
    """Whether Python reads it, where `await` may stand outside a function."""
    return problem(text) is None


def problem(text: str | bytes) -> tuple[int | None, str] | None:
    """The line and the reason why Python doesn't read it; None where it does."""
    try:
        with PARSING, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            compile(text, "<cell>", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
    except SyntaxError as error:
        return error.lineno, error.msg
    except (ValueError, RecursionError, MemoryError, OverflowError) as error:
        return None, str(error) or _("it is nested too deeply")
    return None


def _cells(notebook: Any) -> Iterator[tuple[str, str]]:
    """(type, source) of every cell. Raises ValueError or KeyError where it isn't a notebook in Python."""
    if isinstance(notebook, dict) and notebook.get("nbformat") in (2, 3) and "worksheets" in notebook:
        notebook = _of_today(notebook)
    if not isinstance(notebook, dict) or not isinstance(notebook.get("cells"), list):
        raise ValueError(_("it has no list of cells"))
    if notebook.get("nbformat") != 4:
        raise ValueError(_("its format is {format}, not 4").format(format=str(notebook.get("nbformat"))[:20]))
    metadata = notebook.get("metadata")
    kernel = metadata.get("kernelspec") if isinstance(metadata, dict) else None
    language = kernel.get("language", "python") if isinstance(kernel, dict) else "python"
    if language != "python":
        raise ValueError(_("it is in {language}, not Python").format(language=str(language)[:20]))
    for cell in notebook["cells"]:
        kind, source = (cell.get("cell_type"), cell.get("source")) if isinstance(cell, dict) else (None, None)
        lines = [source] if isinstance(source, str) else source
        if kind not in ("code", "markdown", "raw") or not isinstance(lines, list):
            raise ValueError(_("it has a cell without type or source"))
        if not all(isinstance(line, str) for line in lines):
            raise ValueError(_("it has a cell that isn't text"))
        text = "".join(lines).replace("\r\n", "\n").replace("\r", "\n")
        if kind == "code" and text.startswith(OWN_CELL):
            text = ""  # an empty cell stays in its place: places are told by the number of a cell
        yield kind, text


def _of_today(notebook: dict[str, Any]) -> Any:
    """A notebook of format 2 or 3 in format 4. Raises ValueError where that can't be made of it."""
    import nbformat

    try:
        return nbformat.convert(nbformat.from_dict(notebook), 4)
    except Exception as error:  # its converters raise whatever a strange file makes them raise
        raise ValueError(_("its format is {format}, not 4").format(format=notebook["nbformat"])) from error


def _comments(kind: str, text: str) -> str:
    return "\n".join([f"{MARK} [{kind}]", *map(_comment, text.splitlines())])


def _comment(line: str) -> str:
    """A line as a comment, which never looks like the beginning of a cell."""
    return f"# {' ' * line.startswith('%%')}{line}".rstrip()


def _python(cell: str) -> str:
    """A cell's Python, line by line."""
    text = _TIMED.sub(r"\1", cell)  # `%time statement` runs the statement
    for _number in range(MOST_MAGICS):
        magic = _first_magic(text)
        if magic is None:
            break
        at, name, rest = magic
        lines = text.split("\n")
        if name in (*magics.WRITE_THEIR_BODY, *magics.IN_A_SHELL):
            body = "\n".join(lines[at + 1 :])
            call = f"get_ipython().run_cell_magic({name!r}, {rest.strip()!r}, {body!r})"
            return "\n".join([*lines[:at], call, *[""] * (len(lines) - at - 1)])
        if name not in magics.RUN_THEIR_BODY:
            return "\n".join(map(_comment, lines))
        kept = [word for word in rest.split() if word.isidentifier()] if name == "capture" else []
        lines[at] = f"{kept[0]} = get_ipython().run_line_magic('captured', '')" if kept else _comment(lines[at])
        text = "\n".join(lines)
    text = re.sub(rf"^{MARK}", "#  %%", text, flags=re.MULTILINE)
    made = text if parses(text) and not _is_automagic(text) else _transformed(text)
    found = problem(made)
    return made if found is None else _failing(text, *found)


def _first_magic(text: str) -> tuple[int, str, str] | None:
    """The line, the name and the rest of a cell magic, above which there is nothing but comments."""
    for at, line in enumerate(text.split("\n")):
        if found := _CELL_MAGIC.fullmatch(line):
            return at, found[1], found[2]
        if line.strip() and not line.lstrip().startswith("#") and "run_line_magic('captured'" not in line:
            return None
    return None


def _is_automagic(text: str) -> bool:
    """Whether a cell is one line that IPython takes for a magic, though it has no `%`."""
    words = text.split()
    if not words or len(text.strip().splitlines()) != 1 or words[0] not in AUTOMAGIC:
        return False
    return len(words) == 1 or (not parses(text) and words[1][0] not in "=.([,+*/")


def _transformed(text: str) -> str:
    """The Python that IPython makes of a cell, in as many lines; what nothing depends on is a comment."""
    if _is_automagic(text):
        text = re.sub(r"^(\s*)", r"\1%", text, count=1)
    lines = text.split("\n")
    made = _by_ipython(text).split("\n") if (_by_ipython := _ipython()) is not None else _without_ipython(lines)
    while len(made) > len(lines) and not made[-1].strip():
        made.pop()
    same = 0  # lines at the end: what was made of continued lines is shorter
    while same < min(len(made), len(lines)) - 1 and made[-1 - same] == lines[-1 - same]:
        same += 1
    at = len(made) - same
    made[at:at] = [""] * (len(lines) - len(made))
    if len(made) == len(lines):
        made = [_needed(old, new) for old, new in zip(lines, made, strict=True)]
    return "\n".join(made)


def _needed(old: str, new: str) -> str:
    """A line of the script, or a comment where it was a magic that nothing depends on."""
    if old == new or not new.lstrip().startswith("get_ipython()."):
        return new
    call = _CALL.match(new.lstrip())
    if call is not None:
        method, first = call.groups()
        if method == "run_line_magic" and first in NEEDED_LINES:
            return new
        if method in ("system", "getoutput") and (first in NEEDED_COMMANDS or _RUNS_A_FILE.search(new)):
            return new
    indent = new[: len(new) - len(new.lstrip())]
    return f"{indent}pass  # {old.strip()}" if indent else _comment(old.strip())


def _ipython() -> Callable[[str], str] | None:
    """IPython's transformer; None where IPython isn't installed."""
    try:
        from IPython.core.inputtransformer2 import TransformerManager
    except ImportError:
        return None

    def transform(text: str) -> str:
        empty = len(text) - len(text.lstrip("\n"))
        try:
            made: str = TransformerManager().transform_cell(text)  # type: ignore[no-untyped-call]
        except SyntaxError:
            return text
        return "\n" * empty + made

    return transform


def _without_ipython(lines: list[str]) -> list[str]:
    """The same without IPython: lines that begin with a magic, or that keep what one gives."""
    from jupytext.stringparser import StringParser

    strings = StringParser("python")
    made = []
    for line in lines:
        inside = strings.is_quoted()
        strings.read_line(line)
        found = None if inside else _LINE_MAGIC.fullmatch(line)
        if found is None:
            made.append(f"# {line}" if not inside and line.rstrip().endswith("?") else line)
            continue
        before, sign, name, rest = found.groups()
        call = f"run_line_magic({name!r}, {rest.strip()!r})"
        if sign == "!":
            call = f"{'getoutput' if before.strip() else 'system'}({name + rest!r})"
        made.append(f"{before}get_ipython().{call}")
    return made


def _failing(text: str, line: int | None, reason: str) -> str:
    """A cell that isn't Python: comments, and at the line that Python complains about a statement that says so."""
    lines = text.split("\n")
    at = min(max((line or 1) - 1, 0), len(lines) - 1)
    made = [_comment(one) for one in lines]
    made[at] = f"raise SyntaxError({reason!r})  {made[at]}"
    return "\n".join(made)
