"""The command `doctor`: which protections are on, as a program in the sandbox finds them.

Called by the command line. Nothing here is concluded from how the sandbox was configured: a probe program runs where
submissions run, reports what it sees and tries what must fail. It runs once more in a fork of the process that has
imported torch (`sandbox/fork_client.py`); that import takes most of this command's time.
"""

import json
import os
import platform
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from autograder.errors import KitError
from autograder.machine import cards, unused_gpu
from autograder.sandbox import bubblewrap, fork_client, sandbox
from autograder.sandbox.run import Limits

_PROBE = """
import ctypes, json, os, resource, socket, sys
libc = ctypes.CDLL(None, use_errno=True)
status = dict(line.split(":", 1) for line in open("/proc/self/status").read().splitlines() if ":" in line)
def refused(call, *arguments):
    ctypes.set_errno(0)
    return call(*arguments) == -1 and ctypes.get_errno() in (1, 38)
def names(folder):
    try:
        return sorted(os.listdir(folder))
    except OSError:
        return []
def writable(folder):
    try:
        os.close(os.open(folder + "/.probe", os.O_CREAT | os.O_WRONLY))
        return True
    except OSError:
        return False
print(json.dumps({
    "namespaces": {name: os.readlink("/proc/self/ns/" + name) for name in sys.argv[1].split(",")},
    "capabilities": int(status["CapEff"], 16) | int(status["CapPrm"], 16),
    "no_new_privileges": status["NoNewPrivs"].strip() == "1",
    "filter": status["Seccomp"].strip() == "2",
    "unshare_refused": refused(libc.unshare, 0x10000000),
    "ptrace_refused": refused(libc.ptrace, 0, 0, 0, 0),
    "processes": sum(name.isdigit() for name in names("/proc")),
    "interfaces": [name for _, name in socket.if_nameindex()],
    "descriptors": [int(name) for name in names("/proc/self/fd") if os.path.exists("/proc/self/fd/" + name)],
    "environment": sorted(os.environ),
    "homes": [name for folder in ("/home", "/root") for name in names(folder)],
    "writable": [folder for folder in ("/", "/usr", "/etc", sys.prefix, "/proc/sys/kernel") if writable(folder)],
    "limits": {name: resource.getrlimit(getattr(resource, "RLIMIT_" + name))[0] for name in ("NPROC", "FSIZE", "CORE")},
}))
"""


@dataclass(frozen=True)
class Protection:
    """One row: what it keeps from a submission, whether it is on, what was seen, and how to turn it on."""

    name: str
    on: bool
    seen: str
    remedy: str = ""


def doctor() -> int:
    """Print the table. Returns 0 when every protection is on, else 1; raises nothing."""
    console = Console(highlight=False, soft_wrap=True)
    system = f"{platform.system()} {platform.release()}, Python {platform.python_version()}"
    root = hasattr(os, "geteuid") and os.geteuid() == 0
    console.print(f"{system}, {'started by root' if root else 'started by an ordinary user'}", markup=False)
    try:
        protections = look()
        protections.append(_of_forks())
    except KitError as error:
        console.print(f"error: {error.message}\nhint: {error.hint}", markup=False)
        console.print(
            "Without a sandbox a submission has all your rights: it can read your files and the test labels, use the "
            "network, and leave processes behind. Grading refuses to start but with --sandbox none.",
            markup=False,
        )
        return 1
    table = Table(box=None, pad_edge=False, show_edge=False)
    for heading in ("protection", "", "seen from inside"):
        table.add_column(heading, overflow="fold")
    for one in protections:
        table.add_row(one.name, "on" if one.on else "OFF", one.seen if one.on else f"{one.seen}: {one.remedy}")
    console.print(table, markup=False)
    return 0 if all(one.on for one in protections) else 1


def look(*, warm: bool = False) -> list[Protection]:
    """What a probe in the sandbox finds; with `warm` one that was forked (see `fork_client.py`), where that works.

    Raises KitError when there is no sandbox.
    """
    place = sandbox.choose("bwrap")
    run = place.start(
        [_PROBE, ",".join(bubblewrap.NAMESPACES)], {}, Limits(seconds=60), threads=1, gpu=bool(cards()), warm=warm
    )
    run.process.wait()
    run.end()
    try:
        seen = json.loads(run.output())
    except ValueError as error:
        raise KitError(f"the probe gave no answer: {run.output()[-300:]}", "run it again, with nothing else") from error
    return [*_isolation(seen), *_limits(seen)]


def _of_forks() -> Protection:
    try:
        off = [one.name for one in look(warm=True) if not one.on]
    finally:
        fork_client.end()
    return Protection(
        "the same for forked runs", not off, "all of these" if not off else f"not {', '.join(off)}", "as above"
    )


def _isolation(seen: dict[str, Any]) -> list[Protection]:
    shared = [
        name for name, link in seen["namespaces"].items() if link == str(Path(f"/proc/self/ns/{name}").readlink())
    ]
    allowed = {*bubblewrap.environment_names(), "PWD"}  # which bubblewrap sets to the folder it starts in
    strangers = [name for name in seen["environment"] if name in os.environ and name not in allowed]
    # Of a home directory, a run may see only the folders that lead to the interpreter.
    needed = {part for path in bubblewrap.interpreter_folders() for part in path.parts[2:3]}
    seen_homes = [name for name in seen["homes"] if name not in needed and name != Path(bubblewrap.HOME).name]
    open_ones = [number for number in seen["descriptors"] if number > 2]
    return [
        Protection(
            "namespaces of its own",
            not shared,
            ", ".join(bubblewrap.NAMESPACES) if not shared else f"shared with the machine: {', '.join(shared)}",
            "the kernel has to allow user namespaces (sysctl kernel.unprivileged_userns_clone=1)",
        ),
        Protection(
            "no network",
            seen["interfaces"] in ([], ["lo"]),
            f"interfaces: {', '.join(seen['interfaces']) or 'none'}",
            "the network namespace is shared",
        ),
        Protection(
            "other processes hidden", seen["processes"] <= 4, f"{seen['processes']} processes", "/proc is the machine's"
        ),
        Protection(
            "files hidden",
            not seen_homes,
            f"of the machine's homes: {', '.join(seen_homes) or 'nothing'}",
            "the machine's home directories can be seen",
        ),
        Protection(
            "files read-only",
            not seen["writable"],
            f"writable beyond its own places: {', '.join(seen['writable']) or 'nothing'}",
            "bubblewrap didn't remount them",
        ),
        Protection("no capabilities", seen["capabilities"] == 0, f"{seen['capabilities']:#x}", "they weren't dropped"),
        Protection(
            "no new privileges",
            seen["no_new_privileges"],
            "setuid programs gain nothing" if seen["no_new_privileges"] else "setuid programs work",
            "bubblewrap is too old",
        ),
        Protection(
            "system call filter",
            seen["filter"] and seen["unshare_refused"] and seen["ptrace_refused"],
            "tracing, mounting and new namespaces are refused" if seen["filter"] else "every system call is allowed",
            "install libseccomp (Debian, Ubuntu: apt-get install libseccomp2) and pip install pyseccomp",
        ),
        Protection(
            "descriptors",
            len(open_ones) <= 2,
            f"beside standard ones {len(open_ones)} open: the two pipes",
            "something was inherited",
        ),
        Protection(
            "environment from nothing",
            not strangers,
            f"{len(seen['environment'])} variables" if not strangers else f"from outside: {', '.join(strangers)}",
            "something was passed on",
        ),
    ]


def _limits(seen: dict[str, Any]) -> list[Protection]:
    limits = seen["limits"]
    processes, file_bytes = limits["NPROC"], limits["FSIZE"]
    counted = processes == Limits(seconds=1).processes
    return [
        Protection("memory", True, f"{Limits(seconds=1).memory_mib:,} MiB of all its processes, {_watcher()}"),
        Protection(
            "number of processes",
            counted,
            f"{processes:,}" if processes >= 0 else "no limit",
            "an ordinary user's runs share that user's own limit: start the grader as root to give each its own",
        ),
        Protection("size of a file", file_bytes > 0, f"{file_bytes / 2**20:,.0f} MiB", "prlimit had no effect"),
        Protection("no core dumps", limits["CORE"] == 0, "0 bytes", "prlimit had no effect"),
        Protection("GPU", True, _gpus()),
    ]


def _gpus() -> str:
    here = ", ".join(f"{card.number} ({card.name})" for card in cards())
    return f"{here}: a run gets one of them, with /sys" if here else unused_gpu() or "there is none"


def _watcher() -> str:
    return "limited by the kernel" if bubblewrap.systemd_limits() else "watched from outside"
