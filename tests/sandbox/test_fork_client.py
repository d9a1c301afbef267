"""Runs that are forked from what has imported torch: they say what a process of their own does, and end like it."""

import os
import signal
from pathlib import Path

import psutil
import pytest
from support.waiting import wait_for

from autograder.errors import KitError
from autograder.files import ROOT
from autograder.homeworks import load
from autograder.intake import submission
from autograder.observations import Observations
from autograder.runner.runner import SANDBOX_RUNNER
from autograder.sandbox import bubblewrap, fork_client, sandbox
from autograder.sandbox.run import Limits
from autograder.sandbox.sandbox import Sandbox

HOMEWORK = load("hw6")
RIGHT = (ROOT / "solution" / "hw6" / "hw6.py").read_text(encoding="utf-8")


@pytest.fixture(scope="module", autouse=True)
def no_server_is_left():
    yield
    fork_client.end()


@pytest.fixture
def run(sandbox_bwrap: Sandbox):
    """The exit status and the output of a program in a fork."""

    def forked(program: str, **limits: int) -> tuple[int, str]:
        started = sandbox_bwrap.start([program], {}, Limits(**{"seconds": 60, **limits}), threads=1, warm=True)
        assert started.forked is not None
        started.process.wait()
        return started.end(), started.output()

    return forked


def observed(script: str, place: Sandbox, *, forked: bool) -> Observations:
    seen = SANDBOX_RUNNER.observe(HOMEWORK, submission.of("hw6.py", script.encode()), place, warm=forked)
    rehearsal = None if seen.rehearsal is None else seen.rehearsal.model_copy(update={"seconds": 0.0})
    return seen.model_copy(update={"rehearsal": rehearsal})


@pytest.mark.slow
@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("", ""),
        ("stride=stride", "stride=1"),
        ("import torch\n", "import torch\nraise SystemExit(3)\n"),
        ("import torch\n", "import torch\nimport os, signal; os.kill(os.getpid(), signal.SIGKILL)\n"),
        ("import torch\n", "import torch\n1 / 0\n"),
    ],
)
def test_what_is_seen_is_the_same(right: str, wrong: str, sandbox_bwrap: Sandbox) -> None:
    script = RIGHT.replace(right, wrong)
    assert not right or script != RIGHT
    assert observed(script, sandbox_bwrap, forked=True) == observed(script, sandbox_bwrap, forked=False)


def test_how_it_ends_is_told(run) -> None:
    assert run("print('said')") == (0, "said\n")
    assert run("import sys; sys.exit(7)")[0] == 7
    assert run("import sys; sys.exit('words')")[0] == 1
    status, text = run("1 / 0")
    assert (status, text.splitlines()[-1]) == (1, "ZeroDivisionError: division by zero")
    assert run("import os; os.kill(os.getpid(), 11)")[0] == 128 + signal.SIGSEGV


def test_it_begins_with_torch_and_one_thread_and_can_compute(run) -> None:
    status, text = run(
        """
import os, sys
print("torch" in sys.modules, len(os.listdir("/proc/self/task")))
import torch
weight = torch.ones(8, 8, requires_grad=True)
(torch.ones(4, 8) @ weight).sum().backward()
torch.set_num_threads(2)
print(weight.grad.sum().item(), torch.randn(2000, 2000).matmul(torch.randn(2000, 2000)).shape[0])
"""
    )
    assert (status, text) == (0, "True 1\n256.0 2000\n")


def test_runs_see_nothing_of_each_other(run) -> None:
    look = """
import os
from pathlib import Path
left = [str(path) for folder in ("/tmp", "/dev/shm", os.environ["HOME"]) for path in Path(folder).glob("left")]
print(sorted(left), [name for name in os.listdir("/proc") if name.isdigit()], os.getppid())
Path("left").touch(); Path("/tmp/left").touch(); Path("/dev/shm/left").touch()
"""
    assert run(look) == run(look) == (0, "[] ['1', '2'] 0\n")


def test_limits_hold(run, sandbox_bwrap: Sandbox) -> None:
    status, text = run("import torch; torch.zeros(2**30).fill_(1)", memory_mib=1024)
    assert status != 0
    assert "can't allocate memory" in text or "not enough memory" in text or status == 137, text
    program = "import os, time\nfor _ in range(3): os.fork()\nkept = bytearray(2**20 * 400)\ntime.sleep(60)"
    bomb = sandbox_bwrap.start([program], {}, Limits(60, memory_mib=1500), threads=1, warm=True)
    bomb.process.wait()
    bomb.end()
    assert bomb.killed_for == "MEMORY"
    status, text = run(
        "import os\nfor _ in range(300):\n    if not os.fork(): import time; time.sleep(60)", processes=50
    )
    assert (status, text.splitlines()[-1]) == (1, "BlockingIOError: [Errno 11] Resource temporarily unavailable")
    slow = sandbox_bwrap.start(["import time; time.sleep(60)"], {}, Limits(1), threads=1, warm=True)
    slow.process.wait()
    slow.end()
    assert slow.killed_for == "TIMEOUT"


def test_the_end_of_a_run_is_the_end_of_all_it_started(sandbox_bwrap: Sandbox) -> None:
    program = """
import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
if not os.fork():
    os.setsid()
    if os.fork(): os._exit(0)
print("there", flush=True)  # the first process, and the child of one that has ended
time.sleep(600)
"""
    started = sandbox_bwrap.start([program], {}, Limits(600), threads=1, warm=True)
    assert started.forked is not None
    wait_for("word of both", lambda: started.output().count("there") == 2)
    # By their namespace: a child whose parent has ended belongs to nobody that is known here.
    within = Path(f"/proc/{started.forked.pid}/ns/pid_for_children").readlink()
    assert within != Path("/proc/self/ns/pid").readlink()
    family = [process for process in psutil.process_iter() if _namespace(process) == within]
    assert len(family) >= 3  # the namespace's first process, the run's, the child
    started.end()
    _, alive = psutil.wait_procs(family, timeout=10)
    assert alive == []


def test_a_server_that_died_is_begun_anew(run, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run("pass")[0] == 0
    server = fork_client._server
    assert server is not None
    os.kill(server._process.pid, signal.SIGKILL)
    assert run("print('again')") == (0, "again\n")
    assert fork_client._server is not server
    fork_client.end()
    monkeypatch.setattr(bubblewrap, "interpreter", lambda: ["/bin/false"])
    with pytest.raises(KitError, match="ends each time"):
        fork_client.fork({}, [0, 0, 0, 0])


def test_where_forks_do_not_work_each_run_is_a_process_of_its_own(
    sandbox_bwrap: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sandbox, "_forks_work", lambda: False)
    started = sandbox_bwrap.start(["import sys; print('torch' in sys.modules)"], {}, Limits(60), threads=1, warm=True)
    started.process.wait()
    assert (started.end(), started.output(), started.forked) == (0, "False\n", None)


def test_the_server_ends_with_the_grader() -> None:
    server = fork_client.Server()
    server._control.close()
    wait_for("end of the server", lambda: server._process.poll() is not None)
    server.end()


def _namespace(process: psutil.Process) -> Path | None:
    try:
        return Path(f"/proc/{process.pid}/ns/pid").readlink()
    except OSError:  # it has ended
        return None
