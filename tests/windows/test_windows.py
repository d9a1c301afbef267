"""What a student does on Windows, done with a real CPython for Windows and PyTorch, under Wine: `make test-windows`.

`setup.sh` makes that in a folder, which AUTOGRADER_WINDOWS names; without one nothing here runs. The kit is built as a
wheel and installed by pip into a virtual environment in a folder with a blank and Hangul in its name. `import torch`
takes 10 to 20 s there, so each check is made once.
"""

import contextlib
import json
import os
import pty
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).parents[2]
FOLDER = os.environ.get("AUTOGRADER_WINDOWS", "")
RIGHT = (ROOT / "solution" / "hw6" / "hw6.py").read_text(encoding="utf-8")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not FOLDER, reason="AUTOGRADER_WINDOWS names no folder with a Python for Windows"),
]


def windows(path: Path) -> str:
    """What Wine calls a path."""
    return "Z:" + str(path).replace("/", "\\")


@dataclass(frozen=True)
class Laptop:
    """A student's: a virtual environment with the kit in it, and a folder for the homework."""

    environment: Path
    folder: Path

    def command(self, *words: str) -> list[str]:
        """The command `autograder` with those words."""
        return [f"{FOLDER}/run", windows(self.environment / "Scripts" / "autograder.exe"), *words]

    def autograder(self, *words: str, encoding: str = "utf-8", timeout_s: float = 300) -> tuple[int, str]:
        """The exit code, and all that was printed."""
        done = subprocess.run(
            self.command(*words),
            cwd=self.folder,
            env=self.variables(encoding),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=timeout_s,
            check=False,
        )
        return done.returncode, done.stdout.decode(encoding).replace("\r\n", "\n")

    def variables(self, encoding: str) -> dict[str, str]:
        """The environment, in which Python's output has that encoding."""
        return {**os.environ, "PYTHONIOENCODING": encoding, "PYTHONPATH": "", "AUTOGRADER_LANG": "en"}

    def write(self, name: str, text: str) -> str:
        """A file of the homework's, as Windows' editors write it: with CRLF. Returns its name."""
        (self.folder / name).write_text(text, encoding="utf-8", newline="\r\n")
        return name


@pytest.fixture(scope="module")
def laptop(tmp_path_factory: pytest.TempPathFactory) -> Laptop:
    place = tmp_path_factory.mktemp("home") / "나의 과제 폴더"
    source, wheels = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True).stdout
    for name in listed.decode().split("\0"):
        if (ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, source / name)
    build = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", str(wheels)]
    subprocess.run([*build, str(source)], check=True, capture_output=True, timeout=300)
    (wheel,) = wheels.iterdir()
    (place / "hw6").mkdir(parents=True)
    made = Laptop(place / "venv", place / "hw6")
    python = f"{FOLDER}/python"
    options = ["--system-site-packages", "--without-pip"]  # torch and pip are in what it is made from
    subprocess.run([python, "-m", "venv", *options, windows(made.environment)], check=True, timeout=300)
    python = windows(made.environment / "Scripts" / "python.exe")
    pip = [f"{FOLDER}/run", python, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", windows(wheel)]
    subprocess.run(pip, check=True, timeout=300, env=made.variables("utf-8"))
    return made


def test_a_right_file_passes(laptop: Laptop) -> None:
    code, said = laptop.autograder("check", laptop.write("hw6.py", RIGHT))
    assert code == 0, said
    assert "no sandbox here: it runs with your own rights, as when you run it yourself" in said
    assert re.search(r"^(\d+) of \1 required checks pass$", said, re.MULTILINE), said
    assert "✓" in said


def test_the_skeleton_says_what_is_open_in_json(laptop: Laptop) -> None:
    shutil.copyfile(ROOT / "assignment" / "hw6" / "hw6.py", laptop.folder / "skeleton.py")
    code, said = laptop.autograder("check", "skeleton.py", "--homework", "hw6", "--json")
    assert code == 1, said
    found = {one["id"]: one["outcome"] for one in json.loads(said)["checks"]}
    assert found["blanks"] == "failed"
    assert found["runs"] == "skipped"


def test_a_notebook_is_checked_and_a_mistake_is_told_on_a_korean_console(laptop: Laptop) -> None:
    wrong = RIGHT.replace("optimizer.zero_grad()", "pass", 1)
    assert wrong != RIGHT
    cells = [{"cell_type": "code", "metadata": {}, "source": wrong, "outputs": [], "execution_count": None}]
    notebook = {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 4}
    laptop.write("hw6.ipynb", json.dumps(notebook))
    code, said = laptop.autograder("check", "hw6.ipynb", "--lang", "ko", encoding="cp949")
    assert code == 1, said
    assert "hw6.ipynb, 셀 1" in said or "zero-grad" in said
    assert "x Q5" in said  # a cp949 console has no ✗
    assert "여기에는 샌드박스가 없어" in said


def test_the_notebooks_own_cells_check_it_and_write_what_is_handed_in(laptop: Laptop) -> None:
    folder = laptop.folder / "notebook"
    folder.mkdir()
    cells = [{"cell_type": "code", "metadata": {}, "source": RIGHT, "outputs": [], "execution_count": None}]
    (folder / "hw6.ipynb").write_text(json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 4}))
    python = windows(laptop.environment / "Scripts" / "python.exe")
    calls = "from autograder import notebook; notebook.check('hw6'); notebook.hand_in('hw6')"
    done = subprocess.run(
        [f"{FOLDER}/run", python, "-c", calls],
        cwd=folder,
        env=laptop.variables("utf-8"),
        capture_output=True,
        timeout=300,
        check=True,
    )
    said = done.stdout.decode("utf-8").replace("\r\n", "\n")
    assert "required checks pass\n" in said, said
    assert "wrote hw6.py" in said
    assert "class IdentityResNet" in (folder / "hw6.py").read_text(encoding="utf-8")


def test_an_endless_loop_ends_in_time_and_leaves_nothing(laptop: Laptop) -> None:
    loop = "if __name__ == '__main__':\n    while True:\n        pass\n"
    began = time.monotonic()
    code, said = laptop.autograder("check", laptop.write("hw6_loop.py", RIGHT + loop), timeout_s=400)
    assert code in (0, 1), said  # a right file whose last line never ends
    assert time.monotonic() - began < 350
    assert not _processes()


def test_programs_that_take_too_much_are_ended_with_all_that_they_started(laptop: Laptop) -> None:
    python = windows(laptop.environment / "Scripts" / "python.exe")
    done = subprocess.run(
        [f"{FOLDER}/run", python, windows(ROOT / "tests" / "windows" / "runs.py")],
        env=laptop.variables("utf-8"),
        capture_output=True,
        timeout=300,
        check=True,
    )
    seen = json.loads(done.stdout)
    assert {name: (one["ended"], one["left"]) for name, one in seen.items()} == {
        "ends": ("EXIT 3", []),
        "endless loop": ("TIMEOUT", []),
        "memory bomb": ("MEMORY", []),
        "output flood": ("OUTPUT_LIMIT", []),
        "a child that outlives it": ("NO_RESULT", []),
    }
    assert seen["ends"]["printed"].startswith("한글 ✓")
    assert seen["endless loop"]["processes"] == seen["a child that outlives it"]["processes"] == 2


def test_a_preview_trains_and_leaves_a_receipt(laptop: Laptop) -> None:
    code, said = laptop.autograder("check", laptop.write("hw6.py", RIGHT), "--train", "--receipt", timeout_s=500)
    assert code == 0, said
    assert "no points: training on practice, preview protocol" in said.replace("\n  ", " "), said
    assert re.search(r"no points: [\d.]+% of the test images", said), said
    receipt = json.loads((laptop.folder / "hw6_receipt.json").read_text(encoding="utf-8"))
    assert (receipt["outcome"], receipt["protocol"], receipt["device"]) == ("GRADED", "preview", "cpu")


def test_a_hint_and_what_the_handout_says_on_a_korean_console(laptop: Laptop) -> None:
    code, said = laptop.autograder("hint", "hw6", "own-weights", "--lang", "ko", encoding="cp949")
    assert (code, said.count("\n") > 3) == (0, True), said
    assert "1/2" in said or "own-weights" in said
    code, said = laptop.autograder("explain", "hw6", "Q5", encoding="cp949")
    assert code == 0, said
    assert "zero" in said.lower()
    code, said = laptop.autograder("check", "nothing.py", encoding="cp1252")
    assert (code, said.splitlines()[0]) == (2, "error: nothing.py: no such file")


def test_a_save_is_seen_and_checked_again_until_ctrl_c(laptop: Laptop) -> None:
    name = laptop.write("hw6_saved.py", RIGHT.replace("optimizer.zero_grad()", "pass", 1))
    with Console(laptop, "check", name, "--watch") as console:
        console.wait_for("Start here", 200)
        laptop.write(name, RIGHT)
        console.wait_for("✓ Q1 Q2 Q3 Q4 Q5", 200)
        console.press_ctrl_c()
        assert console.ended(60) == 0
    assert "Traceback" not in console.text
    assert not _processes()


def test_ctrl_c_ends_a_check_and_what_it_started(laptop: Laptop) -> None:
    loop = "if __name__ == '__main__':\n    while True:\n        pass\n"
    name = laptop.write("hw6_loop.py", RIGHT + loop)
    with Console(laptop, "check", name) as console:
        _wait_until(
            lambda: len(_processes()) > 3, 60, lambda: console.text
        )  # each python.exe of the environment starts one
        time.sleep(2)
        console.press_ctrl_c()
        assert console.ended(60) == 130
    assert not _processes()


class Console:
    """A command at work in a console of Windows', which Wine shows in a terminal of ours."""

    def __init__(self, laptop: Laptop, *words: str) -> None:
        self.text = ""
        self.process, self.terminal = pty.fork()
        if self.process == 0:
            os.chdir(laptop.folder)
            variables = laptop.variables("utf-8") | {"WINEPREFIX": f"{FOLDER}/prefix", "TERM": "xterm"} | WINE
            del variables["PYTHONIOENCODING"]
            os.execvpe("/usr/lib/wine/wine64", ["wine64", *laptop.command(*words)[1:]], variables)
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        shown = b""
        with contextlib.suppress(OSError):  # what reading a terminal ends with
            while more := os.read(self.terminal, 65536):
                shown += more
                self.text = _ESCAPES.sub("", shown.decode("utf-8", "replace"))

    def wait_for(self, words: str, seconds: float) -> None:
        _wait_until(lambda: words in self.text, seconds, lambda: self.text)

    def press_ctrl_c(self) -> None:
        os.write(self.terminal, b"\x03")

    def ended(self, seconds: float) -> int:
        """Its exit code."""
        done: list[int] = []

        def waited() -> bool:
            number, status = os.waitpid(self.process, os.WNOHANG)
            done.append(os.waitstatus_to_exitcode(status))
            return bool(number)

        _wait_until(waited, seconds, lambda: self.text)
        self.process = 0
        return done[-1]

    def __enter__(self) -> "Console":
        return self

    def __exit__(self, *_: object) -> None:
        if self.process:
            os.kill(self.process, signal.SIGKILL)
            os.waitpid(self.process, 0)
        os.close(self.terminal)


_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]|\x1b\][^\x07]*\x07|\r")
WINE = {"WINEDEBUG": "-all", "WINEDLLOVERRIDES": "propsys=", "KMP_AFFINITY": "disabled"}


def _wait_until(done: Callable[[], bool], seconds: float, seen: Callable[[], str] = str) -> None:
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end, seen()
        time.sleep(0.2)


def _processes() -> list[str]:
    """The command lines of each python.exe that is at work in Wine."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        words = process.info["cmdline"] or [""]
        if words[0].endswith("python.exe"):
            found.append(" ".join(words)[:200])
    return found


@pytest.fixture(scope="module", autouse=True)
def _nothing_left(laptop: Laptop) -> Iterator[None]:
    """Whatever fails, no program of Windows' goes on after the last test."""
    yield
    subprocess.run([f"{FOLDER}/run", "wineboot.exe", "--kill"], capture_output=True, timeout=60, check=False)
