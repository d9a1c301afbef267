"""Points on their way back: the files that learning management systems gave, with a few cells changed and no other."""

import csv
import io
import random
from pathlib import Path

import pytest
from support.results import result

from autograder.errors import KitError
from autograder.publish import grade_file, lms_grades
from autograder.publish.final_points import DecidedBy, Final
from autograder.publish.lms_grades import Report
from autograder.results import store
from autograder.results.result import Result

FULL = "20 of 20 points: over 70% (accuracy 80.00%); see the feedback file"
NO_FILE = "0 of 20 points: no file by the deadline; see the feedback file"


def graded(student: str, name: str = "", points: float | None = 20.0) -> Result:
    """Somebody's result: full points, none for no file, or (None) a preview."""
    if points == 0:
        tier = {"label": "no file by the deadline", "kind": "no file", "points": 0.0}
        return result(student, name=name, status="absent", outcome="NO_FILE", points=0.0, tier=tier, accuracy=None)
    return result(student, name=name, points=points)


def write(out: Path, *everybody: Result) -> Path:
    for one in everybody:
        store.write(out / one.student, one)
    return out


def cells(path: Path, encoding: str = "utf-8-sig", delimiter: str = ",") -> list[list[str]]:
    return list(csv.reader(io.StringIO(path.read_bytes().decode(encoding), newline=""), delimiter=delimiter))


# --- files to merge into ---------------------------------------------------------------------------------------------

BLACKBOARD = (
    '"Last Name"\t"First Name"\t"Username"\t"Student ID"\t"Last Access"\t"Availability"'
    '\t"hw5 [Total Pts: 20 Score] |1234566"\t"hw6 [Total Pts: 20 Score] |1234567"\t"Grading Notes"'
    '\t"Notes Format"\t"Feedback to Learner"\t"Feedback Format"\r\n'
    '"김"\t"하늘"\t"haneul"\t"2016320187"\t"2026-11-30 23:12:01"\t"Yes"\t"18.00"\t""\t"says ""hi""\tand\r\nleft"'
    '\t"SMART_TEXT"\t""\t"SMART_TEXT"\r\n'
    '"Carvalho"\t"Inês"\t"ines"\t"2016320188"\t""\t"Yes"\t""\t"Needs Grading(0.00)"\t""\t""\t"as ""it"" was"\t""\r\n'
    '"Wilk"\t"Tom"\t"tom"\t"2016320189"\t""\t"Yes"\t"7"\t"In Progress"\t""\t""\t""\t""\r\n'
    '"Kim"\t"Su"\t"su"\t"2016320190"\t""\t"No"\t"20.00"\t""\t""\t""\t""\t""\r\n'
)


@pytest.mark.parametrize(("mark", "encoding"), [(b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be")])
def test_a_blackboard_file(tmp_path: Path, mark: bytes, encoding: str) -> None:
    merge = tmp_path / "gc_hw6_column.xls"
    merge.write_bytes(mark + BLACKBOARD.encode(encoding))
    out = write(
        tmp_path / "out",
        graded("2016320187"),  # by the one id, and by the other
        graded("INES", points=0),
        graded("tom", points=None),
        graded("7"),  # a number in the file, and nobody's id
        graded("In Progress"),  # what the file has for points
        graded("stranger"),
    )
    report = lms_grades.export(out, "blackboard", merge, tmp_path / "to.xls")
    assert report == Report(
        "hw6 [Total Pts: 20 Score] |1234567",
        "Feedback to Learner",
        written=("2016320187", "INES"),
        undecided=("tom",),
        unknown=("7", "In Progress", "stranger"),
        untouched=("2016320190",),
    )
    first, second = BLACKBOARD.index('\t""\t"says'), BLACKBOARD.index('"Needs')
    expected = (
        BLACKBOARD[:first]
        + '\t"20"'
        + BLACKBOARD[first + 3 : second].replace('\t""\t"SMART_TEXT"\r\n', f'\t"{FULL}"\t"SMART_TEXT"\r\n')
        + BLACKBOARD[second:].replace('"Needs Grading(0.00)"', '"0"').replace('"as ""it"" was"', f'"{NO_FILE}"')
    )
    assert (tmp_path / "to.xls").read_bytes() == mark + expected.encode(encoding)
    assert merge.read_bytes() == mark + BLACKBOARD.encode(encoding)


def test_a_blackboard_file_of_several_columns(tmp_path: Path) -> None:
    merge = tmp_path / "gc.csv"
    header = "Username,hw5 |1,Feedback to Learner|1,hw6 [Total Pts: 20 Score] |2,Feedback to Learner|2\n"
    merge.write_text(f"{header}s1,,,,\n")
    report = lms_grades.export(write(tmp_path / "out", graded("s1")), "blackboard", merge, tmp_path / "to.csv")
    assert (report.column, report.feedback_column) == ("hw6 [Total Pts: 20 Score] |2", "Feedback to Learner|2")
    assert (tmp_path / "to.csv").read_text() == f"{header}s1,,,20,{FULL}\n"


CANVAS = (
    "Student,ID,SIS User ID,SIS Login ID,Section,hw5 (12344),hw6 (12345),hw60 (12399),Final Score\r\n"
    "    Points Possible,,,,,20.00,20.00,20.00,(read only)\r\n"
    '"Carvalho, Inês",7001,20240001,ines@example.org,"CS, 1 ",19.50,,, 98.1\r\n'
    "김하늘,7002,20240002,HANEUL@example.org,1,20.00,3.00,,\r\n"
    '"Kim, Su",7003,20240003,su@example.org,1,,,,\r\n'
    '"Student, Test",7999,,,1,,,,'  # without a last line end
)


def test_a_canvas_export(tmp_path: Path) -> None:
    (tmp_path / "grades.csv").write_bytes(b"\xef\xbb\xbf" + CANVAS.encode())
    out = write(tmp_path / "out", graded("7001"), graded("haneul@EXAMPLE.org", points=6.5), graded("20", points=0))
    report = lms_grades.export(out, "canvas", tmp_path / "grades.csv", tmp_path / "to.csv")
    assert report == Report(
        "hw6 (12345)",
        "",
        written=("7001", "haneul@EXAMPLE.org"),
        unknown=("20",),
        untouched=("20240003", "7999"),
    )
    expected = CANVAS.replace("19.50,,, 98.1", "19.50,20,, 98.1").replace("20.00,3.00,,", "20.00,6.5,,")
    assert (tmp_path / "to.csv").read_bytes() == b"\xef\xbb\xbf" + expected.encode()


MOODLE = (
    'Identifier,"Full name","ID number","Email address",Status,Grade,"Maximum Grade","Grade can be changed",'
    '"Last modified (submission)","Last modified (grade)","Feedback comments"\n'
    '"Participant 71","Inês Carvalho",,ines@example.org,"Submitted for grading - Not marked",,20.00,Yes,'
    '"Monday, 30 November 2026, 11:58 PM",-,\n'
    '"Participant 72","김 하늘",,haneul@example.org,"No submission",,20.00,Yes,-,-,"<p>one\nor two, ""three""</p>"\n'
    '"Participant 710","Tom Wilk",,tom@example.org,"No submission",,20.00,No,-,-,\n'
    '"Participant 73","Su Kim",71,su@example.org,"No submission",,20.00,Yes,-,-,\n'
)


def test_a_moodle_worksheet(tmp_path: Path) -> None:
    (tmp_path / "Grades.csv").write_text(MOODLE, newline="")
    out = write(tmp_path / "out", graded("72", points=0), graded("710"), graded("20"), graded("tom@example.org"))
    report = lms_grades.export(out, "moodle", tmp_path / "Grades.csv", tmp_path / "to.csv")
    assert (report.column, report.feedback_column) == ("Grade", "Feedback comments")
    assert (report.written, report.unknown, report.ambiguous) == (("72",), ("20",), ("710", "tom@example.org"))
    assert report.untouched == ("Participant 71", "Participant 73")
    before, after = MOODLE.split('"Participant 72"')
    after = after.replace('"No submission",,', '"No submission",0,', 1)
    after = after.replace('"<p>one\nor two, ""three""</p>"', f'"{NO_FILE}"')
    assert (tmp_path / "to.csv").read_bytes() == f'{before}"Participant 72"{after}'.encode()


def test_an_id_that_fits_several_rows_is_nobodys(tmp_path: Path) -> None:
    (tmp_path / "Grades.csv").write_text(MOODLE, newline="")
    out = write(tmp_path / "out", graded("71"), graded("73"), graded("No submission"))
    report = lms_grades.export(out, "moodle", tmp_path / "Grades.csv", tmp_path / "to.csv")
    assert (report.written, report.ambiguous) == (("73",), ("71", "No submission"))
    assert report.untouched == ()  # each of them may be somebody's
    assert (tmp_path / "to.csv").read_text() == MOODLE.replace(
        'su@example.org,"No submission",,20.00,Yes,-,-,\n', f'su@example.org,"No submission",20,20.00,Yes,-,-,{FULL}\n'
    )


def test_a_name_that_is_anothers_id_changes_nothing(tmp_path: Path) -> None:
    content = "Student,ID,Section,hw6 (1)\n7002,7001,1,\nB,7002,1,\n"
    (tmp_path / "grades.csv").write_text(content)
    out = write(tmp_path / "out", graded("7001", points=0), graded("7002"))
    report = lms_grades.export(out, "canvas", tmp_path / "grades.csv", tmp_path / "to.csv")
    assert report.written == ("7001", "7002")
    assert (tmp_path / "to.csv").read_text() == "Student,ID,Section,hw6 (1)\n7002,7001,1,0\nB,7002,1,20\n"


def test_any_other_file_with_a_column_for_it(tmp_path: Path) -> None:
    content = "학번;이름;HW6;feedback\r2026-1;김하늘;{}\r\r2026-2;=cmd();;\r"
    (tmp_path / "class.csv").write_bytes(content.format(";old").encode())
    out = write(tmp_path / "out", graded("2026-1"), graded("2026-2", points=None))
    report = lms_grades.export(out, "csv", tmp_path / "class.csv", tmp_path / "to.csv")
    assert (report.written, report.undecided) == (("2026-1",), ("2026-2",))
    assert (tmp_path / "to.csv").read_bytes() == content.format(f'20;"{FULL}"').encode()


def test_gradescope_has_no_place_for_a_text(tmp_path: Path) -> None:
    content = "First Name,Last Name,SID,Email,Sections,hw6,hw6 - Max Points\nA,B,20240001,a@example.org,,,20.0\n"
    (tmp_path / "scores.csv").write_text(content)
    out = write(tmp_path / "out", graded("20240001"))
    report = lms_grades.export(out, "gradescope", tmp_path / "scores.csv", tmp_path / "to.csv")
    assert (report.column, report.feedback_column) == ("hw6", "")
    assert (tmp_path / "to.csv").read_text() == content.replace(",,,20.0", ",,20,20.0")


@pytest.mark.parametrize(
    ("header", "column", "message"),
    [
        ("ID,hw5,hw60", None, "no column begins with 'hw6'; there is hw5, hw60"),
        ("ID,hw6 (1),HW6 late (2)", None, "several columns begin with 'hw6': hw6 (1), HW6 late (2)"),
        ("ID,hw6,hw6", None, "several columns begin with 'hw6': hw6, hw6"),
        ("ID,hw6", "quiz", "no column begins with 'quiz'; there is hw6"),
        ("ID,hw6", "id", "no column begins with 'id'; there is hw6"),  # it would lose who everybody is
        ("ID", None, "no column begins with 'hw6'; there is none"),
        ("", None, "doesn't begin with the names of its columns"),
        ('ID,"hw6', None, ":1: a quote isn't closed"),
        ('ID,hw6\ns1,"a""', None, ":2: a quote isn't closed"),
        ("ID,Name,hw6\n\ns1,a\n", None, ":3: the row ends before 'hw6'"),
        ("ID,hw6\0", None, "isn't text"),
    ],
)
def test_a_file_that_nothing_can_be_merged_into(tmp_path: Path, header: str, column: str | None, message: str) -> None:
    (tmp_path / "class.csv").write_text(header)
    out = write(tmp_path / "out", graded("s1"))
    with pytest.raises(KitError) as raised:
        lms_grades.export(out, "csv", tmp_path / "class.csv", tmp_path / "to.csv", column=column)
    assert message in raised.value.message
    assert raised.value.hint
    assert not (tmp_path / "to.csv").exists()


@pytest.mark.parametrize("column", ["HW6 [total", "hw6 [Total Pts: 20 Score] |1234567"])
def test_a_column_can_be_named(tmp_path: Path, column: str) -> None:
    (tmp_path / "gc.csv").write_text("Username,hw6 [Total Pts: 20 Score] |1234567,hw6 late |1234568\ns1,,\n")
    out = write(tmp_path / "out", graded("s1"))
    lms_grades.export(out, "blackboard", tmp_path / "gc.csv", tmp_path / "to.csv", column=column)
    assert cells(tmp_path / "to.csv")[1] == ["s1", "20", ""]


def test_the_file_to_merge_into_is_never_written(tmp_path: Path) -> None:
    out = write(tmp_path / "out", graded("s1"))
    merge = tmp_path / "class.csv"
    merge.write_text("ID,hw6\ns1,\n")
    (tmp_path / "link.csv").symlink_to(merge)
    (tmp_path / "hard.csv").hardlink_to(merge)
    for to in (merge, tmp_path / "out" / ".." / "class.csv", tmp_path / "link.csv", tmp_path / "hard.csv"):
        with pytest.raises(KitError, match="is the file to merge into") as raised:
            lms_grades.export(out, "csv", merge, to)
        assert raised.value.hint
    assert merge.read_text() == "ID,hw6\ns1,\n"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\x81,hw6\n", "no encoding is known"),
        (b"\xff\xfea", "no encoding is known"),
        (None, "can't be read"),
    ],
)
def test_a_file_that_cant_be_read(tmp_path: Path, content: bytes | None, message: str) -> None:
    if content is not None:
        (tmp_path / "class.csv").write_bytes(content)
    with pytest.raises(KitError, match=message) as raised:
        lms_grades.export(write(tmp_path / "out", graded("s1")), "csv", tmp_path / "class.csv", tmp_path / "to.csv")
    assert raised.value.hint


def test_what_else_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = write(tmp_path / "out", graded("s1"))
    (tmp_path / "file").write_text("")
    (tmp_path / "class.csv").write_text("ID,hw6\n" + "x" * 100)
    for lms, merge, to, message in (
        ("sakai", None, tmp_path / "to.csv", "nothing is known of 'sakai'"),
        ("canvas", None, tmp_path / "to.csv", "Canvas imports nothing but its own export"),
        ("moodle", None, tmp_path / "to.csv", "s1: Moodle knows participants by numbers"),
        ("csv", None, tmp_path, "can't be written"),
        ("csv", None, tmp_path / "file" / "to.csv", "can't be written"),
        ("csv", tmp_path / "class.csv", tmp_path / "to.csv", "too large"),
    ):
        monkeypatch.setattr(grade_file, "LARGEST", 100)
        with pytest.raises(KitError, match=message) as raised:
            lms_grades.export(out, lms, merge, to)
        assert raised.value.hint
    with pytest.raises(KitError, match="holds no results"):
        lms_grades.export(tmp_path / "nowhere", "csv", None, tmp_path / "to.csv")
    write(out, graded("s2").model_copy(update={"homework": graded("s2").homework.model_copy(update={"name": "other"})}))
    with pytest.raises(KitError, match="holds results of hw6, other"):
        lms_grades.export(out, "csv", None, tmp_path / "to.csv")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["class.csv", "file", "out"]


@pytest.mark.parametrize("between", [",", ";", "\t"])
def test_cells_are_those_of_the_csv_module(tmp_path: Path, between: str) -> None:
    """Whatever stands in a file: the same cells, and replaced by themselves the same bytes."""
    rng = random.Random(0)
    pieces = ["a", "é", "김", " ", "1.5", '""', "'", ",", ";", "\t"]
    for number in range(300):
        rows = []
        for _ in range(rng.randint(1, 4)):
            row = []
            for _ in range(rng.randint(1, 4)):
                inside = "".join(rng.choices([*pieces, "\n", "\r\n", "\r"], k=rng.randint(0, 4)))
                bare = "".join(one for one in inside if one not in '",;\t\r\n')
                row.append(rng.choice([bare, f'"{inside}"', f'"{inside}"{bare}', f'x{bare}"']))
            rows.append(between.join(row))
        text = f"h{between}h{between}h{between}h\n" + rng.choice(["\n", "\r\n"]).join([*rows, *rng.choice([[], [""]])])
        path = tmp_path / f"{number}.csv"
        path.write_bytes(text.encode())
        table = grade_file.GradeFile(path)
        read = [[cell.holds for cell in row] for row in table.rows]
        expected = list(csv.reader(io.StringIO(text, newline=""), delimiter=between))
        assert [row if row != [""] else [] for row in read] == [row if row != [""] else [] for row in expected]
        assert table.replaced([]) == text.encode()
        row = rng.randrange(len(table.rows))
        column = rng.randrange(len(table.rows[row]))
        path.write_bytes(table.replaced([(table.rows[row][column], "new\n")]))
        read[row][column] = "new\n"
        assert [[cell.holds for cell in one] for one in grade_file.GradeFile(path).rows] == read


# --- new files -------------------------------------------------------------------------------------------------------


def test_a_new_blackboard_file(tmp_path: Path) -> None:
    out = write(tmp_path / "out", graded("ines"), graded("tom", points=None))
    header = "hw6 [Total Pts: 20 Score] |1234567"
    report = lms_grades.export(out, "blackboard", None, tmp_path / "new" / "to.csv", column=header)
    assert report == Report(header, "Feedback to Learner", written=("ines",), undecided=("tom",))
    assert (tmp_path / "new" / "to.csv").read_bytes() == (
        f'\ufeff"Username","{header}","Feedback to Learner"\n"ines","20","{FULL}"\n"tom","",""\n'.encode()
    )
    lms_grades.export(out, "blackboard", None, tmp_path / "to.csv")
    assert cells(tmp_path / "to.csv")[0][1] == "hw6"


def test_a_new_moodle_worksheet(tmp_path: Path) -> None:
    out = write(tmp_path / "out", graded("71", "김 하늘"), graded("72", points=None))
    assert lms_grades.export(out, "moodle", None, tmp_path / "to.csv").column == "Grade"
    assert cells(tmp_path / "to.csv", "utf-8") == [
        list(lms_grades.MOODLE_COLUMNS),
        ["Participant 71", "김 하늘", "", "", "20", "20", "Yes", "-", "-", FULL],
        ["Participant 72", "", "", "", "", "20", "Yes", "-", "-", ""],
    ]
    again = lms_grades.export(
        write(tmp_path / "out", graded("72")), "moodle", tmp_path / "to.csv", tmp_path / "again.csv"
    )
    assert again.written == ("71", "72")  # the kit's own is a worksheet too


def test_a_new_gradescope_file(tmp_path: Path) -> None:
    out = write(tmp_path / "out", graded("20240001", "Inês"), graded("tom@example.org", "Tom", points=0))
    assert lms_grades.export(out, "gradescope", None, tmp_path / "to.csv").column == "hw6"
    assert cells(tmp_path / "to.csv", "utf-8") == [
        ["Name", "SID", "Email", "hw6"],
        ["Inês", "20240001", "", "20"],
        ["Tom", "", "tom@example.org", "0"],
    ]


def decided(student: str, points: float | None, by: DecidedBy, reason: str = "", name: str = "") -> Final:
    return Final(points, by, reason, result(student, name=name, points=20.0))


def test_a_new_csv_file_and_who_decided(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    everybody = [
        decided("s1", 20, "run", name='Kim "Su", 김\n'),
        decided("s2", 12.5, "override", "handed in\nby mail, late"),
        decided("s3", 3, "formgrader"),
        decided("s4", None, "nobody"),
    ]
    monkeypatch.setattr(lms_grades, "final", lambda out, book=None: everybody)
    lms_grades.export(tmp_path, "csv", None, tmp_path / "to.csv")
    assert cells(tmp_path / "to.csv", "utf-8") == [
        list(lms_grades.CSV_COLUMNS),
        ["s1", 'Kim "Su", 김', "20", "20", "run", FULL],
        [
            *["s2", "", "12.5", "20", "override"],
            "12.5 of 20 points: set by the instructor: handed in by mail, late; see the feedback file",
        ],
        ["s3", "", "3", "20", "formgrader", "3 of 20 points: set by the instructor; see the feedback file"],
        ["s4", "", "", "20", "nobody", ""],
    ]


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@SUM(A1)", "＝1", '=HYPERLINK("x","y")', "\t=1", "\x00=1"])
def test_no_name_is_a_formula(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        lms_grades,
        "final",
        lambda out, book=None: [decided("7", -1, "override", "=1+1", name), decided("=8", 0, "run")],
    )
    for lms in ("blackboard", "gradescope", "csv"):
        lms_grades.export(tmp_path, lms, None, tmp_path / "to.csv")
        texts = [cell for row in cells(tmp_path / "to.csv") for cell in row if cell and cell != "-1"]  # but the number
        assert [text for text in texts if text[0] in "=+-@\t\r＝"] == []
        assert "'=8" in texts
        assert lms == "blackboard" or any(name.strip("\t\x00") in text for text in texts)


def test_a_reason_in_a_file_of_theirs_stays_one_cell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        lms_grades, "final", lambda out, book=None: [decided("s1", 5, "override", 'said "5",\tin\r\nclass')]
    )
    (tmp_path / "a.csv").write_bytes(b"student,points,feedback\r\ns1,,\r\n")
    lms_grades.export(tmp_path, "csv", tmp_path / "a.csv", tmp_path / "to.csv", column="points")
    says = '5 of 20 points: set by the instructor: said ""5"", in class; see the feedback file'
    assert (tmp_path / "to.csv").read_bytes() == f'student,points,feedback\r\ns1,5,"{says}"\r\n'.encode()
