"""Which file of an attempt counts: the one that is called after the homework, else the only script.

Called by intake, with all that came at one time. Looks into folders and zip files as far as it needs, and only reads.
Where no rule says which file counts, or what was handed in has no script, a person decides. The outcome "NO_FILE" is
only for an attempt without any file.
"""

import ast
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import tzinfo

from autograder.course.homework import Homework
from autograder.errors import printable
from autograder.intake import names, submission
from autograder.intake.file_tree import Node
from autograder.intake.lms.found import is_script_with_more
from autograder.intake.submission import SUFFIXES, UnreadableError
from autograder.language import gettext as _

DEEPEST = 8  # levels of folders
MOST_FILES = 20_000  # of one attempt
MOST_ARCHIVES = 5  # of one attempt that are looked into
NOTHING = ("thumbs.db", "desktop.ini")  # files that operating systems leave in folders
CHECKPOINTS = ".ipynb_checkpoints"  # where Jupyter keeps copies of notebooks
HOMEWORK = ("hw", "homework", "assignment", "과제", "숙제")  # one word for all that students call it
OTHERS = ("site-packages", "node_modules", "venv", "cifar-10-batches-py")  # folders of others' files: not looked into


@dataclass(frozen=True)
class Place:
    """A file and where it lies.

    Attributes:
        folder: that it lies in.
        above: the names of the folders that it lies in, the outermost first.
        archive: the zip file that it lies in; None for none.
    """

    node: Node
    folder: Node
    above: tuple[str, ...] = ()
    archive: Node | None = None

    @property
    def path(self) -> str:
        """Its path in the attempt, by the names that the student gave."""
        packed = () if self.archive is None else (self.archive.name,)
        return "/".join((*packed, *self.above, self.node.name))

    @property
    def downloaded(self) -> str:
        """The same by the names that the system has given."""
        packed = () if self.archive is None else (self.archive.source,)
        return "/".join((*packed, *self.above, self.node.source))


@dataclass(frozen=True)
class Chosen:
    """The file that counts, the folder that it lies in (None where it lies alone), and what is to be known.

    `archive`: the zip file that it was taken out of, whose time is that of the hand-in; None for none.
    """

    node: Node
    folder: Node | None
    notes: tuple[str, ...] = ()
    archive: Node | None = None


def chosen(files: Node, homework: Homework, zone: tzinfo | None) -> Chosen:
    """The file that counts among `files`, a folder or a file alone.

    Raises UnreadableError when there is none, or no rule says which; OSError where the disk can't be read.
    """
    if files.kind == "link":
        raise UnreadableError("SYMLINK", _("{file} is a link to somewhere else").format(file=files.name))
    if files.kind != "folder" and (files.suffix in SUFFIXES or files.kind != "file"):
        return Chosen(files, None)
    places = everything(files)
    scripts = [place for place in places if place.node.suffix in SUFFIXES]
    usable = [place for place in scripts if place.node.name not in homework.given]
    archives = [place.node for place in places if place.node.is_archive]
    if not any(is_named(place.node, homework) for place in usable):
        usable += _packed(archives, homework, zone, bool(usable))
    if not usable:
        raise _nothing(files, places, scripts)
    return _one(usable, homework)


def everything(files: Node) -> list[Place]:
    """All files of an attempt, at any depth. Raises UnreadableError where they are too deep or too many; OSError."""
    if files.kind != "folder":
        return [Place(files, files)]
    found: list[Place] = []
    pending: list[tuple[Node, tuple[str, ...]]] = [(files, ())]
    while pending:
        folder, above = pending.pop(0)
        if len(above) > DEEPEST:
            text = _("{folder}: lies over {count} folders deep")
            raise UnreadableError("BAD_ARCHIVE", text.format(folder=printable(folder.name), count=DEEPEST))
        for node in folder.children():
            if node.kind != "folder":
                found += [Place(node, folder, above)] if node.name.lower() not in NOTHING else []
            elif node.name.lower() in OTHERS:
                found.append(Place(node, folder, above))
            else:
                if node.suffix in SUFFIXES and not node.children():
                    found.append(Place(node, folder, above))  # a folder in the place of a file
                pending.append((node, (*above, node.name)))
        if len(found) > MOST_FILES:
            raise UnreadableError("TOO_MANY_MEMBERS", _("holds over {count:,} files").format(count=MOST_FILES))
    return found


def is_named(node: Node, homework: Homework) -> bool:
    """Whether it has the name that everybody was asked to use, in upper or lower case."""
    return names.key(node.stem) == names.key(homework.stem) and node.suffix in SUFFIXES


def listed(found: Sequence[str]) -> str:
    """The first five of these names, and how many more there are."""
    shown = [printable(name.encode("utf-8", "backslashreplace").decode()) for name in found[:5]]
    if len(found) <= 5:
        return ", ".join(shown)
    return _("{files} and {count} more").format(files=", ".join(shown), count=len(found) - 5)


def _paths(places: Sequence[Place]) -> str:
    """The places by the student's own names, or by the system's where those don't tell them apart."""
    own = [place.path for place in places]
    return listed(own if len(set(own)) == len(own) else [place.downloaded for place in places])


# --- archives --------------------------------------------------------------------------------------------------------


def _packed(archives: list[Node], homework: Homework, zone: tzinfo | None, are_others: bool) -> list[Place]:
    """The scripts in zip files. `are_others`: there is a script outside, beside which only the homework's own counts.

    Raises UnreadableError where they can't be looked into, and there is nothing else.
    """
    zips = [one for one in archives if one.suffix == ".zip"]
    if not are_others and (len(zips) < len(archives) or len(zips) > MOST_ARCHIVES):
        text = _("only zip files are looked into: {files}")
        raise UnreadableError("BAD_ARCHIVE", text.format(files=listed([one.source for one in archives])))
    found: list[Place] = []
    for one in zips[:MOST_ARCHIVES]:
        try:
            inside = everything(one.archive(zone))
        except UnreadableError:
            if are_others:
                continue
            raise
        scripts = [
            Place(place.node, place.folder, place.above, one)
            for place in inside
            if place.node.suffix in SUFFIXES and place.node.name not in homework.given
        ]
        if not scripts and not are_others and (deeper := [place.node for place in inside if place.node.is_archive]):
            text = _("{file}: holds archives itself: {files}")
            words = text.format(file=printable(one.source), files=listed([node.source for node in deeper]))
            raise UnreadableError("BAD_ARCHIVE", words)
        found += [place for place in scripts if not are_others or is_named(place.node, homework)]
    return found


def _nothing(root: Node, places: list[Place], scripts: list[Place]) -> UnreadableError:
    """Why nothing of these can be graded. Raises OSError."""
    if not places and (concealed := _concealed(root)):
        text = _("no .py or .ipynb file but what is hidden: {files}")
        return UnreadableError("NO_SCRIPT", text.format(files=listed(concealed)))
    if not places:
        return UnreadableError("NO_FILE", _("no .py or .ipynb file"))
    files = _paths(places)
    if scripts:
        text = _("only what everybody was given complete: {files}")
        return UnreadableError("NO_SCRIPT", text.format(files=files))
    if any(is_script_with_more(place.node.name) for place in places):
        text = _("no .py or .ipynb file, but one that may have been renamed: {files}")
        return UnreadableError("NO_SCRIPT", text.format(files=files))
    return UnreadableError("NO_SCRIPT", _("no .py or .ipynb file; there is {files}").format(files=files))


def _concealed(folder: Node) -> list[str]:
    """Names of what is hidden in a folder, at any depth, and is or was a script: `.net.py`, what a Mac keeps beside a
    file or leaves of one that is in iCloud (`._net.py`, `.net.py.icloud`), a notebook's automatic copies."""
    found = [
        name
        for name in folder.hidden()
        if name == CHECKPOINTS or name.lower().endswith(SUFFIXES) or is_script_with_more(name)
    ]
    for inner in folder.children():
        found += _concealed(inner) if inner.kind == "folder" else []
    return found


# --- one of several --------------------------------------------------------------------------------------------------


def _one(usable: list[Place], homework: Homework) -> Chosen:
    """The one that counts. Raises UnreadableError where there is no telling."""
    named = [place for place in usable if is_named(place.node, homework)]
    found = _uppermost(named) if named else _unnamed(usable, homework)
    if not named and all(_is_another_homeworks(place.node, homework) for place in found):
        text = _("called as another homework: {files}")
        raise UnreadableError("AMBIGUOUS", text.format(files=_paths(found)))
    if len(found) > 1 and not are_one_program([place.node for place in found]):
        text = _("no telling which file counts: {files}")
        raise UnreadableError("AMBIGUOUS", text.format(files=_paths(found)))
    # Of a notebook and its script the notebook: it has its cells, and what it has printed.
    place = next((one for one in found if one.node.suffix == ".ipynb"), found[0])
    notes: tuple[str, ...] = ()
    if place.archive is not None:
        text = _("{file} was taken out of {archive}")
        notes = (text.format(file=printable(place.node.name), archive=printable(place.archive.name)),)
    if len({one.node.suffix for one in found}) > 1:
        notes += (_("a notebook and its script, which are the same program: {files}").format(files=_paths(found)),)
    return Chosen(place.node, place.folder, notes, place.archive)


def _uppermost(places: list[Place]) -> list[Place]:
    """Those that don't lie below another one's folder: below it are older ones, or copies."""
    return [
        one
        for one in places
        if not any(
            other.archive is one.archive
            and len(other.above) < len(one.above)
            and one.above[: len(other.above)] == other.above
            for other in places
        )
    ]


def _unnamed(places: list[Place], homework: Homework) -> list[Place]:
    """Of scripts with other names, those that may be what was asked for."""
    if len(places) == 1:
        return places
    words, number = _words_and_number(homework)
    own = [place for place in places if _parts(place.node.stem) & {word + number for word in words}]
    if own:
        return own
    others = [place for place in places if not _is_another_homeworks(place.node, homework)] or places
    modules = set().union(*(_imported(place) for place in others))
    return [place for place in others if place.node.stem not in modules] or others


def _words_and_number(homework: Homework) -> tuple[tuple[str, ...], str]:
    """What the homework's file is called, and by which number: "hw" and all that means the same, and "1"."""
    stem = names.compact(homework.stem)
    word = stem.rstrip("0123456789")
    return HOMEWORK if word in HOMEWORK else (word,), stem[len(word) :]


def _parts(name: str) -> set[str]:
    """The words of a name, and neighbours put together: "hw1" is in "HW 1 final", and in "hw01"."""
    parts = names.words(name)
    found = {*parts, *("".join(pair) for pair in itertools.pairwise(parts))}
    return found | {names.without_zeros(part) for part in found}


def _is_another_homeworks(node: Node, homework: Homework) -> bool:
    """Whether its name is this homework's with another number: hw1.ipynb among files of hw2."""
    words, number = _words_and_number(homework)
    if not (number and all(words)):
        return False
    parts = _parts(node.stem)
    numbers = {part[len(word) :].lstrip("0") for word in words for part in parts if part.startswith(word)}
    numbers = {one for one in numbers if one.isdigit()}
    return bool(numbers) and number not in numbers


def _imported(place: Place) -> set[str]:
    """The last word of each module's name that a script imports: a file beside it may have that name."""
    try:
        content = place.node.content(submission.largest(place.node.name))
        tree = submission.parsed(submission.of(place.node.name, content).script)
    except (UnreadableError, OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        return set()
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[-1] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {(node.module or "").split(".")[-1], *(alias.name for alias in node.names if not node.module)}
    return found


def are_one_program(nodes: Sequence[Node]) -> bool:
    """Whether files are copies of one, as a browser makes them (`net.py` and `net (1).py`), or a notebook and its
    script: the same code, but for comments, layout and what an export adds."""
    if any(node.kind != "file" for node in nodes):
        return False
    try:
        contents = {node.content(submission.largest(node.name)) for node in nodes}
        if len(contents) == 1 and len({node.suffix for node in nodes}) == 1:
            return True
        scripts = [submission.of(node.name, node.content(submission.largest(node.name))).script for node in nodes]
        return len({_program(script) for script in scripts}) == 1
    except (UnreadableError, OSError):
        return False


def _program(script: bytes) -> str:
    """What a script does, in a form in which two can be compared."""
    try:
        body = submission.parsed(script).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return "\n".join(line.rstrip() for line in script.decode("utf-8", "replace").splitlines()).strip()
    if body and isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant):
        body = body[1:]  # Colab puts a text there that says where the script is from
    return ast.dump(ast.Module([one for one in body if not _is_of_ipython(one)], []))


def _is_of_ipython(statement: ast.stmt) -> bool:
    """Whether it is a line that an export makes of a magic: `get_ipython().system("pip install ...")`."""
    return isinstance(statement, ast.Expr) and "get_ipython" in {
        node.id for node in ast.walk(statement.value) if isinstance(node, ast.Name)
    }
