"""For Gradescope: the zip file that an instructor uploads, and what it runs at each submission there.

`build` is called by the command line. `main` is called on Gradescope, by the script `run_autograder` of that zip file:
it checks the submission as `check` does and writes `results.json`. It measures no points and never names any: the
score is 0 whatever passes. The platform's container is the only sandbox, and the submission has the same rights in it
as the kit. So the output is for the student, and nobody should grade by it.

https://gradescope-autograders.readthedocs.io/en/latest/specs/ has the platform's side of it. A check takes what
`check` takes; the image, with torch in it, takes minutes to build, once. What a check needs is imported when it begins,
so that a broken installation is told in `results.json` too.
"""

import json
import os
import shutil
import stat
import sys
import tempfile
import tomllib
import traceback
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autograder import __version__, homeworks
from autograder.course.homework import Homework
from autograder.errors import KitError, printable
from autograder.files import BUILT, ROOT, whole, write_text
from autograder.intake.submission import Submission

if TYPE_CHECKING:
    from autograder.checks import CheckResult
    from autograder.intake.entry import Entry
    from autograder.observations import Observations
    from autograder.runner.runner import Runner

PLATFORM = Path("/autograder")
"""Where the platform has `submission/`, `results/` and `source/`."""

PREVIEW_S = 240.0  # the box of a preview's training; the platform ends a run after ten minutes unless told otherwise
PACKED_ON = (2000, 1, 1, 0, 0, 0)  # the same source gives the same bytes
BESIDE = ("pyproject.toml", "README.md", "LICENSE")  # what pip needs beside the package

ENDS = {
    "script": "the script ended by itself",
    "epochs": "all epochs were trained",
    "time": "the time for the training ran out",
    "crash": "the script crashed",
    "exit": "the script ended its process",
    "stopped": "the script asked for ever more batches and was stopped",
}
"""How a training ended, `TrainingReport.ended_by`, in words."""

NO_POINTS = (
    "This is a check and a preview, not a grade. No points are measured here: the score is 0 for everybody, whatever "
    "passes. Points come from a full training, which the course runs elsewhere."
)
KIT_FAILED = (
    "The kit failed before it could check this submission. That says nothing about the submission: it is neither right "
    "nor wrong by it. Please tell the course's staff; they find the reason in the run's output, and can run it again."
)

_SETUP = """\
#!/usr/bin/env bash
# Run once, as root, when Gradescope builds the image: Python, torch and the kit, in /opt/autograder.
# Choose Ubuntu 24.04 or newer, whose own Python is new enough; on 22.04, Python 3.11 is installed beside it.
# torch comes from pip's default index, with its CUDA libraries (about 6 GB); where you have an index without them,
# export PIP_EXTRA_INDEX_URL here.
set -euo pipefail
export DEBIAN_FRONTEND=noninteractive
cd "$(dirname "${BASH_SOURCE[0]}")"

new_enough='import sys; sys.exit(sys.version_info < (3, 11))'
apt-get update -qq
python=
if python3 -c "$new_enough" 2>/dev/null; then
    python=python3
    apt-get install -qq -y python3-venv
else
    for candidate in python3.13 python3.12 python3.11; do
        if apt-get install -qq -y "$candidate" "$candidate-venv"; then
            python=$candidate
            break
        fi
    done
fi
if [ -z "$python" ]; then
    echo "error: no Python 3.11 or newer could be installed" >&2
    echo "hint: choose a newer Ubuntu for the image" >&2
    exit 2
fi

"$python" -m venv --clear /opt/autograder
# What homework scripts import, and then the kit; matplotlib isn't the kit's, but many scripts draw.
/opt/autograder/bin/python -m pip install --quiet --no-cache-dir torch torchvision matplotlib
/opt/autograder/bin/python -m pip install --quiet --no-cache-dir ./kit
/opt/autograder/bin/python -I -c 'import torch, torchvision, autograder'
"""

_RUN = """\
#!/usr/bin/env bash
# Run by Gradescope for each submission: checks it, and writes results.json. No points are measured.
root=${AUTOGRADER_ROOT:-/autograder}
python=${AUTOGRADER_PYTHON:-/opt/autograder/bin/python}
# 1: also train for some minutes on drawn pictures. Choose more than the smallest container for that.
export AUTOGRADER_PREVIEW=${AUTOGRADER_PREVIEW:-@PREVIEW@}

mkdir -p "$root/results"
# Stands until the kit has an answer of its own.
cat >"$root/results/results.json" <<'END'
@FAILED@
END
"$python" -I -B -m autograder.commands.course.gradescope @HOMEWORK@ "$root"
exit 0  # results.json says how it went
"""


# --- the zip file ----------------------------------------------------------------------------------------------------


def build(homework_name: str, to: Path, *, preview: bool = False, root: Path = ROOT) -> Path:
    """Write the zip file that Gradescope takes for `homework_name`; its path.

    It holds `setup.sh`, `run_autograder` and, in `kit/`, the package as an installed one has it, from the checkout
    `root`. The same checkout gives the same bytes.

    Args:
        to: the file; in a folder that is there, `gradescope-<homework>.zip`. Replaced only when the new one is whole.
        preview: a submission is also trained for some minutes on drawn pictures.

    Raises KitError when there is no such homework, or `root` isn't a checkout, and OSError where `to` can't be written.
    """
    homework = homeworks.load(homework_name)
    files = dict(_kit(root))
    if to.is_dir():
        to = to / f"gradescope-{homework.name}.zip"
    run = _RUN.replace("@PREVIEW@", str(int(preview))).replace("@HOMEWORK@", homework.name)
    scripts = {"setup.sh": _SETUP, "run_autograder": run.replace("@FAILED@", _json(_answer(KIT_FAILED)))}
    with whole(to) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, script in scripts.items():
            archive.writestr(_member(name, 0o755), script)
        for name, path in files.items():
            archive.writestr(_member(f"kit/{name}", 0o644), path.read_bytes())
    return to


def _kit(root: Path) -> Iterator[tuple[str, Path]]:
    """What `pip install` needs: name in the zip file -> path. No more of the package than a wheel would hold."""
    for name in BESIDE:
        if not (root / name).is_file():
            raise KitError(f"{root / name}: no such file", "the zip file is made from a checkout, which has it")
        yield name, root / name
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    patterns = ["**/*.py", *project["tool"]["setuptools"]["package-data"]["autograder"]]
    package = root / "autograder"
    for path in sorted({path for pattern in patterns for path in package.glob(pattern)}):
        inside = path.relative_to(root)
        if path.is_file() and not any(part.startswith(".") or part == "__pycache__" for part in inside.parts):
            yield inside.as_posix(), path
    # The copies that `setup.py` makes in a checkout: it isn't sent, and neither are solutions.
    built = BUILT.relative_to(ROOT).as_posix()
    yield f"{built}/grading_rubric.md", root / "grading_rubric.md"
    for name in homeworks.names():
        for file in homeworks.load(name).given:
            yield f"{built}/given/{name}/{file}", root / "solution" / name / file
        yield f"{built}/handouts/{name}/README.md", root / "assignment" / name / "README.md"


def _member(name: str, mode: int) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, PACKED_ON)
    info.create_system = 3  # Unix, whose rights follow
    info.external_attr = (stat.S_IFREG | mode) << 16
    info.compress_type = zipfile.ZIP_DEFLATED
    return info


# --- on the platform -------------------------------------------------------------------------------------------------


def main(arguments: Sequence[str] | None = None, runner: "Runner | None" = None) -> int:
    """`python -m autograder.commands.course.gradescope HOMEWORK [FOLDER]`: check what is in the platform's folder.

    With AUTOGRADER_PREVIEW=1 in the environment, the submission is also trained for some minutes. Returns what `run`
    does, and 2 where no homework is named. Raises nothing but OSError.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    if len(words) not in (1, 2):
        print("usage: python -m autograder.commands.course.gradescope HOMEWORK [FOLDER]", file=sys.stderr)
        return 2
    folder = Path(words[1]) if len(words) == 2 else PLATFORM
    return run(words[0], folder, preview=os.environ.get("AUTOGRADER_PREVIEW") == "1", runner=runner)


def run(homework_name: str, folder: Path = PLATFORM, *, preview: bool = False, runner: "Runner | None" = None) -> int:
    """Check the submission in `folder/submission`, and write `folder/results/results.json`.

    With `preview` the file is there before the training begins, and is written again after it: the platform may end
    the run on the way. Returns 0, or 1 when the kit failed: the file then says so, and the traceback goes to standard
    error, which the platform shows to instructors. Raises OSError when the file can't be written.
    """
    path = folder / "results" / "results.json"
    try:
        from autograder.runner.runner import SANDBOX_RUNNER
        from autograder.sandbox import sandbox

        runner = runner or SANDBOX_RUNNER
        homework = homeworks.load(homework_name)
        entry = _entry(folder / "submission", homework.name)
        handed_in = entry.submission
        seen = None
        if handed_in is None:
            answer = _unreadable(homework, entry)
        else:
            seen = runner.observe(homework, handed_in, sandbox.choose("none"), threads=1)
            answer = _checked(homework, handed_in, seen, (*entry.notes, *entry.record_notes))
    except Exception:  # a crash of ours, whatever it is, is never the submission's failure
        traceback.print_exc()
        write_text(path, _json(_answer(KIT_FAILED)))
        return 1
    if not preview or handed_in is None or seen is None:
        write_text(path, _json(answer))
        return 0
    pending = "Preview: no answer came; the platform ended the run during the training."
    write_text(path, _json(_with(answer, pending)))
    try:
        told = _preview(homework, handed_in, seen, runner)
    except Exception:
        traceback.print_exc()
        told = "Preview: the kit failed during the training. That says nothing about the submission."
    write_text(path, _json(_with(answer, told)))
    return 0


def _entry(submitted: Path, homework_name: str) -> "Entry":
    """What intake makes of the platform's folder, as if it were one student's in a class: the same rules and words."""
    from autograder.intake import hand_ins

    with tempfile.TemporaryDirectory(prefix="autograder-") as class_:
        shutil.copytree(submitted, Path(class_) / "submission", symlinks=True)
        (entry,) = hand_ins.collect(Path(class_), homework_name, system="folder").entries
    return entry


def _unreadable(homework: Homework, entry: "Entry") -> dict[str, Any]:
    told = _row("the submission can be read", entry.outcome, "failed", entry.message)
    return _answer(f"Nothing was checked: {entry.message}.", [told], homework)


def _checked(homework: Homework, handed_in: Submission, seen: "Observations", notes: Sequence[str]) -> dict[str, Any]:
    from autograder import checks

    if seen.syntax_error is not None:
        place = _where(handed_in, seen.syntax_error.line)
        message = f"{place}: not Python that can be run: {seen.syntax_error.message}"
        told = _row("the submission is Python", "SYNTAX", "failed", message)
        return _answer(f"Nothing was checked: {message}.", [told], homework, handed_in)
    found = checks.run(seen, homework)
    rows = [_row(each.title, each.id, _status(each), _words(each, found, handed_in)) for each in found]
    return _answer("\n".join(_summary(seen, found, handed_in, notes)), rows, homework, handed_in)


def _status(result: "CheckResult") -> str:
    """The platform knows two statuses: a skipped check hasn't passed; advice has, since nothing depends on it."""
    return "passed" if result.outcome in ("passed", "advice") else "failed"


def _words(result: "CheckResult", found: "Sequence[CheckResult]", handed_in: Submission) -> str:
    question = f"{result.question}: " if result.question else ""
    if result.outcome == "passed":
        return f"{question}holds"
    if result.outcome == "skipped":
        waits_for = next((each.question or each.id for each in found if each.id == result.waits_for), result.waits_for)
        return f"{question}can't be told yet, waits for {waits_for}"
    place = f"{question}{_where(handed_in, result.line)}"
    parts = [f"{place} (advice: nothing depends on it)" if result.outcome == "advice" else place]
    parts += [f"{name}: {text}" for name, text in _explained(result) if text]
    return "\n".join(parts)


def _explained(result: "CheckResult") -> list[tuple[str, str]]:
    return [("Saw", result.saw), ("Expected", result.expected), ("Why", result.why)]


def _where(handed_in: Submission, line: int | None) -> str:
    from autograder.commands.student.check_report import where

    return where(Path(handed_in.name), handed_in, line)


def _summary(
    seen: "Observations", found: "Sequence[CheckResult]", handed_in: Submission, notes: Sequence[str]
) -> list[str]:
    """How many checks pass, where to start, and what else is to be known."""
    required = [each for each in found if each.required]
    count = {outcome: sum(each.outcome == outcome for each in required) for outcome in ("passed", "skipped")}
    waiting = f", {count['skipped']} can't be told yet" if count["skipped"] else ""
    lines = [f"{handed_in.name}: {count['passed']} of {len(required)} required checks pass{waiting}.", *notes]
    first = next((each for each in found if each.outcome == "failed"), None)
    if first is not None:
        lines += [f"Start here: {first.title} ({_where(handed_in, first.line)})", f"Hint: {first.hint}"]
    if seen.problem:
        lines.append(
            f"The run ended without an answer ({seen.problem}). Where the same file can be checked elsewhere, this "
            "container may have too little memory or time for it."
        )
    return lines


def _preview(homework: Homework, handed_in: Submission, seen: "Observations", runner: "Runner") -> str:
    """What a short training on drawn images came to, without a tier."""
    from autograder.course.checkpoint import NONE
    from autograder.course.dataset import PRACTICE
    from autograder.machine import cores
    from autograder.runner.evaluate import evaluate
    from autograder.runner.request import TrainingRequest
    from autograder.runner.setup import prepared, start_of
    from autograder.sandbox import sandbox

    with tempfile.TemporaryDirectory(prefix="autograder-") as folder:
        asked = TrainingRequest(
            homework=homework.name,
            data=Path(folder, PRACTICE),
            protocol="preview",
            hours=PREVIEW_S / 3600,
            checkpoint=NONE if homework.goes_on_from_checkpoint else None,
        )
        setup = prepared(asked, sandbox.choose("none"), full=False, threads=cores(), forks=False, runner=runner)
        training = evaluate(setup, start_of(setup, seen), handed_in, seen)
        if training.percent is None or training.report is None:
            return f"Preview: the training gave no accuracy ({training.outcome}): {training.message}"
    protocol, images = setup.protocol, setup.dataset
    return (
        f"Preview: {ENDS[training.report.ended_by]}, after {training.report.epochs:.3g} epochs of "
        f"{protocol.train_count(images.train_count)} drawn pictures. The network was then right on "
        f"{training.percent:.0f}% of {protocol.test_count(images.test_count)} others, {training.seconds:.0f} s "
        "after the start. That shows that it runs; it foretells no accuracy."
    )


# --- results.json ----------------------------------------------------------------------------------------------------


def _answer(
    told: str,
    rows: Sequence[dict[str, Any]] = (),
    homework: Homework | None = None,
    handed_in: Submission | None = None,
) -> dict[str, Any]:
    extra = {"kit": __version__}
    if homework is not None:
        extra |= {"homework": homework.name, "homework_version": homework.version}
    if handed_in is not None:
        extra |= {"file": handed_in.name, "sha256": handed_in.sha256}
    return {
        "score": 0,
        "visibility": "visible",
        "stdout_visibility": "hidden",
        "output_format": "text",
        "output": f"{NO_POINTS}\n\n{printable(told)}",
        "tests": list(rows),
        "extra_data": extra,
    }


def _row(name: str, number: str, status: str, output: str) -> dict[str, Any]:
    return {
        "name": printable(name),
        "number": number,
        "status": status,
        "score": 0,
        "max_score": 0,
        "output_format": "text",
        "output": printable(output),
        "visibility": "visible",
    }


def _with(answer: dict[str, Any], told: str) -> dict[str, Any]:
    """`answer` with another paragraph."""
    return {**answer, "output": f"{answer['output']}\n\n{printable(told)}"}


def _json(answer: dict[str, Any]) -> str:
    return json.dumps(answer, indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.exit(main())
