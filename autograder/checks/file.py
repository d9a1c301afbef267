"""Checks of any submission: nothing is left open, the network builds and answers, the script runs."""

from typing import NoReturn

from autograder.checks.places import place
from autograder.checks.wording import check, fail, joined, said, wait
from autograder.course.homework import Homework
from autograder.language import gettext as _
from autograder.language import ngettext
from autograder.observations import Failure, Network, Observations, Rehearsal


@check(
    "blanks",
    hint="each blank stands under a comment that says what to write and what name to use",
    more="One blank at a time, and a check after each: the next one that is open is named with its line.",
)
def test_no_answer_is_left_open(observed: Observations, homework: Homework) -> None:
    """no answer is left open"""
    if observed.syntax_error is not None:
        wait("builds")
    if observed.blanks:
        places = [
            f"{blank.question or blank.within or homework.network} ({place(blank.line)})" for blank in observed.blanks
        ]
        count = len(places)
        saw = ngettext("{count} blank is still `...`: {places}", "{count} blanks are still `...`: {places}", count)
        fail(
            saw=saw.format(count=count, places=joined(places, most=12)),
            expected=_("an answer in the place of each `...`"),
            why=_(
                "Python takes `...` for a value, so the script goes on without the answer and fails later, if at all."
            ),
            line=observed.blanks[0].line,
        )


@check(
    "builds",
    hint="build the network in a Python shell and read the last line of the traceback",
    more="Go up from the traceback's end to the last line that is yours. Which name, or which two numbers, "
    "does the message speak of?",
)
def test_the_network_builds(observed: Observations, homework: Homework) -> None:
    """{homework.call} builds"""
    if observed.syntax_error is not None:
        why = _("Python reads the whole file before it runs the first line, so nothing of it can run.")
        if observed.syntax_error.reason == "newer-python":
            why = _("Since Python 3.12 an f-string may hold its own quotes and backslashes; the Python here is older.")
        fail(
            saw=said(observed.syntax_error),
            expected=_("a file that Python can read"),
            why=why,
            line=observed.syntax_error.line,
        )
    if observed.network is not None:
        return
    if any(blank.question is None for blank in observed.blanks):
        wait("blanks")
    failure, rehearsal = observed.network_failure, observed.rehearsal
    if rehearsal is not None and rehearsal.cut_short and (failure is None or failure.reason):
        wait("runs")  # the script ended before it came to the class, or for the same reason
    if failure is not None:
        saw = said(failure)
    elif rehearsal is not None:
        saw = _("the file defines no class `{network}`").format(network=homework.network)
    else:
        saw = _("the run ended before the network could be built: {problem}").format(problem=observed.problem)
    fail(
        saw=saw,
        expected=_("{call} makes a network").format(call=homework.call),
        why=_("Everything else is done with this network: its name and its arguments are the homework's."),
        line=None if failure is None else failure.line,
    )


@check(
    "output-shape",
    after=("builds",),
    hint="follow the shape of a batch of 1 through forward, line by line",
    more="Print x.shape before the linear layer: its first number has to be N for every N. Which line takes "
    "the batch for something else, or drops a side of length 1?",
)
def test_the_network_answers_every_batch(observed: Observations, homework: Homework) -> None:
    """the network answers (N, {homework.answer_text}) for batches of N = 1, 2 and 4"""
    network = observed.network
    if network is None:
        wait("builds")
    unfinished = any(blank.question is None for blank in observed.blanks)
    if unfinished and network.forward_failures:
        wait("blanks")
    for size, failure in sorted(network.forward_failures.items()):
        if failure.reason and observed.rehearsal is not None and observed.rehearsal.cut_short:
            wait("runs")
        fail(
            saw=_("a batch of {size} ends in {error}").format(size=size, error=said(failure)),
            expected=_("scores of shape ({size}, {classes})").format(size=size, classes=homework.answer_text),
            why=_("Forward stopped there, so there is no answer to learn from or to test."),
            line=failure.line,
        )
    for size, shape in sorted(network.outputs.items()):
        if shape != [size, *homework.answer_shape]:
            last = network.graph[-1] if network.graph else None
            loses = network.loses_batch.get(size)
            saw = _("a batch of {size} gives shape {shape}").format(size=size, shape=tuple(shape))
            why = _("The last batch of an epoch can be smaller than the others, down to one image.")
            line = last.line if last is not None else network.line
            if shape[:1] == [size] and not homework.classes:
                why = _("The loss compares the answer with the target number by number, so both have one shape.")
            elif shape[:1] == [size]:
                why = _("There are {classes} classes, and each has a score of its own: the loss reads one for each.")
                why = why.format(classes=homework.classes)
            elif loses is not None:
                saw = _("{saw}: after {operation} there is no row for each image any more").format(
                    saw=saw, operation=f"`{loses.kind.strip('_')}`"
                )
                line = loses.line or line
            if not homework.classes:
                fail(
                    saw=saw,
                    expected=_("shape ({size}, {sides})").format(size=size, sides=homework.answer_text),
                    why=why,
                    line=line,
                )
            fail(
                saw=saw,
                expected=_("shape ({size}, {classes}): a row of {classes} scores for each image").format(
                    size=size, classes=homework.classes
                ),
                why=why,
                line=line,
            )


@check(
    "runs",
    hint="run the file by itself and read the last line of the traceback",
    more="Where it stopped isn't always where the mistake is: print type and shape of everything on that line,"
    " just before it.",
)
def test_the_script_runs_to_its_end(observed: Observations, homework: Homework) -> None:
    """the script runs from its first line to its last"""
    if observed.syntax_error is not None:
        wait("builds")
    rehearsal, network = observed.rehearsal, observed.network
    if rehearsal is None:
        if network is None:
            wait("builds")
        fail(
            saw=observed.problem or _("the run gave no answer"),
            expected=_("a run to the last line, with a handful of images"),
            why=_("What ends the whole process can't be trained or tested either."),
        )
    if not rehearsal.cut_short:
        return
    if observed.blanks:
        wait("blanks")
    failure = rehearsal.failure
    if network is not None and _answer_refused(rehearsal, network, homework):
        wait("output-shape")
    if failure is not None and (failure.reason or rehearsal.ended == "exited"):
        _fail_for_what_is_not_there(failure, homework)
    if observed.network_failure is not None:
        wait("builds")
    if network is not None and network.forward_failures:
        wait("output-shape")
    if network is not None and network.gradient_failure is not None:
        wait("gradients")
    if failure is None:
        fail(
            saw=_("it was still running after {seconds:.0f} seconds, with a handful of images to train on").format(
                seconds=rehearsal.seconds
            ),
            expected=_("an end, once the loops over the images have ended"),
            why=_("A loop that waits for something other than images is only ended by the clock."),
        )
    fail(
        saw=said(failure),
        expected=_("a run to the last line"),
        why=_("What comes after this line never happens: not the training, or not the test."),
        line=failure.line,
    )


def _fail_for_what_is_not_there(failure: Failure, homework: Homework) -> NoReturn:
    """The script is right where something is there that isn't here: a package, a network, an argument."""
    if failure.reason == "missing-package":
        expected = _("a training that needs only what is installed where it is graded, or handed in with it")
        why = _("A training that can't do without {package} is put before a person; it costs no points by itself.")
        why = why.format(package=failure.package)
    elif failure.reason == "no-network":
        expected = _("data from `torchvision.datasets`, which is there without a network")
        why = _("Where homework is graded nothing can be fetched; CIFAR-10 is there already.")
        if homework.dataset != "cifar10":
            why = _("Where homework is graded nothing can be fetched; the homework's own data is there already.")
    else:
        expected = _("a training without arguments, and without an end before it")
        why = _("The script is run by its name alone: nobody is there to give it options.")
    fail(saw=said(failure), expected=expected, why=why, line=failure.line)


def _answer_refused(rehearsal: Rehearsal, network: Network, homework: Homework) -> bool:
    """Whether the script ended because of what the network answers.

    The homework's own looks at that first; and a loss that compares number by number refuses another shape.
    """
    wrong = any(shape != [size, *homework.answer_shape] for size, shape in network.outputs.items())
    looked = bool(homework.given) and rehearsal.ended == "exited"
    return wrong and (looked or not homework.classes)
