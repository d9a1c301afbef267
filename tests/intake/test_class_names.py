"""Names of the systems: what each really gives."""

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
    blackboard,
    check,
    in_clones,
    in_folder,
    in_zip,
    late,
    on_time,
)

CASES = [
    Case(
        "names of a system",
        "canvas-underscores",
        "A name or a group's name has an underscore, which Canvas keeps (instructure/canvas-lms content_zipper.rb).",
        in_zip(
            {
                "hanakim_101_5001_hw6.py": SCRIPT,
                "lee_jun_102_5002_hw6.py": SCRIPT,
                "project_group_c_LATE_103_5003_hw6.ipynb": NOTEBOOK,
            }
        ),
        {"101": on_time(), "102": on_time(), "103": late("hw6.ipynb")},
        expect_system="canvas",
    ),
    Case(
        "names of a system",
        "canvas-group-with-a-number",
        "A group's name ends in a number, a file's name begins with one; numbers of users and uploads have a length.",
        in_zip(
            {
                "hanakim_101_5001_hw6.py": SCRIPT,
                "sorajung_102_5002_hw6.py": SCRIPT,
                "project_group_3_103_5003_hw6.py": SCRIPT,
                "choimin_104_5004_2026_hw6.py": SCRIPT,
            }
        ),
        {"101": on_time(), "102": on_time(), "103": on_time(), "104": on_time("2026_hw6.py")},
        expect_system="canvas",
    ),
    Case(
        "names of a system",
        "canvas-anonymous",
        "Graders don't see names: anon and five letters in the place of a number (lib/content_zipper.rb).",
        in_zip({"anon_aB3dE_67890_hw6.py": SCRIPT, "LATE_anon_Zx9Qp_67891_hw6.py": SCRIPT}),
        {"aB3dE|anon_aB3dE": on_time(), "Zx9Qp|anon_Zx9Qp": late()},
        expect_system="canvas",
    ),
    Case(
        "names of a system",
        "canvas-again",
        "Canvas puts -2 behind the name of a file that came again (IIC1253/IIC1253-2025-1#34).",
        in_zip(
            {
                "hanakim_101_5001_hw6-2.py": SCRIPT,
                "hanakim_101_5002_curve-1.png": b"png",
                "leejun_102_5003_hw6-final-2.ipynb": NOTEBOOK,
                "이가을_LATE_103_5004_2026-11-2.py": SCRIPT,
            }
        ),
        {"101": on_time(), "102": on_time("hw6-final.ipynb"), "103": late("2026-11.py")},
        expect_system="canvas",
    ),
    Case(
        "names of a system",
        "moodle-plugins",
        "Any plugin of Moodle has a folder of its own: comments count for nothing, a text alone is for a person.",
        in_zip(
            {
                "Ines Carvalho_123_assignsubmission_file/hw6.py": SCRIPT,
                "Ines Carvalho_123_assignsubmission_comments/comments.html": b"<p>sorry</p>",
                "Jun Lee_124_assignsubmission_onlinetext/onlinetext.html": b"<p>print(1)</p>",
                "Jun Lee_124_assignsubmission_comments/comments.html": b"<p>see above</p>",
            }
        ),
        {"123": on_time(), "124": FOR_A_PERSON},
        expect_system="moodle",
    ),
    Case(
        "names of a system",
        "github-zip",
        "The clones come packed, as docs/instructors.md lets any folder be (github/gh-classroom#88).",
        in_clones(
            {"hw6-alice": {"hw6.py": SCRIPT}, "hw6-bob-lee": {"hw6.ipynb": NOTEBOOK}, "hw6-carol": {}}, zipped=True
        ),
        {"alice": on_time(), "bob-lee": on_time("hw6.ipynb"), "carol": ABSENT},
        expect_system="github",
    ),
    Case(
        "names of a system",
        "canvas-late-group-number",
        "A group's name ends in a number, and the mark for late follows it; a student's own name looks like numbers.",
        in_zip(
            {
                "hanakim_7101_885001_hw6.py": SCRIPT,
                "team_4_LATE_7102_885002_hw6.py": SCRIPT,
                "leejun_7103_885003_20_26_hw6.py": SCRIPT,
                "team_5_7104_885004_hw6.py": SCRIPT,
            }
        ),
        {"7101": on_time(), "7102": late(), "7103": on_time("20_26_hw6.py"), "7104": on_time()},
        expect_system="canvas",
    ),
    Case(
        "names of a system",
        "canvas-anonymous-text",
        "A text was typed where graders don't see names.",
        in_zip({"anon_aB3dE_67890_hw6.py": SCRIPT, "anon_Qq7Rt_text.html": b"<p>mailed</p>"}),
        {"aB3dE|anon_aB3dE": on_time(), "Qq7Rt|anon_Qq7Rt": FOR_A_PERSON},
        expect_system="canvas",
    ),
    Case(
        "names of a system",
        "canvas-two-versions",
        "Both files have been called hw6 before Canvas numbered them: they are shown as Canvas calls them.",
        in_zip(
            {
                "hanakim_101_5001_hw6-1.py": SCRIPT,
                "hanakim_101_5002_hw6-2.py": OTHER,
                "leejun_102_5003_hw6.py": SCRIPT,
            }
        ),
        {"101": FOR_A_PERSON, "102": on_time()},
        expect_system="canvas",
        expect_named=("hanakim_101_5001_hw6-1.py",),
    ),
    Case(
        "names of a system",
        "moodle-flat",
        "Without folders, with a username or a group before the name, and a file that is named as Moodle's are.",
        in_zip(
            {
                "ines_Ines Carvalho_123_assignsubmission_file_hw6.py": SCRIPT,
                "Lab 2-Jun Lee_124_assignsubmission_file_hw6_final.py": SCRIPT,
                "Bo Lindqvist_125_assignsubmission_file_x_9_assignsubmission_file_hw6.py": SCRIPT,
            }
        ),
        {"123": on_time(name="Ines Carvalho"), "124": on_time("hw6_final.py"), "125": {"outcome": "on time"}},
        expect_system="moodle",
        expect_absent_ids=("9",),
    ),
    Case(
        "names of a system",
        "moodle-hidden-names",
        "Names are hidden while grading: Participant and a number, with either of two characters between.",
        in_zip(
            {
                "Participant_123_assignsubmission_file_/hw6.py": SCRIPT,
                "Participant 124_assignsubmission_file_/hw6.py": (SCRIPT, "2026-12-01 09:00:00"),
            }
        ),
        {"123": on_time(name=""), "124": late(name="")},
        expect_system="moodle",
    ),
    Case(
        "names of a system",
        "moodle-comment-alone",
        "Somebody has written a comment and nothing else, and somebody uses a plugin that isn't Moodle's own.",
        in_zip(
            {
                "Ines Carvalho_123_assignsubmission_comments/comments.html": b"<p>sorry</p>",
                "Jun Lee_124_assignsubmission_codehandin/hw6.py": SCRIPT,
                "Jun Lee_124_assignfeedback_comments/note.html": b"<p>good</p>",
            }
        ),
        {"123": ABSENT, "124": on_time()},
        expect_system="moodle",
    ),
    Case(
        "names of a system",
        "gradescope-group",
        "Two have handed in together, one of them has an address and no number; beside them an account without a name.",
        in_zip(
            {
                "submission_metadata.yml": b"---\nsubmission_7:\n  :submitters:\n"
                b"  - :name: ''\n    :sid:\n    :email: ''\n"
                b"  - :name: Hana Kim\n    :sid: '111'\n    :email: hana@example.org\n"
                b"  - :name: Jun Lee\n    :sid: ''\n    :email: jun@example.org\n"
                b"  :created_at: 2026-11-29 10:00:00.123456 Z\n",
                "submission_7/hw6.py": SCRIPT,
            }
        ),
        {"111": on_time(came="2026-11-29T19:00:00.123456"[:19], name="Hana Kim"), "jun@example.org": on_time()},
        expect_system="gradescope",
    ),
    Case(
        "names of a system",
        "github-few",
        "Two clones whose names begin alike: the roster says where the username begins.",
        in_clones(
            {"hw6-kim-a": {"hw6.py": SCRIPT}, "hw6-kim-b": {"hw6.py": SCRIPT}},
            "student id,github_username\n2019001,Kim-A\n2019002,kim-b\n",
        ),
        {"2019001": on_time(), "2019002": on_time()},
        ROSTER,
        expect_system="github",
    ),
    Case(
        "names of a system",
        "github-one",
        "One clone alone.",
        in_clones({"hw6-bob-lee": {"hw6.py": SCRIPT}}),
        {"bob-lee": on_time()},
        expect_system="github",
    ),
    Case(
        "names of a system",
        "blackboard-no-receipts",
        "Title and ids have underscores, and the receipts were left out: the roster knows the ids.",
        in_zip(
            {
                "Home_work_6_hana_kim_attempt_2026-11-29-10-00-00_hw6.py": SCRIPT,
                "Home_work_6_hana_lee_attempt_2026-11-29-10-00-00_hw6.py": SCRIPT,
            },
            "username,name\nhana_kim,Hana Kim\nhana_lee,Hana Lee\n",
        ),
        {"hana_kim": on_time(name="Hana Kim"), "hana_lee": on_time()},
        ROSTER,
        expect_system="blackboard",
    ),
    Case(
        "names of a system",
        "one-student-of-nbgrader",
        "One student alone, packed: the folder is the student's, and not one around a class.",
        in_zip({"ann/hw6/timestamp.txt": b"2026-11-30 14:00:00 UTC", "ann/hw6/final.ipynb": NOTEBOOK}),
        {"ann": on_time("final.ipynb", came="2026-11-30T23:00:00")},
        expect_system="nbgrader",
    ),
    Case(
        "names of a system",
        "nbgrader-course",
        "The whole course was named: what was given out and what came back are no students.",
        in_folder(
            {
                "nbgrader_config.py": b"c = get_config()\n",
                "gradebook.db": b"SQLite",
                "source/hw6/hw6.ipynb": NOTEBOOK,
                "release/hw6/hw6.ipynb": NOTEBOOK,
                "feedback/ann/hw6/hw6.html": b"<html>",
                "submitted/ann/hw6/timestamp.txt": b"2026-11-30 14:00:00 UTC",
                "submitted/ann/hw6/hw6.ipynb": NOTEBOOK,
                "submitted/ben/hw6/timestamp.txt": b"2026-11-30 15:00:00 UTC",
                "submitted/ben/hw6/hw6.ipynb": NOTEBOOK,
            }
        ),
        {"ann": on_time("hw6.ipynb"), "ben": late("hw6.ipynb")},
        expect_system="nbgrader",
        expect_left_out=("source", "release", "feedback", "nbgrader_config.py", "gradebook.db"),
    ),
    Case(
        "names of a system",
        "nbgrader-course-packed",
        "The same, packed with its folder.",
        in_zip(
            {
                "course/source/hw6/hw6.ipynb": NOTEBOOK,
                "course/submitted/ann/hw6/timestamp.txt": b"2026-11-30 14:00:00 UTC",
                "course/submitted/ann/hw6/hw6.ipynb": NOTEBOOK,
            }
        ),
        {"ann": on_time("hw6.ipynb")},
        expect_system="nbgrader",
        expect_left_out=("source",),
    ),
    Case(
        "names of a system",
        "one-participant-of-moodle",
        "One participant alone.",
        in_zip({"Ines Carvalho_123_assignsubmission_file/final.py": SCRIPT}),
        {"123": on_time("final.py")},
        expect_system="moodle",
    ),
    Case(
        "names of a system",
        "one-clone-packed",
        "One clone alone, packed with a folder around it.",
        in_clones({"hw6-bob": {"final.py": SCRIPT}}, zipped=True),
        {"bob": on_time("final.py")},
        expect_system="github",
    ),
    Case(
        "names of a system",
        "blackboard-capitals",
        "A username is written in two ways: the attempts are one student's, and the last one in time counts.",
        in_zip(
            blackboard(
                "hw6",
                ("Kim01", "2026-11-29-10-00-00", {"hw6.py": SCRIPT}),
                ("kim01", "2026-11-30-10-00-00", {"hw6.ipynb": NOTEBOOK}),
            )
        ),
        {"Kim01|kim01": on_time("hw6.ipynb", came="2026-11-30T10:00:00")},
        expect_system="blackboard",
    ),
    Case(
        "names of a system",
        "canvas-undecided",
        "Both groups' names end in numbers, and nothing else shows which number is the user's: a person says it.",
        in_zip({"project_group_3_103_5003_hw6.py": SCRIPT, "project_group_4_104_5004_hw6.py": SCRIPT}),
        {},
        expect_system="canvas",
        expect_absent_ids=("3", "4", "103", "104"),
        expect_named=("project_group_3_103_5003_hw6.py", "project_group_4_104_5004_hw6.py"),
    ),
    Case(
        "names of a system",
        "canvas-roster-decides",
        "The same, with a roster that knows one of the numbers.",
        in_zip(
            {"project_group_3_103_5003_hw6.py": SCRIPT, "project_group_4_104_5004_hw6.py": SCRIPT},
            "Student,ID,SIS User ID\nHana,103,2019001\nJun,104,2019002\n",
        ),
        {"2019001": on_time(), "2019002": on_time()},
        ROSTER,
        expect_system="canvas",
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_class_is_read_as_a_careful_instructor_does(case: Case, tmp_path: Path) -> None:
    assert check(case, tmp_path) == []
