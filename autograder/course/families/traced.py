"""A network of any kind, as it was observed in the course's solution: students' networks are compared with it.

`autograder new` observes the solution and writes its network into a file beside the homework's declaration, which reads
it with `recorded`. Checks of traced networks ask for the same layers in the same order. They leave free what doesn't
matter: names, the order of independent branches, a bias.
"""

from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from autograder.course.families import Family
from autograder.errors import KitError
from autograder.files import write_text
from autograder.observations import Network


@dataclass(frozen=True)
class Traced(Family):
    """A network as it was observed: its layers, its graph, its answers with drawn weights."""

    network: Network

    @property
    def compares_answers(self) -> bool:
        """See `Family`."""
        return True


def recorded(declaration: str) -> Traced:
    """The recorded network of the homework whose declaration is the file `declaration`: the module's `__file__`.

    Raises KitError where the record can't be read.
    """
    path = record_of(Path(declaration))
    try:
        return Traced(Network.model_validate_json(path.read_bytes()))
    except (OSError, ValidationError) as error:
        raise KitError(
            f"{path}: isn't a recorded network",
            "get it back from git, or remove the homework and make it again by `autograder new`",
        ) from error


def record(declaration: Path, network: Network) -> Path:
    """Write the record of a solution's network. Returns its path."""
    path = record_of(declaration)
    kept = network.model_copy(update={"zeroed": [], "line": None})
    write_text(path, kept.model_dump_json(indent=1, exclude_defaults=True) + "\n")
    return path


def record_of(declaration: Path) -> Path:
    """The path of the record: beside the declaration."""
    return declaration.with_suffix(".json")
