"""Checks of a script that trains batch by batch and then tests: what was done, in which order, from a rehearsal.

A rehearsal runs the script on a handful of images. Names and places are the student's: gradients may be zeroed by the
optimizer, the network or by hand, before the forward pass or after the step.
"""

import math
from collections.abc import Sequence
from itertools import pairwise

from autograder.checks.places import places
from autograder.checks.wording import check, fail, joined, wait
from autograder.course.homework import Homework
from autograder.language import gettext as _
from autograder.observations import Forward, Observations, Rehearsal, Step


def _rehearsal(observed: Observations) -> Rehearsal:
    if observed.rehearsal is None:
        wait("builds" if observed.syntax_error else "runs")
    return observed.rehearsal


def _wait_if_cut_short(rehearsal: Rehearsal) -> None:
    """What was not seen may have come later."""
    if rehearsal.cut_short:
        wait("runs")


def _steps(observed: Observations) -> list[Step]:
    """What was done with each training batch, without one that an error cut short."""
    rehearsal = _rehearsal(observed)
    steps = rehearsal.steps
    if rehearsal.cut_short and not rehearsal.tests:
        steps = steps[:-1]
    if not steps:
        _wait_if_cut_short(rehearsal)
        wait("forward")
    return steps


@check(
    "device",
    hint="torch.cuda.is_available() says whether there is a GPU",
    more="torch.device takes the name of a kind of device. There is one name for a GPU of NVIDIA's and one for"
    " the processor.",
)
def test_the_device_is_one_that_is_there(observed: Observations, homework: Homework) -> None:
    """the device is the GPU where there is one, else the CPU"""
    rehearsal = _rehearsal(observed)
    if rehearsal.cuda_requests and not rehearsal.accelerator:
        saw = _("a GPU asked for by name where there is none of its kind ({places}); it got the CPU")
        fail(
            saw=saw.format(places=places(rehearsal.cuda_requests)),
            expected=_("a device that is there: the GPU where there is one, else the CPU"),
            why=_("With a device fixed by name the file runs on one kind of machine only."),
            line=min(rehearsal.cuda_requests),
        )
    if rehearsal.network_device is None:
        _wait_if_cut_short(rehearsal)
        wait("forward")
    if rehearsal.accelerator and rehearsal.network_device == "cpu":
        if not rehearsal.network_moved:
            wait("model-on-device")
        fail(
            saw=_("the network ran on the CPU beside a GPU that nothing used"),
            expected=_("the GPU where there is one"),
            why=_("The training takes minutes on a GPU and may take hours on a CPU."),
        )


@check(
    "batch-size",
    hint="how many images does the training loader hand out at a time?",
    more="Powers of two from 16 to 512 are usual. What is too many for the memory says so at the first batch.",
)
def test_training_goes_by_batches(observed: Observations, homework: Homework) -> None:
    """training goes by batches of a chosen size"""
    rehearsal = _rehearsal(observed)
    loader = rehearsal.train_loader
    largest = max(rehearsal.steps, key=lambda step: step.images, default=None)
    if loader is None and largest is None:
        _wait_if_cut_short(rehearsal)
        wait("forward")
    if (loader is None or loader.batch_size is None) and (largest is None or largest.images < 2):
        fail(
            saw=_("a training on single images"),
            expected=_("batches of a chosen size"),
            why=_("The network and its batch norm work on batches: (N, C, H, W)."),
            line=loader.line if loader is not None else None,
        )
    if loader is not None and loader.batch_size is not None and loader.batch_size >= loader.images:
        fail(
            saw=_("batches of {size:,}, from {images:,} training images").format(
                size=loader.batch_size, images=loader.images
            ),
            expected=_("batches far smaller than the training set"),
            why=_("One batch is one step of the optimizer, so an epoch would be a single step."),
            line=loader.line,
        )


@check(
    "model-on-device",
    hint="what does the network have a method for, that a batch has too?",
    more="A network and a batch must be in one place when they meet. The loop moves the batch: with which method?",
)
def test_the_network_is_on_the_device(observed: Observations, homework: Homework) -> None:
    """the network is put on the device"""
    rehearsal = _rehearsal(observed)
    if rehearsal.network_class is None:
        _wait_if_cut_short(rehearsal)
        wait("forward")
    on_accelerator = rehearsal.accelerator and rehearsal.network_device != "cpu"
    if not rehearsal.network_moved and not on_accelerator:
        fail(
            saw=_("the network that is trained was put on no device, so it stays on the CPU"),
            expected=_("{network} on the chosen device").format(network=rehearsal.network_class),
            why=_(
                "On a machine with a GPU the batches would be there and the network here, and the first layer stops."
            ),
        )


@check(
    "optimizer",
    hint="which class, which parameters, which rate, which momentum?",
    more="torch.optim has a class of that name. It wants to know what it trains, all of it, and the rest by name.",
)
def test_the_optimizer_is_the_one_asked_for(observed: Observations, homework: Homework) -> None:
    """the optimizer is {homework.optimizer.class_name} over the network's parameters"""
    rehearsal = _rehearsal(observed)
    optimizer, asked = rehearsal.optimizer, homework.optimizer
    if optimizer is None:
        _wait_if_cut_short(rehearsal)
        if not rehearsal.steps:
            wait("forward")  # without a training there is nothing that it would be for
        fail(
            saw=_("no optimizer was made"),
            expected=_asked(homework),
            why=_("The optimizer is what changes the weights."),
        )
    if optimizer.class_name != asked.class_name:
        fail(
            saw=_("the optimizer {optimizer}").format(optimizer=optimizer.class_name),
            expected=_asked(homework),
            why=_("The homework compares networks trained in one way."),
            line=optimizer.line,
        )
    if optimizer.missing:
        names = [f"`{name}`" for name in optimizer.missing]
        fail(
            saw=_("{count} of the network's parameter tensors are not in the optimizer: {names}").format(
                count=len(names), names=joined(names, most=2)
            ),
            expected=_("all parameters of the network that is trained"),
            why=_("What the optimizer doesn't hold stays as it was drawn at the start."),
            line=optimizer.line,
        )
    if asked.momentum is not None and not math.isclose(optimizer.momentum or 0.0, asked.momentum, abs_tol=1e-9):
        fail(
            saw=_("momentum {momentum:g}").format(momentum=optimizer.momentum or 0),
            expected=_("momentum {momentum:g}").format(momentum=asked.momentum),
            why=_("Momentum carries the direction of earlier batches on, and evens out what a single batch says."),
            line=optimizer.line,
        )
    if not math.isfinite(optimizer.lr) or optimizer.lr <= 0:
        fail(
            saw=_("a learning rate of {lr:g}").format(lr=optimizer.lr),
            expected=_("a finite rate above 0"),
            why=_("Each step is the rate times the direction: without a rate nothing moves."),
            line=optimizer.line,
        )


@check(
    "zero-grad",
    after=("backward",),
    hint="backward() adds to the gradients that are there: when do those of the last batch go?",
    more="The optimizer knows every parameter, and has a method for this. It belongs into every turn of the "
    "inner loop: before what?",
)
def test_gradients_are_zeroed_every_step(observed: Observations, homework: Homework) -> None:
    """gradients are zeroed for every batch"""
    steps, optimizer = _steps(observed), _rehearsal(observed).optimizer
    for number, step in enumerate(steps, 1):
        if "step" in step.events and "zero_grad" in _between(step.events, "backward", "step"):
            fail(
                saw=_("zeroed between the backward pass and the step of batch {number}: {order}").format(
                    number=number, order=_order(step)
                ),
                expected=_("zeroed before the backward pass, or after the step"),
                why=_("The step then finds no gradient of this batch, and changes nothing."),
                line=step.lines.get("zero_grad"),
            )
    stepping = any("step" in step.events for step in steps)
    for number, (before, step) in enumerate(pairwise(steps), 2):
        if step.stale_gradients and ("step" in before.events or not stepping):
            if optimizer is not None and optimizer.missing:
                wait("optimizer")  # which may zero the gradients of what it holds
            fail(
                saw=_(
                    "when the backward pass of batch {number} began, the gradients of batch {previous} were still there"
                ).format(number=number, previous=number - 1),
                expected=_("no gradients left from earlier batches"),
                why=_("backward() adds to what is there, so each step goes by the sum over all batches so far."),
                line=step.lines.get("backward"),
            )


@check(
    "forward",
    hint="the batch goes in, scores come out: which object does that?",
    more="A network is called like a function. What comes out has a row of scores for each picture of the batch.",
)
def test_every_batch_goes_through_the_network(observed: Observations, homework: Homework) -> None:
    """every training batch goes through the network"""
    rehearsal = _rehearsal(observed)
    if not rehearsal.steps:
        _wait_if_cut_short(rehearsal)
        fail(
            saw=_("the script ended without training on a batch"),
            expected=_("a loop over the training loader, with a forward pass for each batch"),
            why=_("Nothing is learned from images that the network never sees."),
        )
    for number, step in enumerate(_steps(observed), 1):
        if "forward" not in step.events:
            fail(
                saw=_("batch {number} was not put through the network").format(number=number),
                expected=_("one forward pass for each training batch"),
                why=_("The loss of a batch is computed from the network's answers to it."),
                line=min(step.lines.values(), default=None),
            )
        sizes = [forward.input_shape[0] for forward in step.forwards if forward.input_shape]
        if sizes and sum(sizes) < step.images:
            fail(
                saw=_("{count} of the {images} images of batch {number} went through the network").format(
                    count=sum(sizes), images=step.images, number=number
                ),
                expected=_("the whole batch"),
                why=_("A gradient over the whole batch is steadier than that of a few of its images."),
                line=step.lines.get("forward"),
            )
        if step.reaches_network is False:
            fail(
                saw=_("the loss of batch {number} doesn't depend on the network's answer").format(number=number),
                expected=_("a loss computed from what the network gave for this batch"),
                why=_("Only what the loss was computed from gets a gradient."),
                line=step.lines.get("backward") or step.lines.get("forward"),
            )


@check(
    "backward",
    after=("forward",),
    hint="what computes the gradients of the loss?",
    more="The loss is a tensor that remembers how it came about, and has a method that goes back through all of it.",
)
def test_the_loss_goes_backward(observed: Observations, homework: Homework) -> None:
    """the gradients of the loss are computed for every batch"""
    for number, step in enumerate(_steps(observed), 1):
        if "backward" not in step.events:
            fail(
                saw=_("no backward pass for batch {number}: {order}").format(number=number, order=_order(step)),
                expected=_("one backward pass from each batch's loss"),
                why=_("Without it no parameter has a gradient, and the optimizer has nothing to go by."),
                line=step.lines.get("forward"),
            )


@check(
    "step",
    after=("backward",),
    hint="once the gradients are there, what uses them?",
    more="The optimizer was given the parameters for this. Once for each batch, when their gradients are those"
    " of this batch.",
)
def test_the_optimizer_steps_once_a_batch(observed: Observations, homework: Homework) -> None:
    """the optimizer steps once a batch, after the backward pass"""
    steps = _steps(observed)
    for number, step in enumerate(steps, 1):
        count = step.events.count("step")
        if count != 1:
            text = (
                _("{count} steps for batch {number}: {order}") if count else _("no steps for batch {number}: {order}")
            )
            fail(
                saw=text.format(count=count, number=number, order=_order(step)),
                expected=_("one step for each batch"),
                why=_("One batch, one gradient, one step: the weights change only there."),
                line=step.lines.get("step") or step.lines.get("backward"),
            )
        if "backward" not in step.events[: step.events.index("step")]:
            fail(
                saw=_("the step of batch {number} came before its backward pass: {order}").format(
                    number=number, order=_order(step)
                ),
                expected=_("first the backward pass, then the step"),
                why=_("A step that comes first goes by the gradients of the batch before, or by none."),
                line=step.lines.get("step"),
            )


@check(
    "no-grad",
    hint="which context tells PyTorch that no gradient will be asked for?",
    more="torch has a function for such a context, to stand after `with`. Its name says what it doesn't do.",
)
def test_no_graph_is_built_in_testing(observed: Observations, homework: Homework) -> None:
    """the test builds no graphs"""
    for call in _tests(observed):
        if call.grad_enabled:
            fail(
                saw=_("the network answered test images with gradients enabled"),
                expected=_("a test without gradients"),
                why=_(
                    "Each answer keeps all values of its forward pass for a backward pass that never comes, which "
                    "takes memory and time."
                ),
                line=call.line,
            )


@check(
    "eval-mode",
    advice=True,
    after=("forward",),
    hint="a module has two modes: which layers of this network care which one it is?",
    more="BN takes the statistics of the batch in one mode and those it has gathered in the other. One method "
    "of the network switches all that is in it.",
)
def test_testing_is_in_eval_mode(observed: Observations, homework: Homework) -> None:
    """training in train mode, testing in eval mode"""
    for step in _steps(observed):
        for forward in step.forwards:
            if not forward.training:
                fail(
                    saw=_("training batches went through the network in eval mode"),
                    expected=_("train mode again before each epoch's training"),
                    why=_("In eval mode BN uses its running averages and doesn't learn them."),
                    line=forward.line,
                )
    if not any(call.on_batch for call in _rehearsal(observed).tests):
        wait("no-grad")
    for call in _tests(observed):
        if call.training:
            fail(
                saw=_("the network answered test images in train mode"),
                expected=_("eval mode for the test"),
                why=_(
                    "In train mode BN uses the mean of each test batch, so an answer depends on the images beside it. "
                    "Points are given for the better of both modes."
                ),
                line=call.line,
            )


def _tests(observed: Observations) -> list[Forward]:
    """The calls of the test loops: a single look at a batch on another line is none."""
    rehearsal = _rehearsal(observed)
    calls = [call for call in rehearsal.tests if call.on_batch]
    if not calls:
        _wait_if_cut_short(rehearsal)
        if rehearsal.ended == "stopped":
            wait(_("the script's training loop to end"))
        if not rehearsal.steps:
            wait("forward")
        fail(
            saw=_("the script ended without putting a test image through the network"),
            expected=_("a loop over the test images after the training"),
            why=_("The accuracy on images that the network never trained on is what the homework asks for."),
        )
    by_line: dict[int | None, list[Forward]] = {}
    for call in calls:
        by_line.setdefault(call.line, []).append(call)
    loops = [call for group in by_line.values() if len(group) > 1 for call in group]
    return loops or by_line[calls[-1].line]


def _asked(homework: Homework) -> str:
    asked = homework.optimizer
    if asked.momentum is None:
        return _("{optimizer} over the network's parameters").format(optimizer=asked.class_name)
    return _("{optimizer} with momentum {momentum:g} over the network's parameters").format(
        optimizer=asked.class_name, momentum=asked.momentum
    )


def _between(events: Sequence[str], first: str, last: str) -> Sequence[str]:
    """The events after the last `first` that comes before the first `last`."""
    end = events.index(last)
    before = [position for position, event in enumerate(events[:end]) if event == first]
    return events[before[-1] + 1 : end] if before else []


def _order(step: Step) -> str:
    return ", ".join(step.events[:8]) or _("nothing")
