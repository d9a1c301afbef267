"""What learning management systems give: whose file is whose, and when it came."""

import json
import os
import subprocess
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from support import downloads
from support.downloads import CODE, Member, Uploaded

from autograder.errors import KitError
from autograder.intake.deadline import parse_deadline, parse_zone
from autograder.intake.entry import Entry
from autograder.intake.hand_ins import Intake, collect
from autograder.intake.lms import recognition

SEOUL = ZoneInfo("Asia/Seoul")
DEADLINE = datetime(2024, 5, 15, 23, 59, tzinfo=SEOUL)

CLASS = [
    Uploaded("2016320187", "김하늘", "2024-05-14 10:11:12", [("hw6.py", b"first = 1\n")]),
    Uploaded("2016320187", "김하늘", "2024-05-15 23:59:00", [("hw6.py", b"second = 2\n")]),
    Uploaded("2016320187", "김하늘", "2024-05-15 23:59:01", [("hw6.py", b"third = 3\n")]),
    Uploaded("kim_min", "Min Kim", "2024-05-16 08:00:00"),
    Uploaded("kim_su", "Su Kim", "2024-05-15 09:00:00", [("hw6.docx", b"PK"), ("report (final).pdf", b"%PDF")]),
]


def entries(class_: Intake) -> dict[str, Entry]:
    return {entry.student: entry for entry in class_.entries}


@pytest.mark.parametrize("receipts", [True, False])
@pytest.mark.parametrize("write", [downloads.pack, downloads.unpack])
def test_a_blackboard_download(tmp_path: Path, write: Callable[[Path, Sequence[Member]], Path], receipts: bool) -> None:
    source = write(tmp_path / "gradebook_hw6.zip", downloads.blackboard(CLASS, "hw6 (1st)", receipts))
    if not receipts:  # then a title's end and an id's beginning can't be told apart
        source = write(tmp_path / "other.zip", downloads.blackboard([*CLASS, Uploaded("a", "", CLASS[0].at)], "hw6"))
    class_ = collect(source, "hw6", DEADLINE, zone=SEOUL)
    assert class_.lms == "blackboard"
    found = entries(class_)
    assert set(found) - {"a"} == {"2016320187", "kim_min", "kim_su"}
    counted = found["2016320187"]
    assert (counted.name, counted.late, counted.submitted_at) == ("김하늘", False, DEADLINE)
    assert counted.submission
    assert (counted.submission.name, counted.submission.content) == ("hw6.py", b"second = 2\n")
    assert [(upload.counts, upload.late) for upload in counted.uploads] == [
        (False, False),
        (True, False),
        (False, True),
    ]
    assert (found["kim_min"].late, found["kim_min"].outcome) == (True, "READ")
    assert (found["kim_su"].outcome, found["kim_su"].late) == ("NO_SCRIPT", False)
    assert found["kim_su"].message == "no .py or .ipynb file; there is hw6.docx, report (final).pdf"


def test_an_earlier_attempt_with_a_file_is_for_a_person(tmp_path: Path) -> None:
    attempts = [
        Uploaded("s1", "A", "2024-05-14 10:00:00"),
        Uploaded("s1", "A", "2024-05-15 10:00:00", [("hw6.pdf", b"%PDF")]),
    ]
    source = downloads.pack(tmp_path / "class.zip", downloads.blackboard(attempts))
    found = entries(collect(source, "hw6", DEADLINE, zone=SEOUL))["s1"]
    assert found.outcome == "AMBIGUOUS"
    assert found.message.endswith("in the last attempt; the one of 2024-05-14 10:00:00 has a file")
    nobody = downloads.pack(tmp_path / "text.zip", downloads.blackboard([Uploaded("s2", "B", CLASS[0].at, [])]))
    assert entries(collect(nobody, "hw6", DEADLINE, zone=SEOUL))["s2"].outcome == "NO_FILE"


@pytest.mark.parametrize(
    ("local", "utc"),
    [
        ("2024-03-31 01:59:59", "2024-03-31 00:59:59"),  # before the clocks go forward
        ("2024-03-31 03:00:00", "2024-03-31 01:00:00"),  # and after
        ("2024-10-27 02:30:00", "2024-10-27 00:30:00"),  # an hour that comes twice is the first
        ("2024-10-27 03:00:00", "2024-10-27 02:00:00"),
        ("2024-05-15 22:10:59", "2024-05-15 20:10:59"),  # nbgrader's own pattern stops at seconds over 23
    ],
)
def test_times_in_names_are_the_courses(tmp_path: Path, local: str, utc: str) -> None:
    berlin = parse_zone("Europe/Berlin")
    source = downloads.pack(tmp_path / "class.zip", downloads.blackboard([Uploaded("s1", "A", local)]))
    moment = datetime.fromisoformat(utc).replace(tzinfo=UTC)
    for deadline, late in ((moment, False), (moment.replace(second=(moment.second - 1) % 60), moment.second > 0)):
        found = entries(collect(source, "hw6", deadline, zone=berlin))["s1"]
        assert found.submitted_at is not None
        assert (found.submitted_at.astimezone(UTC), found.late) == (moment, late)
    assert parse_deadline(local, berlin) == moment


def test_a_canvas_download(tmp_path: Path) -> None:
    attempts = [
        Uploaded("12345", "Carvalho Ines", "", [("hw6-2.py", CODE)]),
        Uploaded("12346", "김 하늘", "", late=True),
        Uploaded("12347", "Wilk", "", [("a.py", b"a = 1\n"), ("b.py", b"b = 1\n")]),
    ]
    source = downloads.pack(tmp_path / "submissions.zip", [*downloads.canvas(attempts), ("notes.html", b"<p>")])
    class_ = collect(source, "hw6", DEADLINE, zone=SEOUL)
    assert (class_.lms, class_.left_out) == ("canvas", ["notes.html"])
    found = entries(class_)
    assert {id_: (entry.outcome, entry.late) for id_, entry in found.items()} == {
        "12345": ("READ", False),
        "12346": ("READ", True),
        "12347": ("AMBIGUOUS", False),
    }
    assert not any(entry.late for entry in collect(source, "hw6").entries)  # without a deadline nobody is
    assert found["12345"].submission
    assert found["12345"].submission.name == "hw6.py"
    assert found["12345"].uploads[0].downloaded == ("carvalhoines_12345_90000_hw6-2.py",)
    assert found["12345"].submitted_at is None  # nobody says, and the archive's own times are the download's
    assert found["12346"].name == "김하늘"


@pytest.mark.parametrize("folders", [True, False])
def test_a_moodle_download(tmp_path: Path, folders: bool) -> None:
    attempts = [Uploaded("71", "Inês Carvalho", ""), Uploaded("72", "김 하늘", "", [("Copy of hw6.ipynb", b"{}")])]
    source = downloads.pack(tmp_path / "course-hw6-12.zip", downloads.moodle(attempts, folders))
    class_ = collect(source, "hw6", datetime(2024, 6, 1, 2, 59, tzinfo=UTC), zone=SEOUL)
    assert class_.lms == "moodle"
    found = entries(class_)
    assert {(id_, entry.name, entry.outcome) for id_, entry in found.items()} == {
        ("71", "Inês Carvalho", "READ"),
        ("72", "김 하늘", "BAD_NOTEBOOK"),
    }
    assert found["71"].submitted_at == datetime(2024, 6, 1, 12, tzinfo=SEOUL)  # what the archive says, in local time
    assert found["71"].late


def test_a_gradescope_export(tmp_path: Path) -> None:
    attempts = [
        Uploaded("20240001", "Inês Carvalho", "2024-05-15 14:58:59"),
        Uploaded("20240002", "김하늘", "2024-05-15 14:59:01"),
    ]
    source = downloads.pack(tmp_path / "export.zip", downloads.gradescope(attempts))
    class_ = collect(source, "hw6", DEADLINE)
    assert class_.lms == "gradescope"
    assert {(entry.student, entry.name, entry.outcome, entry.late) for entry in class_.entries} == {
        ("20240001", "Inês Carvalho", "READ", False),
        ("20240002", "김하늘", "READ", True),
    }
    broken = [*downloads.gradescope(attempts)[:-1], ("assignment_7_export/submission_metadata.yml", b"{a: [")]
    with pytest.raises(KitError, match="isn't YAML"):
        collect(downloads.pack(tmp_path / "broken.zip", broken), "hw6")


@pytest.mark.parametrize("id_", ["../../outside", "/etc/passwd", "..", "a/b", "a\x07b"])
def test_an_id_leads_nowhere(tmp_path: Path, id_: str) -> None:
    """Ids become folders' names, and some systems let students choose theirs."""
    members = downloads.gradescope([Uploaded("ID", "", "2024-05-15 14:58:59")])
    members[-1] = (members[-1][0], members[-1][1].replace(b"'ID'", json.dumps(id_).encode()))
    (entry,) = collect(downloads.pack(tmp_path / "export.zip", members), "hw6").entries
    assert entry.outcome == "BAD_PATH"
    assert (tmp_path / entry.student).resolve().parent == tmp_path
    (tmp_path / "roster.csv").write_text(f"id\n{id_}\n")
    with pytest.raises(KitError, match=r"roster.csv:2: .+ can't be the name of a folder"):
        collect(downloads.unpack(tmp_path / "class", [("s1.py", CODE)]), "hw6", listed=tmp_path / "roster.csv")


@pytest.mark.parametrize(
    ("written", "late"),
    [
        ("2024-05-15 14:59:00 UTC", False),
        ("2024-05-15 23:59:00.5 Asia/Seoul", True),
        ("2024-05-15 23:59:00+0900", False),
    ],
)
def test_nbgraders_tree(tmp_path: Path, written: str, late: bool) -> None:
    members = [("s1/hw6/hw6.py", CODE), ("s1/hw6/timestamp.txt", written.encode()), ("gradebook.db", b"x")]
    class_ = collect(downloads.unpack(tmp_path / "submitted", members), "hw6", DEADLINE)
    assert (class_.lms, class_.left_out) == ("nbgrader", ["gradebook.db"])
    assert [(entry.student, entry.outcome, entry.late) for entry in class_.entries] == [("s1", "READ", late)]
    assert class_.entries[0].uploads[0].files == ("hw6.py",)


def test_clones_of_github_classroom(tmp_path: Path) -> None:
    for name in ("hw6-ines", "hw6-tom-wilk"):
        downloads.unpack(tmp_path / "clones" / name, [("hw6.py", CODE)])
        subprocess.run(
            ["git", "init", "-q", str(tmp_path / "clones" / name)], check=True, env={**os.environ, "HOME": "/"}
        )
    class_ = collect(tmp_path / "clones", "hw6", DEADLINE)
    assert class_.lms == "github"
    assert not any(entry.late for entry in class_.entries)
    assert [(entry.student, entry.outcome) for entry in class_.entries] == [("ines", "READ"), ("tom-wilk", "READ")]


def test_a_zipped_class_may_lie_in_a_folder_of_its_own(tmp_path: Path) -> None:
    members = [("class/s1/hw6.py", CODE), ("class/s2.py", CODE), ("class/README.md", b"x")]
    class_ = collect(downloads.pack(tmp_path / "class.zip", members), "hw6")
    assert (class_.lms, class_.left_out) == ("folder", ["README.md"])
    assert [entry.student for entry in class_.entries] == ["s1", "s2"]
    one = collect(downloads.pack(tmp_path / "one.zip", [("s1/hw6.py", CODE)]), "hw6")
    assert [entry.student for entry in one.entries] == ["s1"]


@pytest.mark.parametrize(
    "name",
    [
        "x_1_assignsubmission_file_hw6.py",
        "a_attempt_2024-01-01-00-00-00_hw6.py",
        "mean_1_2_hw6.py",
        "hw6/timestamp.txt",
    ],
)
def test_no_student_makes_a_class_look_like_another_systems(tmp_path: Path, name: str) -> None:
    """The part of a name that a student chooses could make all others nobody's."""
    members = [("s1/hw6.py", CODE), ("s2/hw6.py", CODE), (f"mean/{name}", b"2024-05-15 00:00:00 UTC")]
    assert {entry.student for entry in collect(downloads.unpack(tmp_path / "class", members), "hw6").entries} == {
        "s1",
        "s2",
        "mean",
    }
    flat = [
        Uploaded("71", "A", "2024-05-14 10:00:00"),
        Uploaded("72", "B", "2024-05-14 10:00:00", [(name.replace("/", ""), CODE)]),
    ]
    for number, members in enumerate(
        (downloads.canvas(flat), downloads.moodle(flat, folders=False), downloads.blackboard(flat))
    ):
        class_ = collect(downloads.pack(tmp_path / f"{number}.zip", members), "hw6")
        assert (class_.lms, len(class_.entries)) == (("canvas", "moodle", "blackboard")[number], 2)


def test_a_system_can_be_named(tmp_path: Path) -> None:
    source = downloads.unpack(tmp_path / "class", downloads.blackboard(CLASS))
    assert collect(source, "hw6", system="blackboard").lms == "blackboard"
    with pytest.raises(KitError, match="holds no submissions of moodle"):
        collect(source, "hw6", system="moodle")
    assert len(collect(source, "hw6", system="folder").entries) == 6  # each script, and each document, is somebody's


def test_names_that_the_command_offers_are_those_that_are_read() -> None:
    from autograder.commands.options import ExportName, LmsName
    from autograder.publish import lms_grades

    assert {name.value for name in LmsName} == set(recognition.NAMES)
    assert {name.value for name in ExportName} == set(lms_grades.NAMES)


@pytest.mark.parametrize(
    ("roster", "students"),
    [
        ("Student,Name\n2016320187,김하늘\nabsent,Nobody\n", {"2016320187": "김하늘", "absent": "Nobody"}),
        ("ID;Full name;SIS User ID\n1;Kim;2016320187\n2;Nobody;9\n", {"2016320187": "Kim", "9": "Nobody"}),
        (
            "Student,ID,SIS User ID\n    Points Possible,,\n김하늘,7,2016320187\nB,8,9\n",
            {"2016320187": "김하늘", "9": "B"},
        ),
        (
            "\ufeffLast Name,First Name,Username\n김,하늘,2016320187\nBody,No,x\n",
            {"2016320187": "하늘 김", "x": "No Body"},
        ),
    ],
)
def test_a_roster_shows_who_is_missing(tmp_path: Path, roster: str, students: dict[str, str]) -> None:
    (tmp_path / "roster.csv").write_text(roster, encoding="utf-8")
    source = downloads.pack(tmp_path / "class.zip", downloads.blackboard(CLASS[:4]))
    class_ = collect(source, "hw6", DEADLINE, zone=SEOUL, listed=tmp_path / "roster.csv")
    found = entries(class_)
    present, absent = students
    assert (found[present].name, found[present].outcome) == (students[present], "READ")
    assert (found[absent].outcome, found[absent].message, found[absent].name) == (
        "NO_FILE",
        "nothing was handed in",
        students[absent],
    )
    assert (class_.unlisted, found["kim_min"].late) == (("kim_min",), True)


@pytest.mark.parametrize(
    ("roster", "words"),
    [
        (b"", "no column holds"),
        (b"colour,size\nred,1\n", "no column holds"),
        (b"student\n", "lists nobody"),
        (b"student\ns1\ns1\n", "roster.csv:3: s1 is listed twice"),
        (b"student\n\x81\n", "no encoding is known"),
        (b"student,deadline\ns1,tomorrow\n", "roster.csv:2: 'tomorrow' is no deadline"),
        (b"student\n2.01932E+09\n", "a spreadsheet has rounded"),
    ],
)
def test_what_is_no_roster_is_refused(tmp_path: Path, roster: bytes, words: str) -> None:
    (tmp_path / "roster.csv").write_bytes(roster)
    source = downloads.unpack(tmp_path / "class", [("s1/hw6.py", CODE)])
    with pytest.raises(KitError, match=words):
        collect(source, "hw6", listed=tmp_path / "roster.csv")


def test_a_zone_is_a_place(tmp_path: Path) -> None:
    with pytest.raises(KitError, match="no time zone"):
        parse_zone("../etc/passwd")
    with pytest.raises(KitError, match="no time zone"):
        parse_zone("Seoul")
