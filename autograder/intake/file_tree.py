"""Files and folders that somebody handed in, on the disk or in a zip archive, seen in one way.

Called by intake. Only reads: links are never followed, archives are never unpacked, and of a file no more is read than
was asked for, so an archive that would grow to petabytes costs what one small file costs.
"""

import errno
import os
import stat
import struct
import tempfile
import zipfile
from abc import ABC, abstractmethod
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from pathlib import Path, PurePosixPath
from typing import IO, Literal

from autograder.intake import submission
from autograder.intake.submission import UnreadableError

Kind = Literal["file", "folder", "link", "other"]

LARGEST_INNER = 512 * 2**20  # bytes of an archive that lies in another one: some pack their dataset too
LARGEST_DIRECTORY = 16 * 2**20  # bytes of an archive's list of members, which has to be read whole
MOST_MEMBERS = 100_000
BOMB_RATIO = 100  # unpacked over packed; text packs to a tenth, zeros to a thousandth
IGNORED = {"__pycache__", "__MACOSX"}


class Node(ABC):
    """A file or a folder. `name` is its own, without what it lies in; `source` is that which it was downloaded with."""

    def __init__(self, name: str, kind: Kind) -> None:
        self.name = self.source = name
        self.kind = kind

    @property
    def stem(self) -> str:
        """The name without its ending."""
        return PurePosixPath(self.name).stem

    @property
    def suffix(self) -> str:
        """The name's ending in small letters, with its dot."""
        return PurePosixPath(self.name).suffix.lower()

    @abstractmethod
    def children(self) -> list["Node"]:
        """What lies in a folder, by name, but for hidden things. Raises OSError."""

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
    """A folder that is nowhere: its children were found in other ways."""

    def __init__(self, name: str, children: Iterable[Node]) -> None:
        super().__init__(name, "folder")
        self._children = sorted(children, key=lambda child: child.name)

    def children(self) -> list[Node]:
        """See `Node`."""
        return self._children

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
        super().__init__(path.name, kinds.get(stat.S_IFMT(mode), "other"))
        self.path = path

    def children(self) -> list[Node]:
        """See `Node`."""
        with os.scandir(self.path) as entries:
            names = sorted(entry.name for entry in entries)
        return [OnDisk(self.path / name) for name in names if _is_shown(name)]

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
        """See `Node`. Of the archive's two forms of it, the one that says its zone counts, where it is there."""
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
    """The members of the zip archive in `file`, as a folder. Raises UnreadableError where it is none to be trusted."""
    _check_directory(name, file)
    try:
        archive = zipfile.ZipFile(file)
    except Exception as error:  # struct.error, UnicodeDecodeError and others beside BadZipFile
        raise UnreadableError("BAD_ARCHIVE", f"{name}: not a zip archive, or a damaged one ({error})"[:500]) from error
    members = archive.infolist()
    if len(members) > MOST_MEMBERS:
        raise UnreadableError("TOO_MANY_MEMBERS", f"{name}: holds {len(members):,} files")
    tree: dict[str, object] = {}
    for info in members:
        path = _name(info).replace("\\", "/")
        parts = path.rstrip("/").split("/")
        if path.startswith("/") or ":" in parts[0] or any(part in ("", ".", "..") for part in parts):
            raise UnreadableError("BAD_ARCHIVE", f"{name}: holds {path[:200]!r}, a place outside of itself")
        if any(not _is_shown(part) for part in parts):
            continue
        place = tree
        for part in parts[:-1]:
            inner = place.setdefault(part, {})
            if not isinstance(inner, dict):
                raise UnreadableError("BAD_ARCHIVE", f"{name}: {part!r} is both a file and a folder in it")
            place = inner
        if path.endswith("/"):
            place.setdefault(parts[-1], {})
            continue
        same = place.setdefault(parts[-1], [])
        if not isinstance(same, list):
            raise UnreadableError("BAD_ARCHIVE", f"{name}: {parts[-1]!r} is both a file and a folder in it")
        same.append(Member(parts[-1], archive, info, zone))
    return _folder(name, tree)


def _folder(name: str, tree: dict[str, object]) -> Folder:
    children: list[Node] = []
    for part, inside in tree.items():
        if isinstance(inside, dict):
            children.append(_folder(part, inside))
        elif isinstance(inside, list):
            children += inside
    return Folder(name, children)


def _name(info: zipfile.ZipInfo) -> str:
    """The member's name. Without the mark for UTF-8, zipfile takes it for the code page of DOS; most that is UTF-8."""
    if info.flag_bits & 0x800:
        return info.filename
    try:
        return info.filename.encode("cp437").decode("utf-8")
    except UnicodeError:
        return info.filename


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
    """The time of change in a member's extra field 0x5455, in seconds since 1970; None where there is none."""
    at = 0
    while at + 4 <= len(extra):
        kind, length = struct.unpack_from("<HH", extra, at)
        if kind == 0x5455 and length >= 5 and at + 9 <= len(extra) and extra[at + 4] & 1:
            (seconds,) = struct.unpack_from("<i", extra, at + 5)
            return int(seconds)
        at += 4 + length
    return None


def local(moment: datetime, zone: tzinfo | None) -> datetime:
    """A course's local time, with its offset. An hour that comes twice a year is the first one: the student's gain."""
    aware = moment.astimezone() if zone is None else moment.replace(tzinfo=zone)
    # With the zone itself, a time in such an hour would equal no other one (PEP 495).
    return datetime.fromtimestamp(aware.timestamp(), timezone(aware.utcoffset() or timedelta()))


def _is_shown(name: str) -> bool:
    return not name.startswith(".") and name not in IGNORED
