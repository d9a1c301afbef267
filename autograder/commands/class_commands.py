"""The commands for a class: who handed in what, grades, what a person decides, and what goes back to the LMS.

Called by `app.py`; like that module, it holds no logic of its own.
"""

import math
from pathlib import Path
from typing import Annotated

import typer

from autograder.commands.options import (
    BookOption,
    DeadlineOption,
    ExportName,
    ExtensionOption,
    HomeworkOption,
    LmsOption,
    OutOption,
    RosterOption,
    SandboxOption,
    SubmissionsArgument,
    ZoneOption,
    book_of,
    only_homework,
)
from autograder.commands.request import ClassRequest, as_options

app = typer.Typer(rich_markup_mode=None)

StudentArgument = Annotated[str, typer.Argument(metavar="STUDENT")]
ReasonOption = Annotated[str, typer.Option(metavar="TEXT", help="Why, for the history.")]


@app.command()
@as_options
def grade(
    request: ClassRequest,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say who handed in what, and stop there.")] = False,
) -> None:
    """Grade a class: points, feedback and a report.

    Every submission is checked and trained. A run that was stopped goes on where it was when the same command is
    given again.
    """
    if request.hours is not None and not (math.isfinite(request.hours) and request.hours > 0):
        raise typer.BadParameter("must be a number of hours above 0", param_hint="--hours")
    if request.cluster is not None and request.slurm is not None:
        raise typer.BadParameter("names one scheduler, and --slurm starts another", param_hint="--cluster")
    if request.workers is not None and (request.cluster or request.slurm):
        raise typer.BadParameter("is for this machine; elsewhere each worker says it", param_hint="--workers")
    from autograder.commands import grade as command

    if dry_run:
        command.show_class(request)
        return
    raise typer.Exit(command.grade(request))


@app.command()
def collect(
    submissions: SubmissionsArgument,
    homework: HomeworkOption = None,
    deadline: DeadlineOption = None,
    lms: LmsOption = None,
    timezone: ZoneOption = None,
    roster: RosterOption = None,
    extension: ExtensionOption = [],  # noqa: B006  typer reads it, nobody changes it
    out: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="The class's folder of results: what was settled there counts."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One object, for programs.")] = False,
    everybody: Annotated[
        bool, typer.Option("--all", help="A row for everybody, not only where there is news.")
    ] = False,
) -> None:
    """Say who handed in what, of what the LMS gave: on time, late, absent, or for a person to decide.

    Nothing is run, unpacked or written.
    """
    from rich.console import Console

    from autograder.commands import collect as command
    from autograder.grading import collected
    from autograder.results import history

    taken = collected.take(
        submissions,
        homework or only_homework(),
        deadline=deadline,
        timezone=timezone,
        lms=lms,
        roster=roster,
        extensions=extension,
        decided=[] if out is None else history.read(out),
    )
    if as_json:
        print(command.as_json(taken))
        return
    command.show(taken, Console(highlight=False, soft_wrap=True, markup=False), everybody=everybody)


@app.command()
def regrade(
    out: OutOption,
    students: Annotated[
        list[str] | None,
        typer.Argument(metavar="[STUDENT]...", help="Who is run again (default: whoever was marked for it)."),
    ] = None,
) -> None:
    """Run students again, with the words that their class was graded with last, and go by what was decided since.

    Everybody else's results are kept; what these had is put aside in `earlier/`.
    """
    from autograder.commands.grade import again

    raise typer.Exit(again(out, students or []))


@app.command()
def desk(
    out: Annotated[Path, typer.Argument(metavar="FOLDER", help="The folder that the class is graded into.")],
    port: Annotated[int, typer.Option(min=0, max=65535, metavar="N", help="Where it listens; 0: a free one.")] = 0,
    host: Annotated[
        str, typer.Option(metavar="ADDRESS", help="Another address than this machine's own needs the two TLS files.")
    ] = "127.0.0.1",
    tls_cert: Annotated[Path | None, typer.Option(metavar="FILE", help="The certificate, as PEM.")] = None,
    tls_key: Annotated[Path | None, typer.Option(metavar="FILE", help="Its key, as PEM.")] = None,
) -> None:
    """Open the instructor's desk: pages to watch a class, look at hand-ins, decide, and hand back.

    Before a run, during it or after; Ctrl-C ends the desk and nothing else.
    """
    from autograder.commands.course.desk import desk as command

    command(out, host, port, tls_cert, tls_key)


@app.command()
def settle(
    student: StudentArgument,
    out: OutOption,
    file: Annotated[
        str | None, typer.Option(metavar="NAME", help="The file that counts, as `collect` and `show` name it.")
    ] = None,
    none: Annotated[bool, typer.Option("--none", help="No file of theirs counts.")] = False,
    withdraw: Annotated[bool, typer.Option("--withdraw", help="The rules decide again.")] = False,
    reason: ReasonOption = "",
) -> None:
    """Say which file of a student counts. It is written down, and holds for every later run."""
    if [file is not None, none, withdraw].count(True) != 1:
        raise typer.BadParameter("say either --file, --none or --withdraw", param_hint="--file")
    from autograder.commands import decide
    from autograder.grading.decisions import Decisions

    decide.settle(Decisions.of_last_run(out), student, file, reason, withdraw=withdraw)


@app.command()
def extend(
    student: StudentArgument,
    out: OutOption,
    until: Annotated[
        str | None, typer.Option(metavar="TIME", help='Their own deadline, e.g. "2026-12-03 23:59".')
    ] = None,
    withdraw: Annotated[bool, typer.Option("--withdraw", help="Take it back.")] = False,
    reason: ReasonOption = "",
) -> None:
    """Give a student a deadline of their own. It wins over the roster's, and holds for every later run."""
    if (until is None) != withdraw:
        raise typer.BadParameter("say either --until or --withdraw", param_hint="--until")
    from autograder.commands import decide
    from autograder.grading.decisions import Decisions

    decide.extend(Decisions.of_last_run(out), student, until, reason)


@app.command()
def comment(
    student: StudentArgument,
    out: OutOption,
    text: Annotated[str | None, typer.Option(metavar="TEXT", help="What the student reads.")] = None,
    line: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Of the script; of a notebook, of all its cells together.")
    ] = None,
    withdraw: Annotated[str | None, typer.Option(metavar="ID", help="A comment that is taken back.")] = None,
) -> None:
    """Say something to a student, on a line of their file or on the whole: it stands on their feedback page."""
    if (text is None) == (withdraw is None):
        raise typer.BadParameter("say either --text or --withdraw", param_hint="--text")
    from autograder.commands import decide
    from autograder.grading.decisions import Decisions

    if withdraw is not None:
        decide.take_back_comment(Decisions.of_last_run(out), student, withdraw)
    else:
        decide.comment(Decisions.of_last_run(out), student, text or "", line)


@app.command()
def looked(
    student: StudentArgument,
    out: OutOption,
    withdraw: Annotated[bool, typer.Option("--withdraw", help="It is for a person again.")] = False,
    reason: ReasonOption = "",
) -> None:
    """Write down that a person has looked at a student's hand-in, and that there is nothing to do."""
    from autograder.commands import decide
    from autograder.grading.decisions import Decisions

    decide.looked_at(Decisions.of_last_run(out), student, reason, withdraw=withdraw)


@app.command()
def override(
    student: StudentArgument,
    out: OutOption,
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why; the student may read it.")],
    points: Annotated[float | None, typer.Option(metavar="N", help="The points instead of the run's.")] = None,
    withdraw: Annotated[bool, typer.Option("--withdraw", help="Go back to the run's points.")] = False,
    gradebook: BookOption = None,
) -> None:
    """Set a student's points by hand. It is written down, with time, reason and former points."""
    if (points is None) != withdraw:
        raise typer.BadParameter("say either --points or --withdraw", param_hint="--points")
    from autograder.commands import decide
    from autograder.grading.decisions import Decisions

    decide.override(Decisions(out, book_of(out, gradebook)), student, points, reason)


@app.command()
def show(
    student: StudentArgument,
    out: OutOption,
    gradebook: BookOption = None,
) -> None:
    """Show all that is known of a student: attempts, runs, flags, and what was decided when."""
    from autograder.commands import decide

    decide.show(out, student, book_of(out, gradebook))


@app.command()
def export(
    out: OutOption,
    to: Annotated[Path, typer.Option(metavar="FILE", help="The file to write.")],
    lms: Annotated[ExportName, typer.Option(help="Which system imports it.")] = ExportName.csv,
    merge: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The system's own file of grades: only these cells change.")
    ] = None,
    column: Annotated[
        str | None, typer.Option(metavar="NAME", help="The column for the points (default: the homework's name).")
    ] = None,
    gradebook: BookOption = None,
) -> None:
    """Write the points as an LMS imports them; what a person has set wins."""
    from autograder.grading.decisions import Decisions
    from autograder.publish import lms_grades as command
    from autograder.results import history

    Decisions(out, book_of(out, gradebook)).finish()
    report = command.export(out, lms, merge, to, column=column, book=book_of(out, gradebook))
    for words, students in (
        ("not decided yet, left as they were", report.undecided),
        ("not in the file, left out", report.unknown),
        ("no telling which row is theirs, left out", report.ambiguous),
        ("in the file, and without a result", report.untouched),
    ):
        if students:
            print(f"{len(students)} {words}: {', '.join(students)}")
    print(f"wrote {to}: {len(report.written)} students, column {report.column!r}; history {history.head(out)[:16]}")


@app.command()
def feedback(
    out: OutOption,
    to: Annotated[Path, typer.Option(metavar="FILE", help="The zip file to write.")],
    lms: Annotated[ExportName, typer.Option(help="Which system takes it.")] = ExportName.csv,
) -> None:
    """Pack everybody's feedback page, named as an LMS wants it for its bulk upload."""
    from autograder.publish.feedback_zip import bundle
    from autograder.results.attempts import downloaded

    print(f"wrote {to}: {bundle(out, lms, downloaded(out), to)} pages")


@app.command()
def new(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What the homework is called.")],
    source: Annotated[Path, typer.Option("--from", metavar="FILE", help="The solution, with its answers marked.")],
    sandbox: SandboxOption = None,
) -> None:
    """Make a homework of a solution: its declaration, handout, rubric, examples and a test."""
    from autograder.commands.course.new_homework import new as make

    made = make(name, source, sandbox=sandbox)
    for path in made.files:
        print(f"wrote {path}")
    for question in made.open_questions:
        print(f"for you: {question}")
    amiss = [result for result in made.results if result.outcome == "failed"]
    for result in amiss:
        print(f"the solution doesn't pass: {result.title}: {result.saw}")
    print(f"next: make release, then autograder check assignment/{name}/{name}.py")
    raise typer.Exit(1 if amiss else 0)


@app.command()
def gradescope(
    to: Annotated[Path, typer.Option(metavar="FILE", help="The zip file to write, or a folder for it.")],
    homework: HomeworkOption = None,
    preview: Annotated[bool, typer.Option("--preview", help="Also train for some minutes on drawn pictures.")] = False,
) -> None:
    """Build the autograder zip for Gradescope: it checks there, and gives no points."""
    from autograder.commands.course.gradescope import build

    print(f"wrote {build(homework or only_homework(), to, preview=preview)}")
