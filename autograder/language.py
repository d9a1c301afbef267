"""The language of what students read: English, or a translation of it in `locale/`.

Texts are written in English where they are made, as `_("{count:,} images").format(count=...)`, and looked up in the
catalogue of the language that was chosen. A text without a translation stays English. Thread-safe: each thread, and
each task, has its own choice. `make words` collects the texts.
"""

import contextlib
import gettext as gnu
import os
from collections.abc import Iterator
from contextvars import ContextVar
from functools import cache

from autograder.files import LOCALE

LANGUAGES = ("en", "ko")
VARIABLE = "AUTOGRADER_LANG"
"""The environment variable that says which, where nothing else does."""

_chosen: ContextVar[str] = ContextVar("language", default="en")


@contextlib.contextmanager
def spoken(language: str) -> Iterator[None]:
    """Within this context, texts are in `language`."""
    before = _chosen.set(language)
    try:
        yield
    finally:
        _chosen.reset(before)


def asked() -> str:
    """The language that `VARIABLE` names, else English."""
    named = os.environ.get(VARIABLE, "")
    return named if named in LANGUAGES else "en"


def chosen() -> str:
    """The language that texts are in: one of `LANGUAGES`."""
    return _chosen.get()


def gettext(text: str) -> str:
    """`text`, translated. Modules call it `_`."""
    return text and _catalogue(_chosen.get()).gettext(text)  # the translation of "" is a catalogue's header


def ngettext(one: str, many: str, count: int) -> str:
    """`one` or `many`, whichever suits `count`, translated."""
    return _catalogue(_chosen.get()).ngettext(one, many, count)


def marked(text: str) -> str:
    """`text` as it is: a constant, which is made before a language is chosen, and translated where it is shown."""
    return text


def duration(seconds: float) -> str:
    """`2:00:00`, `1:05`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


@cache
def _catalogue(language: str) -> gnu.NullTranslations:
    return gnu.translation("autograder", LOCALE, [language], fallback=True)
