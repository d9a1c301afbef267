"""The bench of what a submission costs the grader, whole, with tiny classes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from autograder.files import ROOT
from autograder.intake import hand_ins
from autograder.publish import similar_files

sys.path.insert(0, str(ROOT / "bench"))
import cohort

BENCH = str(ROOT / "bench" / "cohort.py")


@pytest.mark.slow
def test_all_of_it_with_tiny_classes(tmp_path: Path) -> None:
    out = tmp_path / "new" / "cohort.json"
    done = subprocess.run(
        [sys.executable, BENCH, "--sizes", "3", "6", "--out", str(out)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=540,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(out.read_text())
    assert {"submission_cost_ratio", "mib_more_per_1000", "mib_more_per_1000_comparing"} < set(found)
    small, large = found["classes"]
    assert (small["students"], large["students"]) == (3, 6)
    # Of each student a folder with result, page, log and the file; for formgrader the file, its time twice, a notebook.
    assert large["files"] - small["files"] == 3 * 8
    for one in found["classes"]:
        assert all(seconds > 0 for seconds in one["parts"].values())
        assert 0 < one["start_mib"] <= one["peak_mib"] <= one["peak_comparing_mib"]
        # What a page and a result of a real run weigh, and not those of somebody for whom nothing ran.
        assert one["disk_bytes"]["result.json"] > 50_000 * one["students"]
        assert one["disk_bytes"]["feedback.html"] > 40_000 * one["students"]
    for heading in ("| students | seconds |", "| CPU ms for one submission more | 3 to 6 |", "kB on disk"):
        assert heading in done.stdout


def measured(students: int, comparing_s: float, each_s: float) -> cohort.Measured:
    """A class that takes `each_s` for each student, 5 s to start, and `comparing_s` for the comparison of files."""
    own_s = 5 + students * each_s
    parts = {"comparing files": comparing_s, "checks": students * each_s / 2}
    return cohort.Measured(
        students, 2 * own_s, own_s + comparing_s, parts, 500, 500 + students / 8, 600 + students / 4, 7 * students, {}
    )


def test_neither_the_start_nor_the_comparison_counts() -> None:
    found = cohort.ratios([measured(10, 1, 0.5), measured(100, 100, 0.5), measured(1000, 10_000, 0.75)])
    grows = (1000 * 0.75 - 100 * 0.5) / 900 / 0.5
    assert found["submission_cost_ratio"] == pytest.approx(grows)
    assert found["mib_more_per_1000"] == pytest.approx(125)
    assert found["mib_more_per_1000_comparing"] == pytest.approx(250)


def test_files_are_everybodys_own(tmp_path: Path) -> None:
    cohort.write_class(tmp_path, 12)
    class_ = hand_ins.collect(tmp_path, "hw6", None).entries
    files = [entry.submission for entry in class_ if entry.submission is not None]
    assert [cohort.seed_of(one) for one in files] == list(range(12))
    for one in files:
        compile(one.script, one.name, "exec")
    assert similar_files.pairs(class_, cohort.HW6) == []


@pytest.mark.parametrize("sizes", [["10"], ["10", "10"], ["100", "10"]])
def test_sizes_that_make_no_difference_are_refused(
    sizes: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["cohort.py", "--sizes", *sizes])
    with pytest.raises(SystemExit):
        cohort.main()
    assert "--sizes: at least two, each larger than the one before" in capsys.readouterr().err
