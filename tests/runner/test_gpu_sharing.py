"""Trainings on one GPU: how many at a time, and that none of them is judged by what its neighbours did to it.

There is no GPU here: a card that is made up says what it has in memory and how fast it is, or trainings that sleep
stand for those that compute.
"""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import groupby
from pathlib import Path

import numpy as np
import pytest
from support.classes import write

from autograder import homeworks, machine
from autograder.course import rubric
from autograder.course.dataset import Dataset
from autograder.course.rubric import PATH
from autograder.grading import student_run
from autograder.intake.entry import READ, Entry
from autograder.intake.submission import of
from autograder.observations import Failure, TrainingProgress, TrainingReport
from autograder.runner import evaluate, gpu_sharing, nvidia_smi
from autograder.runner.gpu_sharing import Gate, Pool, Share, Turn
from autograder.runner.setup import Setup
from autograder.runner.test_passes import Audited
from autograder.runner.train import Training
from autograder.sandbox.sandbox import Sandbox

TICK_S = 2.0
IDLE_MIB = 500.0


@dataclass
class Card:
    """A GPU of 16,000 MiB with trainings of 100,000 images on it; one alone trains 1,000 a second.

    Attributes:
        speed: how many alone `n` of them together are worth.
        each_mib: what one takes.
    """

    speed: Callable[[int], float]
    each_mib: float = 1000.0
    now: float = 0.0
    most: int = 8
    seen: list[int] = field(default_factory=list)  # how many ran, in each tick

    def __post_init__(self) -> None:
        self.share = Share(self.most, self.memory, lambda: self.now)

    def memory(self) -> tuple[float, float]:
        return IDLE_MIB + self.each_mib * sum(turn.at is not None for turn in self.share.running), 16_000.0

    def run(self, count: int) -> Share:
        """Train so many, one after the other where they have to."""
        left: dict[Turn, float] = {}
        while count or left:
            while count and self.share.may_enter():
                left[self.share.enter()] = 100_000.0
                count -= 1
            self.now += TICK_S
            self.seen.append(len(left))
            for turn in list(left):
                left[turn] -= 1000 * TICK_S * self.speed(len(self.share.running)) / len(self.share.running)
                self.share.progressed(turn, round(100_000 - left[turn]))
                if left[turn] <= 0:
                    self.share.leave(turn)
                    del left[turn]
        return self.share


def test_a_card_that_one_training_fills_has_one_at_a_time():
    card = Card(lambda _n: 1.0)
    share = card.run(10)
    assert share.settled
    assert share.level == 1
    assert [number for number, _ in groupby(card.seen)] == [1, 2, 1]  # it was tried once, until one of both had ended


def test_as_many_share_as_gain_from_it():
    card = Card(lambda n: min(n, 3) ** 0.8)
    share = card.run(30)
    assert share.settled
    assert share.level == 3
    assert max(card.seen) == 4


def test_no_more_share_than_was_asked_for():
    card = Card(lambda n: float(n), most=4)
    share = card.run(40)
    assert (share.level, max(card.seen), share.settled) == (4, 4, True)


def test_no_more_share_than_fit_the_memory():
    card = Card(lambda n: float(n), each_mib=4000.0)  # a fourth would need 16,500 MiB
    card.run(30)
    assert max(card.seen) == 3


def test_a_large_training_keeps_others_out_where_small_ones_were_many():
    card = Card(lambda n: float(n), each_mib=1000.0)
    card.run(40)
    assert max(card.seen) > 4
    card.seen.clear()
    card.each_mib = 9000.0
    card.run(3)
    assert max(card.seen) == 1


@pytest.mark.parametrize("known", [None, (IDLE_MIB, 500.0)], ids=["nothing", "full"])
def test_one_at_a_time_where_memory_is_not_known_or_not_there(known):
    card = Card(lambda n: float(n))
    card.share = Share(8, lambda: known, lambda: card.now)
    card.run(5)
    assert max(card.seen) == 1


def test_a_pause_of_somebody_decides_nothing():
    card = Card(lambda n: float(n), most=2)
    first = card.share.enter()
    for _ in range(100):  # it says that it is there, and doesn't train
        card.now += TICK_S
        card.share.progressed(first, 1)
    assert (card.share.level, card.share.settled) == (1, False)


# --- what counts ---


def trained(outcome: str = "GRADED", message: str = "", ended_by: str = "epochs", **report: object) -> Training:
    return Training(outcome, message, TrainingReport.model_validate({"ended_by": ended_by, **report}), log="printed\n")


OUT_OF_MEMORY = Failure(type="OutOfMemoryError", message="CUDA out of memory. Tried to allocate 2.00 GiB", line=3)


@dataclass
class Beside:
    """A gate that has let two on, and a neighbour that stays until it is told to leave."""

    gate: Gate
    leave: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> "Beside":
        self.gate.share.level = 2
        entered = threading.Event()

        def stay() -> None:
            with self.gate.turn() as turn:
                self.gate.progressed(turn, 100)
                entered.set()
                self.leave.wait(60)

        self.thread = threading.Thread(target=stay)
        self.thread.start()
        assert entered.wait(60)
        return self

    def __exit__(self, *_: object) -> None:
        self.leave.set()
        self.thread.join()


@pytest.fixture
def gate() -> Gate:
    return Gate(2, lambda: (IDLE_MIB, 16_000.0))


@pytest.mark.parametrize(
    ("spoiled", "why"),
    [
        (trained("MEMORY", "its processes took more than 8,192 MiB of memory"), "didn't end well"),
        (trained("CRASHED", "the network failed on test images: CUDA out of memory"), "ran out of memory"),
        (trained(ended_by="crash", failure=OUT_OF_MEMORY), "ran out of memory"),
        (trained(ended_by="crash", failure=Failure(type="ValueError", message="no")), "didn't end well"),
        (trained(ended_by="time"), "didn't end within the time box"),
        (Training("TIMEOUT", "it was still busy", None), "didn't end well"),
    ],
    ids=["killed", "out of memory when tested", "out of memory", "crash", "time box", "timeout"],
)
def test_what_neighbours_could_have_spoiled_is_repeated_alone_and_that_counts(gate, spoiled, why):
    ran: list[int] = []  # how many were there, each time

    with Beside(gate) as beside:

        def run(*, progress: object) -> Training:
            ran.append(len(gate.share.running))
            if len(ran) == 1:
                threading.Timer(0.2, beside.leave.set).start()
                return spoiled
            return trained("NO_RESULT", "its own")

        training = gpu_sharing.train(gate, run, 7200, None)
    assert ran == [2, 1]
    assert (training.outcome, training.beside) == ("NO_RESULT", 0)
    assert training.log == f"[grader] trained again, with the GPU to itself: beside others it {why}\nprinted\n"
    assert gate.share.settled == ("out of memory" in why)
    assert gate.share.level == (1 if "out of memory" in why else 2)


def test_what_ended_well_beside_others_counts(gate):
    with Beside(gate):
        training = gpu_sharing.train(gate, lambda *, progress: trained(), 7200, None)
    assert training.beside == 1
    assert training.log == "[grader] it shared the GPU with other trainings, 1 at most\nprinted\n"


def test_a_training_alone_is_what_it_is(gate):
    spoiled = trained(ended_by="time")
    assert gpu_sharing.train(gate, lambda *, progress: spoiled, 7200, None) is spoiled


def test_a_training_that_others_make_miss_its_time_box_is_ended_and_repeated_alone(gate):
    heard: list[TrainingProgress] = []
    ran: list[int] = []

    with Beside(gate) as beside:

        def run(*, progress: gpu_sharing.Progressed) -> Training:
            ran.append(len(gate.share.running))
            for seconds in (30.0, 59.0, 70.0):  # a hundredth of it each time: two hours for all
                progress(TrainingProgress(images=10, of=1000, seconds=seconds))
                if seconds > 60 and len(ran) == 1:
                    raise AssertionError("goes on")
            return trained()

        threading.Timer(0.5, beside.leave.set).start()
        training = gpu_sharing.train(gate, run, 3600, heard.append)
    assert ran == [2, 1]
    assert training.beside == 0
    assert "would not have ended within the time box" in training.log
    assert len(heard) == 6  # alone it may be slow: its own clock ends it


def test_whoever_waits_is_told_when_there_are_no_turns_any_more(gate):
    errors: list[BaseException] = []

    def wait() -> None:
        try:
            with gate.turn(alone=True):
                raise AssertionError("it was let on")
        except gpu_sharing.EndedError as error:
            errors.append(error)

    with Beside(gate):
        waiting = threading.Thread(target=wait)
        waiting.start()
        time.sleep(0.1)
        gate.end()
        waiting.join(10)
        assert len(errors) == 1
    with pytest.raises(gpu_sharing.EndedError), gate.turn():
        pass


def test_of_a_training_that_shared_nobody_tells_epochs_by_their_time():
    audited = Audited(np.arange(10), np.zeros((10, 10), np.float32), np.zeros((10, 10), np.float32), forward_s=1.0)
    report = TrainingReport(ended_by="epochs", epochs=5)
    alone = Training("GRADED", "", report, training_s=1000.0, device="cuda")
    assert evaluate._timed_epochs(alone, audited, 100) is not None
    assert evaluate._timed_epochs(replace(alone, beside=1), audited, 100) is None


def test_memory_in_use_is_asked_of_the_gpu_that_runs_get(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command = tmp_path / "nvidia-smi"
    write(command, '#!/bin/sh\necho "$@" >"$0.asked"\necho "1234, 81559"\n')
    command.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert nvidia_smi.memory(machine.Card("3", 3)) == (1234, 81559)
    assert "--id=3" in command.with_name("nvidia-smi.asked").read_text()
    write(command, "#!/bin/sh\necho '[N/A], [N/A]'\n")
    assert nvidia_smi.memory() is None
    write(command, "#!/bin/sh\nexit 6\n")
    assert nvidia_smi.memory() is None


# --- the real thing, but for the card ---

SCRIPT = """\
import time
import torch
import torchvision
from torch import nn
from torchvision import transforms

class IdentityResNet(nn.Module):
    def __init__(self, *counts):
        super().__init__()
        self.fc = nn.Linear(3072, 10)

    def forward(self, x):
        return self.fc(x.flatten(1))

net = IdentityResNet(2, 2, 2, 2)
trainset = torchvision.datasets.CIFAR10("./data", train=True, download=True, transform=transforms.ToTensor())
loader = torch.utils.data.DataLoader(trainset, batch_size=4)
optimizer = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9)
for epoch in range(5):
    for images, labels in loader:
        optimizer.zero_grad()
        nn.functional.cross_entropy(net(images), labels).backward()
        optimizer.step()
        time.sleep(0.05)  # what others may use
"""


@pytest.mark.slow
def test_trainings_that_share_come_to_what_they_come_to_alone(
    practice: Dataset, sandbox_bwrap: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gpu_sharing, "WINDOW_S", 4.0)
    monkeypatch.setattr(nvidia_smi, "memory", lambda *_: (IDLE_MIB, 16_000.0))
    monkeypatch.setattr(gpu_sharing, "_pool", Pool([(None, Gate(2, lambda: (IDLE_MIB, 16_000.0)))]))
    monkeypatch.setattr(gpu_sharing, "_asked", ((), 2))
    hw6 = homeworks.load("hw6")
    small = replace(hw6.preview, train_images=300, test_images=100)
    setup = Setup(hw6, rubric.load(PATH, "hw6"), small, practice, sandbox_bwrap, sharing=2)
    entries = [Entry(f"s{number}", READ, submission=of("hw6.py", SCRIPT.encode())) for number in range(3)]
    seen = student_run.observe(entries[0], setup)
    alone = student_run.grade(entries[0], replace(setup, sharing=1), seen)
    with ThreadPoolExecutor(3) as pool:
        shared = list(pool.map(lambda one: student_run.grade(one, setup, seen), entries))
    assert alone.result.accuracy is not None
    for graded in shared:
        assert graded.result.accuracy == alone.result.accuracy
        assert graded.result.training is not None
        assert alone.result.training is not None
        assert graded.result.training.losses == alone.result.training.losses
        assert "it shared the GPU with other trainings, 1 at most" in graded.log
