"""Notebooks from the code of their cells."""

import json
from collections.abc import Sequence
from typing import Any


def notebook(cells: Sequence[str], printed: str = "", language: str = "python") -> str:
    """The JSON of a notebook with these code cells; the last one has printed `printed`."""
    outputs: list[dict[str, Any]] = [{"output_type": "stream", "name": "stdout", "text": printed}] if printed else []
    made = [
        {
            "cell_type": "code",
            "execution_count": number,
            "metadata": {},
            "outputs": outputs if number == len(cells) else [],
            "source": source,
        }
        for number, source in enumerate(cells, 1)
    ]
    metadata = {"kernelspec": {"name": "kernel", "display_name": "Kernel", "language": language}}
    return json.dumps({"cells": made, "metadata": metadata, "nbformat": 4, "nbformat_minor": 4})
