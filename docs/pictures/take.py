"""Take the pictures of this folder again: pages of the example class, and the desk about it, after `make grade`.

python docs/pictures/take.py
"""

import io
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import sync_playwright

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
CLASS = ROOT / "grades" / "example" / "hw6"
STUDENT = "s0188-jonas-lindqvist"
PAGES = {"report": CLASS / "report.html", "feedback": CLASS / STUDENT / "feedback.html"}
SIZE = {"width": 1000, "height": 1900}  # of a page, from its top
DESK = {"width": 1280, "height": 1000}

sys.path[:0] = [str(ROOT), str(ROOT / "tests")]
from support.desk import served  # noqa: E402

from autograder.grading.decisions import Decisions  # noqa: E402
from autograder.results import store  # noqa: E402


def main() -> None:
    """Write a PNG file for each page."""
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))))
    os.environ["LOGNAME"] = "instructor"  # whose comment it is
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as folder:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for name, path in PAGES.items():
            page = browser.new_page(color_scheme="light", viewport=SIZE)
            page.goto(path.as_uri())
            keep(page, name)
        out = Path(shutil.copytree(CLASS, Path(folder) / "hw6"))  # what is decided for the picture stays there
        line = next(one.line for one in found(out).failed_checks if one.line)
        Decisions(out).comment(STUDENT, "How many blocks does this make? Print id() of each.", line)
        with served(out) as desk:
            page = browser.new_page(color_scheme="light", viewport=DESK)
            page.goto(desk.first)
            keep(page, "desk")
            page.goto(f"{desk.address}/student/{STUDENT}")
            page.locator(f"#L{max(1, line - 12)}").evaluate("(one) => scrollTo(0, one.offsetTop - 60)")
            keep(page, "student")
        browser.close()


def found(out: Path) -> Any:
    """The student's result. Raises SystemExit where the example class wasn't graded."""
    result = store.read(out / STUDENT)
    if result is None:
        raise SystemExit("grade the example class first: make grade")
    return result


def keep(page: Any, name: str) -> None:
    """Write what a page shows."""
    taken = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    taken.quantize(128, dither=Image.Dither.NONE).save(HERE / f"{name}.png", optimize=True)
    print(HERE / f"{name}.png")


if __name__ == "__main__":
    main()
