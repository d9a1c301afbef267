"""What the checks say about a class: outcomes of every check, and mistakes that are alike, with one example of each.

Called by `class_report`. Takes results and gives rows for the templates. An example is to be shown to others: it names
nobody.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath

from autograder.checks import CheckResult
from autograder.results.result import Result

OUTCOMES = ("failed", "advice", "skipped", "passed")
MOST_MISTAKES = 60  # rows; a class of a thousand has a long tail of mistakes that one student made
MOST_NAMED = 12  # students that a row names
LONGEST_COMPARED = 2000  # characters of what was seen by which mistakes are grouped, and of an example
SHORTEST_PART = 4  # letters of a name that is hidden within other words too; shorter ones would hide half of them

WORD = re.compile(r"`[^`]*`|[^\s`]+")
HUMP = r"(?:(?<![^\W_])|(?-i:(?<=[a-z])(?=[A-Z]))){}(?-i:(?![a-z0-9]))"
SPECIFIC = re.compile(r"[`0-9_]|[^\W_]\.[^\W_]")


@dataclass(frozen=True)
class Outcomes:
    """One check, and for how many submissions it came out how. `total` is how many it was run for."""

    id: str
    title: str
    counts: dict[str, int]

    @property
    def total(self) -> int:
        return sum(self.counts.values())


@dataclass(frozen=True)
class Mistake:
    """Failures of one check that saw the same, but for code, numbers and names of layers.

    Attributes:
        check: what is shown of it: the title, and what was seen and expected, of the commonest one, naming nobody.
        students: all of them.
    """

    check: CheckResult
    students: list[str]


def outcomes(results: Sequence[Result]) -> list[Outcomes]:
    """A row for each check, the one that failed most first."""
    titles: dict[str, str] = {}
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for result in results:
        for check in result.checks:
            titles.setdefault(check.id, check.title)
            counts[check.id][check.outcome] += 1
    rows = [Outcomes(name, titles[name], {one: counts[name][one] for one in OUTCOMES}) for name in titles]
    return sorted(rows, key=lambda row: (*(-row.counts[one] for one in OUTCOMES), row.id))


def mistakes(results: Sequence[Result], stem: str) -> tuple[list[Mistake], int]:
    """Mistakes, the commonest first, and how many more there are than fit. `stem`: of the file that was asked for."""
    found: dict[tuple[str, str], list[tuple[Result, CheckResult]]] = defaultdict(list)
    for result in results:
        for check in result.failed_checks:
            found[check.id, _pattern(check.saw[:LONGEST_COMPARED])].append((result, check))
    ordered = sorted(found.items(), key=lambda item: (-len(item[1]), item[0]))
    hidden = _everybodys_words(results, stem)
    rows = [_mistake(seen, hidden, stem) for _, seen in ordered[:MOST_MISTAKES]]
    return rows, len(ordered) - len(rows)


def _pattern(saw: str) -> str:
    """What was seen without what differs between two students with one mistake: code, numbers, names of layers."""
    return WORD.sub(lambda word: "…" if SPECIFIC.search(word[0]) else word[0], saw)


def _mistake(seen: Sequence[tuple[Result, CheckResult]], hidden: set[str], stem: str) -> Mistake:
    common = Counter(check.saw for _, check in seen).most_common(1)[0][0]  # the likeliest to be nobody's own
    result, check = next(one for one in seen if one[1].saw == common)
    own = {*result.name.split(), *re.split(r"[\W_]+", result.student), *_file_words(result, stem)}
    words = sorted({one for one in own | hidden if len(one) > 1}, key=lambda word: (-len(word), word))
    shown = {
        name: _without(getattr(check, name)[:LONGEST_COMPARED], words) for name in ("title", "saw", "expected", "why")
    }
    return Mistake(check.model_copy(update=shown), [result.student for result, _ in seen])


def _everybodys_words(results: Sequence[Result], stem: str) -> set[str]:
    """Ids, names and files of the whole class: one student's code may name another."""
    words = {word for result in results for word in (result.student, result.name, *_file_words(result, stem))}
    return {word for word in words if len(word) >= SHORTEST_PART}


def _file_words(result: Result, stem: str) -> set[str]:
    """The file's name with and without its ending, where it isn't the one that everybody was asked for."""
    if result.submission is None or PurePath(result.submission.name).stem == stem:
        return set()
    return {result.submission.name, PurePath(result.submission.name).stem}


def _without(text: str, words: Sequence[str]) -> str:
    """`text` with every one of `words` hidden; a short one only where it is a word, or a hump of `CamelCase`."""
    folded = text.casefold()
    for word in words:
        if word.casefold() in folded:
            whole = re.escape(word)
            pattern = whole if len(word) >= SHORTEST_PART else HUMP.format(whole)
            text = re.sub(pattern, "[hidden]", text, flags=re.IGNORECASE)
    return text
