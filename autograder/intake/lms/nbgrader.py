"""nbgrader's tree `submitted/`: `<student>/<assignment>/hw1.ipynb`, and beside it `timestamp.txt`.

The folder that is called after the homework counts, never another. Without a time that can be read the file's own
counts, and a note says so.
"""

import re
from collections import Counter
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo

from autograder.intake import names
from autograder.intake.file_tree import Folder, Node, local
from autograder.intake.lms.found import Attempt, Context, Found, Student, is_called_after, may_be_handed_in, parted
from autograder.intake.submission import SUFFIXES, UnreadableError
from autograder.language import gettext as _

SUBMITTED = "submitted"  # the tree's name in a course's folder (nbgrader's `submitted_directory`)
TIME = "timestamp.txt"

_TIME = re.compile(
    r"(?P<time>\d{4}-\d\d-\d\d[ T]\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?)\s*(?P<zone>\S*(?: ?[+-]\d\d:?\d\d)?)"
)
_HOURS = {"UTC": 0, "GMT": 0, "Z": 0, "KST": 9, "JST": 9, "CET": 1, "CEST": 2, "EET": 2, "EEST": 3, "MSK": 3}
_HOURS |= {"EST": -5, "EDT": -4, "CDT": -5, "MST": -7, "MDT": -6, "PST": -8, "PDT": -7, "AEST": 10, "AEDT": 11}
"""Names that mean one zone wherever they are used; "CST", "IST" and "BST" mean several."""


def file_part(node: Node, context: Context) -> int | None:
    """0 for a student's folder in such a tree; None for anything else."""
    inner = _folders(node)
    return 0 if any(one.holds(TIME) for one in inner) or (inner and _is_tree(node, context)) else None


def is_certain(node: Node) -> bool:
    """Whether nothing but nbgrader makes such a folder."""
    return any(one.holds(TIME) for one in _folders(node))


def read(nodes: list[Node], context: Context) -> Found:
    """Everybody. Folders of other homeworks aren't looked into."""
    mine: list[Node] = []
    others: list[Node] = []
    for node in nodes:
        (mine if node.kind == "folder" and (_folders(node) or not _children(node)) else others).append(node)
    seen = Counter(names.compact(inner.name) for node in mine for inner in _folders(node))
    students = [_student(node, seen, context) for node in mine]
    strays, left_out = parted(others, "nbgrader")
    return Found("nbgrader", students, left_out, strays, (len(mine), len(mine) + len(strays)))


def _student(node: Node, seen: Counter[str], context: Context) -> Student:
    inner = _folders(node)
    outside = [one for one in _children(node) if one.kind != "folder" and may_be_handed_in(one)]
    right = [one for one in inner if is_called_after(one.name, context.homework)]
    if not right:
        student = Student(node.name, "", [])
        odd = [one.name for one in inner if seen[names.compact(one.name)] < 2 and not one.holds(TIME)]
        nobody_has_it = not any(is_called_after(name, context.homework) for name in seen)
        if odd or outside or (inner and nobody_has_it):
            words = _("there is no folder {homework}, and there is {folders}")
            listed = ", ".join(one.name for one in (*inner, *outside))
            student.trouble = words.format(homework=context.homework.name, folders=listed)
            student.attempts.append(Attempt(node))
        return student
    attempts = []
    for one in right:
        text = _time_text(one)
        moment = None if text is None else moment_of(text, context.zone)
        words = _("{file} is missing: the file's own time counts") if text is None else ""
        if text is not None and moment is None:
            words = _("{file} can't be read: the file's own time counts")
        files = Folder(one.name, [child for child in _children(one) if child.name != TIME])
        attempts.append(Attempt(files, moment, notes=(words.format(file=TIME),) if words else ()))
    student = Student(node.name, "", attempts)
    if outside and not any(one.files.children() for one in attempts):
        words = _("the folder {folder} is empty, and beside it there is {files}")
        student.trouble = words.format(folder=right[0].name, files=", ".join(one.name for one in outside))
        student.attempts.append(Attempt(node))
    return student


def moment_of(text: str, zone: tzinfo | None) -> datetime | None:
    """The moment that `timestamp.txt` says: `2024-05-15 10:11:12.5 Asia/Seoul`, UTC unless it says otherwise.

    None where it says none, or one in a zone that nobody knows. `zone` is the course's.
    """
    found = _TIME.fullmatch(" ".join(text.split()))
    if found is None:
        return None
    try:
        moment = datetime.fromisoformat(found["time"][:26])
        said = found["zone"].replace(" ", "")
        said = re.sub(r"^(?:UTC|GMT)(?=[+-])", "", said)
        if not said:
            return moment.replace(tzinfo=UTC)
        if said[0] in "+-":
            return datetime.strptime(f"{moment.isoformat()} {said}", f"{_format(moment)} %z")
        here = local(moment, zone)
        if zone is not None and said == moment.replace(tzinfo=zone).tzname():
            return here
        if said in _HOURS:
            return moment.replace(tzinfo=timezone(timedelta(hours=_HOURS[said])))
        return local(moment, ZoneInfo(said))
    except (ValueError, KeyError, OSError):  # ZoneInfoNotFoundError is a KeyError
        return None


def _format(moment: datetime) -> str:
    return "%Y-%m-%dT%H:%M:%S.%f" if moment.microsecond else "%Y-%m-%dT%H:%M:%S"


def _time_text(folder: Node) -> str | None:
    """What the file says; None where there is none, or it can't be read."""
    file = next((one for one in _children(folder) if one.name == TIME), None)
    try:
        return None if file is None else file.content(1000).decode("utf-8-sig", "replace").strip()
    except (OSError, UnreadableError):
        return ""


def _is_tree(node: Node, context: Context) -> bool:
    """Whether a student's folder has one for the homework, and no script beside it."""
    children = _children(node)
    called = any(one.kind == "folder" and is_called_after(one.name, context.homework) for one in children)
    return called and not any(one.kind == "file" and one.suffix in SUFFIXES for one in children)


def _folders(node: Node) -> list[Node]:
    return [one for one in _children(node) if one.kind == "folder"]


def _children(node: Node) -> list[Node]:
    try:
        return node.children() if node.kind == "folder" else []
    except OSError:
        return []
