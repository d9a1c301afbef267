"""Whose each hand-in is: students of a roster, members of a team, or whoever a name means.

Called by intake. Decides nothing about files. Nobody comes twice, and nobody on a roster is taken for absent while
something lies there that may be theirs.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from autograder.errors import printable
from autograder.intake import names
from autograder.intake.choose import listed
from autograder.intake.file_tree import Node
from autograder.intake.lms import moodle
from autograder.intake.lms.found import Attempt, Found, Student
from autograder.intake.lms.recognition import SYSTEMS
from autograder.intake.roster import Listed, Roster
from autograder.language import gettext as _

TIMED = ("blackboard", "gradescope")  # they give each attempt a time, so attempts under several ids can be put in order


@dataclass
class Person:
    """One student, and what may be theirs.

    Attributes:
        id: the roster's, else the system's.
        hand_ins: what is theirs: more than one where several names mean them.
        doubtful: what may be theirs or somebody else's.
        on_roster: their row; None for who has none.
        deadline: their own; None for the class's.
        trouble: why only a person can say what is theirs, a sentence.
    """

    id: str
    name: str = ""
    hand_ins: list[Student] = field(default_factory=list)
    doubtful: list[Student] = field(default_factory=list)
    on_roster: Listed | None = None
    deadline: datetime | None = None
    trouble: str = ""


class People:
    """Everybody in a class."""

    def __init__(self, found: Found, register: Roster) -> None:
        self.register = register
        self.lms = found.lms
        self._by_key: dict[str, Person] = {}
        for one in register.listed:
            self._by_key[names.key(one.id)] = Person(one.id, one.name, on_roster=one, deadline=one.deadline)
        students = _with_teams(found, register)
        for student in students:
            self._add(student)
        for node in found.strays:
            self._add(_stray(node, found.lms))
        unknown_teams = any(student.team and not self._members(student) for student in students)
        for person in self._by_key.values():
            if found.lms in TIMED:
                person.hand_ins = _one_after_another(person.hand_ins)
            self._explain(person, unknown_teams)

    @property
    def all(self) -> list[Person]:
        """Everybody, in no order."""
        return list(self._by_key.values())

    @property
    def unlisted(self) -> tuple[str, ...]:
        """Ids of who handed something in and isn't on the roster; () where there is no roster."""
        if not self.register.listed:
            return ()
        found = [one for one in self._by_key.values() if one.on_roster is None]
        return tuple(one.id for one in found if any(student.placed for student in one.hand_ins))

    def called(self, id_: str) -> Person | None:
        """The student whom an instructor means by `id_`; None for nobody."""
        if (person := self._by_key.get(names.key(id_))) is not None:
            return person
        one = self.register.by_id(id_)
        return None if one is None else self._by_key[names.key(one.id)]

    def remove(self, person: Person) -> None:
        """Take out a hand-in that turned out to be somebody else's, or nobody's."""
        self._by_key.pop(names.key(person.id), None)

    def _add(self, student: Student) -> None:
        if members := self._members(student):
            for one in members:
                self._by_key[names.key(one.id)].hand_ins.append(student)
            return
        owners = [] if student.team else self.register.owners(student)
        if len(owners) > 1:
            for one in owners:
                self._by_key[names.key(one.id)].doubtful.append(student)
            return
        id_ = owners[0].id if owners else student.id
        person = self._by_key.setdefault(names.key(id_), Person(id_))
        person.name = person.name or student.name
        person.hand_ins.append(student)

    def _members(self, student: Student) -> list[Listed]:
        """Who is in the team whose hand-in it is; [] where it is nobody's, or no team's."""
        called = [student.name, *((student.id, *student.aliases) if student.team or student.by_people else ())]
        return next((found for one in called if one and (found := self.register.team(one))), [])

    def _explain(self, person: Person, unknown_teams: bool) -> None:
        """Say why only a person can tell what is theirs, where that is so."""
        troubles = [student.trouble for student in person.hand_ins if student.trouble]
        teams = [student for student in person.hand_ins if student.team and not self._members(student)]
        if person.doubtful:
            text = _("{files}: its name could mean several students")
            sources = [attempt.files.source for student in person.doubtful for attempt in student.attempts]
            troubles.append(text.format(files=listed(sources)))
        if teams:
            troubles.append(
                _("the hand-in of a team, {team}, and nothing says who is in it").format(team=teams[0].name)
            )
        if not person.hand_ins and unknown_teams and person.on_roster is not None and not person.on_roster.team:
            troubles.append(_("teams have handed in, and nothing says who is in which"))
        person.trouble = "; ".join(dict.fromkeys(troubles))


def _one_after_another(hand_ins: list[Student]) -> list[Student]:
    """What a system knows under several ids of one student, as attempts of one; teams' stay by themselves."""
    own = [one for one in hand_ins if one.placed and not (one.team or one.trouble)]
    if len(own) < 2:
        return hand_ins
    first = Student(own[0].id, own[0].name, [attempt for one in own for attempt in one.attempts])
    return [first, *(one for one in hand_ins if one not in own)]


def _stray(node: Node, lms: str) -> Student:
    """What somebody has put beside a system's files."""
    words = _("{file}: its name isn't as {system} makes them, so it doesn't say whose it is")
    if lms == "folder":
        words = _("{file}: its name is the homework's, and doesn't say whose it is")
    words = words.format(file=printable(node.name), system=SYSTEMS[lms].title)
    id_ = node.name if node.kind == "folder" else node.stem
    return Student(id_, "", [Attempt(node)], by_people=True, trouble=words, placed=False)


def _with_teams(found: Found, register: Roster) -> Sequence[Student]:
    """The students; or, of Moodle's, teams, where the roster's names show that the numbers are those of teams."""
    if found.lms != "moodle" or any(student.team for student in found.students):
        return found.students
    known = [(student, owners[0]) for student in found.students if len(owners := register.owners(student)) == 1]
    wrong = [(student, owner) for student, owner in known if names.differ(student.name, owner.name)]
    if wrong and 2 * len(wrong) >= len(known):
        return [moodle.as_team(student) for student in found.students]
    for student, owner in wrong:
        text = _("number {id} is {name} in Moodle's folder, and {other} on the roster")
        student.trouble = text.format(id=student.id, name=printable(student.name), other=printable(owner.name))
    return found.students
