"""The pages: one student's feedback, and the class's report.

Called by `grade`. Takes results and gives HTML texts that need nothing else: no network, no font, no file beside them.
What students wrote (code, messages, names) is untrusted text: the templates escape all of it and cut what is endless,
and the page's own policy lets nothing be loaded, and nothing be run but `table.js`, which it names by its hash. That
sorts and filters the class's table; without it everything can be read. The same results make the same bytes, beside
the same records of the solution's own runs.

Templates are in `templates/`: `base.html` holds the looks, the others the words.
"""

import base64
import hashlib
import math
import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from autograder import checks, homeworks, language
from autograder.course.homework import Homework
from autograder.course.rubric import Rubric, Tier, points_text
from autograder.files import TEMPLATES
from autograder.language import duration, marked, spoken
from autograder.language import gettext as _
from autograder.observations import TrainingReport
from autograder.publish import common_mistakes, solution_runs
from autograder.publish.charts import drawing, epoch_curves, layer_figure, loss_curves, training_curve
from autograder.publish.charts.gpu_use import Use
from autograder.publish.similar_files import Pair
from autograder.results.result import Result

MOST_PAIRS = 200  # of files that are alike; a class that hands in one file has hundreds of thousands
BIN_PERCENT = 5  # width of a bar of the histogram
LONGEST_TEXT = 20_000  # characters of one untrusted text; the proctor's messages end there too
LONGEST_CELL = 300  # of those in the class's tables, where a thousand students may each have one

STATUS_WORDS = {
    "graded": marked("graded"),
    "preview": marked("preview"),
    "no points": marked("tested, no points given"),
    "no accuracy": marked("no network could be tested"),
    "late": marked("came after the deadline"),
    "no file": marked("no file"),
    "needs a person": marked("a person has to look at it"),
}


@dataclass(frozen=True)
class Step:
    """What to do next, as the page says it."""

    title: str
    text: str
    check: checks.CheckResult | None = None


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


def feedback(result: Result, rubric: Rubric) -> str:
    """The page of one student, in the language that was chosen; sentences of the result stay as they were made."""
    given = homeworks.load(result.homework.name)
    rows = [] if result.observations is None else checks.layer_table(result.observations, given)
    band = solution_runs.find(result)
    return _render(
        "feedback.html",
        result=result,
        stem=given.stem,
        rubric=rubric,
        banner=_banner(result, [*result.notices, *result.notes], result.record_notes),
        status=_(STATUS_WORDS[result.status]),
        step=next_step(result, rubric),
        failed=result.failed_checks,
        advice=[check for check in result.checks if check.outcome == "advice"],
        ended=_ended(result),
        curve=None if result.training is None else training_curve.of_student(result.training, band),
        band=band,
        epochs=epoch_curves.of_student(result, given, band),
        reached=None
        if result.accuracy is None
        else _others(given, [result], [(_("this run"), result.accuracy.counted_percent)]),
        entries=[] if result.observations is None else checks.entry_table(result.observations, given),
        classes=_classes(result),
        answers=[*result.dataset.classes, _("no finite answer")],
        ladder=rows,
        ladder_figure=layer_figure.figure(rows),
        rubric_rows=[*rubric.tiers, rubric.no_accuracy, rubric.no_file],
        titles={check.id: check.title for check in result.checks},
    )


def class_report(
    everybody: Sequence[Result], rubric: Rubric, alike: Sequence[Pair] = (), used: Use | None = None
) -> str:
    """The page of the class. `everybody` has at least one result, all of the same run; `alike` are pairs of files.

    `used` is what the GPUs did meanwhile.

    It is for instructors, and in English; what it quotes from results is in theirs.
    """
    with spoken("en"):
        return _class_report(everybody, rubric, alike, used)


def _class_report(everybody: Sequence[Result], rubric: Rubric, alike: Sequence[Pair], used: Use | None) -> str:
    ordered = sorted(everybody, key=lambda result: result.student)
    accuracies = [result.accuracy.counted_percent for result in ordered if result.accuracy is not None]
    first = ordered[0]
    given = homeworks.load(first.homework.name)
    mistakes, further = common_mistakes.mistakes(ordered, given.stem)
    return _render(
        "report.html",
        results=ordered,
        first=first,
        rubric=rubric,
        banner=_banner(first, [one for result in ordered for one in (*result.notices, *result.notes)]),
        epochs=epoch_curves.of_class(ordered, given),
        reached=_others(
            given,
            [result for result in ordered if result.accuracy is not None],
            [("the class's best", max(accuracies)), ("the class's median", statistics.median(accuracies))],
        )
        if accuracies
        else None,
        gave_points=first.no_points_because is None or any(result.points is not None for result in ordered),
        tiers=_tier_counts(ordered, rubric),
        median=statistics.median(accuracies) if accuracies else None,
        histogram=histogram(accuracies, rubric) if accuracies else None,
        checked=sum(bool(result.checks) for result in ordered),
        outcomes=common_mistakes.outcomes(ordered),
        mistakes=mistakes,
        further_mistakes=further,
        most_named=common_mistakes.MOST_NAMED,
        losses=loss_curves.of_class(ordered),
        gpus=used,
        percent_ticks=[(drawing.y(percent / 100), f"{percent}%") for percent in (0, 25, 50, 75, 100)],
        queue=[(result, reason) for result in ordered for reason in result.for_a_person],
        seconds=sum(result.seconds for result in ordered),
        hardware=sorted({(result.machine, result.device, result.threads) for result in ordered if result.machine}),
        versioned=list({str(result.versions): result for result in ordered}.values()),
        alike=alike[:MOST_PAIRS],
        further_alike=max(0, len(alike) - MOST_PAIRS),
        statuses=_status_counts(ordered),
        status_words=STATUS_WORDS,
        script=_script(),
        sandboxes=sorted({result.sandbox for result in ordered}),
    )


def _others(given: Homework, tested: Sequence[Result], rows: list[tuple[str, float]]) -> Others | None:
    """`rows` beside what others reached; None where the homework knows of nobody, or has their curve."""
    reference = given.reference
    if reference is None or reference.curve or not reference.results:
        return None
    first, note = tested[0], ""
    if not first.comparable:
        note = _(
            "Trained on {count:,} images of {data}, the others on all of the homework's own data: the numbers say "
            "nothing about each other."
        ).format(count=first.dataset.train_images, data=first.dataset.name)
    elif given.goes_on_from_checkpoint and any(result.started_from_nothing for result in tested):
        note = _("Here training started from nothing, so this is how far one gets without the checkpoint.")
    theirs = [(_(whose), percent) for whose, percent in reference.results]
    return Others([*rows, *theirs], reference.conditions, note)


def next_step(result: Result, rubric: Rubric) -> Step:
    """The one thing to do next."""
    stem = homeworks.load(result.homework.name).stem
    if result.status == "needs a person":
        return Step(_("Nothing for now"), _("A person looks at this hand-in before anything is decided."))
    if result.status == "no file":
        return Step(_("Hand in a file"), _("There is no {stem}.py or {stem}.ipynb.").format(stem=stem))
    if result.status == "late":
        return Step(_("Nothing for this homework"), _("The file came after the deadline, so it was not run."))
    if result.failed_checks:
        check = result.failed_checks[0]
        return Step(check.title, "", check)
    failure = None if result.training is None else result.training.failure
    if failure is not None:
        text = _("It stopped on line {line} with {error}") if failure.line else _("It stopped with {error}")
        error = f"{failure.type}: {failure.message}"
        return Step(_("Make the script run to its end"), text.format(line=failure.line, error=error))
    if result.accuracy is None:
        return Step(_("Make a network that can be tested"), result.message)
    better = [tier for tier in rubric.tiers if tier.points > (result.would_earn or 0)]
    if better:
        nearest = better[-1]
        return Step(
            _("Reach the row '{row}'").format(row=nearest.label),
            _(
                "Every check passes, so the network is the one that was asked for. {missing:.1f} percentage points of "
                "accuracy are missing. What is left is how much it learns in its epochs: see below whether its loss "
                "was still falling when training ended, or jumped about."
            ).format(missing=nearest.low - result.accuracy.counted_percent),
        )
    advice = [check for check in result.checks if check.outcome == "advice"]
    if advice:
        return Step(advice[0].title, _("Nothing has to be done; this would still make it better."), advice[0])
    return Step(_("Nothing is left to do"), _("Every check passes, and no row of the rubric gives more."))


def histogram(accuracies: Sequence[float], rubric: Rubric) -> dict[str, Any]:
    """Accuracies in bars of `BIN_PERCENT`, and the rubric's rows behind them, ready to be drawn.

    A bar holds the accuracies from its lower bound to below its upper one; the last one holds 100% too.
    """
    bins = 100 // BIN_PERCENT
    counts = Counter(min(int(accuracy // BIN_PERCENT), bins - 1) for accuracy in accuracies)
    most = max(counts.values())
    step = max(1, math.ceil(most / 4))
    top = step * math.ceil(most / step)
    full = drawing.BOTTOM - drawing.TOP
    bars = []
    for index in range(bins):
        height = full * counts[index] / top
        bars.append(
            {
                "low": index * BIN_PERCENT,
                "high": (index + 1) * BIN_PERCENT,
                "count": counts[index],
                "x": drawing.x(index / bins) + 1,
                "width": (drawing.RIGHT - drawing.LEFT) / bins - 2,
                "y": drawing.BOTTOM - height,
                "height": height,
            }
        )
    return {
        "bars": bars,
        "tiers": [
            {
                "x": drawing.x(tier.low / 100),
                "width": (drawing.RIGHT - drawing.LEFT) * (tier.high - tier.low) / 100,
                "middle": drawing.x((tier.low + tier.high) / 200),
                "label": f"{points_text(tier.points)} points",
                "shaded": index % 2 == 1,
                "first": tier.low == 0,
            }
            for index, tier in enumerate(rubric.tiers)
        ],
        "x_ticks": [(drawing.x(percent / 100), f"{percent}%") for percent in range(0, 101, 10)],
        "y_ticks": [(drawing.BOTTOM - full * count / top, str(count)) for count in range(0, top + 1, step)],
    }


def _classes(result: Result) -> list[dict[str, Any]]:
    """Accuracy of each class, and what its images were most often taken for instead."""
    if result.accuracy is None:
        return []
    names = [*result.dataset.classes, _("no finite answer")]
    rows = []
    for label, (percent, row) in enumerate(zip(result.accuracy.class_percent, result.accuracy.confusion, strict=True)):
        wrong = [(count, -index) for index, count in enumerate(row) if index != label and count]
        most, index = max(wrong, default=(0, 0))
        taken = f"{names[-index]} ({most})" if most else ""
        rows.append({"name": names[label], "percent": percent, "right": row[label], "of": sum(row), "taken": taken})
    return rows


def _ended(result: Result) -> str:
    """What ended the training, as a sentence."""
    report = result.training
    if report is None:
        return ""
    if report.ended_by == "crash":
        return _crashed(report)
    return {
        "script": _("The script ended by itself."),
        "epochs": _("The budget ended it: all images of {epochs} epochs had been served."),
        "time": _("The time box of {box} ended it."),
        "exit": _("The script ended itself (sys.exit)."),
        "stopped": _("It was stopped: the script asked for ever more epochs without taking an image."),
    }[report.ended_by].format(epochs=result.protocol.epochs, box=duration(result.protocol.time_box_s))


def _crashed(report: TrainingReport) -> str:
    failure = report.failure
    if failure is None:
        return _("The script crashed")
    text = _("The script crashed on line {line}: {error}") if failure.line else _("The script crashed: {error}")
    return text.format(line=failure.line, error=f"{failure.type}: {failure.message}")


def _banner(first: Result, notices: Sequence[str], about_files: Sequence[str] = ()) -> list[str]:
    """What must not be missed: why nobody has points, and the notices. `first` is any result of the run."""
    lines = []
    if first.protocol.name == "preview":
        data = first.dataset
        text = _(
            "Preview: no points are given. Trained on {train:,} images of {data} and tested on {test:,}; a full run "
            "may come out differently."
        )
        lines.append(text.format(train=data.train_images, data=data.name, test=data.test_images))
    elif first.run_gives_no_points_because:
        notices = [first.run_gives_no_points_because, *notices]
    lines += [f"{notice[:1].upper()}{notice[1:]}." for notice in notices]
    lines += [f"{notice}." for notice in about_files]  # these begin with a file's name
    return list(dict.fromkeys(lines))


def _tier_counts(results: Sequence[Result], rubric: Rubric) -> list[dict[str, Any]]:
    rows: list[Tier] = [*rubric.tiers, rubric.no_accuracy, rubric.no_file]
    rows += [rubric.required_failed] if rubric.required_failed else []
    undecided = "a person has to decide"
    counts = Counter(result.tier.label if result.tier else undecided for result in results)
    table = [{"label": row.label, "points": points_text(row.points), "count": counts[row.label]} for row in rows]
    if counts[undecided]:
        table.append({"label": undecided, "points": "none yet", "count": counts[undecided]})
    return [{**row, "share": 100 * counts[str(row["label"])] / len(results)} for row in table]


def _status_counts(results: Sequence[Result]) -> list[dict[str, Any]]:
    counts: Counter[str] = Counter(result.status for result in results)
    return [
        {"status": status, "words": words, "count": counts[status], "share": 100 * counts[status] / len(results)}
        for status, words in STATUS_WORDS.items()
        if counts[status]
    ]


# --- templates -------------------------------------------------------------------------------------------------------


def _render(name: str, **values: Any) -> str:
    return _environment().get_template(name).render(language=language.chosen(), **values)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        extensions=["jinja2.ext.i18n"],
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_printable,
        keep_trailing_newline=True,
    )
    # As `install_gettext_callables` does it, but that values pass `_printable`: `finalize` sees none of them.
    environment.newstyle_gettext = True  # type: ignore[attr-defined]  # the extension's
    environment.globals |= {"_": lambda text: Markup(language.gettext(text)), "gettext": _said, "ngettext": _counted}
    environment.filters |= {
        "points": points_text,
        "duration": duration,
        "code": _code,
        "percent": lambda value: "-" if value is None else f"{value:.1f}%",
        "address": lambda student, file="feedback.html": quote(f"{student}/{file}"),
        "shade": drawing.shade,
        "translated": language.gettext,  # a text that isn't a template's own
        "short": lambda text: _cut(text, LONGEST_CELL),
    }
    return environment


@cache
def _script() -> dict[str, Markup]:
    """The class report's script, and the hash by which the page's policy lets it run."""
    text = (TEMPLATES / "table.js").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return {"text": Markup(text), "hash": Markup(f"sha256-{digest}")}


def _said(text: str, /, **values: Any) -> Markup:
    """The translation of a template's own text, which is markup, with values that are not."""
    return Markup(language.gettext(text)) % {name: _printable(value) for name, value in values.items()}


def _counted(one: str, many: str, number: int, /, **values: Any) -> Markup:
    """The same of a text in two numbers."""
    return Markup(language.ngettext(one, many, number)) % {name: _printable(value) for name, value in values.items()}


def _code(text: str) -> Markup:
    """Text, with what stands between backticks as code."""
    parts = [escape(part) for part in _printable(text).split("`")]
    if len(parts) % 2 == 0:  # a backtick without its partner is a backtick
        parts[-2:] = [parts[-2] + "`" + parts[-1]]
    return Markup("").join(Markup("<code>{}</code>").format(part) if at % 2 else part for at, part in enumerate(parts))


def _printable(value: Any) -> Any:
    """Untrusted text without what a page can't hold or shouldn't obey: control and direction characters, no end."""
    if not isinstance(value, str) or isinstance(value, Markup):
        return value
    value = _cut(value, LONGEST_TEXT)
    if value.isprintable():
        return value
    return "".join(char if char in "\n\t" or char.isprintable() else "�" for char in value)


def _cut(text: str, most: int) -> str:
    """`text`, or its first `most` characters and how many follow."""
    if len(text) <= most:
        return text
    return _("{text} … and {count:,} more characters").format(text=text[:most], count=len(text) - most)
