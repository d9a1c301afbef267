"""Checks of any submission: nothing is left open, the network builds and answers, the script runs."""

from autograder.checks.wording import check, fail, joined, wait
from autograder.homework import Homework
from autograder.observations import Failure, Observations


@check("blanks", hint="each blank stands under a comment that says what to write and what name to use")
def test_no_answer_is_left_open(observed: Observations, homework: Homework) -> None:
    """no answer is left open"""
    if observed.syntax_error is not None:
        wait("builds")
    if observed.blanks:
        places = [f"{blank.question or homework.network} (line {blank.line})" for blank in observed.blanks]
        count = len(places)
        fail(
            saw=f"{count} blank{'s are' if count > 1 else ' is'} still `...`: {joined(places, most=12)}",
            expected="an answer in the place of each `...`",
            why="Python takes `...` for a value, so the script goes on without the answer and fails later, if at all.",
            line=observed.blanks[0].line,
        )


@check("builds", hint="build the network in a Python shell and read the last line of the traceback")
def test_the_network_builds(observed: Observations, homework: Homework) -> None:
    """{homework.network} builds with {homework.arguments}"""
    call = f"{homework.network}{homework.arguments}"
    if observed.syntax_error is not None:
        fail(
            saw=_said(observed.syntax_error),
            expected="a file that Python can read",
            why="Python reads the whole file before it runs the first line, so nothing of it can run.",
            line=observed.syntax_error.line,
        )
    if observed.network is not None:
        return
    failure = observed.network_failure
    if any(blank.question is None for blank in observed.blanks):
        wait("blanks")
    if failure is None and observed.problem is None:
        wait("runs")
    if failure is None:
        fail(
            saw=f"the run ended before the network could be built: {observed.problem}",
            expected=f"{call} makes a network",
            why="A run that ends the whole process leaves nothing to look at.",
        )
    rehearsal = observed.rehearsal
    if failure.line is None and rehearsal is not None and rehearsal.ended in ("crashed", "timeout"):
        wait("runs")  # the script ended before it came to the class
    fail(
        saw=_said(failure),
        expected=f"{call} makes a network",
        why="Everything else is done with this network: its name and its arguments are the homework's.",
        line=failure.line,
    )


@check("output-shape", after=("builds",), hint="follow the shape of a batch of 1 through forward, line by line")
def test_the_network_answers_every_batch(observed: Observations, homework: Homework) -> None:
    """the network answers (N, {homework.classes}) for batches of N = 1, 2 and 4"""
    network = observed.network
    if network is None:
        wait("builds")
    for size, failure in sorted(network.forward_failures.items()):
        fail(
            saw=f"a batch of {size} ends in {_said(failure)}",
            expected=f"scores of shape ({size}, {homework.classes})",
            why="Two shapes on the way through forward don't fit; the line is where it stopped.",
            line=failure.line,
        )
    for size, shape in sorted(network.outputs.items()):
        if shape != [size, homework.classes]:
            fail(
                saw=f"a batch of {size} gives shape {tuple(shape)}",
                expected=f"shape ({size}, {homework.classes}): a row of {homework.classes} scores for each image",
                why="The last batch of an epoch can be smaller than the others, down to one image.",
                line=network.graph[-1].line if network.graph else network.line,
            )


@check("runs", hint="run the file by itself and read the last line of the traceback")
def test_the_script_runs_to_its_end(observed: Observations, homework: Homework) -> None:
    """the script runs from its first line to its last"""
    rehearsal = observed.rehearsal
    if observed.syntax_error is not None:
        wait("builds")
    network = observed.network
    without_network = network is None and observed.network_failure is not None
    if rehearsal is None or (observed.problem and rehearsal.ended not in ("crashed", "timeout")):
        if network is None and observed.problem is not None and observed.network_failure is None:
            wait("builds")
        fail(
            saw=observed.problem or "the run gave no answer",
            expected="a run to the last line, with a handful of images",
            why="What ends the whole process can't be trained or tested either.",
        )
    if rehearsal.ended not in ("crashed", "timeout"):
        return
    if observed.blanks:
        wait("blanks")
    if without_network and observed.network_failure is not None and observed.network_failure.line is not None:
        wait("builds")
    if network is not None and network.forward_failures:
        wait("output-shape")
    if rehearsal.ended == "timeout":
        fail(
            saw=f"it was still running after {rehearsal.seconds:.0f} seconds, with a handful of images to train on",
            expected="an end, once the loops over the images have ended",
            why="A loop that waits for something other than images is only ended by the clock.",
        )
    failure = rehearsal.failure
    fail(
        saw="it stopped" if failure is None else _said(failure),
        expected="a run to the last line",
        why="What comes after this line never happens: not the training, or not the test.",
        line=None if failure is None else failure.line,
    )


def _said(failure: Failure) -> str:
    """`TypeError: message`, on one line, with the student's source line."""
    message = " ".join(failure.message.split())
    text = f"{failure.type}: {message[:300]}" if message else failure.type
    source = failure.frames[-1][1] if failure.frames else ""
    return f"{text} at `{source}`" if source else text
