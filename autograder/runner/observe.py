"""Observes a submission: it is rehearsed on a few images and its network is examined; nothing is trained.

Called by `runner.SandboxRunner`, and by `in_nbgrader.py`. What comes back is untrusted, and is validated. Where a run
fails as a whole, the observations say only that.
"""

from collections.abc import Sequence
from typing import Any

from autograder.course.homework import Homework
from autograder.intake import notebook_script
from autograder.intake.submission import Submission, blanks
from autograder.language import gettext as _
from autograder.machine import gpu_available
from autograder.observations import Observations, Rehearsal
from autograder.runner.conversation import RunError, validated
from autograder.runner.proctored import proctored
from autograder.sandbox.sandbox import Sandbox

OBSERVE_S = 300.0  # import of torch, rehearsal, examination; a right file takes under ten on a slow machine


def observe(
    homework: Homework,
    submission: Submission,
    sandbox: Sandbox,
    *,
    threads: int = 1,
    warm: bool = False,
    as_if_absent: Sequence[str] = (),
) -> Observations:
    """Rehearse `submission` and examine its network. Trains nothing; about a second beside the import of torch.

    A script that fails where it may have counted on more images than a rehearsal has is rehearsed once more, with
    epochs of their whole length, which takes some seconds. Only what it fails with then is told.

    With `warm`, where many are observed, torch is imported once for all (see `fork_client.py`).

    `as_if_absent`: packages that are taken for missing, whatever is installed.

    A run that fails as a whole (killed, no answer) gives observations with `problem` set.
    """

    def once(at_length: bool) -> Observations:
        said: dict[str, Any] = {}
        job = {"kind": "observe", "homework": homework.name, "as_if_absent": list(as_if_absent), "at_length": at_length}
        problem = None
        with proctored(homework, submission, sandbox, {}, OBSERVE_S, threads, gpu_available(), warm=warm) as (
            proctor,
            files,
        ):
            try:
                proctor.begin({**job, **files})
                while (said := proctor.message())["kind"] != "observations":
                    pass
            except RunError as error:
                problem = f"{error.outcome}: {error.message}"
        return _observations(homework, submission, said, problem)

    seen = once(at_length=False)
    if seen.rehearsal is None or not seen.rehearsal.withheld:
        return seen
    longer = once(at_length=True)
    if longer.rehearsal is None or longer.rehearsal.ended in ("timeout", "stopped"):
        return _unknown(seen, seen.rehearsal)
    if _asserts_what_is_learned(longer.rehearsal):
        return _unknown(longer, longer.rehearsal)
    return longer


def _unknown(seen: Observations, rehearsal: Rehearsal) -> Observations:
    """The same, without what it has failed with, since nobody knows whether a training would."""
    stopped = rehearsal.model_copy(update={"ended": "stopped", "failure": None, "withheld": False})
    return seen.model_copy(update={"rehearsal": stopped})


def _asserts_what_is_learned(rehearsal: Rehearsal) -> bool:
    """Whether the script's own `assert` fails after its training, which in a rehearsal has taught nothing."""
    failure = rehearsal.failure
    return failure is not None and failure.type == "AssertionError" and bool(failure.frames and rehearsal.steps)


def _observations(
    homework: Homework, submission: Submission, said: dict[str, Any], problem: str | None
) -> Observations:
    base: dict[str, Any] = {
        "homework": homework.name,
        "file": submission.name[:500],
        "blanks": blanks(submission.script),
    }
    base["cells"] = list(submission.cells[:20_000])
    if problem is not None:
        return Observations.model_validate({**base, "problem": problem})
    try:
        seen = validated(Observations, {**said, **base}, _("a message"))
    except RunError as error:
        return Observations.model_validate({**base, "problem": f"{error.outcome}: {error.message}"})
    rehearsal = seen.rehearsal
    if rehearsal is not None and _is_syntax_error(rehearsal, submission.script):
        return Observations.model_validate({**base, "syntax_error": rehearsal.failure})
    return seen


def _is_syntax_error(rehearsal: Rehearsal, script: bytes) -> bool:
    failure = rehearsal.failure
    return (
        failure is not None
        and failure.type in ("SyntaxError", "IndentationError", "TabError")
        and not (rehearsal.steps or rehearsal.network_class)
        and not notebook_script.parses(script)  # else it is one cell of a notebook that isn't Python
    )
