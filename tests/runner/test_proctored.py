"""What lies beside a submission lies beside it where it runs."""

import hashlib
from pathlib import Path

import pytest

from autograder.homeworks import load
from autograder.intake.submission import Submission
from autograder.runner.proctored import proctored
from autograder.sandbox.sandbox import Sandbox

SCRIPT = b"from net import Net\n"


def submission(*beside: tuple[str, bytes]) -> Submission:
    return Submission("hw6.py", SCRIPT, SCRIPT, hashlib.sha256(SCRIPT).hexdigest(), beside)


def test_modules_lie_beside_the_script(sandbox_none: Sandbox) -> None:
    handed_in = submission(("hw6.py", b"another\n"), ("net.py", b"class Net: pass\n"), ("parts/block.py", b"x = 1\n"))
    with proctored(load("hw6"), handed_in, sandbox_none, {}, 60, 1, gpu=False) as (_, files):
        script = Path(files["file"])
        assert script.read_bytes() == SCRIPT  # and not what calls itself so
        assert (script.parent / "net.py").read_bytes() == b"class Net: pass\n"
        assert (script.parent / "parts" / "block.py").stat().st_mode & 0o777 == 0o644
        assert (script.parent / "parts").stat().st_mode & 0o777 == 0o755


@pytest.mark.parametrize("path", ["../outside.py", "/tmp/outside.py", "parts/../../outside.py"])
def test_nothing_is_written_elsewhere(sandbox_none: Sandbox, path: str) -> None:
    with (
        pytest.raises(ValueError, match="leads out"),
        proctored(load("hw6"), submission((path, b"x")), sandbox_none, {}, 60, 1, gpu=False),
    ):
        pass
