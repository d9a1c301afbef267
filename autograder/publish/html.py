"""Pages made from templates: HTML texts that need nothing else, no network, no font, no file beside them.

Called by `feedback_page` and `class_report`. What students wrote (code, messages, names) is untrusted text: the
templates escape all of it and cut long texts. A page's Content-Security-Policy lets nothing load, and no script run but
`table.js`, which it names by its hash. That sorts and filters the class's table; without it everything can be read.

Templates are in `publish/templates/`: `base.html` holds the looks, the others the words.
"""

import base64
import hashlib
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from autograder import language
from autograder.checks import places
from autograder.course.rubric import points_text
from autograder.files import TEMPLATES
from autograder.language import duration
from autograder.language import gettext as _
from autograder.publish.charts import drawing

LONGEST_TEXT = 20_000  # characters of one untrusted text; the proctor's messages end there too
LONGEST_CELL = 300  # of those in the class's tables, where a thousand students may each have one


def render(name: str, /, templates: Path | None = None, **values: Any) -> str:
    """The page of the template called `name`, in the language that was chosen. `templates`: a folder with more."""
    return _environment(templates).get_template(name).render(language=language.chosen(), **values)


@cache
def _environment(more: Path | None) -> Environment:
    environment = Environment(
        loader=FileSystemLoader([TEMPLATES] if more is None else [TEMPLATES, more]),
        extensions=["jinja2.ext.i18n"],
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=printable,
        keep_trailing_newline=True,
    )
    # As `install_gettext_callables` does it, but that values pass `printable`: `finalize` sees none of them.
    environment.newstyle_gettext = True  # type: ignore[attr-defined]  # the extension's
    environment.globals |= {"_": lambda text: Markup(language.gettext(text)), "gettext": _said, "ngettext": _counted}
    environment.filters |= {
        "points": points_text,
        "duration": duration,
        "code": _code,
        "percent": lambda value: "-" if value is None else f"{value:.1f}%",
        "address": lambda student, file="feedback.html": quote(f"{student}/{file}"),
        "student_address": lambda student: f"/student/{quote(student, safe='')}",  # at the desk
        "shade": drawing.shade,
        "place": places.place,
        "places": places.places,
        "translated": language.gettext,  # a text that isn't a template's own
        "short": lambda text: _cut(text, LONGEST_CELL),
    }
    return environment


@cache
def script() -> dict[str, Markup]:
    """The class report's script, and the hash by which the page's policy lets it run."""
    text = (TEMPLATES / "table.js").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return {"text": Markup(text), "hash": Markup(f"sha256-{digest}")}


def _said(text: str, /, **values: Any) -> Markup:
    """The translation of a template's own text, which is markup, with values that are not."""
    return Markup(language.gettext(text)) % {name: printable(value) for name, value in values.items()}


def _counted(one: str, many: str, number: int, /, **values: Any) -> Markup:
    """The same of a text in two numbers."""
    return Markup(language.ngettext(one, many, number)) % {name: printable(value) for name, value in values.items()}


def _code(text: str) -> Markup:
    """Text, with what stands between backticks as code."""
    parts = [escape(part) for part in printable(text).split("`")]
    if len(parts) % 2 == 0:  # a backtick without its partner is a backtick
        parts[-2:] = [parts[-2] + "`" + parts[-1]]
    return Markup("").join(Markup("<code>{}</code>").format(part) if at % 2 else part for at, part in enumerate(parts))


def printable(value: Any) -> Any:
    """Untrusted text without what a page can't hold or shouldn't obey: control and direction characters, no end."""
    if not isinstance(value, str) or isinstance(value, Markup):
        return value
    value = _cut(value, LONGEST_TEXT)
    if value.isprintable():
        return value
    return "".join(char if char in "\n\t" or char.isprintable() else "�" for char in value)


def _cut(text: str, most: int) -> str:
    """`text`, or its first `most` characters and how many follow."""
    if len(text) <= most:
        return text
    return _("{text} … and {count:,} more characters").format(text=text[:most], count=len(text) - most)
