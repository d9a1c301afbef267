"""Folders, archives and several files in one hand-in: the file that counts is found, or shown to a person."""

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
    gradescope,
    in_clones,
    in_folder,
    in_zip,
    late,
    notebook,
    on_time,
    packed,
    script_of,
)

CASES = [
    Case(
        "a folder around the file",
        "moodle-own-folder",
        "Moodle keeps the folders that a student has uploaded (C0D3D3V/Moodle-DL#178).",
        in_zip(
            {
                "Ines Carvalho_123_assignsubmission_file/hw6/hw6.py": SCRIPT,
                "Ines Carvalho_123_assignsubmission_file/hw6/__MACOSX/._hw6.py": b"\0\5\x16\7",
                "Jun Lee_124_assignsubmission_file/hw6.py": SCRIPT,
            }
        ),
        {"123": on_time(), "124": on_time()},
        expect_system="moodle",
    ),
    Case(
        "a folder around the file",
        "gradescope-unpacked",
        "Who zips the folder finds it unpacked, with what macOS and Jupyter add (adaptlearning/adapt_authoring#706).",
        in_folder(
            gradescope(
                (
                    "111",
                    "2026-11-29 10:00:00.5",
                    {
                        "hw6_hana/hw6.py": SCRIPT,
                        "hw6_hana/.ipynb_checkpoints/hw6-checkpoint.ipynb": NOTEBOOK,
                        "__MACOSX/hw6_hana/._hw6.py": b"\0\5\x16\7",
                    },
                ),
                ("112", "2026-11-30 15:30:00", {"hw6.ipynb": NOTEBOOK, ".ipynb_checkpoints/hw6-checkpoint.py": OTHER}),
            )
        ),
        {"111": on_time(came="2026-11-29T19:00:00"), "112": late("hw6.ipynb", came="2026-12-01T00:30:00")},
        expect_system="gradescope",
    ),
    Case(
        "a folder around the file",
        "folder-in-folder",
        "A student's folder holds another one, as clones and unpacked uploads do (jupyter/nbgrader#1302).",
        in_folder(
            {
                "ann/hw6/hw6.py": SCRIPT,
                "ben/a/b/hw6.ipynb": (NOTEBOOK, "2026-12-01 08:00:00"),
                "cho/hw6.py": SCRIPT,
            }
        ),
        {"ann": on_time(), "ben": late("hw6.ipynb"), "cho": on_time()},
        expect_system="folder",
    ),
    Case(
        "a folder around the file",
        "two-depths",
        "Files at two depths: the upper one named hw6 counts, a stray script above it doesn't, and two that differ with"
        " none above them are for a person.",
        in_folder(
            {
                "ann/hw6.py": SCRIPT,
                "ann/old/hw6.ipynb": notebook("x = 3"),
                "ben/final/hw6.py": SCRIPT,
                "ben/older/first/hw6.py": OTHER,
                "cho/test.py": OTHER,
                "cho/hw6/hw6.py": SCRIPT,
                "dora/hw6/hw6.py": SCRIPT,
                "dora/copy/hw6.py": SCRIPT,
            }
        ),
        {
            "ann": on_time(),
            "ben": FOR_A_PERSON,
            "cho": {"outcome": ("on time", "for a person"), "file": ("hw6.py", None)},
            "dora": on_time(),
        },
        expect_system="folder",
    ),
    Case(
        "a folder around the file",
        "github-src",
        "One repository has the file in src/, one no commit (github-education-resources/classroom-assistant#119).",
        in_clones(
            {"hw6-alice": {"hw6.py": SCRIPT}, "hw6-bob-lee": {"src/hw6.ipynb": NOTEBOOK}, "hw6-carol": {}},
            "identifier,student id,github_username\n1,2019001,alice\n2,2019002,Bob-Lee\n3,2019003,carol\n",
        ),
        {"2019001": on_time(), "2019002": on_time("hw6.ipynb"), "2019003": ABSENT},
        ROSTER,
        expect_system="github",
    ),
    Case(
        "archives",
        "zip-per-student",
        "One zip file for each student, which is one file for each student (drop-project-edu/drop-project#123).",
        in_folder(
            {
                "ann.zip": packed({"hw6/hw6.py": SCRIPT, "__MACOSX/hw6/._hw6.py": b"\0\5\x16\7"}),
                "ben.zip": packed({"hw6.ipynb": NOTEBOOK}),
                "cho.py": SCRIPT,
            }
        ),
        {"ann": on_time(), "ben": on_time("hw6.ipynb"), "cho": on_time("cho.py")},
        expect_system="folder",
    ),
    Case(
        "archives",
        "other-archives",
        "Archives that aren't looked into, alz and egg of Korea's usual programs among them: never 0 without a look.",
        in_folder(
            {
                "ann/hw6.alz": b"ALZ\1",
                "ben/hw6.egg": b"EGGA",
                "cho/hw6.rar": b"Rar!\x1a\7\0",
                "dora/hw6.7z": b"7z\xbc\xaf\x27\x1c",
                "eve/hw6.tar.gz": b"\x1f\x8b\x08",
            }
        ),
        dict.fromkeys(("ann", "ben", "cho", "dora", "eve"), FOR_A_PERSON),
        expect_system="folder",
    ),
    Case(
        "two files",
        "notebook-and-its-script",
        "Beside hw6.ipynb lies the hw6.py that its last cell wrote, which is one hand-in; one that differs isn't"
        " (jupyter/nbgrader#258).",
        in_folder(
            {
                "ann/hw6.ipynb": notebook("x = 1", "print(x)"),
                "ann/hw6.py": script_of("x = 1", "print(x)"),
                "ben/hw6.ipynb": notebook("x = 1", "print(x)"),
                "ben/hw6.py": script_of("x = 1", "print(x + 1)"),
            }
        ),
        {"ann": on_time(("hw6.py", "hw6.ipynb")), "ben": FOR_A_PERSON},
        expect_system="folder",
    ),
    Case(
        "a folder around the file",
        "folder-in-a-zip-in-a-folder",
        "A zip file in a folder of the student's own, with a folder in it.",
        in_zip(
            gradescope(
                ("111", "2026-11-29 10:00:00", {"my hw/hw6.zip": packed({"hw6 final/src/hw6.py": SCRIPT})}),
                ("112", "2026-11-29 10:00:00", {"a/b/c/HW6.IPYNB": NOTEBOOK}),
            )
        ),
        {"111": on_time(), "112": on_time("HW6.IPYNB")},
        expect_system="gradescope",
    ),
    Case(
        "a folder around the file",
        "modules-beside",
        "A script under another name imports what lies beside it; two scripts that know nothing of each other are two.",
        in_folder(
            {
                "ann/main.py": b"from net import Net\n",
                "ann/net.py": b"class Net: pass\n",
                "ben/main.py": SCRIPT,
                "ben/test.py": OTHER,
                "cho/hw6_cho.py": SCRIPT,
                "cho/helper.py": OTHER,
                "dora/package/run.py": b"from package.parts import block\n",
                "dora/package/parts/__init__.py": b"",
                "dora/package/parts/block.py": OTHER,
            }
        ),
        {
            "ann": on_time("main.py"),
            "ben": FOR_A_PERSON,
            "cho": on_time("hw6_cho.py"),
            "dora": {"outcome": ("on time", "for a person")},
        },
        expect_system="folder",
    ),
    Case(
        "archives",
        "several-archives",
        "Two zip files of which one has the script; two that have one each; one in another; one beside a script.",
        in_folder(
            {
                "ann/hw6.zip": packed({"hw6.py": SCRIPT}),
                "ann/figures.zip": packed({"curve.png": b"png"}),
                "ben/a.zip": packed({"hw6.py": SCRIPT}),
                "ben/b.zip": packed({"hw6.py": OTHER}),
                "cho/all.zip": packed({"hw6.zip": packed({"hw6.py": SCRIPT})}),
                "dora/hw6.py": SCRIPT,
                "dora/data.rar": b"Rar!",
                "eve/hw6.zip": packed({"hw6.py": SCRIPT})[:-9],
                "finn/hw6.zip": packed({}),
            }
        ),
        {
            "ann": on_time(),
            **dict.fromkeys(("ben", "cho", "eve", "finn"), FOR_A_PERSON),
            "dora": on_time(),
        },
        expect_system="folder",
    ),
    Case(
        "archives",
        "zip-and-its-folder",
        "The instructor has unpacked a student's zip file beside it; another one differs from what it holds.",
        in_folder(
            {
                "ann.zip": packed({"hw6.py": SCRIPT}),
                "ann/hw6.py": SCRIPT,
                "ben.zip": packed({"hw6.py": SCRIPT}),
                "ben/hw6.py": OTHER,
                "cho.py": SCRIPT,
            }
        ),
        {"ann": on_time(), "ben": FOR_A_PERSON, "cho": on_time("cho.py")},
        expect_system="folder",
    ),
    Case(
        "two files",
        "exported-scripts",
        "A notebook and its export by Colab or Jupyter, which add lines; an older export isn't the same program.",
        in_folder(
            {
                "ann/hw6.ipynb": notebook("!pip install torch", "x = 1  # one", "print(x)"),
                "ann/hw6.py": b'# -*- coding: utf-8 -*-\n"""hw6.ipynb\n\nGenerated by Colab.\n"""\n\n'
                b"# !pip install torch\n\nx = 1  # one\n\nprint(x)\n",
                "ben/hw6.ipynb": notebook("%matplotlib inline", "x = 1"),
                "ben/hw6.py": b"#!/usr/bin/env python\n# coding: utf-8\n\n# In[1]:\n\n\n"
                b"get_ipython().run_line_magic('matplotlib', 'inline')\n\n\n# In[2]:\n\n\nx = 1\n",
                "cho/hw6.ipynb": notebook("x = 1", "y = 2"),
                "cho/hw6.py": b"x = 1\n",
            }
        ),
        {
            "ann": on_time(("hw6.py", "hw6.ipynb")),
            "ben": on_time(("hw6.py", "hw6.ipynb")),
            "cho": FOR_A_PERSON,
        },
        expect_system="folder",
    ),
    Case(
        "two files",
        "copies",
        "Copies as a browser makes them are one file, and so is a script that was only laid out anew.",
        in_folder(
            {
                "ann/net.py": SCRIPT,
                "ann/net (1).py": SCRIPT,
                "ben/a.py": b"x = [1,2]\n",
                "ben/b.py": b"x = [1, 2]  # two\n",
                "cho/a.py": b"x = 1\n",
                "cho/b.py": b"x = 1.0\n",
            }
        ),
        {"ann": {"outcome": "on time"}, "ben": {"outcome": "on time"}, "cho": FOR_A_PERSON},
        expect_system="folder",
    ),
    Case(
        "archives",
        "late-zips",
        "What was handed in is the zip file: its time counts, and not that of the file in it.",
        in_folder(
            {
                "ann.zip": (packed({"hw6.py": SCRIPT}), "2026-12-01 08:00:00"),
                "ben/hw6.zip": (packed({"hw6.py": (SCRIPT, "2026-12-05 08:00:00")}), "2026-11-30 08:00:00"),
                "cho.zip": packed({"hw6.py": SCRIPT}),
            }
        ),
        {"ann": late(), "ben": on_time(came="2026-11-30T08:00:00"), "cho": on_time()},
        expect_system="folder",
    ),
    Case(
        "two files",
        "homework-by-another-word",
        "What everybody calls the homework is its name too, whatever lies beside it; another number is another one's.",
        in_folder(
            {
                "ann/homework6.py": SCRIPT,
                "ann/helper.py": OTHER,
                "ben/과제 6.ipynb": NOTEBOOK,
                "ben/test.py": OTHER,
                "cho/HW06_final.py": SCRIPT,
                "cho/data.py": OTHER,
                "dora/Assignment_5.py": SCRIPT,
            }
        ),
        {
            "ann": on_time("homework6.py"),
            "ben": on_time("과제 6.ipynb"),
            "cho": on_time("HW06_final.py"),
            "dora": FOR_A_PERSON,
        },
        expect_system="folder",
    ),
    Case(
        "a folder around the file",
        "sections-on-a-roster",
        "Each section has a folder, in which the roster's students lie.",
        in_zip(
            {
                "class/A/2019001/hw6.py": SCRIPT,
                "class/A/김하늘.ipynb": NOTEBOOK,
                "class/B/hw6_2019003.py": SCRIPT,
                "class/notes.txt": b"x",
            },
            "학번,이름\n2019001,홍길동\n2019002,김하늘\n2019003,이가을\n2019004,박여울\n",
        ),
        {
            "2019001": on_time(),
            "2019002": on_time("김하늘.ipynb"),
            "2019003": on_time("hw6_2019003.py"),
            "2019004": ABSENT,
        },
        ROSTER,
        expect_system="folder",
    ),
    Case(
        "a folder around the file",
        "sections-of-canvas",
        "The downloads of two sections were unpacked side by side.",
        in_folder(
            {
                "A/hanakim_101_5001_hw6.py": SCRIPT,
                "A/leejun_LATE_102_5002_hw6.py": OTHER,
                "B/sorajung_103_5003_hw6.ipynb": NOTEBOOK,
            }
        ),
        {"101": on_time(), "102": late(), "103": on_time("hw6.ipynb")},
        expect_system="canvas",
    ),
    Case(
        "a folder around the file",
        "clones-in-folders",
        "A folder for each student, with a clone in it that is called as in GitHub Classroom: it is the student's.",
        in_folder({"ann/hw6-repository/hw6.py": SCRIPT, "ben/hw6-repository/hw6.py": OTHER}),
        {"ann": on_time(), "ben": on_time()},
        expect_system="folder",
    ),
    Case(
        "a folder around the file",
        "a-folder-around-the-class",
        "The download has a folder around the class, and a table beside that folder.",
        in_zip({"class/ann/hw6.py": SCRIPT, "class/ben.py": SCRIPT, "grades.csv": b"x"}),
        {"ann": on_time(), "ben": on_time("ben.py")},
        expect_system="folder",
        expect_left_out=("grades.csv",),
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_class_is_read_as_a_careful_instructor_does(case: Case, tmp_path: Path) -> None:
    assert check(case, tmp_path) == []
