"""Many scripts through the real proctor, each in a process of its own, for the price of one import of torch.

A server imports what the proctor imports, and matplotlib for the scripts that do (it looks through all fonts when it
is new to a home), and forks for each script; the child is the proctor from its first message on. Observing one script
this way takes about a second.
"""

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from autograder.homework import Homework
from autograder.observations import Observations
from autograder.submission import blanks

AT_A_TIME = 2
LENGTH_BYTES = 4  # before each message of a multiprocessing connection

_SERVER = """
import json, os, sys
from multiprocessing.connection import Connection
from pathlib import Path
import matplotlib.pyplot
from autograder.proctor.__main__ import main

homework, names, at_a_time, folders = sys.argv[1], sys.argv[2:4], int(sys.argv[4]), sys.argv[5:]
working = 0
for folder in folders:
    if working == at_a_time:
        os.wait()
        working -= 1
    working += 1
    if os.fork():
        continue
    os.chdir(folder)
    printed = os.open("printed", os.O_WRONLY | os.O_CREAT)
    os.dup2(printed, 1)
    os.dup2(printed, 2)
    read, job = os.pipe()
    file, main_script = (str(Path(folder, name)) for name in names)
    Connection(job, readable=False).send_bytes(
        json.dumps({"kind": "observe", "homework": homework, "file": file, "script": main_script, "nonce": ""}).encode()
    )
    answer = os.open("answer", os.O_WRONLY | os.O_CREAT)
    sys.argv = ["proctor", str(read), str(answer)]
    main()
while working:
    os.wait()
    working -= 1
"""


def observe_all(homework: Homework, scripts: Mapping[str, bytes]) -> dict[str, Observations]:
    """What the proctor sees of each script, by the same names."""
    with TemporaryDirectory() as place:
        folders = {name: Path(place, str(number)) for number, name in enumerate(scripts)}
        for name, folder in folders.items():
            folder.mkdir()
            for file, content in {f"{homework.stem}.py": scripts[name], **homework.given_files()}.items():
                (folder / file).write_bytes(content)
        names = [f"{homework.stem}.py", homework.given[0] if homework.given else f"{homework.stem}.py"]
        command = [sys.executable, "-c", _SERVER, homework.name, *names, str(AT_A_TIME), *map(str, folders.values())]
        subprocess.run(command, check=True, timeout=1800, env=_environment(place))
        return {name: _observations(homework, scripts[name], folder) for name, folder in folders.items()}


def _environment(home: str) -> dict[str, str]:
    return {
        "PYTHONPATH": str(Path(__file__).parent.parent),
        "PATH": "/usr/bin:/bin",
        "HOME": home,
        "MPLBACKEND": "Agg",
        "OMP_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
    }


def _observations(homework: Homework, script: bytes, folder: Path) -> Observations:
    content = (folder / "answer").read_bytes() if (folder / "answer").exists() else b""
    printed = (folder / "printed").read_text(errors="replace")
    assert content, f"the proctor gave no answer: {printed[-2000:]}"
    said = json.loads(content[LENGTH_BYTES:])
    assert said.pop("kind") == "observations"
    return Observations.model_validate(
        {**said, "homework": homework.name, "file": f"{homework.stem}.py", "blanks": blanks(script)}
    )
