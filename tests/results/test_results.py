"""Results on disk: whole or not at all, and read only when valid."""

import csv
import io
import json
import math
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support.results import result

from autograder.errors import KitError
from autograder.files import ROOT, write_text
from autograder.language import duration
from autograder.observations import TrainingReport
from autograder.results import grades_table, store


def test_a_result_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    written = result()
    store.write(tmp_path / "new folder", written)
    assert store.read(tmp_path / "new folder") == written
    assert [path.name for path in (tmp_path / "new folder").iterdir()] == ["result.json"]


@pytest.mark.parametrize("loss", [math.nan, math.inf, -math.inf])
def test_numbers_that_are_not_finite_survive_as_strict_json(tmp_path: Path, loss: float) -> None:
    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    store.write(tmp_path, result(training=TrainingReport(ended_by="script", losses=[(4, loss)])))
    json.loads((tmp_path / "result.json").read_text(encoding="utf-8"), parse_constant=refuse)
    read = store.read(tmp_path)
    assert read is not None
    assert read.training is not None
    assert repr(read.training.losses[0][1]) == repr(loss)


def test_no_result_is_none_and_a_damaged_one_is_an_error(tmp_path: Path) -> None:
    assert store.read(tmp_path) is None
    store.write(tmp_path, result())
    path = tmp_path / "result.json"
    whole = path.read_text(encoding="utf-8")
    fields = json.loads(whole)
    for damaged in (
        whole[: len(whole) // 2],
        "",
        "[]",
        json.dumps({**fields, "schema_version": 1}),
        json.dumps({**fields, "points": "many"}),
        json.dumps({**fields, "status": "excellent"}),
        json.dumps({**fields, "more": 1}),
        json.dumps({name: value for name, value in fields.items() if name != "rubric"}),
    ):
        path.write_text(damaged, encoding="utf-8")
        with pytest.raises(KitError, match="not a result of schema version 2"):
            store.read(tmp_path)


WRITER = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from autograder.files import write_text
folder = Path(sys.argv[1])
while True:
    for letter in "ab":
        write_text(folder / "result.json", letter * 300_000)
        print(flush=True)
"""


def test_a_writer_killed_at_any_moment_leaves_a_whole_file(tmp_path: Path) -> None:
    rng = random.Random(0)
    for _ in range(5):
        command = [sys.executable, "-c", WRITER, str(tmp_path), str(ROOT)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as writer:
            assert writer.stdout is not None
            writer.stdout.readline()
            time.sleep(rng.random() / 20)
            writer.send_signal(signal.SIGKILL)
        content = (tmp_path / "result.json").read_text()
        assert content in ("a" * 300_000, "b" * 300_000)
    (tmp_path / ".result.json.abc").write_text("half")
    store.remove_left_overs(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["result.json"]


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_text(tmp_path / "result.json", "old")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_text(tmp_path / "result.json", "new")
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"result.json": "old"}


def test_the_gradebook_column_of_a_preview_gives_no_points() -> None:
    text = grades_table.csv_text(
        [result("s2", name="김하늘"), result("s1", status="absent", accuracy=None, submission=None, flags=[])]
    )
    assert text == (
        "student,name,points,max_points,accuracy_percent,tier,status,protocol,flags,submitted_at,sha256,decided_by\n"
        "s1,,,20,,would be 20 points,absent,preview,,,,nobody\n"
        "s2,김하늘,,20,80.00,would be 20 points,preview,preview,own-weights other-data,2026-11-30 23:58:01+00:00,"
        + "ab" * 32
        + ",nobody\n"
    )


def test_the_gradebook_column_of_a_full_run_gives_them() -> None:
    own = {**result().dataset.model_dump(), "name": "cifar10", "own": True}
    full = {"name": "full", "own_budget": True, "epochs": 5, "time_box_s": 7200.0}
    given = result(dataset=own, protocol=full, status="graded", points=20.0, no_points_because=None)
    other_data = result(protocol=full, status="no points")
    other_box = result(dataset=own, protocol={**full, "own_budget": False}, status="no points")
    undecided = result(status="needs a person", tier=None, would_earn=None, accuracy=None)
    rows = list(csv.DictReader(io.StringIO(grades_table.csv_text([given, other_data, other_box, undecided]))))
    assert [(row["points"], row["tier"], row["protocol"]) for row in rows] == [
        ("20", "over 70%", "full"),
        ("", "would be 20 points", "full (on practice): no points"),
        ("", "would be 20 points", "full (another time box): no points"),
        ("", "", "preview"),
    ]


def test_a_name_with_commas_and_quotes_stays_one_column() -> None:
    name = 'Núñez, "Ana"'
    rows = list(csv.DictReader(io.StringIO(grades_table.csv_text([result(name)]))))
    assert rows[0]["student"] == name


def test_durations_read_as_people_write_them() -> None:
    assert [duration(seconds) for seconds in (0, 5.4, 65, 3599.6, 7200, 100_000)] == [
        "0:00",
        "0:05",
        "1:05",
        "1:00:00",
        "2:00:00",
        "27:46:40",
    ]
