"""The homeworks that ship with the kit: a module each, which holds its declaration, `HOMEWORK`.

A new module here is a new homework; nothing else lists them.
"""

import importlib
import pkgutil

from autograder.course.homework import Homework
from autograder.errors import KitError


def names() -> list[str]:
    """What the homeworks are called, sorted."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def load(name: str) -> Homework:
    """The homework called `name`. Raises KitError when there is none."""
    if name not in names():
        raise KitError(f"there is no homework called {name!r}", f"choose one of: {', '.join(names())}")
    homework: Homework = importlib.import_module(f"{__name__}.{name}").HOMEWORK
    return homework
