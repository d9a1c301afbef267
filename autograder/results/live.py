"""How far a class's run is, for whoever looks on: `live.json`, written every second or two while it goes on.

Written by `grading.class_run`, read by the desk. The run knows nothing of who reads; a file that can't be written stops
nobody.
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
SILENT_S = 60.0  # a run on another machine that hasn't written for so long is taken for ended


class Running(BaseModel):
    """A training that goes on: images served of its budget's, seconds so far, the loss of the last batch, if any."""

    model_config = ConfigDict(frozen=True)

    images: int
    of: int
    seconds: float
    loss: float | None = None


class Live(BaseModel):
    """A run of a class, at one moment.

    Attributes:
        host, pid, process_began: whose it is; the last in seconds since 1970.
        began, updated, ended: of the run; `ended` is None while it goes on.
        lines: of the history that the run has taken into account.
        students: in the class.
        phase: what it is doing, in a few words.
        workers: how many are trained at a time.
        epochs: of the protocol.
        looks, seen: who is looked at before trainings, and who was.
        total, done: who is graded in this run, and who has a result.
        left: how long the rest takes, in words; "" while that can't be said.
        waiting: who is left, but those in `running`.
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
        """Whether the run does: it hasn't ended, and neither has its process."""
        if self.ended is not None:
            return False
        if self.host != platform.node():
            return (datetime.now(UTC) - self.updated).total_seconds() < SILENT_S
        with contextlib.suppress(psutil.Error):
            return abs(psutil.Process(self.pid).create_time() - self.process_began) < 2
        return False


def read(out: Path) -> Live | None:
    """The run of `out` that goes on, or the last one; None where nothing says."""
    with contextlib.suppress(OSError, ValidationError):
        return Live.model_validate_json((out / FILE).read_bytes())
    return None


class Teller:
    """Writes how far a run is, from a thread of its own, within a `with` block.

    Attributes:
        phase: what the run is doing.
        look: what it says of itself beside that: fields of `Live`.
    """

    def __init__(self, out: Path, **fields: Any) -> None:
        """`fields`: of `Live`, those that stay as they are."""
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
        with contextlib.suppress(OSError):  # a full disk is the results' to tell
            write_text(self.out / FILE, self._live.model_dump_json() + "\n")
