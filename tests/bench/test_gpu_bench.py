"""The bench of trainings on a GPU, whole on the processor with tiny sizes, and the decisions that it makes."""

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from autograder.files import ROOT

sys.path.insert(0, str(ROOT / "bench"))
import gpu
import gpu_worker
from gpu_worker import Measured

MPS = """#!/bin/sh
if [ "$1" = -d ]; then echo "started in $CUDA_MPS_PIPE_DIRECTORY" >> "{log}"; touch "{log}.on"; exit {status}; fi
read said
[ -e "{log}.on" ] || exit 1
echo "$said" >> "{log}"
"""


def _bench(*words: str, gpus: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(ROOT / "bench" / "gpu.py"), *words],
        env={**os.environ, "PYTHONPATH": str(ROOT), "CUDA_VISIBLE_DEVICES": gpus},
        capture_output=True,
        text=True,
        check=False,
        timeout=540,
    )


@pytest.mark.slow
def test_all_of_it_on_the_processor(tmp_path: Path) -> None:
    out = tmp_path / "new" / "gpu.json"
    tiny = ["--images", "16", "--batches", "2", "--processes", "2", "--seconds", "0.2", "--minutes", "8"]
    done = _bench("--device", "cpu", *tiny, "--full", "--out", str(out))
    assert done.returncode == 0, done.stderr
    found = json.loads(out.read_text())
    assert found["left_out"] == []
    assert found["flop_per_image"] == {"forward": 1_110_845_440, "backward": 2_218_151_936}
    (row,) = found["alone"]
    for name in ("tensors", "loader", "reference"):
        assert row[name]["images_per_s"]
        assert min(row[name]["images_per_s"]) > 0
        assert 100 < row[name]["peak_mib"] < row[name]["total_mib"]
    (profile,) = found["profile"].values()
    for kind in ("convolution", "batch norm", "optimizer", "ReLU"):
        assert profile[kind] > 0, kind
    assert max(profile, key=profile.__getitem__) == "convolution"
    assert found["full"]["images"] == 80
    assert found["full"]["test_images"] == 16
    assert [(one["batch"], one["processes"]) for one in found["shared"]] == [(2, 2)]
    assert found["sharing"] == "processes side by side"
    for heading in ("images/s, from the loader", "time of 20 profiled steps", "images/s together", "Five epochs"):
        assert heading in done.stdout


@pytest.mark.slow
def test_without_a_gpu_it_says_so_in_a_line() -> None:
    done = _bench()
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: torch finds no GPU")
    assert "hint: " in line


def test_what_does_not_fit_the_minutes_is_left_out_and_said() -> None:
    budget = gpu.Budget(minutes=1)
    assert budget.allows("this", 30)
    assert not budget.allows("that", 90)
    assert budget.left_out == ["that: about 90 s, and 60 s were left"]


def test_what_fails_is_said_and_the_rest_goes_on() -> None:
    budget = gpu.Budget(minutes=1)
    assert budget.attempt("a division", lambda: 1 / 0) is None
    assert budget.left_out == ["a division: failed, ZeroDivisionError: division by zero"]


def test_processes_share_a_gpu_as_long_as_they_fit() -> None:
    assert gpu.fits(8, held_mib=1_000, total_mib=16_000)
    assert not gpu.fits(8, held_mib=2_000, total_mib=16_000)  # nothing would be left for anybody else


def test_what_processes_reach_together_is_a_sum() -> None:
    seen = [Measured((10.0, 12.0, 11.0), 100, 120, 300, 1000), Measured((9.0, 9.0, 10.0), 110, 120, 310, 1000)]
    row = gpu.together(4, seen)
    assert (row["processes"], row["images_per_s"], row["parts"]) == (2, 20.0, [19.0, 21.0, 21.0])
    assert (row["peak_mib"], row["held_mib"]) == (110, 310)


def test_submissions_an_hour() -> None:
    assert gpu.per_hour(2_500, 1, fixed_s=0) == pytest.approx(36)
    assert gpu.per_hour(2_500, 1, fixed_s=20) == pytest.approx(30)
    # Two that train at half that speed each take twice as long for the training, but not for the rest.
    assert gpu.per_hour(2_500, 2, fixed_s=20) == pytest.approx(2 * 3600 / 220)


def test_columns_without_a_number_are_not_printed() -> None:
    assert gpu._table(["a", "b", "c"], [[1, "", 3], [4, "", ""]]) == "| a | c |\n| --- | --- |\n| 1 | 3 |\n| 4 |  |"


def test_time_goes_to_the_outermost_operation_that_says_what_it_is() -> None:
    def event(*names: str) -> SimpleNamespace | None:
        return SimpleNamespace(name=names[-1], cpu_parent=event(*names[:-1])) if names else None

    backward = "autograd::engine::evaluate_function: ConvolutionBackward0"
    assert gpu_worker._kind(event(backward, "aten::convolution_backward", "aten::copy_")) == "convolution"
    assert gpu_worker._kind(event("Optimizer.step#SGD.step", "aten::add_")) == "optimizer"
    assert gpu_worker._kind(event("aten::add")) == "additions"
    assert gpu_worker._kind(event("aten::cudnn_batch_norm")) == "batch norm"
    assert gpu_worker._kind(event("aten::to", "aten::_to_copy", "aten::copy_")) == "copies"
    assert gpu_worker._kind(event("aten::mean")) == gpu_worker.REST


# --- CUDA MPS --------------------------------------------------------------------------------------------------------


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Puts a stand-in of the service's control program on the path; what it was told is in the file returned."""

    def install(status: int = 0, running: bool = False) -> Path:
        log = tmp_path / "log"
        log.touch()
        if running:
            (tmp_path / "log.on").touch()
        program = tmp_path / gpu.MPS
        program.write_text(MPS.format(log=log, status=status))
        program.chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
        return log

    monkeypatch.delenv("CUDA_MPS_PIPE_DIRECTORY", raising=False)
    return install


def test_mps_is_started_used_and_ended(service) -> None:
    log = service()
    with gpu.sharing(True) as how:
        assert how == "CUDA MPS"
        folder = os.environ["CUDA_MPS_PIPE_DIRECTORY"]
        assert Path(folder).is_dir()
    assert log.read_text().splitlines() == [f"started in {folder}", "quit"]
    assert "CUDA_MPS_PIPE_DIRECTORY" not in os.environ
    assert not Path(folder).exists()


def test_mps_that_runs_already_is_somebody_elses(service) -> None:
    log = service(running=True)
    with gpu.sharing(True) as how:
        assert how == "CUDA MPS, which was running already"
    assert log.read_text().splitlines() == ["get_server_list"]


@pytest.mark.parametrize(("status", "asked", "words"), [(1, True, "couldn't be started"), (0, False, "wasn't asked")])
def test_without_mps_processes_take_turns(service, status: int, asked: bool, words: str) -> None:
    log = service(status)
    with gpu.sharing(asked) as how:
        assert how.startswith("turns (time slicing)")
        assert words in how
    assert "quit" not in log.read_text()
