"""What a class handed in: one entry per student, whatever state the files are in.

Called by `grade` and `collect`. Only reads. A student whose file can't be read gets an entry that says why, so nobody
is dropped and nobody stops the others; what is wrong with the whole is a KitError.

The source is what a learning management system lets an instructor download, a zip file or the folder it unpacks to, or
a folder with one folder or file for each student: `lms/` finds whose each file is, `people.py` which student on the
roster that is. Of several attempts the last one at or before the deadline counts. When a file came is what the system
says; else its modification time, which copying with `cp -p`, `rsync -t` or an archive keeps, and a `git clone` doesn't.

Where a homework has a reference curve, the student's own record of the epochs is read too: the file `history.csv` among
their files, else what a notebook has printed. It is no submission, counts for nothing, and may be missing.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, tzinfo
from pathlib import Path

from autograder import homeworks
from autograder.course.rubric import Late
from autograder.errors import KitError, printable
from autograder.intake import names, roster
from autograder.intake.choose import is_named
from autograder.intake.counting import Terms, entry_of, matching
from autograder.intake.entry import Entry
from autograder.intake.file_tree import ARCHIVES, Node, OnDisk
from autograder.intake.lms import nbgrader
from autograder.intake.lms.found import Context, may_be_handed_in
from autograder.intake.lms.recognition import looks_like, recognise
from autograder.intake.people import People, Person
from autograder.intake.submission import SUFFIXES, UnreadableError
from autograder.language import gettext as _

LEAST_SCRIPTS = 4  # beside a file with the homework's own name, so that it isn't one student's folder with modules
IN_SECTIONS = ("blackboard", "moodle", "canvas")  # a student's own folder may look as the others do
RESERVED = (
    *("grades.csv", "attempts.csv", "report.html", "gradebook.db", "formgrader", "history.jsonl", "run.json"),
    *("live.json", "desk.log"),
)


@dataclass(frozen=True)
class Intake:
    """A class.

    Attributes:
        entries: by student.
        left_out: names of files that belong to nobody.
        lms: which system the files are from.
        unlisted: students who handed something in, and aren't on the roster.
        about: how many of the names are that system's, a sentence; "" where all are.
    """

    entries: list[Entry]
    left_out: list[str]
    lms: str = "folder"
    unlisted: tuple[str, ...] = ()
    about: str = ""


def collect(
    source: Path,
    homework_name: str,
    deadline: datetime | None = None,
    *,
    system: str | None = None,
    zone: tzinfo | None = None,
    listed: Path | None = None,
    late: Late | None = None,
    extensions: Mapping[str, datetime] | None = None,
    settled: Mapping[str, str | None] | None = None,
) -> Intake:
    """Everybody in `source`, a folder or a zip file.

    Of an attempt's files, the one called `<homework>.py` or `<homework>.ipynb` counts, else the only .py or .ipynb
    that isn't one of the files which students get complete; see `choose.py`.

    Args:
        system: one of `recognition.NAMES`; None: it is recognised.
        zone: of times that don't say theirs; None: this machine's.
        listed: a roster, see `roster.read`; None for none.
        late: what the rubric says of late files.
        extensions: a student's id -> a deadline of their own, which wins over the roster's.
        settled: a student's id -> the file that counts, as a person has decided; None for none.

    Raises KitError when the source is neither a folder nor a zip file, is empty, or is one student's folder and not a
    class's; and where an extension is for nobody in it.
    """
    homework = homeworks.load(homework_name)
    register = roster.Roster() if listed is None else roster.read(listed, zone)
    context = Context(zone, homework, register.knows, register.means)
    nodes, around = _unwrapped(_root(source, zone), context, system)
    nodes, beside = _submitted(nodes, context, system)
    nodes = _of_all_sections(nodes, context, system)
    nodes, nameless = _without_the_homeworks_own(nodes, source, context)
    try:
        recognised = recognise(nodes, context, system)
    except UnreadableError as error:
        raise KitError(f"{source}: {error.message}") from error
    found = recognised.found
    if not found.students:
        if system is not None and found.strays:
            hint = "without --lms it is recognised; or name another one"
            raise KitError(f"{source}: holds no submissions of {system}", hint)
        of_system = "" if system is None else f" of {system}"
        hint = "it should hold one folder or file for each student"
        raise KitError(f"{source}: holds no submissions{of_system}", hint)
    found.strays.extend(nameless)
    people = People(found, register)
    for id_, moment in (extensions or {}).items():
        person = people.called(id_)
        if person is None:
            raise KitError(f"there is no student called {id_!r} to give a deadline", "autograder collect lists them")
        person.deadline = moment
    terms = Terms(homework, deadline, zone, late, {names.key(id_): file for id_, file in (settled or {}).items()})
    left_out = [*around, *beside, *found.left_out, *_settled_elsewhere(people, terms)]
    nobodys = [student for one in people.all if one.on_roster is None and one.trouble for student in one.hand_ins]
    entries = [_named(entry_of(person, terms, nobodys)) for person in people.all]
    return Intake(
        sorted(entries, key=lambda entry: entry.student), left_out, found.lms, people.unlisted, recognised.about
    )


def _named(entry: Entry) -> Entry:
    """An entry whose id can be the name of a folder that isn't the class's own."""
    shown = names.shown_id(entry.student)
    if shown != entry.student:
        words = _("the name isn't UTF-8, or holds characters that no folder's name can have")
        return replace(entry, student=shown, outcome="BAD_PATH", message=words, submission=None)
    if names.key(entry.student) in RESERVED:  # its results would stand in the place of the class's
        return replace(entry, student=f"{entry.student} (student)")
    return entry


def _settled_elsewhere(people: People, terms: Terms) -> list[str]:
    """Take out hand-ins that were nobody's and that a person has decided about: they are somebody's now, or don't
    count.

    Returns the names of the latter.
    """
    left_out = []
    for person in people.all:
        if person.on_roster is not None or any(student.placed for student in person.hand_ins) or not person.hand_ins:
            continue
        key = names.key(person.id)
        attempts = [attempt for student in person.hand_ins for attempt in student.attempts]
        if key in terms.settled and terms.settled[key] is None:
            left_out += [printable(attempt.files.name) for attempt in attempts]
            _move(people, person, [])
        elif key not in terms.settled:
            takers = [
                taker
                for other, file in terms.settled.items()
                if file is not None and (taker := people.called(other)) is not None and matching(attempts, file, terms)
            ]
            if takers:
                _move(people, person, takers)
    return left_out


def _move(people: People, person: Person, takers: list[Person]) -> None:
    people.remove(person)
    for taker in takers:
        taker.doubtful += person.hand_ins


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


def _unwrapped(root: Node, context: Context, told: str | None) -> tuple[list[Node], list[str]]:
    """What lies in a class's folder, and names of files around it. An archive often holds one folder with the class in
    it, and so may what it unpacks to, where the names inside are a system's."""
    children = root.children()
    folders = [node for node in children if node.kind == "folder"]
    around = [printable(node.name) for node in children if node.kind != "folder" and not may_be_handed_in(node)]
    if len(folders) != 1 or len(children) != 1 + len(around) or looks_like(children, context) != "folder":
        return children, []
    try:
        inside = folders[0].children()
    except OSError:
        return children, []
    is_class = looks_like(inside, context) != "folder" and told != "folder"
    if not isinstance(root, OnDisk):
        is_class = is_class or not (
            any(is_named(node, context.homework) for node in inside) or context.means(folders[0].name)
        )
    return (inside, around) if is_class else (children, [])


def _submitted(nodes: list[Node], context: Context, told: str | None) -> tuple[list[Node], list[str]]:
    """The class, and names of what lies beside it: a course of nbgrader has it in a folder between what was given out
    and what came back, and neither of these is a student."""
    tree = next((node for node in nodes if node.kind == "folder" and node.name == nbgrader.SUBMITTED), None)
    try:
        inside = tree.children() if tree and told in (None, "nbgrader") else []
    except OSError:
        return nodes, []
    if looks_like(inside, context) != "nbgrader":
        return nodes, []
    return inside, [printable(node.name) for node in nodes if node is not tree]


def _of_all_sections(nodes: list[Node], context: Context, told: str | None) -> list[Node]:
    """The class, where its sections lie in a folder each: students whom the roster knows, or a system's files."""
    sections = [node for node in nodes if node.kind == "folder"]
    if told not in (None, "folder") or not sections or looks_like(nodes, context) != "folder":
        return nodes
    if any(context.means(one.name) for one in sections):
        return nodes
    try:
        inside = [[node for node in one.children() if may_be_handed_in(node)] for one in sections]
    except OSError:
        return nodes
    everybody = [node for one in inside for node in one]
    known = [node for node in everybody if context.means(node.name if node.kind == "folder" else node.stem)]
    is_systems = len(sections) > 1 and all(looks_like(one, context) in IN_SECTIONS for one in inside)
    if not (is_systems or 2 * len(known) > len(everybody)):
        return nodes
    return [*everybody, *(node for node in nodes if node not in sections)]


def _without_the_homeworks_own(nodes: list[Node], source: Path, context: Context) -> tuple[list[Node], list[Node]]:
    """The nodes, and those whose name is the homework's and so nobody's.

    Raises KitError where there is no class around them: that is one student's folder.
    """
    nameless = [node for node in nodes if node.kind != "folder" and is_named(node, context.homework)]
    others = [node for node in nodes if node not in nameless]
    scripts = sum(node.suffix in SUFFIXES for node in others)
    is_class = (
        sum(node.kind == "folder" or node.is_archive for node in others) > 1
        or scripts >= LEAST_SCRIPTS
        or looks_like(others, context) != "folder"
        or any(context.knows(node.stem) for node in others)
    )
    if nameless and not is_class:
        raise KitError(
            f"{source / nameless[0].name}: lies directly in the class's folder, where its name would be the student's",
            "name the folder above, or call the file by its student",
        )
    return others, nameless
