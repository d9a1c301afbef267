"""What a class handed in: one entry per student, whatever state the files are in.

Called by `grade` and `collect`. Only reads. A student whose file can't be read gets an entry that says why, so nobody
is dropped and nobody stops the others; what is wrong with the whole is a KitError.

The source is what a learning management system lets an instructor download, a zip file or the folder it unpacks to, or
a folder with one folder or file for each student: `lms.py` knows whose is what. Of several attempts the last one at or
before the deadline counts. When a file came is what the system says; else its modification time, which copying with
`cp -p`, `rsync -t` or an archive keeps, and a `git clone` doesn't.

Where a homework has a reference curve, the student's own record of the epochs is read too: the file `history.csv` among
their files, else what a notebook has printed. It is no submission, counts for nothing, and may be missing.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, tzinfo
from pathlib import Path
from zoneinfo import ZoneInfo

from autograder import homeworks
from autograder.course.homework import Homework
from autograder.errors import KitError, printable
from autograder.intake import beside, lms, own_record, receipt, roster, submission
from autograder.intake.file_tree import Node, OnDisk, local
from autograder.intake.lms import Attempt, Student
from autograder.intake.roster import Listed
from autograder.intake.submission import SUFFIXES, Submission, UnreadableError
from autograder.language import gettext as _
from autograder.observations import Epoch

ARCHIVES = (".zip", ".tar", ".gz", ".tgz", ".xz", ".bz2", ".7z", ".rar")
RESERVED = ("grades.csv", "attempts.csv", "report.html", "gradebook.db", "formgrader")
DEEPEST = 8  # folders in each other, in an archive that a student handed in

FOR_A_PERSON = frozenset(
    {
        "AMBIGUOUS",
        "BAD_ARCHIVE",
        "BAD_PATH",
        "BOMB",
        "ENCRYPTED",
        "NOT_REGULAR",
        "SYMLINK",
        "TOO_MANY_MEMBERS",
        "UNREADABLE",
    }
)
"""Outcomes that nobody but a person can settle. Every other one is a row of the rubric."""

READ = "READ"
"""The outcome of an entry whose submission was read. The others name what was wrong: "NO_FILE", "AMBIGUOUS", ..."""


@dataclass(frozen=True)
class Upload:
    """One of a student's attempts: when it came, its files, whether it is the one that counts, whether it came late.

    `downloaded` are the names that the files have in the source, where the system adds to them.
    """

    submitted_at: datetime | None
    files: tuple[str, ...]
    downloaded: tuple[str, ...]
    counts: bool
    late: bool


@dataclass(frozen=True)
class Entry:
    """One student and what came of their hand-in.

    Attributes:
        student: the id that the source gives them, or the roster; the name of a folder.
        name: what they are called; "" where only the id is known.
        outcome: "READ", or why there is no submission.
        message: the same in a sentence; "" for "READ".
        submitted_at: when the attempt that counts came, with its offset from UTC; None where nobody says.
        late: none came by the deadline.
        late_s: by how many seconds; None where it isn't late, or nobody says.
        own_epochs: the student's own record; () for none. Untrusted numbers, in their ranges.
        receipt: what the student's own receipt says, a sentence; "" without one. Untrusted words.
        record_notes: why that record couldn't be read.
        notes: what else is to be known, such as which file was taken out of an archive.
        uploads: all attempts, in the order in which they came.
    """

    student: str
    outcome: str
    message: str = ""
    submission: Submission | None = None
    submitted_at: datetime | None = None
    late: bool = False
    late_s: float | None = None
    own_epochs: tuple[Epoch, ...] = ()
    record_notes: tuple[str, ...] = ()
    receipt: str = ""
    notes: tuple[str, ...] = ()
    name: str = ""
    uploads: tuple[Upload, ...] = ()


@dataclass(frozen=True)
class Intake:
    """A class: its entries by student, the names of files that belong to nobody, and which system the files are from.

    `unlisted`: students who handed something in, and aren't on the roster.
    """

    entries: list[Entry]
    left_out: list[str]
    lms: str = "folder"
    unlisted: tuple[str, ...] = ()


def collect(
    source: Path,
    homework_name: str,
    deadline: datetime | None = None,
    *,
    system: str | None = None,
    zone: tzinfo | None = None,
    listed: Path | None = None,
    grace_s: float = 0.0,
) -> Intake:
    """Everybody in `source`, a folder or a zip file.

    Of an attempt's files, the one called `<homework>.py` or `<homework>.ipynb` counts, else the only .py or .ipynb
    that isn't one of the files which students get complete; where there is none, the same in the only zip file.

    Args:
        system: one of `lms.NAMES`; None: it is recognised.
        zone: of times that don't say theirs; None: this machine's.
        listed: a roster, see `roster.read`; None for none.
        grace_s: how long after the deadline a late attempt may still count for something, where none came before it.

    Raises KitError when the source is neither, is empty, or is one student's folder and not a class's.
    """
    given = homeworks.load(homework_name)
    expected = None if listed is None else roster.read(listed)
    nodes = _unwrapped(_root(source, zone), given)
    for node in nodes:
        if node.kind != "folder" and _is_named(node, given):
            raise KitError(
                f"{source / node.name}: lies directly in the class's folder, where its name would be the student's",
                "name the folder above, or call the file by its student",
            )
    try:
        found = lms.recognise(nodes, zone, system)
    except UnreadableError as error:
        raise KitError(f"{source}: {error.message}") from error
    if not found.students:
        hint = "it should hold one folder or file for each student"
        raise KitError(f"{source}: holds no submissions{'' if system is None else f' of {system}'}", hint)
    entries = [_entry(student, given, deadline, zone, grace_s) for student in found.students]
    unlisted: tuple[str, ...] = ()
    if expected is not None:
        entries, unlisted = _on_roster(entries, expected)
    return Intake(sorted(entries, key=lambda entry: entry.student), found.left_out, found.lms, unlisted)


def parse_deadline(text: str, zone: tzinfo | None = None) -> datetime:
    """The moment that `text` names: "2026-11-30 23:59", local time unless an offset such as +01:00 or Z follows.

    `zone` is the course's, None for this machine's. Raises KitError for anything else.
    """
    if re.fullmatch(r"\d{4}-\d\d-\d\d[ T]([01]\d|2[0-3]):\d\d(:\d\d)? ?(Z|[+-]\d\d:?\d\d)?", text.strip()):
        try:
            moment = datetime.fromisoformat(text.strip().replace(" ", "T", 1).replace(" ", ""))
            return moment if moment.tzinfo else local(moment, zone)
        except ValueError:  # the 31st of November
            pass
    raise KitError(
        f"{text!r} is no deadline", 'write it as "2026-11-30 23:59", local time, or with an offset: "… 23:59 +01:00"'
    )


def parse_zone(text: str) -> tzinfo:
    """The time zone called `text`, as in "Asia/Seoul". Raises KitError when there is none."""
    try:
        return ZoneInfo(text)
    except (ValueError, OSError, KeyError) as error:  # ZoneInfoNotFoundError is a KeyError
        raise KitError(f"{text!r} is no time zone", "write it as Asia/Seoul, Europe/Berlin or UTC") from error


def _root(source: Path, zone: tzinfo | None) -> Node:
    if not source.exists():
        raise KitError(f"{source}: no such folder")
    if source.is_dir():
        return OnDisk(source.resolve())
    if source.suffix.lower() == ".zip":
        try:
            return OnDisk(source.resolve()).archive(zone)
        except UnreadableError as error:
            raise KitError(
                f"{source.parent / error.message}", "download it again, or unpack it and name the folder"
            ) from error
    if source.suffix.lower() in ARCHIVES:
        raise KitError(f"{source}: an archive of this kind can't be graded as it is", "unpack it and name the folder")
    raise KitError(
        f"{source}: not a folder", "name the folder or the zip file that holds one folder or file for each student"
    )


def _unwrapped(root: Node, given: Homework) -> list[Node]:
    """What lies in a class's folder. An archive often holds one folder with the class in it."""
    children = root.children()
    if isinstance(root, OnDisk) or len(children) != 1 or children[0].kind != "folder":
        return children
    inside = children[0].children()
    return children if any(_is_named(node, given) for node in inside) else inside


def _entry(student: Student, given: Homework, deadline: datetime | None, zone: tzinfo | None, grace_s: float) -> Entry:
    shown = lms.shown_id(student.id)
    if shown != student.id:
        return Entry(shown, "BAD_PATH", _("the name isn't UTF-8, or holds characters that no folder's name can have"))
    if student.id in RESERVED:  # its results would stand in the place of the class's
        student = replace(student, id=f"{student.id} (student)")
    if student.clash:
        return Entry(student.id, "AMBIGUOUS", _("handed in more than once: {files}").format(files=_list(student.clash)))
    attempts = sorted(student.attempts, key=lambda one: one.submitted_at.timestamp() if one.submitted_at else 0.0)
    in_time = [one for one in attempts if not _is_late(one.submitted_at, one.late, deadline)]
    in_grace = [one for one in attempts if (_late_s(one.submitted_at, deadline) or 0.0) <= grace_s]
    counting = (in_time or in_grace or attempts)[-1]
    entry = replace(_read(student.id, counting, given, zone), name=printable(student.name))
    late = counting not in in_time or _is_late(entry.submitted_at, counting.late, deadline)
    if entry.outcome == "NO_FILE" and not late:
        entry = _with_earlier(entry, in_time[:-1], given, zone)
    uploads = tuple(
        Upload(
            entry.submitted_at if one is counting else one.submitted_at,
            tuple(printable(node.name) for node in _listed(one.files)),
            tuple(printable(node.source) for node in _listed(one.files)),
            counts=one is counting,
            late=late if one is counting else one not in in_time,
        )
        for one in attempts
    )
    late = late and entry.outcome != "NO_FILE"
    return replace(entry, late=late, late_s=_late_s(entry.submitted_at, deadline) if late else None, uploads=uploads)


def _on_roster(entries: Sequence[Entry], listed: Sequence[Listed]) -> tuple[list[Entry], tuple[str, ...]]:
    """The entries under the roster's ids and names, one of NO_FILE for who has none; and who isn't on the roster."""
    by_cell: dict[str, list[Listed]] = {}
    for one in listed:
        for cell in one.cells:
            by_cell.setdefault(cell.casefold(), []).append(one)
    found: dict[str, list[Entry]] = {}
    result, unlisted = [], []
    for entry in entries:
        owners = by_cell.get(entry.student.casefold(), [])
        by_id = [one for one in owners if one.id.casefold() == entry.student.casefold()]
        owner = next(iter(by_id or (owners if len(owners) == 1 else [])), None)
        if owner is None:
            unlisted.append(entry.student)
            result.append(entry)
        else:
            found.setdefault(owner.id, []).append(replace(entry, student=owner.id, name=owner.name or entry.name))
    for one in listed:
        given = found.get(one.id, [])
        if len(given) == 1:
            result.append(given[0])
        elif given:
            message = _("{count} hand-ins belong to this student").format(count=len(given))
            result.append(Entry(one.id, "AMBIGUOUS", message, name=one.name))
        else:
            result.append(Entry(one.id, "NO_FILE", _("nothing was handed in"), name=one.name))
    return result, tuple(unlisted)


def _late_s(moment: datetime | None, deadline: datetime | None) -> float | None:
    """How many seconds after the deadline; None where there is none, or no time."""
    if moment is None or deadline is None:
        return None
    return max(0.0, (moment - deadline).total_seconds())


def _is_late(moment: datetime | None, marked: bool | None, deadline: datetime | None) -> bool:
    # Compared to the fraction of a second: what came at 23:59:00.5 came after 23:59.
    # What a system marks is by its own date: without a deadline here nobody is late, whatever it says.
    return deadline is not None and (bool(marked) if moment is None else moment > deadline)


def _with_earlier(entry: Entry, earlier: Sequence[Attempt], given: Homework, zone: tzinfo | None) -> Entry:
    """An entry without a file, where an earlier attempt in time had one: a person has to say which was meant."""
    for attempt in reversed(earlier):
        if _read(entry.student, attempt, given, zone).outcome != "NO_FILE":
            words = _("{message} in the last attempt; the one has a file")
            if attempt.submitted_at:
                words = _("{message} in the last attempt; the one of {time:%Y-%m-%d %H:%M:%S} has a file")
            words = words.format(message=entry.message, time=attempt.submitted_at)
            return replace(entry, outcome="AMBIGUOUS", message=words)
    return entry


def _read(student: str, attempt: Attempt, given: Homework, zone: tzinfo | None) -> Entry:
    """The entry that an attempt makes, whenever it came."""
    submitted_at = attempt.submitted_at
    notes: tuple[str, ...] = ()
    try:
        folder, node, notes = _chosen(attempt.files, given, zone)
        if submitted_at is None and attempt.late is None:
            submitted_at = node.modified().astimezone(zone)
        if node.kind == "link":
            raise UnreadableError("SYMLINK", _("{file} is a link to somewhere else").format(file=node.name))
        if node.kind != "file":
            raise UnreadableError("NOT_REGULAR", _("{file}: not a regular file").format(file=node.name))
        handed_in = submission.of(node.name, node.content(submission.largest(node.name)))
        if folder is not None:
            handed_in = replace(handed_in, beside=beside.files(folder, node, given))
    except UnreadableError as error:
        return Entry(student, error.outcome, printable(error.message), None, submitted_at)
    except OSError as error:
        return Entry(student, "UNREADABLE", _("can't be read ({reason})").format(reason=error.strerror))
    record: tuple[Epoch, ...] = ()
    record_notes: tuple[str, ...] = ()
    if given.tests_epochs:
        record, record_notes = _own_record(attempt.files, handed_in)
    own = _own_receipt(attempt.files, handed_in, given)
    return Entry(
        student,
        READ,
        submission=handed_in,
        submitted_at=submitted_at,
        own_epochs=record,
        record_notes=record_notes,
        receipt=own,
        notes=notes,
    )


def _chosen(files: Node, given: Homework, zone: tzinfo | None) -> tuple[Node | None, Node, tuple[str, ...]]:
    """The folder of the file that counts (None where it lies alone), the file, and notes. Raises UnreadableError when there is none or no telling which; OSError."""
    if files.kind == "link":
        raise UnreadableError("SYMLINK", _("{file} is a link to somewhere else").format(file=files.name))
    if files.kind != "folder":
        return None, files, ()
    inside = files.children()
    node = _only(inside, given)
    if node is not None:
        return files, node, ()
    packed = [one for one in inside if one.suffix in ARCHIVES and one.kind == "file"]
    if len(packed) == 1 and packed[0].suffix == ".zip":
        archive = packed[0].archive(zone)
        members = _all_files(archive)
        node = _only(members, given)
        if node is not None:
            note = _("{file} was taken out of {archive}")
            return (
                _folder_of(node, archive),
                node,
                (note.format(file=printable(node.name), archive=printable(packed[0].name)),),
            )
        if deeper := [one for one in members if one.suffix in ARCHIVES]:
            text = _("{file}: holds archives itself: {files}")
            raise UnreadableError("BAD_ARCHIVE", text.format(file=packed[0].name, files=_list(deeper)))
    elif packed:
        text = _("one zip file is looked into, no other archive: {files}")
        raise UnreadableError("BAD_ARCHIVE", text.format(files=_list(packed)))
    text = _("no .py or .ipynb file; there is {files}") if inside else _("no .py or .ipynb file")
    raise UnreadableError("NO_FILE", text.format(files=_list(inside)))


def _folder_of(node: Node, within: Node) -> Node | None:
    """The folder of an archive that directly holds `node`."""
    inside = within.children()
    if any(one is node for one in inside):
        return within
    return next((found for one in inside if one.kind == "folder" and (found := _folder_of(node, one))), None)


def _only(nodes: Sequence[Node], given: Homework) -> Node | None:
    """The submission among `nodes`; None without one. Raises UnreadableError when there is no telling which."""
    candidates = [one for one in nodes if one.suffix in SUFFIXES and one.name not in given.given]
    named = [one for one in candidates if _is_named(one, given)]
    chosen = named or candidates
    if len(chosen) > 1 and not _equal(chosen):
        text = _("no telling which file counts: {files}")
        raise UnreadableError("AMBIGUOUS", text.format(files=_list(chosen)))
    return chosen[0] if chosen else None


def _equal(nodes: Sequence[Node]) -> bool:
    """Whether they are copies of one file, as a browser makes them: `net.py` and `net (1).py`."""
    if any(node.kind != "file" or node.suffix != nodes[0].suffix for node in nodes):
        return False
    try:
        return len({node.content(submission.largest(node.name)) for node in nodes}) == 1
    except (UnreadableError, OSError):
        return False


def _all_files(folder: Node, depth: int = 0) -> list[Node]:
    """The files of an archive, at any depth. Raises UnreadableError where that has no end."""
    if depth > DEEPEST:
        text = _("{folder}: lies over {count} folders deep in its archive")
        raise UnreadableError("BAD_ARCHIVE", text.format(folder=folder.name, count=DEEPEST))
    found = []
    for node in folder.children():
        found += _all_files(node, depth + 1) if node.kind == "folder" else [node]
    return found


def _is_named(node: Node, given: Homework) -> bool:
    return node.stem.casefold() == given.stem.casefold() and node.suffix in SUFFIXES


def _listed(files: Node) -> list[Node]:
    """The files of an attempt, as far as anybody wants to read them."""
    try:
        nodes = files.children() if files.kind == "folder" else [files]
    except OSError:
        nodes = []
    return nodes[:50]


def _own_record(files: Node, handed_in: Submission) -> tuple[tuple[Epoch, ...], tuple[str, ...]]:
    """The student's own record of the epochs, and why there is none where one was meant."""
    records: list[Node] = []
    if files.kind == "folder":
        records = [one for one in files.children() if one.name.lower() == own_record.RECORD]
    if len(records) > 1:
        text = _("{record}: no telling which one counts: {files}")
        return (), (text.format(record=own_record.RECORD, files=_list(records)),)
    if records:
        try:
            return tuple(own_record.from_csv(_text(records[0]))), ()
        except ValueError as error:
            return (), (f"{records[0].name}: {error}",)
    if handed_in.name.lower().endswith(".ipynb"):
        return tuple(own_record.from_notebook(handed_in.content)), ()
    return (), ()


def _own_receipt(files: Node, handed_in: Submission, given: Homework) -> str:
    """What the student's own receipt says, or why it says nothing; "" without one."""
    if files.kind != "folder":
        return ""
    for node in files.children():
        if node.name.lower() == f"{given.stem}{receipt.ENDING}".lower():
            try:
                said = receipt.read(_text(node).encode())
            except ValueError as error:
                return printable(_("{file} can't be read: {reason}").format(file=node.name, reason=error))
            return printable(receipt.of(said, handed_in.script))
    return ""


def _text(node: Node) -> str:
    """The text of a record's or a receipt's file. Raises ValueError, with a short reason, when it can't be one."""
    if node.kind == "link":
        raise ValueError(_("a link to somewhere else"))
    if node.kind != "file":
        raise ValueError(_("not a regular file"))
    try:
        content = node.content(own_record.LARGEST_RECORD)
    except UnreadableError as error:
        if error.outcome == "SOURCE_TOO_BIG":
            raise ValueError(_("larger than {most} KiB").format(most=own_record.LARGEST_RECORD // 2**10)) from error
        raise ValueError(error.message) from error
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(_("not UTF-8")) from error


def _list(nodes: Sequence[Node]) -> str:
    names = [node.name.encode("utf-8", "backslashreplace").decode() for node in nodes[:5]]
    if len(nodes) <= 5:
        return ", ".join(names)
    return _("{files} and {count} more").format(files=", ".join(names), count=len(nodes) - 5)
