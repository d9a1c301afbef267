"""What a row of the corpus is: a hand-in, how it is made, and what must come of it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from autograder.results.result import Result

CHANCE_PERCENT = 30.0  # of 100 images in ten classes, guessing is right for 10, and for over 25 once in 10^5 classes

Make = Callable[[Path], None]
"""Writes a hand-in into the student's own, empty folder."""


@dataclass(frozen=True)
class Seen:
    """What came of one submission.

    Attributes:
        result: as it was read back from the disk.
        log: the text of log.txt, "" where there is none.
        page: the text of feedback.html.
        honest: the result of the script that all others are made from.
    """

    result: Result
    log: str
    page: str
    honest: Result


Proof = Callable[[Seen], str]
"""What else must be so: "" where it is, else what is wrong."""


@dataclass(frozen=True)
class Row:
    """A submission.

    Attributes:
        name: the student.
        does: what is wrong with it, in a few words.
        make: writes it.
        outcomes: what may come of it, the same names as in docs/output.md. Several where a race decides.
        proofs: what else must be so.
        hostile: it attacks, so nothing of it may escape.
        forged: it didn't learn what it claims, so an accuracy over chance is an escape.
    """

    name: str
    does: str
    make: Make
    outcomes: frozenset[str]
    proofs: tuple[Proof, ...] = ()
    hostile: bool = False
    forged: bool = False


def row(
    name: str,
    does: str,
    made: str | bytes | Make,
    *outcomes: str,
    proofs: Sequence[Proof] = (),
    hostile: bool = False,
    forged: bool = False,
) -> Row:
    """A row; `made` is what hw6.py holds, or a function that makes something else."""
    make = made if callable(made) else written(made)
    return Row(name, does, make, frozenset(outcomes), tuple(proofs), hostile, forged)


def written(content: str | bytes, name: str | bytes = "hw6.py") -> Make:
    """Writes one file."""

    def make(folder: Path) -> None:
        import os

        path = os.path.join(os.fsencode(folder), os.fsencode(name))  # noqa: PTH118  a name may be no UTF-8
        with open(path, "wb") as file:  # noqa: PTH123
            file.write(content.encode() if isinstance(content, str) else content)

    return make


UNREAD = (
    *("AMBIGUOUS", "BAD_ARCHIVE", "BAD_NOTEBOOK", "BAD_PATH", "BINARY", "BOMB", "EMPTY", "ENCODING", "ENCRYPTED"),
    *("NOT_REGULAR", "NO_SCRIPT", "SOURCE_TOO_BIG", "SYMLINK", "TOO_MANY_MEMBERS", "UNREADABLE"),
)
"""What keeps a file from being read: only a person can say what is to be done."""


def status_of(outcome: str) -> str:
    """The status that goes with an outcome in a preview."""
    if outcome in (*UNREAD, "MISSING_PACKAGE"):  # what isn't the student's fault costs nothing
        return "needs a person"
    return {"GRADED": "preview", "NO_FILE": "absent"}.get(outcome, "no accuracy")


# --- proofs ----------------------------------------------------------------------------------------------------------


def says(words: str) -> Proof:
    """The log has these words."""
    return lambda seen: "" if words in seen.log else f"the log doesn't say {words!r}: {seen.log[-1000:]!r}"


def never_says(words: str) -> Proof:
    """Nothing that is kept of the run has these words."""

    def proof(seen: Seen) -> str:
        lines = [line for line in (seen.log + seen.result.model_dump_json()).splitlines() if words in line]
        return "" if not lines else f"{words!r} is in {[line[:300] for line in lines[:20]]}"

    return proof


def explains(words: str) -> Proof:
    """The result's message has these words."""
    return lambda seen: "" if words in seen.result.message else f"the message is {seen.result.message!r}"


def failed_with(name: str) -> Proof:
    """The training is recorded as ended by an exception of that type."""

    def proof(seen: Seen) -> str:
        failure = None if seen.result.training is None else seen.result.training.failure
        return "" if failure is not None and failure.type == name else f"the training's failure is {failure}"

    return proof


def ended_by(name: str) -> Proof:
    """The proctor says so of the training."""

    def proof(seen: Seen) -> str:
        found = None if seen.result.training is None else seen.result.training.ended_by
        return "" if found == name else f"the training was ended by {found}"

    return proof


def flagged(word: str) -> Proof:
    """The result has this flag, and a sentence about it for a person."""

    def proof(seen: Seen) -> str:
        result = seen.result
        return "" if word in result.flags and result.for_a_person else f"the flags are {result.flags}"

    return proof


def as_honest(seen: Seen) -> str:
    """The accuracy is exactly that of the honest script, which it is made from."""
    found, honest = seen.result.accuracy, seen.honest.accuracy
    assert honest is not None
    if found is not None and (found.eval_percent, found.confusion) == (honest.eval_percent, honest.confusion):
        return ""
    return f"the accuracy is {found}, the honest one's is {honest}"


def within_budget(seen: Seen) -> str:
    """No more than five epochs were counted."""
    training = seen.result.training
    return "" if training is not None and training.epochs <= 5 else f"the training was {training}"


def nothing_right(seen: Seen) -> str:
    """Not one answer was right."""
    accuracy = seen.result.accuracy
    return "" if accuracy is not None and accuracy.counted_percent == 0 else f"the accuracy is {accuracy}"


def harmless_text(seen: Seen) -> str:
    """Nothing that a terminal would obey, and no tag of the student's in a page."""
    result = seen.result
    texts = {"log": seen.log, "message": result.message, "reasons": "".join(result.for_a_person), "page": seen.page}
    for name, text in texts.items():
        if any(not char.isprintable() and char not in "\n\t" for char in text):
            return f"a control character is in the {name}"
    return "a tag is in the page" if "<img src=x" in seen.page else ""
