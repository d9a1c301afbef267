"""Ends a script's time: calls a function in the main thread, in the middle of whatever runs there.

Set by `rehearsal.py` and `training.py`. On Windows, which has no timers that send signals, a thread looks at the clock
and raises one.
"""

import signal
import sys
import threading
import time
from collections.abc import Callable

LOOK_S = 0.2  # between two looks of that thread

_off = threading.Event()


def ring(call: Callable[[], object], seconds: float, cpu_seconds: float | None = None) -> None:
    """Have `call` called after so many seconds, or after so many of CPU time. To be called in the main thread, once."""
    if sys.platform != "win32":
        signal.signal(signal.SIGALRM, lambda *_: call())
        signal.setitimer(signal.ITIMER_REAL, seconds)
        if cpu_seconds is not None:
            signal.signal(signal.SIGPROF, lambda *_: call())
            signal.setitimer(signal.ITIMER_PROF, cpu_seconds)
        return

    end, cpu_end = time.monotonic() + seconds, time.process_time() + (cpu_seconds or seconds)

    def look() -> None:
        while time.monotonic() < end and time.process_time() < cpu_end:
            if _off.wait(LOOK_S):
                return
        signal.raise_signal(signal.SIGINT)  # which ends a sleep, too

    signal.signal(signal.SIGINT, lambda *_: call())
    threading.Thread(target=look, daemon=True).start()


def off() -> None:
    """Cancel the alarm: `call` isn't called any more."""
    _off.set()
    if sys.platform != "win32":
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)
