"""Whose a hand-in is: teams, and ids in all their forms."""

from pathlib import Path

import pytest
from support.hand_ins import (
    ABSENT,
    FOR_A_PERSON,
    NOTEBOOK,
    OTHER,
    ROSTER,
    SCRIPT,
    Case,
    check,
    in_clones,
    in_folder,
    in_zip,
    late,
    notebook,
    on_time,
    packed,
)

CASES = [
    Case(
        "teams",
        "moodle-default-group",
        "The default team has no number, so this is a team assignment and 15 is a group's number: as a participant's it"
        " would lead to somebody else's row. Who is in a team stands nowhere, so a person says whose grade it is"
        " (academic-moodle-cooperation/moodle-mod_publication#12).",
        in_zip(
            {
                "Team A_15_assignsubmission_file/hw6.py": SCRIPT,
                "Default group_assignsubmission_file/hw6.py": OTHER,
            }
        ),
        {"Team A|Team A_15": FOR_A_PERSON, "Default group": FOR_A_PERSON},
        expect_system="moodle",
        expect_absent_ids=("15",),
    ),
    Case(
        "teams",
        "moodle-team-number",
        "The worksheet's participant 15 is called otherwise than the folder with 15: that is a team's number. Who has"
        " such a number may be in any team, and isn't absent; of 27 the folders say nothing.",
        in_zip(
            {
                "Team A_15_assignsubmission_file/hw6.py": SCRIPT,
                "Team B_16_assignsubmission_file/hw6.py": SCRIPT,
            },
            "Identifier,Full name,Email address,Status,Grade\n"
            "Participant 15,Bo Lindqvist,bo@example.org,,\n"
            "Participant 27,Mira Castellan,mira@example.org,,\n",
        ),
        {"15": FOR_A_PERSON, "27": {"outcome": ("for a person", "absent"), "file": None}},
        ROSTER,
        expect_system="moodle",
        expect_named=("Team A", "Team B"),
    ),
    Case(
        "ids",
        "id-in-the-name",
        "E-class systems name folders and files by number and name; the roster's ids are found in them.",
        in_zip(
            {
                "2019001_홍길동/hw6.py": SCRIPT,
                "2019002 김하늘/hw6.py": SCRIPT,
                "hw6_2019003.py": SCRIPT,
                "2019004_hw6.ipynb": NOTEBOOK,
            },
            "학번,이름\n2019001,홍길동\n2019002,김하늘\n2019003,이가을\n2019004,박여울\n2019005,최나무\n",
        ),
        {
            "2019001": on_time(name="홍길동"),
            "2019002": on_time(name="김하늘"),
            "2019003": on_time("hw6_2019003.py"),
            "2019004": on_time("2019004_hw6.ipynb"),
            "2019005": ABSENT,
        },
        ROSTER,
        expect_system="folder",
    ),
    Case(
        "ids",
        "capital-letters",
        "A username in capitals is the same username; two folders of one are for a person (jupyter/nbgrader#1876).",
        in_zip(
            {"KIM01/hw6.py": SCRIPT, "Lee02/hw6.py": SCRIPT, "lee02/hw6.ipynb": notebook("x = 3")},
            "username,name\nkim01,Hana Kim\nlee02,Jun Lee\n",
        ),
        {"kim01": on_time(name="Hana Kim"), "lee02": FOR_A_PERSON},
        ROSTER,
        expect_system="folder",
    ),
    Case(
        "teams",
        "moodle-teams-on-roster",
        "The roster says who is in which team: each member has the team's hand-in, and nobody else's.",
        in_zip(
            {
                "Team A_15_assignsubmission_file/hw6.py": SCRIPT,
                "Team B_16_assignsubmission_file/hw6.py": (OTHER, "2026-12-01 08:00:00"),
                "Default group_assignsubmission_file/hw6.py": OTHER,
            },
            "student id,name,team\n2019001,Ines,Team A\n2019002,Jun,team a\n2019003,Bo,Team B\n2019004,Mira,\n"
            "2019005,Ana,Team C\n",
        ),
        {
            "2019001": on_time(),
            "2019002": on_time(),
            "2019003": late(),
            "2019004": FOR_A_PERSON,
            "2019005": ABSENT,
            "Default group": FOR_A_PERSON,
        },
        ROSTER,
        expect_system="moodle",
        expect_absent_ids=("15", "16", "Team A", "Team B"),
    ),
    Case(
        "teams",
        "teams-elsewhere",
        "Repositories of teams, as GitHub writes their names; somebody has a hand-in of their own beside the team's.",
        in_clones(
            {
                "hw6-the-resnets": {"hw6.py": SCRIPT},
                "hw6-team-2": {"hw6.py": SCRIPT},
                "hw6-carol": {"hw6.py": OTHER},
            },
            "student id,github,team\n2019001,alice,The ResNets\n2019002,bob,The ResNets\n2019003,carol,Team 2\n",
        ),
        {"2019001": on_time(), "2019002": on_time(), "2019003": FOR_A_PERSON},
        ROSTER,
        expect_system="github",
    ),
    Case(
        "teams",
        "canvas-group-on-roster",
        "Canvas has the number of whoever handed in for the group.",
        in_zip(
            {
                "project_group_3_7103_885003_hw6.py": SCRIPT,
                "hanakim_7101_885001_hw6.py": SCRIPT,
            },
            "Student,ID,SIS User ID,Group\n"
            '"Lee, Jun",7103,2019003,Project Group 3\n"Park, Sora",7104,2019004,Project Group 3\n'
            '"Kim, Hana",7101,2019001,\n',
        ),
        {"2019001": on_time(), "2019003": on_time(), "2019004": on_time()},
        ROSTER,
        expect_system="canvas",
    ),
    Case(
        "teams",
        "moodle-one-renamed",
        "One participant is called otherwise on the worksheet than in the download, the others aren't.",
        in_zip(
            {
                "Ines Carvalho_123_assignsubmission_file/hw6.py": SCRIPT,
                "Jun Lee_124_assignsubmission_file/hw6.py": SCRIPT,
                "Mira Castellan_125_assignsubmission_file/hw6.py": SCRIPT,
            },
            "Identifier,Full name\nParticipant 123,Inês Carvalho\nParticipant 124,Jun Lee\n"
            "Participant 125,Bo Lindqvist\n",
        ),
        {"123": on_time(), "124": on_time(), "125": FOR_A_PERSON},
        ROSTER,
        expect_system="moodle",
    ),
    Case(
        "ids",
        "ids-inside",
        "Ids in brackets, without a space, between dashes; a username with letters; a name alone.",
        in_folder(
            {
                "홍길동(2019001)/hw6.py": SCRIPT,
                "김하늘2019002.py": SCRIPT,
                "hw6-kim03-final.zip": packed({"hw6.py": SCRIPT}),
                "hw6_박여울.ipynb": NOTEBOOK,
                "somebody else/hw6.py": SCRIPT,
            },
            "학번,이름,username\n2019001,홍길동,h1\n2019002,김하늘,k2\n2019003,이가을,kim03\n2019004,박여울,p4\n",
        ),
        {
            "2019001": on_time(),
            "2019002": on_time("김하늘2019002.py"),
            "2019003": on_time(),
            "2019004": on_time("hw6_박여울.ipynb"),
            "somebody else": on_time(),
        },
        ROSTER,
        expect_system="folder",
    ),
    Case(
        "ids",
        "ids-that-contradict",
        "A name has one student's number and another one's name: nobody gets the other's points, and nobody is absent.",
        in_folder(
            {"2019001 김하늘/hw6.py": SCRIPT, "2019003_이가을/hw6.py": SCRIPT},
            "학번,이름\n2019001,홍길동\n2019002,김하늘\n2019003,이가을\n",
        ),
        {"2019001": FOR_A_PERSON, "2019002": FOR_A_PERSON, "2019003": on_time()},
        ROSTER,
        expect_system="folder",
        expect_named=("2019001 김하늘",),
    ),
    Case(
        "ids",
        "one-student-twice",
        "A folder and a file of one student, the same to the byte; and two that differ.",
        in_folder(
            {
                "2019001_홍길동/hw6.py": SCRIPT,
                "hw6_2019001.py": SCRIPT,
                "2019002/hw6.py": SCRIPT,
                "2019002_late.py": OTHER,
            },
            "학번,이름\n2019001,홍길동\n2019002,김하늘\n",
        ),
        {"2019001": {"outcome": "on time"}, "2019002": FOR_A_PERSON},
        ROSTER,
        expect_system="folder",
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_class_is_read_as_a_careful_instructor_does(case: Case, tmp_path: Path) -> None:
    assert check(case, tmp_path) == []
