"""The commands `hint` and `explain`: more about one check, a step at a time, and never the answer.

Called by the command line. Hints stand beside the checks (`more` of `checks/wording.py`); what the handout says is
looked up in the handout, in which a comment under a heading names the checks that the part explains:

    ### The shortcut

    <!-- explains: skip -->
"""

import importlib
import re
from typing import Any

from rich.console import Console
from rich.markdown import Markdown

from autograder import homeworks
from autograder.commands.student.check_report import wrapped
from autograder.course.homework import Homework
from autograder.errors import KitError
from autograder.files import HANDOUTS
from autograder.language import gettext as _

WIDTH = 100  # columns, at most

_EXPLAINS = re.compile(r"<!-- explains: ([^>]*?)\s*-->\n*")
_FIGURE = re.compile(r"!\[([^\]]*)\]\([^)]*\)")


def hint(homework_name: str, name: str, step: int) -> int:
    """Print the first `step` hints for a check, or for the question that it is about ("Q5"). Returns 0.

    Raises KitError when there is no such homework, check or step.
    """
    homework = homeworks.load(homework_name)
    mark, title = _declared(homework, name)
    steps = [_(text) for text in (mark["hint"], mark["more"])]
    if not 1 <= step <= len(steps):
        raise KitError(
            _("there are {count} hints for {check}").format(count=len(steps), check=name),
            _("say one of: {names}").format(names=", ".join(map(str, range(1, len(steps) + 1)))),
        )
    console = _console()
    _print_title(console, homework, mark, title)
    for number, text in enumerate(steps[:step], 1):
        which = _("{number} of {count}").format(number=number, count=len(steps))
        console.print("\n" + wrapped(f"{which}  {text}", console.width, " " * (len(which) + 2)), soft_wrap=True)
    asked = f"{homework.name} {mark['identifier']}"
    if step < len(steps):
        then = _("more: {command}").format(command=f"autograder hint {asked} {step + 1}")
    else:
        then = _("what the handout says about it: {command}").format(command=f"autograder explain {asked}")
    console.print(f"\n{then}", style="dim")
    return 0


def explain(homework_name: str, name: str) -> int:
    """Print the part of the handout that a check is about. Returns 0.

    Raises KitError when there is no such homework or check, and where the handout says nothing about it.
    """
    homework = homeworks.load(homework_name)
    mark, title = _declared(homework, name)
    text = part(homework, mark["identifier"])
    console = _console()
    _print_title(console, homework, mark, title)
    console.print()
    console.print(Markdown(text) if console.is_terminal else text.strip(), soft_wrap=not console.is_terminal)
    return 0


def part(homework: Homework, check: str) -> str:
    """What the handout says about a check: from a heading to the next one, in Markdown. Raises KitError."""
    path = HANDOUTS / homework.name / "README.md"
    try:
        handout = path.read_text(encoding="utf-8")
    except OSError as error:
        raise KitError(
            f"{path}: no handout of {homework.name} ({error.strerror})", "make it: autograder release"
        ) from error
    for text in re.split(r"^(?=#+ )", handout, flags=re.MULTILINE):
        named = _EXPLAINS.search(text)
        if named is not None and check in named[1].split():
            plain = _EXPLAINS.sub("", text)
            return _FIGURE.sub(lambda figure: f"*Figure in the handout: {figure[1]}*", plain)
    raise KitError(f"the handout of {homework.name} has no part about {check}", "`autograder hint` says where to look")


def declared(homework: Homework) -> dict[str, tuple[dict[str, Any], str]]:
    """Check id -> the arguments of its decorator `wording.check`, and its title; for each check of a homework."""
    found = {}
    for module in homework.checks:
        for test in vars(importlib.import_module(f"autograder.checks.{module}")).values():
            for mark in getattr(test, "pytestmark", ()):
                if mark.name == "check":
                    found[mark.kwargs["identifier"]] = (mark.kwargs, _(test.__doc__).format(homework=homework))
    return found


def _declared(homework: Homework, name: str) -> tuple[dict[str, Any], str]:
    checks = declared(homework)
    by_question = {question.name.lower(): question.check for question in homework.questions}
    identifier = by_question.get(name.lower(), name)
    if identifier not in checks:
        raise KitError(
            _("{homework} has no check called {name!r}").format(homework=homework.name, name=name),
            _("there are: {names}").format(names=", ".join(checks)),
        )
    return checks[identifier]


def _print_title(console: Console, homework: Homework, mark: dict[str, Any], title: str) -> None:
    question = homework.question_of(mark["identifier"])
    text = f"{homework.name} · {f'{question} ' if question else ''}{title} ({mark['identifier']})"
    console.print(wrapped(text, console.width, "  "), style="bold", soft_wrap=True)


def _console() -> Console:
    console = Console(highlight=False, markup=False, emoji=False)
    console.width = min(console.width, WIDTH)
    return console
