"""Whose files are whose: what learning management systems make of file names, and plain folders.

Called by intake, with the folder or archive that an instructor downloaded. Which system made it is recognised by the
names in it. Only reads names, receipts and metadata; decides nothing about what counts.

Where an id or a time stands in a name differs by system: see the function of each. Times without a zone are the
course's.
"""

import copy
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from autograder.errors import printable
from autograder.intake.file_tree import Folder, Node, OnDisk, local
from autograder.intake.submission import SUFFIXES, UnreadableError

LARGEST_RECEIPT = 2**20  # bytes; students' comments are in it
LARGEST_METADATA = 2**26  # bytes, for all submissions


@dataclass(frozen=True)
class Attempt:
    """What somebody uploaded at one time.

    Attributes:
        files: a folder of them, or the only one.
        submitted_at: with its offset; None where the system doesn't say, and the file's own time is all there is.
        late: what the system says itself; None where it doesn't.
    """

    files: Node
    submitted_at: datetime | None = None
    late: bool | None = None


@dataclass
class Student:
    """Somebody and their attempts. `clash`: things of one name, of which nobody can tell which is theirs."""

    id: str
    name: str = ""
    attempts: list[Attempt] = field(default_factory=list)
    clash: tuple[Node, ...] = ()


@dataclass(frozen=True)
class Found:
    """A class: which system its files came from, its students, and the names of files that are nobody's."""

    lms: str
    students: list[Student]
    left_out: list[str]


def recognise(nodes: list[Node], zone: tzinfo | None, lms: str | None = None) -> Found:
    """Everybody in a class, `nodes` being what lies in its folder; `lms`, one of `NAMES`, overrides.

    Raises UnreadableError where a system's metadata can't be read.
    """
    if lms is not None:
        return _READERS[lms](nodes, zone) or Found(lms, [], [printable(node.name) for node in nodes])
    return next(found for read in _READERS.values() if (found := read(nodes, zone)))  # the last one takes anything


# --- Blackboard ------------------------------------------------------------------------------------------------------

_BLACKBOARD = re.compile(
    r"(?P<head>.+?)_attempt_(?P<time>\d{4}(?:-\d\d){5})(?:_(?P<file>.+)|(?P<receipt>\.txt))", re.DOTALL
)
_RECEIPT_NAME = re.compile(r"[^:\n]{1,40}:\s*(?P<name>.*?)\s*\((?P<id>[^()\n]+)\)\s*$", re.MULTILINE)


def _blackboard(nodes: list[Node], zone: tzinfo | None) -> Found | None:
    """`hw1_2016320187_attempt_2024-05-15-10-11-12_hw1.py`, and beside each attempt a receipt `..._10-11-12.txt`.

    The homework's title and the id may both have underscores: the receipt's first line, `Name: ... (id)`, says which
    is the id; without one, what all names begin with is the title.
    """
    matched, others = _matching(nodes, _BLACKBOARD)
    if not matched:
        return None
    receipts = {
        (match["head"], match["time"]): found
        for node, match in matched
        if match["receipt"] and (found := _receipt(node))
    }
    title = _title([match["head"] for _, match in matched], "_")
    students: dict[str, Student] = {}
    attempts: dict[tuple[str, datetime], list[Node]] = {}
    for node, match in matched:
        id_, name = receipts.get((match["head"], match["time"]), ("", ""))
        if not id_ or not match["head"].endswith(f"_{id_}"):
            id_ = match["head"].removeprefix(title)
        if (moment := _moment(match["time"], zone)) is None:
            others.append(printable(node.name))
            continue
        student = students.setdefault(id_, Student(id_))
        student.name = student.name or name
        files = attempts.setdefault((id_, moment), [])
        if match["file"]:
            files.append(_called(node, match["file"]))
    for (id_, moment), files in attempts.items():
        students[id_].attempts.append(Attempt(Folder(id_, files), moment))
    return Found("blackboard", list(students.values()), others)


def blackboard_name(name: str, zone: tzinfo | None) -> tuple[str, datetime, str] | None:
    """(id, time in UTC, the file's own name) of one name alone; None where it is no upload of Blackboard's.

    The id is what stands after the last underscore: a single name doesn't tell more.
    """
    match = _BLACKBOARD.fullmatch(name)
    if match is None or not match["file"] or (moment := _moment(match["time"], zone)) is None:
        return None
    return match["head"].rpartition("_")[2], moment.astimezone(UTC), match["file"]


def _moment(text: str, zone: tzinfo | None) -> datetime | None:
    try:
        return local(datetime.strptime(text, "%Y-%m-%d-%H-%M-%S"), zone)
    except ValueError:  # the 31st of February
        return None


def _receipt(node: Node) -> tuple[str, str] | None:
    """(id, name) that a receipt begins with."""
    try:
        text = node.content(LARGEST_RECEIPT).decode("utf-8-sig", "replace")
    except UnreadableError:
        return None
    first = text.lstrip().split("\n", 1)[0]
    found = _RECEIPT_NAME.match(first)
    return None if found is None else (found["id"].strip(), found["name"])


# --- Canvas ----------------------------------------------------------------------------------------------------------

_CANVAS = re.compile(r"(?P<name>[^_]+)_(?P<late>LATE_)?(?P<id>\d+|id)_(?P<upload>\d+)_(?P<file>.+)", re.DOTALL)
_CANVAS_AGAIN = re.compile(r"-\d{1,3}(?=\.\w+$)")


def _canvas(nodes: list[Node], zone: tzinfo | None) -> Found | None:
    """`carvalhoines_12345_67890_hw1.py`: name, id, number of the upload. `_LATE_` may follow the name, `-2` the file's.

    It gives no times: who is late is what Canvas says.
    """
    matched, others = _matching(nodes, _CANVAS)
    if not matched:
        return None
    students: dict[str, Student] = {}
    uploads: dict[str, list[tuple[Node, bool]]] = {}
    for node, match in matched:
        id_ = match["name"] if match["id"] == "id" else match["id"]
        students.setdefault(id_, Student(id_, match["name"]))
        file = _called(node, _CANVAS_AGAIN.sub("", match["file"]))
        uploads.setdefault(id_, []).append((file, match["late"] is not None))
    for id_, given in uploads.items():
        late = any(marked for _, marked in given)
        students[id_].attempts.append(Attempt(Folder(id_, [file for file, _ in given]), None, late))
    return Found("canvas", list(students.values()), others)


# --- Moodle ----------------------------------------------------------------------------------------------------------

_MOODLE = re.compile(r"(?P<name>.+)_(?P<id>\d+)_assignsubmission_(?P<kind>file|onlinetext)_?(?P<file>.*)", re.DOTALL)


def _moodle(nodes: list[Node], zone: tzinfo | None) -> Found | None:
    """`Ines Carvalho_123_assignsubmission_file_/hw1.py`, or the same without folders. The number is the participant's.

    When a file came is the time that the archive gives it.
    """
    matched, others = _matching(nodes, _MOODLE)
    if not matched:
        return None
    students: dict[str, Student] = {}
    files: dict[str, list[Node]] = {}
    for node, match in matched:
        students.setdefault(match["id"], Student(match["id"], match["name"]))
        given = files.setdefault(match["id"], [])
        if match["kind"] == "file":
            given += node.children() if node.kind == "folder" else [_called(node, match["file"] or node.name)]
    for id_, given in files.items():
        students[id_].attempts.append(Attempt(Folder(id_, given)))
    return Found("moodle", list(students.values()), others)


# --- Gradescope ------------------------------------------------------------------------------------------------------


def _gradescope(nodes: list[Node], zone: tzinfo | None) -> Found | None:
    """`submission_123/hw1.py`, and `submission_metadata.yml` with the submitters and the time of each."""
    children = {node.name: node for node in nodes}
    if "submission_metadata.yml" not in children:
        return None
    import yaml

    content = children["submission_metadata.yml"].content(LARGEST_METADATA)
    try:
        metadata = yaml.load(content, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise UnreadableError("BAD_ARCHIVE", "submission_metadata.yml: isn't YAML") from error
    students: dict[str, Student] = {}
    known = {"submission_metadata.yml"}
    for key, about in metadata.items() if isinstance(metadata, dict) else ():
        node = children.get(str(key))
        submitters = about.get(":submitters") if isinstance(about, dict) else None
        if node is None or not isinstance(submitters, list):
            continue
        known.add(node.name)
        created = about.get(":created_at")
        moment = (created if created.tzinfo else created.replace(tzinfo=UTC)) if isinstance(created, datetime) else None
        for one in submitters:
            fields: dict[Any, Any] = one if isinstance(one, dict) else {}
            id_ = next((str(fields[name]) for name in (":sid", ":email", ":name") if fields.get(name)), str(key))
            student = students.setdefault(id_, Student(id_, str(fields.get(":name") or "")))
            student.attempts.append(Attempt(node, moment))
    return Found("gradescope", list(students.values()), [printable(name) for name in children if name not in known])


# --- GitHub Classroom ------------------------------------------------------------------------------------------------


def _github(nodes: list[Node], zone: tzinfo | None) -> Found | None:
    """Clones, `hw1-inescarvalho/`: what all names begin with, to a dash, is the assignment.

    Files have the clone's time and commits whatever time they were given, so nobody is taken for late.
    """
    folders = [node for node in nodes if node.kind == "folder"]
    if not folders or not all(isinstance(node, OnDisk) and (node.path / ".git").is_dir() for node in folders):
        return None
    title = _title([node.name for node in folders], "-")
    students = [Student(node.name.removeprefix(title), "", [Attempt(node, None, late=False)]) for node in folders]
    return Found("github", students, [printable(node.name) for node in nodes if node.kind != "folder"])


# --- nbgrader --------------------------------------------------------------------------------------------------------


def _nbgrader(nodes: list[Node], zone: tzinfo | None) -> Found | None:
    """The tree `submitted/`: `<student>/<assignment>/hw1.ipynb`, and beside it `timestamp.txt`."""
    students, others = [], []
    for node in nodes:
        timed = ((one, moment) for one in _folders(node) if (moment := _timestamp(one)))
        inner, moment = next(timed, (None, None))
        if inner is not None:
            files = Folder(inner.name, [one for one in inner.children() if one.name != "timestamp.txt"])
            students.append(Student(node.name, "", [Attempt(files, moment)]))
        elif node.kind == "folder":
            return None
        else:
            others.append(printable(node.name))
    return Found("nbgrader", students, others) if students else None


def _folders(node: Node) -> list[Node]:
    try:
        return [one for one in node.children() if one.kind == "folder"] if node.kind == "folder" else []
    except OSError:
        return []


def _timestamp(folder: Node) -> datetime | None:
    """The moment in `timestamp.txt`: `2024-05-15 10:11:12.5 Asia/Seoul`, UTC unless it says otherwise."""
    try:
        file = next((one for one in folder.children() if one.name == "timestamp.txt"), None)
        text = "" if file is None else file.content(1000).decode("utf-8", "replace").strip()
    except (OSError, UnreadableError):
        return None
    found = re.fullmatch(r"(\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(?:\.\d{1,6})?)\s*(\S*)", text)
    if found is None:
        return None
    try:
        moment = datetime.fromisoformat(found[1])
        if not found[2] or found[2] in ("UTC", "Z"):
            return moment.replace(tzinfo=UTC)
        if found[2][0] in "+-":
            return datetime.fromisoformat(found[1] + found[2])
        return local(moment, ZoneInfo(found[2]))
    except (ValueError, ZoneInfoNotFoundError, OSError):
        return None


# --- a plain folder --------------------------------------------------------------------------------------------------


def _plain(nodes: list[Node], zone: tzinfo | None) -> Found:
    """`s0117-ines-carvalho/hw1.py` or `s0117.ipynb`: the folder's name, or the file's without its ending."""
    students: dict[str, list[Node]] = {}
    left_out = []
    for node in nodes:
        if node.kind == "file" and node.suffix not in SUFFIXES:
            left_out.append(printable(node.name))
        else:
            students.setdefault(
                node.stem if node.kind != "folder" and node.suffix in SUFFIXES else node.name, []
            ).append(node)
    found = [
        Student(id_, "", [Attempt(own[0])]) if len(own) == 1 else Student(id_, "", [], tuple(own))
        for id_, own in students.items()
    ]
    return Found("folder", found, left_out)


_READERS: dict[str, Callable[[list[Node], tzinfo | None], Found | None]] = {
    "blackboard": _blackboard,
    "gradescope": _gradescope,
    "moodle": _moodle,
    "canvas": _canvas,
    "github": _github,
    "nbgrader": _nbgrader,
    "folder": _plain,
}

NAMES = tuple(_READERS)


def _title(names: list[str], between: str) -> str:
    """The words that all names begin with, but for their last one."""
    words = [name.split(between) for name in names]
    shared = 0
    while all(len(each) > shared + 1 and each[shared] == words[0][shared] for each in words):
        shared += 1
    return "".join(word + between for word in words[0][:shared])


def _called(node: Node, name: str) -> Node:
    """The same file under another name, which its uploader gave it."""
    other = copy.copy(node)
    other.name = name
    return other


def _matching(nodes: list[Node], pattern: re.Pattern[str]) -> tuple[list[tuple[Node, re.Match[str]]], list[str]]:
    """What of `nodes` is named by a system's pattern, with the match, and the names of the rest.

    Nothing, where a folder or a hand-in isn't named so: a student chooses a part of a name, and might fool us with it.
    """
    matched: list[tuple[Node, re.Match[str]]] = []
    others = []
    for node in nodes:
        if match := pattern.fullmatch(node.name):
            matched.append((node, match))
        elif node.kind != "file" or node.suffix in (*SUFFIXES, ".zip"):
            return [], []
        else:
            others.append(printable(node.name))
    return matched, others


def shown_id(id_: str) -> str:
    """A student's id as a folder's name: the same, unless it isn't UTF-8, can't be shown, or would lead elsewhere."""
    text = id_.encode("utf-8", "backslashreplace").decode()  # a name in bytes that aren't UTF-8
    escaped = "".join(char if char.isprintable() and char != "/" else f"\\x{ord(char):02x}" for char in text)
    return f"({escaped})" if escaped in ("", ".", "..") else escaped
