"""Blackboard's gradebook download, "Assignment File Download".

`hw1_2016320187_attempt_2024-05-15-10-11-12_hw1.py`, and beside each attempt a receipt `..._10-11-12.txt`. The
homework's title and the id may both have underscores: the receipt's first line, `Name: ... (id)`, says which is the id;
without one a roster does, or what all names begin with.
"""

import re
from datetime import UTC, datetime, tzinfo

from autograder.intake import names
from autograder.intake.file_tree import Folder, Node, local
from autograder.intake.lms.found import Attempt, Context, Found, Student, called, parted, title
from autograder.intake.submission import UnreadableError

LARGEST_RECEIPT = 2**20  # bytes; students' comments are in it

_NAME = re.compile(r"(?P<head>.+?)_attempt_(?P<time>\d{4}(?:-\d\d){5})(?:_(?P<file>.+)|(?P<receipt>\.txt))", re.DOTALL)
_RECEIPT = re.compile(r"[^:\n]{1,40}:\s*(?P<name>.*?)\s*\((?P<id>[^()\n]+)\)\s*$", re.MULTILINE)
_TYPED = re.compile(r"^Submission Field:[ \t]*\r?\n(?P<text>.*?)(?=^Comments:|^Files:|\Z)", re.MULTILINE | re.DOTALL)
_NOTHING_TYPED = "There is no student submission text data"


def file_part(node: Node, context: Context) -> int | None:
    """Where the student's part of a name begins; None where it is no name of Blackboard's."""
    match = _NAME.fullmatch(node.name)
    return None if match is None else match.end("time")


def read(nodes: list[Node], context: Context) -> Found:
    """Everybody. Each attempt has its own time, the course's local one."""
    matched, others = [], []
    for node in nodes:
        match = _NAME.fullmatch(node.name)
        moment = None if match is None else _moment(match["time"], context.zone)
        if match is None or moment is None:
            others.append(node)
        else:
            matched.append((node, match, moment))
    receipts = {(match["head"], moment): node for node, match, moment in matched if match["receipt"]}
    said = {at: found for at, node in receipts.items() if (found := _of_receipt(node))}
    ids = _ids({match["head"] for _, match, _ in matched}, {head: id_ for (head, _), (id_, _) in said.items()}, context)
    students: dict[str, Student] = {}
    attempts: dict[tuple[str, datetime], list[Node]] = {}
    typed: dict[tuple[str, datetime], Node] = {}
    for node, match, moment in matched:
        head = match["head"]
        id_ = ids[head]
        student = students.setdefault(id_, Student(id_))
        student.name = student.name or said.get((head, moment), ("", ""))[1]
        files = attempts.setdefault((id_, moment), [])
        if match["file"]:
            files.append(called(node, match["file"]))
        elif _is_typed(node):
            typed[id_, moment] = called(node, "text.txt")
    for (id_, moment), files in attempts.items():
        if not files and (id_, moment) in typed:
            files.append(typed[id_, moment])
        students[id_].attempts.append(Attempt(Folder(id_, files), moment))
    strays, left_out = parted(others, "blackboard")
    return Found("blackboard", list(students.values()), left_out, strays, (len(matched), len(matched) + len(strays)))


def upload_name(name: str, zone: tzinfo | None) -> tuple[str, datetime, str] | None:
    """(id, time in UTC, the file's own name) of one name alone; None where it is no upload of Blackboard's.

    The id is what stands after the last underscore: a single name doesn't tell more.
    """
    match = _NAME.fullmatch(name)
    if match is None or not match["file"] or (moment := _moment(match["time"], zone)) is None:
        return None
    return match["head"].rpartition("_")[2], moment.astimezone(UTC), match["file"]


def _ids(heads: set[str], receipts: dict[str, str], context: Context) -> dict[str, str]:
    """The id in each head, `<title>_<id>`."""
    said = {head: id_ for head, id_ in receipts.items() if head.endswith(f"_{id_}") or head == id_}
    titles = {head[: -len(id_)] for head, id_ in said.items()}
    silent = sorted(heads - set(said))
    for head in silent:
        parts = head.split("_")
        ends = ["_".join(parts[at:]) for at in range(len(parts))]
        if known := next((end for end in ends if context.knows(end)), None):
            said[head] = known
        elif begins := [one for one in titles if one and head.startswith(one) and head != one]:
            said[head] = head[len(max(begins, key=len)) :]
    shared = title(sorted(heads), "_")
    return {head: said.get(head) or head.removeprefix(shared) for head in heads}


def _moment(text: str, zone: tzinfo | None) -> datetime | None:
    try:
        return local(datetime.strptime(text, "%Y-%m-%d-%H-%M-%S"), zone)
    except ValueError:  # the 31st of February
        return None


def _of_receipt(node: Node) -> tuple[str, str] | None:
    """(id, name) that a receipt begins with."""
    found = _RECEIPT.match(_text(node).lstrip().split("\n", 1)[0])
    return None if found is None else (found["id"].strip(), found["name"])


def _is_typed(receipt: Node) -> bool:
    """Whether a text was typed in the place of a file, or may have been: in another language than English."""
    text = _text(receipt)
    found = _TYPED.search(text)
    if found is not None:
        return bool(names.key(found["text"])) and not found["text"].strip().startswith(_NOTHING_TYPED)
    return text.count("\n\n") > 1


def _text(node: Node) -> str:
    try:
        return node.content(LARGEST_RECEIPT).decode("utf-8-sig", "replace").replace("\r\n", "\n")
    except (UnreadableError, OSError):
        return ""
