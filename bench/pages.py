"""Seconds to build the pages of a class, and until a browser can sort and filter its report.

A made-up class: everybody's twenty checks, graph of layers, 500 losses and confusion matrix. Chromium is headless; the
clock of its page starts when it is asked for the file. It writes nothing; two cores, about a minute.

    python bench/pages.py --students 1000
"""

import argparse
import os
import statistics
import sys
import tempfile
import time
from datetime import date
from pathlib import Path

from autograder.course import rubric
from autograder.files import ROOT
from autograder.machine import machine
from autograder.publish import class_report, feedback_page

sys.path.insert(0, str(ROOT / "tests"))
from support.observed import right
from support.pages import CHROMIUM
from support.results import large_class

TIMES = 5  # of the browser; the medians are printed
READY = "performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd"  # ms; our script has run by then
SORTED = """() => {
  const began = performance.now();
  document.querySelectorAll("#everybody thead button")[2].click();
  document.body.getBoundingClientRect();  // lays out what was moved
  return performance.now() - began;
}"""
FILTERED = """(words) => {
  const began = performance.now();
  const search = document.getElementById("search");
  search.value = words;
  search.dispatchEvent(new Event("input"));
  document.body.getBoundingClientRect();
  return performance.now() - began;
}"""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Seconds to build the pages of a class and to open its report.")
    parser.add_argument("--students", type=int, default=1000, help="how many (default: 1000)")
    students = parser.parse_args().students
    everybody = [one.model_copy(update={"observations": right()}) for one in large_class(students)]
    ruled = rubric.load(ROOT / "grading_rubric.md", "hw6")
    feedback_page.feedback(everybody[0], ruled)  # templates are compiled once
    began = time.perf_counter()
    pages = [feedback_page.feedback(one, ruled) for one in everybody]
    feedback_s = time.perf_counter() - began
    began = time.perf_counter()
    text = class_report.class_report(everybody, ruled)
    report_s = time.perf_counter() - began
    print(
        f"{date.today()} · {machine('cpu')} · load {os.getloadavg()[0]:.1f} · {students} students\n"
        f"feedback pages {feedback_s:.1f} s, {statistics.fmean(map(len, pages)) / 1e3:.0f} kB each; "
        f"class report {report_s:.2f} s, {len(text.encode()) / 1e6:.2f} MB"
    )
    if CHROMIUM is None:
        print("no chromium: the browser was not measured")
        return
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        path = Path(name) / "report.html"
        path.write_text(text, encoding="utf-8")
        print(in_a_browser(path))


def in_a_browser(path: Path) -> str:
    """Medians of opening, sorting and filtering the report at `path`, each time in a new browser."""
    from playwright.sync_api import sync_playwright

    times: list[tuple[float, ...]] = []
    with sync_playwright() as playwright:
        for _ in range(TIMES):
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
            version, page = browser.version, browser.new_page()
            began = time.perf_counter()
            page.goto(path.as_uri())
            page.locator("#everybody thead button").nth(2).click()
            clicked_s = time.perf_counter() - began
            ready_s, sorted_s = (page.evaluate(script) / 1000 for script in (READY, SORTED))
            filtered_s = page.evaluate(FILTERED, "check-number-3") / 1000
            times.append((ready_s, clicked_s, sorted_s, filtered_s))
            browser.close()
    ready, clicked, resorted, filtered = (statistics.median(column) for column in zip(*times, strict=True))
    return (
        f"Chromium {version}: script ready after {ready:.2f} s, first click on a header done after {clicked:.2f} s; "
        f"sorting {resorted:.2f} s, filtering {filtered:.2f} s (medians of {TIMES})"
    )


if __name__ == "__main__":
    main()
