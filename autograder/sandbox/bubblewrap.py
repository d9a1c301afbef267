"""The command line of bubblewrap: namespaces, mounts, limits, environment, and the programs that start it.

Called by `sandbox.py` for each run. Runs nothing itself, but for one trial of whether systemd can limit a run.
"""

import os
import secrets
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

from autograder.machine import CHOICE, Card, cards
from autograder.sandbox.run import Limits

HOME = "/home/student"
USUAL_FOLDERS = ("/content", "/kaggle")  # where notebooks of Colab and Kaggle write; empty, and gone with the run
NAMES = {
    "/etc/hosts": "127.0.0.1 localhost sandbox\n::1 localhost\n",
    "/etc/nsswitch.conf": "hosts: files\npasswd: files\n",
}
"""Files for the look-up of names: only those of this machine resolve, and no server is asked."""


OF_ALL_GPUS = ("/dev/nvidiactl", "/dev/nvidia-uvm", "/dev/nvidia-uvm-tools")
"""Device files that every NVIDIA GPU needs, and that belong to no single one."""
SLICES = ("/dev/nvidia-caps",)
WSL_LIBRARIES = "/usr/lib/wsl/lib"

NAMESPACES = ("user", "mnt", "pid", "net", "ipc", "uts", "cgroup")
"""The namespaces of a run. All but "user" belong to an outer user namespace, the parent of the program's."""


def interpreter() -> list[str]:
    """Python, isolated from its user's settings. Links in its path aren't resolved: they lead to the environment."""
    return [os.path.abspath(sys.executable), "-I", "-B", "-u", "-X", "utf8"]  # noqa: PTH100


def environment_names() -> set[str]:
    """The variables that a program in a sandbox finds."""
    return set(environment(1, HOME))


def outer_environment() -> dict[str, str]:
    """The environment of the programs around a run, unseen by it: where tools are, and where systemd listens."""
    kept = ("XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS")
    path = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
    return path | {name: os.environ[name] for name in kept if name in os.environ}


def environment(threads: int, home: str, card: Card | None = None, *, alone: bool = True) -> dict[str, str]:
    """All variables of a run, on this GPU or on the first. `alone`: it sees no other GPU's device file."""
    card = card or next(iter(cards()), None)
    visible = "" if card is None else "0" if alone and card.name.isdigit() else card.name
    values = {
        "PATH": f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin",
        "HOME": home,
        "TMPDIR": "/tmp",
        "USER": "student",
        "LANG": "C.UTF-8",
        "MPLBACKEND": "Agg",
        "MPLCONFIGDIR": f"{home}/.matplotlib",
        "OMP_NUM_THREADS": str(threads),
        "MKL_NUM_THREADS": str(threads),
        # glibc keeps freed memory for the next step instead of giving it back and having it zeroed again, in huge pages
        # where the kernel leaves that to programs: see docs/performance.md.
        "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",
        "MALLOC_MMAP_MAX_": "0",
        "MALLOC_TRIM_THRESHOLD_": str(2**34),
        "TORCHDYNAMO_SUPPRESS_ERRORS": "1",  # torch.compile without a compiler at hand runs eagerly
        "TORCHINDUCTOR_CACHE_DIR": f"{home}/.inductor",
    }
    # Some processors need these to compute right results; they carry nothing else.
    kept = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE", "LD_LIBRARY_PATH")
    values |= {name: os.environ[name] for name in kept if name in os.environ}
    if card is not None and card.is_wsl:
        values["LD_LIBRARY_PATH"] = ":".join(filter(None, [WSL_LIBRARIES, values.get("LD_LIBRARY_PATH")]))
    return values | {CHOICE: visible}


def command(
    binds: dict[str, Path],
    limits: Limits,
    environment: dict[str, str],
    folder: Path,
    card: Card | None,
    uid: int | None,
) -> tuple[list[str], list[str]]:
    """The command that starts bubblewrap (as root: mount namespace and uid; then rlimits), and bubblewrap's arguments.

    `uid` is that of the run, see `own_uid`.
    """
    resolved = {place: path.resolve() for place, path in binds.items()}  # the command runs in another folder
    for place, text in NAMES.items():
        resolved[place] = folder / Path(place).name
        resolved[place].write_text(text, encoding="ascii")
        resolved[place].chmod(0o644)
    visible = {str(path): path for path in interpreter_folders()} | resolved
    outer = scope(limits)
    if uid is not None:
        # As root, bubblewrap would keep root's uid outside its namespace; a uid of its own can't reach an
        # interpreter below a 0700 home. So root prepares a private view of what is needed, then gives up its uid.
        stage = folder / "stage"
        stage.mkdir()
        pairs = [(path, stage / str(number)) for number, path in enumerate(visible.values())]
        outer += ["unshare", "--mount", "--propagation", "private", "sh", "-euc", _STAGE, "sh", str(stage)]
        outer += [str(side) for pair in pairs for side in pair]
        outer += ["--", "setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups"]
        visible = {place: stage / str(number) for number, place in enumerate(visible)}
    rlimits = [
        "prlimit",
        *(f"--{name.lower()}={most}" for name, most in resource_limits(limits, card is not None).items()),
    ]
    if uid is not None:
        rlimits.append(f"--nproc={limits.processes}")  # counted by uid, which is this run's alone
    size = str(limits.scratch_mib * 2**20)
    jail = [
        *("--unshare-user", "--unshare-all", "--disable-userns", "--die-with-parent", "--new-session", "--clearenv"),
        "--as-pid-1",
        *("--cap-drop", "ALL", "--hostname", "sandbox"),
        *("--ro-bind", "/usr", "/usr"),
        *_system_links(),
        *("--ro-bind-try", "/etc/ld.so.cache", "/etc/ld.so.cache"),
        *("--ro-bind-try", "/etc/alternatives", "/etc/alternatives"),
        *("--ro-bind-try", "/etc/localtime", "/etc/localtime"),
        *("--ro-bind-try", "/etc/fonts", "/etc/fonts"),  # matplotlib asks fontconfig
        *("--proc", "/proc", "--dev", "/dev"),
        *("--perms", "1777", "--size", str(2**30), "--tmpfs", "/dev/shm"),
        *("--perms", "1777", "--size", size, "--tmpfs", "/tmp"),
        *("--perms", "0700", "--size", size, "--tmpfs", HOME),
        *(word for place in USUAL_FOLDERS for word in ("--perms", "0700", "--size", size, "--tmpfs", place)),
        "--chdir",
        HOME,
    ]
    for place, path in visible.items():
        jail += ["--ro-bind", str(path), place]
    if card is not None:
        jail += ["--ro-bind", "/sys", "/sys"]
        for device in (*card.files, *OF_ALL_GPUS, *(SLICES if card.name.startswith("MIG-") else ())):
            jail += ["--dev-bind-try", device, device]
    jail += ["--remount-ro", "/"]  # the root itself is a tmpfs that nothing else limits
    for name, value in environment.items():
        jail += ["--setenv", name, value]
    return [*outer, *rlimits], jail


def resource_limits(limits: Limits, gpu: bool) -> dict[str, int]:
    """What each process of a run may use, by the names that `resource` gives (RLIMIT_...)."""
    most = {"CORE": 0, "NOFILE": 1024, "MEMLOCK": 0, "FSIZE": limits.file_mib * 2**20}
    if not gpu:
        most["DATA"] = limits.memory_mib * 2**20  # CUDA reserves far more than it uses
    return most


# The first process (PID 1) of the namespace, in place of bubblewrap's own, whose memory holds paths of this machine. No
# process can read this one's memory. It reaps orphaned processes, and passes on the exit status of the submission's
# process.
INIT = """
import ctypes, os, sys
ctypes.CDLL(None).prctl(4, 0, 0, 0, 0)
child = os.fork()
if child == 0:
    ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)
    os.execv(sys.argv[1], sys.argv[1:])
os.closerange(3, 1024)
while True:
    pid, status = os.wait()
    if pid == child:
        code = os.waitstatus_to_exitcode(status)
        os._exit(code if code >= 0 else 128 - code)
"""

# The same for a forked run, which enters from outside (`fork_client.py`): it sends its namespaces through the socket
# whose file descriptor is its argument, and exits with the status that comes back.
HOLDER = """
import ctypes, os, signal, socket, sys
ctypes.CDLL(None).prctl(4, 0, 0, 0, 0)
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
link = socket.socket(fileno=int(sys.argv[1]))
os.closerange(3, link.fileno())
os.closerange(link.fileno() + 1, 1024)
namespaces = [os.open("/proc/self/ns/" + name, os.O_RDONLY) for name in sys.argv[2:]]
socket.send_fds(link, [b"."], namespaces)
for namespace in namespaces:
    os.close(namespace)
told = link.recv(1)
os._exit(told[0] if told else 137)
"""


_STAGE = """
stage=$1; shift
mount -t tmpfs -o mode=755,size=1M autograder "$stage"
while [ "$1" != -- ]; do
    if [ -d "$1" ]; then mkdir "$2"; else : > "$2"; fi
    mount --bind -o ro "$1" "$2"
    shift 2
done
shift
exec "$@"
"""


def scope(limits: Limits) -> list[str]:
    """What puts a run into a control group of its own, whose memory and processes the kernel limits; else nothing.

    systemd makes such a group, for root and for whoever has a session of theirs. Where it isn't there, in most
    containers, the run's memory is watched from outside all the same.
    """
    if not systemd_limits():
        return []
    most = [f"MemoryMax={limits.memory_mib}M", "MemorySwapMax=0", f"TasksMax={limits.processes}"]
    return [*_SCOPE, *_whose(), *(word for one in most for word in ("--property", one)), "--"]


@cache
def systemd_limits() -> bool:
    """Whether systemd limits runs here, in control groups of version 2."""
    if shutil.which("systemd-run") is None or not Path("/sys/fs/cgroup/cgroup.controllers").exists():
        return False
    trial = [*_SCOPE, *_whose(), "--property", "MemoryMax=64M", "--", "true"]
    try:
        return subprocess.run(trial, capture_output=True, timeout=20, check=False).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


_SCOPE = ("systemd-run", "--scope", "--quiet", "--collect")


def _whose() -> list[str]:
    return [] if os.geteuid() == 0 else ["--user"]


@cache
def system_call_filter() -> bytes | None:
    """See `seccomp.py`. None where libseccomp or its binding is missing, which `doctor` says."""
    try:
        from autograder.sandbox import seccomp

        return seccomp.program()
    except (ImportError, OSError, RuntimeError):
        return None


def interpreter_folders() -> list[Path]:
    """What Python needs and /usr doesn't have: the environment and the interpreter it was made from."""
    needed: list[Path] = []
    for prefix in (sys.prefix, sys.base_prefix):
        for path in (Path(os.path.abspath(prefix)), Path(prefix).resolve()):  # noqa: PTH100  links stay, ".." doesn't
            if not path.is_relative_to("/usr") and path not in needed:
                needed.append(path)
    return needed


def _system_links() -> list[str]:
    """/bin, /lib and the like: links into /usr on merged systems, folders of their own elsewhere."""
    arguments: list[str] = []
    for name in ("bin", "sbin", "lib", "lib32", "lib64", "libx32"):
        path = Path("/", name)
        if path.is_symlink():
            arguments += ["--symlink", str(path.readlink()), str(path)]
        elif path.is_dir():
            arguments += ["--ro-bind", str(path), str(path)]
    return arguments


def own_uid() -> int | None:
    """A user id for one run that no user has; None where this process isn't root, and so can't change it."""
    if os.geteuid() != 0:
        return None
    import pwd

    while True:
        uid = 1_000_000_000 + secrets.randbelow(1_000_000_000)
        try:
            pwd.getpwuid(uid)
        except KeyError:
            return uid
