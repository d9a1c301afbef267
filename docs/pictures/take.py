"""Take the pictures of this folder again: pages of the example class, after `make grade`.

python docs/pictures/take.py
"""

import io
import shutil
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

HERE = Path(__file__).resolve().parent
CLASS = HERE.parent.parent / "grades" / "example" / "hw6"
PAGES = {"report": CLASS / "report.html", "feedback": CLASS / "s0188-jonas-lindqvist" / "feedback.html"}
SIZE = {"width": 1000, "height": 1900}  # of a page, from its top


def main() -> None:
    """Write a PNG file for each page."""
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for name, path in PAGES.items():
            page = browser.new_page(color_scheme="light", viewport=SIZE)
            page.goto(path.as_uri())
            taken = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
            taken.quantize(128, dither=Image.Dither.NONE).save(HERE / f"{name}.png", optimize=True)
            print(HERE / f"{name}.png")
        browser.close()


if __name__ == "__main__":
    main()
