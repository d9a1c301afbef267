"""What a system's module finds in a download: students and their attempts, and what is nobody's.

Called by the modules beside it and by intake. Only reads names.
"""

import copy
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, tzinfo

from autograder.course.homework import Homework
from autograder.errors import printable
from autograder.intake import names
from autograder.intake.file_tree import Node
from autograder.intake.submission import SUFFIXES

DOCUMENTS = (".doc", ".docx", ".hwp", ".hwpx", ".odt", ".pages", ".pdf", ".ppt", ".pptx", ".rtf")
PICTURES = (".bmp", ".gif", ".heic", ".jpeg", ".jpg", ".png", ".svg", ".webp")
PAGES = (".htm", ".html")
_LITTER = (
    *(".bak", ".cfg", ".csv", ".db", ".ini", ".json", ".lnk", ".log", ".md", ".rst", ".sh", ".sqlite", ".tmp", ".toml"),
    *(".tsv", ".txt", ".url", ".webloc", ".xls", ".xlsx", ".yaml", ".yml"),
)
_LITTER_NAMES = re.compile(r"(?:readme|license|makefile|dockerfile|thumbs\.db|desktop\.ini)(?:\..*)?", re.IGNORECASE)
_SCRIPT_WITH_MORE = re.compile(r"\.(?:py|ipynb)(?:\s?\(\d+\))?(?:\.\w{1,5})+", re.IGNORECASE)


@dataclass(frozen=True)
class Context:
    """What readers are told: the zone of times that don't say theirs, the homework, and what a roster has.

    `knows`: whether the roster has this id; `means`: whether a name that a person has chosen means somebody on it.
    """

    zone: tzinfo | None
    homework: Homework
    knows: Callable[[str], bool] = lambda _: False
    means: Callable[[str], bool] = lambda _: False


@dataclass(frozen=True)
class Attempt:
    """What somebody uploaded at one time.

    Attributes:
        files: a folder of them, or the only one.
        submitted_at: with its offset; None where the system doesn't say, and the file's own time is all there is.
        late: what the system says itself; None where it doesn't.
        notes: what is to be known of it.
    """

    files: Node
    submitted_at: datetime | None = None
    late: bool | None = None
    notes: tuple[str, ...] = ()


@dataclass
class Student:
    """Somebody and their attempts, or a team and its.

    Attributes:
        aliases: other ids that the system gives: an address, a username, a name that only people use.
        by_people: a person has chosen the id, as a folder's name, so that a roster's id may stand inside it.
        trouble: why only a person can say what is theirs, a sentence; "" where that is clear.
        team: whether the hand-in is a team's: then the id is no single student's.
        placed: whether the system made the file's name; else a person put the file there.
    """

    id: str
    name: str = ""
    attempts: list[Attempt] = field(default_factory=list)
    aliases: tuple[str, ...] = ()
    by_people: bool = False
    trouble: str = ""
    team: bool = False
    placed: bool = True


@dataclass(frozen=True)
class Found:
    """A class: which system its files came from, its students, and the names of files that are nobody's.

    Attributes:
        strays: files that somebody may have handed in, whose names aren't such as the system makes.
        fits: how many of how many names are the system's.
    """

    lms: str
    students: list[Student]
    left_out: list[str]
    strays: list[Node] = field(default_factory=list)
    fits: tuple[int, int] = (0, 0)


def is_script_with_more(name: str) -> bool:
    """Whether a name is like `hw1.py.txt`, which a browser or a mail program makes of `hw1.py`."""
    return _SCRIPT_WITH_MORE.search(name) is not None


def may_be_handed_in(node: Node, among: str = "") -> bool:
    """Whether somebody may have handed it in. `among`: the names of a system, where pages and pictures are its own."""
    if node.kind != "file" or node.is_archive or node.suffix in (*SUFFIXES, *DOCUMENTS):
        return True
    if is_script_with_more(node.name):
        return True
    if _LITTER_NAMES.fullmatch(node.name) or node.suffix in _LITTER:
        return False
    return not (among and node.suffix in (*PAGES, *PICTURES))


def parted(nodes: list[Node], lms: str) -> tuple[list[Node], list[str]]:
    """Of what isn't named by the system: what somebody may have handed in, and the names of the rest."""
    strays = [node for node in nodes if may_be_handed_in(node, lms)]
    return strays, [printable(node.name) for node in nodes if not may_be_handed_in(node, lms)]


def called(node: Node, name: str) -> Node:
    """The same file under another name, which its uploader gave it."""
    other = copy.copy(node)
    other.name = name
    return other


def title(heads: list[str], between: str) -> str:
    """The words that all names begin with, but for their last one."""
    split = [head.split(between) for head in heads]
    shared = 0
    while split and all(len(each) > shared + 1 and each[shared] == split[0][shared] for each in split):
        shared += 1
    return "".join(word + between for word in split[0][:shared]) if split else ""


def is_called_after(name: str, homework: Homework) -> bool:
    """Whether a folder has the homework's name: "hw1", "HW 1", "HW01"."""
    named, *ours = (names.without_zeros(names.compact(one)) for one in (name, homework.name, homework.stem))
    return named in ours
