"""Any network, as the course's own solution was seen: what a student's is set beside.

`autograder new` looks at the solution and writes what it saw into a file beside the homework's declaration, which reads
it with `recorded`. Checks of traced networks ask for the same layers in the same order; what is free, such as names,
the order of independent branches, or a bias, they know.
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
    """A network as it was seen: its layers, its graph, its answers with drawn weights."""

    network: Network

    @property
    def compares_answers(self) -> bool:
        """See `Family`."""
        return True


def recorded(declaration: str) -> Traced:
    """What is recorded of the solution of the homework that the module `declaration` (its `__file__`) declares.

    Raises KitError where it can't be read.
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
    """Write what was seen of a solution's network. Returns where."""
    path = record_of(declaration)
    kept = network.model_copy(update={"zeroed": [], "line": None})
    write_text(path, kept.model_dump_json(indent=1, exclude_defaults=True) + "\n")
    return path


def record_of(declaration: Path) -> Path:
    """Where it is recorded: beside the declaration."""
    return declaration.with_suffix(".json")
