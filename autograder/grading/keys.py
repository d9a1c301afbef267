"""Keys of results: where two keys are equal, so are the results, and the second one isn't computed.

Called by `decision`, by `reuse` (which earlier results may be kept) and by workers of a cluster (whether their kit is
the grader's). A key is a hash of everything that a result follows from: what was handed in, what it was graded with,
and the source of the kit's own modules. Evidence is what running a submission gives, which can take hours; the decision
that follows from it takes a moment. So there are two keys: what affects only the decision (checks, rubric, flags) is in
the key of the result, and not in the key of the evidence.
"""

import hashlib
import json
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from autograder import __version__
from autograder.files import PACKAGE
from autograder.grading.lateness import percent_off
from autograder.intake.entry import Entry
from autograder.results.result import SCHEMA_VERSION
from autograder.runner.setup import Setup

EVIDENCE = (
    *("errors.py", "files.py", "machine.py", "observations.py"),
    *("intake/submission.py", "intake/notebook_script.py"),
    *("course", "sandbox", "proctor", "runner"),
)
"""Modules, and folders of modules, that evidence follows from."""

DECISION = (
    *EVIDENCE,
    *("language.py", "checks", "intake", "results/result.py"),
    *("grading/decision.py", "grading/flags.py", "grading/keys.py", "grading/lateness.py"),
)
"""The same for a decision."""


def of_result(entry: Entry, setup: Setup, package: Path = PACKAGE) -> str:
    """The key of all that a result follows from. `package`: the folder of the kit's modules."""
    return _fingerprint(
        [
            of_evidence(entry, setup, package),
            of_kit(DECISION, setup.homework.name, package),
            [setup.rubric.fingerprint, [row.label for row in setup.rubric.rows]],
            setup.language,
            [entry.late, percent_off(entry, setup.rubric)],
            [None if entry.deadline is None else entry.deadline.isoformat(), entry.own_deadline],
            # A page shows the student's own record, so a new record makes a new page.
            [[epoch.model_dump() for epoch in entry.own_epochs], entry.record_notes, entry.receipt, entry.notes],
        ]
    )


def of_evidence(entry: Entry, setup: Setup, package: Path = PACKAGE) -> str:
    """The key of all that the evidence follows from: neither rubric nor checks are part of it."""
    protocol, file = setup.protocol, entry.submission
    return _fingerprint(
        [
            SCHEMA_VERSION,
            [entry.outcome] if file is None else [file.name, file.fingerprint],
            [setup.homework.name, setup.homework.version],
            [setup.dataset.name, setup.dataset.fingerprint],
            [protocol.name, protocol.epochs, protocol.time_box_s, protocol.train_images, protocol.test_images],
            "" if setup.checkpoint is None else setup.checkpoint.record.sha256,
            setup.sandbox.name,
            of_kit(EVIDENCE, setup.homework.name, package),
        ]
    )


def worker_kit(homework: str) -> str:
    """What a worker must have as the grader has it: results of one class come from one kit and one torch."""
    return f"{__version__} {of_kit(DECISION, homework)[:8]} with torch {version('torch')}"


@cache
def of_kit(parts: tuple[str, ...], homework: str, package: Path = PACKAGE) -> str:
    """SHA-256, as hex, of the kit's version, of the modules in `parts`, and of the homework's own."""
    named = [package / part for part in (*parts, f"homeworks/{homework}.py")]
    modules = {path for one in named for path in (one.rglob("*.py") if one.is_dir() else [one])}
    digest = hashlib.sha256(__version__.encode())
    for path in sorted(modules):
        digest.update(f"\n{path.relative_to(package).as_posix()}\n".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _fingerprint(value: Any) -> str:
    """SHA-256, as hex, of a value that JSON can hold."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
