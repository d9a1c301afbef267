"""The system calls that no homework needs, as a filter that the kernel applies to a submission.

Called by `bubblewrap.py`, for bubblewrap, and by `proctor/fork_server.py`, whose forks put it on. Namespaces decide
what a program can see; this keeps it from the parts of the kernel in which holes are found: tracing, mounting,
namespaces of its own, keys, BPF, io_uring. What isn't named here is allowed, since torch, CUDA and what students import
call much that no list would foresee.

libseccomp compiles it in 1 ms. Names that this kernel's libseccomp doesn't know are left out.
"""

import errno
import socket
import tempfile
from functools import cache
from typing import Any

TRACING = (
    "ptrace",
    "process_vm_readv",
    "process_vm_writev",
    "kcmp",
    "pidfd_getfd",
    "perf_event_open",
    "lookup_dcookie",
)
MOUNTING = (
    *("mount", "umount", "umount2", "pivot_root", "chroot", "open_tree", "move_mount", "fsopen", "fsconfig", "fsmount"),
    *("fspick", "mount_setattr", "open_by_handle_at", "name_to_handle_at", "quotactl", "quotactl_fd", "fanotify_init"),
)
NAMESPACES = ("unshare", "setns")
KERNEL = (
    *(
        "bpf",
        "userfaultfd",
        "io_uring_setup",
        "io_uring_enter",
        "io_uring_register",
        "add_key",
        "request_key",
        "keyctl",
    ),
    *("kexec_load", "kexec_file_load", "init_module", "finit_module", "delete_module", "reboot", "swapon", "swapoff"),
    *("acct", "syslog", "vhangup", "iopl", "ioperm", "settimeofday", "clock_settime", "clock_adjtime", "adjtimex"),
    *("sethostname", "setdomainname", "nfsservctl", "uselib", "vmsplice", "personality"),
)
DENIED = (*TRACING, *MOUNTING, *NAMESPACES, *KERNEL)
"""Answered with EPERM, as the kernel answers somebody who may not."""

CLONE_NEW = 0x7E020080
"""The flags of clone that make namespaces: time, cgroup, uts, ipc, user, pid, net, mount."""
FAMILIES = (socket.AF_UNIX, socket.AF_INET, socket.AF_INET6, socket.AF_NETLINK)
"""Kinds of sockets that there may be. The network is empty, but programs ask for a loopback and its addresses."""
TIOCSTI = 0x5412  # puts characters into a terminal's input


@cache
def program() -> bytes:
    """The filter as the kernel takes it (classic BPF). Raises as `rules` does."""
    with tempfile.TemporaryFile() as file:
        rules().export_bpf(file)
        file.seek(0)
        return file.read()


def rules() -> Any:
    """The filter, a `pyseccomp.SyscallFilter`.

    Raises OSError when libseccomp isn't there, and ImportError when its binding isn't.
    """
    import pyseccomp as seccomp

    rules = seccomp.SyscallFilter(seccomp.ALLOW)
    refused = seccomp.ERRNO(errno.EPERM)
    for name in DENIED:
        if _known(seccomp, name):
            rules.add_rule(refused, name)
    for flag in (1 << bit for bit in range(32) if CLONE_NEW >> bit & 1):
        rules.add_rule(refused, "clone", seccomp.Arg(0, seccomp.MASKED_EQ, flag, flag))
    # Its flags are in memory, where no filter can read them. As on a kernel without it, libraries use clone then.
    rules.add_rule(seccomp.ERRNO(errno.ENOSYS), "clone3")
    for family in range(64):
        if family not in FAMILIES:
            rules.add_rule(seccomp.ERRNO(errno.EAFNOSUPPORT), "socket", seccomp.Arg(0, seccomp.EQ, family))
    rules.add_rule(refused, "ioctl", seccomp.Arg(1, seccomp.MASKED_EQ, 0xFFFFFFFF, TIOCSTI))
    return rules


def _known(seccomp: object, name: str) -> bool:
    try:
        number = seccomp.resolve_syscall(seccomp.system_arch(), name)  # type: ignore[attr-defined]
    except (OSError, ValueError):
        return False
    return int(number) >= 0
