"""What is asked of a check, and what observing the file gave.

Read by `check.py` and `check_training.py`.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from autograder.course.homework import Homework
from autograder.intake.submission import Submission
from autograder.observations import Observations
from autograder.sandbox.sandbox import Sandbox

if TYPE_CHECKING:
    from autograder.checks import CheckResult


@dataclass(frozen=True)
class CheckRequest:
    """What somebody asks of a check.

    Attributes:
        file: a .py or .ipynb file.
        homework: which; None: the one that the file's name begins with.
        as_json: print one JSON object and nothing else.
        train: also train, under the protocol's budget, and tell the tier; of a preview, what it saw.
        protocol: "full", "preview", "demo", or None for full where there is a GPU, else a preview.
        data: a prepared dataset's folder, or a folder of such; None: the kit's own.
        checkpoint: what the training goes on from, "none", or None for the homework's own where there is one.
        sandbox: "bwrap", "none", or None for bubblewrap where it works, else none: the file is one's own.
        verbose: print every check, every failure in full, the table of layers and that of entries that differ.
        receipt: the folder that a receipt of the training goes to (see `receipt.py`); None: there is none.
    """

    file: Path
    homework: str | None = None
    as_json: bool = False
    train: bool = False
    protocol: str | None = None
    data: Path | None = None
    checkpoint: str | None = None
    sandbox: str | None = None
    verbose: bool = False
    receipt: Path | None = None


@dataclass(frozen=True)
class Looked:
    """A file that was checked: in which sandbox, what was observed, the results of the checks, and how long it took."""

    handed_in: Submission
    homework: Homework
    place: Sandbox
    observations: Observations
    results: "list[CheckResult]"
    seconds: float
