"""The grader's side of a run: starts the proctor in a sandbox, gives it its job, and judges what comes back.

Called by `check` and `grade`. What comes back is untrusted: messages are size-limited and validated, arrays must have
the exact type and shape, and a run that breaks any of this spoils only itself. Test labels never leave this process;
test images leave it after training, in an order that is drawn for this run and kept here.
"""

import secrets
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import numpy.typing as npt
from pydantic import ValidationError

from autograder import audit, jail
from autograder.conversation import Conversation, RunError, Scores
from autograder.dataset import Dataset, Images
from autograder.homework import Homework, Protocol
from autograder.jail import Limits
from autograder.language import gettext as _
from autograder.observations import Observations, Observed, Rehearsal, TrainingProgress, TrainingReport
from autograder.sandbox import Sandbox
from autograder.submission import Submission, blanks

if TYPE_CHECKING:
    from autograder.checkpoint import Checkpoint

OBSERVE_S = 300.0  # import of torch, rehearsal, examination; a right file takes under ten on a slow machine
SETUP_S = 300.0  # from the start to the first training batch
AFTER_BOX_S = 120.0  # on top of a quarter of the time box, for the script's own test loop
TESTING_S = 600.0  # for all test images; 10,000 take a minute on two slow cores
REPORT_EVERY_S = 1.0  # at most; the proctor has its own, and a submission may be at it
EVAL_BATCH = 250
AUDIT_BATCH = 160  # of the altered images, and of others where the script's own training batches are unknown
LARGEST_TEST_BATCH = 1000

Order = npt.NDArray[np.int64]

Kind = TypeVar("Kind", bound=Observed)

_START = "import sys; sys.path.append(sys.argv[1]); from autograder.proctor.__main__ import main; main()"


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
        training_s: of these, from the first training batch to the end of the script or of its budget.
        device: "cuda" or "cpu".
        threads: of the CPU, as granted.
        beside: how many other trainings shared its GPU, at most.
    """

    outcome: str
    message: str
    report: TrainingReport | None
    scores: dict[str, Scores] = field(default_factory=dict)
    audited: "Audited | None" = None
    epoch_scores: list[Scores] = field(default_factory=list)
    log: str = ""
    seconds: float = 0.0
    training_s: float = 0.0
    device: str = "cpu"
    threads: int = 1
    beside: int = 0


@dataclass(frozen=True)
class Audited:
    """Answers to some test images once more.

    Attributes:
        chosen: which, (K,).
        again, altered: (K, classes) scores of these as they are, and altered.
        before: the same of the network as it was after its first step; None where that isn't asked, or no answer came.
        forward_s: how long `again` took, in batches as large as the training's; by this process's clock.
    """

    chosen: Order
    again: Scores
    altered: Scores
    before: Scores | None = None
    forward_s: float = 0.0


def gpu_available() -> bool:
    """Whether this machine has an NVIDIA GPU that a sandbox can be given. Doesn't import torch."""
    return Path("/dev/nvidia0").exists()


def observe(
    homework: Homework, submission: Submission, sandbox: Sandbox, *, threads: int = 1, warm: bool = False
) -> Observations:
    """Rehearse `submission` and examine its network. Trains nothing; about a second beside the import of torch.

    With `warm`, where many are looked at, that import is paid once (see `warm.py`).

    A run that fails as a whole (killed, no answer) gives observations with `problem` set.
    """
    said: dict[str, Any] = {}
    problem = None
    with _run(homework, submission, sandbox, {}, OBSERVE_S, threads, gpu_available(), warm=warm) as (proctor, files):
        try:
            proctor.begin({"kind": "observe", "homework": homework.name, **files})
            while (said := proctor.message())["kind"] != "observations":
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
    warm: bool = False,
    progress: Callable[[TrainingProgress], None] | None = None,
) -> Training:
    """Train `submission` under the proctor on `dataset`, within the budget of `protocol`, and test its network.

    With a `checkpoint`, the given script finds a copy of it beside itself, under the homework's name. Each `seed`
    starts it from other random numbers, unless it seeds for itself. With `warm`, it is forked as looks are; that is for
    previews.
    `progress` is told every two seconds or so while it trains.
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
    began: float | None = None  # when the first training batch was served
    training_s = 0.0
    with _run(homework, submission, sandbox, binds, SETUP_S, threads, gpu, checkpoint, warm) as (proctor, files):
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
        outcome, message = "GRADED", ""
        try:
            proctor.begin(job)
            next_report = 0.0
            while (said := proctor.message())["kind"] != "trained":
                if said["kind"] == "started":
                    device = "cuda" if said.get("device") == "cuda" else "cpu"
                elif said["kind"] == "progress":
                    if began is None:
                        # The script's own test loop comes after the box; it gets a quarter of it on top.
                        began = time.monotonic()
                        proctor.run.extend(protocol.time_box_s * 1.25 + AFTER_BOX_S)
                    now_at = _valid(TrainingProgress, said, _("a progress report"))
                    if progress is not None and time.monotonic() >= next_report:
                        next_report = time.monotonic() + REPORT_EVERY_S
                        progress(now_at)
            training_s = 0.0 if began is None else time.monotonic() - began
            report = _valid(TrainingReport, said.get("report"), _("the training's report"))
            if report.problem:
                raise RunError("NO_RESULT", _(report.problem))
            proctor.run.extend(TESTING_S)
            order = np.random.default_rng(secrets.randbits(128)).permutation(len(test_images))
            scores, audited = _reveal(proctor, homework, test_images, order, report)
            if homework.tests_epochs and audited is not None:
                epoch_scores = _reveal_epochs(proctor, homework, test_images, order, report)
            if audited is not None and report.kept_before and checkpoint is None:
                audited = replace(audited, before=_before(proctor, homework, test_images[audited.chosen]))
        except RunError as error:
            outcome, message = error.outcome, error.message
    return Training(
        outcome=outcome,
        message=message,
        report=report,
        scores=scores,
        audited=audited,
        epoch_scores=epoch_scores,
        log=proctor.run.output(),
        seconds=round(time.monotonic() - started, 3),
        training_s=training_s,
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
    warm: bool = False,
) -> Iterator[tuple[Conversation, dict[str, str]]]:
    """A proctor at work, and where it finds the submission ("file") and what it runs ("script").

    Ended, with all its processes, on the way out.
    """
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
        visible = {"/submission": place, str(jail.KIT): jail.KIT, **binds}
        program = [_START, str(jail.KIT.parent)]
        run = sandbox.start(program, visible, Limits(seconds=seconds), threads=threads, gpu=gpu, warm=warm)
        try:
            roles = {"file": name, "script": homework.given[0] if homework.given else name}
            files = {role: sandbox.inside(place / file, f"/submission/{file}") for role, file in roles.items()}
            yield Conversation(run), files
        finally:
            run.end()


# --- judging what comes back -----------------------------------------------------------------------------------------


def _observations(
    homework: Homework, submission: Submission, said: dict[str, Any], problem: str | None
) -> Observations:
    base = {"homework": homework.name, "file": submission.name[:500], "blanks": blanks(submission.script)}
    if problem is not None:
        return Observations.model_validate({**base, "problem": problem})
    try:
        seen = _valid(Observations, {**said, **base}, _("a message"))
    except RunError as error:
        return Observations.model_validate({**base, "problem": f"{error.outcome}: {error.message}"})
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


def _valid(kind: type[Kind], said: Any, what: str) -> Kind:
    """`said` as one of the proctor's models. Raises RunError when it isn't one."""
    fields = {name: value for name, value in said.items() if name != "kind"} if isinstance(said, dict) else said
    try:
        return kind.model_validate(fields)
    except ValidationError as error:
        raise RunError("BAD_MESSAGE", _("{what} isn't the proctor's").format(what=what)) from error


def _reveal(
    proctor: Conversation, homework: Homework, images: Images, order: Order, report: TrainingReport
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
            scores[name] = _pass(proctor, homework, images, _batches(order, size), {"pass": name})
            if name == "eval":
                audited = _audit(proctor, homework, images, report)
        except RunError as error:
            trouble = error
            if error.outcome != "CRASHED":
                break
    if not scores and trouble is not None:
        raise trouble
    if "eval" in scores and report.left_in == "eval":
        scores["as_left"] = scores["eval"]
    return scores, audited


def _audit(proctor: Conversation, homework: Homework, images: Images, report: TrainingReport) -> Audited | None:
    """Both passes of the audit. They look like any other in eval mode; that one is missing is for a person.

    Images are chosen and ordered anew, so that none is in the company it was in.
    """
    random = np.random.default_rng(secrets.randbits(128))
    chosen = audit.choose(len(images), random)
    some = images[chosen]
    places = np.arange(len(some))
    as_trained = _batches(places, min(max(report.train_batch_size or AUDIT_BATCH, 1), LARGEST_TEST_BATCH))
    try:
        proctor.run.extend(TESTING_S)
        began = time.monotonic()
        again = _pass(proctor, homework, some, as_trained, {"pass": "eval"})
        forward_s = time.monotonic() - began
        altered = audit.altered(some, random)
        of_altered = _pass(proctor, homework, altered, _batches(places, AUDIT_BATCH), {"pass": "eval"})
    except RunError:
        return None
    return Audited(chosen, again, of_altered, forward_s=forward_s)


def _before(proctor: Conversation, homework: Homework, some: Images) -> Scores | None:
    """What the network answered after its first step, when it can't have learned much."""
    try:
        proctor.run.extend(TESTING_S)
        return _pass(proctor, homework, some, _batches(np.arange(len(some)), AUDIT_BATCH), {"pass": "before"})
    except RunError:
        return None


def _reveal_epochs(
    proctor: Conversation, homework: Homework, images: Images, order: Order, report: TrainingReport
) -> list[Scores]:
    """A pass for each epoch that the proctor kept. They decide nothing, so whatever goes wrong only ends them."""
    scores: list[Scores] = []
    try:
        for epoch in range(1, report.kept_epochs + 1):
            proctor.run.extend(TESTING_S)
            opening = {"pass": "epoch", "epoch": epoch}
            scores.append(_pass(proctor, homework, images, _batches(order, EVAL_BATCH), opening))
    except RunError:
        pass
    return scores


def _pass(
    proctor: Conversation, homework: Homework, images: Images, batches: list[Order], opening: dict[str, Any]
) -> Scores:
    """The scores of one pass, (M, classes), in the dataset's order. Raises RunError where an answer is missing."""
    proctor.send({**opening, "batches": len(batches)})
    answered = np.empty((len(images), homework.classes), dtype=np.float32)
    for batch in batches:
        proctor.send_images(images[batch])
        answered[batch] = proctor.scores((len(batch), homework.classes))
    return answered


def _batches(order: Order, size: int) -> list[Order]:
    """`order` in batches of `size`; a last image alone joins the batch before it (batch norm can't take one)."""
    starts = list(range(0, len(order), size))
    if size > 1 and len(starts) > 1 and len(order) - starts[-1] == 1:
        starts.pop()
    return [order[start:end] for start, end in zip(starts, [*starts[1:], len(order)], strict=True)]
