"""What the GPUs did while a class ran. There is none here: a script stands for nvidia-smi."""

import time
from pathlib import Path

import pytest
from support.classes import write
from support.results import result

from autograder.course import rubric
from autograder.publish.charts import gpu_use
from autograder.publish.class_report import class_report
from autograder.runner import nvidia_smi

NVIDIA_SMI = """#!/bin/sh
# Prints a sample of two GPUs ten times a second, and remembers what it was asked for.
echo "$@" >"$0.asked"
while true; do
    echo "2026/11/27 18:00:00.000, 0, NVIDIA H200, 80, 2000, 143771"
    echo "2026/11/27 18:00:00.000, 1, NVIDIA H200, [N/A], [N/A], 143771"
    sleep 0.1
done
"""


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    command = tmp_path / "bin" / "nvidia-smi"
    write(command, NVIDIA_SMI)
    command.chmod(0o755)
    monkeypatch.setenv("PATH", str(command.parent), prepend=":")
    monkeypatch.setattr(nvidia_smi, "gpu_available", lambda: True)
    return command


def test_samples_are_recorded_while_a_class_runs_and_added_by_the_next_run(command: Path, tmp_path: Path) -> None:
    counts = []
    for _ in range(2):
        with nvidia_smi.recorded(tmp_path):
            time.sleep(0.5)
        counts.append(len(nvidia_smi.read(tmp_path)))
        time.sleep(0.3)
        assert len(nvidia_smi.read(tmp_path)) == counts[-1]  # nothing goes on after the run
    assert 0 < counts[0] < counts[1]
    assert nvidia_smi.read(tmp_path)[0] == nvidia_smi.Sample(0, "NVIDIA H200", 80, 2000, 143771)
    asked = command.with_name("nvidia-smi.asked").read_text()
    assert f"--query-gpu={nvidia_smi.COLUMNS}" in asked
    assert "--loop=10" in asked


def test_without_a_gpu_nothing_is_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nvidia_smi, "gpu_available", lambda: False)
    with nvidia_smi.recorded(tmp_path):
        pass
    assert not (tmp_path / nvidia_smi.FILE).exists()
    assert nvidia_smi.read(tmp_path) == []
    assert gpu_use.plot([]) is None


def test_a_record_that_was_cut_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    (tmp_path / nvidia_smi.FILE).write_bytes(b"2026, 0, A, 50, 1, 2\n2026, 0, A, fifty, 1, 2\n\xff\n2026, 0, A, 5")
    assert nvidia_smi.read(tmp_path) == [nvidia_smi.Sample(0, "A", 50, 1, 2)]


def test_the_report_draws_each_gpu_and_has_the_numbers() -> None:
    samples = [
        nvidia_smi.Sample(gpu, "<b>H200</b>", 10.0 * (number // 10) if gpu else 100.0, 1000.0 + number, 143_771.0)
        for number in range(100)
        for gpu in (0, 1)
    ]
    used = gpu_use.plot(samples)
    assert used is not None
    assert used.seconds == 1000
    assert [line.percent for line in used.lines] == [100, 45]
    assert used.lines[1].tenths == [10.0 * tenth for tenth in range(10)]
    page = class_report([result()], rubric.load(rubric.PATH, "hw6"), used=used)
    assert all(f'<path class="mean" d="{line.path}"/>' in page for line in used.lines)
    assert "1: &lt;b&gt;H200&lt;/b&gt;" in page
    assert '<td class="number">45%</td>' in page
    assert "1,099 of 143,771 MiB" in page
    assert "What the GPU did" not in class_report([result()], rubric.load(rubric.PATH, "hw6"))
