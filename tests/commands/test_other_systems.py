"""What a student types, on systems that aren't this one: with whatever only Linux has taken away, on other consoles.

`tests/windows/` does it on Windows' own Python. No Mac was at hand: docs/results.md says what never ran on one.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
AS_ON_A_MAC = ROOT / "tests" / "support" / "as_on_a_mac.py"
RIGHT = ROOT / "solution" / "hw6" / "hw6.py"
SKELETON = ROOT / "assignment" / "hw6" / "hw6.py"


def autograder(folder: Path, *words: str, program: str = "-mautograder", encoding: str = "utf-8") -> tuple[int, str]:
    """The exit code, and all that is printed on a console of that encoding."""
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, program, *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": path, "PYTHONIOENCODING": encoding, "AUTOGRADER_LANG": "en"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=300,
        check=False,
    )
    return done.returncode, done.stdout.decode(encoding)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "나의 과제 폴더"
    made.mkdir()
    return made


@pytest.mark.slow
def test_a_mac_checks_a_right_file_and_trains_a_preview(folder: Path) -> None:
    (folder / "hw6.py").write_bytes(RIGHT.read_bytes())
    code, said = autograder(folder, "check", "hw6.py", "--train", "--receipt", program=str(AS_ON_A_MAC))
    assert code == 0, said
    assert "no sandbox here: it runs with your own rights, as when you run it yourself" in said
    assert re.search(r"^(\d+) of \1 required checks pass$", said, re.MULTILINE), said
    assert re.search(r"no points: [\d.]+% of the test images", said), said
    receipt = json.loads((folder / "hw6_receipt.json").read_text(encoding="utf-8"))
    assert (receipt["outcome"], receipt["protocol"]) == ("GRADED", "preview")


@pytest.mark.slow
def test_a_mac_says_what_is_open_and_helps(folder: Path) -> None:
    (folder / "hw6.py").write_bytes(SKELETON.read_bytes().replace(b"\n", b"\r\n"))
    code, said = autograder(folder, "check", "hw6.py", "--json", program=str(AS_ON_A_MAC))
    assert code == 1, said
    assert {one["id"]: one["outcome"] for one in json.loads(said)["checks"]}["blanks"] == "failed"
    for words in (("hint", "hw6", "blanks"), ("explain", "hw6", "Q5")):
        code, said = autograder(folder, *words, program=str(AS_ON_A_MAC))
        assert (code, "Traceback" in said) == (0, False), said


def test_a_mac_refuses_to_grade_others_and_says_where(folder: Path) -> None:
    (folder / "class" / "s1").mkdir(parents=True)
    (folder / "class" / "s1" / "hw6.py").write_bytes(RIGHT.read_bytes())
    words = ("grade", "--out", "out", "class", "--homework", "hw6", "--data", "practice", "--protocol", "preview")
    code, said = autograder(folder, *words, program=str(AS_ON_A_MAC))
    assert code == 2, said
    assert "there is no bubblewrap for this system, so other people's files can't be run safely here" in said
    assert "grade on Linux" in said
    assert not (folder / "out").exists()


@pytest.mark.parametrize(("encoding", "mark"), [("cp949", "x "), ("cp1252", "x "), ("ascii", "x "), ("utf-8", "✗ ")])
def test_every_console_is_written_to(folder: Path, encoding: str, mark: str) -> None:
    wrong = RIGHT.read_text(encoding="utf-8").replace("optimizer.zero_grad()", "pass", 1)
    (folder / "hw6.py").write_text(wrong, encoding="utf-8")
    code, said = autograder(folder, "check", "hw6.py", "--verbose", encoding=encoding)
    assert code == 1, said
    assert f"  {mark}Q5" in said
    code, said = autograder(folder, "check", "hw6.py", "--lang", "ko", encoding=encoding)
    assert (code, "Traceback" in said, f"  {mark}Q5" in said) == (1, False, True), said
