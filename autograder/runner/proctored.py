"""Runs a proctor on a submission: puts files into the sandbox, and ends it with all processes that it started.

Called by `observe` and `train`. What lies beside the submission travels with it. Of the dataset only training images
and their labels are put there, never a test image or its label.
"""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from autograder.course.checkpoint import Checkpoint
from autograder.course.homework import Homework
from autograder.files import PACKAGE
from autograder.intake.submission import Submission
from autograder.runner.conversation import Conversation
from autograder.sandbox.run import Limits
from autograder.sandbox.sandbox import Sandbox

_START = "import sys; sys.path.append(sys.argv[1]); from autograder.proctor.__main__ import main; main()"


@contextmanager
def proctored(
    homework: Homework,
    submission: Submission,
    sandbox: Sandbox,
    binds: dict[str, Path],
    seconds: float,
    threads: int,
    gpu: bool,
    checkpoint: Checkpoint | None = None,
    warm: bool = False,
) -> Iterator[tuple[Conversation, dict[str, str]]]:
    """A proctor that runs, and the paths at which it finds the submission ("file") and what it runs ("script").

    Ended, with all its processes, on the way out.

    Args:
        binds: path inside the sandbox -> path on the host, readable there besides the submission and this package.
        seconds: after so many the run is ended, unless its deadline is moved (`Run.extend`).
        gpu: whether a GPU is visible inside.
        warm: as for `Sandbox.start`.
        checkpoint: is copied beside the submission, under the homework's name.
    """
    name = f"{homework.stem}.py"
    with tempfile.TemporaryDirectory(prefix="autograder-") as folder:
        place = Path(folder, "submission")
        place.mkdir()
        # The student's own modules come first: nothing of them takes the place of what is run or given.
        for file, content in {**dict(submission.beside), name: submission.script, **homework.given_files()}.items():
            _put(place, file, content)
        if checkpoint is not None:
            beside = shutil.copyfile(checkpoint.path, place / f"{homework.name}{checkpoint.path.suffix}")
            beside.chmod(0o644)
        for path in (Path(folder), place):
            path.chmod(0o755)
        visible = {"/submission": place, str(PACKAGE): PACKAGE, **binds}
        program = [_START, str(PACKAGE.parent)]
        run = sandbox.start(program, visible, Limits(seconds=seconds), threads=threads, gpu=gpu, warm=warm)
        try:
            roles = {"file": name, "script": homework.given[0] if homework.given else name}
            files = {role: sandbox.inside(place / file, f"/submission/{file}") for role, file in roles.items()}
            yield Conversation(run), files
        finally:
            run.end()


def _put(place: Path, file: str, content: bytes) -> None:
    """Write a file for all to read, and the folders to it."""
    path = place / file
    if not path.resolve().is_relative_to(place.resolve()):
        raise ValueError(f"{file}: leads out of the submission's folder")
    for folder in reversed([one for one in path.parents if one != place and one.is_relative_to(place)]):
        folder.mkdir(exist_ok=True)
        folder.chmod(0o755)
    path.write_bytes(content)
    path.chmod(0o644)
