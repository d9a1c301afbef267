"""The command `autograder`: what can be asked of the kit, and what people read when it can't be done.

Called by the console script and by the Makefile. Holds no logic of its own: a command parses its words and calls one
function, which is imported only then, so that `--help` costs what typer costs (0.2 s on one core) and `check` never
imports torch here. Exit codes: 0 done, 1 what the command looked for is not right (or a crash of ours, with its
traceback), 2 it could not be carried out, 130 interrupted.
"""

import math
import sys
import traceback
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from autograder import __version__
from autograder.errors import KitError

if TYPE_CHECKING:
    from autograder.dataset import Dataset

app = typer.Typer(
    name="autograder",
    help="Check and grade PyTorch homework.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
data_app = typer.Typer(help="Prepare datasets, and see which there are.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(data_app, name="data")


class ProtocolName(StrEnum):
    """The two ways a training can run."""

    full = "full"
    preview = "preview"


class SandboxName(StrEnum):
    """The two places where a submission can run."""

    bwrap = "bwrap"
    none = "none"


class LmsName(StrEnum):
    """Where files may come from; the same names as in `lms.NAMES`."""

    blackboard = "blackboard"
    canvas = "canvas"
    moodle = "moodle"
    gradescope = "gradescope"
    github = "github"
    nbgrader = "nbgrader"
    folder = "folder"


ProtocolOption = Annotated[
    ProtocolName | None,
    typer.Option(help="full: the homework's own budget on all images; preview: a few hundred images, gives no points."),
]
SandboxOption = Annotated[
    SandboxName | None,
    typer.Option(help="bwrap: inside bubblewrap (the default); none: with your own rights, as any script you start."),
]
DataOption = Annotated[
    str | None,
    typer.Option(metavar="NAME|FOLDER", help="A prepared dataset, by its name or its folder, or a folder of them."),
]
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
LmsOption = Annotated[
    LmsName | None, typer.Option(help="Which system the files are from (default: their names say it).")
]
ZoneOption = Annotated[
    str | None, typer.Option(metavar="ZONE", help="The course's, e.g. Asia/Seoul (default: this machine's).")
]
RosterOption = Annotated[
    Path | None, typer.Option(metavar="FILE", help="A CSV file of who should have handed something in.")
]
RootOption = Annotated[
    Path | None, typer.Option(metavar="FOLDER", help="Where datasets are kept (default: data/ of the checkout).")
]


def main() -> None:
    """Run the command line, and turn what goes wrong into a line and an exit code."""
    try:
        app(prog_name="autograder")
    except KitError as error:
        print(f"error: {error.message}", file=sys.stderr)
        if error.hint:
            print(f"hint: {error.hint}", file=sys.stderr)
        sys.exit(error.exit_code)
    except Exception:
        traceback.print_exc()
        print("error: autograder itself failed, which says nothing about any submission", file=sys.stderr)
        sys.exit(1)


def _show_version(asked: bool) -> None:
    if asked:
        print(f"autograder {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version and exit.", callback=_show_version, is_eager=True)
    ] = False,
) -> None:
    pass


@app.command()
def check(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The homework: a .py or an .ipynb file.")],
    homework: Annotated[
        str | None, typer.Option(metavar="NAME", help="Which homework, where the file's name doesn't say.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False,
    train: Annotated[bool, typer.Option("--train", help="Also train under the rules, and tell the tier.")] = False,
    protocol: ProtocolOption = None,
    data: DataOption = None,
    start: StartOption = None,
    sandbox: SandboxOption = None,
    verbose: Annotated[
        bool, typer.Option("--verbose", help="Show every check, every failure in full and the layers.")
    ] = False,
) -> None:
    """Check one file: what is right, and where to start on what isn't.

    Nothing is trained unless --train is given. Exit code: 0 every required check passes, 1 some failed, 2 the file
    could not be checked.
    """
    from autograder import check as command

    code = command.check(
        file,
        homework,
        as_json=as_json,
        train=train,
        protocol=protocol,
        data=_dataset_folder(data),
        sandbox=sandbox,
        verbose=verbose,
        start=start,
    )
    raise typer.Exit(code)


@app.command()
def grade(
    submissions: SubmissionsArgument,
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="Where results and the report go.")],
    homework: HomeworkOption = None,
    data: DataOption = None,
    protocol: ProtocolOption = None,
    deadline: DeadlineOption = None,
    hours: Annotated[
        float | None,
        typer.Option(metavar="HOURS", help="Another time box for each training; such a run gives no points."),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="How many submissions run at the same time.")
    ] = None,
    start: StartOption = None,
    sandbox: SandboxOption = None,
    lms: LmsOption = None,
    timezone: ZoneOption = None,
    roster: RosterOption = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say who handed in what, and stop there.")] = False,
) -> None:
    """Grade a class: points, feedback and a report.

    Every submission is checked and trained. A run that was stopped goes on where it was when the same command is
    given again.
    """
    if hours is not None and not (math.isfinite(hours) and hours > 0):
        raise typer.BadParameter("must be a number of hours above 0", param_hint="--hours")
    from autograder import grade as command

    code = command.grade(
        submissions,
        out,
        homework or _only_homework(),
        data=_dataset_folder(data),
        protocol=protocol,
        hours=hours,
        deadline=deadline,
        workers=workers,
        sandbox=sandbox,
        start=start,
        lms=lms,
        timezone=timezone,
        roster=roster,
        dry_run=dry_run,
    )
    raise typer.Exit(code)


@app.command()
def collect(
    submissions: SubmissionsArgument,
    homework: HomeworkOption = None,
    deadline: DeadlineOption = None,
    lms: LmsOption = None,
    timezone: ZoneOption = None,
    roster: RosterOption = None,
    everybody: Annotated[
        bool, typer.Option("--all", help="A row for everybody, not only where there is news.")
    ] = False,
) -> None:
    """Say who handed in what, of what the LMS gave: on time, late, absent, or for a person to decide.

    Nothing is run, unpacked or written.
    """
    from rich.console import Console

    from autograder import intake
    from autograder.collect import show

    zone = None if timezone is None else intake.parse_zone(timezone)
    moment = None if deadline is None else intake.parse_deadline(deadline, zone)
    name = homework or _only_homework()
    class_ = intake.collect(submissions, name, moment, system=lms, zone=zone, listed=roster)
    show(class_, moment, zone, Console(highlight=False, soft_wrap=True, markup=False), everybody=everybody)


@app.command()
def doctor() -> None:
    """Show which protections are on when submissions run here.

    Exit code: 0 when all are, 1 when one is off or there is no sandbox.
    """
    from autograder.doctor import doctor as look

    raise typer.Exit(look())


@app.command()
def release(
    homework: Annotated[
        str | None, typer.Argument(metavar="HOMEWORK", help="Which homework (default: all there are).")
    ] = None,
) -> None:
    """Generate what students get from the solutions.

    That is skeleton, notebook and handout of each homework, under assignment/.
    """
    from autograder.homework import homework_names
    from autograder.release import release as write

    for name in [homework] if homework else homework_names():
        for path in write(name):
            print(path)


@app.command()
def pretrain(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="Which network, as its homework's recipe names it.")],
    data: DataOption = None,
    epochs: Annotated[
        int | None, typer.Option(min=1, max=10_000, metavar="N", help="Train for so many (default: the recipe's).")
    ] = None,
    source: Annotated[
        Path | None,
        typer.Option(
            "--from", metavar="FILE", help="Instead of training: a state dict, from torch.save or safetensors."
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Where it goes (default: data/checkpoints/ of the checkout).")
    ] = None,
) -> None:
    """Make the checkpoint that a homework's training goes on from.

    A training that was stopped goes on where it was when the same command is given again. The checkpoint counts for
    the data that it was trained on, and no other.
    """
    from autograder import checkpoint, dataset
    from autograder import pretrain as command

    given, _ = command.find(model)
    images = dataset.choose(given, given.full, _dataset_folder(data))
    folder = out or checkpoint.default_folder()
    made = command.pretrain(model, images, folder, epochs=epochs, source=source)
    record = made.record
    print(f"{made.path}: {record.accuracy_percent:.2f}% of the test images of {record.dataset}, {record.recipe}")


@data_app.command()
def fetch(
    source: Annotated[
        Path | None,
        typer.Option(
            "--from",
            metavar="FILE|FOLDER",
            help="Instead of downloading: the official archive, its unpacked folder, or an image folder or tar "
            "archive with train/<class>/* and test/<class>/*.",
        ),
    ] = None,
    name: Annotated[str | None, typer.Option(metavar="NAME", help="What to call an imported image folder.")] = None,
    root: RootOption = None,
) -> None:
    """Download the official dataset, or import one."""
    from autograder import dataset

    _say_prepared(dataset.fetch(name or dataset.OFFICIAL, root or dataset.default_root(), source))


@data_app.command()
def practice(root: RootOption = None) -> None:
    """Draw the practice set.

    It is the same on every machine, and training on it gives no points.
    """
    from autograder import dataset

    _say_prepared(dataset.practice(root or dataset.default_root()))


@data_app.command("list")
def list_datasets(root: RootOption = None) -> None:
    """List the datasets that are prepared."""
    from autograder import dataset

    folder = root or dataset.default_root()
    prepared = _prepared(folder)
    width = max((len(one.name) for one in prepared), default=0)
    for one in prepared:
        print(
            f"{one.name:<{width}}  {one.train_count:>6,} + {one.test_count:>6,} images"
            f"  {len(one.classes):>3} classes  {one.fingerprint[:12]}  {one.source}"
        )


@data_app.command()
def verify(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME|FOLDER]...", help="Which (default: all that are prepared).")
    ] = None,
    root: RootOption = None,
) -> None:
    """Hash again what was prepared: has it changed?"""
    from autograder import dataset

    folder = root or dataset.default_root()
    for one in [dataset.load(_named(name, folder)) for name in names] if names else _prepared(folder):
        dataset.verify(one)
        print(f"{one.name}: unchanged ({one.fingerprint[:12]})")


def _prepared(root: Path) -> "list[Dataset]":
    from autograder import dataset

    prepared = dataset.prepared(root)
    if not prepared:
        print(f"no dataset is prepared in {root}: autograder data fetch, or autograder data practice")
    return prepared


def _say_prepared(prepared: "Dataset") -> None:
    print(
        f"{prepared.name}: {prepared.train_count:,} training and {prepared.test_count:,} test images in "
        f"{prepared.folder} ({prepared.source}, fingerprint {prepared.fingerprint[:12]})"
    )


def _dataset_folder(data: str | None) -> Path | None:
    if data is None:
        return None
    from autograder.dataset import default_root

    return _named(data, default_root())


def _named(data: str, root: Path) -> Path:
    """The folder that `data` means: itself where it holds a dataset, else the dataset of that name under `root`."""
    folder = Path(data)
    named = root / folder
    if len(folder.parts) > 1 or (folder / "dataset.json").is_file():
        return folder
    return folder if folder.is_dir() and not (named / "dataset.json").is_file() else named


def _only_homework() -> str:
    from autograder.homework import homework_names

    names = homework_names()
    if len(names) > 1:
        raise KitError("there are several homeworks", f"say which: --homework {' | '.join(names)}")
    return names[0]
