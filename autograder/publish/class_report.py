"""The class's page: tiers, accuracies, checks and mistakes, curves, who needs a person, hardware, versions.

Called by `grade` when everybody has a result. It is for instructors, and in English; what it quotes from results is in
theirs. The same results make the same bytes.
"""

import math
import statistics
from collections import Counter
from collections.abc import Sequence
from typing import Any

from autograder import homeworks
from autograder.course.packages import distribution
from autograder.course.rubric import Rubric, Tier, points_text
from autograder.language import spoken
from autograder.publish import common_mistakes, preview, solution_runs
from autograder.publish.banner import STATUS_WORDS, banner, others
from autograder.publish.charts import drawing, epoch_curves, loss_curves
from autograder.publish.charts.gpu_use import Use
from autograder.publish.html import render, script
from autograder.publish.similar_files import Pair
from autograder.results.result import Result

MOST_PAIRS = 200  # of files that are alike; a class that hands in one file has hundreds of thousands
NEEDED = "needed"
BIN_PERCENT = 5  # width of a bar of the histogram


def class_report(
    everybody: Sequence[Result], rubric: Rubric, alike: Sequence[Pair] = (), used: Use | None = None
) -> str:
    """The page of the class. `everybody` has at least one result, all of the same run; `alike` are pairs of files.

    `used` is what the GPUs did meanwhile.
    """
    with spoken("en"):
        return _class_report(everybody, rubric, alike, used)


def _class_report(everybody: Sequence[Result], rubric: Rubric, alike: Sequence[Pair], used: Use | None) -> str:
    ordered = sorted(everybody, key=lambda result: result.student)
    accuracies = [result.accuracy.counted_percent for result in ordered if result.accuracy is not None]
    first = ordered[0]
    homework = homeworks.load(first.homework.name)
    saw = {} if first.protocol.name != "preview" else {result.student: _saw(result) for result in ordered}
    mistakes, further = common_mistakes.mistakes(ordered, homework.stem)
    return render(
        "report.html",
        results=ordered,
        first=first,
        deadline=next((one.deadline for one in ordered if one.deadline and not one.own_deadline), None),
        own_deadlines=[one for one in ordered if one.deadline and one.own_deadline],
        rubric=rubric,
        banner=banner(first, [one for result in ordered for one in (*result.notices, *result.notes)]),
        epochs=epoch_curves.of_class(ordered, homework),
        reached=others(
            homework,
            [result for result in ordered if result.accuracy is not None],
            [("the class's best", max(accuracies)), ("the class's median", statistics.median(accuracies))],
        )
        if accuracies and not rubric.by_error
        else None,
        homework=homework,
        gave_points=first.no_points_because is None or any(result.points is not None for result in ordered),
        tiers=_tier_counts(ordered, rubric),
        previewed=_counted(list(saw.values())) if first.protocol.name == "preview" else [],
        saw=saw,
        median=statistics.median(accuracies) if accuracies else None,
        histogram=histogram(accuracies, rubric if first.protocol.name != "preview" else None)
        if accuracies and not rubric.by_error
        else None,
        checked=sum(bool(result.checks) for result in ordered),
        outcomes=common_mistakes.outcomes(ordered),
        mistakes=mistakes,
        further_mistakes=further,
        most_named=common_mistakes.MOST_NAMED,
        losses=loss_curves.of_class(ordered),
        gpus=used,
        percent_ticks=[(drawing.y(percent / 100), f"{percent}%") for percent in (0, 25, 50, 75, 100)],
        packages=(packages := _packages(ordered)),
        install=" ".join(distribution(one["name"]) for one in packages if one["state"] == NEEDED),
        queue=[(result, reason) for result in ordered for reason in result.for_a_person],
        seconds=sum(result.seconds for result in ordered),
        hardware=sorted({(result.machine, result.device, result.threads) for result in ordered if result.machine}),
        versioned=list({str(result.versions): result for result in ordered}.values()),
        alike=alike[:MOST_PAIRS],
        further_alike=max(0, len(alike) - MOST_PAIRS),
        statuses=_status_counts(ordered),
        status_words=STATUS_WORDS,
        script=script(),
        sandboxes=sorted({result.sandbox for result in ordered}),
    )


def _saw(result: Result) -> str:
    """What the preview saw of somebody, in a few words."""
    band = solution_runs.find(result)
    seen = preview.of_result(result, None if band is None else band.record.accuracies)
    return STATUS_WORDS[result.status] if seen is None else seen.short


def previewed(everybody: Sequence[Result]) -> list[tuple[str, int]]:
    """What the preview saw, in a few words, and of how many."""
    return Counter(_saw(result) for result in everybody).most_common()


def _counted(words: Sequence[str]) -> list[dict[str, Any]]:
    counts = Counter(words).most_common()
    return [{"words": word, "count": count, "share": 100 * count / len(words)} for word, count in counts]


def histogram(accuracies: Sequence[float], rubric: Rubric | None) -> dict[str, Any]:
    """Accuracies in bars of `BIN_PERCENT` percentage points, with the tiers behind them, if any, ready to be drawn.

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
            for index, tier in enumerate(rubric.tiers if rubric is not None else ())
        ],
        "x_ticks": [(drawing.x(percent / 100), f"{percent}%") for percent in range(0, 101, 10)],
        "y_ticks": [(drawing.BOTTOM - full * count / top, str(count)) for count in range(0, top + 1, step)],
    }


def _packages(results: Sequence[Result]) -> list[dict[str, Any]]:
    """Packages that aren't installed, with the students whose files import them; those that are needed first."""
    words = {"needed": NEEDED, "unused": "not needed", "swallowed": "left out"}
    students: dict[str, list[str]] = {}
    states: dict[str, set[str]] = {}
    for result in results:
        for package in result.training.packages if result.training else []:
            if package.state in words:
                students.setdefault(package.name, []).append(result.student)
                states.setdefault(package.name, set()).add(package.state)
    found = [
        {"name": name, "state": next(words[one] for one in words if one in states[name]), "students": students[name]}
        for name in students
    ]
    return sorted(found, key=lambda one: (one["state"] != NEEDED, -len(one["students"]), one["name"]))


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
