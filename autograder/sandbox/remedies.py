"""Why bubblewrap doesn't work on a machine, and the lines to paste that mend it.

Called by `sandbox.choose`, where its trial has failed, and by `setup.sh`, which prints it. Reads what the kernel says
of itself; changes nothing. Where several things are in the way, the one that has to be mended first is named.
"""

import os
import sys
from dataclasses import dataclass
from pathlib import Path

PROFILE = """\
abi <abi/4.0>,
include <tunables/global>

profile bwrap {bwrap} flags=(unconfined) {{
  userns,
  include if exists <local/bwrap>
}}
"""
"""What Ubuntu's AppArmor is told, so that bubblewrap (and no other program by this) may make user namespaces."""

_INSTALL = """\
sudo apt-get install bubblewrap     # Debian, Ubuntu
sudo dnf install bubblewrap         # Fedora, RHEL
sudo pacman -S bubblewrap           # Arch"""

_APPARMOR = """\
sudo tee /etc/apparmor.d/bwrap >/dev/null <<'END'
{profile}END
sudo apparmor_parser -r /etc/apparmor.d/bwrap
or, for every program: sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"""

_NO_NAMESPACES = """\
echo 'user.max_user_namespaces = 15000' | sudo tee /etc/sysctl.d/90-user-namespaces.conf
sudo sysctl --system"""

_ROOT_ONLY = """\
echo 'kernel.unprivileged_userns_clone = 1' | sudo tee /etc/sysctl.d/90-user-namespaces.conf
sudo sysctl --system"""

_CONTAINER = """\
docker run --security-opt seccomp=unconfined --security-opt apparmor=unconfined \\
    --security-opt systempaths=unconfined ...
podman run --security-opt seccomp=unconfined --security-opt label=disable --security-opt unmask=ALL ..."""

_CONTAINER_MARKS = (".dockerenv", "run/.containerenv", "run/systemd/container", "var/run/secrets/kubernetes.io")


@dataclass(frozen=True)
class Cause:
    """What is in the way: its name, a sentence without its full stop, and what mends it, lines to paste among it."""

    name: str
    says: str
    remedy: str


def missing() -> Cause:
    """Bubblewrap isn't installed, or can't be."""
    if sys.platform != "linux":
        where = "on Windows that is WSL 2, on a Mac a virtual machine or a container"
        return Cause("system", "there is no bubblewrap for this system", f"grade on Linux: {where}")
    return Cause("missing", "bubblewrap is not installed", f"install it:\n{_INSTALL}")


def find(problem: str, bwrap: str, root: Path = Path("/")) -> Cause:
    """Why a trial of `bwrap`, its path, ended in `problem`, the last line that it printed.

    `root` is where the kernel's files are looked for.
    """
    kernel = root / "proc/sys"
    if _number(kernel / "user/max_user_namespaces") == 0:
        return Cause(
            "limit",
            "this system allows no user namespaces (user.max_user_namespaces is 0)",
            f"allow some:\n{_NO_NAMESPACES}",
        )
    if _in_container(root):
        return Cause(
            "container",
            f"this container doesn't allow user namespaces ({problem})",
            f"start the container with:\n{_CONTAINER}",
        )
    if _number(kernel / "kernel/apparmor_restrict_unprivileged_userns"):
        profile = PROFILE.format(bwrap=bwrap)
        return Cause(
            "apparmor",
            "AppArmor keeps programs without a profile from making user namespaces, as on Ubuntu since 23.10",
            f"give bubblewrap a profile:\n{_APPARMOR.format(profile=profile)}",
        )
    if _number(kernel / "kernel/unprivileged_userns_clone") == 0:
        return Cause(
            "root-only",
            "this kernel lets only root make user namespaces (kernel.unprivileged_userns_clone is 0)",
            f"allow it to everybody:\n{_ROOT_ONLY}",
        )
    return Cause("unknown", problem, "see docs/security.md for what bubblewrap needs")


def _number(path: Path) -> int | None:
    """What such a file of the kernel's says; None where there is none."""
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None


def _in_container(root: Path) -> bool:
    return "container" in os.environ or any((root / mark).exists() for mark in _CONTAINER_MARKS)
