"""A class of bad and hostile hand-ins, graded as one in the real sandbox: everybody gets what the table says."""

import contextlib
import dataclasses
import hashlib
import io
import os
import secrets
import shutil
import stat
import subprocess
import sys
import sysconfig
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
from rich.console import Console
from support import corpus
from support.corpus import Row, Seen

from autograder.course import rubric
from autograder.course.dataset import Dataset
from autograder.files import ROOT, write_text
from autograder.grading import class_run
from autograder.homeworks import load
from autograder.intake import hand_ins
from autograder.intake.hand_ins import Intake
from autograder.results import store
from autograder.results.result import Result
from autograder.runner import observe, proctored, test_passes, train
from autograder.runner.setup import Setup
from autograder.sandbox.run import Limits
from autograder.sandbox.sandbox import Sandbox

pytestmark = pytest.mark.slow  # over a hundred runs, each of which imports torch

HOMEWORK = load("hw6")
PREVIEW = dataclasses.replace(HOMEWORK.preview, train_images=48, test_images=100, time_box_s=8)
WORKERS = 4  # what never ends sleeps, so two cores do more than two runs

# Limits of a run, in seconds. What never ends costs one of them, an honest run takes a few seconds of each.
OBSERVE_S, SETUP_S, TESTING_S = 25.0, 25.0, 15.0
AFTER_BOX_S = 32.0  # with a quarter of the box, over the 30 s after which the proctor itself ends a training
MEMORY_MIB = 2048  # `import torch` and a small network take 500
OUTPUT_MIB = 256

TIME_FIELDS = frozenset({"seconds", "loading_s", "loading_cpu_s", "training_cpu_s", "timed_epochs"})
"""Fields of a result, at any depth, that say how long something took."""

DRAWN_FIELDS = frozenset({"altered_percent"})
"""Fields that follow from what the grader draws anew for each run: by how much the audit shifts images, its noise."""

SURVIVORS_S = 10.0  # the end of a namespace ends its processes, but not within the same instant

EVERYBODY = (*corpus.ROWS, *corpus.HONEST)


@dataclasses.dataclass
class Graded:
    """What came of the class, of the honest ones alone, and what was left behind.

    Attributes:
        seen: of each row, by its name.
        alone: the results of the honest ones in a class of their own.
        texts: of each row, all that was written about it.
        secret: a word that nothing may hold.
        left: processes, mounts and folders that should be gone, files that have changed, secrets on the class's pages.
    """

    seen: dict[str, Seen]
    alone: dict[str, Result]
    texts: dict[str, str]
    secret: str
    left: list[str]

    def escapes(self, row: Row) -> list[str]:
        """What got out of a row's run, or into its grade."""
        seen = self.seen[row.name]
        accuracy = seen.result.accuracy
        found = ["the secret is in what is kept of it"] if self.secret in self.texts[row.name] else []
        found += [line for line in seen.log.splitlines() if line.startswith("REACHED")]
        if row.forged and accuracy is not None and accuracy.counted_percent > corpus.CHANCE_PERCENT:
            found.append(f"a forged accuracy of {accuracy.counted_percent:.1f}%")
        return found

    def wrong(self, row: Row) -> list[str]:
        """What isn't as the table has it."""
        seen = self.seen[row.name]
        result = seen.result
        if result.outcome not in row.outcomes:
            reasons = " · ".join([result.outcome, result.message, *result.for_a_person])
            return [f"{reasons}, not {' or '.join(sorted(row.outcomes))}; log: {seen.log[-500:]!r}"]
        status = corpus.status_of(result.outcome)
        found = [] if result.status == status else [f"the status is {result.status!r}, not {status!r}"]
        return found + [complaint for proof in row.proofs if (complaint := proof(seen))]


@pytest.fixture(scope="module")
def graded(sandbox_bwrap: Sandbox, practice: Dataset) -> Iterator[Graded]:
    """The class, graded once for all tests here."""
    setup = Setup(HOMEWORK, rubric.load(rubric.PATH, "hw6"), PREVIEW, practice, sandbox_bwrap)
    with tempfile.TemporaryDirectory(prefix="corpus-") as name, pytest.MonkeyPatch.context() as patch:
        place, scratch = Path(name), Path(name, "scratch")
        place.chmod(0o755)  # started by root, a run has a user of its own, who has to come through
        scratch.mkdir(mode=0o755)
        patch.setattr(tempfile, "tempdir", str(scratch))
        # Looked at by forks and trained in processes of their own, as where points are given.
        patch.setattr(Setup, "forks_trainings", False)
        _shorten_limits(patch)
        with _secret(place, patch) as secret, Watch() as watch:
            together = _hand_in(EVERYBODY, place)
            before = _fingerprint(place / "class", practice.folder, *secret.files)
            _grade(together, place, setup)
            left = watch.survivors()
            after = _fingerprint(place / "class", practice.folder, *secret.files)
            left += [f"changed: {path}" for path in before.keys() | after.keys() if before.get(path) != after.get(path)]
        left += [f"left: {path}" for path in (*_marks(place), *scratch.glob("autograder-*"))]
        left += [f"mounted: {line}" for line in Path("/proc/self/mounts").read_text().splitlines() if name in line]
        for page in ("grades.csv", "report.html", "console.txt"):
            if secret.word in (place / "out" / page).read_text(encoding="utf-8"):
                left.append(f"the secret is in {page}")
        _grade(_hand_in(corpus.HONEST, place / "alone"), place / "alone", setup)
        yield _gathered(place, secret.word, left)


def _shorten_limits(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(observe, "OBSERVE_S", OBSERVE_S)
    patch.setattr(train, "SETUP_S", SETUP_S)
    patch.setattr(train, "AFTER_BOX_S", AFTER_BOX_S)
    patch.setattr(test_passes, "TESTING_S", TESTING_S)
    patch.setattr(
        proctored, "Limits", lambda **given: Limits(**{"memory_mib": MEMORY_MIB, "output_mib": OUTPUT_MIB, **given})
    )


def _hand_in(rows: Sequence[Row], place: Path) -> Intake:
    corpus.build(rows, place / "class")
    return hand_ins.collect(place / "class", "hw6")


def _grade(class_: Intake, place: Path, setup: Setup) -> None:
    """Grade a class as the command does, into `place/out`."""
    said = io.StringIO()
    console = Console(file=said, highlight=False, soft_wrap=True, markup=False)
    (place / "out").mkdir()
    code = class_run.ClassRun(class_, setup, place / "out", None, WORKERS, console).run()
    write_text(place / "out" / "console.txt", said.getvalue())
    assert code in (0, 1), said.getvalue()  # 1: it failed on somebody, which is that row's; 130: it was stopped


def _gathered(place: Path, secret: str, left: list[str]) -> Graded:
    folders = {row.name: place / "out" / row.name for row in EVERYBODY}
    found = {name: _result(folder) for name, folder in folders.items()}
    texts = {
        name: {
            path.name: path.read_text(encoding="utf-8")
            for path in folder.glob("*.*")
            if path.name not in store.HANDED_IN  # which are the student's own bytes
        }
        for name, folder in folders.items()
    }
    return Graded(
        seen={
            name: Seen(
                result, texts[name].get("log.txt", ""), texts[name].get("feedback.html", ""), found[corpus.PLAIN.name]
            )
            for name, result in found.items()
        },
        alone={row.name: _result(place / "alone" / "out" / row.name) for row in corpus.HONEST},
        texts={name: "\n".join(files.values()) for name, files in texts.items()},
        secret=secret,
        left=left,
    )


def _result(folder: Path) -> Result:
    found = store.read(folder)
    assert found is not None, folder
    return found


# --- what may neither be read nor changed, nor stay ------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Secret:
    """A word that no submission may read, and the files that hold it."""

    word: str
    files: list[Path]


@contextmanager
def _secret(place: Path, patch: pytest.MonkeyPatch) -> Iterator[Secret]:
    """A secret in the environment, on a command line, in the home folder, and around the class."""
    word = corpus.MARKER + secrets.token_hex(16)
    files = [place / "gradebook.csv", place / "class" / "gradebook.csv"]
    patch.setenv("CORPUS_SECRET", word)
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(OSError):
            file = stack.enter_context(tempfile.NamedTemporaryFile(prefix=".corpus-", dir=Path.home()))
            files.append(Path(file.name))
        for path in files:
            path.parent.mkdir(exist_ok=True)
            path.write_text(word)
        process = subprocess.Popen([word, "3600"], executable=shutil.which("sleep"))
        try:
            yield Secret(word, files)
        finally:
            process.kill()
            process.wait()


class Watch:
    """Remembers the process namespaces of all that this process starts: nothing that began in one can leave it.

    It holds a descriptor of each, since the kernel gives the number of one that is gone to the next.
    """

    def __enter__(self) -> "Watch":
        self.own = Path("/proc/self/ns/pid").stat().st_ino
        self.held: dict[int, int] = {}  # number of the namespace -> descriptor
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self._look)
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ended.set()
        self.thread.join()
        for descriptor in self.held.values():
            os.close(descriptor)

    def survivors(self) -> list[str]:
        """The processes that are still in one of them."""
        assert len(self.held) > len(EVERYBODY) // 2  # else it looked too seldom to tell
        until = time.monotonic() + SURVIVORS_S
        while (found := self._inside()) and time.monotonic() < until:
            time.sleep(0.1)
        return [f"survived: {one}" for one in found]

    def _look(self) -> None:
        while not self.ended.wait(0.3):
            with contextlib.suppress(psutil.Error):
                for child in psutil.Process().children(recursive=True):
                    self._hold(child)

    def _hold(self, process: psutil.Process) -> None:
        with contextlib.suppress(OSError):  # it has ended
            descriptor = os.open(f"/proc/{process.pid}/ns/pid", os.O_RDONLY)
            number = os.fstat(descriptor).st_ino
            if number == self.own or number in self.held:
                os.close(descriptor)
            else:
                self.held[number] = descriptor

    def _inside(self) -> list[psutil.Process]:
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(OSError):  # it has ended, or is somebody else's
                if Path(f"/proc/{process.pid}/ns/pid").stat().st_ino in self.held:
                    found.append(process)
        return found


def _fingerprint(*places: Path) -> dict[str, tuple[Any, ...]]:
    """Of each file and folder there: mode, owner, size, time, content."""
    found: dict[str, tuple[Any, ...]] = {}
    for path in (path for place in places for path in (place, *place.rglob("*"))):
        status = path.lstat()
        regular = stat.S_ISREG(status.st_mode)
        content = hashlib.sha256(path.read_bytes()).hexdigest() if regular else ""
        found[str(path)] = (status.st_mode, status.st_uid, status.st_size, status.st_mtime_ns, content)
    return found


def _marks(place: Path) -> list[Path]:
    """Files that a submission left where it tried to."""
    outside = [
        "/",
        "/usr",
        "/usr/lib",
        "/etc",
        "/tmp",
        "/var/tmp",
        "/dev/shm",
        sys.prefix,
        sysconfig.get_path("purelib"),
    ]
    folders = [*map(Path, outside), Path.home(), Path.cwd(), ROOT, ROOT / "autograder", place, place / "class"]
    return [folder / corpus.MARK for folder in folders if os.path.lexists(folder / corpus.MARK)]


# --- the tests -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("row", EVERYBODY, ids=lambda row: row.name)
def test_a_hand_in_gets_what_the_table_says(graded: Graded, row: Row) -> None:
    assert graded.escapes(row) == []
    assert graded.wrong(row) == []


@pytest.mark.parametrize("row", corpus.HONEST, ids=lambda row: row.name)
def test_the_honest_get_what_they_would_get_without_the_others(graded: Graded, row: Row) -> None:
    together = _comparable(graded.seen[row.name].result.model_dump())
    assert together == _comparable(graded.alone[row.name].model_dump())


def test_nothing_is_left_and_nothing_outside_has_changed(graded: Graded) -> None:
    assert graded.left == []


def test_the_class_is_large_and_nobody_has_the_name_of_another() -> None:
    names = [row.name for row in EVERYBODY]
    assert len(corpus.ROWS) >= 60
    assert len(set(names)) == len(names)


def test_the_summary(graded: Graded, capsys: pytest.CaptureFixture[str]) -> None:
    escaped = [f"{row.name}: {escape}" for row in EVERYBODY for escape in graded.escapes(row)] + graded.left
    contained = sum(row.hostile and not graded.escapes(row) for row in EVERYBODY)
    expected = sum(not graded.escapes(row) and not graded.wrong(row) for row in EVERYBODY)
    with capsys.disabled():
        print(f"\n{contained} contained, {len(escaped)} escaped, {expected} graded as expected")
    assert escaped == []


def _comparable(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _comparable(one) for name, one in value.items() if name not in TIME_FIELDS | DRAWN_FIELDS}
    if isinstance(value, list | tuple):
        return [_comparable(one) for one in value]
    return value
