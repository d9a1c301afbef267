"""The whole way of an instructor: from Blackboard's zip file to formgrader in a browser, and back to Blackboard."""

import csv
import os
import secrets
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from support import downloads
from support.downloads import CODE, Uploaded
from support.pages import CHROMIUM
from support.runner import FakeRunner, half_right
from support.waiting import wait_for

from autograder.commands import grade
from autograder.commands.request import ClassRequest
from autograder.course import prepare
from autograder.course.dataset import Dataset
from autograder.publish import lms_grades, nbgrader_gradebook
from autograder.publish.final_points import final

CLASS = [
    Uploaded("2016320187", "김하늘", "2026-11-29 10:11:12", [("hw6.py", b"first = 1\n")]),
    Uploaded("2016320187", "김하늘", "2026-11-30 23:59:00", [("hw6.py", CODE)]),
    Uploaded("2016320187", "김하늘", "2026-12-01 08:00:00", [("hw6.py", b"late = 1\n")]),
    Uploaded("2016320200", "Inês Carvalho", "2026-12-01 00:00:01"),
    Uploaded("2016320300", "Tomasz Wilk", "2026-11-30 12:00:00", [("a.py", CODE), ("b.py", b"b = 1\n")]),
]
ROSTER = (
    '"Last Name","First Name","Username","hw6 [Total Pts: 20 Score] |77"\r\n'
    '"김","하늘","2016320187",""\r\n"Carvalho","Inês","2016320200",""\r\n'
    '"Wilk","Tomasz","2016320300",""\r\n"Absent","Anna","2016320400",""\r\n'
)


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None and "CI" not in os.environ, reason="no chromium")
def test_from_blackboard_to_formgrader_and_back(
    tmp_path: Path,
    practice: Dataset,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert CHROMIUM is not None
    source = downloads.pack(tmp_path / "gradebook.zip", downloads.blackboard(CLASS))
    roster, out = tmp_path / "roster.csv", tmp_path / "out"
    roster.write_bytes(b"\xef\xbb\xbf" + ROSTER.encode())
    monkeypatch.setattr(prepare, "choose", lambda *_: replace(practice, name="cifar10"))
    runner = FakeRunner(training=half_right)
    book = nbgrader_gradebook.url_of(out)
    request = ClassRequest(
        submissions=source,
        out=out,
        homework="hw6",
        protocol="full",
        deadline="2026-11-30 23:59",
        workers=1,
        sandbox="none",
        timezone="Asia/Seoul",
        roster=roster,
    )
    assert grade.grade(request, runner=runner) == 0
    assert points(out, book) == {
        "2016320187": (6.0, "run"),
        "2016320200": (0.0, "run"),  # late
        "2016320300": (None, "nobody"),  # no telling which file counts
        "2016320400": (0.0, "run"),  # absent
    }

    with formgrader(out / nbgrader_gradebook.FOLDER, tmp_path) as address:
        in_a_browser(address)
    assert points(out, book)["2016320187"] == (11.0, "formgrader")

    assert grade.again(out, ["2016320187"], runner=runner) == 0
    assert points(out, book)["2016320187"] == (11.0, "formgrader")
    report = lms_grades.export(out, "blackboard", roster, tmp_path / "upload.csv", book=book)
    assert (report.written, report.undecided) == (("2016320187", "2016320200", "2016320400"), ("2016320300",))
    uploaded = (tmp_path / "upload.csv").read_bytes()
    assert (
        uploaded
        == b"\xef\xbb\xbf"
        + ROSTER.replace('"2016320187",""', '"2016320187","11"')
        .replace('"2016320200",""', '"2016320200","0"')
        .replace('"2016320400",""', '"2016320400","0"')
        .encode()
    )
    with (out / "attempts.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["student"] == "2016320187"]
    assert [(row["counts"], row["late"]) for row in rows] == [("", ""), ("counts", ""), ("", "late")]


def points(out: Path, book: str) -> dict[str, tuple[float | None, str]]:
    return {one.student: (one.points, one.decided_by) for one in final(out, book)}


@contextmanager
def formgrader(course: Path, home: Path) -> Iterator[str]:
    """A real Jupyter server with nbgrader's formgrader, started in the course's folder; its address."""
    token = secrets.token_hex(16)
    command = [sys.executable, "-m", "jupyter", "server", "--no-browser", "--allow-root", "--ip=127.0.0.1", "--port=0"]
    log = (home / "server.log").open("w+")
    environment = {**os.environ, "HOME": str(home), "JUPYTER_TOKEN": token}
    server = subprocess.Popen(command, cwd=course, env=environment, stdout=log, stderr=subprocess.STDOUT)
    try:

        def addresses() -> list[str]:
            said = (home / "server.log").read_text()
            assert server.poll() is None, said[-3000:]
            return [word for word in said.split() if word.startswith("http://127.0.0.1")]

        address = wait_for("address of the server", addresses, 120)[0].split("?")[0].rstrip("/")
        base = address.removesuffix("/lab").removesuffix("/tree")
        with urllib.request.urlopen(f"{base}/api/status?token={token}") as answer:
            assert answer.status == 200
        yield f"{base}|{token}"
    finally:
        server.terminate()
        server.wait(timeout=60)
        log.close()


def in_a_browser(address: str) -> None:
    """Change the points of a submission from 6 to 11 in formgrader, and see that they were saved."""
    from playwright.sync_api import expect, sync_playwright

    base, token = address.split("|")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page()
        complaints: list[str] = []
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(f"{base}/formgrader?token={token}")
        expect(page.get_by_role("link", name="hw6", exact=True)).to_be_visible()
        page.goto(f"{base}/formgrader/manage_submissions/hw6")
        expect(page.get_by_text("2016320187")).to_be_visible()
        page.goto(f"{base}/formgrader/manage_students/2016320187/hw6")
        page.get_by_role("link", name="hw6").last.click()
        score = page.locator("input.score").first
        expect(score).to_have_attribute("placeholder", "6")
        expect(page.get_by_text("6 of 20 points").first).to_be_visible()
        with page.expect_response(lambda answer: "/formgrader/api/grade/" in answer.url) as saved:
            score.fill("11")
            score.dispatch_event("change")
        assert saved.value.ok
        page.reload()
        expect(page.locator("input.score").first).to_have_value("11")
        assert [one for one in complaints if "MathJax" not in one] == []  # which nbgrader's page gets from the network
        browser.close()
