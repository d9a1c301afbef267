"""doctor.py and the system call filter: what is said to be on is on, and what is off is said to be."""

import errno
import json
import os
import shutil
from pathlib import Path

import pytest

from autograder.commands import doctor
from autograder.errors import KitError
from autograder.sandbox import bubblewrap, sandbox, seccomp
from autograder.sandbox.run import Limits
from autograder.sandbox.sandbox import Sandbox

# Each call is made for real, with arguments under which nothing would happen even if it were allowed.
_TRIES = """
import ctypes, json, os, socket, subprocess, sys, threading
libc = ctypes.CDLL(None, use_errno=True)
def called(number, *arguments):
    ctypes.set_errno(0)
    libc.syscall(number, *[ctypes.c_long(value) for value in arguments])
    return ctypes.get_errno()
def opened(family):
    try:
        socket.socket(family, socket.SOCK_STREAM).close()
        return 0
    except OSError as error:
        return error.errno
numbers = json.loads(sys.argv[1])
answer = {name: called(number, -1, -1, -1, -1, -1) for name, number in numbers.items()}
answer["new user namespace"] = called(numbers["clone"], 0x10000000 | 17, 0, 0, 0, 0)
answer |= {"unix": opened(socket.AF_UNIX), "inet": opened(socket.AF_INET), "vsock": opened(40), "alg": opened(38)}
thread = threading.Thread(target=lambda: answer.update(thread=0))
thread.start()
thread.join()
answer["child"] = subprocess.run(["/bin/true"]).returncode
print(json.dumps(answer))
"""


@pytest.mark.parametrize("warm", [False, True])
def test_every_protection_is_on(warm: bool, sandbox_bwrap: Sandbox) -> None:
    off = {one.name for one in doctor.look(warm=warm) if not one.on}
    assert off <= (set() if os.geteuid() == 0 else {"number of processes"})


@pytest.mark.parametrize("warm", [False, True])
def test_calls_that_no_homework_needs_are_refused_and_others_work(warm: bool, sandbox_bwrap: Sandbox) -> None:
    library = pytest.importorskip("pyseccomp")
    names = [name for name in (*seccomp.DENIED, "clone", "clone3") if seccomp._known(library, name)]
    assert len(names) > 50
    numbers = {name: library.resolve_syscall(library.system_arch(), name) for name in names}
    run = sandbox_bwrap.start([_TRIES, json.dumps(numbers)], {}, Limits(seconds=60), threads=1, warm=warm)
    assert run.process.wait() == 0, run.output()
    run.end()
    answer = json.loads(run.output())
    assert {name: answer[name] for name in seccomp.DENIED if name in numbers} == dict.fromkeys(
        (name for name in seccomp.DENIED if name in numbers), errno.EPERM
    )
    assert answer["new user namespace"] == errno.EPERM
    assert answer["clone3"] == errno.ENOSYS
    assert (answer["vsock"], answer["alg"]) == (errno.EAFNOSUPPORT, errno.EAFNOSUPPORT)
    assert (answer["unix"], answer["inet"], answer["thread"], answer["child"]) == (0, 0, 0, 0)


def test_where_systemd_can_it_is_asked_to_limit_a_run(
    sandbox_bwrap: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A stand-in for systemd, which no test machine runs: it notes what it is asked, and does the rest of it.
    asked = tmp_path / "asked"
    (tmp_path / "systemd-run").write_text(
        f'#!/bin/sh\necho "$@" >> {asked}\nwhile [ "$1" != -- ]; do shift; done\nshift\nexec "$@"\n'
    )
    (tmp_path / "systemd-run").chmod(0o755)
    path = f"{tmp_path}:{bubblewrap.outer_environment()['PATH']}"
    monkeypatch.setattr(bubblewrap, "outer_environment", lambda: {"PATH": path})
    monkeypatch.setattr(bubblewrap, "systemd_limits", lambda: True)
    run = sandbox_bwrap.start(["print('inside')"], {}, Limits(seconds=60, memory_mib=512), threads=1)
    assert run.process.wait() == 0, run.output()
    run.end()
    assert run.output() == "inside\n"
    words = asked.read_text()
    assert words.startswith("--scope --quiet --collect")
    assert ("--user" in words) == (os.geteuid() != 0)
    assert "--property MemoryMax=512M --property MemorySwapMax=0 --property TasksMax=200 -- " in words
    assert any("limited by the kernel" in one.seen for one in doctor.look())


def test_what_is_off_is_said_to_be(
    sandbox_bwrap: Sandbox, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(bubblewrap, "system_call_filter", lambda: None)
    assert doctor.doctor() == 1
    rows = [line for line in capsys.readouterr().out.splitlines() if "OFF" in line]
    assert len(rows) == 1 + (os.geteuid() != 0)
    assert rows[0].startswith("system call filter")


def test_no_sandbox_is_said_in_words(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(shutil, "which", lambda *_arguments: None)
    assert doctor.doctor() == 1
    text = capsys.readouterr().out
    assert "error: bubblewrap is not installed" in text
    assert "Without a sandbox a submission has all your rights" in text


def test_a_sandbox_that_there_is_not_is_said() -> None:
    with pytest.raises(KitError, match="no sandbox called 'docker'") as refused:
        sandbox.choose("docker")
    assert "bwrap, none" in refused.value.hint
