"""What submissions are run with: put together once for everybody of a run, from what was asked for.

Called by `grade`, `check --train`, `reference` and the Gradescope autograder, which all build it with `prepared`.
"""

from dataclasses import dataclass, replace

from autograder import homeworks
from autograder.course import checkpoint, prepare, rubric
from autograder.course.checkpoint import Checkpoint
from autograder.course.dataset import Dataset
from autograder.course.homework import Homework, Protocol
from autograder.course.rubric import Rubric
from autograder.course.state_dict import counted, differing
from autograder.language import duration, spoken
from autograder.language import gettext as _
from autograder.machine import Card
from autograder.observations import Observations
from autograder.runner.request import TrainingRequest
from autograder.runner.runner import SANDBOX_RUNNER, Runner
from autograder.sandbox.sandbox import Sandbox


@dataclass(frozen=True)
class Setup:
    """What a run grades with, the same for everybody.

    Attributes:
        checkpoint: what trainings go on from, of networks that it fits.
        no_checkpoint_because: why there is none, a sentence; "" where there is one, or the homework has no checkpoints.
        language: of what students read.
        sharing: how many trainings share a GPU at most, where there is one.
        cards: the GPUs that trainings are given, one each; () for the machine's first.
        forks: whether observations and previews are forked from one process that has imported torch.
        runner: what runs a submission; tests hand in another.
    """

    homework: Homework
    rubric: Rubric
    protocol: Protocol
    dataset: Dataset
    sandbox: Sandbox
    threads: int = 1
    checkpoint: Checkpoint | None = None
    no_checkpoint_because: str = ""
    language: str = "en"
    sharing: int = 1
    cards: tuple[Card, ...] = ()
    forks: bool = True
    runner: Runner = SANDBOX_RUNNER

    @property
    def own_data(self) -> bool:
        """Whether the dataset is the homework's own."""
        return self.dataset.name == self.homework.dataset

    @property
    def forks_trainings(self) -> bool:
        """Whether trainings are forked too: previews, which give no points, where one thread is what they have anyway.

        What a fork gives up is in docs/security.md.
        """
        return self.forks and self.protocol.is_small and self.threads == 1 and not self.runner.has_gpu()

    @property
    def no_points_because(self) -> str | None:
        """Why nobody gets points in this run; None when they are given."""
        if self.protocol.is_small:
            return (
                _("a preview gives no points")
                if self.protocol.name == "preview"
                else _("a demonstration gives no points")
            )
        if not self.own_data:
            text = _("the data is {data}, not the homework's own {own}")
            return text.format(data=self.dataset.name, own=self.homework.dataset)
        if not self.protocol.own_budget:
            text = _("the time box was set to {box}, not the homework's own")
            return text.format(box=duration(self.protocol.time_box_s))
        return None


def prepared(
    request: TrainingRequest,
    place: Sandbox,
    *,
    full: bool,
    threads: int = 1,
    forks: bool = True,
    runner: Runner | None = None,
) -> Setup:
    """The setup that `request` asks for, in the sandbox `place`. `full`: whether "full" is the default protocol.

    Raises KitError where the homework, the rubric, the dataset or the checkpoint can't be had.
    """
    homework = homeworks.load(request.homework)
    ruled = rubric.load(rubric.PATH, homework.name)
    protocol = homework.protocol(request.protocol or ("full" if full else "preview"), ruled.budget, request.hours)
    images = prepare.choose(homework, protocol, request.data, request.test_images)
    with spoken(request.language):
        begin, why_not = checkpoint.find(homework, protocol, images, request.checkpoint)
    return Setup(
        homework=homework,
        rubric=ruled,
        protocol=protocol,
        dataset=images,
        sandbox=place,
        threads=threads,
        checkpoint=begin,
        no_checkpoint_because=why_not,
        language=request.language,
        forks=forks,
        runner=runner or SANDBOX_RUNNER,
    )


@dataclass(frozen=True)
class Start:
    """What one training starts from, and under which protocol it goes on.

    Attributes:
        checkpoint: None when it starts from nothing.
        words: the same as pages say it; "" where the homework has no checkpoints.
    """

    protocol: Protocol
    checkpoint: Checkpoint | None
    words: str


def start_of(setup: Setup, seen: Observations) -> Start:
    """What the training of the network that was `seen` starts from: the checkpoint, where it fits."""
    if setup.checkpoint is None:
        return Start(setup.protocol, None, _("nothing") if setup.no_checkpoint_because else "")
    entries = {} if seen.network is None else {name: tuple(shape) for name, shape in seen.network.entries.items()}
    if not entries:
        return Start(setup.protocol, None, _("nothing, since no network was seen"))
    asked = setup.checkpoint.entries
    if differs := counted(differing(entries, asked)):
        words = _("nothing, since the network doesn't fit the checkpoint: of its {count} entries {differ}")
        return Start(setup.protocol, None, words.format(count=len(asked), differ=differs))
    shorter = replace(setup.protocol, epochs=setup.homework.epochs_from_checkpoint)
    words = _("the checkpoint {checkpoint}").format(checkpoint=setup.checkpoint)
    return Start(shorter, setup.checkpoint, words)
