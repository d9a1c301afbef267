"""What people read, kept in `tests/golden/`: compared to the letter."""

import os
from pathlib import Path

GOLDEN = Path(__file__).parent.parent / "golden"


def golden(name: str, text: str) -> None:
    """`text` is what the file holds; with UPDATE_GOLDEN=1 in the environment, it is what the file holds from now on."""
    path = GOLDEN / name
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")
