"""A student's exception as data: the student's own frames, and nothing of ours or of PyTorch's.

Called by the proctor's other modules wherever a student's code ran. Never prints, never raises, and never lets a
hostile exception (a `__str__` that raises, a message of a gigabyte, a text that isn't Unicode) spoil the record.
"""

import errno
import linecache
import os
import socket
import sys
from types import TracebackType
from typing import Literal

from autograder.observations import Failure
from autograder.proctor.absent_packages import MissingPackageError
from autograder.proctor.own_code import is_own

NAME_CHARACTERS = 500
MESSAGE_CHARACTERS = 20_000
SOURCE_CHARACTERS = 500  # of one line
OUTER_FRAMES = 10  # an endless recursion has a thousand: the first ones and the last ones tell it
INNER_FRAMES = 40
LAST_LINE = 10**7
MOST_CAUSES = 50
# What an older Python says of f-strings that hold their own quotes or a backslash, as they may since 3.12 (PEP 701).
NEWER_F_STRINGS = (
    "f-string: expecting '}'",
    "f-string: unmatched",
    "f-string expression part cannot include a backslash",
)
NO_WAY = (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN)


def failure(error: BaseException, file: str) -> Failure:
    """What went wrong, with the frames of `file` only (the student's, as its code objects name it).

    `line` is the innermost of them; None when no frame is the student's. A SyntaxError in `file` has the place it
    complains about as its only frame.
    """
    frames = [(_line(number), _source(file, number)) for number in _lines(error.__traceback__, file)]
    if isinstance(error, SyntaxError) and error.filename == file and error.lineno is not None:
        frames = [(_line(error.lineno), clip(error.text or _source(file, error.lineno), SOURCE_CHARACTERS).strip())]
    if len(frames) > OUTER_FRAMES + INNER_FRAMES:
        frames = frames[:OUTER_FRAMES] + frames[-INNER_FRAMES:]
    try:
        reason, package = _reason(error)
    except Exception:  # a hostile one, whose attributes raise
        reason, package = "", ""
    return Failure(
        type=clip(type(error).__name__, NAME_CHARACTERS),
        message=clip(_message(error) + _elsewhere(error, file), MESSAGE_CHARACTERS),
        reason=reason,
        package=clip(package, NAME_CHARACTERS),
        line=frames[-1][0] if frames else None,
        frames=frames,
    )


def clip(text: str, characters: int) -> str:
    """`text` as valid Unicode, cut to `characters` with an ellipsis."""
    if len(text) > characters:
        text = text[: characters - 1] + "…"
    return text.encode("utf-8", "replace").decode("utf-8")


def _lines(traceback: TracebackType | None, file: str) -> list[int]:
    lines = []
    while traceback is not None:
        if traceback.tb_frame.f_code.co_filename == file:
            lines.append(traceback.tb_lineno)
        traceback = traceback.tb_next
    return lines


def _line(number: int) -> int:
    return min(max(number, 0), LAST_LINE)


def _source(file: str, number: int) -> str:
    return clip(linecache.getline(file, number).strip(), SOURCE_CHARACTERS)


def _reason(error: BaseException) -> tuple[Literal["", "no-network", "missing-package", "newer-python"], str]:
    """Why it was raised, where a package, a network or a newer Python is missing: of the error, or of its causes."""
    if isinstance(error, SyntaxError) and sys.version_info < (3, 12) and str(error.msg).startswith(NEWER_F_STRINGS):
        return "newer-python", ""
    seen: list[BaseException] = []
    left: list[BaseException | None] = [error]
    while left and len(seen) < MOST_CAUSES:
        one = left.pop()
        if one is None or any(one is other for other in seen):
            continue
        seen.append(one)
        if isinstance(one, MissingPackageError) or (isinstance(one, ModuleNotFoundError) and not _is_own_import(one)):
            return "missing-package", str(one.name)
        if isinstance(one, socket.gaierror) or (isinstance(one, OSError) and one.errno in NO_WAY):
            return "no-network", ""
        inner = getattr(one, "reason", None)  # urllib's
        left += [one.__cause__, one.__context__, inner if isinstance(inner, BaseException) else None]
    return "", ""


def _is_own_import(error: ModuleNotFoundError) -> bool:
    """Whether the submission's own code imports what is missing, and not a package that it uses."""
    traceback, importer = error.__traceback__, ""
    while traceback is not None:
        importer = traceback.tb_frame.f_code.co_filename
        traceback = traceback.tb_next
    return not importer or is_own(importer)


def _elsewhere(error: BaseException, file: str) -> str:
    """Where it was raised, when that is another file of the student's: ` (net.py, line 12)`."""
    traceback, place = error.__traceback__, ""
    while traceback is not None:
        name = traceback.tb_frame.f_code.co_filename
        if is_own(name):
            place = "" if name == file else f" ({os.path.basename(name)}, line {traceback.tb_lineno})"  # noqa: PTH119
        traceback = traceback.tb_next
    return place


def _message(error: BaseException) -> str:
    if isinstance(error, SystemExit):
        return _exit_message(error)
    try:
        # str() of a SyntaxError repeats the file and the line
        return error.msg if isinstance(error, SyntaxError) else str(error)
    except KeyboardInterrupt:
        raise
    except BaseException as trouble:
        return f"(its message can't be read: {type(trouble).__name__})"


def _exit_message(error: SystemExit) -> str:
    """What the script said when it ended itself: the text of `sys.exit("...")`, or of argparse, or its status."""
    if isinstance(error.code, str):
        return error.code
    said = getattr(error, "said", "")
    status = f"exit status {error.code or 0}" if isinstance(error.code, int | None) else "exit"
    return f"{status}: {said}" if said else status
