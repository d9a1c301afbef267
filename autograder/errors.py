"""The one exception whose message people see, and how text from other people is made safe for it.

It is raised wherever bad input is met, by any module; `commands/app.py` prints it as one line with a hint, and exits
with its code. A crash of ours is anything else: it keeps its traceback.
"""


class KitError(Exception):
    """Bad input, said in one line.

    Args:
        message: what is wrong and where, without a full stop at the end.
        hint: what to do about it, or "" when there is nothing to suggest.
        exit_code: what the command exits with (2: the request could not be carried out).
    """

    def __init__(self, message: str, hint: str = "", exit_code: int = 2) -> None:
        super().__init__(message)
        self.message = printable(message)  # parts of it may be names and words that others chose
        self.hint = hint
        self.exit_code = exit_code


def printable(text: str) -> str:
    """`text` as it may be shown on a terminal: without control characters, and as valid Unicode.

    Escape sequences could change the terminal of whoever reads it. Line ends and tabs stay.
    """
    lines = text.replace("\r\n", "\n").replace("\r", "\n")
    clean = "".join(char if char in "\n\t" or char.isprintable() else "\ufffd" for char in lines)
    return clean.encode("utf-8", "replace").decode("utf-8")


def first_line(error: BaseException) -> str:
    """The first line of what an exception says, or its type where it says nothing."""
    return (str(error).splitlines() or [""])[0] or type(error).__name__
