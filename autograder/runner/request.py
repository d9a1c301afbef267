"""The request for trainings, as a command's options say it.

Made by the commands, and taken by `setup.prepared`. Imports next to nothing: the command line's options are its fields.
"""

from pathlib import Path

from pydantic import BaseModel, ConfigDict

FILE = "run.json"
"""In the folder of a class: how it was graded last."""


class TrainingRequest(BaseModel):
    """The request for trainings, as a command's options say it. None is what the kit chooses by itself.

    Attributes:
        data: a prepared dataset's folder, or a folder of such; None: the kit's own.
        test_images: images of an instructor's own to test on, in the place of the dataset's; see `prepare.held_out`.
        protocol: "full", "preview", "demo", or None: full where there is a GPU, else a preview.
        hours: another time box; such a run gives no points.
        checkpoint: a file that trainings go on from, "none", or None for the homework's own where there is one.
        sandbox: "bwrap", "none", or None for bubblewrap.
        language: of what students read, one of `language.LANGUAGES`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    homework: str
    data: Path | None = None
    test_images: Path | None = None
    protocol: str | None = None
    hours: float | None = None
    checkpoint: str | None = None
    sandbox: str | None = None
    language: str = "en"
