"""Files of a class that are alike, but for names and formatting.

Called by `grade`, which shows the pairs in the class report and nowhere else: nobody's page names another student, and
nobody's points change. copydetect reads the files: it replaces each name by one letter, leaves out comments and white
space, and fingerprints the rest. What the skeleton has is left out, and so is what most of the class has, since some
courses hand out another skeleton. Every file is compared with every other, so the time grows with the square of the
class, its memory does not.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from autograder.course.homework import Homework
from autograder.files import ROOT
from autograder.intake.entry import Entry

NOISE = 25  # characters of normalised code that have to be the same in a row before they count
WINDOW = 1  # every fingerprint is kept: files are short
LEAST = 400  # characters of their own that both need: less can be the same because there is little to choose
ALIKE = 0.9  # of each one's own code
COMMON = 0.5  # what more than this share of the files has is everybody's
LEAST_FILES = 10  # that differ; in fewer, half of them may be copies of one

Numbers = npt.NDArray[np.int64]


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


@dataclass(frozen=True)
class _Print:
    """What a file has of its own: the numbers of its fingerprints, and where each is in its normalised code, in order.

    A number stands for the same fingerprint in every file.
    """

    numbers: Numbers
    places: Numbers
    covered: int


def pairs(entries: Sequence[Entry], homework: Homework) -> list[Pair]:
    """The pairs among files that could be read, most alike first."""
    files = {entry.student: entry.submission for entry in entries if entry.submission is not None}
    students = sorted(files)
    prints = _without_common(_prints([files[student].script for student in students], _skeleton(homework)))
    has = np.zeros(1 + max((int(one.numbers.max(initial=0)) for one in prints), default=0), dtype=bool)
    found = []
    for at, first in enumerate(students):
        mine = prints[at]
        has[mine.numbers] = True
        for second, theirs in zip(students[at + 1 :], prints[at + 1 :], strict=True):
            if files[first].sha256 == files[second].sha256:
                found.append(Pair(first, second, 100.0, 100.0, True))
            elif min(mine.covered, theirs.covered) >= LEAST:
                other = _covered(theirs.places[has[theirs.numbers]]) / theirs.covered
                if other >= ALIKE:
                    one = _covered(mine.places[np.isin(mine.numbers, theirs.numbers)]) / mine.covered
                    if one >= ALIKE:
                        found.append(Pair(first, second, 100 * one, 100 * other, False))
        has[mine.numbers] = False
    return sorted(found, key=lambda pair: (-pair.same, -min(pair.first_percent, pair.second_percent), pair.first))


def _prints(scripts: Sequence[bytes], given: bytes) -> list[_Print]:
    """Of each script, without what is `given`."""
    known = list(_fingerprint(given, []).hashes)
    hashes, places = [], []
    for script in scripts:
        index = _fingerprint(script, known).hash_idx
        found = sorted((place, value) for value, at in index.items() for place in at)
        places.append(np.array([place for place, _ in found], dtype=np.int64))
        hashes.append(np.array([value for _, value in found], dtype=np.int64))
    if not scripts:
        return []
    _, numbers = np.unique(np.concatenate(hashes), return_inverse=True)
    ends = np.cumsum([len(one) for one in hashes])[:-1]
    return [_Print(own, at, _covered(at)) for own, at in zip(np.split(numbers, ends), places, strict=True)]


def _without_common(prints: list[_Print]) -> list[_Print]:
    """The same without what most files have. Files with equal fingerprints count as one."""
    different = {one.numbers.tobytes(): np.unique(one.numbers) for one in prints}
    if len(different) < LEAST_FILES:
        return prints
    numbers, counts = np.unique(np.concatenate(list(different.values())), return_counts=True)
    common = numbers[counts > COMMON * len(different)]
    kept = [~np.isin(one.numbers, common) for one in prints]
    return [
        _Print(one.numbers[own], one.places[own], _covered(one.places[own]))
        for one, own in zip(prints, kept, strict=True)
    ]


def _covered(places: Numbers) -> int:
    """Characters of normalised code that fingerprints at these places, in order, are made of: copydetect's measure."""
    return NOISE + int(np.minimum(np.diff(places), NOISE).sum()) if len(places) else 0


def _skeleton(homework: Homework) -> bytes:
    """What everybody began with; nothing where the kit isn't a checkout."""
    path = Path(ROOT, "assignment", homework.name, f"{homework.stem}.py")
    return path.read_bytes() if path.is_file() else b""


def _fingerprint(script: bytes, known: list[int]) -> Any:
    from copydetect import CodeFingerprint

    text = io.StringIO(script.decode("utf-8", "replace"))
    return CodeFingerprint("script.py", NOISE, WINDOW, boilerplate=known, language="python", fp=text)
