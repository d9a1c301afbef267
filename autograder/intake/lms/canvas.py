"""Canvas's "Download Submissions": `carvalhoines_12345_67890_hw1.py`.

Name, the user's number, the upload's number, the file. `LATE_` may stand before the number, `-2` ends the name of a
file that came again; a name keeps its underscores, and a group's may end in a number. Where graders don't see names it
is `anon_aB3dE_67890_hw1.py`. What was typed has no number of an upload: `carvalhoines_12345_text.html`. There are no
times: who is late is what Canvas says (lib/content_zipper.rb).
"""

import math
import re
import statistics
from dataclasses import dataclass

from autograder.errors import printable
from autograder.intake.file_tree import Folder, Node
from autograder.intake.lms.found import Attempt, Context, Found, Student, called, parted
from autograder.language import gettext as _

# A name may hold several such places; a lookahead finds them all.
_NUMBERS = re.compile(r"(?=_(?P<late>LATE_)?(?P<id>\d+|id)_(?P<upload>\d+)_(?P<file>.+))", re.DOTALL)
_ANONYMOUS = re.compile(
    r"(?P<early>LATE_)?anon_(?P<late>LATE_)?(?P<id>[0-9A-Za-z]{5,6})_(?P<after>LATE_)?(?:(?P<upload>\d+)_(?P<file>.+)|(?P<typed>.+))",
    re.DOTALL,
)
_TYPED = re.compile(r"(?P<name>.+)_(?P<late>LATE_)?(?P<id>\d+)_(?P<file>(?:text|link|url|media)\.\w+)", re.DOTALL)
_TYPED_FILE = re.compile(r"(?:text|link|url|media)\.\w+")
_AGAIN = re.compile(r"-\d{1,3}(?=\.\w+$)")


@dataclass(frozen=True)
class _Parse:
    """One way to read a name. `upload` is "" for what was typed; `start`: where the file's own name begins."""

    name: str
    late: bool
    id: str
    upload: str
    file: str
    start: int

    @property
    def shape(self) -> tuple[int, int]:
        """How many digits the numbers have."""
        return (len(self.id), len(self.upload))


def file_part(node: Node, context: Context) -> int | None:
    """Where the student's part of a name begins; None where it is no name of Canvas's."""
    return None if node.kind == "folder" else min((one.start for one in _parses(node.name)), default=None)


def is_certain(node: Node) -> bool:
    """Whether nothing but Canvas makes such a name."""
    return bool(_ANONYMOUS.fullmatch(node.name)) or any(one.late for one in _parses(node.name))


def read(nodes: list[Node], context: Context) -> Found:
    """Everybody; an attempt each, without a time."""
    parses = {at: found for at, node in enumerate(nodes) if node.kind != "folder" and (found := _parses(node.name))}
    usual = _Usual(list(parses.values()))
    students: dict[str, Student] = {}
    uploads: dict[str, list[tuple[Node, bool]]] = {}
    others: list[Node] = []
    undecided: list[Node] = []
    fits = 0
    for at, node in enumerate(nodes):
        parse = usual.chosen(parses[at], context) if at in parses else None
        fits += at in parses
        if parse is None:
            (undecided if at in parses else others).append(node)
            continue
        id_ = parse.name if parse.id == "id" else parse.id
        students.setdefault(id_, Student(id_, parse.name))
        file = called(node, _AGAIN.sub("", parse.file))
        uploads.setdefault(id_, []).append((file, parse.late))
    for id_, given in uploads.items():
        late = any(marked for _, marked in given)
        students[id_].attempts.append(Attempt(Folder(id_, [file for file, _ in given]), None, late))
    unclear = [_unclear(node) for node in undecided]
    strays, left_out = parted(others, "canvas")
    return Found("canvas", [*students.values(), *unclear], left_out, strays, (fits, fits + len(strays)))


def _unclear(node: Node) -> Student:
    """Somebody whose number can't be told from that of a group, or of a file."""
    words = _("{file}: several of its numbers could be the student's").format(file=printable(node.name))
    return Student(node.stem, "", [Attempt(node)], trouble=words, placed=False)


def _parses(name: str) -> list[_Parse]:
    """Every way to read a name, the leftmost first; [] where there is none."""
    if found := _ANONYMOUS.fullmatch(name):
        file = found["file"] or found["typed"]
        if found["upload"] or _TYPED_FILE.fullmatch(file):
            late = bool(found["early"] or found["late"] or found["after"])
            return [_Parse("", late, found["id"], found["upload"] or "", file, len(name) - len(file))]
    parses = []
    for found in _NUMBERS.finditer(name):
        before = name[: found.start()]
        if before and not before.endswith("_LATE") and before != "LATE":
            late = found["late"] is not None
            parses.append(_Parse(before, late, found["id"], found["upload"], found["file"], found.start("file")))
    if not parses and (found := _TYPED.fullmatch(name)):
        parses.append(_Parse(found["name"], found["late"] is not None, found["id"], "", found["file"], found.start(4)))
    return parses


class _Usual:
    """How long the numbers of a class are, and how large: what tells a group's number from a user's."""

    def __init__(self, everybody: list[list[_Parse]]) -> None:
        certain = [found[0] for found in everybody if len(found) == 1 and found[0].upload and found[0].id.isdigit()]
        self.ids = [_size(one.id) for one in certain]
        self.uploads = [_size(one.upload) for one in certain]
        self.shapes: dict[tuple[int, int], int] = {}
        for found in everybody:
            for shape in {one.shape for one in found}:
                self.shapes[shape] = self.shapes.get(shape, 0) + 1

    def chosen(self, parses: list[_Parse], context: Context) -> _Parse | None:
        """The right one of several; None where there is no telling."""
        if len(parses) == 1:
            return parses[0]
        if len(known := [one for one in parses if context.knows(one.id)]) == 1:
            return known[0]
        if self.ids:
            return min(parses, key=self._distance)
        counts = sorted((self.shapes[one.shape] for one in parses), reverse=True)
        return max(parses, key=lambda one: self.shapes[one.shape]) if counts[0] > counts[1] else None

    def _distance(self, one: _Parse) -> float:
        if not one.id.isdigit():
            return math.inf
        return abs(_size(one.id) - statistics.median(self.ids)) + abs(
            _size(one.upload) - statistics.median(self.uploads)
        )


def _size(number: str) -> float:
    return math.log10(int(number[:18]) + 1) + max(0, len(number) - 18)
