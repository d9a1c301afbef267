"""Intake: everybody in the folder has an entry, whatever they handed in."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from support import downloads
from support.downloads import Uploaded

from autograder.course.rubric import Late
from autograder.errors import KitError
from autograder.files import ROOT
from autograder.intake.deadline import parse_deadline
from autograder.intake.entry import READ, Entry
from autograder.intake.hand_ins import collect
from autograder.intake.own_record import LARGEST_RECORD
from autograder.observations import Epoch

LATE = Late(percent=10, unit_s=86_400, most_s=3 * 86_400)

CODE = b"print('homework')\n"


def write(path: Path, content: bytes = CODE) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def entries(folder: Path) -> dict[str, Entry]:
    return {entry.student: entry for entry in collect(folder, "hw6").entries}


def test_the_examples_are_a_class_of_eight() -> None:
    found = entries(ROOT / "examples" / "submissions" / "hw6")
    assert len(found) == 8
    assert {entry.outcome for entry in found.values()} == {"READ"}
    assert found["s0142-tomasz-wilk"].submission is not None
    assert found["s0142-tomasz-wilk"].submission.name == "hw6.ipynb"


def test_folders_and_files_count_and_the_homeworks_name_comes_first(tmp_path: Path) -> None:
    write(tmp_path / "s1" / "HW6.py", b"one = 1\n")
    write(tmp_path / "s1" / "helpers.py")
    write(tmp_path / "s1" / "notes.txt")
    write(tmp_path / "s2" / "my homework.py")
    write(tmp_path / "s3.py")
    write(tmp_path / "s4.final.py")
    found = entries(tmp_path)
    assert {student: entry.outcome for student, entry in found.items()} == dict.fromkeys(
        ["s1", "s2", "s3", "s4.final"], "READ"
    )
    assert found["s1"].submission is not None
    assert found["s1"].submission.content == b"one = 1\n"


def test_nobody_is_dropped_and_nobody_stops_the_others(tmp_path: Path) -> None:
    (tmp_path / "empty-folder").mkdir()
    write(tmp_path / "wrong-kind" / "hw6.docx")
    write(tmp_path / "empty" / "hw6.py", b"\n")
    write(tmp_path / "binary.py", b"\0\1\2")
    write(tmp_path / "two-names" / "hw6.py")
    write(tmp_path / "two-names" / "hw6.ipynb")
    write(tmp_path / "two-files" / "a.py")
    write(tmp_path / "two-files" / "b.py", b"another = 1\n")
    write(tmp_path / "twice.py", b"another = 1\n")
    write(tmp_path / "twice" / "hw6.py")
    write(tmp_path / "copied.py")
    write(tmp_path / "copied" / "hw6.py")
    secret = write(tmp_path.parent / "secret.py")
    (tmp_path / "link.py").symlink_to(secret)
    (tmp_path / "link-inside").mkdir()
    (tmp_path / "link-inside" / "hw6.py").symlink_to(secret)
    (tmp_path / "link-folder").symlink_to(tmp_path.parent)
    (tmp_path / "dangling.py").symlink_to(tmp_path / "nowhere")
    (tmp_path / "folder-as-file").mkdir()
    (tmp_path / "folder-as-file" / "hw6.py").mkdir()
    os.mkfifo(tmp_path / "pipe.py")
    (tmp_path / os.fsdecode(b"caf\xe9")).mkdir()
    write(tmp_path / "fine.py")
    found = entries(tmp_path)
    assert {student: entry.outcome for student, entry in found.items()} == {
        "binary": "BINARY",
        "caf\\udce9": "BAD_PATH",
        "copied": "READ",
        "dangling": "SYMLINK",
        "empty": "EMPTY",
        "empty-folder": "NO_FILE",
        "fine": "READ",
        "folder-as-file": "NOT_REGULAR",
        "link": "SYMLINK",
        "link-folder": "SYMLINK",
        "link-inside": "SYMLINK",
        "pipe": "NOT_REGULAR",
        "twice": "AMBIGUOUS",
        "two-files": "AMBIGUOUS",
        "two-names": "AMBIGUOUS",
        "wrong-kind": "NO_SCRIPT",
    }
    assert found["two-files"].message == "no telling which file counts: a.py, b.py"
    assert found["wrong-kind"].message == "no .py or .ipynb file; there is hw6.docx"
    assert found["empty"].message == "hw6.py: the file is empty"


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_folder_without_permission_is_named(tmp_path: Path) -> None:
    write(tmp_path / "closed" / "hw6.py")
    (tmp_path / "closed").chmod(0)
    write(tmp_path / "fine.py")
    outcomes = {student: entry.outcome for student, entry in entries(tmp_path).items()}
    (tmp_path / "closed").chmod(0o755)
    assert outcomes == {"closed": "UNREADABLE", "fine": "READ"}


def test_files_of_nobody_are_said_and_hidden_ones_are_not(tmp_path: Path) -> None:
    write(tmp_path / "s1.py")
    write(tmp_path / "README.md")
    write(tmp_path / ".DS_Store")
    (tmp_path / "__MACOSX").mkdir()
    intake = collect(tmp_path, "hw6")
    assert [entry.student for entry in intake.entries] == ["s1"]
    assert intake.left_out == ["README.md"]


def test_what_is_no_class_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    write(tmp_path / "class.zip", b"PK")
    write(tmp_path / "one-student" / "hw6.py")
    write(tmp_path / "file.txt")
    expected = {
        "empty": "holds no submissions",
        "class.zip": "not a zip archive",
        "one-student": "lies directly in the class's folder",
        "file.txt": "not a folder",
        "missing": "no such folder",
    }
    for name, words in expected.items():
        with pytest.raises(KitError, match=words) as refused:
            collect(tmp_path / name, "hw6")
        assert "\n" not in refused.value.message


def test_what_came_after_the_deadline_is_late(tmp_path: Path) -> None:
    deadline = datetime(2026, 11, 30, 23, 59, tzinfo=UTC)
    for student, seconds in (("early", -60), ("just", 0), ("after", 0.25), ("next-day", 86_400)):
        moment = deadline.timestamp() + seconds
        os.utime(write(tmp_path / student / "hw6.py"), (moment, moment))
    late = {entry.student: entry.late for entry in collect(tmp_path, "hw6", deadline).entries}
    assert late == {"after": True, "early": False, "just": False, "next-day": True}
    assert not any(entry.late for entry in collect(tmp_path, "hw6").entries)
    by_name = {entry.student: entry for entry in collect(tmp_path, "hw6").entries}
    assert by_name["next-day"].submitted_at == deadline + timedelta(days=1)


def test_with_a_grace_the_last_attempt_in_it_counts_where_none_came_before(tmp_path: Path) -> None:
    deadline = datetime(2026, 11, 30, 23, 59, tzinfo=UTC)

    def uploaded(student: str, at: str) -> Uploaded:
        return Uploaded(student, student, at, [("hw6.py", f"at = {at!r}\n".encode())])

    days = ["2026-11-30 20:00:00", "2026-12-01 20:00:00", "2026-12-02 20:00:00", "2026-12-09 20:00:00"]
    members = [uploaded("all", at) for at in days] + [uploaded("late", at) for at in days[1:]]
    source = downloads.pack(tmp_path / "class.zip", downloads.blackboard([*members, uploaded("never", days[3])]))
    found = {entry.student: entry for entry in collect(source, "hw6", deadline, zone=UTC, late=LATE).entries}
    assert {student: (entry.late, entry.late_s) for student, entry in found.items()} == {
        "all": (False, None),
        "late": (True, 2 * 86_400 - 3 * 3600 - 59 * 60),
        "never": (True, 9 * 86_400 - 3 * 3600 - 59 * 60),
    }
    assert found["late"].submission is not None
    assert days[2].encode() in found["late"].submission.content


def test_a_deadline_is_local_unless_it_has_an_offset(monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    try:
        winter, summer = parse_deadline("2026-11-30 23:59"), parse_deadline("2026-07-01 12:00:30")
        assert winter == datetime(2026, 11, 30, 22, 59, tzinfo=UTC)
        assert summer == datetime(2026, 7, 1, 10, 0, 30, tzinfo=UTC)
    finally:
        monkeypatch.undo()
        time.tzset()
    for text in ("2026-11-30 23:59 +01:00", "2026-11-30 23:59+0100", "2026-11-30T22:59Z", "2026-11-30 22:59:00 Z"):
        assert parse_deadline(text) == datetime(2026, 11, 30, 22, 59, tzinfo=UTC)


@pytest.mark.parametrize(
    "text", ["", "tomorrow", "2026-11-30", "30.11.2026 23:59", "2026-11-31 23:59", "2026-11-30 24:00"]
)
def test_what_is_no_deadline_is_refused(text: str) -> None:
    with pytest.raises(KitError, match="no deadline"):
        parse_deadline(text)


RECORD = b"epoch,train_loss,test_loss,accuracy\n1,1.9,1.6,41.25\n"
READ_RECORD = (Epoch(epoch=1, train_loss=1.9, test_loss=1.6, accuracy_percent=41.25),)


def notebook(printed: str) -> bytes:
    output = {"output_type": "stream", "name": "stdout", "text": printed}
    cell = {"cell_type": "code", "source": "print('homework')", "metadata": {}, "outputs": [output]}
    return json.dumps({"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 4}).encode()


def test_a_students_own_record_is_read_where_the_homework_has_a_reference(tmp_path: Path) -> None:
    write(tmp_path / "s1" / "resnet20.py")
    write(tmp_path / "s1" / "History.CSV", RECORD)
    write(tmp_path / "s2" / "resnet20.ipynb", notebook(RECORD.decode()))
    write(tmp_path / "s3.ipynb", notebook(RECORD.decode()))
    write(tmp_path / "s4" / "resnet20.ipynb", notebook("epoch,accuracy\n1,99\n"))
    write(tmp_path / "s4" / "history.csv", b"\xef\xbb\xbf" + RECORD)
    write(tmp_path / "s5.py")
    write(tmp_path / "s6" / "history.csv", RECORD)
    write(tmp_path / "s7" / "work" / "resnet20.py")
    write(tmp_path / "s7" / "work" / "history.csv", RECORD)
    write(tmp_path / "s8" / "work" / "resnet20.py")
    write(tmp_path / "s8" / "history.csv", RECORD)
    intake = collect(tmp_path, "resnet20")
    assert {entry.student: entry.own_epochs for entry in intake.entries} == {
        "s1": READ_RECORD,
        "s2": READ_RECORD,
        "s3": READ_RECORD,
        "s4": READ_RECORD,
        "s5": (),
        "s6": (),
        "s7": READ_RECORD,
        "s8": READ_RECORD,
    }
    assert [entry.outcome for entry in intake.entries] == [READ] * 5 + ["NO_SCRIPT"] + [READ] * 2
    assert not any(entry.notes or entry.record_notes for entry in intake.entries)
    assert intake.left_out == []
    assert not any(entry.own_epochs or entry.notes or entry.record_notes for entry in collect(tmp_path, "hw6").entries)


def test_a_record_that_cannot_be_read_is_said_and_changes_nothing_else(tmp_path: Path) -> None:
    contents = {
        "accuracy": b"epoch,accuracy\n1,101\n",
        "binary": b"\0\1\2",
        "empty": b"",
        "large": RECORD + b" " * LARGEST_RECORD,
        "latin": b"epoch,accuracy\n1,50,caf\xe9\n",
    }
    for student, content in contents.items():
        write(tmp_path / student / "history.csv", content)
    write(tmp_path / "two" / "history.csv", RECORD)
    write(tmp_path / "two" / "HISTORY.csv", RECORD)
    (tmp_path / "folder" / "history.csv").mkdir(parents=True)
    (tmp_path / "link").mkdir()
    (tmp_path / "link" / "history.csv").symlink_to(write(tmp_path.parent / "secret.csv", RECORD))
    (tmp_path / "pipe").mkdir()
    os.mkfifo(tmp_path / "pipe" / "history.csv")
    for folder in tmp_path.iterdir():
        write(folder / "resnet20.py")
    found = collect(tmp_path, "resnet20").entries
    assert not any(entry.notes for entry in found)
    assert {entry.student: entry.record_notes for entry in found} == {
        "accuracy": ("history.csv: line 2: accuracy '101' is not from 0 to 100 percent",),
        "binary": ("history.csv: line 1: no column is called 'epoch' or 'accuracy'",),
        "empty": ("history.csv: no epochs in it",),
        "folder": ("history.csv: not a regular file",),
        "large": ("history.csv: larger than 256 KiB",),
        "latin": ("history.csv: not UTF-8",),
        "link": ("history.csv: a link to somewhere else",),
        "pipe": ("history.csv: not a regular file",),
        "two": ("history.csv: no telling which one counts: HISTORY.csv, history.csv",),
    }
    assert {(entry.outcome, entry.own_epochs) for entry in found} == {(READ, ())}
    assert all(entry.submission is not None for entry in found)


def test_intake_does_not_load_torch() -> None:
    command = [sys.executable, "-c", "import sys, autograder.intake.hand_ins; print('torch' in sys.modules)"]
    assert subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT).stdout == "False\n"
