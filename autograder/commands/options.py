"""Options that several commands take, and what their values mean.

Used by the modules of commands.
"""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from autograder.errors import KitError
from autograder.language import VARIABLE


class ProtocolName(StrEnum):
    """The ways a training can run."""

    full = "full"
    preview = "preview"
    demo = "demo"


class SandboxName(StrEnum):
    """The two places where a submission can run, and what the kit chooses by itself."""

    auto = "auto"
    bwrap = "bwrap"
    none = "none"


class LanguageName(StrEnum):
    """What students may read; the same names as in `language.LANGUAGES`."""

    en = "en"
    ko = "ko"


class LmsName(StrEnum):
    """Where files may come from; the same names as in `recognition.NAMES`."""

    blackboard = "blackboard"
    canvas = "canvas"
    moodle = "moodle"
    gradescope = "gradescope"
    github = "github"
    nbgrader = "nbgrader"
    folder = "folder"


class ExportName(StrEnum):
    """Where grades may go; the same names as in `lms_grades.NAMES`."""

    blackboard = "blackboard"
    canvas = "canvas"
    moodle = "moodle"
    gradescope = "gradescope"
    csv = "csv"


ProtocolOption = Annotated[
    ProtocolName | None,
    typer.Option(
        help="full: the homework's own budget on all images; preview: a few hundred images, no points; "
        "demo: the same, and the rows of the rubric that a demonstration class would be in."
    ),
]
SandboxOption = Annotated[
    SandboxName | None,
    typer.Option(
        help="bwrap: inside bubblewrap; none: with your own rights, as any script you start; auto (the default): "
        "bwrap, and for your own file none where that can't work."
    ),
]
LanguageOption = Annotated[
    LanguageName,
    typer.Option(
        "--lang", "--language", envvar=VARIABLE, help="The language of what students read: English or Korean."
    ),
]
DATA = typer.Option(metavar="NAME|FOLDER", help="A prepared dataset, by its name or its folder, or a folder of them.")
DataOption = Annotated[str | None, DATA]
StartOption = Annotated[
    str | None,
    typer.Option(
        "--checkpoint",
        metavar="FILE|none",
        help="What training goes on from, in a homework that has checkpoints (default: its own, where there is one).",
    ),
]
SubmissionsArgument = Annotated[
    Path,
    typer.Argument(
        metavar="SUBMISSIONS",
        help="What the LMS gave, as a zip file or unpacked; or a folder with one for each student.",
    ),
]
HomeworkOption = Annotated[str | None, typer.Option(metavar="NAME", help="Which homework, where there are several.")]
DeadlineOption = Annotated[
    str | None, typer.Option(metavar="TIME", help='Later files don\'t count, e.g. "2026-11-30 23:59".')
]
ExtensionOption = Annotated[
    list[str],
    typer.Option(metavar="STUDENT=TIME", help="A deadline of one's own, as often as needed; wins over the roster's."),
]
LmsOption = Annotated[
    LmsName | None, typer.Option(help="Which system the files are from (default: their names say it).")
]
ZoneOption = Annotated[
    str | None, typer.Option(metavar="ZONE", help="The course's, e.g. Asia/Seoul (default: this machine's).")
]
RosterOption = Annotated[
    Path | None, typer.Option(metavar="FILE", help="A CSV file of who should have handed something in.")
]
BookOption = Annotated[
    str | None,
    typer.Option(
        metavar="URL|none",
        help="nbgrader's gradebook (default: a file beside the results), e.g. postgresql://user@host/course.",
    ),
]
ClusterOption = Annotated[
    str | None,
    typer.Option(metavar="ADDRESS", help="Grade on the workers of a Dask scheduler, e.g. tls://grading.example:8786."),
]
SlurmOption = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Grade on workers that Slurm starts, as the file asks for them.")
]
OutOption = Annotated[Path, typer.Option(metavar="FOLDER", help="The folder that the class was graded into.")]
RootOption = Annotated[
    Path | None, typer.Option(metavar="FOLDER", help="Where datasets are kept (default: data/ of the checkout).")
]


def book_of(out: Path, asked: str | None) -> str | None:
    """The address of the gradebook that an option names; None for none."""
    from autograder.publish.nbgrader_gradebook import url_of

    return None if asked == "none" else url_of(out, asked)


def dataset_folder(data: str | None) -> Path | None:
    """The folder of the dataset that an option names; None for none."""
    if data is None:
        return None
    from autograder.course.dataset import default_root

    return named(data, default_root())


def named(data: str, root: Path) -> Path:
    """The folder that `data` means: itself where it holds a dataset, else the dataset of that name under `root`."""
    folder = Path(data)
    named = root / folder
    if len(folder.parts) > 1 or (folder / "dataset.json").is_file():
        return folder
    return folder if folder.is_dir() and not (named / "dataset.json").is_file() else named


def only_homework() -> str:
    """The only homework's name. Raises KitError where there are several."""
    from autograder.homeworks import names as homework_names

    names = homework_names()
    if len(names) > 1:
        raise KitError("there are several homeworks", f"say which: --homework {' | '.join(names)}")
    return names[0]
