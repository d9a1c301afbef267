"""The request to grade a class, declared once: its fields are the options of `grade`, and `run.json` keeps it."""

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer
from pydantic import Field, ValidationError, field_validator

from autograder.commands.options import (
    DATA,
    BookOption,
    ClusterOption,
    DeadlineOption,
    ExtensionOption,
    LanguageName,
    LanguageOption,
    LmsOption,
    ProtocolOption,
    RosterOption,
    SandboxOption,
    SlurmOption,
    StartOption,
    SubmissionsArgument,
    ZoneOption,
    dataset_folder,
    only_homework,
)
from autograder.errors import KitError, first_line
from autograder.runner.request import FILE, TrainingRequest


class ClassRequest(TrainingRequest):
    """What somebody asks of a class's run. None is what the kit chooses by itself. See also `TrainingRequest`.

    Attributes:
        submissions: the class, see `hand_ins.collect`.
        out: the folder that everything is written to.
        deadline: see `deadline.parse_deadline`.
        extension: "STUDENT=TIME" each, a deadline of one's own.
        workers: how many submissions run at a time; None: one on each GPU, else as many as cores.
        gpus: which GPUs, by their numbers or UUIDs, with commas between; None: those that CUDA_VISIBLE_DEVICES names,
            else all.
        lms: which system the files are from, one of `recognition.NAMES`; None: it is recognised.
        timezone: the course's, as "Asia/Seoul"; None: this machine's.
        roster: a file that lists who should have handed something in.
        gradebook: the address of nbgrader's gradebook that gets the results too, or "none"; None: a file in `out`.
        cluster: the address of a Dask scheduler whose workers do the work; None for this machine.
        slurm: a file that says which Slurm jobs to start as workers, see `docs/scale.md`; None for none.
        fresh: never fork a run from a process that has imported torch.
    """

    submissions: SubmissionsArgument
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="Where results and the report go.")]
    homework: Annotated[str, typer.Option(metavar="NAME", help="Which homework, where there are several.")] = Field(
        default=None, validate_default=True
    )
    data: Annotated[Path | None, DATA] = None
    test_images: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Images of your own to test on, <class>/* (of arrays an .npz file)."),
    ] = None
    protocol: ProtocolOption = None
    deadline: DeadlineOption = None
    extension: ExtensionOption = Field(default_factory=list)
    hours: Annotated[
        float | None,
        typer.Option(metavar="HOURS", help="Another time box for each training; such a run gives no points."),
    ] = None
    workers: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="How many submissions run at a time; on a GPU, at most."),
    ] = None
    gpus: Annotated[
        str | None,
        typer.Option(metavar="NAMES", help="Which GPUs, e.g. 0,3 or MIG slices by their UUIDs (default: all)."),
    ] = None
    checkpoint: StartOption = None
    sandbox: SandboxOption = None
    language: LanguageOption = LanguageName.en
    lms: LmsOption = None
    timezone: ZoneOption = None
    roster: RosterOption = None
    gradebook: BookOption = None
    cluster: ClusterOption = None
    slurm: SlurmOption = None
    fresh: Annotated[
        bool, typer.Option("--fresh", help="A process of its own for each look and each preview: slower, the same.")
    ] = False

    @field_validator("homework", mode="before")
    @classmethod
    def _the_only_one(cls, named: str | None) -> str:
        return named or only_homework()

    @field_validator("data")
    @classmethod
    def _folder(cls, named: Path | None) -> Path | None:
        return None if named is None else dataset_folder(str(named))

    def but(self, **changes: object) -> "ClassRequest":
        """The same request with other values, validated."""
        return ClassRequest.model_validate({**dict(self), **changes})

    @classmethod
    def of_last_run(cls, out: Path) -> "ClassRequest":
        """How the class of `out` was graded last. Raises KitError where no run has left that there."""
        path = out / FILE
        try:
            return cls.model_validate_json(path.read_bytes()).but(out=out)
        except (OSError, ValidationError) as error:
            raise KitError(
                f"{path}: doesn't say how the class was graded ({first_line(error)})",
                "give the command `grade` once more",
            ) from error

    def kept(self) -> str:
        """JSON from which the same request can be made in any folder of this machine: its paths are absolute."""
        places = {
            name: getattr(self, name) for name in ("submissions", "out", "data", "test_images", "roster", "slurm")
        }
        absolute = {name: path.resolve() for name, path in places.items() if path is not None}
        return self.but(**absolute).model_dump_json(indent=1) + "\n"


def as_options(command: Callable[..., None]) -> Callable[..., None]:
    """`command`, whose first parameter is a `ClassRequest`, with its fields as options of the command line."""
    own = list(inspect.signature(command).parameters.values())[1:]
    hints = get_type_hints(ClassRequest, include_extras=True)
    fields = ClassRequest.model_fields
    order = sorted(fields, key=lambda name: not fields[name].is_required())
    parameters = [
        inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            default=inspect.Parameter.empty
            if fields[name].is_required()
            else fields[name].get_default(call_default_factory=True),
            annotation=hints[name],
        )
        for name in order
    ]
    parameters += [one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in own]

    def run(**given: Any) -> None:
        request = ClassRequest(**{name: given.pop(name) for name in fields})
        command(request, **given)

    run.__name__, run.__doc__ = command.__name__, command.__doc__
    run.__annotations__ = {one.name: one.annotation for one in parameters}
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return run
