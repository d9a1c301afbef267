"""One name that fits no system changes nothing for the others, and another homework is never graded as this one."""

from pathlib import Path

import pytest
from support.hand_ins import (
    ABSENT,
    FOR_A_PERSON,
    NOTEBOOK,
    OTHER,
    ROSTER,
    SCRIPT,
    TITLE,
    WORDS,
    Case,
    blackboard,
    check,
    gradescope,
    in_clones,
    in_folder,
    in_zip,
    late,
    notebook,
    on_time,
)

CASES = [
    Case(
        "one odd name",
        "canvas-one-in-thirty",
        "One group with an odd name takes nobody's number and nobody's lateness (lib/content_zipper.rb).",
        in_zip(
            {
                **{f"student{number}_{100 + number}_{5000 + number}_hw6.py": SCRIPT for number in range(30)},
                "o_b_LATE_201_6002_hw6.py": SCRIPT,
                "late_LATE_202_6003_hw6.py": SCRIPT,
            }
        ),
        {**{str(100 + number): on_time() for number in range(30)}, "201": late(), "202": late()},
        expect_system="canvas",
    ),
    Case(
        "one odd name",
        "canvas-mailed",
        "The instructor puts a file beside the others that came by mail: the others stay Canvas's.",
        in_zip(
            {
                "hanakim_101_5001_hw6.py": SCRIPT,
                "leejun_LATE_102_5002_hw6.py": SCRIPT,
                "sorajung_103_5003_hw6.ipynb": NOTEBOOK,
                "final version.py": SCRIPT,
            }
        ),
        {"101": on_time(), "102": late(), "103": on_time("hw6.ipynb")},
        expect_system="canvas",
        expect_named=("final version.py",),
    ),
    Case(
        "one odd name",
        "canvas-as-told",
        "With --lms what fits is read, however little it is, and the rest is put before a person.",
        in_zip({"hanakim_101_5001_hw6.py": SCRIPT, "leejun.py": SCRIPT, "hw6 sora.ipynb": NOTEBOOK}),
        {"101": on_time()},
        WORDS | {"lms": "canvas"},
        expect_system="canvas",
        expect_named=("leejun.py", "hw6 sora.ipynb"),
    ),
    Case(
        "one odd name",
        "blackboard-notes",
        "The instructor keeps notes.py beside the download: ids and times stay Blackboard's.",
        in_zip(
            {
                **blackboard(
                    TITLE,
                    ("2019320001", "2026-11-29-10-00-00", {"hw6 (최종) [v2].py": SCRIPT}),
                    ("hana_kim", "2026-11-30-10-00-00", {"hw6.py": SCRIPT, "helper.py": OTHER}),
                    ("o'neil+1", "2026-12-01-00-00-00", {"hw6.ipynb": NOTEBOOK}),
                ),
                "notes.py": SCRIPT,
                "Thumbs.db": b"x",
            }
        ),
        {
            "2019320001": on_time("hw6 (최종) [v2].py", came="2026-11-29T10:00:00"),
            "hana_kim": on_time(came="2026-11-30T10:00:00"),
            "o'neil+1": late("hw6.ipynb", came="2026-12-01T00:00:00"),
        },
        expect_system="blackboard",
        expect_left_out=("Thumbs.db",),
        expect_named=("notes.py",),
    ),
    Case(
        "one odd name",
        "moodle-grading-folder",
        "A folder of the instructor's own lies beside the participants'.",
        in_zip(
            {
                "Ines Carvalho_123_assignsubmission_file/hw6.py": SCRIPT,
                "Jun Lee_124_assignsubmission_file/hw6.py": (SCRIPT, "2026-12-01 00:30:00"),
                "grading/notes.txt": b"to do\n",
            }
        ),
        {"123": on_time(name="Ines Carvalho"), "124": late(came="2026-12-01T00:30:00")},
        expect_system="moodle",
        expect_named=("grading",),
    ),
    Case(
        "one odd name",
        "nbgrader-no-timestamp",
        "One was collected by hand, without timestamp.txt: the file's own time counts for it (jupyter/nbgrader#1409).",
        in_folder(
            {
                "ann/hw6/timestamp.txt": b"2026-11-30 14:00:00 UTC",
                "ann/hw6/hw6.ipynb": NOTEBOOK,
                "ben/hw6/timestamp.txt": b"2026-11-30 15:00:00 UTC",
                "ben/hw6/hw6.ipynb": NOTEBOOK,
                "cho/hw6/hw6.ipynb": (NOTEBOOK, "2026-11-30 09:00:00"),
            }
        ),
        {
            "ann": on_time("hw6.ipynb", came="2026-11-30T23:00:00"),
            "ben": late("hw6.ipynb", came="2026-12-01T00:00:00"),
            "cho": on_time("hw6.ipynb", came="2026-11-30T09:00:00"),
        },
        expect_system="nbgrader",
    ),
    Case(
        "another homework",
        "nbgrader-all-assignments",
        "A course's submitted/ has all homeworks: no other one's notebook is graded as hw6 (jupyter/nbgrader#1905).",
        in_folder(
            {
                "ann/hw1/timestamp.txt": b"2026-09-30 10:00:00 UTC",
                "ann/hw1/hw1.ipynb": notebook("x = 1"),
                "ann/hw6/timestamp.txt": b"2026-11-30 14:00:00 UTC",
                "ann/hw6/hw6.ipynb": NOTEBOOK,
                "ben/hw6/timestamp.txt": b"2026-11-30 15:00:00 UTC",
                "ben/hw6/hw6.ipynb": NOTEBOOK,
                "cho/hw1/timestamp.txt": b"2026-09-30 10:00:00 UTC",
                "cho/hw1/hw1.ipynb": notebook("x = 1"),
            }
        ),
        {
            "ann": on_time("hw6.ipynb", came="2026-11-30T23:00:00"),
            "ben": late("hw6.ipynb", came="2026-12-01T00:00:00"),
            "cho": {"outcome": ("absent", "for a person"), "file": None},
        },
        expect_system="nbgrader",
    ),
    Case(
        "one odd name",
        "blackboard-few",
        "Few have handed in yet, and the instructor's own files are more than theirs.",
        in_zip(
            {
                **blackboard("hw6", ("hana", "2026-11-29-10-00-00", {"hw6.py": SCRIPT})),
                "solution/hw6.py": OTHER,
                "notes.py": SCRIPT,
                "roster.csv": b"id\nhana\n",
                "to do.txt": b"x",
            }
        ),
        {"hana": on_time(came="2026-11-29T10:00:00")},
        expect_system="blackboard",
        expect_left_out=("roster.csv", "to do.txt"),
        expect_named=("solution", "notes.py"),
    ),
    Case(
        "one odd name",
        "canvas-like-in-a-folder",
        "A file from Canvas lies among folders of students: nobody else's name or time changes, and it is shown.",
        in_folder(
            {
                "ann/hw6.py": SCRIPT,
                "ben/hw6.py": (SCRIPT, "2026-12-01 08:00:00"),
                "cho/hw6.py": SCRIPT,
                "dora_LATE_101_5001_hw6.py": SCRIPT,
            }
        ),
        {"ann": on_time(), "ben": late(), "cho": on_time()},
        expect_system="folder",
        expect_named=("dora_LATE_101_5001_hw6.py",),
    ),
    Case(
        "one odd name",
        "gradescope-beside",
        "A folder of the instructor's lies beside the submissions, one has no folder, and one isn't in the list.",
        in_folder(
            {
                **gradescope(
                    ("111", "2026-11-29 10:00:00", {"hw6.py": SCRIPT}),
                    ("112", "2026-11-29 10:00:00", {}),
                ),
                "submission_99/hw6.py": SCRIPT,
                "solutions/hw6.py": OTHER,
            }
        ),
        {"111": on_time(), "112": FOR_A_PERSON},
        expect_system="gradescope",
        expect_named=("submission_99", "solutions"),
    ),
    Case(
        "one odd name",
        "github-beside",
        "Beside the clones lie a script, a table, and a repository that came as a zip file's folder.",
        in_clones(
            {"hw6-alice": {"hw6.py": SCRIPT}, "hw6-bob": {"hw6.py": SCRIPT}, "hw6-carol": {"hw6.py": SCRIPT}},
            beside={"grade.py": OTHER, "grades.csv": b"x", "hw6-dave-main/hw6.py": SCRIPT},
        ),
        {"alice": on_time(), "bob": on_time(), "carol": on_time()},
        expect_system="github",
        expect_left_out=("grades.csv",),
        expect_named=("grade.py", "hw6-dave-main"),
    ),
    Case(
        "one odd name",
        "solution-in-the-class",
        "The course's own hw6.py lies in the class's folder: that stops nobody.",
        in_folder({"ann/hw6.py": SCRIPT, "ben/hw6.py": SCRIPT, "hw6.py": OTHER, "README.md": b"x"}),
        {"ann": on_time(), "ben": on_time()},
        expect_system="folder",
        expect_left_out=("README.md",),
        expect_named=("hw6.py",),
    ),
    Case(
        "one odd name",
        "moodle-mailed-on-roster",
        "Somebody's file came by mail, named by their number: it is theirs, and a person looks at when it came.",
        in_zip(
            {
                "Ines Carvalho_123_assignsubmission_file/hw6.py": SCRIPT,
                "Jun Lee_124_assignsubmission_file/hw6.py": SCRIPT,
                "ID2019003 hw6.py": SCRIPT,
            },
            "student id,name\n2019001,Ines Carvalho\n2019002,Jun Lee\n2019003,Bo Lindqvist\n",
        ),
        {"2019001": on_time(), "2019002": on_time(), "2019003": FOR_A_PERSON},
        ROSTER,
        expect_system="moodle",
    ),
    Case(
        "another homework",
        "called-as-another",
        "What is called as another homework's file isn't graded as this one without a look.",
        in_folder(
            {
                "ann/hw1.ipynb": NOTEBOOK,
                "ben/hw5.py": OTHER,
                "ben/hw6_ben.py": SCRIPT,
                "cho/hw1/hw1.ipynb": NOTEBOOK,
                "cho/hw6/hw6.ipynb": NOTEBOOK,
                "dora/HW 06.py": SCRIPT,
                "eve/my homework.py": SCRIPT,
            }
        ),
        {
            "ann": FOR_A_PERSON,
            "ben": on_time("hw6_ben.py"),
            "cho": on_time("hw6.ipynb"),
            "dora": on_time("HW 06.py"),
            "eve": on_time("my homework.py"),
        },
        expect_system="folder",
    ),
    Case(
        "another homework",
        "nbgrader-called-otherwise",
        "The folder is called in capitals, or with a zero; one student has put it under a name of their own.",
        in_folder(
            {
                "ann/HW6/timestamp.txt": b"2026-11-30 14:00:00 UTC",
                "ann/HW6/hw6.ipynb": NOTEBOOK,
                "ben/hw06/timestamp.txt": b"2026-11-30 14:00:00 UTC",
                "ben/hw06/hw6.ipynb": NOTEBOOK,
                "cho/homework six/hw6.ipynb": NOTEBOOK,
                "dora/hw6/timestamp.txt": b"2026-11-30 14:00:00 UTC",
            }
        ),
        {"ann": on_time("hw6.ipynb"), "ben": on_time("hw6.ipynb"), "cho": FOR_A_PERSON, "dora": ABSENT},
        expect_system="nbgrader",
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_class_is_read_as_a_careful_instructor_does(case: Case, tmp_path: Path) -> None:
    assert check(case, tmp_path) == []
