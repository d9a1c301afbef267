"""What runs happen on, in words.

Called by whoever writes down what was measured or graded; imports nothing of weight.
"""

import contextlib
import os
import platform
from pathlib import Path


def machine(device: str) -> str:
    """What the run ran on: the GPU's name, or the processor's and how many cores were at hand."""
    if device == "cuda":
        for information in sorted(Path("/proc/driver/nvidia/gpus").glob("*/information")):
            for line in information.read_text().splitlines():
                if line.startswith("Model:"):
                    return line.partition(":")[2].strip()
        return "a CUDA GPU"
    if device == "mps":
        return f"the GPU of {processor()}"
    return f"{processor()}, {cores()} cores"


def processor() -> str:
    """What the processor calls itself."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def gpu_available() -> bool:
    """Whether this machine has an NVIDIA GPU that a sandbox can be given. Doesn't import torch."""
    return Path("/dev/nvidia0").exists()
