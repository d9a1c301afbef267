"""The command `autograder`: what can be asked of the kit, and what people read when it can't be done.

Called by the console script and by the Makefile. Holds no logic of its own: a command parses its arguments and calls
one function, whose module is imported only then, so that `--help` costs what typer costs (0.2 s on one core) and
`check` never imports torch here. Exit codes: 0 done; 1 the command ran and found something wrong (a required check
failed, a protection is off), or the kit itself crashed, with its traceback; 2 the request could not be carried out; 130
interrupted.
"""

import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from autograder import __version__
from autograder.commands import class_commands, plain_signs
from autograder.commands.options import (
    DataOption,
    LanguageName,
    LanguageOption,
    ProtocolOption,
    RootOption,
    SandboxOption,
    StartOption,
    dataset_folder,
    named,
    only_homework,
)
from autograder.errors import KitError
from autograder.language import spoken

if TYPE_CHECKING:
    from autograder.course.dataset import Dataset

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
app.add_typer(class_commands.app)


def main() -> None:
    """Run the command line, and turn what goes wrong into a line and an exit code."""
    plain_signs.install()
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
    train: Annotated[
        bool, typer.Option("--train", help="Also train under the rules: on a GPU as it is graded, else a preview.")
    ] = False,
    protocol: ProtocolOption = None,
    data: DataOption = None,
    start: StartOption = None,
    sandbox: SandboxOption = None,
    verbose: Annotated[
        bool, typer.Option("--verbose", help="Show every check, every failure in full and the layers.")
    ] = False,
    receipt: Annotated[
        bool, typer.Option("--receipt", help="With --train: leave a receipt, NAME_receipt.json, in this folder.")
    ] = False,
    watch: Annotated[
        bool, typer.Option("--watch", help="Check again whenever the file is saved, until Ctrl-C.")
    ] = False,
    language: LanguageOption = LanguageName.en,
) -> None:
    """Check one file: what is right, and where to start on what isn't.

    Nothing is trained unless --train is given. Exit code: 0 every required check passes, 1 some failed, 2 the file
    could not be checked.
    """
    from autograder.commands.student import check as command
    from autograder.commands.student.check_request import CheckRequest

    if receipt and not train:
        raise typer.BadParameter("is about a training: it needs --train", param_hint="--receipt")
    if watch:
        if as_json or train:
            raise typer.BadParameter("goes with neither --json nor --train", param_hint="--watch")
        with spoken(language):
            raise typer.Exit(command.watch(file, homework, sandbox=sandbox, verbose=verbose))
    with spoken(language):
        request = CheckRequest(
            file=file,
            homework=homework,
            as_json=as_json,
            train=train,
            protocol=protocol,
            data=dataset_folder(data),
            checkpoint=start,
            sandbox=sandbox,
            verbose=verbose,
            receipt=Path() if receipt else None,
        )
        code = command.check(request)
    raise typer.Exit(code)


@app.command()
def hint(
    homework: Annotated[str, typer.Argument(metavar="HOMEWORK", help="Which homework, by its folder's name.")],
    check: Annotated[str, typer.Argument(metavar="CHECK", help="A check as `check` names it, or a question: Q5.")],
    step: Annotated[int, typer.Argument(metavar="[STEP]", help="How many hints: 1 (the default) or more.")] = 1,
    language: LanguageOption = LanguageName.en,
) -> None:
    """Give a hint about a check that fails, a nearer one with each step. Never the answer."""
    from autograder.commands.student import hints

    with spoken(language):
        raise typer.Exit(hints.hint(homework, check, step))


@app.command()
def explain(
    homework: Annotated[str, typer.Argument(metavar="HOMEWORK", help="Which homework, by its folder's name.")],
    check: Annotated[str, typer.Argument(metavar="CHECK", help="A check as `check` names it, or a question: Q5.")],
) -> None:
    """Print the part of the handout that a check is about."""
    from autograder.commands.student import hints

    raise typer.Exit(hints.explain(homework, check))


@app.command()
def doctor() -> None:
    """Show which protections are on when submissions run here.

    Exit code: 0 when all are, 1 when one is off or there is no sandbox.
    """
    from autograder.commands.doctor import doctor as look

    raise typer.Exit(look())


@app.command()
def release(
    homework: Annotated[
        str | None, typer.Argument(metavar="HOMEWORK", help="Which homework (default: all there are).")
    ] = None,
    github_classroom: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Write a repository template for GitHub Classroom instead.")
    ] = None,
    kit: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="Where pip gets the kit there, e.g. git+https://HOST/kit.git")
    ] = None,
    nbgrader: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Write the notebook into a course of nbgrader's instead.")
    ] = None,
) -> None:
    """Generate what students get from the solutions.

    That is skeleton, notebook and handout of each homework, under assignment/.
    """
    if github_classroom is not None and kit is None:
        raise typer.BadParameter("needs --kit, the address of the kit", param_hint="--github-classroom")
    if nbgrader is not None and kit is not None:
        raise typer.BadParameter("means nothing with --nbgrader", param_hint="--kit")
    from autograder.homeworks import names as homework_names

    if github_classroom is not None and kit is not None:
        from autograder.commands.course.github_classroom import template

        for path in template(homework or only_homework(), github_classroom, kit):
            print(path)
        return
    if nbgrader is not None:
        from autograder.commands.course import nbgrader_notebook

        print(nbgrader_notebook.write(homework or only_homework(), nbgrader))
        return
    from autograder.commands.course.release import release as write

    for name in [homework] if homework else homework_names():
        for path in write(name, kit=kit or ""):
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
    from autograder.commands.course import pretrain as command
    from autograder.course import checkpoint, prepare

    homework, _ = command.find(model)
    images = prepare.choose(homework, homework.full, dataset_folder(data))
    folder = out or checkpoint.default_folder()
    made = command.pretrain(model, images, folder, epochs=epochs, source=source)
    record = made.record
    print(f"{made.path}: {record.accuracy_percent:.2f}% of the test images of {record.dataset}, {record.recipe}")


@app.command()
def reference(
    homework: Annotated[str, typer.Argument(metavar="HOMEWORK", help="Which homework, by its folder's name.")],
    data: DataOption = None,
    protocol: ProtocolOption = None,
    runs: Annotated[int, typer.Option(min=1, max=100, metavar="N", help="How many trainings.")] = 5,
    start: StartOption = None,
    sandbox: SandboxOption = None,
    file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="What is trained (default: the checkout's solution).")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Where it goes (default: in data/references/ of the checkout).")
    ] = None,
) -> None:
    """Train the solution some times, and record what feedback pages draw behind a student's curves.

    It is drawn for runs on the same data, by the same protocol. Nothing is graded.
    """
    from autograder.commands.course import record_solution as command
    from autograder.runner.request import TrainingRequest

    request = TrainingRequest(
        homework=homework, data=dataset_folder(data), protocol=protocol, checkpoint=start, sandbox=sandbox
    )
    written = command.reference(request, runs, file=file, out=out)
    print(f"wrote {written}")


@data_app.command()
def fetch(
    source: Annotated[
        Path | None,
        typer.Option(
            "--from",
            metavar="FILE|FOLDER",
            help="Instead of downloading: the official archive, its unpacked folder, an image folder or tar archive "
            "with train/<class>/* and test/<class>/*, or an .npz file of arrays.",
        ),
    ] = None,
    name: Annotated[
        str | None, typer.Option(metavar="NAME", help="Which of torchvision's sets, or what to call what is imported.")
    ] = None,
    root: RootOption = None,
) -> None:
    """Download the official dataset, or import one."""
    from autograder import homeworks
    from autograder.course import dataset, prepare

    every = [homeworks.load(one) for one in homeworks.names()]
    own = next((one.data for one in every if one.dataset == name and one.data is not None), None)
    shape = dataset.OFFICIALS[dataset.OFFICIAL].image_shape if own is None or own.dtype != "uint8" else own.image_shape
    _say_prepared(prepare.fetch(name or dataset.OFFICIAL, root or dataset.default_root(), source, shape))


@data_app.command()
def practice(root: RootOption = None) -> None:
    """Draw the practice set.

    It is the same on every machine, and training on it gives no points.
    """
    from autograder.course import dataset, prepare

    _say_prepared(prepare.practice(root or dataset.default_root()))


@data_app.command("list")
def list_datasets(root: RootOption = None) -> None:
    """List the datasets that are prepared."""
    from autograder.course import dataset

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
    from autograder.course import dataset

    folder = root or dataset.default_root()
    for one in [dataset.load(named(name, folder)) for name in names] if names else _prepared(folder):
        dataset.verify(one)
        print(f"{one.name}: unchanged ({one.fingerprint[:12]})")


def _prepared(root: Path) -> "list[Dataset]":
    from autograder.course import dataset

    prepared = dataset.prepared(root)
    if not prepared:
        print(f"no dataset is prepared in {root}: autograder data fetch, or autograder data practice")
    return prepared


def _say_prepared(prepared: "Dataset") -> None:
    print(
        f"{prepared.name}: {prepared.train_count:,} training and {prepared.test_count:,} test images in "
        f"{prepared.folder} ({prepared.source}, fingerprint {prepared.fingerprint[:12]})"
    )
