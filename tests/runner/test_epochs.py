"""How each epoch did: what the run showed, and what a student's own record may hold and may not."""

import json
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.runner import Asked, FakeRunner

from autograder.commands import grade
from autograder.commands.request import ClassRequest
from autograder.course.dataset import Dataset
from autograder.intake.own_record import LARGEST_RECORD, MOST_EPOCHS, from_csv, from_notebook
from autograder.observations import Epoch, TrainingReport
from autograder.results import store
from autograder.results.result import Result
from autograder.runner import epochs
from autograder.runner.train import Training

# How long an example takes says how busy the machine is, and nothing about the reader.
PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

TABLE = "epoch,train_loss,test_loss,accuracy\n1,1.9012,1.6203,41.25\n2,1.4,1.3,53.00\n"
READ = [
    Epoch(epoch=1, train_loss=1.9012, test_loss=1.6203, accuracy_percent=41.25),
    Epoch(epoch=2, train_loss=1.4, test_loss=1.3, accuracy_percent=53),
]


# --- the run ---------------------------------------------------------------------------------------------------------


def test_the_run_gives_each_epochs_mean_loss_and_accuracy() -> None:
    losses = [(50, 2.0), (100, 1.0), (150, math.nan), (200, 0.5), (300, math.inf)]
    report = TrainingReport(ended_by="script", losses=losses)
    right = np.full((4, 10), 0.0, dtype=np.float32)
    right[:, 3] = 1000.0  # exp overflows unless the largest score is taken off first
    broken = right.copy()
    broken[0, 0] = np.nan
    labels = np.full(4, 3)
    found = epochs.proctored(report, 100, [np.zeros((4, 10), dtype=np.float32), right, broken], labels)
    assert [one.epoch for one in found] == [1, 2, 3]
    assert [one.train_loss for one in found] == [1.5, 0.5, None]
    assert [one.accuracy_percent for one in found] == [0.0, 100.0, 75.0]
    assert found[0].test_loss == pytest.approx(math.log(10))
    assert found[1].test_loss == pytest.approx(0.0)
    assert found[2].test_loss is None


def test_the_average_error_is_the_mean_of_what_is_missing_to_100() -> None:
    assert epochs.average_error_percent(READ) == pytest.approx((58.75 + 47) / 2)


# --- a CSV file ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        TABLE,
        TABLE.replace("\n", "\r\n"),
        TABLE.replace("\n", "\r"),
        "\ufeff" + TABLE,
        "\n \n" + TABLE + "\n , \n",
        TABLE.replace("accuracy", " Accuracy ").replace("epoch", "EPOCH").replace("41.25", ' "41.25" '.strip()),
        "note,accuracy,test_loss,epoch,train_loss\nfirst,41.25,1.6203,1,1.9012\n,53,1.3,2.0,1.4,more\n",
    ],
)
def test_a_record_is_read_however_it_was_written(text: str) -> None:
    assert from_csv(text) == READ


def test_losses_may_be_missing_and_gaps_are_no_error() -> None:
    assert from_csv("accuracy,epoch\n10,1\n20.5,5\n") == [
        Epoch(epoch=1, accuracy_percent=10),
        Epoch(epoch=5, accuracy_percent=20.5),
    ]
    found = from_csv("epoch,accuracy,train_loss,test_loss\n1,0,nan,inf\n2,100,-inf,\n3,50\n")
    assert [(one.train_loss, one.test_loss) for one in found] == [(None, None)] * 3


def rows(count: int) -> str:
    return "epoch,accuracy\n" + "".join(f"{epoch},50\n" for epoch in range(1, count + 1))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no epochs in it"),
        (" \n\n", "no epochs in it"),
        ("epoch,accuracy\n", "no epochs in it"),
        ("hello\n", "line 1: no column is called 'epoch' or 'accuracy'"),
        ("epoch,acc\n1,50\n", "line 1: no column is called 'accuracy'"),
        ("1,2.3,2.2,50\n", "line 1: no column is called 'epoch' or 'accuracy'"),
        ("epoch,accuracy,Epoch\n1,50,1\n", "line 1: two columns are called 'epoch'"),
        ("epoch,accuracy\n1,100.01\n", "line 2: accuracy '100.01' is not from 0 to 100 percent"),
        ("epoch,accuracy\n1,-1\n", "line 2: accuracy '-1' is not from 0 to 100 percent"),
        ("epoch,accuracy\n1,nan\n", "line 2: accuracy 'nan' is not from 0 to 100 percent"),
        ("epoch,accuracy\n1,\n", "line 2: accuracy '' is no number"),
        ("epoch,accuracy\n1\n", "line 2: accuracy '' is no number"),
        ("epoch,accuracy\n0,50\n", "line 2: epoch '0' is no whole number from 1 to 1,000,000"),
        ("epoch,accuracy\n1.5,50\n", "line 2: epoch '1.5' is no whole number from 1 to 1,000,000"),
        ("epoch,accuracy\ninf,50\n", "line 2: epoch 'inf' is no whole number from 1 to 1,000,000"),
        ("epoch,accuracy\n1e7,50\n", "line 2: epoch '1e7' is no whole number from 1 to 1,000,000"),
        ("epoch,accuracy\n1,50\n1,60\n", "line 3: epoch 1 comes after epoch 1"),
        ("epoch,accuracy\n3,50\n\n2,60\n", "line 4: epoch 2 comes after epoch 3"),
        ("epoch,accuracy,test_loss\n1,50,low\n", "line 2: test_loss 'low' is no number"),
        ("epoch,accuracy\n1," + "9" * 100_000 + "\n", "line 2: accuracy '99999999999999999999' is not from 0"),
        ("epoch,accuracy\n" + "9" * 200_000 + ",50\n", "line 2: field larger than field limit"),
        (rows(MOST_EPOCHS + 1), "line 1002: more than 1000 epochs"),
    ],
)
def test_what_is_no_record_is_refused_in_a_few_words(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(reason)}") as refused:
        from_csv(text)
    assert len(str(refused.value)) < 100


def test_the_longest_record_is_read() -> None:
    assert len(from_csv(rows(MOST_EPOCHS))) == MOST_EPOCHS


CELLS = st.sampled_from(["epoch", "accuracy", "train_loss", "1", "2", "50", "nan", "-1", '"', "\0", "\ud800", "", " "])
NEAR = st.lists(st.lists(CELLS, max_size=5).map(",".join), max_size=6).map("\n".join)


@PATIENT
@given(st.one_of(st.text(), NEAR, NEAR.map(lambda text: "epoch,accuracy,train_loss\n" + text)))
def test_no_text_raises_anything_else(text: str) -> None:
    try:
        found = from_csv(text)
    except ValueError:
        return
    numbers = [one.epoch for one in found]
    assert numbers == sorted(set(numbers))
    assert found


# --- a notebook ------------------------------------------------------------------------------------------------------


def notebook(*outputs: Any, kind: str = "code") -> bytes:
    cells = [{"cell_type": kind, "source": "", "outputs": [output]} for output in outputs]
    return json.dumps({"cells": cells, "nbformat": 4, "metadata": {}}).encode()


def printed(text: str | list[str], name: str = "stdout") -> dict[str, Any]:
    return {"output_type": "stream", "name": name, "text": text}


@pytest.mark.parametrize(
    "output",
    [
        printed(TABLE),
        printed(TABLE + "\n"),
        printed(TABLE.splitlines(keepends=True)),
        printed("Files already downloaded\n" + TABLE + "done, after 2 epochs\n3,1,1,60\n"),
        printed("epoch,train_loss,test_loss,accuracy\nnothing\n" + TABLE),
        printed("epoch,accuracy\n1,10\n" + TABLE),
        printed("x" * LARGEST_RECORD + "\n" + TABLE),
        {"output_type": "execute_result", "data": {"text/plain": TABLE, "text/html": "<b>"}},
        {"output_type": "display_data", "data": {"text/plain": TABLE.splitlines(keepends=True)}},
    ],
)
def test_the_table_is_found_in_what_a_notebook_put_out(output: dict[str, Any]) -> None:
    assert from_notebook(notebook(output)) == READ


def test_the_last_table_counts() -> None:
    earlier = printed("epoch,accuracy\n1,10\n")
    later = printed("all is done, epoch 2, accuracy 53%\n")
    assert from_notebook(notebook(earlier, printed(TABLE), later)) == READ
    assert from_notebook(notebook(printed(TABLE), earlier)) == [Epoch(epoch=1, accuracy_percent=10)]


def test_a_table_that_another_kind_of_text_holds_is_none() -> None:
    assert from_notebook(notebook(printed(TABLE, name="stderr"))) == []
    assert from_notebook(notebook(printed(TABLE), kind="markdown")) == []
    assert from_notebook(notebook({"output_type": "error", "traceback": [TABLE]})) == []
    source = {"cell_type": "code", "source": TABLE, "outputs": []}
    assert from_notebook(json.dumps({"cells": [source]}).encode()) == []
    assert from_notebook(notebook(printed("epoch,accuracy\n"))) == []


def test_a_notebooks_table_ends_where_a_row_is_none() -> None:
    assert from_notebook(notebook(printed(TABLE + "2,1,1,60\n3,1,1,70\n"))) == READ
    assert len(from_notebook(notebook(printed(rows(MOST_EPOCHS + 5))))) == MOST_EPOCHS


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe",
        b"[" * 100_000,
        b"1" * 10_000,
        b"null",
        b'"text"',
        b'{"cells": {"outputs": 1}}',
        b'{"cells": [1, null, {"cell_type": "code"}, {"cell_type": ["code"], "outputs": 3}]}',
        notebook(1, None, [], {}, {"name": "stdout"}, {"data": []}, {"data": {"text/plain": 5}}, printed([1, "a"])),  # type: ignore[list-item]
        notebook(printed("epoch,accuracy\n1," + "5" * 150_000)),
    ],
)
def test_no_table_is_no_error(content: bytes) -> None:
    assert from_notebook(content) == []


JSON = st.recursive(
    st.none() | st.integers() | st.sampled_from(["code", "stdout", TABLE, "epoch,accuracy\n1,\ud800"]) | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["cells", "cell_type", "outputs", "name", "text", "data", "text/plain"]), inner
        )
    ),
    max_leaves=15,
)


@PATIENT
@given(st.one_of(st.binary(), JSON.map(lambda value: json.dumps(value).encode())))
def test_no_notebook_raises(content: bytes) -> None:
    assert isinstance(from_notebook(content), list)


# --- a class that is graded twice ------------------------------------------------------------------------------------


def test_a_new_record_is_shown_and_nothing_is_trained_again(practice: Dataset, tmp_path: Path) -> None:
    def train(asked: Asked) -> Training:
        answers = np.eye(10, dtype=np.float32)[practice.test_labels[:100]]
        report = TrainingReport(ended_by="script", epochs=1.0, images=400, kept_epochs=1, losses=[(100, 2.0)])
        return Training("GRADED", "", report, {"eval": answers}, epoch_scores=[answers])

    runner = FakeRunner(training=train)
    folder = tmp_path / "class" / "s1"
    folder.mkdir(parents=True)
    (folder / "resnet20.py").write_text("print('homework')\n")

    def graded() -> Result:
        request = ClassRequest(
            submissions=tmp_path / "class",
            out=tmp_path / "out",
            homework="resnet20",
            data=practice.folder,
            protocol="preview",
            workers=1,
            sandbox="none",
            gradebook="none",
        )
        assert grade.grade(request, runner=runner) == 0
        found = store.read(tmp_path / "out" / "s1")
        assert found is not None
        return found

    first = graded()
    assert (len(first.epochs), first.own_epochs) == (1, [])
    for text, own, notes in (
        (TABLE, READ, []),
        ("epoch,accuracy\n1,10\n", [Epoch(epoch=1, accuracy_percent=10)], []),
        ("epoch\n", [], ["history.csv: line 1: no column is called 'accuracy'"]),
    ):
        (folder / "history.csv").write_text(text)
        found = graded()
        assert found.own_epochs == own
        assert found.record_notes == notes
        assert found.notices == first.notices
        assert (found.epochs, found.accuracy, found.evidence_key) == (first.epochs, first.accuracy, first.evidence_key)
        assert found.key != first.key
        page = (tmp_path / "out" / "s1" / "feedback.html").read_text(encoding="utf-8")
        assert ("your own record" in page) == bool(own)
    (folder / "history.csv").unlink()
    assert graded() == first
    assert len(runner.trainings) == 1
