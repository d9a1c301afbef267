"""How far a class's run is, for others to read: `live.json`, written every second or so while the run goes on.

`grading/class_run.py` writes it, and the desk reads it. The run doesn't know its readers; where the file can't be
written, the run goes on.
"""

import contextlib
import os
import platform
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
from pydantic import BaseModel, ConfigDict, ValidationError

from autograder.files import write_text

FILE = "live.json"
EVERY_S = 1.0
SILENT_S = 60.0  # a run on another machine counts as ended when it hasn't written for so long


class Running(BaseModel):
    """A training that goes on.

    Attributes:
        images, of: training images served so far, of those in its budget.
        seconds: how long it has run.
        loss: of the last batch; None where none is known.
    """

    model_config = ConfigDict(frozen=True)

    images: int
    of: int
    seconds: float
    loss: float | None = None


class Live(BaseModel):
    """A run of a class, at one moment.

    Attributes:
        host, pid, process_began: the process that runs the class, and when it started, in seconds since 1970.
        began, updated, ended: when the run began, wrote this, and ended; `ended` is None while it goes on.
        lines: how many lines of the history the run has taken into account.
        students: how many are in the class.
        phase: what the run is doing, in a few words.
        workers: how many are trained at a time.
        epochs: how many a training has by the protocol.
        looks, seen: how many submissions are to be observed, and how many have been.
        total, done: how many students are graded in this run, and how many of them have a result.
        left: the estimated time for the rest, in words; "" while there is no estimate.
        waiting: students who still have to be trained.
        running: by student, the trainings that go on.
    """

    model_config = ConfigDict(frozen=True)

    host: str
    pid: int
    process_began: float
    began: datetime
    updated: datetime
    ended: datetime | None = None
    lines: int = 0
    students: int = 0
    phase: str = ""
    workers: int = 0
    epochs: int = 0
    looks: int = 0
    seen: int = 0
    total: int = 0
    done: int = 0
    left: str = ""
    waiting: list[str] = []
    running: dict[str, Running] = {}

    @property
    def goes_on(self) -> bool:
        """Whether the run goes on: it hasn't ended, and its process still exists."""
        if self.ended is not None:
            return False
        if self.host != platform.node():
            return (datetime.now(UTC) - self.updated).total_seconds() < SILENT_S
        with contextlib.suppress(psutil.Error):
            return abs(psutil.Process(self.pid).create_time() - self.process_began) < 2
        return False


def read(out: Path) -> Live | None:
    """The run of `out` that goes on, or the last one; None where no such file can be read."""
    with contextlib.suppress(OSError, ValidationError):
        return Live.model_validate_json((out / FILE).read_bytes())
    return None


class Teller:
    """Writes `live.json` from a thread of its own, as long as its `with` block lasts.

    Attributes:
        phase: what the run is doing.
        look: returns other fields of `Live` as they are now.
    """

    def __init__(self, out: Path, **fields: Any) -> None:
        """`fields`: fields of `Live` that don't change during the run."""
        self.out = out
        self.phase = "reading what is there"
        self.look: Callable[[], dict[str, Any]] = dict
        now = datetime.now(UTC)
        process = psutil.Process()
        self._live = Live(
            host=platform.node(),
            pid=os.getpid(),
            process_began=process.create_time(),
            began=now,
            updated=now,
            **fields,
        )
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._tell, daemon=True)

    def __enter__(self) -> "Teller":
        self._write()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        self._write(ended=datetime.now(UTC))

    def _tell(self) -> None:
        while not self._over.wait(EVERY_S):
            self._write()

    def _write(self, **more: Any) -> None:
        told = {"phase": self.phase, "updated": datetime.now(UTC), **self.look(), **more}
        self._live = self._live.model_copy(update=told)
        with contextlib.suppress(OSError):  # where the disk is full, writing a result reports it
            write_text(self.out / FILE, self._live.model_dump_json() + "\n")
