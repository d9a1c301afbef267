"""What the grader and a proctor say to each other, seen from the grader's side.

Called by `observe`, `train` and `test_passes`. Whatever comes from the proctor's process is untrusted, because a
student's code shares it: each message is limited in size, has to begin with the number that this run was given, and is
validated before anything uses it. Nothing is unpickled.
"""

import io
import json
import math
import secrets
import sys
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
from pydantic import ValidationError

from autograder.checks.places import place
from autograder.errors import printable
from autograder.files import PARSING
from autograder.language import gettext as _
from autograder.observations import Failure, Observed
from autograder.sandbox.run import Run

LARGEST_MESSAGE = 2**24  # bytes

Scores = npt.NDArray[np.float32]

Kind = TypeVar("Kind", bound=Observed)


class RunError(Exception):
    """A run that gave nothing to grade. `outcome` is one of the names in docs/security.md."""

    def __init__(self, outcome: str, message: str) -> None:
        super().__init__(message)
        self.outcome = outcome
        self.message = printable(message)  # parts of it may be the submission's words


class Conversation:
    """Messages to and from the proctor of one run.

    The proctor gets a number with its job that nobody could know before, and begins each message with it. Code in the
    same process can look it up; code that writes on every file descriptor that it finds, or repeats a message of
    another run, doesn't have it.
    """

    def __init__(self, run: Run) -> None:
        self.run = run
        self._nonce = secrets.token_hex(16)

    def begin(self, job: dict[str, Any]) -> None:
        """Give the proctor its job, and with it the number."""
        self.send({**job, "nonce": self._nonce})

    def send(self, message: dict[str, Any]) -> None:
        """Send a message. Raises RunError when nobody is there any more."""
        self._send_bytes(json.dumps(message).encode())

    def send_images(self, images: npt.NDArray[np.uint8]) -> None:
        """Send (N, H, W, C) uint8 as the bytes of a `.npy` file. Raises RunError when nobody is there any more."""
        file = io.BytesIO()
        np.lib.format.write_array(file, np.ascontiguousarray(images), version=(1, 0), allow_pickle=False)
        self._send_bytes(file.getvalue())

    def message(self) -> dict[str, Any]:
        """The next message, an object with a "kind". Raises RunError when there is none, or something else comes."""
        return parsed(self._receive())

    def scores(self, shape: tuple[int, ...]) -> Scores:
        """The next answer: scores of `shape`, (N, classes) or (N, ...). Raises RunError."""
        return scores(self._receive(), shape)

    def _send_bytes(self, content: bytes) -> None:
        try:
            self.run.to_proctor.send_bytes(content)
        except OSError as error:
            raise RunError(*self._why_it_ended()) from error

    def _receive(self) -> bytes:
        run = self.run
        try:
            while not run.from_proctor.poll(1.0):
                if run.process.poll() is not None and not run.from_proctor.poll(0):
                    raise EOFError
            content = run.from_proctor.recv_bytes(LARGEST_MESSAGE)
        except (EOFError, BrokenPipeError) as error:  # the second is Windows' word for the first
            raise RunError(*self._why_it_ended()) from error
        except OSError as error:
            if run.killed_for is not None:  # in the middle of a message that it began and never ended
                raise RunError(*self._why_it_ended()) from error
            raise RunError("RESULT_TOO_BIG", _("a message is too large, or not one of the proctor's")) from error
        if not content.startswith(self._nonce.encode()):
            message = _("a message isn't the proctor's: it doesn't begin with this run's number")
            raise RunError("BAD_MESSAGE", message)
        return content[len(self._nonce) :]

    def _why_it_ended(self) -> tuple[str, str]:
        """(outcome, message) of a run whose pipe closed before it said everything."""
        run = self.run
        status = run.process.wait()
        if run.killed_for == "TIMEOUT":
            return "TIMEOUT", _("it was still busy when its time had passed")
        if run.killed_for == "MEMORY":
            text = _("its processes took more than {most:,} MiB of memory")
            return "MEMORY", text.format(most=run.limits.memory_mib)
        if run.killed_for == "OUTPUT_LIMIT":
            return "OUTPUT_LIMIT", _("it printed more than {most:,} MiB").format(most=run.limits.output_mib)
        if status < 0 or (status > 128 and sys.platform != "win32"):
            number = -status if status < 0 else status - 128
            return f"SIGNAL {number}", _("the process was ended by signal {number}").format(number=number)
        if status:
            lines = [line for line in run.output().strip().splitlines() if not line.startswith("[proctor]")]
            text = _("the process ended itself with status {status}")
            if lines:
                text = _("the process ended itself with status {status}; the last it printed: {line}")
            return f"EXIT {status}", text.format(status=status, line=lines[-1][:300] if lines else "")
        return "NO_RESULT", _("the process ended without a result")


def parsed(content: bytes) -> dict[str, Any]:
    """The object in the bytes of a message. Raises RunError where it has no "kind", or isn't one."""
    try:
        message = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise RunError("BAD_MESSAGE", _("a message isn't the proctor's")) from error
    if not isinstance(message, dict) or not isinstance(message.get("kind"), str):
        raise RunError("BAD_MESSAGE", _("a message isn't the proctor's"))
    return message


def scores(content: bytes, shape: tuple[int, ...]) -> Scores:
    """A (N, classes) float32 array from the bytes of a `.npy` file, exactly of `shape`. NaN and infinity may occur."""
    if content[:1] == b"{":
        said = parsed(content)
        try:
            failure = Failure.model_validate(said.get("failure"))
        except ValidationError as error:
            raise RunError("BAD_MESSAGE", _("a message isn't the proctor's")) from error
        text = _("the network failed on test images: {error}")
        if failure.line:
            text = _("the network failed on test images, {place}: {error}")
        text = text.format(place=place(failure.line), error=f"{failure.type}: {failure.message}")
        raise RunError("CRASHED", text[:2000])
    file = io.BytesIO(content)
    try:
        if np.lib.format.read_magic(file) != (1, 0):
            raise ValueError("another version of the format")
        with PARSING:
            found, fortran, dtype = np.lib.format.read_array_header_1_0(file)
    except Exception as error:  # numpy's parser has no error of its own: a header of the right kind raises anything
        raise RunError("NOT_NPY", _("the scores aren't a .npy array")) from error
    if dtype != np.dtype("<f4") or fortran:
        raise RunError("BAD_DTYPE", _("the scores are {dtype}, not float32").format(dtype=dtype))
    if found != shape:
        text = _("the network answered {found} for a batch of {batch}, not {shape}")
        raise RunError("BAD_SHAPE", text.format(found=list(found), batch=shape[0], shape=list(shape)))
    rest = content[file.tell() :]
    if len(rest) != 4 * math.prod(shape):
        raise RunError("BAD_LENGTH", _("the scores have another length than their header says"))
    return np.frombuffer(rest, dtype="<f4").reshape(shape)


def stopped(failure: Failure) -> str:
    """Where and why a script ended before its end."""
    text = _("the script stopped in {place}: {error}") if failure.line else _("the script stopped: {error}")
    return printable(text.format(place=place(failure.line), error=failure.words))


def validated(kind: type[Kind], said: Any, what: str) -> Kind:
    """`said` as one of the proctor's models. Raises RunError when it isn't one."""
    fields = {name: value for name, value in said.items() if name != "kind"} if isinstance(said, dict) else said
    try:
        return kind.model_validate(fields)
    except ValidationError as error:
        raise RunError("BAD_MESSAGE", _("{what} isn't the proctor's").format(what=what)) from error
