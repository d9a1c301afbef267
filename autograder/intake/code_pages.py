"""Text in bytes that don't say their encoding: UTF-8, Korean Windows's, or another one.

Called for names in archives, for rosters and for grade files. Pure. The guess is made from all parts together: two
syllables in a code page can be valid UTF-8 by chance, all names of a class can't.
"""

import codecs
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from autograder.errors import KitError

_MARKS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))

PAGES = ("cp437", "cp850", "cp932", "gbk", "big5")
"""What programs that don't say it write names in: those of America, Western Europe, Japan, China and Taiwan."""


def guess(parts: Iterable[bytes], otherwise: str) -> str:
    """The encoding of all `parts`: "utf-8", else "cp949" where that gives Hangul, else `otherwise`."""
    unknown = [part for part in parts if not part.isascii()]
    if _all_are(unknown, "utf-8") is not None:
        return "utf-8"
    text = _all_are(unknown, "cp949")
    return "cp949" if text is not None and _is_korean(text) else otherwise


def of_names(parts: Sequence[bytes]) -> str:
    """The encoding of an archive's names: as `guess` has it, else the first of `PAGES` in which they are letters."""
    found = guess(parts, "")
    pages = (page for page in PAGES if (text := _all_are(parts, page)) is not None and _are_letters(text))
    return found or next(pages, PAGES[0])


def decoded(part: bytes, encoding: str, otherwise: str) -> str:
    """`part` decoded from `encoding`; where that fails, from `otherwise`, which decodes every byte."""
    try:
        return part.decode(encoding)
    except UnicodeDecodeError:
        return part.decode(otherwise)


@dataclass(frozen=True)
class Table:
    """A file of cells as text: what it begins with, how it is encoded, what stands between cells.

    Attributes:
        mark: the byte order mark, which isn't part of the text.
        start: where the first row begins in the text: after a line such as `sep=;`, which tells Excel the separator.
    """

    text: str
    mark: bytes
    encoding: str
    between: str
    start: int

    def encoded(self, text: str) -> bytes:
        """Another text in the file's own encoding; a letter that this lacks becomes a question mark."""
        return self.mark + text.encode(self.encoding, "replace")


def table(content: bytes, shown: str) -> Table:
    """The text of a roster or of a grade file. `shown` is what errors call it. Raises KitError where it isn't text."""
    mark, encoding = next((one for one in _MARKS if content.startswith(one[0])), (b"", ""))
    rest = content[len(mark) :]
    encoding = encoding or guess([rest], "cp1252")
    try:
        text = rest.decode(encoding)
    except UnicodeDecodeError as error:
        raise KitError(f"{shown}: no encoding is known that it is in", "save it as CSV UTF-8") from error
    if "\0" in text:
        raise KitError(f"{shown}: isn't text", "save it as CSV UTF-8")
    first = _first_line(text)
    if first.lower().startswith("sep=") and len(first) == 5:
        line_end = 2 if text[5:7] == "\r\n" else 1
        return Table(text, mark, encoding, first[4], min(len(text), 5 + line_end))
    return Table(text, mark, encoding, max("\t;,", key=first.count), 0)


def _first_line(text: str) -> str:
    """The first line, without what stands in quotes: a name may have a comma."""
    quoted, line = False, []
    for char in text:
        if char == '"':
            quoted = not quoted
        elif char in "\r\n" and not quoted:
            break
        elif not quoted:
            line.append(char)
    return "".join(line)


def _all_are(parts: Sequence[bytes], encoding: str) -> str | None:
    try:
        return "".join(part.decode(encoding) for part in parts)
    except UnicodeDecodeError:
        return None


def _are_letters(text: str) -> bool:
    """Whether all but ASCII is letters and accents; half a width, as cp932 has katakana, is in nobody's name."""
    others = [char for char in text if not char.isascii()]
    return all(unicodedata.category(char)[0] in "LM" and not "\uff61" <= char <= "\uff9f" for char in others)


def _is_korean(text: str) -> bool:
    """Whether most letters are of the 2,350 usual syllables: those of other code pages make rare ones, or Hanja."""
    others = [char for char in text if not char.isascii()]
    return 3 * sum("가" <= char <= "힣" and _is_usual(char) for char in others) > 2 * len(others)


def _is_usual(char: str) -> bool:
    return len(char.encode("euc_kr")) == 2  # it writes the rarer ones in parts, of eight bytes (KS X 1001, annex 3)
