"""A student's exception as data: the student's own frames, and nothing of ours or of PyTorch's.

Called by the proctor's other modules wherever a student's code ran. Never prints, never raises, and never lets a
hostile exception (a `__str__` that raises, a message of a gigabyte, a text that isn't Unicode) spoil the record.
"""

import linecache
from types import TracebackType

from autograder.observations import Failure

NAME_CHARACTERS = 500
MESSAGE_CHARACTERS = 20_000
SOURCE_CHARACTERS = 500  # of one line
OUTER_FRAMES = 10  # an endless recursion has a thousand: the first ones and the last ones tell it
INNER_FRAMES = 40
LAST_LINE = 10**7


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
    return Failure(
        type=clip(type(error).__name__, NAME_CHARACTERS),
        message=clip(_message(error), MESSAGE_CHARACTERS),
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


def _message(error: BaseException) -> str:
    try:
        # str() of a SyntaxError repeats the file and the line
        return error.msg if isinstance(error, SyntaxError) else str(error)
    except KeyboardInterrupt:
        raise
    except BaseException as trouble:
        return f"(its message can't be read: {type(trouble).__name__})"
