"""A desk that is really served, in a process of its own, and a class that it is about."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autograder.files import ROOT

ENDS_S = 30.0
GRADED_S = 50.0
CODE = """import torch
import torch.nn as nn

class IdentityResNet(nn.Module):
    def forward(self, x):
        return x
"""


@dataclass(frozen=True)
class Served:
    """A desk: its address, that with the token, and its process."""

    address: str
    first: str
    process: "subprocess.Popen[str]"


@contextmanager
def served(out: Path, *words: str) -> Iterator[Served]:
    """A desk of the class in `out`, as long as the block."""
    process = subprocess.Popen(
        [sys.executable, "-m", "autograder", "desk", str(out), *words],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        assert process.stdout is not None
        said = process.stdout.readline()
        found = re.search(r"https?://\S+", said)
        assert found is not None, said + process.stdout.read()
        first = found[0]
        yield Served(first.partition("/?")[0], first, process)
    finally:
        process.terminate()
        left, _ = process.communicate(timeout=ENDS_S)
    assert "Traceback" not in left, left


def grading(folder: Path, out: Path, data: Path, *go: Path) -> "subprocess.Popen[str]":
    """The class of `folder` being graded into `out` without a training; see `graded_apart.py`."""
    return subprocess.Popen(
        [sys.executable, str(ROOT / "tests" / "support" / "graded_apart.py"), *map(str, (folder, out, data, *go))],
        env={**os.environ, "PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / "tests")))},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def graded(folder: Path, out: Path, data: Path) -> Path:
    """`out`, where the class of `folder` was graded without a training."""
    process = grading(folder, out, data)
    said, _ = process.communicate(timeout=GRADED_S)
    assert process.returncode == 0, said
    return out


@contextmanager
def opened(browser: Any, desk: Served, **options: Any) -> Iterator[Any]:
    """A page that has the desk's cookie. In the end: nothing was complained about, and nothing left the desk."""
    context = browser.new_context(**options)
    page = context.new_page()
    complaints: list[str] = []
    elsewhere: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("dialog", lambda dialog: (complaints.append(f"dialog: {dialog.message}"), dialog.dismiss()))
    page.on("request", lambda one: elsewhere.append(one.url) if not one.url.startswith(desk.address) else None)
    page.goto(desk.first)
    yield page
    context.close()
    assert [one for one in complaints if "status of 4" not in one] == []
    assert [one for one in elsewhere if not one.startswith("data:")] == []


def said(page: Any, words: str) -> None:
    """Wait until a page that was asked for says something, and hears keys."""
    page.get_by_text(words).wait_for(timeout=50_000)
    page.wait_for_load_state("load")


def comment_by_keys(page: Any, line: int, words: str) -> None:
    """Comment on a line of the student's code by the keyboard alone."""
    page.locator(f"#L{line} a").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("c")
    page.keyboard.type(words)
    for key in ("Tab", "Enter"):
        page.keyboard.press(key)
    said(page, "Said.")


def set_points_by_keys(page: Any, points: str, reason: str) -> None:
    """Set the student's points by the keyboard alone."""
    for key in ("p", "Control+a"):
        page.keyboard.press(key)
    page.keyboard.type(points)
    page.keyboard.press("Tab")
    page.keyboard.type(reason)
    for key in ("Tab", "Enter"):
        page.keyboard.press(key)
    said(page, "Points were set.")
