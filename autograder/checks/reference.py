"""Checks of a network beside the homework's own, entry by entry and answer by answer.

Where a homework fixes the names of a network's layers, so that a checkpoint can be loaded, two things can be told
that no table of layers shows: whether the state dict has the entries asked for, and whether equal weights give equal
answers. The reference itself isn't here: its entries and answers are in the declaration.
"""

from autograder.checks.reading import network_of
from autograder.checks.wording import check, fail, joined, wait
from autograder.homework import Answers, Homework
from autograder.observations import Observations

EVERYTHING_ELSE = (
    *("builds", "output-shape", "stage-shapes", "layers", "own-weights", "gradients", "parameters"),
    *("conv-norm-relu", "downsampling", "skip"),
)
TOLERANCE = 1e-8
"""Of the largest score. Two right ways to compute it differ by less than 1e-12 of it in float64 (another order of
additions); the smallest difference seen of a wrong one is 2e-4."""


@check(
    "state-dict",
    after=EVERYTHING_ELSE,
    hint="`autograder check FILE --verbose` prints the entries, yours beside the homework's",
)
def test_the_state_dict_has_the_entries_of_the_checkpoint(observed: Observations, homework: Homework) -> None:
    """the state dict has the names and shapes of the checkpoint"""
    rows = entry_table(observed, homework)
    missing = [name for name, theirs, ours in rows if theirs is None]
    extra = [name for name, theirs, ours in rows if ours is None]
    misshapen = [
        f"`{name}` is {theirs}, not {ours}" for name, theirs, ours in rows if theirs is not None and ours is not None
    ]
    parts = [
        f"{len(names)} {words}: {joined([f'`{name}`' for name in names])}"
        for names, words in ((missing, "missing"), (extra, "under other names"))
        if names
    ]
    parts += [f"{len(misshapen)} with another shape: {joined(misshapen)}"] if misshapen else []
    if parts:
        fail(
            saw="; ".join(parts),
            expected=f"the {sum(not entry.optional for entry in homework.entries)} entries that the text asks for",
            why="A checkpoint is a table of names and numbers: what it has under one name goes to the layer with that "
            "name, and to no other.",
            line=network_of(observed).line,
        )


@check(
    "answers",
    after=("state-dict",),
    hint="go through forward beside the figure: order of the layers, strides, padding, kind of pooling",
)
def test_equal_weights_give_equal_answers(observed: Observations, homework: Homework) -> None:
    """with equal weights it gives the reference's answers"""
    network = network_of(observed)
    asked = next((one for one in homework.answers if one.entries == len(network.entries)), None)
    if not network.answers or asked is None:
        wait("a pass with drawn weights in float64")
    apart, largest = _apart(network.answers, asked)
    if apart > TOLERANCE * largest:
        fail(
            saw=f"scores that differ by up to {apart:.2g}, where the largest is {largest:.2g}",
            expected="the reference's scores, but for rounding",
            why="Names, shapes and counts agree, so something is computed in another way. A checkpoint was trained "
            "with the reference's way, and is worth less with another.",
            line=network.line,
        )


def entry_table(
    observed: Observations, homework: Homework
) -> list[tuple[str, tuple[int, ...] | None, tuple[int, ...] | None]]:
    """(name, shape of theirs, shape of ours) for each entry that differs; None where there is none.

    Empty where the homework doesn't say which entries there are, and where no network could be looked at.
    """
    if observed.network is None or not homework.entries:
        return []
    theirs = {name: tuple(shape) for name, shape in observed.network.entries.items()}
    ours = {entry.name: entry.shape for entry in homework.entries}
    optional = _left_out(theirs, homework)
    names = [name for name in dict.fromkeys((*ours, *theirs)) if theirs.get(name) != ours.get(name)]
    return [(name, theirs.get(name), ours.get(name)) for name in names if name not in optional]


def _left_out(theirs: dict[str, tuple[int, ...]], homework: Homework) -> set[str]:
    """Optional entries of layers that aren't there at all: half a layer is an entry missing."""
    there = {name.rpartition(".")[0] for name in theirs}
    optional = [entry.name for entry in homework.entries if entry.optional]
    return {name for name in optional if name not in theirs and name.rpartition(".")[0] not in there}


def _apart(answers: list[list[float]], asked: Answers) -> tuple[float, float]:
    """The largest difference of two scores, and the largest score. Another number of scores is infinitely far."""
    theirs, ours = [[score for row in rows for score in row] for rows in (answers, asked.scores)]
    largest = max(abs(score) for score in ours)
    if len(theirs) != len(ours):
        return float("inf"), largest
    return max(abs(their - our) for their, our in zip(theirs, ours, strict=True)), largest
