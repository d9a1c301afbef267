"""Zip files where a script was asked: innocent, broken and hostile. None is ever unpacked."""

import io
import stat
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

from support.corpus.base import script
from support.corpus.hostile import MARK
from support.corpus.row import Make, Row, as_honest, explains, row

Members = list[tuple[str | zipfile.ZipInfo, str | bytes]]


def packed(members: Members) -> bytes:
    """A zip archive with these members, whatever their names are."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return file.getvalue()


def _zip(members: Members, change: Callable[[bytes], bytes] = bytes, name: str = "hw6.zip") -> Make:
    def make(folder: Path) -> None:
        (folder / name).write_bytes(change(packed(members)))

    return make


def _two(folder: Path) -> None:
    for name, content in (("first.zip", RIGHT), ("second.zip", "print(1)\n")):
        _zip([("hw6.py", content)], name=name)(folder)


def _link() -> zipfile.ZipInfo:
    info = zipfile.ZipInfo("hw6.py")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info


def encrypted(content: bytes) -> bytes:
    """The archive with the mark that its first member is encrypted."""
    local, central = content.index(b"PK\3\4"), content.index(b"PK\1\2")
    changed = bytearray(content)
    changed[local + 6] |= 1
    changed[central + 8] |= 1
    return bytes(changed)


def _endless_list(content: bytes) -> bytes:
    end = content.rindex(b"PK\5\6")
    return content[: end + 12] + struct.pack("<I", 2**31) + content[end + 16 :]


def _cut_off(content: bytes) -> bytes:
    return content[:-30]


def _flipped(content: bytes) -> bytes:
    at = content.index(b"PK\1\2") - 20  # in the packed bytes of the last member
    return content[:at] + bytes([content[at] ^ 0x55]) + content[at + 1 :]


RIGHT = script()

ROWS: tuple[Row, ...] = (
    row("zip", "the script, packed", _zip([("hw6.py", RIGHT)]), "GRADED", proofs=[as_honest]),
    row(
        "zip-of-a-folder",
        "a folder, packed on a Mac, with what else was in it",
        _zip([("hw6/", b""), ("hw6/hw6.py", RIGHT), ("hw6/notes.txt", b"x"), ("__MACOSX/hw6/._hw6.py", b"\0")]),
        "GRADED",
        proofs=[as_honest],
    ),
    row(
        "zip-slip",
        "a member that climbs out",
        _zip([("../" * 9 + f"tmp/{MARK}", "x"), ("hw6.py", RIGHT)]),
        "BAD_ARCHIVE",
        hostile=True,
    ),
    row(
        "zip-absolute",
        "a member with a place of its own",
        _zip([(f"/tmp/{MARK}", "x"), ("hw6.py", RIGHT)]),
        "BAD_ARCHIVE",
        hostile=True,
    ),
    row(
        "zip-backslash",
        "the same for Windows",
        _zip([(f"..\\..\\{MARK}", "x"), ("hw6.py", RIGHT)]),
        "BAD_ARCHIVE",
        hostile=True,
    ),
    row(
        "zip-drive",
        "a member on another drive",
        _zip([(f"C:/{MARK}", "x"), ("hw6.py", RIGHT)]),
        "BAD_ARCHIVE",
        hostile=True,
    ),
    row("zip-link", "a link to the gradebook", _zip([(_link(), "../../gradebook.csv")]), "SYMLINK", hostile=True),
    row("zip-bomb", "a script of 64 MiB in 64 KiB", _zip([("hw6.py", bytes(2**26))]), "BOMB", hostile=True),
    row("zip-in-zip", "an archive in an archive", _zip([("hw6.zip", packed([("hw6.py", RIGHT)]))]), "BAD_ARCHIVE"),
    row(
        "zip-nested-bomb",
        "an archive of archives of zeros",
        _zip([(f"{number}.zip", packed([("hw6.py", bytes(2**24))])) for number in range(10)]),
        "BAD_ARCHIVE",
        hostile=True,
    ),
    row(
        "zip-twins",
        "two scripts whose names differ in case",
        _zip([("hw6.py", RIGHT), ("HW6.py", "print(1)\n")]),
        "AMBIGUOUS",
        proofs=[explains("hw6.zip/HW6.py, hw6.zip/hw6.py")],
    ),
    row(
        "zip-copies",
        "the script and a copy of it",
        _zip([("hw6.py", RIGHT), ("hw6 (1).py", RIGHT)]),
        "GRADED",
        proofs=[as_honest],
    ),
    row(
        "zip-file-and-folder",
        "one name for a file and a folder",
        _zip([("hw6.py", RIGHT), ("hw6.py/hw6.py", RIGHT)]),
        "BAD_ARCHIVE",
        hostile=True,
    ),
    row("zip-encrypted", "a password that nobody was told", _zip([("hw6.py", RIGHT)], encrypted), "ENCRYPTED"),
    row(
        "zip-cut-off",
        "an upload that broke off",
        _zip([("hw6.py", RIGHT)], lambda content: content[:-30]),
        "BAD_ARCHIVE",
    ),
    row("zip-damaged", "a byte that isn't what it was", _zip([("hw6.py", RIGHT)], _flipped), "BAD_ARCHIVE"),
    row(
        "zip-endless",
        "a list of members without an end",
        _zip([("hw6.py", RIGHT)], _endless_list),
        "TOO_MANY_MEMBERS",
        hostile=True,
    ),
    row(
        "zip-deep",
        "a script a hundred folders deep",
        _zip([("a/" * 100 + "hw6.py", RIGHT)]),
        "BAD_ARCHIVE",
        hostile=True,
    ),
    row("zip-empty", "an archive with nothing in it", _zip([]), "NO_SCRIPT"),
    row("rar", "an archive of another kind", _zip([("hw6.py", RIGHT)], name="hw6.rar"), "BAD_ARCHIVE"),
    row("two-zips", "two archives, with two scripts", _two, "AMBIGUOUS"),
)
