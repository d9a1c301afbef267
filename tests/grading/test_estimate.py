"""How long trainings take: counted work, what is learned from a class, and whether what is said comes true."""

import heapq
import math
import random
from dataclasses import replace

import pytest
from support.observed import right, right_network

from autograder.course.dataset import Dataset
from autograder.course.rubric import PATH
from autograder.course.rubric import load as load_rubric
from autograder.grading.estimate import Estimate, Work, forward_operations, work
from autograder.homeworks import load
from autograder.observations import Failure, Loader
from autograder.runner.setup import Setup
from autograder.sandbox.sandbox import Sandbox


@pytest.fixture
def setup(practice: Dataset) -> Setup:
    hw6 = load("hw6")
    return Setup(hw6, load_rubric(PATH, "hw6"), hw6.preview, practice, Sandbox("none"))


def test_operations_are_those_of_the_layers() -> None:
    """torch's own counter finds 1,110,845,440 FLOP forward, two for each multiplication (docs/performance.md)."""
    assert forward_operations(right_network().graph) == 1_110_845_440 // 2


def test_work_is_images_times_operations_in_steps_of_the_scripts_own_batch(setup: Setup) -> None:
    seen = right()
    assert seen.rehearsal is not None
    batch_of_8 = seen.model_copy(
        update={"rehearsal": seen.rehearsal.model_copy(update={"train_loader": Loader(batch_size=8, images=50_000)})}
    )
    asked = work(batch_of_8, setup)
    images = 5 * 240
    assert asked == Work(images * 3 * 1_110_845_440 / 2, images / 8, setup.protocol.time_box_s)


def test_a_file_that_python_cant_read_is_no_work_and_one_that_failed_is_taken_for_the_homeworks_own(
    setup: Setup,
) -> None:
    unread = right().model_copy(update={"syntax_error": Failure(type="SyntaxError", message="no")})
    assert work(unread, setup).operations == 0
    assert work(unread, setup).steps == 0
    lost = work("a traceback of ours", setup)
    assert lost.operations == pytest.approx(work(right(), setup).operations, rel=0.2)


def test_small_batches_and_large_networks_take_longer() -> None:
    estimate = Estimate()
    usual = Work(1e12, 100, 7200)
    assert estimate.expect("usual", usual) < estimate.expect("small batches", replace(usual, steps=5000))
    assert estimate.seconds("usual") < estimate.expect("large", replace(usual, operations=2e12))
    assert estimate.expect("endless", replace(usual, operations=1e18)) == 7200


def test_what_the_class_took_is_what_the_rest_takes() -> None:
    estimate = Estimate()
    for name in ("one", "another", "waiting"):
        estimate.expect(name, Work(1e12, 100, 1e9))
    guess = estimate.seconds("waiting")
    for name in ("one", "another"):
        estimate.measured(name, 10 * guess, 1.0)
    assert estimate.seconds("waiting") == pytest.approx(10 * guess, rel=0.1)
    assert estimate.left(["waiting"], {}, 2) == estimate.seconds("waiting")
    assert estimate.left([], {"waiting": 4 * guess}, 2) == pytest.approx(6 * guess, rel=0.2)
    assert estimate.left([], {"waiting": 100 * guess}, 2) == 0


def simulated(seed: int, students: int, slots: int, speed: float) -> float:
    """The finish as it is said a quarter of the way in, over the finish as it comes.

    A class on a machine that is `speed` times as fast as was guessed, and on which steps cost five times what was
    guessed; batches from 4 to 128; a fifth of scatter for each training; one of ten crashes after 20 s.
    """
    chance = random.Random(seed)
    estimate = Estimate()
    whole: dict[str, float] = {}  # seconds of each training, were it to go to its end
    ends: dict[str, float] = {}
    for name in (f"s{number}" for number in range(students)):
        asked = Work(250_000 * chance.choice((1.2e9, 1.66e9, 2e9)), 250_000 / chance.choice((4, 8, 32, 64, 128)), 1e9)
        estimate.expect(name, asked)
        scatter = math.exp(chance.gauss(0, 0.2))
        whole[name] = 5 + (asked.operations / 25e9 + asked.steps * 0.05) / speed * scatter
        ends[name] = 20 if chance.random() < 0.1 else whole[name]
    waiting = sorted(whole, key=estimate.seconds)
    began: dict[str, float] = {}
    events: list[tuple[float, str]] = []
    said: list[tuple[float, float]] = []
    now = 0.0
    while waiting or events:
        while waiting and len(events) < slots:
            name = waiting.pop()
            began[name] = now
            heapq.heappush(events, (now + ends[name], name))
        now, ended = heapq.heappop(events)
        estimate.measured(ended, now - began.pop(ended), 1.0)
        for name, start in began.items():
            if now > start:
                estimate.measured(name, now - start, (now - start) / whole[name])
        gone = {name: now - start for name, start in began.items()}
        said.append((now, now + estimate.left(waiting, gone, slots)))
    return next(finish for at, finish in said if at >= now / 4) / now


@pytest.mark.parametrize("speed", [0.02, 1, 50])
def test_the_finish_is_within_15_percent_of_what_was_said_a_quarter_of_the_way_in(speed: float) -> None:
    told = [simulated(seed, students=300, slots=8, speed=speed) for seed in range(10)]
    assert all(0.85 < one < 1.15 for one in told), told
