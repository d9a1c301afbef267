"""Plausible results, of one student and of classes, as the publishing stage reads them."""

import math
from datetime import UTC, datetime
from typing import Any

import numpy as np
from support.observed import right
from support.pages import RUBRIC

from autograder.checks import CheckResult
from autograder.observations import Epoch, Failure, Observations, TrainingReport
from autograder.results.result import Result
from autograder.runner.evaluate import Mistaken, _png
from autograder.runner.score import score


def result(student: str = "s1", **fields: Any) -> Result:
    """A plausible result of a preview; `fields` replace its own."""
    labels = np.arange(10).repeat(20)
    scores = np.eye(10, dtype=np.float32)[np.where(np.arange(200) % 5 == 0, (labels + 1) % 10, labels)]
    given: dict[str, Any] = {
        "key": "k" * 64,
        "evidence_key": "e" * 64,
        "student": student,
        "status": "preview",
        "outcome": "GRADED",
        "no_points_because": "a preview gives no points",
        "would_earn": 20.0,
        "max_points": 20.0,
        "tier": {"label": "over 70%", "kind": "accuracy", "points": 20.0},
        "accuracy": score({"eval": scores, "as_left": scores}, labels),
        "submission": {
            "name": "hw6.py",
            "sha256": "ab" * 32,
            "submitted_at": datetime(2026, 11, 30, 23, 58, 1, tzinfo=UTC),
        },
        "homework": {"name": "hw6", "title": "IdentityResNet", "version": "0" * 12},
        "dataset": {
            "name": "practice",
            "fingerprint": "f" * 64,
            "own": False,
            "train_images": 400,
            "test_images": 200,
            "classes": [f"class {k}" for k in range(10)],
        },
        "protocol": {"name": "preview", "own_budget": True, "epochs": 5, "time_box_s": 150.0},
        "rubric": "3f9c" * 16,
        "checks": [
            CheckResult(id="builds", title="the model builds", outcome="passed"),
            CheckResult(
                id="own-weights",
                title="every block owns its weights",
                outcome="failed",
                line=64,
                saw="stage1.0 and stage1.1 are one layer",
                expected="separate layers",
                why="`[block] * n` repeats one object.",
                hint="Where is the block made?",
            ),
            CheckResult(id="gradients", title="every parameter gets one", outcome="skipped", waits_for="own-weights"),
        ],
        "observations": Observations(homework="hw6", file="hw6.py"),
        "training": TrainingReport(
            ended_by="script", epochs=5.0, images=2000, steps=125, seconds=42.0, losses=[(16, 2.3), (2000, math.inf)]
        ),
        "flags": ["own-weights", "other-data"],
        "seconds": 60.0,
        "device": "cpu",
        "threads": 1,
        "machine": "a processor, 2 cores",
        "sandbox": "bwrap",
        "versions": {"kit": "0.1", "python": "3.11.0", "torch": "2.14.1"},
    }
    return Result.model_validate({**given, **fields})


def full(student: str = "s1", **fields: Any) -> Result:
    """A result of a full run, with points."""
    given = {
        "dataset": {**result().dataset.model_dump(), "name": "cifar10", "own": True},
        "protocol": {"name": "full", "own_budget": True, "epochs": 5, "time_box_s": 7200.0},
        "status": "graded",
        "points": 20.0,
        "no_points_because": None,
        "flags": [],
    }
    return result(student, **{**given, **fields})


def training(**fields: Any) -> TrainingReport:
    """A training whose loss falls; `fields` replace its own."""
    losses = [(16 * step, 2.3 * math.exp(-step / 40) + 0.1 * (step % 7)) for step in range(1, 126)]
    given: dict[str, Any] = {
        "ended_by": "script",
        "epochs": 5.0,
        "images": 2000,
        "steps": 125,
        "seconds": 61.0,
        "losses": losses,
        "network_class": "IdentityResNet",
        "parameters": 11_175_946,
        "left_in": "train",
    }
    return TrainingReport(**{**given, **fields})


CRASH = Failure(
    type="RuntimeError",
    message="mat1 and mat2 shapes cannot be multiplied (16x2048 and 512x10)",
    line=52,
    frames=[(71, "out = net(x)"), (52, "return self.fc(x)")],
)


def mistaken() -> Mistaken:
    """A picture of one colour, taken for the next class."""
    picture = _png(np.full((32, 32, 3), 90, np.uint8))
    return Mistaken(image=17, label=0, answered=1, sure_percent=99.13, picture=picture)


def class_of_five() -> list[Result]:
    """A preview: two that ended, a crash, no file, and one for a person."""
    none = {"accuracy": None, "checks": [], "observations": None, "training": None, "machine": "", "seconds": 0.0}
    row = {"label": "no accuracy could be had", "kind": "no accuracy", "points": 2.0}
    missing = {"label": "no file by the deadline", "kind": "no file", "points": 0.0}
    return [
        result("s1", training=training(), mistaken=[mistaken()], receipt="83.2% after 5 epochs (full protocol, ...)"),
        result(
            "s2",
            training=training(ended_by="time", epochs=3.1),
            for_a_person=["the time box ended training after 2:30; 3.1 of 5 epochs seen; 80.0%"],
        ),
        result(
            "s3",
            status="no accuracy",
            outcome="CRASHED",
            message="the script crashed before there was a network",
            tier=row,
            would_earn=2.0,
            **{**none, "training": training(ended_by="crash", failure=CRASH, images=0, epochs=0.0, steps=0, losses=[])},
        ),
        result("s4", status="absent", outcome="NO_FILE", tier=missing, would_earn=0.0, submission=None, **none),
        result(
            "s5",
            status="needs a person",
            outcome="AMBIGUOUS",
            message="no telling which file counts: a.py, b.py",
            tier=None,
            would_earn=None,
            for_a_person=["no telling which file counts: a.py, b.py"],
            **none,
        ),
    ]


HOSTILE = "</pre></title><script>alert(1)</script><img src=x onerror=alert(2)>{{ 7 * 7 }}\x00\x1b[31m\u202e&amp;\"'"


def hostile() -> Result:
    """A result in which every text that a student can write is an attack."""
    check = CheckResult(
        id="own-weights", title="a title", outcome="failed", saw=HOSTILE, expected=HOSTILE, why=HOSTILE, hint=HOSTILE
    )
    failure = Failure(type=HOSTILE[:60], message=HOSTILE, line=3, frames=[(3, HOSTILE)])
    file = {**result().submission.model_dump(), "name": HOSTILE}  # type: ignore[union-attr]
    return result(
        "../" + HOSTILE,
        message=HOSTILE,
        checks=[check, check.model_copy(update={"outcome": "advice", "id": "other"})],
        training=training(failure=failure, network_class=HOSTILE),
        for_a_person=[HOSTILE],
        receipt=HOSTILE,
        mistaken=[mistaken()],
        submission=file,
        dataset={**result().dataset.model_dump(), "classes": [HOSTILE] * 10},
    )


def various() -> list[Result]:
    """A class of a full run with every status."""

    def at(percent: float) -> dict[str, Any]:
        return {"accuracy": result().accuracy.model_copy(update={"counted_percent": percent})}  # type: ignore[union-attr]

    tier = {"label": RUBRIC.tiers[1].label, "kind": "accuracy", "points": 6.0}
    none = {"accuracy": None, "points": None, "would_earn": None, "tier": None}
    row = {"label": "no file by the deadline", "kind": "no file", "points": 0.0}
    return [
        full("s1", name="Inês <b>Carvalho</b>"),
        full(
            "s2", name="김하늘", points=6.0, would_earn=6.0, tier=tier, flags=["own-weights", "time-box"], **at(61.505)
        ),
        full("s3", status="no points", points=None, no_points_because="the data is practice", **at(80.5)),
        full("s4", **{**none, "status": "absent", "points": 0.0, "would_earn": 0.0, "tier": row}),
        full("s5", status="needs a person", for_a_person=["no telling which file counts"], **none),
        full("s6", points=0.5, late={"seconds": 60.0, "percent_off": 97.5}, **at(80.25)),
    ]


def with_kernel(at: int, kernel: int) -> Observations:
    """Observations of a right submission but for the kernel of operation `at` of its graph."""
    observed = right()
    assert observed.network
    graph = [op.model_copy(update={"kernel": [kernel] * 2}) if op.index == at else op for op in observed.network.graph]
    return observed.model_copy(update={"network": observed.network.model_copy(update={"graph": graph})})


RUN = [45.1, 58.3, 66.0, 70.2, 69.3, 74.9, 77.8, 80.4, 83.0, 84.55]
OWN = [47.0, 57.3, 64.0, 71.2, 73.3, 73.9, 78.8, 82.4, 86.0, 88.15]


def epochs(accuracies: list[float]) -> list[Epoch]:
    """An epoch for each, with falling losses; the second has no test loss."""
    return [
        Epoch(epoch=at, train_loss=2.3 / at, test_loss=None if at == 2 else 2.4 / at, accuracy_percent=accuracy)
        for at, accuracy in enumerate(accuracies, 1)
    ]


def resnet20(student: str = "s1", of: Any = full, **fields: Any) -> Result:
    """A result of resnet20, with epochs of the run and of the student's own record."""
    given = {
        "homework": {"name": "resnet20", "title": "ResNet-20", "version": "0" * 12},
        "epochs": epochs(RUN),
        "own_epochs": epochs(OWN),
        "observations": None,
        "training": None,
        "checks": [],
    }
    made: Result = of(student, **{**given, **fields})
    return made


def large_class(students: int) -> list[Result]:
    """A full class: everybody with a name, twenty checks, a curve of 500 losses, and mistakes worded in many ways."""
    checks = [
        full()
        .checks[1]
        .model_copy(
            update={
                "id": f"check-number-{k}",
                "title": f"a sentence about what is right, number {k}",
                "saw": f"seen {k} at {{}}",
            }
        )
        for k in range(20)
    ]
    curve = [(20 * k, 2.3 / (1 + k / 100) + k % 9 / 10) for k in range(1, 501)]
    everybody = []
    for number in range(students):
        ruled = [
            one.model_copy(update={"saw": one.saw.format(f"`layer{number % 7}`")})
            if (number + at) % 5 == 0
            else one.model_copy(update={"outcome": "passed", "saw": "", "expected": "", "why": ""})
            for at, one in enumerate(checks)
        ]
        score = full().accuracy
        assert score
        everybody.append(
            full(
                f"s{number:04}",
                name=f"Firstname Lastname{number}",
                checks=ruled,
                training=training(losses=[(images, loss * (1 + number % 13 / 20)) for images, loss in curve]),
                accuracy=score.model_copy(update={"counted_percent": 50 + number * 7 % 4000 / 100}),
                flags=[one.id for one in ruled if one.outcome == "failed"],
                for_a_person=["a reason for somebody to look at it"] * (number % 20 == 0),
            )
        )
    return everybody
