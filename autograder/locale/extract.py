"""Finds what checks say, for the catalogues: an extractor for Babel, which `babel.cfg` names.

Called by `make words` and by the tests. A check's title is its docstring, and its hints are arguments of its decorator
(see `checks/wording.py`): no call marks them as text to translate. What calls mark is found beside them, as anywhere.
"""

import ast
from collections.abc import Collection, Iterator, Mapping
from typing import IO, Any

from babel.messages.extract import extract_python

Found = tuple[int, Any, Any, Any]
"""What Babel wants of each text: its line, the function that marks it, the text or texts, comments for translators."""


def checks(
    file: IO[bytes],
    keywords: Mapping[str, Any],
    comment_tags: Collection[str],
    options: Mapping[str, Any],
) -> Iterator[Found]:
    """The title, the hint and the further hint of each check in `file`, and whatever `keywords` mark."""
    source = file.read()
    for node in ast.walk(ast.parse(source)):
        for decorator in getattr(node, "decorator_list", ()):
            if not (isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == "check"):
                continue
            if title := ast.get_docstring(node, clean=False):  # type: ignore[arg-type]  # what is decorated has one
                yield node.lineno, None, title, []  # type: ignore[attr-defined]
            for argument in decorator.keywords:
                if argument.arg in ("hint", "more"):
                    yield argument.value.lineno, None, ast.literal_eval(argument.value), []
    file.seek(0)
    yield from extract_python(file, keywords, comment_tags, options)  # type: ignore[arg-type]
