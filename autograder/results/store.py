"""Results on disk: each student's `result.json` and submission, written whole, and validated as untrusted when read.

Called by `grade`, which also reads what an earlier run left, by what a person decides, and by what publishes. A result
is written into a temporary file, to the disk, then into place by a rename. Decides nothing.
"""

import contextlib
import dataclasses
import hashlib
import json
import math
import shutil
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from autograder.errors import KitError
from autograder.files import whole, write_text
from autograder.intake import submission
from autograder.intake.submission import Submission
from autograder.results.result import SCHEMA_VERSION, Result

HANDED_IN = ("handed_in.py", "handed_in.ipynb")
LARGEST_RESULT = 64 * 2**20  # bytes; one with a graph of 5,000 operations has under 4 MiB


def write(folder: Path, result: Result) -> None:
    """Write `result` to `folder/result.json`."""
    fields = _without_infinities(result.model_dump(mode="python"))
    write_text(folder / "result.json", json.dumps(fields, ensure_ascii=False, indent=1, default=_plain) + "\n")


def read(folder: Path) -> Result | None:
    """The result in `folder`, or None when there is none.

    Raises KitError when there is a file that isn't a result of this schema version.
    """
    path = folder / "result.json"
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_RESULT + 1)
        if len(content) > LARGEST_RESULT:
            raise KitError(f"{path}: too large for a result")
        return Result.model_validate_json(content)
    except FileNotFoundError:
        return None
    except (OSError, ValidationError) as error:
        reason = error.errors()[0]["msg"] if isinstance(error, ValidationError) else error.strerror
        raise KitError(f"{path}: not a result of schema version {SCHEMA_VERSION} ({reason})") from error


def write_handed_in(folder: Path, handed_in: Submission) -> None:
    """Keep the file that counts, byte for byte, under a name of ours: see `HANDED_IN`."""
    own, other = HANDED_IN if handed_in.name.lower().endswith(".py") else HANDED_IN[::-1]
    with whole(folder / own) as temporary:
        temporary.write_bytes(handed_in.content)
    (folder / other).unlink(missing_ok=True)


def handed_in(folder: Path, result: Result) -> Submission | None:
    """The file that a result is about, as it was handed in; None where there is none, or another one lies there."""
    if result.submission is None:
        return None
    for name in HANDED_IN:
        with contextlib.suppress(KitError):
            content = submission.content_of(folder / name, submission.largest(name), follow_links=False)
            if hashlib.sha256(content).hexdigest() == result.submission.sha256:
                return dataclasses.replace(submission.of(name, content), name=result.submission.name)
    return None


def put_aside(folder: Path) -> None:
    """Copy what an earlier run has left in `folder` to `earlier/<time>/`, under its own time: result, page, log, file.

    Called before another result is written. Nothing is ever thrown away; a person may compare.
    """
    path = folder / "result.json"
    if not path.exists():
        return
    moment = datetime.fromtimestamp(path.stat().st_mtime).strftime("%Y-%m-%d-%H%M%S")
    number, aside = 1, folder / "earlier" / moment
    while aside.exists():
        number += 1
        aside = folder / "earlier" / f"{moment}-{number}"
    aside.mkdir(parents=True)
    for name in ("result.json", "feedback.html", "log.txt", *HANDED_IN):
        with contextlib.suppress(FileNotFoundError):
            shutil.copy2(folder / name, aside / name)


def remove_left_overs(folder: Path) -> None:
    """Remove the temporary files that killed runs left in a result's folder."""
    own = ("result.json", "feedback.html", "log.txt", *HANDED_IN)
    for name in (*own, "grades.csv", "attempts.csv", "report.html", "run.json", "live.json"):
        for path in folder.glob(f".{name}.*"):
            path.unlink(missing_ok=True)


def _without_infinities(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _without_infinities(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_without_infinities(one) for one in value]
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")
    return value


def _plain(value: Any) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} is nothing for JSON")
