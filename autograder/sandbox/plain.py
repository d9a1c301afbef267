"""A plain subprocess with the protocol of a sandbox, and with your own rights: for your own file, on any system.

Called by `sandbox.py`. It keeps a run of your own file from doing harm by mistake: its time, memory and output are
limited, and all its processes end with it. It doesn't keep a hostile run from anything.
"""

import os
import shutil
import site
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil

from autograder.machine import CHOICE, Card
from autograder.sandbox import bubblewrap
from autograder.sandbox.job_object import JobObject
from autograder.sandbox.run import Limits, Pipes, Run

FILLED = 0.8  # of the machine's memory, at most: beyond that a laptop doesn't answer any more
_CREATE_SUSPENDED = 0x4


def start(program: Sequence[str], limits: Limits, threads: int, gpu: bool = False, card: Card | None = None) -> Run:
    """Run `program`, see `Sandbox.start`."""
    folder = Path(tempfile.mkdtemp(prefix="autograder-"))
    most = int(FILLED * psutil.virtual_memory().total) // 2**20
    limits = replace(limits, memory_mib=min(limits.memory_mib, most))
    with Pipes() as pipes:
        source, *arguments = program
        command = [*bubblewrap.interpreter(), "-c", _with_own_packages(source), *arguments, *map(str, pipes.numbers)]
        options = {"stdin": subprocess.DEVNULL, "stdout": pipes.output, "stderr": pipes.output, "cwd": folder}
        options["env"] = environment(threads, folder, card)
        try:
            process, job = _started(command, options, pipes, limits, gpu)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        run = Run(process, pipes.to_proctor, pipes.from_proctor, pipes.printed, limits, folder, job)
        if sys.platform == "win32":
            psutil.Process(process.pid).resume()
        return run


def environment(threads: int, folder: Path, card: Card | None = None) -> dict[str, str]:
    """All variables of a run; on Windows these and your own, without which little works there."""
    values = bubblewrap.environment(threads, str(folder), card, alone=False)
    # Where numpy and torch were installed by different tools, each brings an OpenMP of its own, and the second to be
    # loaded would end the process.
    values["KMP_DUPLICATE_LIB_OK"] = "TRUE"
    if sys.platform == "win32":
        own = ("PATH", "TMPDIR", CHOICE)  # which GPUs there are is known only where device files tell
        values = {name: value for name, value in values.items() if name not in own}
        return dict(os.environ) | values | {"USERPROFILE": str(folder)}
    return values | {"TMPDIR": tempfile.gettempdir()}


def _with_own_packages(source: str) -> str:
    """`source`, which finds what its user installed for themselves (`pip install --user`): isolated, Python doesn't."""
    if not site.ENABLE_USER_SITE:
        return source
    return f"import site; site.addsitedir({site.getusersitepackages()!r})\n{source}"


def _started(
    command: list[str], options: dict[str, Any], pipes: Pipes, limits: Limits, gpu: bool
) -> tuple["subprocess.Popen[bytes]", JobObject | None]:
    if sys.platform != "win32":
        return subprocess.Popen(command, pass_fds=pipes.numbers, start_new_session=True, **options), None
    for handle in pipes.numbers:
        os.set_handle_inheritable(handle, True)
    # CUDA reserves far more memory than it uses.
    job = JobObject(limits.processes, None if gpu else limits.memory_mib * 2**20)
    process = subprocess.Popen(
        command,
        startupinfo=subprocess.STARTUPINFO(lpAttributeList={"handle_list": pipes.numbers}),
        # Without a window, out of reach of the terminal's Ctrl-C; suspended until it is in its job.
        creationflags=_CREATE_SUSPENDED | subprocess.CREATE_NO_WINDOW | subprocess.CREATE_NEW_PROCESS_GROUP,
        **options,
    )
    try:
        job.add(int(process._handle))
    except OSError:
        process.kill()
        raise
    return process, job
