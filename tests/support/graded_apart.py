"""A class that is graded in a process of its own, without a training: what a run starts and ends there is its own.

    python graded_apart.py CLASS OUT DATA [GO]

Every training says that it is half done; with a folder GO it ends only when a file with the student's name is there.
"""

import sys
import time
from dataclasses import replace
from pathlib import Path

from support.observed import right
from support.runner import Asked, FakeRunner, by_length

from autograder.commands import grade
from autograder.commands.request import ClassRequest
from autograder.observations import TrainingProgress
from autograder.runner.train import Training

WAITS_S = 50.0
LOUD = b"# prints "


def main(folder: Path, out: Path, data: Path, go: Path | None = None) -> int:
    """Grade the class; what the command exits with."""

    def train(asked: Asked) -> Training:
        assert asked.progress is not None
        asked.progress(TrainingProgress(images=250, of=500, seconds=1.0, loss=1.25))
        content = asked.submission.content
        if go is not None:
            (student,) = [path.parent.name for path in folder.glob("*/hw6.*") if path.read_bytes() == content]
            end = time.monotonic() + WAITS_S
            while not (go / student).exists() and time.monotonic() < end:
                time.sleep(0.05)
        told = by_length(asked)
        _, loud, printed = content.partition(LOUD)
        return replace(told, log=printed.decode().partition("\n")[0]) if loud else told

    words = ClassRequest(
        submissions=folder,
        out=out,
        data=data,
        homework="hw6",
        protocol="preview",
        sandbox="none",
        workers=8,
        gradebook="none",
    )
    return grade.grade(words, runner=FakeRunner(seen=lambda _: right(), training=train))


if __name__ == "__main__":
    sys.exit(main(*map(Path, sys.argv[1:])))
