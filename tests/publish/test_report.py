"""The pages: what they say, that untrusted text stays text, and that they need nothing but themselves.

What they do in a browser is in test_pages.py.

`tests/golden/` holds the pages of one made-up class. After a change that was meant: UPDATE_GOLDEN=1 pytest
tests/publish/test_report.py, and read the difference.
"""

import base64
import csv
import hashlib
import io
import math
import re
from collections import Counter
from typing import Any

import pytest
from support.golden import golden
from support.observed import right
from support.pages import RESNET20_RUBRIC, RUBRIC, Page
from support.results import (
    CRASH,
    HOSTILE,
    OWN,
    class_of_five,
    epochs,
    full,
    hostile,
    resnet20,
    result,
    training,
    various,
    with_kernel,
)

from autograder import homeworks
from autograder.checks import CheckResult, Row
from autograder.checks.network.layer_table import Rung
from autograder.course import rubric
from autograder.course.rubric import Rubric
from autograder.files import ROOT, TEMPLATES
from autograder.observations import Epoch, Network
from autograder.publish import class_report, common_mistakes, feedback_page
from autograder.publish.charts import drawing, layer_figure, loss_curves, training_curve
from autograder.publish.similar_files import Pair
from autograder.results import grades_table
from autograder.results.result import Result

SCRIPT = (TEMPLATES / "table.js").read_text(encoding="utf-8")


@pytest.mark.parametrize("index", range(5))
def test_feedback_reads_as_it_did(index: int) -> None:
    one = class_of_five()[index]
    golden(f"feedback-{one.student}.html", feedback_page.feedback(one, RUBRIC))


def test_the_class_report_reads_as_it_did() -> None:
    golden("report.html", class_report.class_report(class_of_five(), RUBRIC))


def assert_only_our_script(text: str) -> None:
    """No image but within the page; in the class's page one script, ours; and the policy lets nothing else run."""
    page = Page(text)
    assert all((one.get("src") or "").startswith("data:image/png;base64,") for tag, one in page.tags if tag == "img")
    (policy,) = [one["content"] or "" for _, one in page.tags if one.get("http-equiv") == "Content-Security-Policy"]
    hashes = re.findall(r"sha256-([A-Za-z0-9+/=]+)", policy)
    assert page.scripts == [SCRIPT] * ("everybody" in [one.get("id") for _, one in page.tags])
    assert hashes == [base64.b64encode(hashlib.sha256(one.encode()).digest()).decode() for one in page.scripts]
    assert policy.count("script-src") == len(page.scripts)
    assert policy.startswith("default-src 'none'; style-src 'unsafe-inline'")


def test_what_students_write_stays_text() -> None:
    one = hostile()
    for text in (feedback_page.feedback(one, RUBRIC), class_report.class_report([one], RUBRIC)):
        page = Page(text)
        assert_only_our_script(text)
        assert not [name for _, attributes in page.tags for name in attributes if name.startswith("on")]
        assert "alert(1)" in page.text
        assert "{{ 7 * 7 }}" in page.text
        assert not set(text) & {"\x00", "\x1b", "\u202e"}


def test_a_page_loads_nothing_and_links_only_to_its_neighbours() -> None:
    everybody = [*class_of_five(), result("s 6/?#%é")]
    for text in (
        class_report.class_report(everybody, RUBRIC),
        *(feedback_page.feedback(one, RUBRIC) for one in everybody),
    ):
        page = Page(text)
        links = [attributes["href"] for _, attributes in page.tags if "href" in attributes]
        sources = [attributes["src"] or "" for _, attributes in page.tags if "src" in attributes]
        assert all(re.fullmatch(r"data:image/png;base64,[\w+/=]+", source) for source in sources)
        assert all(
            link and re.fullmatch(r"#[a-z0-9-]+|[A-Za-z0-9_.%/-]+/(feedback\.html|result\.json)", link)
            for link in links
        )
        assert "url(" not in text
        assert "default-src 'none'" in text


@pytest.mark.parametrize("index", range(5))
def test_a_preview_says_so_on_every_page(index: int) -> None:
    one = class_of_five()[index]
    for text in (feedback_page.feedback(one, RUBRIC), class_report.class_report(class_of_five(), RUBRIC)):
        page = Page(text)
        assert "(preview)" in page.text
        assert "Preview: no points are given." in page.text


def test_a_full_run_gives_points_and_no_banner() -> None:
    page = Page(feedback_page.feedback(full(), RUBRIC))
    assert "Points 20 of 20 The rubric's row: over 70%" in page.text
    assert "note" not in [attributes.get("role") for _, attributes in page.tags]
    assert "review" not in page.text
    other = full(
        points=None,
        status="no points",
        run_gives_no_points_because="the data is practice, not the homework's own cifar10",
    )
    page = Page(feedback_page.feedback(other, RUBRIC))
    assert "Would be, in a run that gives points 20 of 20" in page.text
    assert "The data is practice, not the homework's own cifar10." in page.text


def test_every_plot_has_its_table_and_its_title() -> None:
    for text in (
        feedback_page.feedback(class_of_five()[0], RUBRIC),
        class_report.class_report(class_of_five(), RUBRIC),
    ):
        page = Page(text)
        plots = [attributes for tag, attributes in page.tags if tag == "svg" and "aria-hidden" not in attributes]
        ids = [attributes.get("id") for _, attributes in page.tags]
        assert len(plots) == 1
        assert plots[0]["role"] == "img"
        assert plots[0]["aria-labelledby"] in ids
        assert "as a table" in page.text


def test_what_scrolls_can_be_reached_by_keyboard_and_has_a_name() -> None:
    for text in (
        feedback_page.feedback(class_of_five()[0], RUBRIC),
        class_report.class_report(class_of_five(), RUBRIC),
    ):
        page = Page(text)
        ids = [attributes.get("id") for _, attributes in page.tags if "id" in attributes]
        scrollers = [one for _, one in page.tags if "scroll" in (one.get("class") or "").split()]
        assert scrollers
        for one in scrollers:
            assert (one.get("tabindex"), one.get("role")) == ("0", "region")
            assert one.get("aria-label") or one.get("aria-labelledby") in ids
        assert len(ids) == len(set(ids))


def step(one: Result, ruled: Rubric = RUBRIC) -> str:
    return feedback_page.next_step(one, ruled).title


def test_there_is_one_next_step_and_it_is_the_first_that_matters() -> None:
    failed = result().checks[1]
    advice = CheckResult(id="eval-mode", title="eval() before testing", outcome="advice", required=False)
    low = {"would_earn": 6.0, "accuracy": result().accuracy.model_copy(update={"counted_percent": 61.5})}  # type: ignore[union-attr]
    assert step(full(checks=[advice, failed])) == failed.title
    assert step(full(checks=[advice], **low)) == "Reach the row 'over 70%'"
    assert "8.5 percentage points" in feedback_page.next_step(full(checks=[], **low), RUBRIC).text
    assert step(full(checks=[advice])) == advice.title
    assert step(full(checks=[])) == "Nothing is left to do"
    crashed = training(ended_by="crash", failure=CRASH)
    assert step(full(checks=[], training=crashed, accuracy=None)) == "Make the script run to its end"
    assert step(full(status="late", checks=[])) == "Nothing for this homework"


def test_the_curve_has_gaps_where_the_loss_is_not_finite() -> None:
    curve = training_curve.of_student(training(losses=[(1, 2.0), (2, math.nan), (3, 1.0), (4, math.inf), (5, 0.5)]))
    assert curve is not None
    assert curve.not_finite == 2
    assert curve.raw.count("M") == 3
    assert [row.mean for row in curve.rows] == [2.0, None, 1.0, None, 0.5]
    assert training_curve.of_student(training(losses=[])) is None
    flat = training_curve.of_student(training(losses=[(1, math.nan)] * 3))
    assert flat is not None
    assert flat.raw == ""


def test_a_long_curve_has_twenty_rows_that_cover_it() -> None:
    curve = training_curve.of_student(training(losses=[(16 * k, 1.0) for k in range(1, 501)]))
    assert curve is not None
    assert len(curve.rows) == 20
    assert curve.rows[0].begin == 0
    assert curve.rows[-1].end == 8000
    assert all(first.end == second.begin for first, second in zip(curve.rows, curve.rows[1:], strict=False))


@pytest.mark.parametrize(("last", "step"), [(1, 1), (6, 1), (7, 2), (832, 200), (2000, 500), (250_000, 50_000)])
def test_the_axis_has_round_numbers(last: int, step: int) -> None:
    curve = training_curve.of_student(training(losses=[(last, 1.0)]))
    assert curve is not None
    assert curve.x_ticks[1][1] == f"{step:,}"
    assert len(curve.x_ticks) <= 7


def test_the_histogram_counts_everybody_once() -> None:
    bars = class_report.histogram([0.0, 4.99, 5.0, 69.9, 70.0, 99.9, 100.0], RUBRIC)["bars"]
    assert {bar["low"]: bar["count"] for bar in bars if bar["count"]} == {0: 2, 5: 1, 65: 1, 70: 1, 95: 2}


# --- the class's table ----------------------------------------------------------------------------------------------


def table(text: str, name: str) -> list[list[str]]:
    """The rows of a table's body, as text; `name` is the table's id, or its region's label or label's id."""
    found = re.search(rf'"{name}"[^>]*><table|<table id="{name}"', text)
    assert found, name
    body = text[found.start() :].split("<tbody>", 1)[1].split("</tbody>", 1)[0]
    rows = [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.DOTALL) for row in body.split("<tr")[1:]]
    return [[Page(f"<p>{cell}").text for cell in row] for row in rows]


def test_of_endless_pairs_the_first_are_listed() -> None:
    alike = [Pair("s1", f"t{number}", 100.0, 100.0, True) for number in range(class_report.MOST_PAIRS + 1100)]
    text = Page(class_report.class_report(class_of_five(), RUBRIC, alike)).text
    assert text.count("the same file") == class_report.MOST_PAIRS
    assert "1,100 more pairs are not listed." in text


def test_the_numbers_of_the_page_are_those_of_the_csv() -> None:
    everybody = various()
    rows = list(csv.DictReader(io.StringIO(grades_table.csv_text(everybody))))
    text = class_report.class_report(everybody, RUBRIC)
    assert table(text, "everybody") == [
        [
            row["student"],
            row["name"],
            row["accuracy_percent"] and f"{row['accuracy_percent']}%",
            row["points"],
            row["tier"],
            class_report.STATUS_WORDS[row["status"]],
            ", ".join(row["flags"].split()),
        ]
        for row in rows
    ]
    counts = Counter(class_report.STATUS_WORDS[row["status"]] for row in rows)
    assert {cells[0]: int(cells[1]) for cells in table(text, "status")} == counts
    decided = Counter(row["tier"].replace("would be 20 points", "over 70%") or "a person has to decide" for row in rows)
    assert {cells[0]: int(cells[2]) for cells in table(text, "tiers") if cells[2] != "0"} == decided
    bars = [int(cells[1]) for cells in table(text, "Histogram table")]
    assert sum(bars) == sum(bool(row["accuracy_percent"]) for row in rows)


def test_the_report_names_every_version_that_graded() -> None:
    older = {"kit": "0.0", "python": "3.11.0", "torch": "2.11.0"}
    text = Page(class_report.class_report([full("s1"), full("s2", versions=older), full("s3")], RUBRIC)).text
    assert "Versions autograder 0.1, Python 3.11.0, torch 2.14.1; autograder 0.0, Python 3.11.0, torch 2.11.0" in text


def test_everything_can_be_read_without_the_script() -> None:
    text = class_report.class_report(various(), RUBRIC)
    assert [attributes for tag, attributes in Page(text).tags if tag == "button"] == []
    assert 'id="controls" hidden>' in text
    assert len(table(text, "everybody")) == 6


def test_endless_texts_are_cut_and_say_so() -> None:
    endless = "<b>" + "x" * 10_000_000
    check = result().checks[1].model_copy(update={"saw": endless, "why": endless})
    everybody = [full(f"s{k}", name=endless, message=endless, checks=[check], for_a_person=[endless]) for k in range(3)]
    for text in (feedback_page.feedback(everybody[0], RUBRIC), class_report.class_report(everybody, RUBRIC)):
        assert len(text) < 200_000
        assert "more characters" in text
        assert "<b>" not in text


# --- the class's checks and training curves --------------------------------------------------------------------------


def failed(student: str, saw: str, name: str = "", file: str = "hw6.py", check_id: str = "own-weights") -> Result:
    """A result of one failed check, of which `saw` was seen."""
    check = result().checks[1].model_copy(update={"saw": saw, "id": check_id})
    submission = {**result().submission.model_dump(), "name": file}  # type: ignore[union-attr]
    return full(student, name=name, checks=[check], submission=submission)


def test_every_check_is_counted_by_outcome() -> None:
    builds, weights = result().checks[:2]
    advice = CheckResult(id="eval-mode", title="eval() before testing", outcome="advice")
    right_one = weights.model_copy(update={"outcome": "passed"})
    everybody = [
        full("s1"),
        full("s2", checks=[builds, weights]),
        full("s3", checks=[builds, right_one, advice]),
        full("s4", checks=[]),
    ]
    text = class_report.class_report(everybody, RUBRIC)
    assert table(text, "checks") == [
        ["every block owns its weights own-weights", "2 67%", "", "", "1 33%"],
        ["eval() before testing eval-mode", "", "1 100%", "", ""],
        ["every parameter gets one gradients", "", "", "1 100%", ""],
        ["the model builds builds", "", "", "", "3 100%"],
    ]
    assert "for the 3 submissions that could be looked at" in Page(text).text
    assert '<td class="number heat-third">2 ' in text


@pytest.mark.parametrize(
    ("count", "of", "shade"),
    [(0, 4, ""), (1, 1000, "heat-first"), (1, 4, "heat-second"), (2, 4, "heat-third"), (749, 1000, "heat-third")],
)
def test_a_cell_is_shaded_by_its_share(count: int, of: int, shade: str) -> None:
    assert drawing.shade(count, of) == shade
    assert drawing.shade(of, of) == "heat-fourth"


def test_mistakes_that_are_alike_are_one_row() -> None:
    everybody = [
        failed("s1", "stage1.0 and stage1.1 are one layer: 11,101,834 parameters"),
        failed("s2", "layers.3 and layers.4 are one layer: 8,002,570 parameters"),
        failed("s3", "`self.conv` runs twice"),
        failed("s4", "`self.conv` runs twice", check_id="other"),
        failed("s5", "layers.3 and layers.4 are one layer: 8,002,570 parameters"),
    ]
    text = class_report.class_report(everybody, RUBRIC)
    expected = "Expected separate layers"
    assert table(text, "mistakes") == [
        [
            "3",
            "every block owns its weights own-weights",
            f"Saw layers.3 and layers.4 are one layer: 8,002,570 parameters {expected}",
            "s1 , s2 , s5",
        ],
        ["1", "every block owns its weights other", f"Saw self.conv runs twice {expected}", "s4"],
        ["1", "every block owns its weights own-weights", f"Saw self.conv runs twice {expected}", "s3"],
    ]


@pytest.mark.parametrize(
    ("saw", "shown"),
    [
        ("`KimNet` in Kim_Ha-neul.py, `kim_block`", "`[hidden]Net` in [hidden], `[hidden]_block`"),
        ("`netKim`, `kimnet` and `akim`", "`net[hidden]`, `kimnet` and `akim`"),
        ("kim ha-neul and KIM", "[hidden] and [hidden]"),
        ("`/data/20163201/net` and s3", "`/data/[hidden]/net` and s3"),
        ("made by tomasz wilk in wilk_final.py", "made by [hidden] in [hidden]"),
        ("hw6.py:64, `kimono` has 64 channels, 20,163,201 parameters", None),
    ],
)
def test_an_example_names_no_student_and_no_file(saw: str, shown: str | None) -> None:
    everybody = [
        failed("20163201", saw, name="Kim Ha-neul", file="Kim_Ha-neul.py"),
        failed("20163202", "another", name="Tomasz Wilk", file="wilk_final.py", check_id="other"),
        failed("s3", "a third", check_id="third"),
    ]
    rows, further = common_mistakes.mistakes(everybody, "hw6")
    assert [row.check.saw for row in rows if row.students == ["20163201"]] == [shown or saw]
    assert further == 0


def test_a_long_tail_of_mistakes_is_counted() -> None:
    everybody = [failed(f"s{k}", f"a {'very ' * k}odd thing") for k in range(common_mistakes.MOST_MISTAKES + 3)]
    assert "3 rarer ones are not listed; the pages" in Page(class_report.class_report(everybody, RUBRIC)).text
    same = [failed(f"s{k:02}", "the same") for k in range(20)]
    text = class_report.class_report(same, RUBRIC)
    assert table(text, "mistakes")[0][3].endswith("s11 and 8 more: search for own-weights below")


def test_everybodys_training_curve_is_drawn_with_the_classs_band() -> None:
    flat = [
        full(f"s{k}", training=training(losses=[(at, 1.0 + k / 10) for at in range(1, 2001, 5)])) for k in range(10)
    ]
    broken = full("s91", training=training(losses=[(1, 4.0), (700, math.nan), (2000, math.inf)]))
    losses = loss_curves.of_class(
        [*flat, broken, full("s92", training=None), full("s93", training=training(losses=[]))]
    )
    assert losses is not None
    assert [one.result.student for one in losses.each] == [f"s{k}" for k in range(10)] + ["s91"]
    assert losses.images == 2000
    assert losses.top == 2.0
    assert losses.each[0].path.startswith("M2 30L8 30")
    assert losses.each[0].quarters == [1.0] * 4
    assert (losses.each[-1].path, losses.each[-1].not_finite) == ("M2 0h0", 2)  # above the axis, then nothing finite
    assert losses.each[-1].quarters == [4.0, None, None, None]
    assert losses.band.startswith("M2 3L8 6")  # without the highest: 1.9 of eleven with the broken one, then 1.8 of ten
    assert losses.median.count("L") == loss_curves.PARTS - 1
    few = loss_curves.of_class(flat[: loss_curves.FEWEST - 1])
    assert few is not None
    assert (few.band, few.median) == ("", "")
    assert loss_curves.of_class([full(training=None)]) is None
    text = class_report.class_report([*flat, broken], RUBRIC)
    assert table(text, "Training curves table")[-1] == ["s91", "4", "", "", "", "2", "script"]
    assert text.count('<use href="#band"/>') == 11


# --- what a student's page draws -------------------------------------------------------------------------------------


def test_the_ladder_is_drawn_and_marks_what_differs() -> None:
    text = feedback_page.feedback(full(observations=right()), RUBRIC)
    assert "conv 3x3, 64→128, stride 2" in text
    assert text.count(">conv 3x3, 64→64</text>") == 8  # four of each side
    assert 'class="cross"' not in text
    convs = [op.index for op in right().network.graph if op.kind == "conv"]  # type: ignore[union-attr]
    text = feedback_page.feedback(full(observations=with_kernel(convs[1], 5)), RUBRIC)
    assert text.count('class="cross"') == 1
    assert text.count(">conv 3x3, 64→64</text>") == 7
    assert text.count(">conv 5x5, 64→64</text>") == 1
    assert text.count('class="rung differs"') == 2
    assert '<title id="ladder-title">' in text


def test_a_ladder_without_end_stays_a_figure() -> None:
    rung = Rung("conv", 10**40, 64, (3, 3), (2, 1), (1, 1), side=10**30)
    drawn = layer_figure.figure([Row(None, rung), Row(rung, None)] * 200)
    assert drawn is not None
    assert (len(drawn.rows), drawn.further) == (layer_figure.MOST_ROWS, 400 - layer_figure.MOST_ROWS)
    bars = [bar for row in drawn.rows for bar in (row.ours, row.theirs) if bar]
    assert all(0 < bar.length <= layer_figure.BAR and len(bar.size) <= 9 for bar in bars)
    assert all(len(bar.label) <= layer_figure.LONGEST_LABEL for bar in bars)
    none = layer_figure.figure([Row(Rung("linear", 5, 5), Rung("linear", 5, 5))])
    assert none is not None
    assert none.rows[0].theirs == layer_figure.Bar("", "linear, 5→5", layer_figure.BAR, False)
    assert layer_figure.figure([]) is None


def test_the_confusion_matrix_has_every_count() -> None:
    one = full()
    assert one.accuracy
    text = feedback_page.feedback(one, RUBRIC)
    assert table(text, "confusion") == [
        [f"class {label}", *map(str, row)] for label, row in enumerate(one.accuracy.confusion)
    ]
    assert text.count(' right">16</td>') == 10
    assert "What was taken for what" not in feedback_page.feedback(full(accuracy=None), RUBRIC)


def test_a_page_says_how_to_appeal_and_names_nobody_else() -> None:
    others = {"for_a_person": ["the answers are those of s2"]}
    text = Page(feedback_page.feedback(full(**others), RUBRIC)).text
    assert "Write to your instructor, say what you expected and why" in text
    assert "s2" not in text


# --- the epochs ------------------------------------------------------------------------------------------------------


def feedback(one: Result) -> Page:
    return Page(feedback_page.feedback(one, RESNET20_RUBRIC))


def paths(page: Page) -> list[dict[str, str | None]]:
    """The lines of a page's plot; the key's samples, two points each, are not among them."""
    found = [attributes for tag, attributes in page.tags if tag == "path" and "stroke-dasharray" in attributes]
    return [one for one in found if "h40" not in (one["d"] or "")]


def test_the_feedback_on_epochs_reads_as_it_did() -> None:
    golden("feedback-resnet20.html", feedback_page.feedback(resnet20(), RESNET20_RUBRIC))


def test_the_epochs_are_set_beside_the_reference() -> None:
    page = feedback(resnet20())
    assert "the proctored run 10 29.04% 32.27% over the 8 of 10 that it states" in page.text
    assert "your own record 10 27.79% 32.27% over the 8 of 10 that it states" in page.text
    assert "the course's report 51 22.08%" in page.text
    assert "the paper (8.75% error) the last one 8.75%" in page.text
    assert "After epoch 10 the run has 84.55%: 6.70 percentage points below the paper (8.75% error)." in page.text
    assert "At epoch 10 the run has 84.55% and your own record 88.15%." in page.text
    assert "The plot ends at epoch 10; the course's report goes on, in the table, to epoch 51." in page.text
    # By epoch: the run's and their own losses and accuracy, and the reference's, which has no epoch 7.
    assert "2 1.15 58.30% 1.15 57.30% 62.34%" in page.text
    assert "7 0.3286 0.3429 77.80% 0.3286 0.3429 78.80% 8 " in page.text
    assert "51 78.57%" in page.text


def test_lines_are_told_apart_without_colour_and_the_key_names_them() -> None:
    page = feedback(resnet20())
    dashes = [one["stroke-dasharray"] for one in paths(page)]
    assert len(dashes) == len(set(dashes)) == 4
    names = ["the course's report", "your own record", "the proctored run", "the paper (8.75% error): 91.25%"]
    assert f"test accuracy epoch {' '.join(names)} The run's network was tested" in page.text


@pytest.mark.parametrize(("own", "said"), [(87.55, False), (81.55, False), (87.56, True), (81.54, True)])
def test_a_record_that_differs_is_said_neutrally(own: float, said: bool) -> None:
    page = feedback(resnet20(own_epochs=epochs([*OWN[:9], own, 99.0])))
    assert ("Other data, another seed or a training planned for more epochs" in page.text) == said


def test_a_run_or_a_record_may_be_missing() -> None:
    page = feedback(resnet20(own_epochs=[]))
    assert "own record" not in page.text
    assert "the proctored run 10 29.04%" in page.text
    page = feedback(resnet20(epochs=[]))
    assert "The proctored run" not in page.text
    assert "your own record 10 27.79%" in page.text
    assert "percentage points" not in page.text
    assert "The epochs" not in feedback(resnet20(epochs=[], own_epochs=[])).text
    far = [Epoch(epoch=100, accuracy_percent=90)]
    assert "your own record 1 10.00% states none of them" in feedback(resnet20(own_epochs=far)).text
    above = feedback(resnet20(epochs=epochs([91.25, 92.5])))
    assert "1.25 percentage points above the paper" in above.text
    assert "the run has 91.25%: as much as the paper" in feedback(resnet20(epochs=epochs([91.25]))).text


def test_a_previews_curve_is_drawn_and_not_compared() -> None:
    page = feedback(resnet20(of=result))
    assert "This run's curve is a preview's: trained on 400 images of practice and tested on 200." in page.text
    assert "the preview's run (400 training images)" in page.text
    assert "the proctored run" not in page.text
    assert "the run has" not in page.text
    assert "29.04%" not in page.text
    assert "your own record 10 27.79%" in page.text
    assert "Average error" not in feedback(resnet20(of=result, own_epochs=[])).text
    elsewhere = resnet20(dataset={**result().dataset.model_dump(), "name": "cifar10-jpeg"}, status="no points")
    assert "This run's curve is not from the homework's own data: trained on 400 images" in feedback(elsewhere).text


@pytest.mark.parametrize("accuracies", [[0.0], [100.0], [0.0, 100.0], [39.9], [50.0] * 200])
def test_a_plot_stays_within_its_frame(accuracies: list[float]) -> None:
    page = feedback(resnet20(epochs=epochs(accuracies), own_epochs=[]))
    for one in paths(page):
        numbers = [float(number) for number in re.findall(r"[0-9.]+", one["d"] or "")]
        assert all(52 <= x <= 692 for x in numbers[::2])
        assert all(28 <= y <= 228 for y in numbers[1::2])


def test_the_class_has_everybodys_curve_and_the_median() -> None:
    short = resnet20("s2", epochs=epochs([35.1, 90.0, 56.0]), own_epochs=[])
    bad = resnet20("s3", epochs=[], own_epochs=[], record_notes=["history.csv: line 3: accuracy '<b>' is no number"])
    nothing = resnet20("s4", epochs=[], own_epochs=[])
    page = Page(class_report.class_report([resnet20(), short, bad, nothing], RESNET20_RUBRIC))
    assert "s1 10 84.55% 84.55% 29.04% 88.15% after epoch 10" in page.text
    assert "s2 3 56.00% 90.00% 39.63%" in page.text
    assert "s3 0 history.csv: line 3: accuracy '<b>' is no number" in page.text
    assert "1 2 35.10% 40.10% 45.10% 51.46%" in page.text
    assert "10 1 84.55% 84.55% 84.55% 68.15%" in page.text
    assert "51 0 78.57%" in page.text
    assert (paths(page)[0]["class"], (paths(page)[0]["d"] or "").count("M")) == ("raw", 2)
    assert "each of 2 runs" in page.text
    # What one student's record lacks is no news about everybody's run.
    assert "note" not in [attributes.get("role") for _, attributes in page.tags]
    assert "history.csv: line 3: accuracy '<b>' is no number." in feedback(bad).text
    alone = Page(class_report.class_report([nothing], RESNET20_RUBRIC))
    assert "The epochs" not in alone.text
    records = Page(class_report.class_report([resnet20(epochs=[])], RESNET20_RUBRIC))
    assert "s1 0 88.15% after epoch 10" in records.text


def test_a_preview_of_a_class_is_not_compared_either() -> None:
    page = Page(class_report.class_report([resnet20(of=result), resnet20("s2", of=result)], RESNET20_RUBRIC))
    assert "These runs' curves are a preview's: trained on 400 images of practice and tested on 200." in page.text


def test_the_pages_with_epochs_keep_the_rules_of_the_others() -> None:
    hostile_note = f"history.csv: {HOSTILE}"
    one = resnet20("../" + HOSTILE, record_notes=[hostile_note])
    for text in (feedback_page.feedback(one, RESNET20_RUBRIC), class_report.class_report([one], RESNET20_RUBRIC)):
        page = Page(text)
        ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
        assert len(ids) == len(set(ids))
        assert_only_our_script(text)
        assert not set(text) & {"\x00", "\x1b", "\u202e"}
        assert "url(" not in text
        assert "alert(1)" in page.text
        plots = [attributes for tag, attributes in page.tags if tag == "svg" and "aria-hidden" not in attributes]
        assert all(plot["role"] == "img" and plot["aria-labelledby"] in ids for plot in plots)
        assert "The epochs as a table" in page.text
        for scroller in (one for _, one in page.tags if "scroll" in (one.get("class") or "").split()):
            assert (scroller.get("tabindex"), scroller.get("role")) == ("0", "region")
            assert scroller.get("aria-label") or scroller.get("aria-labelledby") in ids


# --- how pages look --------------------------------------------------------------------------------------------------

COLOURS = re.compile(r"--([a-z-]+): (#[0-9a-f]{6})")


def contrast(first: str, second: str) -> float:
    """WCAG 2's contrast ratio of two colours."""

    def luminance(colour: str) -> float:
        channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        linear = [one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in channels]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    light, dark = sorted((luminance(first), luminance(second)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_text_has_the_contrast_of_level_aa_in_light_dark_and_print() -> None:
    style = (TEMPLATES / "base.html").read_text(encoding="utf-8")
    schemes = [dict(COLOURS.findall(block)) for block in re.findall(r":root \{(.*?)\}", style, re.DOTALL)]
    assert len(schemes) == 3
    for scheme in schemes:
        for ground in ("page", "card", "quiet", "note-card"):
            for ink in ("ink", "soft", "accent", "good", "bad", "note"):
                if (ground, ink) != ("note-card", "good"):
                    assert contrast(scheme[ink], scheme[ground]) >= 4.5, (ink, ground)
        for shade in drawing.SHADES:
            assert contrast(scheme["ink"], scheme[shade]) >= 4.5, shade


# --- what others reached, and what a training started from -----------------------------------------------------------

RESNET50 = homeworks.load("resnet50")
RESNET50_RUBRIC = rubric.load(ROOT / "grading_rubric.md", "resnet50")
FROM_NOTHING = "nothing, since the network doesn't fit the checkpoint: of its 373 entries 1 missing"


def resnet50(student: str = "s1", of: Any = full, **fields: Any) -> Result:
    """A result of resnet50, of a network that calls its linear layer otherwise."""
    entries = {entry.name.replace("fc.", "linear."): list(entry.shape) for entry in RESNET50.entries}
    given = {
        "homework": {"name": "resnet50", "title": "ResNet-50", "version": "0" * 12},
        "observations": right(network=Network(class_name="ResNet50_layer4", entries=entries), variants=[]),
        "started_from": "the checkpoint resnet50.safetensors (84.20%, SHA-256 01234567)",
        "checkpoint_sha256": "01234567" * 8,
    }
    return of(student, **{**given, **fields})


def test_single_numbers_of_others_stand_beside_the_runs() -> None:
    page = Page(feedback_page.feedback(resnet50(), RESNET50_RUBRIC))
    assert "Beside what others reached The others: one epoch from the course's own checkpoint. Whose" in page.text
    accuracy = resnet50().accuracy
    assert accuracy
    rows = f"This run {accuracy.counted_percent:.2f}% A report of the course 83.41% Another report of the course 82.51%"
    assert f"{rows} VGG-16, as the course reports it 86.43%" in page.text
    assert "The epochs" not in page.text
    of_class = Page(class_report.class_report([resnet50("s1"), resnet50("s2")], RESNET50_RUBRIC)).text
    assert f"The class's best {accuracy.counted_percent:.2f}% The class's median" in of_class


def test_files_that_are_alike_stand_in_the_class_report_alone() -> None:
    pairs = [Pair("s1", "s2", 100.0, 100.0, True), Pair("s1", "s3", 95.25, 91.0, False)]
    everybody = class_of_five()
    page = Page(class_report.class_report(everybody, RUBRIC, pairs)).text
    assert "s1 100.0% s2 100.0% the same file s1 95.2% s3 91.0%" in page
    assert "Files that are alike" not in Page(class_report.class_report(everybody, RUBRIC)).text


def test_numbers_that_do_not_compare_say_so() -> None:
    page = Page(feedback_page.feedback(resnet50(of=result), RESNET50_RUBRIC)).text
    assert "the numbers say nothing about each other." in page
    page = Page(feedback_page.feedback(resnet50(started_from=FROM_NOTHING, checkpoint_sha256=""), RESNET50_RUBRIC)).text
    assert "Here training started from nothing, so this is how far one gets without the checkpoint." in page
    untested = {"accuracy": None, "status": "no accuracy", "tier": None, "would_earn": None, "points": None}
    assert "Beside what others" not in Page(feedback_page.feedback(resnet50(**untested), RESNET50_RUBRIC)).text
    assert "Beside what others" not in Page(feedback_page.feedback(full(), RUBRIC)).text


def test_a_page_says_what_training_started_from_and_which_entries_differ() -> None:
    page = Page(feedback_page.feedback(resnet50(started_from=FROM_NOTHING, checkpoint_sha256=""), RESNET50_RUBRIC)).text
    assert f"Started from {FROM_NOTHING}" in page
    assert "Entries of the state dict that differ" in page
    assert "fc.weight missing 10x1024" in page
    assert "linear.weight 10x1024 missing" in page
    assert "Started from" not in Page(feedback_page.feedback(full(), RUBRIC)).text
