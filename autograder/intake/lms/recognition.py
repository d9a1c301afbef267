"""Which system a download is from: what most names in it say.

Called by intake. One odd name never changes what is believed of the others, since students choose a part of each name,
and instructors put files beside them: whatever doesn't fit is left out by name, or put before a person.
"""

from collections.abc import Callable
from dataclasses import dataclass

from autograder.errors import printable
from autograder.intake.file_tree import Node
from autograder.intake.lms import blackboard, canvas, folder, github, gradescope, moodle, nbgrader
from autograder.intake.lms.found import Context, Found, may_be_handed_in
from autograder.language import gettext as _


@dataclass(frozen=True)
class System:
    """A system's title, where in a name the student's own part begins, and its reader.

    Attributes:
        file_part: the place; None for a name that isn't the system's.
        least: the share of names that have to be the system's.
    """

    title: str
    file_part: Callable[[Node, Context], int | None]
    read: Callable[[list[Node], Context], Found]
    least: float = 0.5


SYSTEMS = {
    "blackboard": System("Blackboard", blackboard.file_part, blackboard.read, 0.25),  # nobody else makes such names
    "moodle": System("Moodle", moodle.file_part, moodle.read, 0.25),
    "gradescope": System("Gradescope", gradescope.file_part, gradescope.read, 0.25),
    "canvas": System("Canvas", canvas.file_part, canvas.read),
    "github": System("GitHub Classroom", github.file_part, github.read),
    "nbgrader": System("nbgrader", nbgrader.file_part, nbgrader.read),
    "folder": System("a folder of students", folder.file_part, folder.read, 0.0),
}
"""Whatever can be recognised, the likeliest first where two fit equally."""

NAMES = tuple(SYSTEMS)


@dataclass(frozen=True)
class Recognised:
    """A class, and in a sentence how far its names are the system's; "" where all are."""

    found: Found
    about: str = ""


def recognise(nodes: list[Node], context: Context, told: str | None = None) -> Recognised:
    """Everybody in a class, `nodes` being what lies in its folder; `told`, one of `NAMES`, overrides.

    Raises UnreadableError where a system's metadata can't be read.
    """
    votes = _votes(nodes, context)
    chosen = told or _chosen(nodes, votes)
    found = SYSTEMS[chosen].read(nodes, context)
    fits, names = found.fits
    if chosen != "folder":
        return Recognised(found, _about(chosen, fits, names) if fits < names else "")
    nearly = max(votes, key=lambda name: len(votes[name]), default="folder")
    if not votes.get(nearly):
        return Recognised(found)
    if told is None and (SYSTEMS[nearly].least < 0.5 or nearly == "canvas"):
        _put_before_a_person(found, nearly, votes[nearly], nodes)
    return Recognised(found, _about(nearly, len(votes[nearly]), names))


def looks_like(nodes: list[Node], context: Context) -> str:
    """The system that these names are of, "folder" for none."""
    return _chosen(nodes, _votes(nodes, context))


def _votes(nodes: list[Node], context: Context) -> dict[str, list[int]]:
    """System -> which of `nodes` it has named. Of two systems the one whose part of the name ends first has it."""
    votes: dict[str, list[int]] = {name: [] for name in NAMES if name != "folder"}
    for at, node in enumerate(nodes):
        parts = {name: part for name in votes if (part := SYSTEMS[name].file_part(node, context)) is not None}
        if parts:
            votes[min(parts, key=lambda name: parts[name])].append(at)
    if not any(nbgrader.is_certain(nodes[at]) for at in votes["nbgrader"]):
        votes["nbgrader"] = []
    if any(node.name == gradescope.METADATA for node in nodes):
        votes["gradescope"] = list(range(len(nodes)))  # nothing but Gradescope writes such a file
    return votes


def _chosen(nodes: list[Node], votes: dict[str, list[int]]) -> str:
    best = max(votes, key=lambda name: len(votes[name]))
    fits = set(votes[best])
    names = sum(at in fits or may_be_handed_in(node, best) for at, node in enumerate(nodes))
    return best if fits and len(fits) >= SYSTEMS[best].least * names else "folder"


def _put_before_a_person(found: Found, system: str, fits: list[int], nodes: list[Node]) -> None:
    """In a plain folder, what is named as a system names it: neither id nor time would be what they seem."""
    named = {nodes[at].name for at in fits}
    if system == "canvas":
        named = {nodes[at].name for at in fits if canvas.is_certain(nodes[at])}
    for student in found.students:
        if name := next((one.files.name for one in student.attempts if one.files.name in named), ""):
            words = _("{file}: is named as {system} does it, and the others here aren't")
            student.trouble = words.format(file=printable(name), system=SYSTEMS[system].title)


def _about(system: str, fits: int, names: int) -> str:
    return f"{fits} of {names} names are {SYSTEMS[system].title}'s"
