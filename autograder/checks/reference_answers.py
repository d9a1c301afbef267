"""Checks of a network beside the homework's own, entry by entry and answer by answer.

Where a homework fixes the names of a network's layers, so that a checkpoint can be loaded, two more things can be
checked: whether the state dict has the entries asked for, and whether equal weights give equal answers. The reference
itself isn't here: its entries and answers are in the declaration.
"""

from autograder.checks.network.beside_solution import log_softmax
from autograder.checks.network.words import network_of, structure_of
from autograder.checks.wording import check, fail, joined, wait
from autograder.course.homework import Answers, Homework
from autograder.course.state_dict import AMISS, EntryRow, counted, entry_table
from autograder.language import gettext as _
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
    more="Names come from attributes and from places in an nn.Sequential. Print the names of your state dict: "
    "at which dot does the first one part from the handout's?",
)
def test_the_state_dict_has_the_entries_of_the_checkpoint(observed: Observations, homework: Homework) -> None:
    """the state dict has the names and shapes of the checkpoint"""
    rows = entry_table(observed, homework)
    if rows:
        of_kind = {words: [row for row in rows if row.amiss == words] for words in AMISS}
        fail(
            saw="; ".join(
                f"{counted(found)}: {joined([_said(row) for row in found])}" for found in of_kind.values() if found
            ),
            expected=_("the {count} entries that the text asks for").format(
                count=sum(not entry.optional for entry in homework.entries)
            ),
            why=_(
                "A checkpoint is a table of names and numbers: what it has under one name goes to the layer with that "
                "name, and to no other."
            ),
            line=network_of(observed).line,
        )


@check(
    "answers",
    after=("state-dict",),
    hint="go through forward beside the figure: order of the layers, strides, padding, kind of pooling",
    more="Every shape and every count is right. So it is an order, a stride that stands in another "
    "convolution, a padding, or the kind of pooling: go through the layers one by one.",
)
def test_equal_weights_give_equal_answers(observed: Observations, homework: Homework) -> None:
    """with equal weights it gives the reference's answers"""
    network, structure = network_of(observed), structure_of(observed, homework)
    asked = next((one for one in homework.answers if one.entries == len(network.entries)), None)
    if asked is None:
        wait(_("shortcuts that are all of one kind"))
    if not network.answers:
        wait(_("a pass with drawn weights in float64"))
    apart, largest = _apart(network.answers, asked, any(op.kind == "_log_softmax" for op in structure.trunk))
    if apart > TOLERANCE * largest:
        fail(
            saw=_("scores that differ by up to {difference:.2g}, where the largest is {largest:.2g}").format(
                difference=apart, largest=largest
            ),
            expected=_("the reference's scores, but for rounding"),
            why=_(
                "Names, shapes and counts agree, so something is computed in another way. A checkpoint was trained "
                "with the reference's way, and is worth less with another."
            ),
            line=network.line,
        )


def _said(row: EntryRow) -> str:
    if row.theirs is None or row.ours is None:
        return f"`{row.name}`"
    return _("`{name}` is {theirs}, not {ours}").format(name=row.name, theirs=row.theirs_text, ours=row.ours_text)


def _apart(answers: list[list[float]], asked: Answers, normalised: bool) -> tuple[float, float]:
    """The largest difference of two scores, and the largest score. Another number of scores is infinitely far.

    `normalised`: theirs went through log_softmax, which the loss does once more without changing anything.
    """
    reference = [log_softmax(row) if normalised else row for row in asked.scores]
    theirs, ours = [[score for row in rows for score in row] for rows in (answers, reference)]
    largest = max(abs(score) for score in ours)
    if len(theirs) != len(ours):
        return float("inf"), largest
    return max(abs(their - our) for their, our in zip(theirs, ours, strict=True)), largest
