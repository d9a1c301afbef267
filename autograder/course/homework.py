"""What a homework is: one declaration that every part of the kit reads.

A declaration says what the students' network is called, how it is built, which check modules apply and what the
budget of a graded training is. It holds no points: those are in `grading_rubric.md`.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from autograder.course import measure
from autograder.course.dataset import OFFICIALS, Official
from autograder.course.families import Family
from autograder.course.measure import Measure
from autograder.files import SOLUTIONS

if TYPE_CHECKING:
    from autograder.course.rubric import Budget


@dataclass(frozen=True)
class Protocol:
    """How a graded training runs.

    `full` is the homework's own budget on all of the homework's own data: the only one that gives points.
    `preview` takes the first `train_images` and `test_images` of a dataset, to see that everything works: it names no
    tier. `demo` trains as a preview does, and shows the tiers that its accuracies would be in: for the demonstration
    class, whose images are drawn so that each tier is reached.
    """

    name: Literal["full", "preview", "demo"]
    epochs: int
    time_box_s: float
    train_images: int | None = None  # None: all of them
    test_images: int | None = None
    own_budget: bool = True  # False when somebody changed the time box (`--hours`): such a run gives no points

    @property
    def is_small(self) -> bool:
        """Whether it takes a part of the data: then it gives no points."""
        return self.name != "full"

    @property
    def names_rows(self) -> bool:
        """Whether a result of it names a tier."""
        return self.name != "preview"

    def train_count(self, available: int) -> int:
        """How many training images an epoch has, of a dataset with so many."""
        return min(self.train_images or available, available)

    def test_count(self, available: int) -> int:
        """How many images the network is tested on, of a dataset with so many."""
        return min(self.test_images or available, available)


@dataclass(frozen=True)
class Question:
    """A numbered blank of the script, and the id of the check that is about it."""

    number: int
    title: str
    check: str

    @property
    def name(self) -> str:
        return f"Q{self.number}"


TRAINING_QUESTIONS = (
    Question(1, "the device", "device"),
    Question(2, "the batch size", "batch-size"),
    Question(3, "the network on the device", "model-on-device"),
    Question(4, "the optimizer", "optimizer"),
    Question(5, "zeroing the gradients", "zero-grad"),
    Question(6, "the forward pass", "forward"),
    Question(7, "the backward pass", "backward"),
    Question(8, "the optimizer's step", "step"),
    Question(9, "testing without graphs", "no-grad"),
)
"""The questions of a script that trains batch by batch and then tests; `checks/training_step.py` checks their
answers."""


@dataclass(frozen=True)
class AskedOptimizer:
    """The optimizer that the homework's text asks for; the learning rate is the student's choice."""

    class_name: str
    momentum: float | None = None


@dataclass(frozen=True)
class Reference:
    """What others reached with the same network, to compare a student's curve with.

    Attributes:
        curve: (epoch, test accuracy in percent), by epoch; empty where only single numbers are known.
        curve_name: whose it is, as a legend says it.
        average_error_percent: the mean of 100 - accuracy over `average_epochs` epochs of that curve.
        results: (whose, test accuracy in percent), further single numbers.
        conditions: how those came about, where that isn't how the homework is graded.
    """

    curve: tuple[tuple[int, float], ...] = ()
    curve_name: str = ""
    average_error_percent: float | None = None
    average_epochs: int | None = None
    results: tuple[tuple[str, float], ...] = ()
    conditions: str = ""


@dataclass(frozen=True)
class Entry:
    """An entry of the network's state dict, as a checkpoint has it.

    Attributes:
        name: such as `layer1.0.weight`.
        shape: of the tensor; () for a single number.
        optional: a network without it is right, too.
    """

    name: str
    shape: tuple[int, ...]
    optional: bool = False


@dataclass(frozen=True)
class Answers:
    """The scores of a right network for the images and the weights that `proctor/drawn_weights.py` draws.

    Attributes:
        name: what was chosen, for who reads the declaration.
        entries: how many entries the state dict of that choice has.
        scores: (pictures, classes), in float64.
    """

    name: str
    entries: int
    scores: tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class Recipe:
    """How `autograder pretrain` trains a network for a checkpoint.

    SGD with Nesterov momentum 0.9 on shifted and mirrored pictures; the learning rate climbs to `lr` in the first fifth
    of all steps and falls to 0 in the rest.

    Attributes:
        model: the network's name, and the checkpoint's.
        file, network: the file in the solution's folder that has its class, and the class.
        lr: the highest learning rate.
        label_smoothing: how much of a target goes to all classes alike.
        larger: how many times as large weights are kept, which changes no answer (`commands/course/rescaled.py`), for a
            homework that goes on with Adam.
        answering: names of the BNs whose scale no later BN divides out.
    """

    model: str
    file: str
    network: str
    epochs: int
    batch_size: int
    lr: float
    weight_decay: float
    label_smoothing: float = 0.0
    larger: float = 1.0
    answering: tuple[str, ...] = ()


@dataclass(frozen=True)
class Homework:
    """One assignment.

    Attributes:
        name: the short name, which is also the folder's and the file's.
        title: what pages call it.
        network: the class that students write.
        arguments: what it is built with.
        input_shape: one input as the network gets it; of an image (C, H, W).
        classes: how many classes there are; 0 where its answer isn't a score for each class.
        checks: modules under `autograder/checks`, in the order they run and are shown.
        optimizer: what trains the network.
        full, preview: the two protocols; the rubric may set another budget for `full`.
        images_per_core_s: training images a second on one core of a 2020s server, in float32, for estimates only.
        questions: the numbered blanks.
        other_arguments: further arguments to build the network with; what fails with them is advice, and costs no
            points.
        family: what is asked of a network of its kind, which check modules of that kind read; None for any other kind.
        tests_epochs: whether the network is tested as it was after each epoch, for a curve of the epochs.
        reference: what others reached; None when there is nothing to compare.
        dataset: the name of its own dataset; a run on any other gives no points.
        data: what that is, where `dataset.OFFICIALS` doesn't have it.
        answer: the shape of the network's answer to one input, where that isn't a score for each class.
        score: what its answers are measured by: accuracy, f1, top-3, mse or mae (see `measure.py`).
        target: what answers are compared with: labels, or the input itself; of a picture, its pixels from 0 to 1.
        hand_in: the name of the file that students hand in, without its ending; "": the homework's own name.
        given: files that they get complete and don't hand in, which stand beside the handed-in one when it runs. The
            first is the script that runs, as `main.py --epochs N`, and imports it; without any, the handed-in file is
            the script.
        entries: the entries of the network's state dict, where their names and shapes are the homework's.
        answers: its scores for drawn weights, one for each choice that the homework leaves.
        recipes: how `autograder pretrain` trains networks. A graded training goes on, for `epochs_from_checkpoint`
            epochs, from the checkpoint whose recipe has the homework's name; the given script loads it from its own
            folder.
    """

    name: str
    title: str
    network: str
    arguments: tuple[int, ...]
    input_shape: tuple[int, ...]
    classes: int
    checks: tuple[str, ...]
    optimizer: AskedOptimizer
    full: Protocol
    preview: Protocol
    images_per_core_s: float
    questions: tuple[Question, ...] = ()
    other_arguments: tuple[tuple[int, ...], ...] = ()
    family: Family | None = None
    tests_epochs: bool = False
    reference: Reference | None = None
    dataset: str = "cifar10"
    data: Official | None = None
    answer: tuple[int, ...] = ()
    score: str = "accuracy"
    target: Literal["labels", "input"] = "labels"
    hand_in: str = ""
    given: tuple[str, ...] = ()
    entries: tuple[Entry, ...] = ()
    answers: tuple[Answers, ...] = ()
    recipes: tuple[Recipe, ...] = ()
    epochs_from_checkpoint: int = 1

    @property
    def tells_initial_values(self) -> bool:
        """Whether it says how weights start."""
        return self.family is not None and self.family.tells_initial_values

    @property
    def own_dataset(self) -> Official:
        """What is known of its own dataset before that is there."""
        return self.data or OFFICIALS[self.dataset]

    @property
    def answer_shape(self) -> tuple[int, ...]:
        """The shape of the network's answer to one input."""
        return self.answer or (self.classes,)

    @property
    def measure(self) -> Measure:
        """What its answers are measured by."""
        return measure.of(self.score)

    @property
    def answer_text(self) -> str:
        """The same as one writes it behind the N: `10`, or `1, 28, 28`."""
        return ", ".join(map(str, self.answer_shape))

    @property
    def stem(self) -> str:
        """The name of the handed-in file, without its ending."""
        return self.hand_in or self.name

    @property
    def goes_on_from_checkpoint(self) -> bool:
        """Whether a graded training goes on from a checkpoint, where there is one."""
        return any(recipe.model == self.name for recipe in self.recipes)

    def given_files(self) -> dict[str, bytes]:
        """Name -> content of the files that students get complete."""
        return {name: (SOLUTIONS / self.name / name).read_bytes() for name in self.given}

    def protocol(self, name: str, budget: "Budget | None" = None, hours: float | None = None) -> Protocol:
        """The protocol called `name`, in full within the rubric's `budget` where it has one.

        With `hours`, its time box is replaced, and it is marked as not the homework's own.
        """
        chosen = {"full": self.full, "preview": self.preview, "demo": replace(self.preview, name="demo")}[name]
        if budget is not None and name == "full":
            chosen = replace(chosen, epochs=budget.epochs, time_box_s=budget.time_box_s)
        return chosen if hours is None else replace(chosen, time_box_s=hours * 3600, own_budget=False)

    @property
    def call(self) -> str:
        """How the network is built, as one writes it: `Network(2, 2)`."""
        return self.call_with(self.arguments)

    def call_with(self, arguments: Sequence[int]) -> str:
        """The same with other arguments."""
        return f"{self.network}({', '.join(map(str, arguments))})"

    def question_of(self, check: str) -> str | None:
        """The question that a check is about, such as "Q5"."""
        return next((question.name for question in self.questions if question.check == check), None)

    @property
    def version(self) -> str:
        """A fingerprint of the declaration and the given files: results made under another one are not reused."""
        digest = hashlib.sha256(repr(self).encode())
        for content in self.given_files().values():
            digest.update(hashlib.sha256(content).digest())
        return digest.hexdigest()[:12]
