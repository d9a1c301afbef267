"""The command line: what it accepts, what it says, and what it exits with."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from support.command_line import Command

from autograder import __version__
from autograder.commands import grade, options
from autograder.commands.options import book_of
from autograder.commands.request import ClassRequest
from autograder.commands.student import check
from autograder.course import dataset, prepare
from autograder.errors import KitError
from autograder.files import ROOT
from autograder.sandbox.sandbox import Sandbox


def test_version(autograder: Command, capsys: pytest.CaptureFixture[str]) -> None:
    assert autograder("--version") == 0
    assert capsys.readouterr().out == f"autograder {__version__}\n"


@pytest.mark.parametrize(
    ("words", "options"),
    [
        (["check"], "--homework --json --train --protocol --data --sandbox --verbose"),
        (["grade"], "--out --homework --data --protocol --deadline --hours --workers --sandbox"),
        (["release"], "HOMEWORK"),
        (["data", "fetch"], "--from --name --root"),
        (["data", "practice"], "--root"),
        (["data", "list"], "--root"),
        (["data", "verify"], "--root"),
    ],
)
def test_help_names_every_option(
    autograder: Command, capsys: pytest.CaptureFixture[str], words: list[str], options: str
) -> None:
    assert autograder(*words, "--help") == 0
    shown = capsys.readouterr().out
    assert [option for option in options.split() if option not in shown] == []
    assert "..." not in shown.replace("]...", "")  # nothing is cut short


@pytest.mark.parametrize(
    "words",
    [
        ["bogus"],
        ["check"],
        ["check", "a.py", "--protocol", "quick"],
        ["grade", "folder"],
        ["grade", "folder", "--out", "out", "--hours", "0"],
        ["grade", "folder", "--out", "out", "--hours", "nan"],
        ["grade", "folder", "--out", "out", "--workers", "0"],
        ["grade", "folder", "--out", "out", "--sandbox", "docker"],
    ],
)
def test_words_that_make_no_sense_exit_with_2(
    autograder: Command, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    assert autograder(*words) == 2
    assert "Traceback" not in capsys.readouterr().err


def test_bad_input_is_one_line_and_a_hint(
    autograder: Command, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert autograder("data", "verify", "nothing", "--root", tmp_path) == 2
    error, hint = capsys.readouterr().err.splitlines()
    assert error == f"error: {tmp_path / 'nothing'}: no dataset is there"
    assert hint.startswith("hint: ")


def test_an_error_says_what_to_exit_with(
    autograder: Command, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise KitError("it can't be", exit_code=7)

    monkeypatch.setattr(prepare, "practice", refuse)
    assert autograder("data", "practice") == 7
    assert capsys.readouterr().err == "error: it can't be\n"


def test_a_crash_of_ours_keeps_its_traceback(
    autograder: Command, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(*_: object) -> None:
        raise ZeroDivisionError("ours")

    monkeypatch.setattr(dataset, "prepared", crash)
    assert autograder("data", "list") == 1
    shown = capsys.readouterr().err
    assert "in crash" in shown
    assert "ZeroDivisionError: ours" in shown
    assert shown.splitlines()[-1].startswith("error: autograder itself failed")


def test_an_interrupt_exits_with_130(autograder: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(prepare, "practice", interrupt)
    assert autograder("data", "practice") == 130


def test_data_is_prepared_listed_and_verified(
    autograder: Command, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert autograder("data", "list", "--root", tmp_path) == 0
    assert "autograder data practice" in capsys.readouterr().out

    assert autograder("data", "practice", "--root", tmp_path) == 0
    assert capsys.readouterr().out.startswith("practice: 2,000 training and 1,000 test images in ")

    assert autograder("data", "list", "--root", tmp_path) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("practice   2,000 +  1,000 images   10 classes  ")

    for words in ([], ["practice"], [tmp_path / "practice"]):
        assert autograder("data", "verify", *words, "--root", tmp_path) == 0
        assert capsys.readouterr().out.startswith("practice: unchanged (")

    images = np.load(tmp_path / "practice" / "train_images.npy", mmap_mode="r+")
    images[7, 0, 0, 0] ^= 1
    images.flush()
    assert autograder("data", "verify", "--root", tmp_path) == 2
    assert "another SHA-256" in capsys.readouterr().err


def test_an_image_folder_is_imported(autograder: Command, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    from PIL import Image

    for split in ("train", "test"):
        for label in ("cat", "dog"):
            folder = tmp_path / "pictures" / split / label
            folder.mkdir(parents=True)
            Image.new("RGB", (32, 32)).save(folder / "1.png")
    assert autograder("data", "fetch", "--from", tmp_path / "pictures", "--name", "pets", "--root", tmp_path) == 0
    assert capsys.readouterr().out.startswith(f"pets: 2 training and 2 test images in {tmp_path / 'pets'} ")


def test_check_gets_what_was_said(autograder: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[check.CheckRequest] = []
    monkeypatch.setattr(check, "check", lambda request: (said.append(request), 1)[1])
    monkeypatch.setattr(dataset, "default_root", lambda: Path("/datasets"))
    words = (
        "a.py --homework hw6 --json --train --protocol full --data practice --sandbox none --verbose --checkpoint none"
    )
    assert autograder("check", *words.split()) == 1
    assert [vars(request) for request in said] == [
        {
            "file": Path("a.py"),
            "homework": "hw6",
            "as_json": True,
            "train": True,
            "protocol": "full",
            "data": Path("/datasets/practice"),
            "sandbox": "none",
            "verbose": True,
            "checkpoint": "none",
            "receipt": None,
        }
    ]


def test_grade_gets_what_was_said(autograder: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    said: list[ClassRequest] = []
    monkeypatch.setattr(grade, "grade", lambda request: (said.append(request), 0)[1])
    words = "class --out grades --protocol preview --data some/folder --hours 1.5 --workers 3 --sandbox bwrap"
    words += " --homework hw6 --checkpoint a/file --lms canvas --timezone Asia/Seoul --roster a.csv --gpus 0,3"
    words += " --extension s1=2026-12-03T23:59 --extension s2=x"
    assert autograder("grade", *words.split(), "--deadline", "2026-11-30 23:59") == 0
    assert said[0].model_dump() == {
        "submissions": Path("class"),
        "out": Path("grades"),
        "homework": "hw6",
        "protocol": "preview",
        "data": Path("some/folder"),
        "hours": 1.5,
        "workers": 3,
        "sandbox": "bwrap",
        "deadline": "2026-11-30 23:59",
        "extension": ["s1=2026-12-03T23:59", "s2=x"],
        "checkpoint": "a/file",
        "language": "en",
        "lms": "canvas",
        "timezone": "Asia/Seoul",
        "roster": Path("a.csv"),
        "gradebook": None,
        "cluster": None,
        "slurm": None,
        "fresh": False,
        "gpus": "0,3",
        "test_images": None,
    }
    assert book_of(Path("grades"), None) == f"sqlite:///{Path('grades').resolve()}/gradebook.db"
    (tmp_path / "run.json").write_text(said[0].kept())
    kept = ClassRequest.model_validate_json((tmp_path / "run.json").read_bytes())
    assert kept.submissions == Path("class").resolve()
    assert kept.model_copy(update={"submissions": Path("class"), "out": Path("grades")}).hours == 1.5
    words = "class --out grades --homework hw6 --cluster tls://grading:8786 --fresh"
    assert autograder("grade", *words.split()) == 0
    assert said[1].cluster == "tls://grading:8786"
    assert said[1].fresh is True
    shown: list[ClassRequest] = []
    monkeypatch.setattr(grade, "show_class", shown.append)
    assert autograder("grade", *words.split(), "--dry-run") == 0
    assert (len(said), shown) == (2, [said[1]])


@pytest.mark.parametrize("more", ["--slurm jobs.yaml", "--workers 2"])
def test_another_place_for_the_class_says_for_itself_how_many(
    autograder: Command, capsys: pytest.CaptureFixture[str], more: str
) -> None:
    words = f"class --out grades --homework hw6 --cluster tls://grading:8786 {more}"
    assert autograder("grade", *words.split()) == 2
    assert "Traceback" not in capsys.readouterr().err


def test_grade_wants_to_know_which_homework(
    autograder: Command, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("autograder.homeworks.names", lambda: ["first", "second"])
    assert autograder("grade", tmp_path, "--out", tmp_path / "out") == 2
    assert "hint: say which: --homework first | second" in capsys.readouterr().err


def test_a_folder_with_a_dataset_goes_before_a_name(
    autograder: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    assert autograder("data", "practice", "--root", tmp_path) == 0
    assert options.dataset_folder("practice") == Path("practice")
    assert options.dataset_folder("cifar10") == dataset.default_root() / "cifar10"
    assert options.dataset_folder(str(tmp_path / "missing")) == tmp_path / "missing"
    (tmp_path / "several").mkdir()
    assert options.dataset_folder("several") == Path("several")


def _modules_after(*words: str) -> set[str]:
    """What is imported in a process of its own when it has run the command with `words`."""
    program = (
        "import sys\n"
        "from autograder.commands.app import main\n"
        "try:\n"
        "    main()\n"
        "except SystemExit:\n"
        "    print('\\n'.join(['', *sorted(sys.modules)]), file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", program, *words], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(done.stderr.splitlines())


def test_help_imports_next_to_nothing() -> None:
    heavy = {"torch", "torchvision", "numpy", "pytest", "jupytext", "distributed", "jinja2"}
    assert not heavy & _modules_after("check", "--help")


@pytest.mark.slow
def test_check_leaves_torch_to_the_sandbox(sandbox_bwrap: Sandbox) -> None:
    example = ROOT / "examples" / "submissions" / "hw6" / "s0204-mei-tanaka" / "hw6.py"
    imported = _modules_after("check", str(example))
    assert "autograder.runner.observe" in imported
    assert not {"torch", "torchvision", "distributed"} & imported
