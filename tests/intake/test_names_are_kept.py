"""Whatever names lie in a class's folder, no file is lost: each is somebody's, left out by name, or before a person."""

import io
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from autograder.errors import KitError
from autograder.intake.entry import NO_FILE, Entry
from autograder.intake.hand_ins import Intake, collect
from autograder.intake.lms.recognition import NAMES
from autograder.intake.names import key

PEOPLE = ("kim", "lee_jun", "김하늘", "o b", "LATE", "team_3", "anon", "2019001", "a_attempt_2024", "José")
ENDINGS = (".py", ".ipynb", ".zip", ".txt", ".pdf", ".py.txt", ".csv", ".html", "", ".rar", ".md")
METADATA = b"---\nsubmission_1:\n  :submitters:\n  - :name: A\n    :sid: '1'\n  :created_at: 2026-11-29 10:00:00 Z\n"
numbers = st.integers(1, 99_999)
people = st.sampled_from(PEOPLE)


def _token(number: int) -> str:
    """What stands in a name so that it can be found again."""
    return f"tok{number}en"


@st.composite
def _system_names(draw: Any, number: int) -> str:
    """A name as one of the systems makes it, for a file that has the token in its own name."""
    who, id_, upload = draw(people), draw(numbers), draw(numbers)
    own = f"{draw(st.sampled_from(('hw6', 'a_1_2_b', 'x_9_assignsubmission_file', 'hw6 (1)')))}{_token(number)}"
    file = own + draw(st.sampled_from(ENDINGS))
    moment = draw(st.sampled_from(("2026-11-29-10-00-00", "2026-02-31-10-00-00", "2026-12-01-00-00-00")))
    return draw(
        st.sampled_from(
            (
                f"hw6_{who}_attempt_{moment}_{file}",
                f"{who}_{id_}_{upload}_{file}",
                f"{who}_LATE_{id_}_{upload}_{file}",
                f"anon_aB3dE_{upload}_{file}",
                f"{who}_{id_}_assignsubmission_file_/{file}",
                f"{who}_{id_}_assignsubmission_file_{file}",
                f"{who}_assignsubmission_onlinetext/{file}",
                f"submission_{id_}/{file}",
                f"{who}{id_}/hw6/{file}",
                f"{who}/{file}",
                file,
            )
        )
    )


letters = st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="/\\\0")
stray = st.text(letters, min_size=1, max_size=12).filter(lambda name: name.strip() and not name.startswith("."))


@st.composite
def classes(draw: Any) -> dict[str, bytes]:
    """Names and contents of a download, each name with a token of its own."""
    count = draw(st.integers(1, 12))
    files: dict[str, bytes] = {}
    for number in range(count):
        if draw(st.integers(0, 3)):
            name = draw(_system_names(number))
        else:
            name = f"{draw(stray)}{_token(number)}{draw(st.sampled_from(ENDINGS))}"
        files[name] = f"x = {number}\n".encode()
    if draw(st.booleans()):
        files["submission_metadata.yml"] = METADATA
    if draw(st.booleans()):
        files["kim/hw6/timestamp.txt"] = b"2026-11-29 10:00:00 UTC"
    return files


def _texts(class_: Intake) -> str:
    """All that is said of a class; of an absent student only what is said of their files."""
    said = [*class_.left_out]
    for entry in class_.entries:
        said += _of_entry(entry)
    return key("\n".join(said))


def _of_entry(entry: Entry) -> list[str]:
    shown = [name for upload in entry.uploads for name in (*upload.files, *upload.downloaded)]
    if entry.outcome == NO_FILE:
        return [*entry.notes]
    return [entry.student, entry.message, *entry.notes, *shown]


def _read(files: dict[str, bytes], system: str | None, roster: str) -> Intake | None:
    """The class; None where it is refused as a whole, in so many words."""
    with TemporaryDirectory() as folder:
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            for name, content in files.items():
                archive.writestr(zipfile.ZipInfo(name), content)
        source = Path(folder, "class.zip")
        source.write_bytes(packed.getvalue())
        listed = Path(folder, "roster.csv") if roster else None
        if listed is not None:
            listed.write_text(roster, encoding="utf-8")
        try:
            return collect(source, "hw6", system=system, listed=listed)
        except KitError:
            return None


ROSTER = "student id,name,team\n2019001,Kim,\n2019002,김하늘,team 3\nkim,Lee,\n"


@settings(max_examples=100, deadline=None)
@given(classes(), st.sampled_from((None, None, *NAMES)), st.sampled_from(("", ROSTER)))
@example({"kim_1_2_tok0en.py": b"", "kim_3_4_tok1en.py": b"", "final tok2en.py": b"x"}, None, "")
@example({"a_15_assignsubmission_file/tok0en.py": b"x", "b_assignsubmission_file/tok1en.py": b"y"}, None, ROSTER)
def test_no_file_is_lost(files: dict[str, bytes], system: str | None, roster: str) -> None:
    class_ = _read(files, system, roster)
    if class_ is None:
        return
    said = _texts(class_)
    lost = [
        name for name in files if "tok" in name and key(name[name.index("tok") :].split("en")[0]) + "en" not in said
    ]
    assert lost == []
    rows = [key(entry.student) for entry in class_.entries]
    assert len(rows) == len(set(rows))
