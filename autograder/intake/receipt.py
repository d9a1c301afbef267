"""A student's receipt: what `autograder check --train` found of a file, in a file of its own to keep or hand in.

Written by `check`, read by `intake` and shown beside what the grader measures itself. It proves nothing, since anybody
can write such a file, and says so: it is where a question about a grade can begin.
"""

import hashlib
import json
from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from autograder.language import gettext as _

ENDING = "_receipt.json"
LARGEST = 2**16  # bytes
NOTE = "This proves nothing: anybody can write such a file. Points come from the grader's own run."

Words = Annotated[str, Field(max_length=200)]
Percent = Annotated[float, Field(ge=0, le=100)]


class Receipt(BaseModel):
    """What one run of a student's own said.

    Attributes:
        sha256: of the script that ran, as hex: the file, or what a notebook's cells make.
        kit, rubric, dataset: versions and fingerprints: with others a run may come out differently.
        protocol: "full" or "preview".
        device: "cuda", "mps" or "cpu"; `gpu` is what it calls itself, "" without one.
        seconds, epochs: of the training.
        accuracy_percent: the one that counts; None where no network could be tested, and `outcome` says why.
        error: in its place, of a homework that is scored by one.
        tier: the one that it would earn; "" for a preview, which predicts none: `preview` says what it saw.
        checks: id -> outcome.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    note: Words = NOTE
    homework: Words
    file: Words
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    time: datetime
    kit: Words
    rubric: Words
    dataset: Words
    protocol: Literal["full", "preview"]
    device: Words
    gpu: Words
    seconds: Annotated[float, Field(ge=0)]
    epochs: Annotated[float, Field(ge=0)]
    outcome: Words
    accuracy_percent: Percent | None
    error: Annotated[float, Field(ge=0)] | None = None
    tier: Words
    preview: Words = ""
    checks: Annotated[dict[Words, Words], Field(max_length=200)]

    def says(self) -> str:
        """What it says, in one sentence."""
        reached = _("no accuracy ({outcome})").format(outcome=self.outcome)
        if self.accuracy_percent is not None:
            reached = _("{percent:.1f}% after {epochs:.3g} epochs")
            reached = reached.format(percent=self.accuracy_percent, epochs=self.epochs)
        if self.error is not None:
            reached = _("{error:.4g} error after {epochs:.3g} epochs").format(error=self.error, epochs=self.epochs)
        return _(
            "{reached} ({protocol} protocol, {data}, {device}, {seconds:.0f} s, {time}), {failed} checks failed"
        ).format(
            reached=reached,
            protocol=self.protocol,
            data=self.dataset.split()[0],
            device=self.gpu or self.device,
            seconds=self.seconds,
            time=f"{self.time:%Y-%m-%d %H:%M}",
            failed=sum(outcome == "failed" for outcome in self.checks.values()),
        )


def write(receipt: Receipt, folder: Path, stem: str) -> Path:
    """Write `<stem>_receipt.json` into `folder`; its path. Raises OSError where that can't be written."""
    path = folder / f"{stem}{ENDING}"
    path.write_text(json.dumps(receipt.model_dump(mode="json"), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return path


def read(content: bytes) -> Receipt:
    """The receipt in a file's bytes, which are untrusted. Raises ValueError, with a short reason."""
    if len(content) > LARGEST:
        raise ValueError(_("larger than {most} KiB").format(most=LARGEST // 2**10))
    try:
        return Receipt.model_validate_json(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))[:60]
        text = _("not a receipt ({field}: {reason})").format(field=where, reason=first["msg"][:80])
        raise ValueError(text) from error


def of(said: Receipt, script: bytes) -> str:
    """What a receipt says, and whether it is about this script; a sentence."""
    same = said.sha256 == hashlib.sha256(script).hexdigest()
    return said.says() if same else _("{receipt}; of another file than this one").format(receipt=said.says())
