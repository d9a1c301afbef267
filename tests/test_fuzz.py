"""Whatever bytes come in, from students or from their processes, become an answer or an error of ours with a name.

Found by hypothesis, which keeps what breaks and tries it first the next time.
"""

import contextlib
import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from support import downloads

from autograder import checks, homeworks
from autograder.course import checkpoint, rubric
from autograder.errors import KitError
from autograder.intake import hand_ins, roster, submission
from autograder.intake.entry import READ
from autograder.intake.hand_ins import Intake
from autograder.intake.submission import Submission, UnreadableError
from autograder.observations import Observations, TrainingReport
from autograder.results import history, store
from autograder.runner import conversation, observe
from autograder.runner.conversation import RunError

HOMEWORK = homeworks.load("hw6")
SHAPE = (3, 10)
QUICK = settings(max_examples=150, deadline=None)  # the clock is not what is tested

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=12,
)


def attempt(read: Callable[[], Any]) -> tuple[Any, str]:
    """What `read` gives, and the name of the outcome where it refuses. Any other error passes."""
    try:
        return read(), ""
    except (RunError, UnreadableError) as error:
        return None, error.outcome


def right_bytes() -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array(file, np.zeros(SHAPE, np.float32), version=(1, 0), allow_pickle=False)
    return file.getvalue()


@st.composite
def damaged(draw: st.DrawFn, whole: bytes) -> bytes:
    """The bytes with some exchanged, cut off or added."""
    content = bytearray(whole)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, max(len(content) - 1, 0)))
        content[at : at + draw(st.integers(0, 3))] = draw(st.binary(max_size=6))
    return bytes(content[: draw(st.integers(0, len(content)))] if draw(st.booleans()) else content)


@QUICK
@given(st.binary(max_size=300) | damaged(right_bytes()))
@example(b"\x93NUMPY\x01\x00\x06\x00\x00\x00\x00'''")  # numpy reads the header with a tokenizer of Python's
def test_scores_are_an_array_of_the_right_shape_or_none(content: bytes) -> None:
    scores, outcome = attempt(lambda: conversation.scores(content, SHAPE))
    assert outcome in ("", "NOT_NPY", "BAD_DTYPE", "BAD_SHAPE", "BAD_LENGTH", "BAD_MESSAGE", "CRASHED")
    assert outcome or (scores.shape, scores.dtype) == (SHAPE, np.float32)


@QUICK
@given(st.binary(max_size=200) | damaged(b'{"kind": "trained", "report": {"ended_by": "script"}}'))
def test_a_message_is_an_object_with_a_kind_or_refused(content: bytes) -> None:
    message, outcome = attempt(lambda: conversation.parsed(content))
    assert outcome == "BAD_MESSAGE" or isinstance(message["kind"], str)


@settings(max_examples=50, deadline=None)
@given(
    st.dictionaries(st.sampled_from(sorted({*Observations.model_fields, "x"})), anything, max_size=6),
    st.dictionaries(st.sampled_from(sorted({*TrainingReport.model_fields, "x"})), anything, max_size=6) | anything,
)
def test_observations_and_reports_are_valid_or_refused(said: dict[str, Any], report: Any) -> None:
    handed_in = Submission("hw6.py", b"x = 1\n", b"x = 1\n", "0" * 64)
    seen = observe._observations(HOMEWORK, handed_in, said, None)
    assert (seen.homework, seen.file) == ("hw6", "hw6.py")
    checks.run(seen, HOMEWORK)  # what is valid is something that checks can read
    told, outcome = attempt(lambda: conversation.validated(TrainingReport, report, "the report"))
    assert outcome == "BAD_MESSAGE" or isinstance(told, TrainingReport)


NOTEBOOK = json.dumps({"cells": [{"cell_type": "code", "source": ["x = 1\n"], "outputs": []}], "nbformat": 4}).encode()


@QUICK
@given(
    st.binary(max_size=300) | damaged(b"# coding: utf-8\nx = ...\n") | damaged(NOTEBOOK),
    st.sampled_from([".py", ".ipynb"]),
)
def test_a_file_is_read_or_refused_with_a_name(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, suffix: str
) -> None:
    path = tmp_path_factory.getbasetemp() / f"fuzz{suffix}"
    path.write_bytes(content)
    handed_in, outcome = attempt(lambda: submission.read(path))
    assert outcome in ("", "EMPTY", "BINARY", "ENCODING", "SOURCE_TOO_BIG", "BAD_NOTEBOOK", "UNREADABLE")
    assert outcome or isinstance(submission.blanks(handed_in.script), list)


names = st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=12).filter(
    lambda name: name not in (".", "..")
)


@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(
        names, st.dictionaries(names, st.binary(max_size=20), max_size=3) | st.binary(max_size=20), max_size=5
    )
)
def test_a_class_of_any_names_is_taken_in(tmp_path_factory: pytest.TempPathFactory, tree: dict[str, Any]) -> None:
    folder = tmp_path_factory.mktemp("class")
    for name, content in tree.items():
        if isinstance(content, bytes):
            (folder / name).write_bytes(content)
            continue
        (folder / name).mkdir()
        for inner, data in content.items():
            (folder / name / inner).write_bytes(data)
    try:
        found = hand_ins.collect(folder, "hw6")
    except KitError:
        return  # nobody is in it, or two are called the same
    assert isinstance(found, Intake)
    assert len({entry.student for entry in found.entries}) == len(found.entries)


@QUICK
@given(st.binary(max_size=300) | damaged(b'{"schema_version": 1, "key": "a"}'))
def test_results_and_checkpoints_are_read_or_refused(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    folder = Path(tmp_path_factory.getbasetemp(), "read")
    folder.mkdir(exist_ok=True)
    for name in ("result.json", "a.safetensors", "a.json"):
        (folder / name).write_bytes(content)
    with pytest.raises(KitError):
        store.read(folder)
    with pytest.raises(KitError):
        checkpoint.load(folder / "a.safetensors")


RUBRIC = rubric.PATH.read_bytes()


@QUICK
@given(damaged(RUBRIC) | st.binary(max_size=200), st.sampled_from(["hw6", "resnet20", "resnet50"]))
def test_a_rubric_is_complete_or_refused(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, homework_name: str
) -> None:
    path = tmp_path_factory.getbasetemp() / "rubric.md"
    path.write_bytes(content)
    try:
        ruled = rubric.load(path, homework_name)
    except KitError:
        return
    for hundredths in range(0, 10_001, 37):
        assert ruled.decide(hundredths / 100).points >= 0


@st.composite
def zipped(draw: st.DrawFn) -> bytes:
    """A zip archive, damaged or not."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", draw(st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]))) as archive:
        for name in draw(st.lists(st.sampled_from(["hw6.py", "a/hw6.py", "b/", "../c.py", "d.txt"]), max_size=4)):
            archive.writestr(zipfile.ZipInfo(name), draw(st.binary(max_size=20)))
    whole = file.getvalue()
    return whole if draw(st.booleans()) else draw(damaged(whole))


@QUICK
@pytest.mark.filterwarnings("ignore:Duplicate name")
@given(zipped() | st.binary(max_size=200))
def test_an_archive_is_looked_into_or_refused(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    folder = tmp_path_factory.getbasetemp() / "zipped"
    (folder / "s1").mkdir(parents=True, exist_ok=True)
    (folder / "s1" / "hw6.zip").write_bytes(content)
    (entry,) = hand_ins.collect(folder, "hw6").entries
    assert (entry.outcome == READ) == (entry.submission is not None)
    try:
        class_ = hand_ins.collect(folder / "s1" / "hw6.zip", "hw6")
    except KitError:
        return
    assert all("/" not in entry.student for entry in class_.entries)


TIMES = st.from_regex(r"20\d\d-[01]\d-[0-3]\d-[0-2]\d-[0-6]\d-[0-6]\d", fullmatch=True)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(names, TIMES, names, st.booleans()), min_size=1, max_size=5, unique_by=lambda one: one[:3]))
def test_blackboards_names_are_read_whatever_students_add(
    tmp_path_factory: pytest.TempPathFactory, attempts: list[tuple[str, str, str, bool]]
) -> None:
    members = []
    for student, at, name, receipt in attempts:
        members.append((f"hw6_{student}_attempt_{at}_{name}.py", b"x = 1\n"))
        if receipt:
            members.append((f"hw6_{student}_attempt_{at}.txt", f"Name: A ({student})\n".encode()))
    folder = tmp_path_factory.mktemp("blackboard")
    try:
        class_ = hand_ins.collect(downloads.pack(folder / "class.zip", members), "hw6")
    except KitError:
        return  # nobody's time is one, or a name leads out of the archive
    assert all(entry.submission or entry.message for entry in class_.entries)


@QUICK
@given(st.binary(max_size=200) | damaged(b"Student ID,Name\ns1,A\ns2,B\n"))
def test_rosters_and_histories_are_read_or_refused(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    folder = Path(tmp_path_factory.getbasetemp(), "listed")
    folder.mkdir(exist_ok=True)
    for name in ("roster.csv", history.FILE):
        (folder / name).write_bytes(content)
    for read in (lambda: roster.read(folder / "roster.csv"), lambda: history.read(folder)):
        with contextlib.suppress(KitError):
            assert read() is not None
