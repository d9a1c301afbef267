"""Waiting with an end: a test that waits for something says for what, and fails where it doesn't come."""

import time
from collections.abc import Callable
from typing import TypeVar

Found = TypeVar("Found")

LOOK_EVERY_S = 0.05


def wait_for(what: str, condition: Callable[[], Found], seconds: float = 50.0) -> Found:
    """Wait until `condition` gives something that counts as true, and return it.

    Raises AssertionError, with `what`, after `seconds`: less than a test's own limit, so that the reason is told.
    """
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, f"after {seconds:.0f} s there is still no {what}"
        time.sleep(LOOK_EVERY_S)
    return found
