"""Where the kit's own files are, and how a file is written whole.

Every module may import this one; it imports none of the kit's. In a checkout the solutions, the handouts and the rubric
are read from where they are written; an installed package has copies of them, which `setup.py` put there when it was
built.
"""

import contextlib
import os
import tempfile
import threading
from collections.abc import Iterator
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent
"""The package's folder: what a sandbox is given of the kit."""

ROOT = PACKAGE.parent
"""The checkout (or the folder that holds the installed package)."""

CHECKOUT = (ROOT / "pyproject.toml").is_file()
"""Whether the package runs from a checkout."""

BUILT = PACKAGE / "built"
"""Copies that an installed package has of what a checkout keeps elsewhere."""

SOLUTIONS = ROOT / "solution" if CHECKOUT else BUILT / "given"
"""A folder for each homework, with the files that students get complete; in a checkout the solution is there too."""

HANDOUTS = ROOT / "assignment" if CHECKOUT else BUILT / "handouts"
"""A folder for each homework, with its README.md."""

RUBRIC = (ROOT if CHECKOUT else BUILT) / "grading_rubric.md"
"""The document that decides the points."""

EXAMPLES = ROOT / "examples" / "submissions"
"""The made-up classes of a checkout."""

LOCALE = PACKAGE / "locale"
"""A catalogue for each language: `ko/LC_MESSAGES/autograder.po`, and the same compiled (`.mo`)."""

TEMPLATES = PACKAGE / "publish" / "templates"
REFERENCES = PACKAGE / "publish" / "references"
"""Records of the solution's own runs that ship."""

PARSING = threading.RLock()
"""A lock to hold while parsing Python: before 3.11.8, two threads that parse at the same time can both fail (cpython
gh-106905). numpy parses Python too, in the header of each `.npy` file that it reads."""


def write_text(path: Path, text: str) -> None:
    """Write `path` whole or not at all. Its folder is made when it is missing."""
    with whole(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="")


@contextlib.contextmanager
def whole(path: Path) -> Iterator[Path]:
    """A temporary file to write, which replaces `path` when it is complete and on the disk.

    The folder is made when it is missing. If anything fails, the old `path` stays.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    os.close(descriptor)
    temporary = Path(name)
    try:
        yield temporary
        _to_disk(temporary)
        temporary.chmod(0o666 & ~_umask())  # mkstemp makes files that only their owner can read
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _to_disk(path.parent)


def _to_disk(path: Path) -> None:
    """Flush a file, or a folder's list of names, so that it survives a power cut. Windows can't flush a folder."""
    if os.name == "nt" and path.is_dir():
        return
    descriptor = os.open(path, os.O_RDWR if os.name == "nt" else os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@cache
def _umask() -> int:
    # The umask can only be read by setting it, for all threads: so this is done once.
    mask = os.umask(0)
    os.umask(mask)
    return mask
