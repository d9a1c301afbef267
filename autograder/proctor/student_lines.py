"""Which line of a student's file is running at the moment.

Called by `trace.py` and `examine.py`, for the lines that messages name.
"""

import sys
from collections.abc import Callable
from types import CodeType, FrameType
from typing import TypeVar

from autograder.proctor.failure import LAST_LINE

Entrance = TypeVar("Entrance", bound=Callable[..., object])
_borders: set[CodeType] = set()


def border(function: Entrance) -> Entrance:
    """Mark a function that calls the student's code to look at it.

    The script itself may still be running further out; where it stands says nothing about the code looked at.
    """
    _borders.add(function.__code__)
    return function


def student_line(file: str, skip_init_of: object = None) -> int | None:
    """The line that the innermost running frame of `file` is at, or None; frames outside a border don't count.

    With `skip_init_of`, frames of that object's own `__init__` are passed over, unless there is no other.
    """
    frame: FrameType | None = sys._getframe(1)
    own: int | None = None
    while frame is not None and frame.f_code not in _borders:
        if frame.f_code.co_filename == file:
            line = min(frame.f_lineno, LAST_LINE)
            if skip_init_of is None or not _is_init_of(frame, skip_init_of):
                return line
            own = line
        frame = frame.f_back
    return own


def _is_init_of(frame: FrameType, instance: object) -> bool:
    code = frame.f_code
    return bool(code.co_name == "__init__" and code.co_argcount and frame.f_locals.get(code.co_varnames[0]) is instance)
