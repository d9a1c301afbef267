"""Runs in Windows' Python: what a plain subprocess does about programs that don't end, or take too much.

Started by `test_windows.py`. Prints a JSON object: how each program ended, and whether anything of it was left.
"""

import json
import sys
import tempfile
import time
from pathlib import Path

import psutil

from autograder.runner.conversation import Conversation, RunError
from autograder.sandbox import sandbox
from autograder.sandbox.run import Limits

# Each tells its process numbers first, in a file that is its first argument.
_HEAD = "import os, subprocess, sys, time; told = open(sys.argv[1], 'w'); print(os.getpid(), file=told, flush=True)\n"
_CHILD = "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']); "
_CHILD += "print(child.pid, file=told, flush=True)\n"
PROGRAMS = {
    "ends": "print('한글 ✓')\nsys.exit(3)",
    "endless loop": _CHILD + "while True: pass",
    "memory bomb": "held = []\nwhile True: held.append(bytearray(b'x' * 2**24))",
    "output flood": "while True: print('x' * 10_000)",
    "a child that outlives it": _CHILD + "sys.exit(0)",
}
LIMITS = Limits(seconds=8, memory_mib=400, output_mib=4)


def outcome(source: str) -> dict[str, object]:
    """How such a program ends, what it printed last, and which of its processes are left."""
    with tempfile.TemporaryDirectory() as folder:
        told = Path(folder, "processes")
        began = time.monotonic()
        run = sandbox.choose(own=True).start([_HEAD + source, str(told)], {}, LIMITS, threads=1)
        try:
            Conversation(run).message()
            ended = "a message"
        except RunError as error:
            ended = error.outcome
        run.end()
        numbers = [int(line) for line in told.read_text().split()]
        left = [number for number in numbers if psutil.pid_exists(number)]
        return {"ended": ended, "processes": len(numbers), "left": left, "printed": run.output()[-200:],
                "seconds": round(time.monotonic() - began, 1)}  # fmt: skip


if __name__ == "__main__":
    print(json.dumps({name: outcome(source) for name, source in PROGRAMS.items()}), flush=True)
    sys.exit(0)
