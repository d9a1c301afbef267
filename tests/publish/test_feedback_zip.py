"""Feedback pages in one zip file, under the names that systems know them by."""

import zipfile
from pathlib import Path

import pytest
from support import downloads
from support.downloads import Uploaded
from support.results import result

from autograder.errors import KitError
from autograder.files import write_text
from autograder.intake import hand_ins
from autograder.publish.feedback_zip import bundle
from autograder.results import store


def write(out: Path, **names: str) -> Path:
    """Results and pages of these students: id, without what stands before its first "x", to name."""
    for key, name in names.items():
        student = key.partition("x")[2] or key
        store.write(out / student, result(student, name=name, points=20.0))
        write_text(out / student / "feedback.html", f"<p>{student} 피드백</p>")
    return out


def names(path: Path) -> list[str]:
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        return archive.namelist()


def test_moodle_finds_whose_it_is_by_the_folder(tmp_path: Path) -> None:
    out = write(tmp_path / "out", x71="Inês Carvalho", x72="김 하늘", x73="", x74="../a_b/c: d?", x75=".hidden")
    assert bundle(out, "moodle", None, tmp_path / "to.zip") == 5
    assert names(tmp_path / "to.zip") == [
        "Inês Carvalho_71_assignsubmission_file_/feedback.html",
        "Participant_73_assignsubmission_file_/feedback.html",
        "a b c d_74_assignsubmission_file_/feedback.html",
        "hidden_75_assignsubmission_file_/feedback.html",
        "김 하늘_72_assignsubmission_file_/feedback.html",
    ]
    with zipfile.ZipFile(tmp_path / "to.zip") as archive:
        page = archive.read("김 하늘_72_assignsubmission_file_/feedback.html")
    assert page.decode() == "<p>72 피드백</p>"
    with pytest.raises(KitError, match="kim: Moodle knows participants by numbers") as raised:
        bundle(write(out, kim=""), "moodle", None, tmp_path / "to.zip")
    assert raised.value.hint


def test_canvas_finds_whose_it_is_by_the_name_that_it_gave(tmp_path: Path) -> None:
    given = downloads.canvas([Uploaded("7001", "Inês Carvalho", "", [("my hw6-1.py", b"")], late=True)])
    out = write(tmp_path / "out", x7001="Inês Carvalho", x7002="김 하_늘", x7003="")
    assert bundle(out, "canvas", {"7001": given[0][0], "9": "x_9_1_a.py"}, tmp_path / "to.zip") == 3
    assert names(tmp_path / "to.zip") == [
        "7003_feedback.html",
        "inêscarvalho_LATE_7001_90000_my hw6-1.html",
        "김하늘_7002_feedback.html",
    ]
    bundle(out, "canvas", {"7001": "../../x_7001_1_..\\a.py"}, tmp_path / "to.zip")
    assert "x_7001_1_.. a.html" in names(tmp_path / "to.zip")


@pytest.mark.parametrize("lms", ["blackboard", "gradescope", "csv"])
def test_elsewhere_a_name_has_the_id(tmp_path: Path, lms: str) -> None:
    out = write(tmp_path / "out", ines="Inês", kim_su="")
    write_text(out / "report.html", "")
    (out / "not a student").mkdir()
    assert bundle(out, lms, None, tmp_path / "new" / "to.zip") == 2
    assert names(tmp_path / "new" / "to.zip") == ["ines_feedback.html", "kim_su_feedback.html"]


def test_a_bundle_is_the_same_whenever_it_is_made(tmp_path: Path) -> None:
    out = write(tmp_path / "out", s1="A", s2="B")
    bundle(out, "csv", None, tmp_path / "one.zip")
    write_text(out / "s1" / "feedback.html", "<p>s1 피드백</p>")  # the same words at another time
    bundle(out, "csv", {}, tmp_path / "two.zip")
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()
    assert zipfile.ZipFile(tmp_path / "one.zip").infolist()[0].date_time == (1980, 1, 1, 0, 0, 0)


@pytest.mark.parametrize("lms", ["moodle", "canvas"])
def test_a_bundle_has_the_names_of_a_download(tmp_path: Path, lms: str) -> None:
    """What recognises a download finds the same students in it."""
    out = write(tmp_path / "out", x71="Inês Carvalho", x72="김 하늘")
    sources = {"71": "inêscarvalho_71_5_hw6.py", "72": "김하늘_72_6_hw6.ipynb"}
    bundle(out, lms, sources, tmp_path / "to.zip")
    found = hand_ins.collect(tmp_path / "to.zip", "hw6", system=lms)
    assert sorted(entry.student for entry in found.entries) == ["71", "72"]


def test_what_is_refused(tmp_path: Path) -> None:
    out = write(tmp_path / "out", s1="A", s2="B")
    to = tmp_path / "to.zip"
    sources = {"s1": "a_1_2_hw6.py", "s2": "a_1_2_hw6.ipynb"}
    for lms, names_, place, message in (
        ("sakai", None, to, "nothing is known of 'sakai'"),
        ("canvas", sources, to, "a_1_2_hw6.html: is the name of two pages"),
        ("csv", None, tmp_path, "can't be written"),
    ):
        with pytest.raises(KitError, match=message) as raised:
            bundle(out, lms, names_, place)
        assert raised.value.hint
    (out / "s2" / "feedback.html").unlink()
    with pytest.raises(KitError, match=r"s2/feedback\.html: is missing") as raised:
        bundle(out, "csv", None, to)
    assert raised.value.hint
    with pytest.raises(KitError, match="holds no results"):
        bundle(tmp_path / "nowhere", "csv", None, to)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
