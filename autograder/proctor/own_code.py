"""Which code is the student's: the script, what lies beside it, and what it writes into its own folder.

Called by the proctor's other modules, to ask whose line of code this is. Line numbers that people see are of the
script.
"""

import os
import sys
from functools import cache
from types import FrameType

_script = ""
_folders: tuple[str, ...] = ()


def is_at(script: str) -> None:
    """From now on `script` is the student's, with the folder it lies in and the one that it runs in."""
    global _script, _folders
    _script = script
    _folders = (os.path.dirname(script) + os.sep, os.getcwd() + os.sep)  # noqa: PTH109,PTH120
    is_own.cache_clear()


@cache
def is_own(file: str) -> bool:
    """Whether a code object's file is the student's."""
    return file == _script or (file.startswith(_folders) and "site-packages" not in file)


def line_in(file: str = "") -> int | None:
    """The line of `file`, or of the script, that is being executed, of the innermost frame in it; None without one."""
    file = file or _script
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        if frame.f_code.co_filename == file:
            return frame.f_lineno
        frame = frame.f_back
    return None
