"""The two pipes between the proctor and the grader, seen from inside.

What goes out is JSON or a `.npy` array of float32, after the number that the grader gave with the job; what comes in is
the grader's own JSON and `.npy` arrays of images. Nothing is pickled in either direction.
"""

import io
import json
import os
import sys
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel

if sys.platform == "win32":
    from multiprocessing.connection import PipeConnection as Connection
else:
    from multiprocessing.connection import Connection

LARGEST_MESSAGE = 2**26  # bytes, from the grader: a batch of images takes 3 KiB an image


class Channel:
    """Messages to and from the grader, over the descriptors (on Windows, handles) that this process inherited.

    No process that it starts inherits them.
    """

    def __init__(self, read: int, write: int) -> None:
        for end in (read, write):
            if sys.platform == "win32":
                os.set_handle_inheritable(end, False)
            else:
                os.set_inheritable(end, False)
        self._from_grader = Connection(read, writable=False)
        self._to_grader = Connection(write, readable=False)
        self._nonce = b""

    def send(self, kind: str, **fields: Any) -> None:
        """Send a message; models are sent as the JSON of their fields."""
        plain = {name: value.model_dump() if isinstance(value, BaseModel) else value for name, value in fields.items()}
        self._to_grader.send_bytes(self._nonce + json.dumps({"kind": kind, **plain}).encode())

    def send_scores(self, scores: npt.NDArray[np.float32]) -> None:
        """Send a (N, classes) float32 array as the bytes of a `.npy` file."""
        file = io.BytesIO()
        np.lib.format.write_array(file, scores, version=(1, 0), allow_pickle=False)
        self._to_grader.send_bytes(self._nonce + file.getvalue())

    def job(self) -> dict[str, Any]:
        """The first message: what to do. Raises EOFError when the grader has gone."""
        job = self.receive()
        self._nonce = str(job.pop("nonce")).encode()
        return job

    def receive(self) -> dict[str, Any]:
        """The next JSON message. Raises EOFError when the grader has gone."""
        message: dict[str, Any] = json.loads(self._from_grader.recv_bytes(LARGEST_MESSAGE))
        return message

    def receive_images(self) -> npt.NDArray[np.uint8]:
        """The next batch of test images, (N, H, W, C) uint8."""
        file = io.BytesIO(self._from_grader.recv_bytes(LARGEST_MESSAGE))
        images: npt.NDArray[np.uint8] = np.lib.format.read_array(file, allow_pickle=False)
        return images
