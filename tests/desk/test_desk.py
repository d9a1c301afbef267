"""The desk in a real browser: what is seen there, what is decided, by keyboard alone, and that what students wrote is
text."""

import csv
import io
import json
import re
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support import classes
from support.desk import CODE, Served, comment_by_keys, graded, grading, opened, said, served, set_points_by_keys
from support.graded_apart import LOUD
from support.waiting import wait_for

from autograder.course.dataset import Dataset
from autograder.grading.decisions import Decisions
from autograder.results import history, live

WIDER = """() => Array.from(document.querySelectorAll("main *"))
  .filter((one) => one.getBoundingClientRect().right > document.documentElement.clientWidth + 1)
  .filter((one) => !one.closest(".scroll"))
  .map((one) => one.outerHTML.slice(0, 80))"""
STUDENTS = ("ann", "ben", "cem", "dia", "eli", "fay", "gus", "hana")
NOTEBOOK = """{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [
 {"cell_type": "markdown", "metadata": {}, "source": ["# My network"]},
 {"cell_type": "code", "metadata": {}, "execution_count": null, "outputs": [], "source": ["x = 1\\n", "print(x)"]}]}"""


def written(folder: Path) -> Path:
    """A class: eight with a file each, one of them a notebook, and one with two files."""
    for number, student in enumerate(STUDENTS[:-1]):
        classes.write(folder / student / "hw6.py", CODE + f"lr = 0.0{number}\n" * (number + 1))
    classes.write(folder / "hana" / "hw6.ipynb", NOTEBOOK)
    for name in "ab":
        classes.write(folder / "ivo" / f"{name}.py", f"{CODE}print({name!r})\n")
    return folder


@pytest.fixture(scope="module")
def once(tmp_path_factory: pytest.TempPathFactory, practice: Dataset) -> Path:
    """That class, graded."""
    folder = tmp_path_factory.mktemp("once")
    return graded(written(folder / "class"), folder / "out", practice.folder)


@pytest.fixture
def out(tmp_path: Path, once: Path) -> Path:
    """A copy of what was graded."""
    return Path(shutil.copytree(once, tmp_path / "out"))


@pytest.fixture
def desk(out: Path) -> Iterator[Served]:
    with served(out) as one:
        yield one


def row(page: Any, student: str) -> str:
    found = page.locator("#everybody tbody tr", has=page.get_by_role("link", name=student, exact=True))
    return str(found.inner_text())


@pytest.mark.slow
def test_a_class_is_watched_while_it_is_graded(browser: Any, tmp_path: Path, practice: Dataset) -> None:
    """Each row changes by itself: nothing, a training with its epoch and loss, a result."""
    out, go = tmp_path / "out", tmp_path / "go"
    go.mkdir()
    folder = written(tmp_path / "class")
    with served(out) as desk, opened(browser, desk) as page:
        assert "Nothing has been graded into this folder yet" in page.inner_text("main")
        run = grading(folder, out, practice.folder, go)
        page.get_by_text("A run goes on").wait_for()
        page.locator("#everybody tbody tr").nth(8).wait_for()
        for student in STUDENTS:
            wait_for("it is trained", lambda student=student: "epoch 2.5 of 5, loss 1.25" in row(page, student), 20)
            page.evaluate("window.same = true")
            (go / student).touch()
            wait_for("a result", lambda student=student: re.search(r"\d0\.00%", row(page, student)) is not None, 20)
            assert page.evaluate("window.same") is True  # the page wasn't loaded again
        page.get_by_text("No run goes on").wait_for()
        assert page.locator("#summary svg rect.column").count() >= 2
        assert run.communicate(timeout=30)[0].count("wrote") == 1
        assert run.returncode == 0
        told = live.read(out)
        assert told is not None
        assert not told.goes_on
        assert "needs a person" in row(page, "ivo")


def test_by_keyboard_alone(browser: Any, desk: Served, out: Path) -> None:
    """From the class to the first who needs a person, a comment on a line, the next, points, and looked at."""
    with opened(browser, desk) as page:
        press = page.keyboard.press
        press("?")
        assert page.get_by_role("dialog").is_visible()
        press("Escape")
        press("j")
        press("j")
        assert page.evaluate("document.activeElement.textContent") == "ben"
        press("k")
        press("Enter")
        page.wait_for_url("**/student/ann")
        press("j")
        page.wait_for_url("**/student/ben")
        press("k")
        page.wait_for_url("**/student/ann")
        press("/")
        page.keyboard.type("hana")
        press("Enter")
        page.wait_for_url("**/student/hana")
        assert "Cell 2" in page.inner_text("main")
        press("q")
        page.wait_for_url("**/student/ivo?in=queue")  # whom no rule decides comes first
        press("j")
        page.wait_for_url("**/student/ann?in=queue")
        comment_by_keys(page, 5, "look at <b>this</b>")
        assert "look at <b>this</b>" in page.locator("#L5 + aside").inner_text()
        set_points_by_keys(page, "12.5", "asked, and was right")
        press("l")
        press("Tab")
        press("Enter")
        said(page, "Looked at.")
        press("u")
        page.wait_for_url(desk.address + "/")
        assert "12.5 by hand" in row(page, "ann")
        assert "looked at" in row(page, "ann")
    lines = [(line.what, line.student, line.at) for line in history.read(out) if line.what != "result"]
    assert lines == [("comment", "ann", 5), ("override", "ann", None), ("looked at", "ann", None)]


def test_a_decision_is_seen_everywhere_and_can_be_taken_back(browser: Any, desk: Served, out: Path) -> None:
    with opened(browser, desk, accept_downloads=True) as page:
        page.goto(f"{desk.address}/student/ben#L4")
        page.get_by_label("What the student reads").fill("Why a `class` here?\nSay it.")
        page.get_by_role("button", name="Say it").click()
        page.locator("#do-points summary").click()
        page.get_by_label("Points, 0 to 20").fill("7")
        page.get_by_label("Why; the student reads it").fill("agreed on it")
        page.get_by_role("button", name="Set points").click()
        said(page, "Points were set.")
        assert classes.table(out)[1]["points"] == "7"
        assert classes.table(out)[1]["decided_by"] == "override"
        page.goto(f"{desk.address}/student/ben/feedback")
        assert "Why a `class` here?" in page.locator("#L4 + aside").inner_text()
        assert "Set by your instructor: agreed on it" in page.inner_text("main")
        page.goto(f"{desk.address}/hand-back")
        undecided = page.inner_text("main")
        assert "8 without points" in undecided
        assert "ivo" in undecided
        with page.expect_download() as download:
            page.get_by_role("button", name="Download points").click()
        rows = list(csv.DictReader(io.StringIO(Path(download.value.path()).read_text(encoding="utf-8"))))
        assert [(one["points"], one["decided_by"]) for one in rows][:2] == [("", "nobody"), ("7", "override")]
        with page.expect_download() as download:
            page.get_by_role("button", name="Download pages").click()
        with zipfile.ZipFile(download.value.path()) as pages:
            assert len(pages.namelist()) == 9
            assert "agreed on it" in pages.read("ben_feedback.html").decode()
        page.goto(f"{desk.address}/student/ben")
        page.get_by_role("button", name="Withdraw the comment").click()
        page.locator("#do-points summary").click()
        page.get_by_label("Why; the student reads it").fill("no")
        page.get_by_role("button", name="Back to the run's").click()
        said(page, "Points were set.")
    assert classes.table(out)[1]["points"] == ""
    student = (out / "ben" / "feedback.html").read_text(encoding="utf-8")
    assert "Why a `class`" not in student
    assert "agreed on it" not in student


def test_the_second_is_told_what_the_first_has_changed(browser: Any, desk: Served, out: Path) -> None:
    with served(out) as other, opened(browser, desk) as mine, opened(browser, other) as theirs:
        mine.goto(f"{desk.address}/student/ben")
        mine.get_by_label("What the student reads").fill("what I had typed")
        theirs.goto(f"{other.address}/student/ben")
        theirs.get_by_label("What the student reads").fill("theirs")
        theirs.get_by_role("button", name="Say it").click()
        said(theirs, "Said.")
        mine.get_by_text("This has changed since the page was opened").wait_for()
        mine.get_by_role("button", name="Say it").click()
        error = mine.get_by_role("alert")
        assert "Not written" in error.inner_text()
        assert "theirs" in error.inner_text()
        assert mine.get_by_label("What the student reads").input_value() == "what I had typed"
        mine.get_by_role("button", name="Say it").click()  # now they have seen it
        said(mine, "Said.")
        theirs.get_by_text("what I had typed").first.wait_for()  # nobody was writing there: it comes by itself
    assert [line.reason for line in history.comments(history.read(out))] == ["theirs", "what I had typed"]


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_and_a_telephone_is_enough(browser: Any, desk: Served, out: Path, scheme: str) -> None:
    from axe_playwright_python.sync_playwright import Axe

    decisions = Decisions(out)
    decisions.comment("ann", "on a line", 4)
    decisions.comment("ann", "on the whole")
    decisions.points("ann", 3.0, "a reason")
    decisions.deadline("ben", "2026-12-03 23:59")
    addresses = ["/", "/hand-back", "/nowhere", "/student/ivo?in=queue", "/student/ivo?file=b.py"]
    addresses += [f"/student/{student}" for student in ("ann", "ben", "hana")]
    size = {"width": 1280, "height": 6000}
    with opened(browser, desk, color_scheme=scheme, viewport=size, bypass_csp=True) as page:
        for address in addresses:
            page.set_viewport_size(size)
            page.goto(desk.address + address)
            page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
            found = Axe().run(page).response
            assert len(found["passes"]) > 8, address
            wrong = [(one["id"], [node["html"][:200] for node in one["nodes"]]) for one in found["violations"]]
            assert wrong == [], address
            page.set_viewport_size({"width": 400, "height": 800})
            assert page.evaluate("document.documentElement.scrollWidth") == 400, (address, page.evaluate(WIDER))


@pytest.mark.slow
def test_what_students_and_persons_write_runs_nothing(browser: Any, tmp_path: Path, practice: Dataset) -> None:
    """A class of hostile names, code, outputs and comments."""
    evil = "<script>alert(1)</script><img src=x onerror=alert(2)>'\"><svg onload=alert(3)>{{ 7*7 }}\u202e"
    named = "o'\"><img src=x onerror=alert(4)>&amp; %41%2e"
    code = f"{LOUD.decode()}{evil}\n# {evil}\nx = '''</code></div><script>alert(5)</script>'''\n"
    code += f"open({str(tmp_path / 'ran')!r}, 'w')\n"
    code += f"y = {'a' * 9000}\n# \x0c\u2028\n"
    note = {"cell_type": "markdown", "metadata": {}, "source": [evil]}
    cell = {"cell_type": "code", "metadata": {}, "execution_count": 1, "source": [code], "outputs": [
        {"output_type": "display_data", "metadata": {}, "data": {"text/html": [evil]}}
    ]}  # fmt: skip
    folder = tmp_path / "class"
    classes.write(folder / named / "hw6.py", code)
    notebook = {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [note, cell]}
    classes.write(folder / "</title><script>alert(6)<" / "hw6.ipynb", json.dumps(notebook))
    classes.write(folder / "two" / f"{evil.replace('/', '')[:60]}.py", code)
    classes.write(folder / "two" / "javascript:alert(7).py", "x = 1\n")

    out = graded(folder, tmp_path / "out", practice.folder)
    decisions = Decisions(out)
    students = [path.parent.name for path in out.glob("*/result.json")]
    assert len(students) == 3
    for student in students:
        decisions.comment(student, evil)
        decisions.points(student, 3.0, evil)
        decisions.looked_at(student, evil)
    with served(out) as desk, opened(browser, desk) as page:
        links = page.locator("#everybody tbody a").evaluate_all("all => all.map((one) => one.href)")
        assert len(links) == 3
        files = []
        for link in links:
            page.goto(link)
            assert page.get_by_role("heading", level=1).is_visible()
            files += page.locator("a[href*='?file=']").evaluate_all("all => all.map((one) => one.href)")
        for link in [
            desk.address,
            *links,
            *files,
            *[f"{link}/feedback" for link in links],
            f"{desk.address}/hand-back",
        ]:
            answer = page.goto(link)
            assert answer.status in (200, 404), link
            page.wait_for_timeout(100)
            assert (
                page.locator("main script, main img:not([src^='data:image/png;base64,']), main [onload]").count() == 0
            )
            assert "\u202e" not in page.inner_text("main")
            assert "49\n" not in page.inner_text("main")
        assert not (tmp_path / "ran").exists()
        page.goto(f"{desk.address}/find?q={'%3Cscript%3Ealert(8)%3C/script%3E'}")
        assert page.get_by_label("Search in all columns").input_value() == "<script>alert(8)</script>"
