"""The grader's side of a run: starts the proctor in a sandbox, gives it its job, and judges what comes back.

Called by `check` and `grade`. What comes back is untrusted: messages are size-limited and validated, arrays must have
the exact type and shape, and a run that breaks any of this spoils only itself. Test labels never leave this process;
test images leave it after training, in an order that is drawn for this run and kept here.
"""

import io
import json
import secrets
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from pydantic import ValidationError

from autograder import audit
from autograder.dataset import Dataset, Images
from autograder.errors import printable
from autograder.homework import Homework, Protocol
from autograder.observations import Failure, Observations, Rehearsal, TrainingReport
from autograder.sandbox import Limits, Run, Sandbox
from autograder.submission import Submission, blanks

if TYPE_CHECKING:
    from autograder.checkpoint import Checkpoint

OBSERVE_S = 300.0  # import of torch, rehearsal, examination; a right file takes under ten on a slow machine
SETUP_S = 300.0  # from the start to the first training batch
AFTER_BOX_S = 120.0  # on top of a quarter of the time box, for the script's own test loop
TESTING_S = 600.0  # for all test images; 10,000 take a minute on two slow cores
EVAL_BATCH = 250
AUDIT_BATCH = 160  # another one, so that no image is in the company it was in
LARGEST_MESSAGE = 2**24  # bytes
LARGEST_TEST_BATCH = 1000

Scores = npt.NDArray[np.float32]
Order = npt.NDArray[np.int64]

_START = "import sys; sys.path.append(sys.argv[1]); from autograder.proctor.__main__ import main; main()"


class RunError(Exception):
    """A run that gave nothing to grade. `outcome` is one of the names in docs/security.md."""

    def __init__(self, outcome: str, message: str) -> None:
        super().__init__(message)
        self.outcome = outcome
        self.message = printable(message)  # parts of it may be the submission's words


@dataclass(frozen=True)
class Training:
    """What a graded training came to.

    Attributes:
        outcome: "GRADED", or why there are no scores: "TIMEOUT", "MEMORY", "NO_RESULT", "CRASHED", "EXIT 3", ...
        message: the reason in words; "" when graded.
        report: what the proctor saw; None when it never said.
        scores: "eval" and "as_left", each (M, classes) float32, for the first M test images in the dataset's order.
            Only passes that were answered to the end.
        audited: the second pass and that of altered images, of some test images (see `audit.py`); None where the
            network wasn't tested in eval mode, or didn't answer.
        epoch_scores: the same of the network as it was after each epoch, from the first on, where the homework asks.
        log: what the script printed, head and tail.
        seconds: from start to end, by this process's clock.
        device: "cuda" or "cpu".
        threads: of the CPU, as granted.
    """

    outcome: str
    message: str
    report: TrainingReport | None
    scores: dict[str, Scores] = field(default_factory=dict)
    audited: "Audited | None" = None
    epoch_scores: list[Scores] = field(default_factory=list)
    log: str = ""
    seconds: float = 0.0
    device: str = "cpu"
    threads: int = 1


@dataclass(frozen=True)
class Audited:
    """Answers to some test images once more.

    Attributes:
        chosen: which, (K,).
        again, altered: (K, classes) scores of these as they are, and altered.
        before: the same of the network as it was after its first step; None where that isn't asked, or no answer came.
    """

    chosen: Order
    again: Scores
    altered: Scores
    before: Scores | None = None


def gpu_available() -> bool:
    """Whether this machine has an NVIDIA GPU that a sandbox can be given. Doesn't import torch."""
    return Path("/dev/nvidia0").exists()


def observe(homework: Homework, submission: Submission, sandbox: Sandbox, *, threads: int = 1) -> Observations:
    """Rehearse `submission` and examine its network. Trains nothing; about a second beside the import of torch.

    A run that fails as a whole (killed, no answer) gives observations with `problem` set.
    """
    said: dict[str, Any] = {}
    problem = None
    with _run(homework, submission, sandbox, {}, OBSERVE_S, threads, gpu_available()) as (run, files):
        _send(run, {"kind": "observe", "homework": homework.name, **files})
        try:
            while (said := _message(run))["kind"] != "observations":
                pass
        except RunError as error:
            problem = f"{error.outcome}: {error.message}"
    return _observations(homework, submission, said, problem)


def train(
    homework: Homework,
    submission: Submission,
    dataset: Dataset,
    protocol: Protocol,
    sandbox: Sandbox,
    *,
    threads: int,
    checkpoint: "Checkpoint | None" = None,
    seed: int = 0,
    progress: Callable[[dict[str, Any]], None] | None = None,
) -> Training:
    """Train `submission` under the proctor on `dataset`, within the budget of `protocol`, and test its network.

    With a `checkpoint`, the given script finds a copy of it beside itself, under the homework's name. Each `seed`
    starts it from other random numbers, unless it seeds for itself.
    `progress` gets {"images", "of", "seconds", "loss"} every two seconds or so while it trains.
    """
    started = time.monotonic()
    gpu = gpu_available()
    binds = {
        "/data/train_images.npy": dataset.folder / "train_images.npy",
        "/data/train_labels.npy": dataset.folder / "train_labels.npy",
    }
    test_images: Images = dataset.test_images[: protocol.test_images]
    report: TrainingReport | None = None
    scores: dict[str, Scores] = {}
    epoch_scores: list[Scores] = []
    audited: Audited | None = None
    device = "cpu"
    with _run(homework, submission, sandbox, binds, SETUP_S, threads, gpu, checkpoint) as (run, files):
        job = {
            "kind": "train",
            "homework": homework.name,
            **files,
            "train_images": sandbox.inside(binds["/data/train_images.npy"], "/data/train_images.npy"),
            "train_labels": sandbox.inside(binds["/data/train_labels.npy"], "/data/train_labels.npy"),
            "train_count": protocol.train_count(dataset.train_count),
            "test_count": len(test_images),
            "classes": list(dataset.classes),
            "epochs": protocol.epochs,
            "seed": seed,
            "time_box_s": protocol.time_box_s,
            "preview": protocol.name == "preview",
        }
        _send(run, job)
        outcome, message = "GRADED", ""
        try:
            training_began = False
            while (said := _message(run))["kind"] != "trained":
                if said["kind"] == "started":
                    device = "cuda" if said.get("device") == "cuda" else "cpu"
                elif said["kind"] == "progress":
                    if not training_began:
                        # The script's own test loop comes after the box; it gets a quarter of it on top.
                        training_began = True
                        run.extend(protocol.time_box_s * 1.25 + AFTER_BOX_S)
                    if progress is not None:
                        progress({name: said.get(name) for name in ("images", "of", "seconds", "loss")})
            report = _report(said)
            if report.problem:
                raise RunError("NO_RESULT", report.problem)
            run.extend(TESTING_S)
            order = np.random.default_rng(secrets.randbits(128)).permutation(len(test_images))
            scores, audited = _reveal(run, homework, test_images, order, report)
            if homework.tests_epochs and audited is not None:
                epoch_scores = _reveal_epochs(run, homework, test_images, order, report)
            if audited is not None and report.kept_before and checkpoint is None:
                audited = replace(audited, before=_before(run, homework, test_images[audited.chosen]))
        except RunError as error:
            outcome, message = error.outcome, error.message
    return Training(
        outcome=outcome,
        message=message,
        report=report,
        scores=scores,
        audited=audited,
        epoch_scores=epoch_scores,
        log=run.output(),
        seconds=round(time.monotonic() - started, 3),
        device=device,
        threads=threads,
    )


# --- starting and speaking -------------------------------------------------------------------------------------------


@contextmanager
def _run(
    homework: Homework,
    submission: Submission,
    sandbox: Sandbox,
    binds: dict[str, Path],
    seconds: float,
    threads: int,
    gpu: bool,
    checkpoint: "Checkpoint | None" = None,
) -> Iterator[tuple[Run, dict[str, str]]]:
    """A proctor at work, and where it finds the submission ("file") and what it runs ("script").

    Ended, with all its processes, on the way out.
    """
    package = Path(__file__).resolve().parent
    name = f"{homework.stem}.py"
    with tempfile.TemporaryDirectory(prefix="autograder-") as folder:
        place = Path(folder, "submission")
        place.mkdir()
        for file, content in {name: submission.script, **homework.given_files()}.items():
            (place / file).write_bytes(content)
            (place / file).chmod(0o644)
        if checkpoint is not None:
            beside = shutil.copyfile(checkpoint.path, place / f"{homework.name}{checkpoint.path.suffix}")
            beside.chmod(0o644)
        for path in (Path(folder), place):
            path.chmod(0o755)
        visible = {"/submission": place, "/kit/autograder": package, **binds}
        kit = "/kit" if sandbox.name == "bwrap" else str(package.parent)
        run = sandbox.start(["-c", _START, kit], visible, Limits(seconds=seconds), threads=threads, gpu=gpu)
        try:
            roles = {"file": name, "script": homework.given[0] if homework.given else name}
            yield run, {role: sandbox.inside(place / file, f"/submission/{file}") for role, file in roles.items()}
        finally:
            run.end()


def _send(run: Run, message: dict[str, Any]) -> None:
    _send_bytes(run, json.dumps(message).encode())


def _send_bytes(run: Run, content: bytes) -> None:
    try:
        run.to_proctor.send_bytes(content)
    except OSError as error:
        raise RunError(*_why_it_ended(run)) from error


def _receive(run: Run, largest: int) -> bytes:
    """The next message's bytes. Raises RunError when none comes, or one that is too large."""
    try:
        while not run.from_proctor.poll(1.0):
            if run.process.poll() is not None and not run.from_proctor.poll(0):
                raise EOFError
        return run.from_proctor.recv_bytes(largest)
    except EOFError as error:
        raise RunError(*_why_it_ended(run)) from error
    except OSError as error:
        if run.killed_for is not None:  # in the middle of a message that it began and never ended
            raise RunError(*_why_it_ended(run)) from error
        raise RunError("RESULT_TOO_BIG", "a message is too large, or not one of the proctor's") from error


def _message(run: Run) -> dict[str, Any]:
    return _parsed(_receive(run, LARGEST_MESSAGE))


def _parsed(content: bytes) -> dict[str, Any]:
    try:
        message = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise RunError("BAD_MESSAGE", "a message isn't the proctor's") from error
    if not isinstance(message, dict) or not isinstance(message.get("kind"), str):
        raise RunError("BAD_MESSAGE", "a message isn't the proctor's")
    return message


def _why_it_ended(run: Run) -> tuple[str, str]:
    """The outcome of a run whose pipe closed before it said everything."""
    status = run.process.wait()
    if run.killed_for == "TIMEOUT":
        return "TIMEOUT", "it was still busy when its time had passed"
    if run.killed_for == "MEMORY":
        return "MEMORY", f"its processes took more than {run.limits.memory_mib:,} MiB of memory"
    if status < 0 or status > 128:
        number = -status if status < 0 else status - 128
        return f"SIGNAL {number}", f"the process was ended by signal {number}"
    if status:
        lines = run.output().strip().splitlines()
        last = f"; the last it printed: {lines[-1][:300]}" if lines else ""
        return f"EXIT {status}", f"the process ended itself with status {status}{last}"
    return "NO_RESULT", "the process ended without a result"


# --- judging what comes back -----------------------------------------------------------------------------------------


def _observations(
    homework: Homework, submission: Submission, said: dict[str, Any], problem: str | None
) -> Observations:
    base = {"homework": homework.name, "file": submission.name[:500], "blanks": blanks(submission.script)}
    if problem is not None:
        return Observations.model_validate({**base, "problem": problem})
    fields = {name: value for name, value in said.items() if name != "kind"}
    try:
        seen = Observations.model_validate({**fields, **base})
    except ValidationError:
        return Observations.model_validate({**base, "problem": "BAD_MESSAGE: a message isn't the proctor's"})
    rehearsal = seen.rehearsal
    if rehearsal is not None and _is_syntax_error(rehearsal):
        return Observations.model_validate({**base, "syntax_error": rehearsal.failure})
    return seen


def _is_syntax_error(rehearsal: Rehearsal) -> bool:
    failure = rehearsal.failure
    return (
        failure is not None
        and failure.type in ("SyntaxError", "IndentationError", "TabError")
        and not (rehearsal.steps or rehearsal.network_class)
    )


def _report(said: dict[str, Any]) -> TrainingReport:
    try:
        return TrainingReport.model_validate(said.get("report"))
    except ValidationError as error:
        raise RunError("BAD_MESSAGE", "the training's report isn't the proctor's") from error


def _reveal(
    run: Run, homework: Homework, images: Images, order: Order, report: TrainingReport
) -> tuple[dict[str, Scores], Audited | None]:
    """Both passes over the test images, in an order of this run's own; scores in the dataset's order. And the audit.

    That comes before the pass as left: in training mode, batch norm learns from the images that it is tested on.
    """
    scores: dict[str, Scores] = {}
    audited: Audited | None = None
    trouble: RunError | None = None
    sizes = {"eval": EVAL_BATCH}
    if report.left_in == "train":
        sizes["as_left"] = min(max(report.test_batch_size or 4, 1), LARGEST_TEST_BATCH)
    for name, size in sizes.items():
        try:
            scores[name] = _pass(run, homework, images, _batches(order, size), {"pass": name})
            if name == "eval":
                audited = _audit(run, homework, images)
        except RunError as error:
            trouble = error
            if error.outcome != "CRASHED":
                break
    if not scores and trouble is not None:
        raise trouble
    if "eval" in scores and report.left_in == "eval":
        scores["as_left"] = scores["eval"]
    return scores, audited


def _audit(run: Run, homework: Homework, images: Images) -> Audited | None:
    """Both passes of the audit. They look like any other in eval mode; that one is missing is for a person."""
    random = np.random.default_rng(secrets.randbits(128))
    chosen = audit.choose(len(images), random)
    some = images[chosen]
    batches = _batches(np.arange(len(some)), AUDIT_BATCH)
    try:
        run.extend(TESTING_S)
        again = _pass(run, homework, some, batches, {"pass": "eval"})
        return Audited(chosen, again, _pass(run, homework, audit.altered(some, random), batches, {"pass": "eval"}))
    except RunError:
        return None


def _before(run: Run, homework: Homework, some: Images) -> Scores | None:
    """What the network answered after its first step, when it can't have learned much."""
    try:
        run.extend(TESTING_S)
        return _pass(run, homework, some, _batches(np.arange(len(some)), AUDIT_BATCH), {"pass": "before"})
    except RunError:
        return None


def _reveal_epochs(run: Run, homework: Homework, images: Images, order: Order, report: TrainingReport) -> list[Scores]:
    """A pass for each epoch that the proctor kept. They decide nothing, so whatever goes wrong only ends them."""
    scores: list[Scores] = []
    try:
        for epoch in range(1, report.kept_epochs + 1):
            run.extend(TESTING_S)
            opening = {"pass": "epoch", "epoch": epoch}
            scores.append(_pass(run, homework, images, _batches(order, EVAL_BATCH), opening))
    except RunError:
        pass
    return scores


def _pass(run: Run, homework: Homework, images: Images, batches: list[Order], opening: dict[str, Any]) -> Scores:
    """The scores of one pass, (M, classes), in the dataset's order. Raises RunError where an answer is missing."""
    _send(run, {**opening, "batches": len(batches)})
    answered = np.empty((len(images), homework.classes), dtype=np.float32)
    for batch in batches:
        _send_bytes(run, _npy(images[batch]))
        answered[batch] = _scores(_receive(run, LARGEST_MESSAGE), (len(batch), homework.classes))
    return answered


def _batches(order: Order, size: int) -> list[Order]:
    """`order` in batches of `size`; a last image alone joins the batch before it (batch norm can't take one)."""
    starts = list(range(0, len(order), size))
    if size > 1 and len(starts) > 1 and len(order) - starts[-1] == 1:
        starts.pop()
    return [order[start:end] for start, end in zip(starts, [*starts[1:], len(order)], strict=True)]


def _npy(array: npt.NDArray[Any]) -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array(file, np.ascontiguousarray(array), version=(1, 0), allow_pickle=False)
    return file.getvalue()


def _scores(content: bytes, shape: tuple[int, int]) -> Scores:
    """A (N, classes) float32 array from the bytes of a `.npy` file, exactly of `shape`. NaN and infinity may occur."""
    if content[:1] == b"{":
        said = _parsed(content)
        try:
            failure = Failure.model_validate(said.get("failure"))
        except ValidationError as error:
            raise RunError("BAD_MESSAGE", "a message isn't the proctor's") from error
        where = f", line {failure.line}" if failure.line else ""
        raise RunError("CRASHED", f"the network failed on test images{where}: {failure.type}: {failure.message}"[:2000])
    file = io.BytesIO(content)
    try:
        if np.lib.format.read_magic(file) != (1, 0):
            raise ValueError("another version of the format")
        found, fortran, dtype = np.lib.format.read_array_header_1_0(file)
    except Exception as error:  # numpy's parser has no error of its own: a header of the right kind raises anything
        raise RunError("NOT_NPY", "the scores aren't a .npy array") from error
    if dtype != np.dtype("<f4") or fortran:
        raise RunError("BAD_DTYPE", f"the scores are {dtype}, not float32")
    if found != shape:
        raise RunError("BAD_SHAPE", f"the network answered {list(found)} for a batch of {shape[0]}, not {list(shape)}")
    rest = content[file.tell() :]
    if len(rest) != 4 * shape[0] * shape[1]:
        raise RunError("BAD_LENGTH", "the scores have another length than their header says")
    return np.frombuffer(rest, dtype="<f4").reshape(shape)
