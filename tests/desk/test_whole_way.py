"""The whole way at the desk, with real trainings in the sandbox: watched, settled, trained, overridden, handed back."""

import csv
import io
import re
from pathlib import Path
from typing import Any

import pytest
from support import classes
from support.desk import comment_by_keys, opened, said, served, set_points_by_keys
from support.waiting import wait_for

from autograder.course.dataset import Dataset
from autograder.publish import nbgrader_gradebook
from autograder.results import history
from autograder.sandbox.sandbox import Sandbox

STUDENTS = [f"s{number}" for number in range(1, 8)]
BY_ITSELF_S = 240.0


def row(page: Any, student: str) -> str:
    found = page.locator("#everybody tbody tr", has=page.get_by_role("link", name=student, exact=True))
    return str(found.inner_text())


@pytest.mark.slow
def test_a_class_of_eight_from_its_run_to_what_is_handed_back(
    browser: Any, tmp_path: Path, practice: Dataset, sandbox_bwrap: Sandbox
) -> None:
    folder, out = tmp_path / "class", tmp_path / "out"
    for number, student in enumerate(STUDENTS):
        classes.write(folder / student / "hw6.py", classes.TINY.replace("RATE", f"0.01{number}"))
    for name, rate in (("mine", "0.02"), ("final", "0.03")):
        classes.write(folder / "two" / f"{name}.py", classes.TINY.replace("RATE", rate))
    with served(out) as desk, opened(browser, desk, accept_downloads=True) as page:
        run = classes.start(folder, out, practice.folder, sandbox_bwrap.name, "--workers", "2")
        page.get_by_text("A run goes on").wait_for(timeout=60_000)
        page.locator("#everybody tbody tr").nth(7).wait_for(timeout=60_000)
        page.evaluate("window.same = true")
        for student in STUDENTS:
            wait_for(f"result of {student}", lambda one=student: re.search(r"\d\.\d\d%", row(page, one)), BY_ITSELF_S)
        assert page.evaluate("window.same") is True
        printed, _ = run.communicate(timeout=60)
        assert run.returncode == 0, printed
        assert "needs a person" in row(page, "two")

        press = page.keyboard.press  # from here on, the keyboard alone
        press("q")
        page.wait_for_url("**/student/two?in=queue")
        assert "mine.py" in page.inner_text("main")
        page.get_by_role("radio", name="mine.py").focus()
        press("Space")
        press("Tab")
        while page.evaluate("document.activeElement.textContent") != "It counts":
            press("Tab")
        press("Enter")
        said(page, "Settled: another run goes by it.")
        press("u")
        page.get_by_role("button", name="Grade what was decided").focus()
        press("Enter")
        wait_for("result of the file that counts", lambda: re.search(r"\d\.\d\d%", row(page, "two")), BY_ITSELF_S)
        page.get_by_text("No run goes on").wait_for(timeout=60_000)
        press("/")
        page.keyboard.type("two")
        assert page.locator("#everybody tbody tr:visible").count() == 1
        press("Escape")
        press("j")
        press("Enter")
        page.wait_for_url("**/student/two")
        assert "IdentityResNet" in page.inner_text(".code")
        comment_by_keys(page, 3, "a linear layer is no ResNet")
        assert page.locator("#L3 ~ aside.note.comment").count() == 1
        set_points_by_keys(page, "11", "for the report")
        page.get_by_role("link", name="Hand back").focus()
        press("Enter")
        page.wait_for_url("**/hand-back")
        page.get_by_role("button", name="Download points").focus()
        with page.expect_download() as download:
            press("Enter")
        rows = csv.DictReader(io.StringIO(Path(download.value.path()).read_text(encoding="utf-8")))
        exported = {one["student"]: one["points"] for one in rows}
    assert exported == {**dict.fromkeys(STUDENTS, ""), "two": "11"}
    assert [one["points"] for one in classes.table(out) if one["student"] == "two"] == ["11"]
    assert nbgrader_gradebook.set_by_hand(nbgrader_gradebook.url_of(out), "hw6") == {"two": 11.0}
    student = (out / "two" / "feedback.html").read_text(encoding="utf-8")
    assert student.index('id="L3"') < student.index("a linear layer is no ResNet") < student.index('id="L4"')
    assert "Set by your instructor: for the report" in student
    decided = [line.what for line in history.read(out) if line.student == "two"]
    assert decided == ["result", "settled", "result", "comment", "override"]
