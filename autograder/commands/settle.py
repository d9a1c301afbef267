"""What a person says of a hand-in that no rule settles: which file counts. The command `settle`.

Called by the command line. Changes no result and no file: a decision is a line of the history, which every later run
of the class reads.
"""

from pathlib import Path

from rich.console import Console

from autograder.commands import collect
from autograder.commands.request import ClassRequest
from autograder.errors import KitError
from autograder.intake.entry import READ, Entry
from autograder.results import history


def settle(out: Path, student: str, file: str | None, reason: str, *, withdraw: bool = False) -> None:
    """Write down which of a student's files counts; None: none of them. `withdraw`: the rules decide again.

    Raises KitError when there is no such student in the class that `out` was graded from, or no such file.
    """
    request = ClassRequest.of_last_run(out)
    lines = history.read(out)
    before = _class(request, history.settled(lines))
    entry = _called(before, student)
    decided = {**history.settled(lines), entry.student: file}
    console = Console(highlight=False, soft_wrap=True, markup=False)
    if withdraw:
        if entry.student not in history.settled(lines):
            raise KitError(f"{entry.student}: nothing was settled", "`autograder show` has what was decided when")
        line = history.add(out, "settled withdrawn", entry.student, reason=reason.strip())
        console.print(f"{entry.student}: the rules decide again; written down as decided by {line.who}")
        return
    after = _called(_class(request, decided), student, entry)
    if file is not None and after.outcome != READ:
        known = sorted({name for upload in entry.uploads for name in (*upload.files, *upload.downloaded)})
        listed = f"there are: {', '.join(known[:8])}" if known else "autograder collect lists what was handed in"
        raise KitError(f"{file}: can't count for {entry.student} ({after.message})", listed)
    line = history.add(out, "settled", entry.student, reason=reason.strip(), file=file or "")
    words = "no file counts" if file is None else f"{file} counts, {after.state}"
    console.print(f"{entry.student}: {words}; written down as decided by {line.who}")
    console.print("the same `autograder grade` command, given again, grades by it")


def _class(request: ClassRequest, settled: dict[str, str | None]) -> list[Entry]:
    return collect.of_request(request, settled).class_.entries


def _called(entries: list[Entry], student: str, otherwise: Entry | None = None) -> Entry:
    from autograder.intake import names

    found = next((one for one in entries if names.key(one.student) == names.key(student)), otherwise)
    if found is None:
        raise KitError(f"there is no student called {student!r}", "autograder collect lists them")
    return found
