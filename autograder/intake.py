"""A folder of what a class handed in: one entry per student, whatever state the files are in.

Called by `grade`. Only reads. A student whose file can't be read gets an entry that says why, so nobody is dropped and
nobody stops the others; what is wrong with the folder as a whole is a KitError.

The folder holds one folder or one file for each student, `s0117-ines-carvalho/homework.py` or `s0117.ipynb`; the name
of the folder, or of the file without its ending, is the student. When a file came is its modification time: copying
with `cp -p`, `rsync -t` or an archive keeps it, a `git clone` doesn't.

Where a homework has a reference curve, the student's own record of the epochs is read too: the file `history.csv` in
their folder, else what a notebook has printed. It is no submission, counts for nothing, and may be missing.
"""

import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from autograder import epochs, homework, submission
from autograder.epochs import Epoch
from autograder.errors import KitError, printable
from autograder.homework import Homework
from autograder.submission import SUFFIXES, Submission, UnreadableError

ARCHIVES = (".zip", ".tar", ".gz", ".tgz", ".xz", ".bz2", ".7z", ".rar")
NOT_STUDENTS = {"__pycache__", "__MACOSX"}

READ = "READ"
"""The outcome of an entry whose submission was read. The others name what was wrong: "NO_FILE", "AMBIGUOUS", ..."""


@dataclass(frozen=True)
class Entry:
    """One student and what came of their hand-in.

    Attributes:
        outcome: "READ", or why there is no submission.
        message: the same in a sentence; "" for "READ".
        submitted_at: modification time of the file, with its offset from UTC; None without a file.
        late: it came after the deadline.
        own_epochs: the student's own record; () for none. Untrusted numbers, in their ranges.
        notes: why that record couldn't be read; each begins with its file's name.
    """

    student: str
    outcome: str
    message: str = ""
    submission: Submission | None = None
    submitted_at: datetime | None = None
    late: bool = False
    own_epochs: tuple[Epoch, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Intake:
    """A class: its entries by student, and the names of files that belong to nobody."""

    entries: list[Entry]
    left_out: list[str]


def collect(folder: Path, homework_name: str, deadline: datetime | None = None) -> Intake:
    """Everybody in `folder`.

    Of a student's folder, the file called `<homework>.py` or `<homework>.ipynb` counts, else the only .py or .ipynb
    that isn't one of the files which students get complete.

    Raises KitError when it is no folder, is empty, or is one student's folder and not a class's.
    """
    if not folder.exists():
        raise KitError(f"{folder}: no such folder")
    if not folder.is_dir():
        if folder.suffix.lower() in ARCHIVES:
            raise KitError(f"{folder}: an archive can't be graded as it is", "unpack it and name the folder")
        raise KitError(f"{folder}: not a folder", "name the folder that holds one folder or file for each student")
    given = homework.load(homework_name)
    names = sorted(entry.name for entry in _scan(folder))
    found: dict[str, list[Path]] = {}
    left_out = []
    for name in names:
        path = folder / name
        if path.is_file() and not path.is_symlink() and path.suffix.lower() not in SUFFIXES:
            left_out.append(printable(name))
        elif not path.is_dir() and path.stem.casefold() == given.stem.casefold():
            raise KitError(
                f"{path}: lies directly in the class's folder, where its name would be the student's",
                "name the folder above, or call the file by its student",
            )
        else:
            student = path.stem if path.suffix.lower() in SUFFIXES and not path.is_dir() else name
            found.setdefault(student, []).append(path)
    if not found:
        raise KitError(f"{folder}: holds no submissions", "it should hold one folder or file for each student")
    entries = [_entry(student, paths, given, deadline) for student, paths in sorted(found.items())]
    return Intake(entries, left_out)


def parse_deadline(text: str) -> datetime:
    """The moment that `text` names: "2026-11-30 23:59", local time unless an offset such as +01:00 or Z follows.

    Raises KitError for anything else.
    """
    if re.fullmatch(r"\d{4}-\d\d-\d\d[ T]([01]\d|2[0-3]):\d\d(:\d\d)? ?(Z|[+-]\d\d:?\d\d)?", text.strip()):
        try:
            moment = datetime.fromisoformat(text.strip().replace(" ", "T", 1).replace(" ", ""))
            return moment if moment.tzinfo else moment.astimezone()
        except ValueError:  # the 31st of November
            pass
    raise KitError(
        f"{text!r} is no deadline", 'write it as "2026-11-30 23:59", local time, or with an offset: "… 23:59 +01:00"'
    )


def _entry(student: str, paths: list[Path], given: Homework, deadline: datetime | None) -> Entry:
    shown = "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode()
        for char in student.encode("utf-8", "backslashreplace").decode()  # a name in bytes that aren't UTF-8
    )
    if shown != student:
        return Entry(shown, "BAD_PATH", "the name isn't UTF-8, or holds characters that can't be shown")
    try:
        path = _chosen(paths, given)
        status = path.lstat()
        submitted_at = datetime.fromtimestamp(int(status.st_mtime)).astimezone()
        # Compared to the fraction of a second: what came at 23:59:00.5 came after 23:59.
        late = deadline is not None and status.st_mtime > deadline.timestamp()
    except UnreadableError as error:
        return Entry(student, error.outcome, error.message)
    except OSError as error:
        return Entry(student, "UNREADABLE", f"can't be read ({error.strerror})")
    try:
        if stat.S_ISLNK(status.st_mode):
            raise UnreadableError("SYMLINK", f"{path.name} is a link to somewhere else")
        handed_in = submission.read(path)
    except UnreadableError as error:
        return Entry(student, error.outcome, error.message.removeprefix(f"{path.parent}/"), None, submitted_at, late)
    record: tuple[Epoch, ...] = ()
    notes: tuple[str, ...] = ()
    if given.tests_epochs:
        record, notes = _own_record(paths[0], handed_in)
    return Entry(student, READ, "", handed_in, submitted_at, late, record, notes)


def _own_record(hand_in: Path, handed_in: Submission) -> tuple[tuple[Epoch, ...], tuple[str, ...]]:
    """The student's own record of the epochs, and why there is none where one was meant."""
    files = []
    if hand_in.is_dir():
        files = sorted(hand_in / entry.name for entry in _scan(hand_in) if entry.name.lower() == epochs.RECORD)
    if len(files) > 1:
        return (), (f"{epochs.RECORD}: no telling which one counts: {_list(files)}",)
    if files:
        try:
            return tuple(epochs.from_csv(_text(files[0]))), ()
        except ValueError as error:
            return (), (f"{files[0].name}: {error}",)
    if handed_in.name.lower().endswith(".ipynb"):
        return tuple(epochs.from_notebook(handed_in.content)), ()
    return (), ()


def _text(path: Path) -> str:
    """The text of a record's file. Raises ValueError, with a short reason, when it can't be one."""
    if path.is_symlink():
        raise ValueError("a link to somewhere else")
    try:
        opened = submission.open_regular(path, follow_links=False)
        if opened is None:
            raise ValueError("not a regular file")
        with opened as file:
            content = file.read(epochs.LARGEST_RECORD + 1)
    except OSError as error:
        raise ValueError(f"can't be read ({error.strerror})") from error
    if len(content) > epochs.LARGEST_RECORD:
        raise ValueError(f"larger than {epochs.LARGEST_RECORD // 2**10} KiB")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError("not UTF-8") from error


def _chosen(paths: list[Path], given: Homework) -> Path:
    """The file that counts. Raises UnreadableError when there is none or no telling which."""
    if len(paths) > 1:
        raise UnreadableError("AMBIGUOUS", f"handed in more than once: {_list(paths)}")
    path = paths[0]
    if path.is_symlink():
        raise UnreadableError("SYMLINK", f"{path.name} is a link to somewhere else")
    if not path.is_dir():
        return path
    inside = sorted(path / entry.name for entry in _scan(path))
    candidates = [one for one in inside if one.suffix.lower() in SUFFIXES and one.name not in given.given]
    named = [one for one in candidates if one.stem.casefold() == given.stem.casefold()]
    if len(named or candidates) > 1:
        raise UnreadableError("AMBIGUOUS", f"no telling which file counts: {_list(named or candidates)}")
    if not candidates:
        seen = f"; there is {_list(inside)}" if inside else ""
        raise UnreadableError("NO_FILE", f"no .py or .ipynb file{seen}")
    return (named or candidates)[0]


def _scan(folder: Path) -> Iterator["os.DirEntry[str]"]:
    with os.scandir(folder) as entries:
        yield from (entry for entry in entries if not entry.name.startswith(".") and entry.name not in NOT_STUDENTS)


def _list(paths: list[Path]) -> str:
    names = [path.name.encode("utf-8", "backslashreplace").decode() for path in paths[:5]]
    return ", ".join(names) + (f" and {len(paths) - 5} more" if len(paths) > 5 else "")
