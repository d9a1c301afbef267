"""Which of a student's attempts counts, and the entry that follows: the last one at or before the deadline.

Called by `hand_ins`, for one student at a time. Only reads.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, tzinfo

from autograder.course.homework import Homework
from autograder.course.rubric import Late
from autograder.errors import printable
from autograder.intake import beside, choose, names, own_files, submission
from autograder.intake.choose import Chosen, Place, listed
from autograder.intake.deadline import is_late, late_s
from autograder.intake.entry import NO_FILE, READ, UNPLACED, Entry, Upload
from autograder.intake.file_tree import Node
from autograder.intake.lms.found import Attempt, Student
from autograder.intake.people import Person
from autograder.intake.submission import UnreadableError
from autograder.language import gettext as _
from autograder.observations import Epoch

MOST_LISTED = 50  # files of an attempt


@dataclass(frozen=True)
class Terms:
    """The rules by which one student's attempts are counted.

    Attributes:
        zone: the course's; None for this machine's.
        late: what the rubric says of late files; None: they count for nothing.
        settled: key of a student -> the file that counts, as a person has decided; None for no file.
    """

    homework: Homework
    deadline: datetime | None = None
    zone: tzinfo | None = None
    late: Late | None = None
    settled: Mapping[str, str | None] = field(default_factory=dict)

    @property
    def grace_s(self) -> float:
        """How long after the deadline a late attempt may still count for something, where none came before it."""
        return 0.0 if self.late is None else self.late.most_s


def entry_of(person: Person, terms: Terms, elsewhere: Sequence[Student] = ()) -> Entry:
    """The entry of one student. `elsewhere`: hand-ins that are nobody's, which a person may have given to them."""
    own = person.deadline or terms.deadline
    mine = replace(terms, deadline=own)
    key = names.key(person.id)
    if key in terms.settled:
        entry = _settled(person, terms.settled[key], mine, elsewhere)
    elif person.trouble:
        entry = _of_trouble(person)
    elif not person.hand_ins:
        entry = Entry(person.id, NO_FILE, _("nothing was handed in"))
    else:
        entry = _together([_counted(person.id, student, mine) for student in person.hand_ins], person.hand_ins)
    entry = _where_marked(entry, person, terms)
    return replace(
        entry,
        student=person.id,
        name=printable(person.name),
        deadline=own,
        own_deadline=person.deadline is not None and person.deadline != terms.deadline,
    )


def _counted(id_: str, student: Student, terms: Terms) -> Entry:
    """The entry of one hand-in, whose attempts are sorted by their times here."""
    if not student.attempts:
        return Entry(id_, NO_FILE, _("nothing was handed in"))
    attempts = sorted(student.attempts, key=lambda one: one.submitted_at.timestamp() if one.submitted_at else 0.0)
    deadline = terms.deadline
    in_time = [one for one in attempts if not is_late(one.submitted_at, one.late, deadline)]
    in_grace = [one for one in attempts if (_late_s(one.submitted_at, terms) or 0.0) <= terms.grace_s]
    counting = (in_time or in_grace or attempts)[-1]
    entry = _read(id_, counting, terms)
    late = counting not in in_time or is_late(entry.submitted_at, counting.late, deadline)
    if entry.outcome in (NO_FILE, "NO_SCRIPT") and not late:
        entry = _with_earlier(entry, in_time[:-1], terms)
    late = late and entry.outcome != NO_FILE
    uploads = tuple(
        _upload(
            one,
            entry.submitted_at if one is counting else one.submitted_at,
            one is counting,
            late if one is counting else one not in in_time,
        )
        for one in attempts
    )
    seconds = _late_s(entry.submitted_at, terms) if late else None
    return replace(entry, late=late, late_s=seconds, uploads=uploads, notes=(*entry.notes, *counting.notes))


def _late_s(moment: datetime | None, terms: Terms) -> float | None:
    return late_s(moment, terms.deadline, terms.zone, terms.late)


def _upload(attempt: Attempt, moment: datetime | None, counts: bool, late: bool) -> Upload:
    places = _places(attempt.files)
    return Upload(
        moment,
        tuple(printable(place.path) for place in places),
        tuple(printable(place.downloaded) for place in places),
        counts=counts,
        late=late,
    )


def _places(files: Node) -> list[Place]:
    """The first files of an attempt, to be listed."""
    try:
        return choose.everything(files)[:MOST_LISTED]
    except (OSError, UnreadableError):
        return [Place(files, files)]


def _with_earlier(entry: Entry, earlier: Sequence[Attempt], terms: Terms) -> Entry:
    """An entry without a file, where an earlier attempt in time had one: a person has to say which was meant."""
    for attempt in reversed(earlier):
        if _read(entry.student, attempt, terms).outcome not in (NO_FILE, "NO_SCRIPT"):
            words = _("{message} in the last attempt; the one before has a file")
            if attempt.submitted_at:
                words = _("{message} in the last attempt; the one of {time:%Y-%m-%d %H:%M:%S} has a file")
            words = words.format(message=entry.message, time=attempt.submitted_at)
            return replace(entry, outcome="AMBIGUOUS", message=words)
    return entry


def _read(student: str, attempt: Attempt, terms: Terms) -> Entry:
    """The entry that an attempt gives, whether it is late or not."""
    try:
        return _of_chosen(student, attempt, choose.chosen(attempt.files, terms.homework, terms.zone), terms)
    except UnreadableError as error:
        return Entry(student, error.outcome, printable(error.message), submitted_at=_came(attempt, None, terms))
    except OSError as error:
        return Entry(student, "UNREADABLE", _("can't be read ({reason})").format(reason=error.strerror))


def _of_chosen(student: str, attempt: Attempt, chosen: Chosen, terms: Terms) -> Entry:
    """The entry that a file gives. Raises OSError."""
    node, submitted_at = chosen.node, attempt.submitted_at
    try:
        submitted_at = _came(attempt, chosen.archive or node, terms)
        if node.kind == "link":
            raise UnreadableError("SYMLINK", _("{file} is a link to somewhere else").format(file=node.name))
        if node.kind != "file":
            raise UnreadableError("NOT_REGULAR", _("{file}: not a regular file").format(file=node.name))
        handed_in = submission.of(node.name, node.content(submission.largest(node.name)))
        if chosen.folder is not None:
            handed_in = replace(handed_in, beside=beside.files(chosen.folder, node, terms.homework))
    except UnreadableError as error:
        return Entry(student, error.outcome, printable(error.message), submitted_at=submitted_at)
    record: tuple[Epoch, ...] = ()
    record_notes: tuple[str, ...] = ()
    places = [attempt.files] if chosen.folder in (None, attempt.files) else [chosen.folder, attempt.files]
    if terms.homework.tests_epochs:
        record, record_notes = own_files.record(places, handed_in)
    return Entry(
        student,
        READ,
        submission=handed_in,
        submitted_at=submitted_at,
        own_epochs=record,
        record_notes=record_notes,
        receipt=own_files.receipt_of(places, handed_in, terms.homework),
        notes=chosen.notes,
    )


def _came(attempt: Attempt, node: Node | None, terms: Terms) -> datetime | None:
    """When an attempt came: as its system says, else the file's own time, where the system says nothing at all."""
    if attempt.submitted_at is not None or attempt.late is not None:
        return attempt.submitted_at
    try:
        if node is None:
            files = choose.everything(attempt.files)
            return max((one.node.modified() for one in files), default=None)
        return node.modified().astimezone(terms.zone)
    except (OSError, UnreadableError):
        return None


# --- what only a person can say --------------------------------------------------------------------------------------


def _of_trouble(person: Person) -> Entry:
    """The entry of somebody of whom nobody knows what is theirs: their attempts are listed, and none counts."""
    uploads = [
        _upload(attempt, attempt.submitted_at, False, False)
        for one in (*person.hand_ins, *person.doubtful)
        for attempt in one.attempts
    ]
    return Entry(person.id, UNPLACED, person.trouble, uploads=tuple(uploads))


def _together(entries: list[Entry], hand_ins: list[Student]) -> Entry:
    """One entry of several hand-ins: the first one's where all have the same bytes; else a person decides."""
    if len(entries) == 1:
        return entries[0]
    uploads = tuple(upload for entry in entries for upload in entry.uploads)
    sources = [
        _source(attempt.files, entry) for one, entry in zip(hand_ins, entries, strict=True) for attempt in one.attempts
    ]
    read = [entry for entry in entries if entry.submission is not None]
    handed_in = [entry for entry in entries if entry.outcome != NO_FILE]
    if read and len(read) == len(handed_in) and len({_content(entry) for entry in read}) == 1:
        note = _("handed in more than once, with the same file: {files}").format(files=listed(sources))
        return replace(read[0], uploads=uploads, notes=(*read[0].notes, note))
    uploads = tuple(replace(upload, counts=False) for upload in uploads)
    message = _("handed in more than once: {files}").format(files=listed(sources))
    return Entry(entries[0].student, "AMBIGUOUS", message, uploads=uploads)


def _content(entry: Entry) -> str:
    return "" if entry.submission is None else entry.submission.fingerprint


def _source(files: Node, entry: Entry) -> str:
    """What a hand-in is called where it was downloaded."""
    inner = "" if entry.submission is None or files.kind != "folder" else f"/{entry.submission.name}"
    return f"{files.source}{inner}"


def _where_marked(entry: Entry, person: Person, terms: Terms) -> Entry:
    """The entry; for a person, where its system has marked it as late by another date than the student's own."""
    own = person.deadline
    if own is None or terms.deadline is None or own <= terms.deadline or not entry.late or entry.submitted_at:
        return entry
    message = _("marked as late, by another date than {deadline:%Y-%m-%d %H:%M}; no time says whether it came by that")
    return replace(entry, outcome="TIME_UNKNOWN", message=message.format(deadline=own), submission=None, late=False)


# --- what a person has said ------------------------------------------------------------------------------------------


def _settled(person: Person, file: str | None, terms: Terms, elsewhere: Sequence[Student]) -> Entry:
    """The entry that follows from a person's decision."""
    own = [attempt for student in (*person.hand_ins, *person.doubtful) for attempt in student.attempts]
    uploads = [_upload(attempt, attempt.submitted_at, False, False) for attempt in own]
    if file is None:
        message = _("a person has decided that nothing of it counts") if own else _("nothing was handed in")
        return Entry(person.id, NO_FILE, message, uploads=tuple(uploads))
    found = matching(own, file, terms) or matching([one for each in elsewhere for one in each.attempts], file, terms)
    if not found:
        message = _("{file}: a person has decided that it counts, and it isn't there").format(file=printable(file))
        return Entry(person.id, "AMBIGUOUS", message, uploads=tuple(uploads))
    attempt, place = found[-1]
    entry = _of_chosen(person.id, attempt, Chosen(place.node, place.folder, archive=place.archive), terms)
    late = is_late(entry.submitted_at, attempt.late, terms.deadline)
    uploads = [
        replace(upload, counts=one is attempt, late=is_late(one.submitted_at, one.late, terms.deadline))
        for one, upload in zip(own, uploads, strict=True)
    ]
    note = _("a person has decided that {file} counts").format(file=printable(place.path))
    seconds = _late_s(entry.submitted_at, terms) if late else None
    return replace(entry, late=late, late_s=seconds, uploads=tuple(uploads), notes=(*entry.notes, note))


def matching(attempts: Sequence[Attempt], file: str, terms: Terms) -> list[tuple[Attempt, Place]]:
    """The files that somebody means by `file`: a path in the attempt, a name, or what the system calls it.

    In the order in which they came.
    """
    wanted = names.key(file)
    found: list[tuple[Attempt, Place, int]] = []
    for attempt in sorted(attempts, key=lambda one: one.submitted_at.timestamp() if one.submitted_at else 0.0):
        for place in _all(attempt, terms):
            called = (
                f"{attempt.files.source}/{place.path}",
                place.path,
                place.downloaded,
                place.node.source,
                place.node.name,
            )
            ranks = [rank for rank, name in enumerate(called) if names.key(name) == wanted]
            if ranks:
                found.append((attempt, place, min(ranks)))
    best = min((rank for _, _, rank in found), default=0)
    return [(attempt, place) for attempt, place, rank in found if rank == best]


def _all(attempt: Attempt, terms: Terms) -> list[Place]:
    """The files of an attempt, and those in its zip files."""
    try:
        places = choose.everything(attempt.files)
    except (UnreadableError, OSError):
        return []
    for place in list(places):
        if place.node.is_archive:
            try:
                inside = choose.everything(place.node.archive(terms.zone))
            except (UnreadableError, OSError):
                continue
            places += [replace(one, archive=place.node) for one in inside]
    return places
