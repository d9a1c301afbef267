"""The flags of a result, and the reasons why a person has to look at it. Neither changes points.

Called by `decision.py`. Flags are for the table, reasons for the page and the end of a run.
"""

from collections.abc import Sequence

from autograder.checks import CheckResult
from autograder.checks.places import place
from autograder.course.homework import Protocol
from autograder.course.packages import distribution
from autograder.language import duration
from autograder.language import gettext as _
from autograder.runner import audit
from autograder.runner.evaluate import Evidence
from autograder.runner.setup import Setup, Start

ALL_EPOCHS = 0.95  # of the budget's: a training that has had so many has lost nothing
MOST_STEPS = 2.5  # steps for each batch that a loader handed out: two optimizers make two, images kept elsewhere more


def of_result(
    setup: Setup, evidence: Evidence, found: Sequence[CheckResult], start: Start, seen: Sequence[str]
) -> list[str]:
    """All flags of a submission that ran; `seen` are those that are known already."""
    flags = [check.id for check in found if check.outcome == "failed"]
    if missing_packages(evidence, start.protocol):
        flags.append("missing-package")
    elif evidence.outcome != "GRADED":
        flags.append(evidence.outcome.lower().replace(" ", "-").replace("_", "-"))
    if evidence.report is not None and evidence.report.ended_by == "time":
        flags.append("time-box")
    if setup.checkpoint is not None and start.checkpoint is None:
        flags.append("from-nothing")
    return [*flags, *seen, *of_run(setup)]


def of_run(setup: Setup) -> list[str]:
    """The flags that everybody in a run has."""
    flags = [] if setup.own_data else ["other-data"]
    flags += [] if setup.protocol.own_budget else ["other-time-box"]
    return flags + (["no-sandbox"] if setup.sandbox.name == "none" else [])


def signs(evidence: Evidence, start: Start) -> dict[str, str]:
    """What looks as if the rules had been got around: flag -> what was seen."""
    found: dict[str, str] = {}
    seen, report, percent = evidence.observations.network, evidence.report, evidence.percent
    if evidence.audit is not None:
        found |= evidence.audit.signs
    elif evidence.accuracy is not None and evidence.accuracy.eval_percent is not None:
        found["no-audit"] = _("the network was tested, but ended before it had answered the audit that follows")
    if report is None:
        return found
    if report.batches is not None and report.steps > MOST_STEPS * report.batches + 1:
        text = _("{steps:,} steps of the optimizer on {batches:,} batches of training images")
        found["extra-steps"] = text.format(steps=report.steps, batches=report.batches)
    if start.checkpoint is None and report.loaded_line is not None:
        text = _("{place} loads weights into a network before the first step")
        found["loaded-weights"] = text.format(place=place(report.loaded_line))
    if start.checkpoint is None and report.steps == 0 and percent is not None and report.ended_by != "crash":
        found["no-steps"] = _("{reached} without a step of an optimizer").format(reached=evidence.shown)
    if seen is not None and report.network_class is not None and report.parameters != seen.parameters:
        found["other-network"] = _(
            "the network that was trained, {trained}, has {parameters:,} parameters; "
            "the {seen} that the checks looked at has {others:,}"
        ).format(
            trained=report.network_class, parameters=report.parameters, seen=seen.class_name, others=seen.parameters
        )
    timed = None if evidence.audit is None else evidence.audit.timed_epochs
    if timed is not None and not audit.LEAST_SHARE <= timed / max(report.epochs, 0.01) <= audit.LARGEST_SHARE:
        text = _("training took the time of about {timed:.1f} epochs of this network, and {epochs:.3g} were counted")
        found["training-time"] = text.format(timed=timed, epochs=report.epochs)
    return found


def missing_packages(evidence: Evidence, protocol: Protocol) -> list[str]:
    """Packages without which the training couldn't do what the budget allows; none where all epochs were trained.

    A package that is missing where a homework is graded is not the student's fault. It may be why a training ended
    before its budget did, so a person decides.
    """
    report, rehearsal = evidence.report, evidence.observations.rehearsal
    if evidence.outcome == "SYNTAX" or report is None or report.epochs >= ALL_EPOCHS * protocol.epochs:
        return []
    seen = report.packages or ([] if rehearsal is None else rehearsal.packages)
    return [package.name for package in seen if package.state == "needed"]


def about_packages(names: Sequence[str]) -> str:
    """What is said of a training that couldn't do without them."""
    text = _(
        'the training needs {packages}, not installed where it is graded; `make setup EXTRA="{install}"` installs it'
    )
    return text.format(packages=", ".join(names), install=" ".join(map(distribution, names)))


def reasons(evidence: Evidence, protocol: Protocol) -> list[str]:
    """Why a person should look at it."""
    found = []
    report, syntax_error = evidence.report, evidence.observations.syntax_error
    if syntax_error is not None and syntax_error.reason == "newer-python":
        text = _("{place}: such an f-string is right since Python 3.12, and this Python is older")
        found.append(text.format(place=place(syntax_error.line)))
    if evidence.observations.problem:
        text = _("the checks couldn't be run: {problem}")
        found.append(text.format(problem=evidence.observations.problem))
    if report is not None and report.ended_by == "time":
        text = _("the time box ended training after {time}; {epochs:.3g} of {most} epochs seen")
        text = text.format(time=duration(report.seconds), epochs=report.epochs, most=protocol.epochs)
        found.append(text + ("" if evidence.percent is None else f"; {evidence.shown}"))
    if report is not None and report.unfollowed:
        found.append(
            _(
                "what the script does to a batch before its network gets it couldn't be followed: "
                "test images came without it"
            )
        )
    if missing := missing_packages(evidence, protocol):
        return [*found, about_packages(missing)]
    explained = evidence.outcome in ("GRADED", "SYNTAX", "CRASHED") or (report is not None and report.failure)
    if not explained:
        found.append(f"{evidence.outcome}: {evidence.message}")
    return found
