"""Files of a class that are alike, but for names and formatting.

Called by `grade`, which shows the pairs in the class report and nowhere else: nobody's page names another student, and
nobody's points change. copydetect does the comparing: it puts one letter for each name, leaves out comments and
white space, and compares fingerprints of what is left; what the skeleton has is left out too. On one core of an Intel
Xeon a file of 120 lines costs 15 ms and a pair 0.3 ms: 18 s for a class of three hundred.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

from autograder.homework import ROOT, Homework
from autograder.intake import Entry

NOISE = 25  # characters of normalised code that have to be the same in a row before they count
WINDOW = 1  # every fingerprint is kept: files are short
LEAST = 400  # characters of their own that both need: less can be the same because there is little to choose
ALIKE = 0.9  # of each one's own code


@dataclass(frozen=True)
class Pair:
    """Two students whose files are alike.

    Attributes:
        first, second: the students, by name.
        first_percent, second_percent: how much of each one's own code is in the other's.
        same: the files are equal to the byte.
    """

    first: str
    second: str
    first_percent: float
    second_percent: float
    same: bool


def pairs(entries: Sequence[Entry], homework: Homework) -> list[Pair]:
    """The pairs among files that could be read, most alike first."""
    from copydetect import compare_files

    given = _fingerprint(_skeleton(homework), [])
    prints = {
        entry.student: _fingerprint(entry.submission.script, list(given.hashes))
        for entry in entries
        if entry.submission is not None
    }
    hashes = {entry.student: entry.submission.sha256 for entry in entries if entry.submission is not None}
    found = []
    for first, second in combinations(sorted(prints), 2):
        if hashes[first] == hashes[second]:
            found.append(Pair(first, second, 100.0, 100.0, True))
            continue
        if min(prints[first].token_coverage, prints[second].token_coverage) < LEAST:
            continue
        _, (one, other), _ = compare_files(prints[first], prints[second])
        if min(one, other) >= ALIKE:
            found.append(Pair(first, second, 100 * float(one), 100 * float(other), False))
    return sorted(found, key=lambda pair: (-pair.same, -min(pair.first_percent, pair.second_percent), pair.first))


def _skeleton(homework: Homework) -> bytes:
    """What everybody began with; nothing where the kit isn't a checkout."""
    path = Path(ROOT, "assignment", homework.name, f"{homework.stem}.py")
    return path.read_bytes() if path.is_file() else b""


def _fingerprint(script: bytes, known: list[int]) -> Any:
    from copydetect import CodeFingerprint

    text = io.StringIO(script.decode("utf-8", "replace"))
    return CodeFingerprint("script.py", NOISE, WINDOW, boilerplate=known, language="python", fp=text)
