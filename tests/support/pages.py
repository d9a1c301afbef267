"""What is published, as tests read it: pages by their tags and words, and the browser that shows them."""

import shutil
from html.parser import HTMLParser

from autograder.course import rubric
from autograder.files import ROOT

RUBRIC = rubric.load(ROOT / "grading_rubric.md", "hw6")


class Page(HTMLParser):
    """A page's tags with their attributes, its text and its scripts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.scripts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attributes)))

    def handle_data(self, data: str) -> None:
        if self.cdata_elem == "script":
            self.scripts.append(data)
        elif self.cdata_elem != "style":
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


RESNET20_RUBRIC = rubric.load(ROOT / "grading_rubric.md", "resnet20")


CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
