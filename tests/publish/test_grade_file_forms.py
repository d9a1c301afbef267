"""A grade file in every form that a spreadsheet gives it: only the right cells change, and it goes back as it came."""

import codecs
import csv
import io
import unicodedata
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import pytest
from support.results import result

from autograder.errors import KitError
from autograder.publish import lms_grades
from autograder.results import store

# Of each system: its header, rows, and (row, what is written where "@" stands) of those who have points.
FILES = {
    "blackboard": (
        ("Last Name", "First Name", "Username", "Student ID", "hw5 |1", "hw6 [Total Pts: 20 Score] |2"),
        [
            ("김", "하늘", "kim01", '="2019001"', "18", "@"),
            ("이, 가을", "Jun", "lee02", "2019002", "20", "3"),
            ("Núñez", "José", "jose", "2019003.0", "", "@"),
        ],
    ),
    "canvas": (
        ("Student", "ID", "SIS User ID", "SIS Login ID", "Section", "hw5 (1)", "hw6 (2)"),
        [
            ("    Points Possible", "", "", "", "", "20", "20"),
            ("김, 하늘", "7001", "2019001", "kim01", "1", "18", "@"),
            ("Lee, Jun", "7002", "2019002", "lee02", "1", "20", "3"),
            ("Núñez, José", "7003", "2019003", "jose@example.org", "1", "", "@"),
        ],
    ),
    "moodle": (
        ("Identifier", "Full name", "Email address", "Status", "Grade", "Maximum grade"),
        [
            ("Participant 2019001", "김하늘", "kim01@example.org", "", "@", "20.00"),
            ("Participant 2019002", "Jun Lee", "lee02@example.org", "", "3", "20.00"),
            ("Participant 2019003", "José Núñez", "jose@example.org", "Says; nothing", "@", "20.00"),
        ],
    ),
    "gradescope": (
        ("Name", "SID", "Email", "hw6"),
        [
            ("김하늘", "2019001", "kim01@example.org", "@"),
            ("Jun Lee", "2019002", "lee02@example.org", "3"),
            ("José Núñez", "", "JOSE@example.org", "@"),
        ],
    ),
    "csv": (
        ("학번", "이름", "분반", "hw6"),
        [
            ("2019001", "김하늘", "1", "@"),
            ("2019002", "Jun Lee", "1", "3"),
            ("2019003", "José Núñez", "2", "@"),
        ],
    ),
}
POINTS = {"2019001": ("김하늘", 20.0), "2019003": ("José Núñez", 6.0), "1": ("", 2.0), "stranger": ("Nobody", 2.0)}
MARKS = {"utf-8": b"", "utf-8-sig": codecs.BOM_UTF8, "utf-16-le": codecs.BOM_UTF16_LE, "utf-16-be": codecs.BOM_UTF16_BE}
ENCODINGS = [*MARKS, "cp949", "cp1252"]


def written(lms: str, form: tuple[str, str, str, str], points: tuple[str, str]) -> bytes:
    """The file with these texts in the places of the first and the last student's points."""
    encoding, end, between, first = form
    header, rows = FILES[lms]
    text = io.StringIO()
    writer = csv.writer(text, delimiter=between, lineterminator=end)
    writer.writerow(header)
    given = iter(points)
    for row in rows:
        writer.writerow([next(given) if cell == "@" else cell for cell in row])
    whole = first + text.getvalue()
    for char, other in {"cp949": {"é": "e", "ú": "u", "ñ": "n"}, "cp1252": HANGUL}.get(encoding, {}).items():
        whole = whole.replace(char, other)
    return MARKS.get(encoding, b"") + whole.encode(encoding.removesuffix("-sig"))


HANGUL = {"김": "Kim", "하늘": "Haneul", "이": "Lee", "가을": "Gaeul", "학번": "ID", "름": " name", "분반": "section"}
"""What stands in a file that has no Hangul, from the first key to the last."""


def forms() -> list[tuple[str, str, str, str]]:
    """Encoding, line's end, separator, first line."""
    found = [
        (encoding, end, between, "") for encoding, end, between in product(ENCODINGS, ("\n", "\r\n", "\r"), ",;\t")
    ]
    return found + [("utf-8-sig", "\r\n", between, f"sep={between}\r\n") for between in ",;\t"]


@pytest.mark.parametrize("lms", FILES)
def test_only_the_right_cells_change(lms: str, tmp_path: Path) -> None:
    for student, (name, points) in POINTS.items():
        store.write(tmp_path / "out" / student, result(student, name=name, points=points))
    for number, form in enumerate(forms()):
        before, after = tmp_path / f"{number}.csv", tmp_path / f"{number}-to.csv"
        before.write_bytes(written(lms, form, ("", "-")))
        if form[0] == "cp1252" and lms == "csv":
            before.write_bytes(before.read_bytes().replace(b"Lee name", b"name"))
        report = lms_grades.export(tmp_path / "out", lms, before, after)
        expected = written(lms, form, ("20", "6"))
        if form[0] == "cp1252" and lms == "csv":
            expected = expected.replace(b"Lee name", b"name")
        assert after.read_bytes() == expected, form
        assert set(report.written) == {"2019001", "2019003"}, form
        assert set(report.unknown) == {"1", "stranger"}, form


def test_nobody_gets_the_points_of_a_team_or_of_a_namesake(tmp_path: Path) -> None:
    out = tmp_path / "out"
    for student, name in (("15", "Team A"), ("16", "Jun Lee"), ("a7", "Bo Lindqvist"), ("b8", "Ana Cruz")):
        store.write(out / student, result(student, name=name, points=20.0))
    (tmp_path / "worksheet.csv").write_text(
        "Identifier,Full name,Grade\nParticipant 15,Bo Lindqvist,\nParticipant 16,Jun Lee,\nParticipant 17,Ana Cruz,\n"
        "Participant 18,Ana Cruz,\n"
    )
    report = lms_grades.export(out, "moodle", tmp_path / "worksheet.csv", tmp_path / "to.csv")
    assert (tmp_path / "to.csv").read_text().splitlines()[1:] == [
        "Participant 15,Bo Lindqvist,20",  # by the name, which is one person's
        "Participant 16,Jun Lee,20",
        "Participant 17,Ana Cruz,",
        "Participant 18,Ana Cruz,",
    ]
    assert set(report.written) == {"16", "a7"}
    assert set(report.ambiguous) == {"15", "b8"}


def test_who_is_placed_nowhere_stops_nobody(tmp_path: Path) -> None:
    out = tmp_path / "out"
    store.write(out / "123", result("123", name="Ines", points=20.0))
    stray = result(
        "final version", points=None, status="needs a person", outcome="UNPLACED", tier=None, would_earn=None
    )
    store.write(out / "final version", stray)
    report = lms_grades.export(out, "moodle", None, tmp_path / "to.csv")
    assert (report.written, report.unknown) == (("123",), ("final version",))
    store.write(out / "s1", result("s1", points=20.0))
    with pytest.raises(KitError, match="knows participants by numbers"):
        lms_grades.export(out, "moodle", None, tmp_path / "to.csv")


# --- rows from reports -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Export:
    """A grade file, points that are to be merged into it, and the bytes that are to come out.

    Attributes:
        before: the file as it was downloaded.
        students: id -> what the student is called, and points; None where nobody has decided.
        not_written: ids of which the command says that their points are not in it.
    """

    name: str
    why: str
    lms: str
    before: bytes
    students: dict[str, tuple[str, float | None]]
    after: bytes
    not_written: tuple[str, ...] = ()


EXPORTS = [
    Export(
        "cp949",
        "Excel on a Korean Windows has saved the grade file; it goes back as it came (foundation50/classroom50#746).",
        "blackboard",
        '"성","Username","hw6 [Total Pts: 20] |1"\r\n"김","kim01",""\r\n"이","lee02","3"\r\n'.encode("cp949"),
        {"kim01": ("김하늘", 20)},
        '"성","Username","hw6 [Total Pts: 20] |1"\r\n"김","kim01","20"\r\n"이","lee02","3"\r\n'.encode("cp949"),
    ),
    Export(
        "nfd",
        "The student's folder is from a Mac, the grade file isn't (9001/copyparty#1555).",
        "csv",
        "학번,hw6\n홍길동,\n김하늘,7\n".encode(),
        {unicodedata.normalize("NFD", "홍길동"): ("", 6)},
        "학번,hw6\n홍길동,6\n김하늘,7\n".encode(),
    ),
    Export(
        "team-number",
        "15 is the number of a team, and in the worksheet of somebody else: no cell is written.",
        "moodle",
        b"Identifier,Full name,Status,Grade,Maximum grade\nParticipant 15,Bo Lindqvist,,-,20.00\n",
        {"15": ("Team A", 12)},
        b"Identifier,Full name,Status,Grade,Maximum grade\nParticipant 15,Bo Lindqvist,,-,20.00\n",
        not_written=("15",),
    ),
    Export(
        "text-ids",
        'Ids written as ="2019001" are found, and stay as they are.',
        "csv",
        b'student id,hw6\r\n"=""2019001""",\r\n"=""2019002""",5\r\n',
        {"2019001": ("", 18)},
        b'student id,hw6\r\n"=""2019001""",18\r\n"=""2019002""",5\r\n',
    ),
    Export(
        "sep",
        "A first line that tells Excel what stands between the cells stays.",
        "csv",
        b"sep=;\r\nstudent id;name;hw6\r\n2019001;Kim, Hana;\r\n",
        {"2019001": ("Hana Kim", 20)},
        b"sep=;\r\nstudent id;name;hw6\r\n2019001;Kim, Hana;20\r\n",
    ),
    Export(
        "undecided",
        "Where nobody has decided the cell stays, in a worksheet too.",
        "moodle",
        b"Identifier,Full name,Status,Grade,Maximum grade\nParticipant 123,Ines Carvalho,,-,20.00\n"
        b"Participant 124,Jun Lee,,-,20.00\n",
        {"123": ("Ines Carvalho", 2), "124": ("Jun Lee", None)},
        b"Identifier,Full name,Status,Grade,Maximum grade\nParticipant 123,Ines Carvalho,,2,20.00\n"
        b"Participant 124,Jun Lee,,-,20.00\n",
    ),
    Export(
        "utf-8-names",
        "A grade file without a mark, in which names are UTF-8 and one id has a space too many and another case.",
        "gradescope",
        "Name,SID,Email,hw6\r\n김하늘, KIM01 ,,\r\n이가을,lee02,,4\r\n".encode(),
        {"kim01": ("", 15)},
        "Name,SID,Email,hw6\r\n김하늘, KIM01 ,,15\r\n이가을,lee02,,4\r\n".encode(),
    ),
    Export(
        "cp1252",
        "Excel in Western Europe has saved it, with semicolons.",
        "blackboard",
        "Last Name;Username;hw6 |1\r\nMüller;zoe;\r\nÁlvarez;ana;1\r\n".encode("cp1252"),
        {"ZOE": ("Zoë Müller", 6), "ben": ("", 2)},
        "Last Name;Username;hw6 |1\r\nMüller;zoe;6\r\nÁlvarez;ana;1\r\n".encode("cp1252"),
        not_written=("ben",),
    ),
]


@pytest.mark.parametrize("case", EXPORTS, ids=lambda case: case.name)
def test_a_grade_file_goes_back_as_it_came(case: Export, tmp_path: Path) -> None:
    for student, (name, points) in case.students.items():
        store.write(tmp_path / "out" / student, result(student, name=name, points=points))
    (tmp_path / "before.csv").write_bytes(case.before)
    report = lms_grades.export(tmp_path / "out", case.lms, tmp_path / "before.csv", tmp_path / "after.csv")
    assert (tmp_path / "after.csv").read_bytes() == case.after
    assert set(case.not_written) <= {*report.unknown, *report.ambiguous}
