"""What the proctor saw, as data: the language between the sandbox and the checks.

The proctor writes these as JSON; the grader reads them with size limits and validates every field, because a
student's code shares the process that wrote them. Checks read nothing else.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from autograder.language import gettext as _

Name = Annotated[str, Field(max_length=500)]
Text = Annotated[str, Field(max_length=20_000)]
Count = Annotated[int, Field(ge=0, le=10**12)]
Line = Annotated[int, Field(ge=0, le=10**7)]
"""A line of the submission, 1-based; of a notebook, of the script its cells make."""
Shape = Annotated[list[int], Field(max_length=8)]


class Observed(BaseModel):
    """Base: unknown fields are refused, values don't change, numbers are finite unless a field says otherwise."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Failure(Observed):
    """An exception of the student's code.

    `frames` holds the student's own frames only, outermost first, as (line, source of the line). `reason` is why, where
    it may be none of the student's doing: where the script runs there is no network, `package` isn't installed, or
    Python is older than the script needs.
    """

    type: Name
    message: Text
    line: Line | None = None
    reason: Literal["", "no-network", "missing-package", "newer-python"] = ""
    package: Name = ""

    frames: Annotated[list[tuple[Line, Text]], Field(max_length=50)] = []

    @property
    def words(self) -> str:
        """`TypeError: message`, on one line; what isn't there is named."""
        message = " ".join(self.message.split())[:300]
        if self.reason == "missing-package":
            return _("the package {package} isn't installed here").format(package=self.package)
        if self.reason == "no-network":
            return _("there is no network where this runs ({type})").format(type=self.type)
        if self.type == "SystemExit":
            return _("the script ended itself ({message})").format(message=message)
        return f"{self.type}: {message}" if message else self.type


class Package(Observed):
    """A package that the script imports, and that Python doesn't come with.

    `line` is the script's line that imports it; None where another file does. `state` is "installed"; or, where it
    isn't, "swallowed" (it only logs or draws, and a stand-in took its calls), "unused", or "needed" (it was used, or
    its import failed in a `try` that expects that).
    """

    name: Name
    line: Line | None = None
    state: Literal["installed", "swallowed", "unused", "needed"]


Packages = Annotated[list[Package], Field(max_length=200)]


class Values(Observed):
    """The values of a parameter in a fresh network: their mean, their standard deviation, the largest magnitude.

    None stands for a number that isn't finite.
    """

    mean: float | None
    deviation: float | None
    largest: float | None


class Layer(Observed):
    """A module of the network that owns parameters itself (not through children).

    `name` is its qualified name, the first one where it has several. `parameters` maps each of its own parameters
    ("weight", "bias") to its shape. `values` maps the same names to a summary of their values, where the homework says
    how weights are initialised. `line` is where the student's code created it. `parents` are the modules it lies in, by
    name, with the lines that created them, outermost first; `repeated` is the line that created the outermost of these,
    or the layer itself, that is used at several places; None where none is.
    """

    name: Name
    kind: Literal["conv", "bn", "linear", "other"]
    class_name: Name
    parameters: Annotated[dict[str, Shape], Field(max_length=64)]
    values: Annotated[dict[str, Values], Field(max_length=64)] = {}
    line: Line | None = None
    parents: Annotated[dict[Name, Line | None], Field(max_length=32)] = {}
    repeated: Line | None = None

    @property
    def count(self) -> int:
        """How many numbers its parameters hold."""
        total = 0
        for shape in self.parameters.values():
            size = 1
            for side in shape:
                size *= side
            total += size
        return total


class Op(Observed):
    """One operation of a forward pass, in the order of execution.

    `kind` is the operation's common name: input, conv, bn, relu, add, cat, pad, zeros, maxpool, avgpool, flatten,
    linear, slice, constant (a tensor made before the pass), or ATen's own name for anything else. A mean over a whole
    map is an avgpool of its size; views of the same shape, copies and casts are the same value, not operations; an
    in-place operation gives a new value to all that shares its memory (a write into a part of it is a slice_scatter).
    `inputs` are indices of earlier operations; parameters are not among them: the layer that owns an operation's
    weight is `layer`. `shape` is the output's, with N first. `bias`: whether a conv, bn or linear has one. For conv,
    maxpool and avgpool, `kernel`, `stride` and `padding` are (height, width). `equals` lists those inputs whose values
    are exactly the output's (only recorded by the zeroed pass). `line` is where the student's code called it.
    """

    index: Count
    kind: Name
    inputs: Annotated[list[Count], Field(max_length=256)]
    shape: Shape
    layer: Name | None = None
    bias: bool = False
    kernel: Shape = []
    stride: Shape = []
    padding: Shape = []
    equals: list[Count] = []
    line: Line | None = None


Graph = Annotated[list[Op], Field(max_length=5000)]


class Network(Observed):
    """A fresh instance of the student's class, built with the homework's arguments and examined on the CPU.

    Attributes:
        parameters: how many numbers it trains, shared ones once.
        layers: every module with parameters of its own, in definition order.
        outputs: batch size -> shape of the output, for batches of 1, 2 and 4 (only those that worked).
        forward_failures: batch size -> what went wrong.
        loses_batch: batch size -> the first operation whose result has another number of images, where one does.
        graph: one forward pass in eval mode on a batch of 2 (of 4, or of 1, when that failed); empty when none worked.
        zeroed: the same with the weights and biases of every convolution larger than 1x1 set to zero, but for the
            first one (the stem): what is left is the skips.
        without_gradient: parameters ("conv1.weight") that got no gradient, not even zeros, in one forward and backward
            pass in training mode; empty when that failed with `gradient_failure`.
        line: where the class is defined.
        argument_names: the constructor's own, without self.
        entries: of its state dict, name -> shape, where the homework says which there have to be.
        answers: its (images, classes) scores in float64 for the drawn images and weights of `proctor/drawn_weights.py`;
            empty where the homework has no reference answers, or the pass failed.
    """

    class_name: Name
    line: Line | None = None
    argument_names: Annotated[list[Name], Field(max_length=100)] = []
    parameters: Count = 0
    layers: Annotated[list[Layer], Field(max_length=2000)] = []
    outputs: dict[int, Shape] = {}
    forward_failures: dict[int, Failure] = {}
    loses_batch: dict[int, Op] = {}
    graph: Graph = []
    zeroed: Graph = []
    without_gradient: Annotated[list[Name], Field(max_length=5000)] = []
    gradient_failure: Failure | None = None
    entries: Annotated[dict[Name, Shape], Field(max_length=5000)] = {}
    answers: Annotated[list[Annotated[list[float], Field(max_length=100)]], Field(max_length=16)] = []


class Variant(Observed):
    """The class built with other arguments: how many convolutions a forward pass runs at each map size.

    `convs` maps a map's side in pixels to the number of convolutions with a kernel over 1x1 that produce it.
    """

    arguments: list[int]
    parameters: Count = 0
    convs: dict[int, Count] = {}
    failure: Failure | None = None


class Forward(Observed):
    """One call of the trained network (by `net(x)` or `net.forward(x)`), while the script ran."""

    input_shape: Shape
    output_shape: Shape = []
    grad_enabled: bool
    training: bool
    input_device: Name
    network_device: Name
    on_batch: bool  # the input has as many images as the batch that the loader served last
    line: Line | None = None


class Step(Observed):
    """What the script did with one training batch, in the order it did it.

    `events` is a list of "forward", "zero_grad", "backward", "step"; zeroing is seen by its effect as well, in
    `stale_gradients`: whether gradients of an earlier batch were still there when the backward pass began (None:
    there was no backward pass). `reaches_network` says whether the loss depended on the network's parameters (None:
    not looked at, as in all but the first passes).
    """

    images: Count
    events: Annotated[list[Literal["forward", "zero_grad", "backward", "step"]], Field(max_length=1000)]
    forwards: Annotated[list[Forward], Field(max_length=1000)] = []
    stale_gradients: bool | None = None
    reaches_network: bool | None = None
    changed_parameters: bool | None = None
    loss: float | None = None
    lines: dict[str, Line] = {}  # event -> the line of its first call


class Optimizer(Observed):
    """The optimizer that stepped first (or, when none did, the first one made)."""

    class_name: Name
    lr: Annotated[float, Field(allow_inf_nan=True)]
    momentum: Annotated[float, Field(allow_inf_nan=True)] | None = None
    weight_decay: Annotated[float, Field(allow_inf_nan=True)] | None = None
    nesterov: bool | None = None
    covered: Count  # how many of the network's parameter tensors it holds
    missing: Annotated[list[Name], Field(max_length=5000)] = []  # those of the network that it doesn't
    foreign: Count = 0  # tensors it holds that aren't the network's
    line: Line | None = None


class Loader(Observed):
    """A DataLoader that the script read images from."""

    batch_size: int | None
    images: Count  # length of its dataset
    line: Line | None = None


class Rehearsal(Observed):
    """A run of the script, as it is, on a handful of images: nothing is trained.

    Each training epoch serves one or two batches, of which the network computes two images.

    Attributes:
        ended: "finished"; "crashed" with `failure`; "exited" by sys.exit, likewise; "stopped" when its training loop
            asked for batches without end, or took too long over images that no loader hands out, or when it failed for
            want of images; "timeout".
        withheld: whether it may have crashed because it got fewer images than it counts on.
        accelerator: whether a GPU could be used.
        cuda_requests: lines that asked by name for a GPU of a kind that wasn't there, CUDA's or Apple's (they got the
            CPU).
        network_moved: whether anything put the trained network on a device (`.to`, `.cuda`, a default device).
        network_device: where it was in the end.
        network_class: class of the network that was trained; None when no network was found.
        steps: one entry a training batch.
        tests: calls of the network on test batches.
        packages: what it imports beside Python's own modules.
    """

    ended: Literal["finished", "crashed", "exited", "stopped", "timeout"]
    failure: Failure | None = None
    withheld: bool = False
    accelerator: bool = False
    cuda_requests: Annotated[list[Line], Field(max_length=1000)] = []
    network_class: Name | None = None
    network_moved: bool = False
    network_device: Name | None = None
    optimizer: Optimizer | None = None
    train_loader: Loader | None = None
    test_loader: Loader | None = None
    steps: Annotated[list[Step], Field(max_length=1000)] = []
    tests: Annotated[list[Forward], Field(max_length=5000)] = []
    packages: Packages = []
    seconds: float = 0.0

    @property
    def cut_short(self) -> bool:
        """Whether it ended before the script's own end, or before the script had trained on anything."""
        return self.ended in ("crashed", "timeout") or (self.ended == "exited" and not self.steps)


class Blank(Observed):
    """An answer left open (`...`). `question`: the one that comments name, as "Q5", or None. `within`: its class."""

    line: Line
    question: Name | None = None
    within: Name = ""


class Observations(Observed):
    """All that checks may look at."""

    homework: Name
    file: Name
    cells: Annotated[list[Line], Field(max_length=20_000)] = []  # lines at which a notebook's cells begin
    blanks: list[Blank] = []
    syntax_error: Failure | None = None
    rehearsal: Rehearsal | None = None
    network: Network | None = None
    network_failure: Failure | None = None  # why there is no `network`: class missing, constructor raised
    variants: list[Variant] = []
    problem: Text | None = None  # the run itself failed (killed, memory, no answer): an outcome's name and a sentence


class TrainingProgress(Observed):
    """How far a training is: `images` served `of` the budget's, after `seconds`; the loss of the last batch, if any."""

    images: Count
    of: Count
    seconds: Annotated[float, Field(ge=0)]
    loss: float | None = None


class TrainingReport(Observed):
    """What happened in a proctored training, as the proctor saw it.

    Attributes:
        ended_by: "script" (it ended by itself), "epochs" (the budget's images were served), "time" (the time box
            ended), "crash" (with `failure`), "exit", "stopped" (the script asked for ever more empty epochs).
        withheld: whether it may have crashed because a preview has fewer images than it counts on.
        epochs: images served over images in the training set.
        kept_epochs: after how many epochs the proctor kept the network's state, to be tested later.
        images, steps: training images served; optimizer steps seen.
        batches: how many training batches loaders handed out; None when images were read in another way too.
        kept_before: whether the network can be tested as it was after its first step.
        loaded_line: the line that loaded a state dict into a network before the first step; None for none.
        seconds: from the first training batch to the end of training.
        loading_s: of these, how long loaders took to make batches; loading_cpu_s: the same in the training's CPU time.
        tested_images: images of the test set that were served meanwhile.
        losses: (images served so far, loss of that batch), thinned out to at most 500 points.
        network_class, parameters: of the network that was found and tested.
        left_in: the mode the script left the network in.
        train_batch_size: of the loader that served training images last.
        test_batch_size: of the script's own test loader; the pass "as left" uses it.
        unfollowed: whether the script works on batches in a way that nobody could tell: test images come without it.
    """

    ended_by: Literal["script", "epochs", "time", "crash", "exit", "stopped"]
    failure: Failure | None = None
    withheld: bool = False
    epochs: float = 0.0
    kept_epochs: Annotated[int, Field(ge=0, le=10_000)] = 0
    images: Count = 0
    steps: Count = 0
    batches: Count | None = None
    kept_before: bool = False
    loaded_line: Line | None = None
    seconds: float = 0.0
    loading_s: Annotated[float, Field(ge=0)] = 0.0
    loading_cpu_s: Annotated[float, Field(ge=0)] = 0.0
    tested_images: Count = 0
    losses: Annotated[list[tuple[Count, Annotated[float, Field(allow_inf_nan=True)]]], Field(max_length=500)] = []
    network_class: Name | None = None
    parameters: Count = 0
    left_in: Literal["train", "eval"] | None = None
    train_batch_size: int | None = None
    test_batch_size: int | None = None
    device: Name | None = None
    cuda_requests: Annotated[list[Line], Field(max_length=1000)] = []
    packages: Packages = []
    unfollowed: bool = False
    problem: Text | None = None  # why no network could be tested


class Epoch(BaseModel):
    """One epoch.

    Attributes:
        epoch: its number, from 1.
        train_loss: the mean loss of its training batches; None when it isn't known or isn't finite.
        test_loss: the mean cross-entropy of the test images after it, likewise.
        accuracy_percent: on the test images after it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    epoch: int = Field(ge=1, le=1_000_000)
    train_loss: float | None = Field(default=None, allow_inf_nan=False)
    test_loss: float | None = Field(default=None, allow_inf_nan=False)
    accuracy_percent: float = Field(ge=0, le=100)
