"""Faults of our own side: power cuts at any moment, a clock that jumps. What was finished is kept, the rest follows."""

import json
import os
import shutil
import subprocess
import sys
import textwrap
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from support.classes import done, start, table
from support.waiting import wait_for

from autograder.course.dataset import Dataset
from autograder.files import ROOT
from autograder.results import store
from autograder.sandbox.sandbox import Sandbox

# Grades a class with runs that cost nothing, and dies just before the nth thing that it does to the output folder;
# prints how many there were. A process of its own: what is forked may have one thread only.
POWER_CUT = """
import contextlib, dataclasses, json, os, sys
from pathlib import Path

place, root, practice = Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3])
sys.path[:0] = [root, root + "/tests"]
import rich.progress
from support.runner import FakeRunner
from autograder.commands import grade
from autograder.commands.request import ClassRequest
from autograder.errors import KitError
from autograder.grading import schedule, student_run
from autograder.publish import class_report, feedback_page
from autograder.results import history, store

@contextlib.contextmanager
def serial(setup, *_):
    yield lambda entries: (student_run.grade(one, setup, student_run.observe(one, setup)) for one in entries)

schedule.start = serial
a_page = lambda *_: "a page, which costs seconds and isn't what is tested here"
feedback_page.feedback = class_report.class_report = a_page
TOUCHING = {"open", "os.mkdir", "os.rename", "os.remove", "os.chmod", "os.truncate", "os.listdir", "tempfile.mkstemp"}

def run(out):
    request = ClassRequest(submissions=place / "class", out=out, homework="hw6", data=practice, protocol="preview",
                           workers=1, sandbox="none", gradebook="none")
    return grade.grade(request, runner=FakeRunner())

def graded(out, cut_at=None):
    "Grade in a child; the number of things done to `out`, None where it was cut, -1 where it failed."
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        done = [0]
        def touch(event, arguments):
            if event in TOUCHING and arguments and str(arguments[0]).startswith(str(out)):
                done[0] += 1
                if done[0] == cut_at:
                    os._exit(9)
        sys.addaudithook(touch)
        os.dup2(os.open("/dev/null", os.O_WRONLY), 1)
        code = run(out)
        os.write(write, str(done[0] if code == 0 else -1).encode())
        os._exit(0)
    os.close(write)
    said = os.read(read, 100)
    os.close(read)
    os.waitpid(child, 0)
    return int(said) if said else None

run(place / "first")  # whatever is imported and kept is there in each child
whole = place / "whole"
count = graded(whole)
wrong = []
for at in range(1, count + 1):
    out = place / f"cut{at}"
    if graded(out, at) is not None:
        wrong.append(f"{at}: wasn't cut")
    for folder in out.glob("s*"):
        try:
            store.read(folder)
        except KitError as error:
            wrong.append(f"{at}: {error}")
    if graded(out) in (None, -1):
        wrong.append(f"{at}: doesn't go on")
    for path in sorted(whole.rglob("*.csv")) + sorted(whole.glob("*/log.txt")):
        if path.read_bytes() != (out / path.relative_to(whole)).read_bytes():
            wrong.append(f"{at}: {path.name} differs")
    told = {line.key for line in history.read(out)}
    if {store.read(folder).key for folder in out.glob("s*")} - told:
        wrong.append(f"{at}: a result is not in the history")
    names = [{str(p.relative_to(each)) for p in each.rglob("*") if p.is_file()} for each in (whole, out)]
    if names[0] != names[1]:
        wrong.append(f"{at}: left {sorted(names[0] ^ names[1])}")
print(json.dumps({"count": count, "wrong": wrong}))
"""


@pytest.mark.slow
def test_a_power_cut_at_any_point_loses_nothing_and_leaves_nothing_half(tmp_path: Path, practice: Dataset) -> None:
    for student, text in (("s1", "print(1)\n"), ("s2", "")):
        (tmp_path / "class" / student).mkdir(parents=True)
        (tmp_path / "class" / student / "hw6.py").write_text(text)
    command = [sys.executable, "-c", textwrap.dedent(POWER_CUT), str(tmp_path), str(ROOT), str(practice.folder)]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=500, check=False)
    assert ran.returncode == 0, ran.stderr[-3000:]
    found = json.loads(ran.stdout.splitlines()[-1])
    assert found["count"] > 40  # two results, two pages, a log, the class's table and page: each takes some
    assert found["wrong"] == []


DAY = 24 * 60 * 60  # seconds


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("cc") is None and "CI" not in os.environ, reason="needs a C compiler")
def test_a_clock_that_jumps_changes_no_result(
    two: Path,
    tmp_path: Path,
    practice: Dataset,
    sandbox_bwrap: Sandbox,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    library, clock = tmp_path / "jumping_clock.so", tmp_path / "clock"
    source = Path(__file__).parent.parent / "jumping_clock.c"
    subprocess.run(["cc", "-Wall", "-Werror", "-shared", "-fPIC", "-o", library, source], check=True)
    clock.write_text(str(10 * DAY))
    with monkeypatch.context() as patch:
        patch.setenv("LD_PRELOAD", str(library))
        patch.setenv("CLOCK_OFFSET", str(clock))
        running = start(two, tmp_path / "out", practice.folder, sandbox_bwrap.name)
    lock = tmp_path / "out" / ".lock"
    wait_for("lock", lambda: lock.exists() and "since" in lock.read_text(), 300)
    began = lock.read_text()
    for jump in (3 * DAY, -40 * DAY):
        before = len(done(tmp_path / "out"))
        clock.write_text(str(jump))
        wait_for("further result", lambda before=before: len(done(tmp_path / "out")) > before, 300)  # type: ignore[misc]
    said, _ = running.communicate(timeout=600)
    assert running.returncode == 0, said
    assert f"since {datetime.now() + timedelta(days=10):%Y-%m-%d}" in began  # it did have another clock
    jumped = table(tmp_path / "out")
    said, _ = start(two, tmp_path / "out", practice.folder, sandbox_bwrap.name).communicate(timeout=600)
    assert "2 done by an earlier run, kept" in said  # nothing that a result follows from has the time in it
    assert table(tmp_path / "out") == jumped
    for student in ("s1", "s2"):  # what a run took is told by a clock that doesn't jump
        result = store.read(tmp_path / "out" / student)
        assert result is not None
        assert result.outcome == "GRADED"
        assert 0 < result.seconds < 600
