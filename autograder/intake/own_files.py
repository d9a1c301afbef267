"""What a student hands in beside the file: a record of the epochs, and a receipt. Shown, and never believed.

Called by intake. Only reads; what can't be read is said, and changes nothing else.
"""

from collections.abc import Sequence

from autograder.course.homework import Homework
from autograder.errors import printable
from autograder.intake import own_record, receipt
from autograder.intake.choose import listed
from autograder.intake.file_tree import Node
from autograder.intake.submission import Submission, UnreadableError
from autograder.language import gettext as _
from autograder.observations import Epoch


def record(places: Sequence[Node], handed_in: Submission) -> tuple[tuple[Epoch, ...], tuple[str, ...]]:
    """The student's own record of the epochs, and why there is none where one was meant.

    `places`: where it may lie, the likeliest first: the folder of the file that counts, and that of the whole attempt.
    """
    records = _called(own_record.RECORD, places)
    if len(records) > 1:
        text = _("{record}: no telling which one counts: {files}")
        return (), (text.format(record=own_record.RECORD, files=listed([one.name for one in records])),)
    if records:
        try:
            return tuple(own_record.from_csv(_text(records[0]))), ()
        except ValueError as error:
            return (), (f"{records[0].name}: {error}",)
    if handed_in.name.lower().endswith(".ipynb"):
        return tuple(own_record.from_notebook(handed_in.content)), ()
    return (), ()


def receipt_of(places: Sequence[Node], handed_in: Submission, homework: Homework) -> str:
    """What the student's own receipt says, or why it says nothing; "" without one. `places`: as for `record`."""
    for node in _called(f"{homework.stem}{receipt.ENDING}", places):
        try:
            said = receipt.read(_text(node).encode())
        except ValueError as error:
            return printable(_("{file} can't be read: {reason}").format(file=node.name, reason=error))
        return printable(receipt.of(said, handed_in.script))
    return ""


def _called(name: str, places: Sequence[Node]) -> list[Node]:
    """What is called so, in any case of letters, in the first of the places that has it."""
    folders = (place for place in places if place.kind == "folder")
    found = ([one for one in place.children() if one.name.lower() == name.lower()] for place in folders)
    return next((nodes for nodes in found if nodes), [])


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
