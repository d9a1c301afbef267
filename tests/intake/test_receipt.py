"""Receipts: what a check leaves behind, what a grader reads of one that anybody may have written, where it shows."""

import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from autograder.intake import hand_ins, receipt
from autograder.intake.receipt import Receipt
from autograder.runner import nvidia_smi

SCRIPT = b"print('hello')\n"


def made(**changes: Any) -> Receipt:
    values: dict[str, Any] = {
        "homework": "hw6",
        "file": "hw6.py",
        "sha256": hashlib.sha256(SCRIPT).hexdigest(),
        "time": datetime(2026, 11, 27, 14, 0, tzinfo=UTC),
        "kit": "0.1.0",
        "rubric": "3f9c",
        "dataset": "cifar10 d4c8",
        "protocol": "full",
        "device": "cuda",
        "gpu": "Some GPU",
        "seconds": 312.4,
        "epochs": 5.0,
        "outcome": "GRADED",
        "accuracy_percent": 83.25,
        "tier": "over 70%",
        "checks": {"builds": "passed", "step": "failed"},
    }
    return Receipt(**(values | changes))


def test_what_is_written_is_read_and_says_what_it_is_worth(tmp_path: Path) -> None:
    path = receipt.write(made(), tmp_path, "hw6")
    assert path.name == "hw6_receipt.json"
    assert json.loads(path.read_text())["note"].startswith("This proves nothing")
    read = receipt.read(path.read_bytes())
    assert read == made()
    words = "83.2% after 5 epochs (full protocol, cifar10, Some GPU, 312 s, 2026-11-27 14:00), 1 checks failed"
    assert receipt.of(read, SCRIPT) == words
    assert receipt.of(read, b"another\n") == f"{words}; of another file than this one"
    assert made(accuracy_percent=None, outcome="TIMEOUT", gpu="").says().startswith("no accuracy (TIMEOUT) (full")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "not a receipt"),
        (b"[]", "not a receipt"),
        (b"\xff\xfe", "not a receipt"),
        (b"[" * 100_000, "larger than 64 KiB"),
        (b"[" * 60_000, "not a receipt"),
        (json.dumps({"homework": "hw6"}).encode(), "not a receipt"),
        (made().model_dump_json().replace("83.25", "1e999").encode(), "accuracy_percent"),
        (made().model_dump_json().replace("83.25", "101").encode(), "accuracy_percent"),
        (made().model_dump_json().replace("312.4", "NaN").encode(), "not a receipt"),
        (made().model_dump_json().replace("Some GPU", "x" * 300).encode(), "gpu"),
    ],
)
def test_anybody_may_have_written_it(content: bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=reason) as raised:
        receipt.read(content)
    assert len(str(raised.value)) < 200


def test_a_receipt_beside_the_file_is_read(tmp_path: Path) -> None:
    for student, content in {
        "ann": made().model_dump_json(),
        "bob": made(sha256="0" * 64, tier="\x1b[31m").model_dump_json(),
        "cy": "{",
        "di": None,
    }.items():
        (tmp_path / student).mkdir()
        (tmp_path / student / "hw6.py").write_bytes(SCRIPT)
        if content is not None:
            (tmp_path / student / "HW6_receipt.json").write_text(content)
    found = {entry.student: entry for entry in hand_ins.collect(tmp_path, "hw6").entries}
    assert all(entry.outcome == "READ" for entry in found.values())
    assert found["ann"].receipt == made().says()
    assert found["bob"].receipt == f"{made().says()}; of another file than this one"
    assert found["cy"].receipt.startswith("HW6_receipt.json can't be read: not a receipt")
    assert found["di"].receipt == ""


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "ann").mkdir()
    (tmp_path / "ann" / "hw6.py").write_bytes(SCRIPT)
    (tmp_path / "ann" / "hw6_receipt.json").symlink_to("/etc/passwd")
    (entry,) = hand_ins.collect(tmp_path, "hw6").entries
    assert entry.receipt == "hw6_receipt.json can't be read: a link to somewhere else"


def test_without_a_gpu_there_is_no_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert nvidia_smi.gpu_name() == ""
    tool = tmp_path / "nvidia-smi"  # a stand-in: no test machine has one
    tool.write_text("#!/bin/sh\necho 'NVIDIA A GPU'\necho second\n")
    tool.chmod(0o755)
    assert nvidia_smi.gpu_name() == "NVIDIA A GPU"
    tool.write_text("#!/bin/sh\nexit 9\n")
    assert nvidia_smi.gpu_name() == ""
