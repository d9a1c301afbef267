"""The training of `check --train`: what it runs with, what it came to, and its receipt.

Called by `check.py`. Without a GPU it is a preview, which names no tier.
"""

import hashlib
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

from autograder.commands.student.check_report import Progress, Trained, Transcript
from autograder.errors import KitError
from autograder.language import chosen
from autograder.language import gettext as _

if TYPE_CHECKING:
    from autograder.commands.student.check_request import CheckRequest, Looked
    from autograder.commands.student.live_plot import LivePlot
    from autograder.observations import TrainingProgress
    from autograder.runner.runner import Runner
    from autograder.runner.setup import Setup

PREVIEW_S = 150.0  # the time box of a preview's training: with imports and tests, the preview stays under three minutes


def setup_of(request: "CheckRequest", looked: "Looked", runner: "Runner | None") -> "Setup":
    """What the training runs with, on all cores."""
    from autograder.machine import cores
    from autograder.runner.request import TrainingRequest
    from autograder.runner.runner import SANDBOX_RUNNER
    from autograder.runner.setup import prepared

    asked = TrainingRequest(
        homework=looked.homework.name,
        data=request.data,
        protocol=request.protocol,
        checkpoint=request.checkpoint,
        language=chosen(),
    )
    runner = runner or SANDBOX_RUNNER
    setup = prepared(asked, looked.place, full=runner.has_gpu(), threads=cores(), runner=runner, forks=False)
    if setup.protocol.is_small:  # somebody is waiting for it
        setup = replace(setup, protocol=replace(setup.protocol, time_box_s=min(PREVIEW_S, setup.protocol.time_box_s)))
    return setup


def train(
    looked: "Looked", setup: "Setup", unmet: set[str], report: "Transcript | None", plot: "LivePlot | None"
) -> Trained:
    """Train the submission here and decide its tier.

    Args:
        unmet: ids of the checks that don't hold, as `checks.unmet` gives them.
        report, plot: where the progress is shown; None for `--json`, and where nothing is drawn.
    """
    from autograder.grading.decision import conditions
    from autograder.grading.estimate import Estimate, work
    from autograder.publish import preview, solution_runs
    from autograder.runner.evaluate import evaluate
    from autograder.runner.setup import start_of

    start = start_of(setup, looked.observations)
    epochs = start.protocol.epochs
    expected_s = Estimate(setup.threads).expect("this", work(looked.observations, setup))
    with Progress(report, setup, start, expected_s if setup.protocol.is_small else None) as bar:

        def progressed(said: "TrainingProgress") -> None:
            bar(said)
            if plot is not None:
                plot.progressed(said, epochs)

        training = evaluate(setup, start, looked.handed_in, looked.observations, progress=progressed)
    found = training.accuracy
    percent = None if found is None else found.counted_percent
    tier = setup.rubric.decide(percent, unmet) if setup.protocol.names_rows else None
    seen = None
    if tier is None and training.report is not None:
        sha256 = "" if start.checkpoint is None else start.checkpoint.record.sha256
        band = solution_runs.find(SimpleNamespace(**conditions(setup, start.protocol), checkpoint_sha256=sha256))
        solution = None if band is None else band.record.accuracies
        seen = preview.of(training.report, percent, setup.protocol.test_count(setup.dataset.test_count), solution)
    trained = Trained(
        protocol=setup.protocol.name,
        dataset=setup.dataset.name,
        gives_points=setup.no_points_because is None,
        no_points_because=setup.no_points_because,
        outcome=training.outcome,
        message=training.message,
        started_from=start.words,
        accuracy_percent=percent,
        eval_percent=None if found is None else found.eval_percent,
        as_left_percent=None if found is None else found.as_left_percent,
        measure="accuracy" if found is None else found.measure,
        tier=None if tier is None else tier.label,
        tier_points=None if tier is None else tier.points,
        epochs=0.0 if training.report is None else training.report.epochs,
        ended_by=None if training.report is None else training.report.ended_by,
        seconds=training.seconds,
        device=training.device,
        threads=training.threads,
        preview=() if seen is None else tuple(seen.sentences),
        learns=None if seen is None else seen.learns,
        beside_solution=None if seen is None else seen.beside,
    )
    if plot is not None:
        # In English: matplotlib's own font has no Hangul.
        reached = training.outcome if percent is None else f"{training.shown} of the test images"
        row = ""
        if tier is not None:
            row = f": {tier.points:g} points" + (" if it were graded" if not trained.gives_points else "")
        elif seen is not None:
            row = f": {seen.short}"
        plot.ended(epochs, reached + row)
    if report is not None:
        report.show_training(trained)
    return trained


def write_receipt(
    folder: Path, looked: "Looked", setup: "Setup", trained: Trained, report: "Transcript | None"
) -> None:
    """Write a receipt of the training into `folder`. Raises KitError where that can't be written to."""
    from autograder import __version__
    from autograder.intake import receipt as receipts
    from autograder.runner import nvidia_smi

    stem = looked.homework.stem
    by_error = looked.homework.measure.is_error
    said = receipts.Receipt(
        homework=looked.homework.name,
        file=looked.handed_in.name[:200],
        sha256=hashlib.sha256(looked.handed_in.script).hexdigest(),
        time=datetime.now().astimezone(),
        kit=__version__,
        rubric=setup.rubric.fingerprint,
        dataset=f"{setup.dataset.name} {setup.dataset.fingerprint[:12]}"[:200],
        protocol="full" if trained.protocol == "full" else "preview",
        device=trained.device,
        gpu=nvidia_smi.gpu_name() if trained.device == "cuda" else "",
        seconds=trained.seconds,
        epochs=trained.epochs,
        outcome=trained.outcome[:200],
        accuracy_percent=None if by_error else trained.accuracy_percent,
        error=trained.accuracy_percent if by_error else None,
        tier=(trained.tier or "")[:200],
        preview="; ".join(trained.preview)[:200],
        checks={result.id: result.outcome for result in looked.results},
    )
    try:
        path = receipts.write(said, folder, stem)
    except OSError as error:
        raise KitError(
            _("{folder}: the receipt can't be written there ({reason})").format(folder=folder, reason=error.strerror)
        ) from error
    if report is not None:
        text = _("wrote {path}, a receipt: it proves nothing, and may be handed in beside the file")
        report.print(text.format(path=path))
