"""twins.py: a copy is found behind other names and another layout; files that were written apart are not."""

import re
from pathlib import Path

import pytest
from copydetect import compare_files
from support.evidence import entry

from autograder.files import ROOT
from autograder.homeworks import load
from autograder.intake import hand_ins
from autograder.intake.entry import Entry
from autograder.publish import similar_files

HW6 = load("hw6")
EXAMPLES = ROOT / "examples" / "submissions" / "hw6"
ORIGINAL = (EXAMPLES / "s0117-ines-carvalho" / "hw6.py").read_text()


def disguised(script: str) -> str:
    """The script with other names, other comments and another layout."""
    names = set(re.findall(r"\bself\.(\w+)", script)) - {"training"}
    for number, name in enumerate(sorted(names)):
        script = re.sub(rf"\b{name}\b", f"part_{number}", script)
    script = re.sub(r"(?m)^(\s*)(#.*)$", r"\1# mine", script)
    return script.replace(", ", ",  ").replace(" = ", "  =  ")


def test_a_copy_under_other_names_is_found() -> None:
    class_ = [
        entry(ORIGINAL.encode(), student="s1"),
        entry(disguised(ORIGINAL).encode(), student="s2"),
        entry(ORIGINAL.encode(), student="s3"),
    ]
    assert disguised(ORIGINAL) != ORIGINAL
    same, *others = similar_files.pairs(class_, HW6)
    assert (same.first, same.second, same.same, same.first_percent) == ("s1", "s3", True, 100.0)
    assert {(pair.first, pair.second) for pair in others} == {("s1", "s2"), ("s2", "s3")}
    assert all(pair.first_percent > 95 and not pair.same for pair in others)


@pytest.mark.parametrize("name", ["hw6", "resnet20"])
def test_files_that_were_written_apart_are_not_a_pair(name: str) -> None:
    class_ = hand_ins.collect(Path(ROOT, "examples", "submissions", name), name, None)
    assert len(class_.entries) == 8
    assert similar_files.pairs(class_.entries, load(name)) == []


def test_what_everybody_was_given_counts_for_nothing() -> None:
    skeleton = (ROOT / "assignment" / "hw6" / "hw6.py").read_text()
    class_ = [
        entry(skeleton.encode(), student="s1"),
        entry(disguised(skeleton).encode(), student="s2"),
        entry(b"x = 1\n", student="s3"),
        entry(b"y = 2\n", student="s4"),
    ]
    assert similar_files.pairs(class_, HW6) == []
    assert similar_files.pairs([entry(ORIGINAL.encode(), student="s1"), Entry("s2", "EMPTY", "nothing")], HW6) == []


def test_alike_is_what_copydetect_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own comparison of two files gives the same numbers, at a hundred times the cost."""
    monkeypatch.setattr(similar_files, "ALIKE", 0.0)
    monkeypatch.setattr(similar_files, "LEAST", 1)
    class_ = hand_ins.collect(Path(ROOT, "examples", "submissions", "hw6"), "hw6", None).entries
    known = list(similar_files._fingerprint(similar_files._skeleton(HW6), []).hashes)
    prints = {one.student: similar_files._fingerprint(one.submission.script, known) for one in class_ if one.submission}
    found = similar_files.pairs(class_, HW6)
    assert len(found) == 28
    for pair in found:
        _, shares, _ = compare_files(prints[pair.first], prints[pair.second])
        assert (pair.first_percent, pair.second_percent) == pytest.approx([100 * share for share in shares])


def from_another_skeleton(own: str) -> bytes:
    """A file of a class that began with a skeleton which the kit doesn't know, and went on with its own code."""
    given = "\n".join(
        f"def given_{line}(first, second): return first * {line} + second ** {line}" for line in range(250)
    )
    return f"{given}\n{own}".encode()


def own_code(number: int) -> str:
    """Some code that only this student has."""
    lines = []
    for line in range(14):
        sign, depth = "+-*/%"[(number + line) % 5], line % (number + 2)
        value = f"{'(' * depth}a{')' * depth}"
        lines.append(
            f"for a in range({number * 7 + line}): total += a {sign} {number} * {line} if a > {line} else b[{value}]"
        )
    return "\n".join(lines)


def test_what_most_of_a_class_has_is_a_skeleton_too() -> None:
    class_ = [entry(from_another_skeleton(own_code(k)), student=f"s{k:02}") for k in range(12)]
    assert similar_files.pairs(class_[:9], HW6)  # so few could all be copies
    assert similar_files.pairs(class_, HW6) == []
    copied = from_another_skeleton(own_code(3).replace("total", "summe").replace(" a ", " item ")) + b"# mine\n"
    (pair,) = similar_files.pairs([*class_, entry(copied, student="s99")], HW6)
    assert (pair.first, pair.second, pair.same) == ("s03", "s99", False)
