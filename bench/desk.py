"""What the desk takes for a class of a thousand: to start, to answer, until a browser can be used, and its memory.

A made-up class, as `pages.py` makes it, is written once; the desk is the real process, and Chromium headless. Requests
are asked for from this machine, one after the other, while results go on changing as in a run. It leaves nothing
behind; two cores, some minutes, most of them for writing the class.

    python bench/desk.py --students 1000
"""

import argparse
import http.client
import os
import statistics
import sys
import tempfile
import time
from datetime import date
from pathlib import Path

import psutil
from pages import FILTERED

from autograder.course import rubric
from autograder.files import ROOT, write_text
from autograder.machine import machine
from autograder.publish import feedback_page
from autograder.results import history, store

sys.path.insert(0, str(ROOT / "tests"))
from support.desk import Served, served
from support.observed import right
from support.pages import CHROMIUM
from support.results import large_class

TIMES = 20  # requests of each kind
BROWSERS = 5
CHANGES = 200  # results that change while memory is watched


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="What the desk takes for a class of a thousand.")
    parser.add_argument("--students", type=int, default=1000, help="how many (default: 1000)")
    students = parser.parse_args().students
    print(f"{date.today()} · {machine('cpu')} · load {os.getloadavg()[0]:.1f} · {students} students", flush=True)
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        out = Path(name) / "out"
        everybody = [one.model_copy(update={"observations": right()}) for one in large_class(students)]
        for one in everybody:
            store.write(out / one.student, one)
            history.add(out, "result", one.student, points=one.points, key=one.key)
        ruled = rubric.load(ROOT / "grading_rubric.md", "hw6")
        write_text(out / everybody[0].student / "feedback.html", feedback_page.feedback(everybody[0], ruled))
        began = time.perf_counter()
        with served(out) as desk:
            print(f"start, with every result read: {time.perf_counter() - began:.1f} s", flush=True)
            cookie = cookie_of(desk)
            for what, path in (("the class", "/"), ("a student", f"/student/{everybody[0].student}")):
                times = [asked(desk, path, cookie) for _ in range(TIMES)]
                print(f"{what}: median {1000 * statistics.median(times):.0f} ms, most {1000 * max(times):.0f} ms")
            if CHROMIUM is not None:
                print(in_a_browser(desk))
            process = psutil.Process(desk.process.pid)
            before = process.memory_info().rss / 2**20
            grown = []
            for number in range(CHANGES):
                one = everybody[number % students]
                history.add(out, "result", one.student, points=float(number % 20), key=one.key)
                store.write(out / one.student, one)
                asked(desk, "/", cookie)
                if number % (CHANGES // 4) == CHANGES // 4 - 1:
                    grown.append(process.memory_info().rss / 2**20)
            after = ", ".join(f"{mib:.0f}" for mib in grown)
            print(f"memory: {before:.0f} MiB; while {CHANGES} results change and the class is asked for: {after} MiB")


def cookie_of(desk: Served) -> str:
    """What the desk knows its user by."""
    connection = http.client.HTTPConnection(desk.address.partition("//")[2], timeout=60)
    connection.request("GET", "/?" + desk.first.partition("?")[2])
    answer = connection.getresponse()
    return answer.headers["Set-Cookie"].partition(";")[0]


def asked(desk: Served, path: str, cookie: str) -> float:
    """Seconds until a page is here whole."""
    began = time.perf_counter()
    connection = http.client.HTTPConnection(desk.address.partition("//")[2], timeout=60)
    connection.request("GET", path, headers={"Cookie": cookie})
    answer = connection.getresponse()
    answer.read()
    if answer.status != 200:
        raise SystemExit(f"{path}: {answer.status}")
    return time.perf_counter() - began


def in_a_browser(desk: Served) -> str:
    """Medians of opening the class and of filtering it, each time in a new browser."""
    from playwright.sync_api import sync_playwright

    times: list[tuple[float, float]] = []
    with sync_playwright() as playwright:
        for _ in range(BROWSERS):
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
            version, page = browser.version, browser.new_page()
            began = time.perf_counter()
            page.goto(desk.first)
            page.locator("#everybody thead button").nth(3).click()
            clicked_s = time.perf_counter() - began
            times.append((clicked_s, page.evaluate(FILTERED, "s0999") / 1000))
            browser.close()
    clicked, filtered = (statistics.median(column) for column in zip(*times, strict=True))
    return (
        f"Chromium {version}: opened, and sorted by a click, after {clicked:.2f} s; filtering {filtered:.2f} s "
        f"(medians of {BROWSERS})"
    )


if __name__ == "__main__":
    main()
