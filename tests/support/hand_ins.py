"""Classes that handed in, as tables: what lies in a download, and what a careful instructor reads out of it.

`Case` is a row, `check` reads it through the command's own functions, and the builders write what is downloaded: names
and files in the shape that each system gives them. All names are made up. What decides, where a case could be read in
two ways: nobody gets 0 points without a person where something was handed in; nobody gets somebody else's points;
nobody has two rows; and whoever can be read without a doubt is read.
"""

import io
import json
import os
import shutil
import subprocess
import unicodedata
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from autograder.commands import collect
from autograder.errors import KitError
from autograder.grading import collected

Files = dict[str, "bytes | tuple[bytes, str]"]
"""Path in a download -> what it holds, or that and when it was changed. A path that ends in "/" is an empty folder."""
Build = Callable[[Path], Path]
"""Writes a download into a folder, and says where it lies. What a roster says lies beside it, in `roster.csv`."""
Expected = dict[str, dict[str, object]]

EARLY = "2026-11-29 12:00:00"  # when a file was changed, unless a case says otherwise: a day and a half in time
WORDS = {"homework": "hw6", "deadline": "2026-11-30 23:59", "timezone": "Asia/Seoul"}
ROSTER = WORDS | {"roster": "roster.csv"}


@dataclass(frozen=True)
class Case:
    """A class that handed in, and what is to be read out of it.

    In what is expected, a tuple holds all that is right; an id may be several with "|" between. `expect` has
    everybody: another row is wrong, unless it puts one of `expect_named` before a person.

    Attributes:
        kind: what may go wrong.
        name: of the case, and of its folder.
        why: how it comes about, with the public report where there is one.
        build: writes the download.
        expect: id -> any of outcome, file, came, name.
        words: the options of `collect`, without their dashes; the roster's path is from the case's folder.
        expect_system: whose download it is.
        expect_absent_ids: ids that no row may have.
        expect_left_out: names that are told to be nobody's.
        expect_named: names that mustn't get lost: each is left out by name, or a row that is for a person says it.
        expect_error: words of the error; "" where there is none.
    """

    kind: str
    name: str
    why: str
    build: Build
    expect: Expected = field(default_factory=dict)
    words: dict[str, Any] = field(default_factory=lambda: WORDS)
    expect_system: str | None = None
    expect_absent_ids: tuple[str, ...] = ()
    expect_left_out: tuple[str, ...] = ()
    expect_named: tuple[str, ...] = ()
    expect_error: str = ""


# --- what is handed in -----------------------------------------------------------------------------------------------

SCRIPT = b"x = 1\nprint(x)\n"
OTHER = b"x = 2\nprint(x)\n"


def notebook(*cells: str) -> bytes:
    """A notebook with these cells of code."""
    made: list[dict[str, object]] = [
        {"cell_type": "code", "metadata": {}, "execution_count": None, "outputs": [], "source": cell} for cell in cells
    ]
    return json.dumps({"cells": made, "metadata": {}, "nbformat": 4, "nbformat_minor": 4}).encode()


def script_of(*cells: str) -> bytes:
    """The script that the kit makes of such a notebook."""
    return "\n".join(f"# %%\n{cell}\n" for cell in cells).encode()


NOTEBOOK = notebook("x = 1", "print(x)")


def nfd(text: str) -> str:
    """As macOS writes names: each letter in its parts."""
    return unicodedata.normalize("NFD", text)


def nfc(text: str) -> str:
    """As everybody else writes them."""
    return unicodedata.normalize("NFC", text)


def dated(given: bytes | tuple[bytes, str]) -> tuple[bytes, datetime]:
    """What a file holds, and when it was changed."""
    content, when = given if isinstance(given, tuple) else (given, EARLY)
    return content, datetime.fromisoformat(when)


def tree(folder: Path, files: Files) -> Path:
    """Files on the disk, changed at these times in Seoul."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, given in files.items():
        path = folder / name
        if name.endswith("/"):
            path.mkdir(parents=True, exist_ok=True)
            continue
        content, when = dated(given)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        seconds = when.replace(tzinfo=ZoneInfo("Asia/Seoul")).timestamp()
        os.utime(path, (seconds, seconds))
    return folder


def packed(files: Files, encoding: str = "") -> bytes:
    """A zip file. With an encoding, its names are in that code page and nothing says so, as older Windows packs."""
    whole = io.BytesIO()
    stands_for: dict[bytes, bytes] = {}
    with zipfile.ZipFile(whole, "w") as archive:
        for number, (name, given) in enumerate(files.items()):
            content, when = dated(given)
            if encoding:  # zipfile marks all but ASCII as UTF-8: names come in afterwards, of the same length
                real = name.encode(encoding)
                name = f"@{number}".ljust(len(real), "@")
                stands_for[name.encode()] = real
            archive.writestr(zipfile.ZipInfo(name, when.timetuple()[:6]), content)
    archived = whole.getvalue()
    for placeholder, real in stands_for.items():
        archived = archived.replace(placeholder, real)
    return archived


def clone(folder: Path, files: Files) -> None:
    """A clone of a repository with one commit, or with none where there are no files."""
    tree(folder, files)
    person = ["-c", "user.name=Student", "-c", "user.email=student@example.org", "-c", "commit.gpgsign=false"]
    steps = [["init", "--quiet"]]
    steps += [["add", "--all"], ["commit", "--quiet", "--message", "homework"]] if files else []
    for step in steps:
        subprocess.run(["git", "-C", folder, *person, *step], check=True)


def in_folder(files: Files, roster: str | bytes = "") -> Build:
    """A download that was unpacked, or a class's folder."""

    def build(folder: Path) -> Path:
        _write_roster(folder, roster)
        return tree(folder / "class", files)

    return build


def in_zip(files: Files, roster: str | bytes = "", encoding: str = "") -> Build:
    """A download as it comes; see `packed`."""

    def build(folder: Path) -> Path:
        _write_roster(folder, roster)
        path = folder / "submissions.zip"
        path.write_bytes(packed(files, encoding))
        return path

    return build


def in_clones(
    clones: dict[str, Files], roster: str = "", *, beside: Files | None = None, zipped: bool = False
) -> Build:
    """Clones side by side, with other files beside them; `zipped`: the folder packed as a whole."""

    def build(folder: Path) -> Path:
        _write_roster(folder, roster)
        for name, files in clones.items():
            clone(folder / "class" / name, files)
        tree(folder / "class", beside or {})
        if not zipped:
            return folder / "class"
        return Path(shutil.make_archive(str(folder / "class"), "zip", folder, "class"))

    return build


def _write_roster(folder: Path, roster: str | bytes) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    if roster:
        (folder / "roster.csv").write_bytes(roster if isinstance(roster, bytes) else roster.encode())


def blackboard(title: str, *uploads: tuple[str, str, dict[str, bytes]]) -> Files:
    """Names as Blackboard makes them, for (id, time, files) of each attempt, with the receipt beside."""
    files: Files = {}
    for id_, time, own in uploads:
        head = f"{title}_{id_}_attempt_{time}"
        files |= {f"{head}_{name}": content for name, content in own.items()}
        files[f"{head}.txt"] = f"Name: Student ({id_})\nAssignment: {title}\n".encode()
    return files


def gradescope(*submissions: tuple[str, str, Files]) -> Files:
    """An export of Gradescope, for (id, time in UTC, files) of each submission."""
    about = ["---\n"]
    files: Files = {}
    for number, (id_, time, own) in enumerate(submissions, start=1):
        about.append(f"submission_{number}:\n  :submitters:\n  - :name: Student {number}\n    :sid: '{id_}'\n")
        about.append(f"    :email: student{number}@example.org\n  :created_at: {time} Z\n")
        files |= {f"submission_{number}/{name}": content for name, content in own.items()}
    return {"submission_metadata.yml": "".join(about).encode(), **files}


def on_time(file: object = "hw6.py", **more: object) -> dict[str, object]:
    """Expected of who is in time."""
    return {"outcome": "on time", "file": file, **more}


def late(file: object = "hw6.py", **more: object) -> dict[str, object]:
    """Expected of who is late."""
    return {"outcome": "late", "file": file, **more}


ABSENT: dict[str, object] = {"outcome": "absent", "file": None}
FOR_A_PERSON: dict[str, object] = {"outcome": "for a person"}


PDF = b"%PDF-1.4\n"
TITLE = "Homework 6 (ResNet) [20 pts]"
ONE_OF_TWO: Files = {"2019001/hw6.py": SCRIPT}
TWO: Expected = {"2019001": on_time(name="홍길동"), "2019002": ABSENT | {"name": "김하늘"}}


# --- what is read -----------------------------------------------------------------------------------------------------


def check(case: Case, folder: Path) -> list[str]:
    """Build a case in `folder`, read it as `collect --json` does; what isn't as expected, [] for nothing."""
    source = case.build(folder)
    words: dict[str, Any] = dict(case.words)
    if "roster" in words:
        words["roster"] = folder / "roster.csv"
    try:
        taken = collected.take(source, words.pop("homework"), **words)
    except KitError as error:
        right = bool(case.expect_error) and case.expect_error in error.message
        return [] if right else [f"an error: {error.message}"]
    if case.expect_error:
        return [f"no error that says {case.expect_error!r}"]
    return differences(case, json.loads(collect.as_json(taken)))


def differences(case: Case, said: dict[str, Any]) -> list[str]:
    """What of `said`, the object that `collect --json` prints, isn't as expected."""
    found = []
    if case.expect_system not in (None, said["system"]):
        found.append(f"system {said['system']}, not {case.expect_system}")
    rows: dict[str, list[dict[str, Any]]] = {}
    for row in said["students"]:
        rows.setdefault(nfc(row["student"]), []).append(row)
    found += [f"{len(same)} rows for {id_}" for id_, same in rows.items() if len(same) > 1]
    found += [f"a row for {id_}" for id_ in case.expect_absent_ids if id_ in rows]
    for ids, wanted in case.expect.items():
        row = next((rows.pop(id_)[0] for id_ in ids.split("|") if id_ in rows), None)
        found += [f"no row for {ids}"] if row is None else _of_row(ids, row, wanted, str(case.words["timezone"]))
    rest = [row for same in rows.values() for row in same if nfc(row["student"]) not in case.expect_absent_ids]
    left_out = [nfc(name) for name in said["left_out"]]
    for name in case.expect_named:
        saying = [row for row in said["students"] if row["outcome"] == "for a person" and _says(row, name)]
        found += [] if saying or name in left_out else [f"nothing is said of {name}"]
        rest = [row for row in rest if row not in saying]
    found += [f"a row for {row['student']}, whom nobody expects" for row in rest]
    found += [f"{name} isn't left out" for name in case.expect_left_out if name not in left_out]
    return found


def _of_row(id_: str, row: dict[str, Any], wanted: dict[str, object], zone: str) -> list[str]:
    found = []
    for key, right in wanted.items():
        has = nfc(row[key]) if isinstance(row[key], str) else row[key]
        if key == "came" and has is not None:
            local = datetime.fromisoformat(has).astimezone(ZoneInfo(zone))
            has = local.replace(tzinfo=None, microsecond=0).isoformat()
        accepted = right if isinstance(right, tuple) else (right,)
        if has not in accepted:
            found.append(f"{id_}: {key} {has!r}, not {' or '.join(map(repr, accepted))}")
    return found


def _says(row: dict[str, Any], name: str) -> bool:
    """Whether a row is about the hand-in of this name: it says it, or has it for an id, with or without its ending."""
    texts = [row["student"], row["name"], row["file"] or "", *row["notes"]]
    return any(name in nfc(text) for text in texts) or nfc(row["student"]) == name.rpartition(".")[0]
