"""A job object of Windows: the processes of one run, which end together, whatever happens to their parents.

Made by `plain.py` on Windows. It ends with its last handle, so with the grader, too. Elsewhere nothing here is called.
"""

import contextlib
import ctypes
import sys
from typing import Any

KILL_ON_CLOSE, LIMIT_PROCESSES, LIMIT_MEMORY = 0x2000, 0x8, 0x200  # JOB_OBJECT_LIMIT_...
EXTENDED_LIMITS = 9  # JobObjectExtendedLimitInformation
KILLED = 137  # the exit status of what a job ends: as of what SIGKILL ended


class _Basic(ctypes.Structure):
    _fields_ = (
        ("process_time", ctypes.c_int64),
        ("job_time", ctypes.c_int64),
        ("flags", ctypes.c_uint32),
        ("least_working_set", ctypes.c_size_t),
        ("most_working_set", ctypes.c_size_t),
        ("processes", ctypes.c_uint32),
        ("affinity", ctypes.c_size_t),
        ("priority", ctypes.c_uint32),
        ("scheduling", ctypes.c_uint32),
    )


class _Extended(ctypes.Structure):
    _fields_ = (
        ("basic", _Basic),
        ("io", ctypes.c_uint64 * 6),
        ("process_memory", ctypes.c_size_t),
        ("job_memory", ctypes.c_size_t),
        ("peak_process_memory", ctypes.c_size_t),
        ("peak_job_memory", ctypes.c_size_t),
    )


class JobObject:
    """All processes of a run. What is added has no child yet, so that none escapes."""

    _kernel: Any
    _handle: Any

    def __init__(self, processes: int, memory_bytes: int | None) -> None:
        """At most so many processes, which get at most so much memory, used or not. Raises OSError."""
        if sys.platform != "win32":
            raise OSError("job objects are Windows'")
        self._kernel = ctypes.WinDLL("kernel32", use_last_error=True)
        self._kernel.CreateJobObjectW.restype = ctypes.c_void_p
        self._handle = ctypes.c_void_p(self._kernel.CreateJobObjectW(None, None))
        limits = _Extended()
        limits.basic.flags = KILL_ON_CLOSE | LIMIT_PROCESSES
        limits.basic.processes = processes
        if memory_bytes is not None:
            limits.basic.flags |= LIMIT_MEMORY
            limits.job_memory = memory_bytes
        size = ctypes.sizeof(limits)
        self._checked(self._kernel.SetInformationJobObject(self._handle, EXTENDED_LIMITS, ctypes.byref(limits), size))

    def add(self, process: int) -> None:
        """Put the process with this handle into the job. Raises OSError."""
        self._checked(self._kernel.AssignProcessToJobObject(self._handle, ctypes.c_void_p(process)))

    def end(self) -> None:
        """End all its processes."""
        with contextlib.suppress(OSError):
            self._checked(self._kernel.TerminateJobObject(self._handle, KILLED))

    def close(self) -> None:
        """Give it back; whatever is left in it ends."""
        self._kernel.CloseHandle(self._handle)

    def _checked(self, done: int) -> None:
        if sys.platform == "win32" and not done:
            raise ctypes.WinError(ctypes.get_last_error())
