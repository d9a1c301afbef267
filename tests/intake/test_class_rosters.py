"""Rosters as spreadsheets write them, and deadlines of one's own."""

from pathlib import Path

import pytest
from support.hand_ins import (
    ABSENT,
    FOR_A_PERSON,
    NOTEBOOK,
    ONE_OF_TWO,
    ROSTER,
    SCRIPT,
    TWO,
    WORDS,
    Case,
    blackboard,
    check,
    in_folder,
    in_zip,
    late,
    on_time,
)

CASES = [
    Case(
        "rosters",
        "moodle-worksheet",
        "Moodle's own worksheet as the roster: it calls participant 123 'Participant 123', and has addresses beside.",
        in_zip(
            {
                "Ines Carvalho_123_assignsubmission_file/hw6.py": SCRIPT,
                "Jun Lee_124_assignsubmission_file/hw6.py": SCRIPT,
            },
            'Identifier,"Full name","Email address",Status,Grade\n'
            'Participant 123,"Ines Carvalho",ines@example.org,,\n'
            'Participant 124,"Jun Lee",jun@example.org,,\n'
            'Participant 125,"Bo Lindqvist",bo@example.org,,\n',
        ),
        {
            "123|Participant 123": on_time(name="Ines Carvalho"),
            "124|Participant 124": on_time(name="Jun Lee"),
            "125|Participant 125": ABSENT,
        },
        ROSTER,
        expect_system="moodle",
        expect_absent_ids=("ines@example.org", "jun@example.org", "bo@example.org"),
    ),
    Case(
        "times",
        "nbgrader-zones",
        "Zones as the course's own clock calls them, and offsets without a colon (jupyter/nbgrader#1932).",
        in_folder(
            {
                **{f"{id_}/hw6/hw6.ipynb": NOTEBOOK for id_ in ("ann", "ben", "cho", "dora", "eve")},
                "ann/hw6/timestamp.txt": b"2026-11-30 14:59:00 UTC",
                "ben/hw6/timestamp.txt": b"2026-11-30 23:59:00 KST",
                "cho/hw6/timestamp.txt": b"2026-11-30 23:59:00 +0900",
                "dora/hw6/timestamp.txt": b"2026-12-01 00:00:00 KST",
                "eve/hw6/timestamp.txt": b"2026-11-30 23:59:00.123456 Asia/Seoul",
            }
        ),
        {
            **{id_: on_time("hw6.ipynb", came="2026-11-30T23:59:00") for id_ in ("ann", "ben", "cho")},
            "dora": late("hw6.ipynb", came="2026-12-01T00:00:00"),
            "eve": late("hw6.ipynb"),
        },
        expect_system="nbgrader",
    ),
    Case(
        "rosters",
        "roster-cp949",
        "Excel's plain CSV on a Korean Windows: cp949 and semicolons (foundation50/classroom50#746).",
        in_folder(ONE_OF_TWO, "학번;이름\r\n2019001;홍길동\r\n2019002;김하늘\r\n".encode("cp949")),
        TWO,
        ROSTER,
    ),
    Case(
        "rosters",
        "roster-text-ids",
        'Ids written as ="2019001", so that Excel leaves them as text (autolab/Autolab#874).',
        in_folder(ONE_OF_TWO, '학번,이름\n"=""2019001""",홍길동\n"=""2019002""",김하늘\n'),
        TWO,
        ROSTER,
    ),
    Case(
        "rosters",
        "roster-sep",
        "A first line that tells Excel what stands between the cells.",
        in_folder(ONE_OF_TWO, "sep=;\r\nstudent id;name\r\n2019001;홍길동\r\n2019002;김하늘\r\n"),
        TWO,
        ROSTER,
    ),
    Case(
        "rosters",
        "roster-cr",
        "Lines that end as on an old Mac, which Excel for Mac still writes.",
        in_folder(ONE_OF_TWO, "student id,name\r2019001,홍길동\r2019002,김하늘\r"),
        TWO,
        ROSTER,
    ),
    Case(
        "times",
        "roster-deadline",
        "A column deadline gives a student a time of their own; an empty cell is the class's"
        " (github-education-resources/classroom#2072).",
        in_zip(
            blackboard(
                "hw6",
                ("s17", "2026-12-02-10-00-00", {"hw6.py": SCRIPT}),
                ("s18", "2026-12-01-10-00-00", {"hw6.py": SCRIPT}),
                ("s19", "2026-12-03-23-59-00", {"hw6.py": SCRIPT}),
                ("s19", "2026-12-04-10-00-00", {"hw6.ipynb": NOTEBOOK}),
                ("s20", "2026-12-04-10-00-00", {"hw6.py": SCRIPT}),
            ),
            "student id,deadline\ns17,2026-12-03 23:59\ns18,\ns19,2026-12-03 23:59\ns20,2026-12-03 23:59\n",
        ),
        {
            "s17": on_time(came="2026-12-02T10:00:00"),
            "s18": late(came="2026-12-01T10:00:00"),
            "s19": on_time(came="2026-12-03T23:59:00"),
            "s20": late(came="2026-12-04T10:00:00"),
        },
        ROSTER,
        expect_system="blackboard",
    ),
    Case(
        "rosters",
        "roster-cp1252",
        "Excel's plain CSV on a Windows of Western Europe.",
        in_folder(
            {"2019001/hw6.py": SCRIPT, "José Núñez/hw6.py": SCRIPT},
            "student id;name\r\n2019001;Zoë Müller\r\n2019002;José Núñez\r\n2019003;Ángel Díaz\r\n".encode("cp1252"),
        ),
        {
            "2019001": on_time(name="Zoë Müller"),
            "2019002": on_time(name="José Núñez"),
            "2019003": ABSENT | {"name": "Ángel Díaz"},
        },
        ROSTER,
    ),
    Case(
        "rosters",
        "roster-numbers",
        "Ids that went through a table of numbers, and ids with an apostrophe or a # before them.",
        in_folder(
            {"2019001/hw6.py": SCRIPT, "0042/hw6.py": SCRIPT}, "학번,이름\n2019001.0,홍길동\n'0042,김하늘\n#77,x\n"
        ),
        {"2019001": on_time(name="홍길동"), "0042": on_time(name="김하늘"), "77": ABSENT},
        ROSTER,
    ),
    Case(
        "rosters",
        "roster-without-zeros",
        "A spreadsheet has taken the leading zeros off the ids; two ids that differ by one stay two.",
        in_folder(
            {
                "0042/hw6.py": SCRIPT,
                "0012345_Lee/hw6.py": SCRIPT,
                "hw6_0054321.py": SCRIPT,
                "777/hw6.py": SCRIPT,
                "0777/hw6.py": SCRIPT,
            },
            "student id,name\n42,Kim\n12345,Lee\n54321,Park\n777,Choi\n0777,Jung\n00888,Han\n",
        ),
        {
            "42": on_time(name="Kim"),
            "12345": on_time(name="Lee"),
            "54321": on_time("hw6_0054321.py"),
            "777": on_time(name="Choi"),
            "0777": on_time(name="Jung"),
            "00888": ABSENT,
        },
        ROSTER,
    ),
    Case(
        "rosters",
        "canvas-number-is-no-id",
        "Canvas's number 101 is no student number 0101: it is the name that says who that is.",
        in_zip(
            {"hanakim_101_5001_hw6.py": SCRIPT, "leejun_102_5002_hw6.py": SCRIPT},
            "student number,name\n0101,Jun Lee\n0102,Hana Kim\n",
        ),
        {"0102": on_time(name="Hana Kim"), "0101": on_time(name="Jun Lee")},
        ROSTER,
        expect_system="canvas",
    ),
    Case(
        "rosters",
        "roster-with-a-title",
        "A university's list: a title and the course above the header, which comes again on the second page.",
        in_folder(
            ONE_OF_TWO,
            "출석부,,\n2026-2학기,딥러닝,\n\n순번,학번,이름\n1,2019001,홍길동\n순번,학번,이름\n2,2019002,김하늘\n",
        ),
        TWO,
        ROSTER,
    ),
    Case(
        "rosters",
        "roster-utf-16",
        "Blackboard's own file: UTF-16 with tabs, whatever its ending says, and a name that holds a line's end.",
        in_zip(
            blackboard("hw6", ("kim01", "2026-11-29-10-00-00", {"hw6.py": SCRIPT})),
            '"Last Name"\t"First Name"\t"Username"\t"Student ID"\r\n"김"\t"하늘"\t"kim01"\t"2019001"\r\n'
            '"이"\t"가을,\r\n"\t"lee02"\t"2019002"\r\n'.encode("utf-16"),
        ),
        {"2019001": on_time(name="하늘 김"), "2019002": ABSENT},
        ROSTER,
        expect_system="blackboard",
    ),
    Case(
        "rosters",
        "roster-addresses",
        "The download knows addresses, the roster usernames; or the other way round.",
        in_zip(
            {
                "submission_metadata.yml": b"---\nsubmission_1:\n  :submitters:\n  - :name: H. Kim\n"
                b"    :email: Hana.Kim@Example.org\n  :created_at: 2026-11-29 10:00:00 Z\n"
                b"submission_2:\n  :submitters:\n  - :name: J. Lee\n    :email: jun@example.org\n"
                b"  :created_at: 2026-11-29 10:00:00 Z\n",
                "submission_1/hw6.py": SCRIPT,
                "submission_2/hw6.py": SCRIPT,
            },
            "student id,username,mail\n2019001,hana.kim,\n2019002,,JUN@example.org\n2019003,bo,\n",
        ),
        {"2019001": on_time(), "2019002": on_time(), "2019003": ABSENT},
        ROSTER,
        expect_system="gradescope",
    ),
    Case(
        "rosters",
        "roster-names-alone",
        "Canvas writes a name as one word, the last one first; the roster has full names, and two of one.",
        in_zip(
            {
                "kimhana_101_5001_hw6.py": SCRIPT,
                "leejun_102_5002_hw6.py": SCRIPT,
                "carvalhoines_103_5003_hw6.py": SCRIPT,
            },
            "학번,name\n2019001,Hana Kim\n2019002,Jun Lee\n2019003,Jun Lee\n2019004,Bo Lindqvist\n",
        ),
        {"2019001": on_time(), "2019002": FOR_A_PERSON, "2019003": FOR_A_PERSON, "2019004": ABSENT, "103": on_time()},
        ROSTER,
        expect_system="canvas",
    ),
    Case(
        "times",
        "own-deadlines",
        "The command's extension wins over the roster's, and an earlier deadline is one too; Canvas marks by its own.",
        in_zip(
            blackboard(
                "hw6",
                ("s17", "2026-12-02-10-00-00", {"hw6.py": SCRIPT}),
                ("s18", "2026-12-05-10-00-00", {"hw6.py": SCRIPT}),
                ("s19", "2026-11-30-10-00-00", {"hw6.py": SCRIPT}),
            ),
            "student id,Deadline\nS17,2026-12-03 23:59\ns18,2026-12-03 23:59\ns19,2026-11-29 23:59\n",
        ),
        {"S17": on_time(), "s18": on_time(), "s19": late()},
        ROSTER | {"extensions": ["s18=2026-12-05 10:00"]},
        expect_system="blackboard",
    ),
    Case(
        "times",
        "extension-and-a-mark",
        "Canvas says late by its own date and gives no time: whether it came by another one nobody knows.",
        in_zip(
            {
                "hanakim_LATE_101_5001_hw6.py": SCRIPT,
                "leejun_LATE_102_5002_hw6.py": SCRIPT,
                "bo_103_5003_hw6.py": SCRIPT,
            }
        ),
        {"101": FOR_A_PERSON, "102": late(), "103": on_time()},
        WORDS | {"extensions": ["101=2026-12-03 23:59"]},
        expect_system="canvas",
    ),
    Case(
        "times",
        "nbgrader-unreadable-time",
        "A time that nobody can read, and one in a zone that nobody knows: the file's own counts, with a note.",
        in_folder(
            {
                "ann/hw6/timestamp.txt": b"yesterday",
                "ann/hw6/hw6.ipynb": NOTEBOOK,
                "ben/hw6/timestamp.txt": b"2026-11-30 10:00:00 XYZ",
                "ben/hw6/hw6.ipynb": (NOTEBOOK, "2026-12-01 09:00:00"),
                "cho/hw6/timestamp.txt": b"2026-11-30 09:59:00 EST",
                "cho/hw6/hw6.ipynb": NOTEBOOK,
                "dora/hw6/timestamp.txt": b"\xef\xbb\xbf2026-11-30T15:00:01 UTC\r\n",
                "dora/hw6/hw6.ipynb": NOTEBOOK,
            }
        ),
        {
            "ann": on_time("hw6.ipynb"),
            "ben": late("hw6.ipynb"),
            "cho": on_time("hw6.ipynb", came="2026-11-30T23:59:00"),
            "dora": late("hw6.ipynb", came="2026-12-01T00:00:01"),
        },
        expect_system="nbgrader",
    ),
    Case(
        "times",
        "no-such-student",
        "An extension for somebody who isn't there is an error, and not a deadline for nobody.",
        in_folder(ONE_OF_TWO),
        words=WORDS | {"extensions": ["2019009=2026-12-03 23:59"]},
        expect_error="there is no student called '2019009'",
    ),
    Case(
        "rosters",
        "worksheets-in-other-languages",
        "Moodle's worksheet in the language of the site: participants are called otherwise, and numbers stay whole.",
        in_folder(
            {
                "Ines Carvalho_123_assignsubmission_file/hw6.py": SCRIPT,
                "Jun Lee_1245_assignsubmission_file/hw6.py": SCRIPT,
            },
            "ID,Vollständiger Name,Bewertung\nTeilnehmer/in123,Ines Carvalho,\nTeilnehmer/in1245,Jun Lee,\n"
            "Teilnehmer/in7,Bo Lindqvist,\n",
        ),
        {"123": on_time(), "1245": on_time(), "7": ABSENT},
        ROSTER,
        expect_system="moodle",
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_class_is_read_as_a_careful_instructor_does(case: Case, tmp_path: Path) -> None:
    assert check(case, tmp_path) == []
