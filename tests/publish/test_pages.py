"""The pages in a real browser: what they do there, what they load, and whether everybody can use them."""

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from support.golden import GOLDEN
from support.observed import right
from support.pages import CHROMIUM, RUBRIC
from support.results import HOSTILE, class_of_five, full, hostile, large_class, resnet20, training, various, with_kernel

from autograder.course import rubric
from autograder.files import ROOT
from autograder.publish import class_report, feedback_page
from autograder.publish.similar_files import Pair
from autograder.results.result import Result

RESNET20_RUBRIC = rubric.load(ROOT / "grading_rubric.md", "resnet20")

pytestmark = pytest.mark.skipif(CHROMIUM is None and "CI" not in os.environ, reason="no chromium")

WIDER = """() => Array.from(document.querySelectorAll("main *"))
  .filter((one) => one.getBoundingClientRect().right > document.documentElement.clientWidth)
  .map((one) => one.outerHTML.slice(0, 80))"""


@contextmanager
def opened(browser: Any, path: Path, **options: Any) -> Iterator[Any]:
    """A page with the file at `path`. In the end: nothing was complained about, and no request left the folder."""
    page = browser.new_page(**options)
    complaints: list[str] = []
    requests: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("dialog", lambda dialog: (complaints.append(f"dialog: {dialog.message}"), dialog.dismiss()))
    page.on("request", lambda request: requests.append(request.url))
    page.goto(path.as_uri())
    yield page
    page.close()
    assert complaints == []
    folder = path.parent.as_uri() + "/"
    assert requests
    assert [url for url in requests if not (url.startswith(folder) and url.endswith(".html"))] == []


def write(folder: Path, everybody: list[Result], alike: tuple[Pair, ...] = ()) -> Path:
    """The class report of `everybody` in `folder`, and their pages where it links to; the report's path."""
    for one in everybody:
        (folder / one.student).mkdir(parents=True, exist_ok=True)
        (folder / one.student / "feedback.html").write_text(feedback_page.feedback(one, RUBRIC), encoding="utf-8")
    path = folder / "report.html"
    path.write_text(class_report.class_report(everybody, RUBRIC, alike), encoding="utf-8")
    return path


def shown(page: Any) -> list[str]:
    """Students in the rows of the table that are shown, from the top."""
    rows = page.locator("#everybody tbody tr:visible th")
    return [text.strip() for text in rows.all_text_contents()]


def test_the_table_is_sorted_by_its_headers(browser: Any, tmp_path: Path) -> None:
    with opened(browser, write(tmp_path, various())) as page:
        assert shown(page) == ["s1", "s2", "s3", "s4", "s5", "s6"]
        header = page.locator("#everybody thead th").nth(2)
        assert header.get_attribute("aria-sort") is None
        button = page.get_by_role("button", name="Accuracy")
        button.click()
        assert header.get_attribute("aria-sort") == "ascending"
        assert shown(page) == ["s2", "s1", "s6", "s3", "s4", "s5"]  # 80.25 before 80.5, and those with none last
        button.click()
        assert header.get_attribute("aria-sort") == "descending"
        assert shown(page) == ["s3", "s6", "s1", "s2", "s4", "s5"]
        page.get_by_role("button", name="Points").focus()
        page.keyboard.press("Enter")
        assert header.get_attribute("aria-sort") is None
        assert shown(page) == ["s4", "s6", "s2", "s1", "s3", "s5"]  # 0, 0.5, 6, 20, none: by number, not by letter
        page.get_by_role("button", name="Student").click()
        assert shown(page) == ["s1", "s2", "s3", "s4", "s5", "s6"]


def test_the_table_is_filtered_and_says_how_many_are_left(browser: Any, tmp_path: Path) -> None:
    with opened(browser, write(tmp_path, various())) as page:
        count = page.get_by_role("status")
        assert count.inner_text() == "6 of 6 shown"
        search = page.get_by_label("Search in all columns")
        search.fill("CARVALHO <b>")
        assert shown(page) == ["s1"]
        assert count.inner_text() == "1 of 6 shown"
        search.fill("time-box 하늘")
        assert shown(page) == ["s2"]
        search.fill("nobody")
        assert count.inner_text() == "0 of 6 shown"
        search.fill("")
        only = page.get_by_label("Status")
        only.select_option("absent")
        assert shown(page) == ["s4"]
        search.fill("s1")
        assert shown(page) == []
        only.select_option("")
        page.get_by_role("button", name="Points").click()
        assert shown(page) == ["s1"]


def test_links_lead_to_the_pages_and_within_them(browser: Any, tmp_path: Path) -> None:
    everybody = [*class_of_five(), full("s 6/?#%é".replace("/", "_"))]
    with opened(browser, write(tmp_path, everybody)) as page:
        page.locator("#everybody").get_by_role("link", name="s 6").click()
        assert page.get_by_role("heading", level=1).inner_text() == "Feedback for s 6_?#%é"
        page.get_by_role("link", name="own-weights").click()
        assert page.evaluate("document.querySelector(':target').id") == "check-own-weights"
        page.go_back()
        page.go_back()
        addresses = page.evaluate("Array.from(document.querySelectorAll('a'), (link) => link.getAttribute('href'))")
    assert {address.split("/")[0] for address in addresses if "/" in address} >= {"s1", "s2", "s5"}


def test_mistakes_are_shown_as_pictures(browser: Any, tmp_path: Path) -> None:
    write(tmp_path, class_of_five())
    with opened(browser, tmp_path / "s1" / "feedback.html") as page:
        picture = page.get_by_role("img", name="Test image 17")
        assert picture.evaluate("one => [one.complete, one.naturalWidth, one.naturalHeight]") == [True, 32, 32]
        assert "taken for" in picture.locator("xpath=..").inner_text()
    with opened(browser, tmp_path / "s2" / "feedback.html") as page:
        assert page.locator("img").count() == 0


def test_without_javascript_everything_can_be_read(browser: Any, tmp_path: Path) -> None:
    with opened(browser, write(tmp_path, various()), java_script_enabled=False) as page:
        assert page.locator("#everybody tbody tr").count() == 6
        assert page.locator("#controls").is_hidden()
        assert page.get_by_role("button").count() == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(
    "name",
    [
        *("report.html", "s1/feedback.html", "resnet20.html", "resnet20-class.html"),
        *("feedback-band.html", "feedback-band-epochs.html"),
    ],
)
def test_axe_finds_nothing(browser: Any, tmp_path: Path, scheme: str, name: str) -> None:
    from axe_playwright_python.sync_playwright import Axe

    convs = [op.index for op in right().network.graph if op.kind == "conv"]  # type: ignore[union-attr]
    drawn = full("s1", training=training(), observations=with_kernel(convs[3], 5))
    write(tmp_path, [drawn, *class_of_five()[1:], *various()[1:3]], (Pair("s1", "s2", 100.0, 100.0, True),))
    epochs = (
        feedback_page.feedback(resnet20(), RESNET20_RUBRIC),
        class_report.class_report([resnet20()], RESNET20_RUBRIC),
    )
    for file, text in zip(("resnet20.html", "resnet20-class.html"), epochs, strict=True):
        (tmp_path / file).write_text(text, encoding="utf-8")
    for path in GOLDEN.glob("feedback-band*.html"):  # with the solution's own runs
        shutil.copy(path, tmp_path)
    size = {"width": 1280, "height": 12_000}  # what is out of sight isn't laid out, and not looked at
    options = {"color_scheme": scheme, "viewport": size, "bypass_csp": True}  # axe is a script of its own
    with opened(browser, tmp_path / name, **options) as page:
        page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
        found = Axe().run(page).response
    assert len(found["passes"]) > 20
    assert [(one["id"], [node["html"][:200] for node in one["nodes"]]) for one in found["violations"]] == []


def test_axe_would_find_something(browser: Any, tmp_path: Path) -> None:
    from axe_playwright_python.sync_playwright import Axe

    path = write(tmp_path, various())
    path.write_text(path.read_text(encoding="utf-8").replace("--soft: #555e6b", "--soft: #c5cedb"), encoding="utf-8")
    with opened(browser, path, color_scheme="light", bypass_csp=True) as page:
        violations = Axe().run(page).response["violations"]
    assert ("color-contrast", "serious") in [(one["id"], one["impact"]) for one in violations]


@pytest.mark.parametrize("name", ["report.html", "s1/feedback.html"])
def test_pages_print(browser: Any, tmp_path: Path, name: str) -> None:
    convs = [op.index for op in right().network.graph if op.kind == "conv"]  # type: ignore[union-attr]
    drawn = full("s1", training=training(), observations=with_kernel(convs[3], 5))
    write(tmp_path, [drawn, *various()[1:]])
    a4 = {"width": 718, "height": 1000}  # 21 cm without margins of 1 cm, at 96 to the inch
    with opened(browser, tmp_path / name, color_scheme="dark", viewport=a4) as page:
        pdf = page.pdf(format="A4")
        page.emulate_media(media="print")
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
        assert page.locator(".skip").is_hidden()
        assert page.locator("#controls:visible").count() == 0
        assert page.evaluate(WIDER) == []
    assert pdf.startswith(b"%PDF-")
    assert 2 <= len(re.findall(rb"/Type\s*/Page\b", pdf)) <= 12


@pytest.mark.parametrize("name", ["report.html", "s1/feedback.html"])
def test_pages_fit_a_telephone(browser: Any, tmp_path: Path, name: str) -> None:
    write(tmp_path, [full("s1", training=training(), observations=right()), *various()[1:]])
    with opened(browser, tmp_path / name, viewport={"width": 320, "height": 700}) as page:
        assert page.evaluate("document.documentElement.scrollWidth") == 320  # what is wider scrolls within its frame


def test_what_students_write_runs_nothing(browser: Any, tmp_path: Path) -> None:
    endless = "<script>alert(3)</script>" + "\u202ex" * 5_000_000
    check = full().checks[1].model_copy(update={"saw": endless, "why": HOSTILE})
    everybody = [
        hostile().model_copy(update={"student": "h1"}),
        full("h2", name=endless, message=endless, checks=[check], for_a_person=[endless], flags=[HOSTILE]),
    ]
    path = write(tmp_path, everybody)
    for file in (path, tmp_path / "h1" / "feedback.html", tmp_path / "h2" / "feedback.html"):
        assert file.stat().st_size < 300_000
        with opened(browser, file) as page:
            assert "alert(" in page.inner_text("main")
            assert page.locator("main script, img:not([src^='data:image/png;base64,'])").count() == 0
            assert "\u202e" not in page.content()
    # The same in the table, where a script moves rows about.
    with opened(browser, path) as page:
        page.get_by_role("button", name="Name").click()
        page.get_by_label("Search in all columns").fill("alert(3)")
        assert shown(page) == ["h2"]


def test_the_policy_lets_no_other_script_run(browser: Any, tmp_path: Path) -> None:
    path = write(tmp_path, various())
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("</main>", "<script>document.title = 'run'</script></main>"), encoding="utf-8")
    page = browser.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.goto(path.as_uri())
    assert page.title() == "hw6: class report"
    assert len(complaints) == 1
    assert "Content Security Policy" in complaints[0]
    assert page.get_by_role("status").inner_text() == "6 of 6 shown"
    page.close()


@pytest.mark.slow
def test_a_class_of_a_thousand_is_one_page(browser: Any, tmp_path: Path) -> None:
    everybody = large_class(1000)
    path = tmp_path / "report.html"
    path.write_text(class_report.class_report(everybody, RUBRIC), encoding="utf-8")
    assert path.stat().st_size < 5_000_000
    with opened(browser, path) as page:
        page.get_by_role("button", name="Accuracy").click()
        page.get_by_label("Search in all columns").fill("s0999")
        assert shown(page) == ["s0999"]
        assert page.locator(".multiples svg").count() == 1000
    assert max(len(feedback_page.feedback(one, RUBRIC)) for one in everybody[:20]) < 200_000
