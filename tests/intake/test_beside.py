"""What travels with a submission: its own modules and what it reads, within limits, and nothing else."""

import io
import os
import zipfile
from pathlib import Path

import pytest

from autograder.intake import beside
from autograder.intake.hand_ins import collect
from autograder.intake.submission import Submission

SCRIPT = b"from net import Net\n"


def read(folder: Path, files: dict[str, bytes], homework: str = "hw6") -> Submission:
    """What is read of a student who handed in these files."""
    for name, content in files.items():
        (folder / "class" / "ann" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "class" / "ann" / name).write_bytes(content)
    (entry,) = collect(folder / "class", homework).entries
    assert entry.submission is not None, entry.message
    return entry.submission


def test_modules_and_small_files_travel(tmp_path: Path) -> None:
    files = {
        "hw6.py": SCRIPT,
        "net.py": b"class Net: pass\n",
        "parts/__init__.py": b"",
        "parts/block.py": b"x = 1\n",
        "settings.json": b"{}",
        "hw6_receipt.json": b"{}",
        "report.pdf": b"%PDF",
        "curve.png": b"png",
        "weights.pth": b"x",
        "data.zip": b"PK",
        ".git/config": b"x",
        "__pycache__/net.pyc": b"x",
    }
    handed_in = read(tmp_path, files)
    assert [path for path, _ in handed_in.beside] == ["net.py", "parts/__init__.py", "parts/block.py", "settings.json"]
    assert dict(handed_in.beside)["net.py"] == b"class Net: pass\n"


def test_out_of_an_archive_they_travel_too(tmp_path: Path) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, content in {"hw6/hw6.py": SCRIPT, "hw6/net.py": b"x = 1\n", "other.txt": b"x"}.items():
            archive.writestr(name, content)
    handed_in = read(tmp_path, {"hw6.zip": packed.getvalue()})
    assert [path for path, _ in handed_in.beside] == ["net.py"]


def test_limits_hold(tmp_path: Path) -> None:
    files = {f"part{number:02}.py": b"x = 1\n" for number in range(60)}
    handed_in = read(tmp_path, {"hw6.py": SCRIPT, "large.py": b"#" * (beside.LARGEST + 1), **files})
    assert len(handed_in.beside) == beside.MOST_FILES
    assert "large.py" not in dict(handed_in.beside)
    together = {f"part{number:02}.py": b"#" * beside.LARGEST for number in range(9)}
    handed_in = read(tmp_path / "large", {"hw6.py": SCRIPT, **together})
    assert sum(len(content) for _, content in handed_in.beside) == beside.LARGEST_TOGETHER


def test_links_and_what_is_given_stay_behind(tmp_path: Path) -> None:
    (tmp_path / "class" / "ann").mkdir(parents=True)
    (tmp_path / "class" / "ann" / "secret.py").symlink_to("/etc/passwd")
    os.mkfifo(tmp_path / "class" / "ann" / "pipe.py")
    files = {"resnet50_skeleton.py": b"x = 1\n", "main.py": b"another = 1\n", "net.py": b"x = 1\n"}
    handed_in = read(tmp_path, files, "resnet50")
    assert [path for path, _ in handed_in.beside] == ["net.py"]


@pytest.mark.parametrize("changed", [{"net.py": b"class Net: x = 2\n"}, {"another.py": b"x = 1\n"}, {}])
def test_another_module_is_another_submission(tmp_path: Path, changed: dict[str, bytes]) -> None:
    files = {"hw6.py": SCRIPT, "net.py": b"class Net: pass\n"}
    first = read(tmp_path / "first", files)
    second = read(tmp_path / "second", files | changed)
    assert first.sha256 == second.sha256
    assert (first.fingerprint == second.fingerprint) == (not changed)
