"""The machine that runs happen on: its name, its cores and its GPUs.

Called by every module that runs something, or that records where something was measured or graded. Imports nothing that
takes long to import.
"""

import contextlib
import os
import platform
import re
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path

CHOICE = "CUDA_VISIBLE_DEVICES"
WSL = "/dev/dxg"


@dataclass(frozen=True)
class Card:
    """A GPU that a run can be given, or a slice of one (MIG).

    Attributes:
        name: what CUDA_VISIBLE_DEVICES calls it: "0", "GPU-5a3f...", "MIG-9c1d...".
        number: its place in nvidia-smi's list; a slice has the number of its GPU.
        files: its device files, which no other GPU has.
    """

    name: str
    number: int = 0
    files: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"GPU {self.number}, {self.name}" if self.name.startswith("MIG-") else f"GPU {self.number}"

    @property
    def is_wsl(self) -> bool:
        """Whether it is a GPU of Windows, seen from WSL 2."""
        return self.files == (WSL,)


def machine(device: str, card: Card | None = None) -> str:
    """What the run ran on: the GPU's name (and where there are several, which), or the processor's and its cores."""
    if device == "cuda":
        return f"{_gpu_name(card)} ({card})" if card is not None and len(cards()) > 1 else _gpu_name(card)
    if device == "mps":
        return f"the GPU of {processor()}"
    return f"{processor()}, {cores()} cores"


def _gpu_name(card: Card | None) -> str:
    name = "a CUDA GPU"
    for information in sorted(Path("/proc/driver/nvidia/gpus").glob("*/information")):
        text = information.read_text(encoding="utf-8", errors="replace")
        model = re.search(r"^Model:\s*(.+)$", text, re.MULTILINE)
        minor = re.search(r"^Device Minor:\s*(\d+)", text, re.MULTILINE)
        name = model[1].strip() if model else name
        if card is None or (minor is not None and card.files == (f"/dev/nvidia{minor[1]}",)):
            return name
    return name


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


def cards(asked: str | None = None, root: Path = Path("/")) -> tuple[Card, ...]:
    """The NVIDIA GPUs that runs can be given: those that `asked` names, else CUDA_VISIBLE_DEVICES, else all.

    Names are nvidia-smi's numbers, or the beginnings of UUIDs, of GPUs and of MIG slices, with commas between. As in
    CUDA, the first name that isn't here ends the list: it and those behind it don't count. Imports no torch; asks
    nvidia-smi once where there is a device file. `root` is the root of the file system.
    """
    here = _all_cards(root)
    named = asked if asked is not None else os.environ.get(CHOICE)
    if named is None or not here:
        return here
    chosen = []
    for name in (word.strip() for word in named.split(",")):
        found = [card for card in here if _is_called(card, name)]
        if not found:
            break  # as CUDA does
        chosen.append(found[0])
    return tuple(dict.fromkeys(chosen))


def _is_called(card: Card, name: str) -> bool:
    if name.isdigit():
        return card.number == int(name)
    return len(name) > 4 and card.name.startswith(name)


@cache
def _all_cards(root: Path) -> tuple[Card, ...]:
    if (root / WSL[1:]).exists():
        return (Card("0", files=(WSL,)),)
    minors = sorted(int(path.name[6:]) for path in (root / "dev").glob("nvidia[0-9]*") if path.name[6:].isdigit())
    if not minors:
        return ()
    minor_of = {}  # UUID -> number of the device file, which needn't be nvidia-smi's
    for path in (root / "proc/driver/nvidia/gpus").glob("*/information"):
        said = dict(re.findall(r"^([\w ]+):\s*(\S+)", path.read_text(encoding="utf-8", errors="replace"), re.MULTILINE))
        if str(said.get("Device Minor", "")).isdigit():
            minor_of[said.get("GPU UUID", "")] = int(said["Device Minor"])
    found: list[Card] = []
    for number, (uuid, slices) in enumerate(_listed()):
        minor = minor_of.get(uuid, minors[number] if number < len(minors) else number)
        files = (f"/dev/nvidia{minor}",)
        found += [Card(name, number, files) for name in slices or [uuid]]
    return tuple(found) or tuple(Card(str(at), at, (f"/dev/nvidia{minor}",)) for at, minor in enumerate(minors))


def _listed() -> list[tuple[str, list[str]]]:
    """The UUID of each GPU that nvidia-smi lists, and of its slices; [] where it doesn't."""
    try:
        said = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=20, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return []
    found: list[tuple[str, list[str]]] = []
    for line in said.splitlines():
        uuid = re.search(r"\(UUID: ((?:GPU|MIG)-[^)]+)\)", line)
        if uuid is None:
            continue
        if line.startswith("GPU "):
            found.append((uuid[1], []))
        elif found:
            found[-1][1].append(uuid[1])
    return found


def gpu_available() -> bool:
    """Whether this machine has an NVIDIA GPU that a sandbox can be given. Doesn't import torch."""
    return bool(cards())


def unused_gpu(root: Path = Path("/")) -> str:
    """A GPU that is seen here and that runs aren't given, in words; "" without one."""
    if (root / "dev/kfd").exists() and not cards(root=root):
        return "an AMD GPU (/dev/kfd) is seen and not used: runs are given NVIDIA's only"
    return ""
