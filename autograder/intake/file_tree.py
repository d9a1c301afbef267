"""Files and folders that somebody handed in, on the disk or in a zip archive, seen in one way.

Called by intake. Only reads: links are never followed, archives are never unpacked, and of a file no more is read than
was asked for, so an archive that would grow to petabytes costs what one small file costs.
"""

import errno
import os
import re
import stat
import struct
import tempfile
import unicodedata
import zipfile
import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from pathlib import Path, PurePosixPath
from typing import IO, Literal

from autograder.intake import code_pages, submission
from autograder.intake.submission import UnreadableError

Kind = Literal["file", "folder", "link", "other"]

LARGEST_INNER = 512 * 2**20  # bytes of an archive that lies in another one: some pack their dataset too
LARGEST_DIRECTORY = 16 * 2**20  # bytes of an archive's list of members, which has to be read whole
MOST_MEMBERS = 100_000
BOMB_RATIO = 100  # unpacked over packed; text packs to a tenth, zeros to a thousandth
IGNORED = {"__pycache__", "__MACOSX"}
ARCHIVES = (".7z", ".alz", ".bz2", ".cab", ".egg", ".gz", ".lzh", ".rar", ".tar", ".tgz", ".txz", ".xz", ".zip")
UNICODE_PATH, UNIX_TIME = 0x7075, 0x5455  # extra fields of a member


class Node(ABC):
    """A file or a folder. `name` is its own name, without its folders, in Unicode's composed form (NFC); `source` is
    the name that it was downloaded with."""

    def __init__(self, name: str, kind: Kind) -> None:
        self.name, self.source = unicodedata.normalize("NFC", name), name
        self.kind = kind

    @property
    def stem(self) -> str:
        """The name without its ending, or both of `.tar.gz`."""
        stem = PurePosixPath(self.name).stem
        return stem[:-4] if self.is_archive and stem.lower().endswith(".tar") else stem

    @property
    def is_archive(self) -> bool:
        """Whether it is a file that is named as an archive, of any kind."""
        return self.kind == "file" and self.suffix in ARCHIVES

    @property
    def suffix(self) -> str:
        """The name's ending in small letters, with its dot."""
        return PurePosixPath(self.name).suffix.lower()

    @abstractmethod
    def children(self) -> list["Node"]:
        """What lies in a folder, by name, but for hidden things. Raises OSError."""

    @abstractmethod
    def hidden(self) -> list[str]:
        """The names of what lies in a folder and `children` leaves out. Raises OSError."""

    @abstractmethod
    def holds(self, name: str) -> bool:
        """Whether something of this name lies in a folder, hidden or not."""

    @abstractmethod
    def content(self, largest: int) -> bytes:
        """The bytes of a file. Raises UnreadableError where they are more than `largest`, or can't be read."""

    @abstractmethod
    def modified(self) -> datetime:
        """When it was changed last, as far as that is known, with its offset. Raises OSError."""

    def archive(self, zone: tzinfo | None) -> "Node":
        """What a zip file holds, as a folder of its name. Raises UnreadableError."""
        file = self._open_archive()
        try:
            return _tree(self.name, file, zone)
        except BaseException:
            file.close()
            raise

    @abstractmethod
    def _open_archive(self) -> IO[bytes]: ...


class Folder(Node):
    """A folder that isn't on the disk: it has the children that it is given."""

    def __init__(self, name: str, children: Iterable[Node], hidden: Iterable[str] = ()) -> None:
        super().__init__(name, "folder")
        self._children = sorted(children, key=lambda child: child.name)
        self._hidden = frozenset(hidden)

    def children(self) -> list[Node]:
        """See `Node`."""
        return self._children

    def hidden(self) -> list[str]:
        """See `Node`."""
        return sorted(self._hidden)

    def holds(self, name: str) -> bool:
        """See `Node`."""
        return name in self._hidden or any(child.name == name for child in self._children)

    def content(self, largest: int) -> bytes:
        """See `Node`."""
        raise UnreadableError("NOT_REGULAR", f"{self.name}: not a regular file")

    def modified(self) -> datetime:
        """See `Node`."""
        return max((child.modified() for child in self._children), default=datetime.fromtimestamp(0, UTC))

    def _open_archive(self) -> IO[bytes]:
        raise UnreadableError("NOT_REGULAR", f"{self.name}: not a regular file")


class OnDisk(Node):
    """A file or folder on the disk."""

    def __init__(self, path: Path) -> None:
        mode = path.lstat().st_mode
        kinds: dict[int, Kind] = {stat.S_IFLNK: "link", stat.S_IFDIR: "folder", stat.S_IFREG: "file"}
        super().__init__(_as_korean(path.name), kinds.get(stat.S_IFMT(mode), "other"))
        self.path = path

    def children(self) -> list[Node]:
        """See `Node`."""
        return [OnDisk(self.path / name) for name in self._names() if _is_shown(name)]

    def hidden(self) -> list[str]:
        """See `Node`."""
        return [name for name in self._names() if not _is_shown(name)]

    def holds(self, name: str) -> bool:
        """See `Node`."""
        return self.kind == "folder" and os.path.lexists(self.path / name)

    def _names(self) -> list[str]:
        with os.scandir(self.path) as entries:
            return sorted(entry.name for entry in entries)

    def content(self, largest: int) -> bytes:
        """See `Node`."""
        return submission.content_of(self.path, largest, follow_links=False, shown=self.name)

    def modified(self) -> datetime:
        """See `Node`."""
        return datetime.fromtimestamp(self.path.lstat().st_mtime, UTC)

    def _open_archive(self) -> IO[bytes]:
        return submission.opened(self.path, follow_links=False, shown=self.name)


class Member(Node):
    """A file in a zip archive."""

    def __init__(self, name: str, archive: zipfile.ZipFile, info: zipfile.ZipInfo, zone: tzinfo | None) -> None:
        super().__init__(name, "link" if stat.S_ISLNK(info.external_attr >> 16) else "file")
        self._archive = archive
        self._info = info
        self._zone = zone

    def children(self) -> list[Node]:
        """See `Node`."""
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), self.name)

    def hidden(self) -> list[str]:
        """See `Node`."""
        return []

    def holds(self, name: str) -> bool:
        """See `Node`."""
        return False

    def content(self, largest: int) -> bytes:
        """See `Node`."""
        with self._opened() as file:
            content = self._read(file, largest + 1)
        if len(content) > largest:
            packed = max(self._info.compress_size, 1)
            if self._info.file_size > BOMB_RATIO * packed:
                raise UnreadableError("BOMB", f"{self.name}: {packed:,} bytes that unpack to {self._info.file_size:,}")
            raise UnreadableError(
                "SOURCE_TOO_BIG",
                f"{self.name}: {self._info.file_size:,} bytes, and {largest:,} are the most that is read",
            )
        return content

    def modified(self) -> datetime:
        """See `Node`. An archive may hold the time twice; the one in UTC counts, where it is there."""
        if (seconds := _unix_time(self._info.extra)) is not None:
            return datetime.fromtimestamp(seconds, UTC)
        try:
            return local(datetime(*self._info.date_time), self._zone)
        except ValueError:  # a month 0
            return datetime.fromtimestamp(0, UTC)

    def _opened(self) -> IO[bytes]:
        if self._info.flag_bits & 1:
            raise UnreadableError("ENCRYPTED", f"{self.name}: is encrypted")
        try:
            return self._archive.open(self._info)
        except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, OSError, ValueError) as error:
            raise UnreadableError("BAD_ARCHIVE", f"{self.name}: can't be unpacked ({error})"[:500]) from error

    def _read(self, file: IO[bytes], most: int) -> bytes:
        try:
            return file.read(most)
        except Exception as error:  # each way to pack has errors of its own
            raise UnreadableError("BAD_ARCHIVE", f"{self.name}: can't be unpacked ({error})"[:500]) from error

    def _open_archive(self) -> IO[bytes]:
        # Reading an archive means going back and forth, which in a packed one means unpacking from the start again.
        kept = tempfile.TemporaryFile(prefix="autograder-")  # noqa: SIM115  the archive keeps it
        with self._opened() as file:
            for _ in range(0, LARGEST_INNER, 2**20):
                if not (part := self._read(file, 2**20)):
                    kept.seek(0)
                    return kept
                kept.write(part)
        kept.close()
        raise UnreadableError("BOMB", f"{self.name}: unpacks to over {LARGEST_INNER // 2**20} MiB")


def _tree(name: str, file: IO[bytes], zone: tzinfo | None) -> Node:
    """The members of the zip archive in `file`, as a folder. Raises UnreadableError where it can't be trusted."""
    _check_directory(name, file)
    try:
        archive = zipfile.ZipFile(file)
    except Exception as error:  # struct.error, UnicodeDecodeError and others beside BadZipFile
        raise UnreadableError("BAD_ARCHIVE", f"{name}: not a zip archive, or a damaged one ({error})"[:500]) from error
    tree, shown = _Branch(), 0
    for path, info in zip(_names(archive.infolist()), archive.infolist(), strict=True):
        parts = [part for part in path.split("/") if part not in ("", ".")]
        if not parts:
            continue
        if path.startswith("/") or re.fullmatch("[A-Za-z]:", parts[0]) or ".." in parts:
            raise UnreadableError("BAD_ARCHIVE", f"{name}: holds {path[:200]!r}, a place outside of itself")
        place = tree
        for part in parts[:-1]:
            if not _is_shown(part):
                place.hidden.add(part)
                break
            place = place.folders.setdefault(part, _Branch())
        else:
            if not _is_shown(parts[-1]):
                place.hidden.add(parts[-1])
            elif path.endswith("/"):
                place.folders.setdefault(parts[-1], _Branch())
            else:
                place.files.append(Member(parts[-1], archive, info, zone))
                shown += 1
                if shown > MOST_MEMBERS:
                    raise UnreadableError("TOO_MANY_MEMBERS", f"{name}: holds over {MOST_MEMBERS:,} files")
    return tree.folder(name)


class _Branch:
    """A folder of an archive, while its members are read."""

    def __init__(self) -> None:
        self.folders: dict[str, _Branch] = {}
        self.files: list[Node] = []
        self.hidden: set[str] = set()

    def folder(self, name: str) -> Folder:
        """The same as a node. Raises UnreadableError where a name is both a file's and a folder's."""
        if both := next((one.source for one in self.files if one.source in self.folders), None):
            raise UnreadableError("BAD_ARCHIVE", f"{name}: {both!r} is both a file and a folder in it")
        inner = [branch.folder(part) for part, branch in self.folders.items()]
        return Folder(name, [*inner, *self.files], self.hidden)


def _names(members: list[zipfile.ZipInfo]) -> list[str]:
    """The path of each member, with slashes.

    zipfile decodes a name that isn't marked as UTF-8 from code page 437. Which encoding such names are really in is
    guessed from all of them together.
    """
    unmarked = {at: info.orig_filename for at, info in enumerate(members) if not info.flag_bits & 0x800}
    raw = {at: name.encode("cp437", "replace") for at, name in unmarked.items()}
    encoding = code_pages.of_names(list(raw.values()))
    names = []
    for at, info in enumerate(members):
        name = code_pages.decoded(raw[at], encoding, "cp437") if at in raw else info.orig_filename
        said = _extra(info.extra, UNICODE_PATH)
        if at in raw and len(said) > 5 and said[1:5] == struct.pack("<I", zlib.crc32(raw[at])):
            name = said[5:].decode("utf-8", "replace")
        names.append(name.partition("\0")[0].replace("\\", "/"))
    return names


def _as_korean(name: str) -> str:
    """A name on the disk; decoded from Korean Windows's code page where it isn't UTF-8 and fits that."""
    try:
        name.encode()
    except UnicodeEncodeError:
        raw = os.fsencode(name)
        return raw.decode("cp949") if code_pages.guess([raw], "") == "cp949" else name
    return name


def _check_directory(name: str, file: IO[bytes]) -> None:
    """Refuse an archive whose list of members is too large, before anybody reads it.

    Its size is in the last record, which begins with PK 05 06 (APPNOTE.TXT 4.3.16); zipfile says what is damaged.
    """
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - 2**16 - 22))
    end = file.read()
    file.seek(0)
    at = end.rfind(b"PK\5\6")
    if at < 0 or len(end) < at + 22:
        raise UnreadableError("BAD_ARCHIVE", f"{name}: not a zip archive, or one that was cut off")
    (length,) = struct.unpack_from("<I", end, at + 12)
    if length > LARGEST_DIRECTORY:
        raise UnreadableError("TOO_MANY_MEMBERS", f"{name}: its list of files alone takes {length:,} bytes")


def _unix_time(extra: bytes) -> int | None:
    """The time of change in a member's extra fields, in seconds since 1970; None where there is none."""
    field = _extra(extra, UNIX_TIME)
    return int(struct.unpack_from("<i", field, 1)[0]) if len(field) >= 5 and field[0] & 1 else None


def _extra(extra: bytes, wanted: int) -> bytes:
    """What the first field of this kind holds (APPNOTE.TXT 4.5); b"" where there is none, or only a part of it."""
    at = 0
    while at + 4 <= len(extra):
        kind, length = struct.unpack_from("<HH", extra, at)
        if kind == wanted:
            return extra[at + 4 : at + 4 + length] if at + 4 + length <= len(extra) else b""
        at += 4 + length
    return b""


def local(moment: datetime, zone: tzinfo | None) -> datetime:
    """A local time in `zone`, with its offset. Of an hour that clocks repeat it is the first: the student's gain."""
    aware = moment.astimezone() if zone is None else moment.replace(tzinfo=zone)
    # With the zone itself, a time in such an hour would equal no other one (PEP 495).
    return datetime.fromtimestamp(aware.timestamp(), timezone(aware.utcoffset() or timedelta()))


def _is_shown(name: str) -> bool:
    return not name.startswith(".") and name not in IGNORED
