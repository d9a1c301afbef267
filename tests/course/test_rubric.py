"""The rubric: what a section means, and that no section with a gap or an overlap is ever accepted."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autograder import homeworks
from autograder.course import rubric
from autograder.errors import KitError

ROWS = (
    "over 70% | 20",
    "from 30% to 70%, both included | 6",
    "below 30% | 2",
    "no accuracy could be had | 2",
    "no file by the deadline | 0",
)


def write(folder: Path, rows: tuple[str, ...] = ROWS, required: str = "Required checks: none", more: str = "") -> Path:
    table = "\n".join(f"| {row} |" for row in rows)
    path = folder / "rubric.md"
    path.write_text(
        f"# Rubric\n\n## hw6\n\n| accuracy | points |\n| --- | --- |\n{table}\n\n{required}\n\n{more}", encoding="utf-8"
    )
    return path


def load(folder: Path, *arguments: object, **named: str) -> rubric.Rubric:
    return rubric.load(write(folder, *arguments, **named), "hw6")  # type: ignore[arg-type]


def refused(folder: Path, *arguments: object, **named: str) -> str:
    with pytest.raises(KitError) as error:
        load(folder, *arguments, **named)
    return error.value.message.removeprefix(str(folder / "rubric.md"))


def test_the_rubric_in_the_repository_says_what_the_homework_says() -> None:
    own = rubric.load(rubric.PATH, "hw6")
    points = {accuracy: own.tier_for(accuracy).points for accuracy in (0.0, 29.999, 30.0, 70.0, 70.01, 100.0, None)}
    assert points == {0.0: 2, 29.999: 2, 30.0: 6, 70.0: 6, 70.01: 20, 100.0: 20, None: 2}
    assert own.no_file.points == 0
    assert own.max_points == 20
    assert own.required_checks == ()


def test_every_homework_has_its_section_with_the_budget_it_declares() -> None:
    for name in homeworks.names():
        given, own = homeworks.load(name), rubric.load(rubric.PATH, name)
        assert own.budget is not None
        assert (own.budget.epochs, own.budget.time_box_s) == (given.full.epochs, given.full.time_box_s)


@pytest.mark.parametrize(
    ("line", "epochs", "seconds"),
    [
        ("Budget: 10 epochs or 2 hours, whichever ends first", 10, 7200),
        ("**Budget:** 1 epoch or 0.5 hours.", 1, 1800),
        ("Budget: 300 epochs or 24 hours of training, whichever ends first.", 300, 86_400),
    ],
)
def test_a_budget_holds_for_full_runs_alone(tmp_path: Path, line: str, epochs: int, seconds: float) -> None:
    budget = load(tmp_path, more=line).budget
    assert budget is not None
    assert (budget.epochs, budget.time_box_s) == (epochs, seconds)
    given = homeworks.load("hw6")
    full = given.protocol("full", budget)
    assert (full.epochs, full.time_box_s, full.own_budget) == (epochs, seconds, True)
    assert given.protocol("preview", budget) == given.preview
    assert not given.protocol("full", budget, hours=1).own_budget
    assert given.protocol("full", load(tmp_path).budget) == given.full


@pytest.mark.parametrize(
    ("line", "points", "runs"),
    [
        ("", 1.0, 2),
        ("Borderline: none", 1.0, 0),
        ("**Borderline:** within 0.5 points, 1 more run.", 0.5, 1),
        ("Borderline: within 2 points, 5 more runs", 2.0, 5),
    ],
)
def test_what_is_borderline_is_the_rubrics_to_say(tmp_path: Path, line: str, points: float, runs: int) -> None:
    own = load(tmp_path, more=line)
    assert (own.borderline.points, own.borderline.runs) == (points, runs)
    near = [accuracy for accuracy in (29.0, 29.99, 30.0, 69.4, 69.6, 70.0, 70.01, 99.9) if own.is_borderline(accuracy)]
    below = [29.99, 70.0] if points == 0.5 else [29.0, 29.99, 69.4, 69.6, 70.0]
    assert near == (sorted({*below, 69.6}) if runs else [])
    assert not own.is_borderline(None)


@pytest.mark.parametrize(
    "value", ["within a point, 2 more runs", "within 1 point", "within 1 point, 99 more runs", "no"]
)
def test_what_is_no_rule_about_borderlines_is_refused(tmp_path: Path, value: str) -> None:
    assert "is neither 'none' nor such as 'within 1 point, 2 more runs'" in refused(
        tmp_path, more=f"Borderline: {value}"
    )


@pytest.mark.parametrize(
    ("line", "late_s", "off"),
    [
        ("", 1, None),
        ("Late: none", 1, None),
        ("Late: 10% a day, at most 3 days", 1, 10),
        ("Late: 10% a day, at most 3 days", 86_400, 10),
        ("Late: 10% a day, at most 3 days", 86_401, 20),
        ("**Late:** 10% per day, up to 3 days.", 3 * 86_400, 30),
        ("Late: 10% a day, at most 3 days", 3 * 86_400 + 0.5, None),
        ("Late: 2.5% an hour, at most 12 hours", 3 * 3600, 7.5),
        ("Late: 60% a day, at most 1 day", 3600, 60),
        ("Late: 50% an hour, at most 1 day", 5 * 3600, 100),
    ],
)
def test_what_being_late_costs(tmp_path: Path, line: str, late_s: float, off: float | None) -> None:
    own = load(tmp_path, more=line)
    assert (None if own.late is None else own.late.percent_off(late_s)) == off
    assert (own.fingerprint == load(tmp_path).fingerprint) == (own.late is None)


@pytest.mark.parametrize(
    "value", ["10%", "10% a week, at most 3 days", "0% a day, at most 3 days", "200% a day, at most 1 day"]
)
def test_what_is_no_rule_about_being_late_is_refused(tmp_path: Path, value: str) -> None:
    assert "is neither 'none' nor such as '10% a day, at most 3 days'" in refused(tmp_path, more=f"Late: {value}")


def test_a_tier_quotes_its_row_and_knows_its_line(tmp_path: Path) -> None:
    tier = load(tmp_path).tier_for(50.0)
    assert (tier.label, tier.line) == ("from 30% to 70%, both included", 8)


@pytest.mark.parametrize("accuracy", [-0.001, 100.001, float("nan"), float("inf")])
def test_what_is_no_percentage_has_no_tier(tmp_path: Path, accuracy: float) -> None:
    with pytest.raises(ValueError, match="no accuracy in percent"):
        load(tmp_path).tier_for(accuracy)


def test_markup_does_not_change_the_meaning(tmp_path: Path) -> None:
    plain = load(tmp_path)
    rows = ("**over 70 %** | `20`", "*From 30% to 70%* | 6.0", "Below 30.0% | 2", *ROWS[3:])
    marked = load(tmp_path, rows, "**Required checks:** None.")
    assert marked.fingerprint == plain.fingerprint
    assert load(tmp_path, ("over 71% | 20", "from 30% to 71% | 6", *ROWS[2:])).fingerprint != plain.fingerprint
    assert load(tmp_path, (*ROWS[:4], "no file by the deadline | 1")).fingerprint != plain.fingerprint


def test_a_required_check_that_failed_caps_the_points(tmp_path: Path) -> None:
    capped = load(tmp_path, (*ROWS, "a required check failed | 5"), "Required checks: `blanks`, own-weights")
    assert capped.required_checks == ("blanks", "own-weights")
    assert capped.decide(80.0, ["skip"]).points == 20
    assert capped.decide(80.0, ["own-weights", "skip"]).points == 5
    assert capped.decide(10.0, ["blanks"]).points == 2
    assert capped.decide(None, ["blanks"]).kind == "no accuracy"


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (("over 70% | 20", "below 70% | 2"), ":7: no row says what an accuracy of 70% gives"),
        (("over 70% | 20", "to 60% | 2"), ":7: no row says what an accuracy of 60% to 70% gives"),
        (("from 70% | 20", "to 70% | 2"), ":7: 'from 70%' overlaps 'to 70%' (line 8)"),
        (("over 60% | 20", "to 70% | 2"), ":7: 'over 60%' overlaps 'to 70%' (line 8)"),
        (("from 0% | 20", "from 20% to 30% | 2"), ":8: 'from 20% to 30%' overlaps 'from 0%' (line 7)"),
        (("over 70% to 90% | 20", "to 70% | 2"), ":7: no row says what an accuracy of 90% to 100% gives"),
        (("over 70% to below 100% | 20", "to 70% | 2"), ":7: no row says what an accuracy of 100% gives"),
        (("over 0% | 20",), ":7: no row says what an accuracy of 0% gives"),
        (("over 10% | 20",), ":7: no row says what an accuracy of 0% to 10% gives"),
        ((), ":3: the section has no range of accuracy"),
        (("over 100% | 20", "to 100% | 2"), ":7: 'over 100%' holds no accuracy"),
        (("from 80% to 70% | 20",), ":7: 'from 80% to 70%' holds no accuracy"),
        (("from 0% to 101% | 20",), ":7: 'from 0% to 101%' holds no accuracy"),
        (("over 70%, both included | 20",), ":7: 'over 70%, both included': both ends are included only in"),
        (("good | 20",), ":7: 'good' is no range"),
        (("", "from 0% | 20"), ":7: '' is no number of points"),
        (("from 0% | a lot",), ":7: 'a lot' is no number of points"),
        (("from 0% | -1",), ":7: '-1' is no number of points"),
        (("from 0% | nan",), ":7: 'nan' is no number of points"),
        (("from 0%",), ":7: '' is no number of points"),
    ],
)
def test_ranges_that_do_not_tile_are_refused_with_their_line(
    tmp_path: Path, rows: tuple[str, ...], message: str
) -> None:
    assert refused(tmp_path, (*rows, *ROWS[3:])).startswith(message)


@pytest.mark.parametrize(
    ("rows", "required", "more", "message"),
    [
        (ROWS[:4], "Required checks: none", "", ":3: the section has no row 'no file by the deadline'"),
        ((*ROWS, ROWS[4]), "Required checks: none", "", ":12: a second row 'no file by the deadline' (line 11"),
        (ROWS, "", "", ":3: the section has 0 lines 'Required checks"),
        (ROWS, "Required checks: none\nRequired checks: blanks", "", ":3: the section has 2 lines"),
        (ROWS, "Required checks: blanks", "", ":3: checks are required, but there is no row"),
        (ROWS, "Required checks:", "", ":13: '' is no name of a check"),
        (ROWS, "Note\nRequired checks: blanks, Blanks", "", ":14: 'Blanks' is no name of a check"),
        (ROWS, "Required checks: blanks, blanks", "", ":13: a check is named twice"),
        (ROWS, "Required checks: none", "## hw6", ":15: a second section '## hw6'"),
        (ROWS, "Required checks: none", "Budget: long", ":15: 'long' is no budget such as '5 epochs or 2 hours'"),
        (ROWS, "Required checks: none", "Budget: 0 epochs or 2 hours", ":15: '0 epochs or 2 hours' is no budget"),
        (ROWS, "Required checks: none", "Budget: 5 epochs or 0 hours", ":15: '5 epochs or 0 hours' is no budget"),
        (
            ROWS,
            "Required checks: none",
            "Budget: 5 epochs or 2 hours\nBudget: 6 epochs or 2 hours",
            ":16: a second budget (line 15 is the first)",
        ),
        (ROWS, "Required checks: none", "| a | b |\n| --- | --- |\n", ":3: the section has 2 tables, not one"),
    ],
)
def test_a_section_that_is_not_complete_is_refused(
    tmp_path: Path, rows: tuple[str, ...], required: str, more: str, message: str
) -> None:
    assert refused(tmp_path, rows, required, more).startswith(message)


def test_other_sections_are_left_alone(tmp_path: Path) -> None:
    more = "## hw60\n\nNothing here yet.\n\n## resnet20 on its own\n\n| a |\n| --- |\n| b |\n"
    assert load(tmp_path, ROWS, "Required checks: none", more).fingerprint == load(tmp_path).fingerprint
    with pytest.raises(KitError, match="no section '## hw7'"):
        rubric.load(write(tmp_path), "hw7")
    with pytest.raises(KitError, match="can't be read"):
        rubric.load(tmp_path / "none.md", "hw6")


bounds = st.lists(st.integers(1, 9999), min_size=1, max_size=8, unique=True).map(sorted)


@given(bounds=bounds, data=st.data())
def test_every_accuracy_has_exactly_one_tier(
    tmp_path_factory: pytest.TempPathFactory, bounds: list[int], data: st.DataObject
) -> None:
    """Cut [0, 100] anywhere, give each cut to either side, shuffle the rows: it loads, and each number has one row."""
    cuts = [bound / 100 for bound in bounds]
    to_the_left = [data.draw(st.booleans()) for _ in cuts]
    rows = [f"{'to' if to_the_left[0] else 'below'} {cuts[0]}% | 0"]
    for index, cut in enumerate(cuts):
        low = f"{'over' if to_the_left[index] else 'from'} {cut}%"
        last = index == len(cuts) - 1
        high = "" if last else f" {'to' if to_the_left[index + 1] else 'below'} {cuts[index + 1]}%"
        rows.append(f"{low}{high} | {index + 1}")
    shuffled = tuple(data.draw(st.permutations(rows)))
    folder = tmp_path_factory.mktemp("rubric")
    loaded = load(folder, (*shuffled, *ROWS[3:]))
    for accuracy in [0.0, 100.0, *cuts, *(cut - 1e-9 for cut in cuts), *(cut + 1e-9 for cut in cuts)]:
        assert sum(tier.holds(accuracy) for tier in loaded.tiers) == 1
        passed = sum(
            accuracy > cut or (accuracy == cut and not left) for cut, left in zip(cuts, to_the_left, strict=True)
        )
        assert loaded.tier_for(accuracy).points == passed

    left_out = data.draw(st.integers(0, len(rows) - 1))
    assert "no row says" in refused(folder, (*rows[:left_out], *rows[left_out + 1 :], *ROWS[3:]))
    twice = data.draw(st.sampled_from(rows))
    assert "overlaps" in refused(folder, (*rows, twice, *ROWS[3:]))


ERRORS = (
    "below 0.05 error | 20",
    "from 0.05 to below 0.2 error | 6",
    "from 0.2 error | 2",
    "no accuracy could be had | 2",
    "no file by the deadline | 0",
)


def test_rows_of_errors_go_from_the_smallest_up(tmp_path: Path) -> None:
    own = load(tmp_path, ERRORS)
    assert own.by_error
    assert [tier.points for tier in own.tiers] == [20, 6, 2]
    points = {error: own.tier_for(error).points for error in (0.0, 0.0499, 0.05, 0.2, 1e6, None)}
    assert points == {0.0: 20, 0.0499: 20, 0.05: 6, 0.2: 2, 1e6: 2, None: 2}
    assert own.max_points == 20
    assert not own.is_borderline(0.051)


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ((ERRORS[0], *ERRORS[2:]), "no row says what an error of 0.05 error to 0.2 error gives"),
        ((ERRORS[0], "from 0.01 error | 6", *ERRORS[3:]), "overlaps 'below 0.05 error'"),
        ((*ERRORS[:2], *ERRORS[3:]), "no row says what an error of 0.2 error to 1e+09 error gives"),
        ((ERRORS[0], "from 30% | 6", *ERRORS[3:]), "aren't of one kind"),
        (("little error | 6", *ERRORS[3:]), "is no range such as"),
    ],
)
def test_rows_of_errors_are_refused_as_others_are(tmp_path: Path, rows: tuple[str, ...], words: str) -> None:
    assert words in refused(tmp_path, rows)
