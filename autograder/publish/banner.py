"""What a page says first about the run: why nobody has points, the status of a submission, and what others reached.

Called by `feedback_page` and `class_report`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from autograder.course.homework import Homework
from autograder.language import gettext as _
from autograder.language import marked
from autograder.results.result import Result

STATUS_WORDS = {
    "graded": marked("graded"),
    "preview": marked("preview"),
    "no points": marked("tested, no points given"),
    "no accuracy": marked("no network could be tested"),
    "late": marked("late: came after the deadline"),
    "absent": marked("absent: nothing was handed in"),
    "needs a person": marked("for a person to decide"),
}


@dataclass(frozen=True)
class Others:
    """What others reached with the same network, where single numbers are known and no curve.

    Attributes:
        rows: (whose, accuracy in percent), those of this page first.
        conditions: how the others' came about.
        note: why the two don't compare; "" where they do.
    """

    rows: list[tuple[str, float]]
    conditions: str
    note: str


def banner(first: Result, notices: Sequence[str], about_files: Sequence[str] = ()) -> list[str]:
    """What must not be missed: why nobody has points, and the notices. `first` is any result of the run."""
    lines = []
    if first.protocol.name == "preview":
        data = first.dataset
        text = _(
            "Preview: no points are given. Trained on {train:,} images of {data} and tested on {test:,}: that shows "
            "whether a script runs and learns, and foretells no accuracy."
        )
        lines.append(text.format(train=data.train_images, data=data.name, test=data.test_images))
    elif first.protocol.name == "demo":
        data = first.dataset
        text = _(
            "Demonstration: the rows of the rubric are those that these accuracies would be in. Trained on {train:,} "
            "images of {data} and tested on {test:,}, which foretells nothing; no points are given."
        )
        lines.append(text.format(train=data.train_images, data=data.name, test=data.test_images))
    elif first.run_gives_no_points_because:
        notices = [first.run_gives_no_points_because, *notices]
    lines += [f"{notice[:1].upper()}{notice[1:]}." for notice in notices]
    lines += [f"{notice}." for notice in about_files]  # these begin with a file's name
    return list(dict.fromkeys(lines))


def others(homework: Homework, tested: Sequence[Result], rows: list[tuple[str, float]]) -> Others | None:
    """`rows` beside what others reached; None where the homework knows of nobody, or has their curve."""
    reference = homework.reference
    if reference is None or reference.curve or not reference.results:
        return None
    first, note = tested[0], ""
    if not first.comparable:
        note = _(
            "Trained on {count:,} images of {data}, the others on all of the homework's own data: the numbers say "
            "nothing about each other."
        ).format(count=first.dataset.train_images, data=first.dataset.name)
    elif homework.goes_on_from_checkpoint and any(result.started_from_nothing for result in tested):
        note = _("Here training started from nothing, so this is how far one gets without the checkpoint.")
    theirs = [(_(whose), percent) for whose, percent in reference.results]
    return Others([*rows, *theirs], reference.conditions, note)
