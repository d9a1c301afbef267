"""A class on the workers of a scheduler: real schedulers and workers, some of which are killed."""

import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest
import yaml
from support.classes import TINY, done, table, write
from support.waiting import wait_for

from autograder.course.dataset import Dataset
from autograder.files import ROOT
from autograder.grading.cluster import DATA
from autograder.sandbox.sandbox import Sandbox

pytestmark = pytest.mark.slow

Start = Callable[..., "subprocess.Popen[str]"]
PYTHON = {**os.environ, "PYTHONPATH": str(ROOT)}


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts Python with these words in the background; all that is left at the end is killed."""
    with ExitStack() as closed:

        def begin(*words: str, **environment: str) -> "subprocess.Popen[str]":
            process = subprocess.Popen(
                [sys.executable, *words],
                cwd=tmp_path,
                env={**PYTHON, **environment},
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
            )
            closed.callback(end, process)
            return process

        yield begin


def end(process: "subprocess.Popen[str]") -> None:
    """Kill it with all that it started."""
    if process.poll() is None:
        for child in psutil.Process(process.pid).children(recursive=True):
            child.kill()
        process.kill()
    process.communicate()


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def scheduler(start: Start, port: int, **environment: str) -> "subprocess.Popen[str]":
    return start("-m", "dask", "scheduler", "--host", "127.0.0.1", "--port", str(port), "--no-dashboard", **environment)


def worker(start: Start, port: int, data: Path, name: str, *more: str, **environment: str) -> "subprocess.Popen[str]":
    words = [f"tcp://127.0.0.1:{port}", "--name", name, "--nthreads", "1", "--no-nanny", "--no-dashboard", *more]
    return start("-m", "dask", "worker", *words, **{DATA: str(data), **environment})


def grader(
    start: Start, class_: Path, out: Path, data: Path, *more: str, **environment: str
) -> "subprocess.Popen[str]":
    words = ["grade", str(class_), "--homework", "hw6", "--out", str(out), "--data", str(data)]
    return start(
        "-c", "from autograder.commands.app import main; main()", *words, "--protocol", "preview", *more, **environment
    )


def compared(out: Path) -> list[dict[str, str]]:
    """The gradebook without what another machine or hour changes."""
    return [{key: value for key, value in row.items() if key not in ("seconds", "machine")} for row in table(out)]


def outcomes(out: Path) -> list[str]:
    return [json.loads((out / student / "result.json").read_bytes())["outcome"] for student in done(out)]


def graded_once(out: Path) -> list[str]:
    """Who is in the history, once for each result."""
    lines = (json.loads(line) for line in (out / "history.jsonl").read_text().splitlines())
    return sorted(line["student"] for line in lines if line["what"] == "result")


def many(class_: Path, students: int) -> Path:
    for number in range(students):
        write(class_ / f"s{number}" / "hw6.py", TINY.replace("RATE", f"0.0{number + 1}"))
    return class_


def test_a_class_on_two_workers_gets_what_it_gets_here(
    start: Start, tmp_path: Path, practice: Dataset, sandbox_bwrap: Sandbox
) -> None:
    class_ = many(tmp_path / "class", 2)
    here = grader(start, class_, tmp_path / "here", practice.folder, "--workers", "1")
    assert here.wait(600) == 0
    port = free_port()
    scheduler(start, port)
    for name in ("first", "second"):
        worker(start, port, practice.folder.parent, name)
    worker(start, port, tmp_path / "nothing", "without")
    there = grader(start, class_, tmp_path / "there", practice.folder, "--cluster", f"tcp://127.0.0.1:{port}")
    said, _ = there.communicate(timeout=600)
    assert there.returncode == 0, said
    assert "worker first on" in said
    assert re.search(r"worker without on .*: gets nothing to do: no dataset in .*nothing is practice bfee", said)
    assert "Traceback" not in said
    assert compared(tmp_path / "there") == compared(tmp_path / "here")
    assert outcomes(tmp_path / "there") == ["GRADED"] * 2


def test_what_a_lost_worker_had_is_done_by_another_once(
    start: Start, tmp_path: Path, practice: Dataset, sandbox_bwrap: Sandbox
) -> None:
    class_, out, port = many(tmp_path / "class", 4), tmp_path / "out", free_port()
    scheduler(start, port)
    lost = worker(start, port, practice.folder.parent, "first")
    worker(start, port, practice.folder.parent, "second")
    grading = grader(start, class_, out, practice.folder, "--cluster", f"tcp://127.0.0.1:{port}")
    wait_for("result", lambda: done(out), 300)
    family = psutil.Process(lost.pid).children(recursive=True)
    lost.kill()
    wait_for(
        "end of all processes", lambda: not any(process.is_running() for process in family)
    )  # nothing of it stays behind
    said, _ = grading.communicate(timeout=600)
    assert grading.returncode == 0, said
    assert outcomes(out) == ["GRADED"] * 4
    assert graded_once(out) == ["s0", "s1", "s2", "s3"]


def test_a_scheduler_that_was_lost_goes_on_with_the_rest_when_it_returns(
    start: Start, tmp_path: Path, practice: Dataset, sandbox_bwrap: Sandbox
) -> None:
    class_, out, port = many(tmp_path / "class", 3), tmp_path / "out", free_port()
    lost = scheduler(start, port)
    worker(start, port, practice.folder.parent, "first")
    grading = grader(start, class_, out, practice.folder, "--cluster", f"tcp://127.0.0.1:{port}")
    wait_for("result", lambda: done(out), 300)
    first = {student: (out / student / "result.json").read_bytes() for student in done(out)}
    lost.kill()
    lost.wait()
    scheduler(start, port)
    worker(start, port, practice.folder.parent, "second")
    said, _ = grading.communicate(timeout=600)
    assert grading.returncode == 0, said
    assert "the scheduler was lost: what is done is kept" in said
    assert outcomes(out) == ["GRADED"] * 3
    assert graded_once(out) == ["s0", "s1", "s2"]
    assert all((out / student / "result.json").read_bytes() == content for student, content in first.items())


def test_a_scheduler_behind_tls(start: Start, tmp_path: Path, practice: Dataset, sandbox_bwrap: Sandbox) -> None:
    class_, out, port = many(tmp_path / "class", 1), tmp_path / "out", free_port()
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    words = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=grading", "-keyout", key]
    subprocess.run(["openssl", *words, "-out", certificate], check=True, capture_output=True)
    tls = {"DASK_DISTRIBUTED__COMM__TLS__CA_FILE": str(certificate)}
    for role in ("SCHEDULER", "WORKER", "CLIENT"):
        tls |= {f"DASK_DISTRIBUTED__COMM__TLS__{role}__CERT": str(certificate)}
        tls |= {f"DASK_DISTRIBUTED__COMM__TLS__{role}__KEY": str(key)}
    address = f"tls://127.0.0.1:{port}"
    start("-m", "dask", "scheduler", "--host", address, "--no-dashboard", **tls)
    words = [address, "--name", "first", "--nthreads", "1", "--no-nanny", "--no-dashboard"]
    start("-m", "dask", "worker", *words, **tls, **{DATA: str(practice.folder.parent)})
    plain = grader(start, class_, out, practice.folder, "--cluster", address)
    said, _ = plain.communicate(timeout=600)
    assert plain.returncode == 2, said
    assert f"error: {address}: no scheduler can be reached there" in said
    grading = grader(start, class_, out, practice.folder, "--cluster", address, **tls)
    said, _ = grading.communicate(timeout=600)
    assert grading.returncode == 0, said
    assert outcomes(out) == ["GRADED"] * 1


SBATCH = """#!/bin/sh
# Stands for Slurm's: keeps the job, and runs it at once, on this machine.
cp "$1" "$0.job"
setsid sh "$0.job" >"$0.log" 2>&1 &
echo "Submitted batch job $!"
"""
SCANCEL = """#!/bin/sh
kill -- "-$1"
"""


def test_workers_that_slurm_starts(start: Start, tmp_path: Path, practice: Dataset, sandbox_bwrap: Sandbox) -> None:
    """There is no Slurm here: two scripts stand for its commands, and run the job that dask-jobqueue wrote."""
    class_, out = many(tmp_path / "class", 1), tmp_path / "out"
    for name, text in (("sbatch", SBATCH), ("scancel", SCANCEL)):
        write(tmp_path / "bin" / name, text)
        (tmp_path / "bin" / name).chmod(0o755)
    prologue = f"export {DATA}={practice.folder.parent} PYTHONPATH={ROOT}"
    words = {"jobs": 1, "cores": 1, "memory": "4 GB", "interface": "lo", "job_script_prologue": [prologue]}
    asked = tmp_path / "slurm.yaml"
    asked.write_text(yaml.safe_dump(words))
    path = f"{tmp_path / 'bin'}:{os.environ['PATH']}"
    grading = grader(start, class_, out, practice.folder, "--slurm", str(asked), PATH=path)
    said, _ = grading.communicate(timeout=600)
    assert grading.returncode == 0, said + (tmp_path / "bin" / "sbatch.log").read_text()
    assert "1 training at a time" in said
    assert outcomes(out) == ["GRADED"] * 1

    asked.write_text("jobs: 1\nqueues: [short]\n")
    grading = grader(start, class_, tmp_path / "other", practice.folder, "--slurm", str(asked), PATH=path)
    said, _ = grading.communicate(timeout=600)
    assert grading.returncode == 2, said
    assert f"error: {asked}: doesn't say what to ask Slurm for" in said
    assert len(said.splitlines()) < 5
