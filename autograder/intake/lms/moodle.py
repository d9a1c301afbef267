"""Moodle's "Download all submissions": `Ines Carvalho_123_assignsubmission_file/hw1.py`, or the same without folders.

The number is the participant's in this assignment, or, where teams hand in, the team's; the default team has none. Each
plugin has a folder of its own. A username or an id number may stand before the name, which itself has no underscore:
Moodle writes spaces (mod/assign/classes/downloader.php). When a file came is the time that the archive gives it.
"""

import re
from collections import Counter

from autograder.intake import names
from autograder.intake.file_tree import Folder, Node
from autograder.intake.lms.found import Attempt, Context, Found, Student, called, parted
from autograder.language import gettext as _

_NAME = re.compile(
    r"(?P<head>.+?)_assign(?P<whose>submission|feedback)_(?P<kind>[a-z0-9]+)_?(?P<file>.*)", re.DOTALL | re.IGNORECASE
)
_HEAD = re.compile(r"(?P<name>.+)_(?P<id>\d+)", re.DOTALL)


def file_part(node: Node, context: Context) -> int | None:
    """Where the student's part of a name begins; None where it is no name of Moodle's."""
    match = _NAME.fullmatch(node.name)
    return None if match is None else match.start("file")


def read(nodes: list[Node], context: Context) -> Found:
    """Every student; or every team, where a name without a number shows that teams hand in."""
    matched = [(node, match) for node in nodes if (match := _NAME.fullmatch(node.name))]
    others = [node for node in nodes if not _NAME.fullmatch(node.name)]
    given: dict[str, list[Node]] = {}
    commented = set()
    for node, match in matched:
        files = given.setdefault(match["head"], [])
        if match["kind"].lower() == "comments" or match["whose"].lower() == "feedback":
            commented.add(match["head"])
        elif node.kind == "folder":
            files += [_within(child, node) for child in _children(node)]
        else:
            files.append(called(node, match["file"] or node.name))
    found = {head: _student(head) for head in given}
    if any(student is None for student in found.values()):
        students = _teams(list(given))
    else:
        students = {head: student for head, student in found.items() if student is not None}
    for head, files in given.items():
        notes = (_("there is a comment too, in Moodle's own folder"),) if head in commented else ()
        students[head].attempts.append(Attempt(Folder(students[head].id, files), notes=notes))
    strays, left_out = parted(others, "moodle")
    return Found(
        "moodle", _merged(list(students.values())), left_out, strays, (len(matched), len(matched) + len(strays))
    )


def as_team(student: Student) -> Student:
    """The same hand-in, whose number has turned out to be a team's."""
    return Student(student.name, student.name, student.attempts, (f"{student.name}_{student.id}",), team=True)


def _student(head: str) -> Student | None:
    """Whose a head is; None where it has no number."""
    if number := names.participant(head):
        return Student(number)
    match = _HEAD.fullmatch(head)
    if match is None:
        return None
    *before, name = match["name"].split("_")
    # "Participant_123" where names are hidden.
    hidden = names.participant(f"{name} {match['id']}") is not None
    return Student(match["id"], "" if hidden else name, aliases=tuple(before))


def _teams(heads: list[str]) -> dict[str, Student]:
    parts = {head: match["name"] if (match := _HEAD.fullmatch(head)) else head for head in heads}
    often = Counter(names.key(name) for name in parts.values())
    teams = {}
    for head, name in parts.items():
        id_ = name if often[names.key(name)] == 1 else head
        teams[head] = Student(id_, name, aliases=(head,), team=True)
    return teams


def _merged(students: list[Student]) -> list[Student]:
    """One for each number: a name may be written in two ways."""
    found: dict[str, Student] = {}
    for student in students:
        first = found.setdefault(student.id, student)
        if first is not student:
            nodes = [node for one in (first, student) for attempt in one.attempts for node in attempt.files.children()]
            first.attempts = [Attempt(Folder(first.id, nodes))]
    return list(found.values())


def _within(node: Node, folder: Node) -> Node:
    """The same file, known by the folder that it was downloaded in: only that says whose it is."""
    other = called(node, node.name)
    other.source = f"{folder.source}/{node.source}"
    return other


def _children(node: Node) -> list[Node]:
    try:
        return node.children()
    except OSError:
        return [node]
