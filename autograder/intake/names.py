"""Names as people read them: one key for ids, rosters and grade files, and the forms that one id comes in.

Called by whatever compares a name with another one. Pure.
"""

import re
import unicodedata

_PARTICIPANT = re.compile(
    r"(?:participant|참가자|참여자|teilnehmer[^\s\d]*|participante?)[ _]?(\d{1,18})", re.IGNORECASE
)
_TEXT = re.compile(r'=\s*"(.*)"', re.DOTALL)  # how a spreadsheet is told that a number is a text
_WHOLE = re.compile(r"\d+\.0+")


def key(text: str) -> str:
    """What two spellings of one name have in common: composed letters, small ones, single spaces, nothing invisible."""
    seen = "".join(char for char in text if unicodedata.category(char) != "Cf")
    folded = unicodedata.normalize("NFC", unicodedata.normalize("NFC", seen).casefold())
    return " ".join(folded.split())


def words(text: str) -> list[str]:
    """The words of a name's key: letters and digits; an underscore stands between words."""
    return re.findall(r"[^\W_]+", key(text))


def compact(text: str) -> str:
    """The key's letters and digits alone: systems leave out what stands between."""
    return "".join(words(text))


def cell(text: str) -> str:
    """What a cell says: 2019001 of `="2019001"`, of `'2019001`, of `#2019001` (Brightspace) and of `2019001.0`."""
    text = text.strip().strip("\ufeff").strip()
    if found := _TEXT.fullmatch(text):
        text = found[1].replace('""', '"').strip()
    if text[:1] in ("'", "#") and len(text) > 1:
        text = text[1:].strip()
    return text.partition(".")[0] if _WHOLE.fullmatch(text) else text


def participant(text: str) -> str | None:
    """123 of Moodle's "Participant 123"; None for anything else."""
    found = _PARTICIPANT.fullmatch(cell(text))
    return None if found is None else found[1]


def forms(text: str) -> set[str]:
    """The keys that an id in a cell may be found by."""
    found = {key(cell(text))}
    if number := participant(text):
        found.add(number)
    return found - {""}


def number(text: str) -> str:
    """An id of digits without its leading zeros, which spreadsheets take off; "" for any other."""
    id_ = key(cell(text))
    return id_.lstrip("0") if id_.isascii() and id_.isdigit() else ""


def without_zeros(text: str) -> str:
    """Its numbers without their leading zeros: "hw1" of "hw01"."""
    return re.sub(r"(?<!\d)0+(?=\d)", "", text)


def local_part(text: str) -> str:
    """What stands before the @ of an e-mail address, as a key; "" where it is none."""
    before, at, after = key(cell(text)).partition("@")
    return before if at and "." in after else ""


def differ(first: str, second: str) -> bool:
    """Whether two names can't be one person's: both are there, in one script, and no word of one is in the other.

    Accents count for nothing, and neither does the order of names, which systems turn around and write as one word.
    """
    one, other = without_accents(first), without_accents(second)
    if not (compact(one) and compact(other)) or not _scripts(one) & _scripts(other):
        return False
    shared = any(word in compact(other) for word in words(one) if len(word) > 1)
    return not (shared or any(word in compact(one) for word in words(other) if len(word) > 1))


def without_accents(text: str) -> str:
    """Letters without the accents of Europe."""
    parts = unicodedata.normalize("NFD", text)
    return unicodedata.normalize("NFC", "".join(char for char in parts if not "\u0300" <= char <= "\u036f"))


def _scripts(text: str) -> set[str]:
    return {unicodedata.name(char, "?").split()[0] for char in key(text) if char.isalpha()}


def shown_id(id_: str) -> str:
    """A student's id as a folder's name: the same, unless it isn't UTF-8, can't be shown, or would lead elsewhere."""
    text = id_.encode("utf-8", "backslashreplace").decode()  # a name in bytes that aren't UTF-8
    escaped = "".join(char if char.isprintable() and char != "/" else f"\\x{ord(char):02x}" for char in text)
    return f"({escaped})" if escaped in ("", ".", "..") else escaped
