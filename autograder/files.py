"""Where the kit's own files are, and how a file is written whole.

Everything may stand on this module; it imports nothing of the kit's. In a checkout the solutions, the handouts and the
rubric are read from where they are written; an installed package has copies of them, which `setup.py` put there when it
was built.
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
"""A catalogue each language: `ko/LC_MESSAGES/autograder.po`, and the same compiled (`.mo`)."""

TEMPLATES = PACKAGE / "publish" / "templates"
REFERENCES = PACKAGE / "publish" / "references"
"""Records of the solution's own runs that ship."""

PARSING = threading.RLock()
"""Held by whatever parses Python: before 3.11.8 two threads that do it at a time can both fail (cpython gh-106905).
numpy does too, for the header of each `.npy` file that it reads."""


def write_text(path: Path, text: str) -> None:
    """Write `path` whole or not at all. Its folder is made when it is missing."""
    with whole(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="")


@contextlib.contextmanager
def whole(path: Path) -> Iterator[Path]:
    """A file to write in the place of `path`, which it becomes when it is whole and on the disk.

    The folder is made when it is missing. Whatever fails, what was at `path` before stays.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    os.close(descriptor)
    temporary = Path(name)
    try:
        yield temporary
        _to_disk(temporary)
        temporary.chmod(0o666 & ~_umask())  # mkstemp makes files for the owner's eyes only
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _to_disk(path.parent)


def _to_disk(path: Path) -> None:
    """What was written is there after a power cut, too. Of a folder: its names; Windows has no such call for those."""
    if os.name == "nt" and path.is_dir():
        return
    descriptor = os.open(path, os.O_RDWR if os.name == "nt" else os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@cache
def _umask() -> int:
    # There is no way to ask but to set it, for all threads: so once, before there are any.
    mask = os.umask(0)
    os.umask(mask)
    return mask
