"""Plain signs in place of ours on consoles that can't show them (cp949, cp1252), so that printing never crashes.

Called by `app.main` before anything is printed. A console that takes UTF-8 is left as it is.
"""

import codecs
import sys
import unicodedata

ERRORS = "autograder-plain"
SIGNS = str.maketrans("✓✗·≠…–—→×≤≥“”‘’│┃║─━═•█", "+x-*.-->x<>\"\"''|||---*#")
"""Each of the same width, so that columns stay where they are."""


def install() -> None:
    """Let standard output and error write plain signs for what their encoding doesn't have."""
    codecs.register_error(ERRORS, _plain)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # else somebody has put another thing in its place
            stream.reconfigure(errors=ERRORS)


def _plain(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lost = error.object[error.start : error.end].translate(SIGNS)
    near = unicodedata.normalize("NFKD", lost)
    return "".join(char if char.isascii() else "?" for char in (near if near.isascii() else lost)), error.end
