"""One student and what came of their hand-in: what intake hands on.

Made by `counting`, handed on by `hand_ins`, read by whatever grades, keeps and shows.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from autograder.intake.submission import Submission
from autograder.observations import Epoch

READ = "READ"
"""The outcome of an entry whose submission was read."""

NO_FILE = "NO_FILE"
"""The outcome where nothing was handed in: the only one that gives the rubric's tier for that. Every other outcome
names what keeps a file from being read ("AMBIGUOUS", "NO_SCRIPT", "ENCODING", ...), and is for a person to settle."""

UNPLACED = "UNPLACED"
"""The outcome where nobody can tell whose something is, or what is theirs."""

State = Literal["on time", "late", "absent", "for a person"]
"""In a word, what became of a hand-in: the same one wherever it is told."""

STATES: tuple[State, ...] = ("on time", "late", "absent", "for a person")


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
        outcome: "READ", "NO_FILE", or what only a person can settle.
        message: the same in a sentence; "" for "READ".
        submission: the file that counts; None where none was read.
        submitted_at: when the attempt that counts came, with its offset from UTC; None where nobody says.
        deadline: by which it had to come; None for none.
        own_deadline: whether `deadline` is the student's own, and not the class's.
        late: whether no attempt came by the deadline.
        late_s: by how many seconds; None where it isn't late, or nobody says. See `deadline.late_s`.
        own_epochs: the student's own record; () for none. Untrusted numbers, in their ranges.
        receipt: what the student's own receipt says, a sentence; "" without one. Untrusted words.
        record_notes: why the record for `own_epochs` couldn't be read.
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
    deadline: datetime | None = None
    own_deadline: bool = False

    @property
    def is_for_a_person(self) -> bool:
        """Whether nobody but a person can settle it."""
        return self.outcome not in (READ, NO_FILE)

    @property
    def state(self) -> State:
        """What became of it."""
        if self.is_for_a_person:
            return "for a person"
        if self.outcome == NO_FILE:
            return "absent"
        return "late" if self.late else "on time"
