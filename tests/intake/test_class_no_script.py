"""Nothing that was handed in is nothing, and letters are read as they were meant."""

from pathlib import Path

import pytest
from support.hand_ins import (
    ABSENT,
    FOR_A_PERSON,
    NOTEBOOK,
    OTHER,
    PDF,
    ROSTER,
    SCRIPT,
    Case,
    blackboard,
    check,
    in_folder,
    in_zip,
    nfd,
    on_time,
    packed,
)

CASES = [
    Case(
        "handed in, but no script",
        "canvas-text",
        "A text typed into Canvas comes without the number of an upload (IIC1253/IIC1253-2025-1#34).",
        in_zip(
            {
                "hanakim_101_5001_hw6.py": SCRIPT,
                "hanakim_101_text.html": b"<p>see the file</p>",
                "sorajung_102_text.html": b"<p>my notebook is at ...</p>",
            }
        ),
        {"101": on_time(), "102": FOR_A_PERSON},
        expect_system="canvas",
    ),
    Case(
        "handed in, but no script",
        "py-txt",
        "A browser or a mail program has made hw6.py.txt of it; who left an empty folder handed in nothing.",
        in_folder({"ann/hw6.py.txt": SCRIPT, "ben/hw6.py": SCRIPT, "cho/": b""}),
        {"ann": FOR_A_PERSON, "ben": on_time(), "cho": ABSENT},
        expect_system="folder",
    ),
    Case(
        "handed in, but no script",
        "pdf-only",
        "Only a report came, in time: a person looks before it is 0 points.",
        in_folder({"ann/report.pdf": PDF, "ben/hw6.docx": b"PK", "ben/curve.png": b"png", "cho/hw6.py": SCRIPT}),
        {"ann": FOR_A_PERSON, "ben": FOR_A_PERSON, "cho": on_time()},
        expect_system="folder",
    ),
    Case(
        "handed in, but no script",
        "blackboard-pdf-last",
        "The second attempt has only a report, the first one the file (jupyter/nbgrader#724).",
        in_zip(
            blackboard(
                "hw6",
                ("hana", "2026-11-29-10-00-00", {"hw6.py": SCRIPT}),
                ("hana", "2026-11-29-11-00-00", {"report.pdf": PDF}),
                ("jun", "2026-11-29-10-00-00", {"hw6.py": SCRIPT}),
            )
        ),
        {"hana": FOR_A_PERSON, "jun": on_time(came="2026-11-29T10:00:00")},
        expect_system="blackboard",
    ),
    Case(
        "letters",
        "cp949-class",
        "Packed by a Korean Windows: names in its code page, without the mark for UTF-8 (python/cpython#84587).",
        in_zip(
            {"홍길동/hw6.py": SCRIPT, "김하늘/hw6.ipynb": NOTEBOOK, "이가을.py": SCRIPT},
            "student,section\n홍길동,1\n김하늘,1\n이가을,2\n",
            encoding="cp949",
        ),
        {"홍길동": on_time(), "김하늘": on_time("hw6.ipynb"), "이가을": on_time("이가을.py")},
        ROSTER,
        expect_system="folder",
    ),
    *(
        Case(
            "letters",
            f"{encoding}-class",
            "Packed by an older Windows elsewhere: some bytes of such names are Hangul's in Korea.",
            in_zip(
                {f"{one}/hw6.py": SCRIPT, f"{two}/hw6.ipynb": NOTEBOOK, f"{three}.py": SCRIPT},
                f"student,section\n{one},1\n{two},1\n{three},2\n",
                encoding=encoding,
            ),
            {one: on_time(), two: on_time("hw6.ipynb"), three: on_time(f"{three}.py")},
            ROSTER,
            expect_system="folder",
        )
        for encoding, one, two, three in (
            ("cp437", "Hélène Müller", "Núñez José", "Jürgen Groß"),
            ("cp850", "João Araújo", "Ángel Díaz", "Øystein Ærø"),
            ("cp932", "田中太郎", "鈴木花子", "佐藤さくら"),
            ("gbk", "张伟", "李娜", "欧阳修"),
        )
    ),
    Case(
        "letters",
        "cp949-inside",
        "The zip file that a student handed in has such names (srikanth-lingala/zip4j#69).",
        in_folder(
            {
                "ann/과제.zip": packed({"과제6/hw6.py": SCRIPT, "과제6/보고서.hwp": b"hwp"}, "cp949"),
                "ben/hw.zip": packed({"과제6_최종.py": SCRIPT}, "cp949"),
            }
        ),
        {"ann": on_time(), "ben": on_time("과제6_최종.py")},
        expect_system="folder",
    ),
    Case(
        "letters",
        "nfd-folders",
        "Folders made on a Mac have letters in parts, the roster has them whole (9001/copyparty#1555).",
        in_zip(
            {f"{nfd('김하늘')}/hw6.py": SCRIPT, "이가을/hw6.py": SCRIPT, f"{nfd('José')}/hw6.py": SCRIPT},
            "student,section\n김하늘,1\n이가을,1\nJosé,2\n홍길동,2\n",
        ),
        {"김하늘": on_time(), "이가을": on_time(), "José": on_time(), "홍길동": ABSENT},
        ROSTER,
        expect_system="folder",
    ),
    Case(
        "letters",
        "nfd-beside-nfc",
        "One student came from a Mac and from another machine: one row, and a person chooses (squell/bb-scripts#54).",
        in_zip({f"{nfd('김하늘')}/hw6.py": SCRIPT, "김하늘/hw6.py": OTHER, "이가을/hw6.py": SCRIPT}),
        {"김하늘": FOR_A_PERSON, "이가을": on_time()},
        expect_system="folder",
    ),
    Case(
        "handed in, but no script",
        "top-level-documents",
        "One file for each student, and not each is a script.",
        in_folder(
            {
                "ann.py": SCRIPT,
                "ben.pdf": PDF,
                "cho.py.txt": SCRIPT,
                "dora.hwp": b"hwp",
                "eve.ipynb.json": NOTEBOOK,
                "finn.tar.gz": b"\x1f\x8b\x08",
                "gil": SCRIPT,
            }
        ),
        {"ann": on_time("ann.py"), **dict.fromkeys(("ben", "cho", "dora", "eve", "finn", "gil"), FOR_A_PERSON)},
        expect_system="folder",
    ),
    Case(
        "handed in, but no script",
        "cannot-be-read",
        "Files that nobody's editor shows as they were meant, and empty ones.",
        in_folder(
            {
                "ann/hw6.py": "print('한글')\n".encode("cp949"),
                "ben/hw6.py": SCRIPT.decode().encode("utf-16"),
                "cho/hw6.py": b"",
                "dora/hw6.ipynb": b"{}",
                "eve/hw6.py": b"PK\3\4" + bytes(40),
                "finn/hw6.py": SCRIPT,
            }
        ),
        {**dict.fromkeys(("ann", "ben", "cho", "dora", "eve"), FOR_A_PERSON), "finn": on_time()},
        expect_system="folder",
    ),
    Case(
        "handed in, but no script",
        "records-alone",
        "Only a record, only a receipt, only what the computer leaves in a folder.",
        in_folder(
            {
                "ann/history.csv": b"epoch,accuracy\n1,50\n",
                "ben/hw6_receipt.json": b"{}",
                "cho/Thumbs.db": b"x",
                "cho/.DS_Store": b"x",
                "dora/hw6.py": SCRIPT,
            }
        ),
        {"ann": FOR_A_PERSON, "ben": FOR_A_PERSON, "cho": ABSENT, "dora": on_time()},
        expect_system="folder",
    ),
    Case(
        "handed in, but no script",
        "hidden-alone",
        "A name with a dot before it, what a Mac leaves of a file, a notebook's automatic copies, at any depth.",
        in_folder(
            {
                "ann/.hw6.py": SCRIPT,
                "ben/.hw6.py.icloud": b"bplist00",
                "cho/._hw6.py": b"\0\5\x16\7",
                "dora/hw6/.ipynb_checkpoints/hw6-checkpoint.ipynb": b"{}",
                "eve/.hw6.py": SCRIPT,
                "eve/hw6.py": SCRIPT,
                "finn/.vscode/settings.json": b"{}",
            }
        ),
        {**dict.fromkeys(("ann", "ben", "cho", "dora"), FOR_A_PERSON), "eve": on_time(), "finn": ABSENT},
        expect_system="folder",
    ),
    Case(
        "handed in, but no script",
        "blackboard-typed",
        "A text in the place of a file is in the receipt alone; the other has neither text nor file.",
        in_zip(
            {
                "hw6_ann_attempt_2026-11-29-10-00-00.txt": b"Name: Ann (ann)\nAssignment: hw6\n\nSubmission Field:\n"
                b"my code is at https://example.org\n\nComments:\nThere are no student comments for this assignment.\n",
                "hw6_ben_attempt_2026-11-29-10-00-00.txt": b"Name: Ben (ben)\nAssignment: hw6\n\nSubmission Field:\n"
                b"There is no student submission text data for this assignment.\n\nComments:\nnone\n",
                "hw6_cho_attempt_2026-11-29-10-00-00_hw6.py": SCRIPT,
            }
        ),
        {"ann": FOR_A_PERSON, "ben": ABSENT, "cho": on_time()},
        expect_system="blackboard",
    ),
    Case(
        "letters",
        "cp949-blackboard",
        "Blackboard's download was packed anew on a Korean Windows; one name's bytes could be UTF-8 too.",
        in_zip(
            {
                "과제_s1_attempt_2026-11-29-10-00-00_홍.py": SCRIPT,
                "과제_s2_attempt_2026-11-29-10-00-00_hw6 최종.py": SCRIPT,
            },
            encoding="cp949",
        ),
        {"s1": on_time("홍.py"), "s2": on_time("hw6 최종.py")},
        expect_system="blackboard",
    ),
    Case(
        "letters",
        "utf-8-without-the-mark",
        "Packed by a program that writes UTF-8 and doesn't say so; and one in the code page of DOS.",
        in_folder(
            {
                "ann/hw.zip": packed({"과제/hw6 최종.py": SCRIPT}, "utf-8"),
                "ben/hw.zip": packed({"hw6 né Jérôme.py": SCRIPT}, "cp437"),
            }
        ),
        {"ann": on_time("hw6 최종.py"), "ben": on_time("hw6 né Jérôme.py")},
        expect_system="folder",
    ),
    Case(
        "letters",
        "nfd-file",
        "The file's own name is from a Mac, and so is the roster; a space is doubled, and a capital is another.",
        in_folder(
            {f"{nfd('김하늘')}/{nfd('과제')} hw6.py": SCRIPT, "HANA  Kim/hw6.py": SCRIPT},
            nfd("이름,id\n김하늘,2019001\nHana Kim,2019002\n"),
        ),
        {"2019001": on_time("과제 hw6.py"), "2019002": on_time()},
        ROSTER,
        expect_system="folder",
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_class_is_read_as_a_careful_instructor_does(case: Case, tmp_path: Path) -> None:
    assert check(case, tmp_path) == []
