"""nbgrader's own gradebook: what the kit writes into it, what it leaves alone, and what nbgrader makes of it."""

import json
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
from support.gradebook import CODE, DEADLINE, full, write
from support.results import result
from support.waiting import wait_for

from autograder.checks import CheckResult
from autograder.errors import KitError
from autograder.publish import nbgrader_gradebook
from autograder.results import grades_table

POSTGRES = next(iter(sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)), None)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A fresh database of either kind."""
    if request.param == "sqlite":
        yield nbgrader_gradebook.url_of(tmp_path)
        return
    if POSTGRES is None:
        assert "CI" not in os.environ, "CI must test PostgreSQL"
        pytest.skip("no PostgreSQL")
    with tempfile.TemporaryDirectory(prefix="pg-") as folder:
        place = Path(folder)
        place.chmod(0o755)
        # PostgreSQL refuses to run as root.
        user = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"] if os.geteuid() == 0 else []
        name = "nobody" if user else pwd.getpwuid(os.geteuid()).pw_name
        data = place / "data"
        data.mkdir()
        if user:
            shutil.chown(data, "nobody", "nogroup")
            shutil.chown(place, "nobody", "nogroup")
        run = {"check": True, "capture_output": True, "cwd": folder}
        subprocess.run([*user, POSTGRES / "initdb", "-D", data, "--auth=trust", "-E", "UTF8"], **run)
        server = subprocess.Popen(
            [*user, POSTGRES / "postgres", "-D", data, "-k", folder, "-c", "listen_addresses="],
            cwd=folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            ready = [*user, POSTGRES / "pg_isready", "-q", "-h", folder]
            wait_for("PostgreSQL", lambda: subprocess.run(ready, check=False, cwd=folder).returncode == 0)
            assert server.poll() is None
            subprocess.run([*user, POSTGRES / "createdb", "-h", folder, "course"], **run)
            yield f"postgresql+psycopg2://{name}@/course?host={folder}"
        finally:
            server.terminate()
            server.wait(timeout=60)


def test_points_go_in_and_what_a_person_set_stays(tmp_path: Path, url: str) -> None:
    from nbgrader.api import Gradebook

    own = CheckResult(id="own-weights", title="every block owns its weights", outcome="failed", saw="one layer")
    write(tmp_path, url, full("s1", name="김 하늘", checks=[own]), full("s2", 6.0), full("s3", submission=None))
    assert nbgrader_gradebook.set_by_hand(url, "hw6") == {}
    with Gradebook(url, nbgrader_gradebook.COURSE) as book:
        assignment = book.find_assignment("hw6")
        assert (assignment.max_score, assignment.duedate) == (20.0, DEADLINE.replace(tzinfo=None))
        assert [
            (student.id, student.first_name, student.last_name)
            for student in sorted(book.students, key=lambda student: student.id)
        ] == [
            ("s1", "김", "하늘"),
            ("s2", None, None),
            ("s3", None, None),
        ]
        scores = {submission.student.id: submission.score for submission in assignment.submissions}
        assert scores == {"s1": 20.0, "s2": 6.0}
        assert not any(one.needs_manual_grade for one in assignment.submissions)
        moment = book.find_submission("hw6", "s1").timestamp
        assert moment == datetime(2026, 11, 30, 23, 58, 1)
        assert "20 of 20 points" in book.find_comment("accuracy", "hw6", "hw6", "s1").comment
        grade = book.find_grade("accuracy", "hw6", "hw6", "s2")
        grade.manual_score = 11.0
        book.db.commit()

    # Another run, with a check that is new, and one student who needs a person.
    newer = CheckResult(id="eval-mode", title="", outcome="passed")
    undecided = full("s1", None, status="needs a person", tier=None, would_earn=None, no_points_because="a person")
    write(tmp_path, url, undecided, full("s2", 20.0, checks=[newer]))
    assert nbgrader_gradebook.set_by_hand(url, "hw6") == {"s2": 11.0}
    with Gradebook(url, nbgrader_gradebook.COURSE) as book:
        submissions = {one.student.id: one for one in book.find_assignment("hw6").submissions}
        assert submissions["s2"].score == 11.0
        assert book.find_grade("accuracy", "hw6", "hw6", "s2").auto_score == 20.0
        assert book.find_grade("eval-mode", "hw6", "hw6", "s2").auto_score == 0.0
        assert submissions["s1"].needs_manual_grade
        assert not submissions["s2"].needs_manual_grade


def test_nbgrader_exports_and_gives_feedback_from_it(tmp_path: Path) -> None:
    check = CheckResult(id="own-weights", title="<b>weights</b>", outcome="failed", saw="a", expected="b", why="c")
    write(tmp_path, nbgrader_gradebook.url_of(tmp_path), full("s1", checks=[check]), full("s2", 6.0))
    course = tmp_path / nbgrader_gradebook.FOLDER
    assert (course / "submitted" / "s1" / "hw6" / "hw6.py").read_bytes() == CODE
    assert (course / "submitted" / "s1" / "hw6" / "timestamp.txt").read_text() == "2026-11-30 23:00:00.000000 UTC"
    notebook = json.loads((course / "autograded" / "s1" / "hw6" / "hw6.ipynb").read_text())
    marks = [cell["metadata"].get("nbgrader", {}).get("grade_id") for cell in notebook["cells"]]
    assert marks == [None, "accuracy", "own-weights", None]
    environment = {**os.environ, "HOME": str(tmp_path), "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}

    def nbgrader(*words: str) -> str:
        command = [sys.executable, "-m", "nbgrader", *words]
        done = subprocess.run(command, cwd=course, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stderr

    nbgrader("export", "--to", "exported.csv")
    rows = (course / "exported.csv").read_text().splitlines()
    assert [row.split(",")[0] for row in rows[1:]] == ["hw6", "hw6"]
    named = [dict(zip(rows[0].split(","), row.split(","), strict=True)) for row in rows[1:]]
    assert {row["student_id"]: (row["score"], row["max_score"]) for row in named} == {
        "s1": ("20.0", "20.0"),
        "s2": ("6.0", "20.0"),
    }
    nbgrader("generate_feedback", "hw6")
    page = (course / "feedback" / "s1" / "hw6" / "hw6.html").read_text()
    assert "20 of 20 points" in page
    assert "<b>weights</b>" not in page


def test_what_is_taken_back_leaves_the_gradebook(tmp_path: Path) -> None:
    url = nbgrader_gradebook.url_of(tmp_path)
    write(tmp_path, url, full("s1"))
    write(tmp_path, url, full("s1", submission=None, points=0.0, status="absent", accuracy=None))
    assert not (tmp_path / nbgrader_gradebook.FOLDER / "autograded" / "s1" / "hw6").exists()
    from nbgrader.api import Gradebook

    with Gradebook(url, nbgrader_gradebook.COURSE) as book:
        assert book.find_assignment("hw6").submissions == []


def test_what_a_person_set_stays_even_where_the_file_is_taken_back(tmp_path: Path) -> None:
    url = nbgrader_gradebook.url_of(tmp_path)
    write(tmp_path, url, full("s1"))
    nbgrader_gradebook.set_score(url, "hw6", "s1", 9.0)
    write(tmp_path, url, full("s1", submission=None, points=0.0, status="absent", accuracy=None))
    assert nbgrader_gradebook.set_by_hand(url, "hw6") == {"s1": 9.0}


def test_a_gradebook_that_cannot_be_used_is_said_in_a_line(tmp_path: Path) -> None:
    (tmp_path / "gradebook.db").write_bytes(b"no database" * 100)
    with pytest.raises(KitError, match=r"gradebook .+gradebook.db can't be used") as refused:
        write(tmp_path, nbgrader_gradebook.url_of(tmp_path), full("s1"))
    assert "\n" not in refused.value.message
    with pytest.raises(KitError, match="can't be used") as refused:
        nbgrader_gradebook.set_by_hand("postgresql+psycopg2://user:secret@127.0.0.1:1/course", "hw6")
    assert "secret" not in refused.value.message


def test_a_summary_says_what_was_given_and_why_not() -> None:
    assert nbgrader_gradebook.summary(full("s1")) == "20 of 20 points, over 70%, 80.00% test accuracy"
    assert nbgrader_gradebook.summary(result("s1")).startswith(
        "no points yet, would be 20 points, 80.00% test accuracy ("
    )
    assert grades_table.csv_text([full("s1")]).count("20") >= 2
