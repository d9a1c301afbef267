"""Attacks on the machine and on other people: what a submission may do to nobody but itself.

A script prints REACHED in front of what it must not get, which the table takes for an escape, and ALLOWED in front of
what it must not be able to do.
"""

from support.corpus.base import in_training, script
from support.corpus.row import Row, as_honest, never_says, row, says

from autograder.files import PACKAGE

KIT = str(PACKAGE)

MARK = "corpus-was-here"
"""The name of every file that a submission tries to leave outside."""

MARKER = "corpus-secret-"
"""What every secret begins with. No script holds it in one piece."""

_MARKER = "MARKER = '-'.join(['corpus', 'secret', ''])"

_ENDLESS = "import time\nwhile True:\n    time.sleep(1)"

PROCESSES: tuple[Row, ...] = (
    row(
        "deaf",
        "ignores every signal, and never ends",
        script(
            start=in_training(
                "import signal\nfor number in set(range(1, 65)) - {9, 19, 32, 33}:\n"
                "    signal.signal(number, signal.SIG_IGN)\n" + _ENDLESS
            )
        ),
        "TIMEOUT",
        hostile=True,
    ),
    row(
        "daemon",
        "leaves a process with a session of its own",
        script(
            start="""
                import os, time
                if not os.fork():
                    os.setsid()
                    time.sleep(3600)
                    os._exit(0)
            """
        ),
        "GRADED",
        proofs=[as_honest],
        hostile=True,
    ),
    row(
        "double-fork",
        "leaves a grandchild whose parent is gone",
        script(
            start="""
                import os, time
                if not os.fork():
                    os.setsid()
                    if not os.fork():
                        for name in os.listdir("/proc/self/fd"):
                            try:
                                os.close(int(name))
                            except OSError:
                                pass
                        time.sleep(3600)
                    os._exit(0)
            """
        ),
        "GRADED",
        proofs=[as_honest],
        hostile=True,
    ),
    row(
        "fork-bomb",
        "doubles itself as often as it can",
        script(
            start=in_training("""
                import os, time
                for _ in range(12):
                    try:
                        os.fork()
                    except OSError:
                        break
                time.sleep(3600)
            """)
        ),
        "MEMORY",
        "TIMEOUT",
        hostile=True,
    ),
    row(
        "many-selves",
        "eight of it train, and all speak to the grader at a time",
        script(start=in_training("import os\nfor _ in range(3):\n    os.fork()")),
        "GRADED",
        "BAD_MESSAGE",
        "RESULT_TOO_BIG",
        "CRASHED",
        "NO_RESULT",
        "TIMEOUT",
        "MEMORY",
        hostile=True,
    ),
    row(
        "thread-bomb",
        "starts threads until it can't",
        script(
            start="""
                import threading, time
                try:
                    for _ in range(100_000):
                        threading.Thread(target=time.sleep, args=(3600,), daemon=True).start()
                except RuntimeError as error:
                    print("no more threads:", error)
            """
        ),
        "GRADED",
        "CRASHED",
        "MEMORY",
        "NO_RESULT",
        hostile=True,
    ),
    row(
        "kill-all",
        "kills every process it can",
        script(
            start="""
                import os, signal
                for target in (1, os.getppid(), -1):
                    try:
                        os.kill(target, signal.SIGKILL)
                    except OSError as error:
                        print(target, error)
            """
        ),
        "GRADED",
        proofs=[as_honest],
        hostile=True,
    ),
)


def _fill(place: str) -> str:
    return f"""
written = 0
try:
    for number in range(40):
        with open(f"{place}/fill{{number}}", "wb") as file:
            for _ in range(128):
                written += file.write(bytes(2**20))
except OSError as error:
    print("full after", written >> 20, "MiB:", error.strerror)
"""


RESOURCES: tuple[Row, ...] = (
    row(
        "memory-bomb",
        "takes all the memory there is",
        script(start="kept = [bytearray(2**27) for _ in range(10**6)]"),
        "NO_RESULT",
        "MEMORY",
        "CRASHED",
        hostile=True,
    ),
    row(
        "children-bomb",
        "twenty children, each with 200 MB that they use",
        script(
            start=in_training("""
                import os, time
                for _ in range(20):
                    if not os.fork():
                        kept = b"x" * 200_000_000
                        time.sleep(3600)
                time.sleep(3600)
            """)
        ),
        "MEMORY",
        hostile=True,
    ),
    row(
        "disk-filler",
        "fills its home and /tmp",
        script(start=_fill(".") + _fill("/tmp")),
        "GRADED",
        proofs=[as_honest, says("full after")],
        hostile=True,
    ),
    row(
        "shm-filler",
        "fills the shared memory",
        script(start=_fill("/dev/shm")),
        "GRADED",
        proofs=[as_honest, says("full after")],
        hostile=True,
    ),
    row(
        "small-files",
        "twenty thousand empty files",
        script(start="for n in range(20_000):\n    open(f'{n}', 'w').close()"),
        "GRADED",
        proofs=[as_honest],
        hostile=True,
    ),
    row(
        "flood",
        "prints 200 MB",
        script(start="import os\nfor _ in range(3200):\n    os.write(1, b'x' * 65536)"),
        "GRADED",
        proofs=[as_honest, says("bytes not kept")],
        hostile=True,
    ),
    row(
        "flood-of-errors",
        "prints ten million lines of errors",
        script(start="import os\nfor _ in range(1600):\n    os.write(2, b'error\\n' * 10_000)"),
        "GRADED",
        proofs=[as_honest, says("bytes not kept")],
        hostile=True,
    ),
    row(
        "endless-flood",
        "prints without end",
        script(start=in_training("while True:\n    os.write(1, b'x' * 65536)")),
        "OUTPUT_LIMIT",
        proofs=[says("bytes not kept")],
        hostile=True,
    ),
)

FILES: tuple[Row, ...] = (
    row(
        "deletes-all",
        "deletes its own folder and all it can",
        script(
            start=f"""
                import os, shutil
                for place in (os.getcwd(), "/home", "/tmp", "/dev/shm", "/data", "/submission", {KIT!r}, "/etc"):
                    shutil.rmtree(place, ignore_errors=True)
            """
        ),
        "GRADED",
        proofs=[as_honest],
        hostile=True,
    ),
    row(
        "chmod",
        "changes every mode and owner it can",
        script(
            start=f"""
                import os, shutil, sys
                shutil.copy("/bin/sh", "shell")
                paths = ("/", "/usr", "/etc", "/data", "/data/train_images.npy", "/submission", "/submission/hw6.py",
                         {KIT!r}, sys.prefix, "/tmp", "/dev/shm", "shell", ".")
                open_it, own_it, close_it = (lambda: os.chmod(path, 0o4777), lambda: os.chown(path, 0, 0),
                                             lambda: os.chmod(path, 0))
                for path in paths:
                    for change in (open_it, own_it, close_it):
                        try:
                            change()
                            if path.startswith(("/usr", "/etc", "/data", "/submission", {KIT!r}, sys.prefix)):
                                print("ALLOWED: changed", path)
                        except OSError:
                            pass
            """
        ),
        "GRADED",
        proofs=[as_honest, never_says("ALLOWED")],
        hostile=True,
    ),
    row(
        "writes-outside",
        "leaves files wherever it can",
        script(
            start=f"""
                import glob, os, sys, sysconfig
                places = ["/", "/usr", "/usr/lib", "/etc", "/root", "/home", "/var/tmp", "/tmp", "/dev", "/dev/shm",
                          "/data", "/submission", {KIT!r}, "/proc", "/sys", sys.prefix,
                          sys.base_prefix, "/proc/1/root", "/proc/1/cwd", sysconfig.get_path("purelib"),
                          *glob.glob("/proc/*/cwd"), ".."]
                for place in places:
                    try:
                        with open(os.path.join(place, {MARK!r}), "w") as file:
                            file.write("import os")
                    except OSError:
                        pass
            """
        ),
        "GRADED",
        proofs=[as_honest],
        hostile=True,
    ),
    row(
        "reads-everything",
        "looks into every file that is not the system's",
        script(
            start=f"""
                import os, stat, sys
                {_MARKER}
                for folder, folders, names in os.walk("/"):
                    out = ("/proc", "/sys", "/usr", sys.prefix, sys.base_prefix)
                    folders[:] = [name for name in folders if os.path.join(folder, name) not in out]
                    for path in (os.path.join(folder, name) for name in names):
                        try:
                            if stat.S_ISREG(os.stat(path).st_mode) and MARKER.encode() in open(path, "rb").read(2**24):
                                print("REACHED:", path, open(path, "rb").read(2**16))
                        except OSError:
                            pass
                for place in ("/root", "/home", "/data", "/submission", "/mnt", "/media", "/srv", "/var", "/opt"):
                    try:
                        print(place, os.listdir(place))
                    except OSError as error:
                        print(place, error.strerror)
                for path in ("/etc/shadow", "/etc/passwd", "/data/test_labels.npy", "/data/test_images.npy"):
                    print(*(["ALLOWED: there is", path] if os.path.exists(path) else ["there is no", path]))
            """
        ),
        "GRADED",
        proofs=[as_honest, never_says("ALLOWED")],
        hostile=True,
    ),
    row(
        "reads-processes",
        "reads all that /proc says of processes",
        script(
            start="""
                import glob, os
                for process in glob.glob("/proc/[0-9]*"):
                    for name in ("environ", "cmdline"):
                        try:
                            print(process, name, open(f"{process}/{name}", "rb").read().decode(errors="replace"))
                        except OSError as error:
                            print(process, name, error.strerror)
                    for name in ("cwd", "exe", "root", *(f"fd/{number}" for number in range(64))):
                        try:
                            print(process, name, os.readlink(f"{process}/{name}"))
                        except OSError:
                            pass
            """
        ),
        "GRADED",
        proofs=[as_honest, never_says("--ro-bind"), never_says("/autograder-")],
        hostile=True,
    ),
    row(
        "reads-environment",
        "prints its environment",
        script(start="import os\nprint(dict(os.environ))"),
        "GRADED",
        proofs=[as_honest, says("student")],
        hostile=True,
    ),
    row(
        "other-descriptors",
        "looks for descriptors that somebody left open",
        script(
            start="""
                import os
                for name in os.listdir("/proc/self/fd"):
                    try:
                        target = os.readlink(f"/proc/self/fd/{name}")
                    except OSError:
                        continue
                    if not target.startswith(("pipe:", "/dev/null", "/data/", "/proc/", "/dev/urandom")):
                        print("ALLOWED: has", name, target)
            """
        ),
        "GRADED",
        proofs=[as_honest, never_says("ALLOWED")],
        hostile=True,
    ),
)

_TRY = """
import ctypes, errno, os
libc = ctypes.CDLL(None, use_errno=True)
def attempt(name, function, *arguments):
    ctypes.set_errno(0)
    if function(*arguments) >= 0:
        print("ALLOWED:", name)
    else:
        print("refused:", name, errno.errorcode.get(ctypes.get_errno()))
"""

KERNEL: tuple[Row, ...] = (
    row(
        "network",
        "connects, listens beyond itself, asks for names",
        script(
            start="""
                import socket
                for address in (("127.0.0.1", 22), ("10.0.0.1", 80), ("1.1.1.1", 53), ("169.254.169.254", 80)):
                    try:
                        socket.create_connection(address, timeout=1)
                        print("REACHED:", address)
                    except OSError as error:
                        print(address, error)
                try:
                    print("REACHED:", socket.getaddrinfo("example.org", 443))
                except OSError as error:
                    print("example.org", error)
                try:
                    print(*(f"ALLOWED: {name}" for _, name in socket.if_nameindex() if name != "lo"))
                    socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
                    print("ALLOWED: a raw socket")
                except OSError as error:
                    print("raw", error)
            """
        ),
        "GRADED",
        proofs=[as_honest, never_says("ALLOWED")],
        hostile=True,
    ),
    row(
        "ptrace",
        "takes hold of the first process",
        script(
            start=_TRY
            + """
attempt("ptrace of 1", libc.ptrace, 16, 1, 0, 0)
os.waitpid(-1, os.WNOHANG | 0x40000000) if not ctypes.get_errno() else None
libc.ptrace(17, 1, 0, 0)
try:
    print("ALLOWED: reads the memory of 1", open("/proc/1/mem", "rb"))
except OSError as error:
    print("refused:", error)
"""
        ),
        "GRADED",
        proofs=[as_honest, never_says("ALLOWED")],
        hostile=True,
    ),
    row(
        "mount",
        "mounts, unmounts, changes its root",
        script(
            start=_TRY
            + """
attempt("mount tmpfs", libc.mount, b"x", b"/tmp", b"tmpfs", 0, None)
attempt("remount", libc.mount, None, b"/usr", None, 32, None)
attempt("umount", libc.umount2, b"/data/train_images.npy", 2)
attempt("chroot", libc.chroot, b"/tmp")
attempt("pivot_root", libc.syscall, 155, b"/tmp", b"/tmp")
"""
        ),
        "GRADED",
        proofs=[as_honest, never_says("ALLOWED")],
        hostile=True,
    ),
    row(
        "unshare",
        "makes namespaces of its own",
        script(
            start=_TRY
            + """
child = os.fork()
if not child:
    attempt("a mount namespace", libc.unshare, 0x20000)
    attempt("a user namespace", libc.unshare, 0x10000000)
    attempt("a network namespace", libc.unshare, 0x40000000)
    os._exit(0)
os.waitpid(child, 0)
"""
        ),
        "GRADED",
        proofs=[as_honest, never_says("ALLOWED"), says("refused: a user namespace")],
        hostile=True,
    ),
    row(
        "system-calls",
        "uses calls that no homework needs",
        script(
            start=_TRY
            + """
libc.syscall.restype = ctypes.c_long
buffer = ctypes.create_string_buffer(256)
CALLS = {"add_key": (248, b"user", b"name", b"x", 1, -3), "keyctl": (250, 0, -3, 1), "bpf": (321, 0, buffer, 72),
         "perf_event_open": (298, buffer, 0, -1, -1, 0), "userfaultfd": (323, 1), "io_uring_setup": (425, 8, buffer),
         "kexec_load": (246, 0, 0, 0, 0), "init_module": (175, buffer, 0, b""),
         "open_by_handle_at": (304, -100, buffer, 0), "quotactl": (179, 0, 0, 0, 0), "acct": (163, 0),
         "swapon": (167, b"/tmp/x", 0), "reboot": (169, 0, 0, 0, 0), "sethostname": (170, b"x", 1),
         "settimeofday": (164, buffer, 0), "iopl": (172, 3)}
if os.uname().machine == "x86_64":
    for name, (number, *arguments) in CALLS.items():
        attempt(name, libc.syscall, number, *arguments)
"""
        ),
        "GRADED",
        proofs=[as_honest, never_says("ALLOWED")],
        hostile=True,
    ),
    row(
        "rights",
        "looks for rights that it shouldn't have",
        script(
            start="""
                import os, resource
                lines = open("/proc/self/status").read().splitlines()
                status = dict(line.split(":\\t", 1) for line in lines if ":\\t" in line)
                wanted = dict.fromkeys(("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"), "0" * 16)
                wanted.update(NoNewPrivs="1", Seccomp="2")
                for name, value in wanted.items():
                    if status.get(name) != value:
                        print("ALLOWED:", name, status.get(name))
                if 0 in os.getresuid() + os.getresgid():
                    print("ALLOWED: root's id", os.getresuid(), os.getresgid())
                for name in ("RLIMIT_NPROC", "RLIMIT_FSIZE", "RLIMIT_NOFILE", "RLIMIT_CORE", "RLIMIT_MEMLOCK"):
                    limit = getattr(resource, name)
                    hard = resource.getrlimit(limit)[1]
                    try:
                        if hard != resource.RLIM_INFINITY:
                            resource.setrlimit(limit, (hard + 1, hard + 1))
                            print("ALLOWED: more of", name)
                    except (OSError, ValueError) as error:
                        print(name, error)
                for path in ("/dev/mem", "/dev/kmsg", "/dev/sda", "/dev/vda", "/dev/fuse", "/dev/kvm", "/proc/kcore",
                             "/proc/sysrq-trigger", "/proc/sys/kernel/hostname", "/proc/sys/kernel/core_pattern"):
                    try:
                        mode = "w" if path.startswith("/proc/sys") else "rb"
                        open(path, mode).close()
                        print("ALLOWED: opened", path)
                    except OSError as error:
                        print(path, error.strerror)
            """
        ),
        "GRADED",
        proofs=[as_honest, never_says("ALLOWED")],
        hostile=True,
    ),
)

ROWS: tuple[Row, ...] = (*PROCESSES, *RESOURCES, *FILES, *KERNEL)
