"""What `autograder new` reads of a solution's text, and what it writes of it; making whole homeworks takes longer."""

import ast
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from autograder.commands.course import homework_files, new_homework
from autograder.commands.course.read_solution import read
from autograder.course.homework import AskedOptimizer
from autograder.errors import KitError
from autograder.files import ROOT

SCRIPTS = ROOT / "tests" / "scripts"
LENET = (SCRIPTS / "lenet.py").read_text()


def written(folder: Path, text: str) -> Path:
    path = folder / "own.py"
    path.write_text(text)
    return path


def test_a_solution_says_its_data_its_network_and_its_questions() -> None:
    found = read("lenet", SCRIPTS / "lenet.py")
    assert (found.dataset, found.data, found.network, found.arguments, found.epochs) == (
        "mnist",
        None,
        "LeNet",
        (10,),
        3,
    )
    asked = {question.number: question.check for question in found.questions}
    assert asked == {1: "device", 2: "optimizer", 3: "zero-grad", 4: "backward", 5: "step"}
    assert found.questions[2].title == "Set all gradients to zero"
    assert found.untold == ()


def test_what_stands_behind_a_name_is_looked_up(tmp_path: Path) -> None:
    text = LENET.replace("net = LeNet(10)", "CLASSES = 10\nEPOCHS = 7\nnet = LeNet(CLASSES)")
    for loop, epochs in {
        "range(EPOCHS)": 7,
        "range(1, EPOCHS + 1)": 7,
        "range(0, 5)": 5,
        "range(2, EPOCHS)": 5,
        "range(0, 9, 3)": None,
        "range(ROUNDS)": None,
    }.items():
        found = read("own", written(tmp_path, text.replace("range(3)", loop)))
        assert (found.arguments, found.epochs) == ((10,), epochs), loop


def test_a_question_that_no_check_knows_is_told(tmp_path: Path) -> None:
    text = LENET.replace("optimizer.zero_grad()", "print(epoch)")
    assert read("own", written(tmp_path, text)).untold == (3,)


def test_arrays_beside_it_say_their_shape(tmp_path: Path) -> None:
    arrays = {f"{split}_inputs": np.arange(24).reshape(6, 4) for split in ("train", "test")}
    np.savez(tmp_path / "own.npz", **arrays, train_targets=np.arange(6) % 3, test_targets=np.zeros(6, dtype=int))
    lines = [line for line in LENET.splitlines() if "MNIST" not in line]
    text = "\n".join(lines).replace("torch.manual_seed(0)", 'import numpy as np\ndata = np.load("own.npz")')
    data = read("own", written(tmp_path, text)).data
    assert data is not None
    assert (data.image_shape, data.classes, data.dtype, data.values, data.read_as) == ((4,), 3, "int64", 24, "own.npz")


def test_a_folder_beside_it_says_its_classes_and_the_size_of_its_pictures(tmp_path: Path) -> None:
    for split, count in (("train", 2), ("test", 1)):
        for name in ("ant", "bee"):
            for number in range(count):
                path = tmp_path / "insects" / split / name / f"{number}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.new("RGB", (48, 40)).save(path)
    text = LENET.replace(
        'torchvision.datasets.MNIST(root="./data", train=True, download=True', 'ImageFolder("insects/train"'
    )
    data = read("own", written(tmp_path, text)).data
    assert data is not None
    assert (data.image_shape, data.classes, data.train_count, data.test_count) == ((40, 48, 3), 2, 4, 2)


@pytest.mark.parametrize(
    ("right", "wrong", "words"),
    [
        ("### BEGIN SOLUTION", "# begin", "holds no '### BEGIN SOLUTION'"),
        ("datasets.MNIST", "datasets.Omniglot", "reads no data that can be stood in for"),
        ("net = LeNet(10)", "net = LeNet(num_classes=10)", "more than whole numbers"),
        ("net = LeNet(10)", "net = nn.Linear(1, 1)", "builds no class of its own"),
        ("import torch\n", "import torch (\n", "can't be read"),
    ],
)
def test_what_cannot_be_told_is_said_in_a_line(tmp_path: Path, right: str, wrong: str, words: str) -> None:
    assert right in LENET
    with pytest.raises(KitError) as error:
        read("own", written(tmp_path, LENET.replace(right, wrong)))
    assert words in error.value.message
    assert error.value.hint


def test_the_examples_are_right_open_and_wrong() -> None:
    found = homework_files.examples(LENET)
    assert list(found) == ["s1-right", "s2-blank", "s3-no-zero-grad"]
    assert not any("SOLUTION" in script for script in found.values())
    for script in found.values():
        ast.parse(script)
    assert "\n...\n" in found["s2-blank"]
    assert "zero_grad" not in found["s3-no-zero-grad"]


def test_the_declaration_is_python_and_asks_what_nobody_could_know() -> None:
    reading = read("lenet", SCRIPTS / "lenet.py")
    draft = homework_files.second_draft(
        homework_files.first_draft("lenet", reading), (1, 28, 28), (10,), AskedOptimizer("SGD", 0.9)
    )
    text = homework_files.declaration(draft, recorded=True)
    ast.parse(text)
    assert text.count("?") >= 4
    assert 'optimizer=AskedOptimizer("SGD", momentum=0.9)' in text
    assert "error" not in homework_files.rubric(draft)


@pytest.mark.parametrize("name", ["Hw7", "7", "a-b", "../x", ""])
def test_a_name_that_cannot_be_a_module_is_refused(name: str) -> None:
    with pytest.raises(KitError, match="can't be called"):
        new_homework.new(name, SCRIPTS / "lenet.py")


def test_a_name_that_is_taken_is_refused_before_anything_runs() -> None:
    with pytest.raises(KitError, match="is there already"):
        new_homework.new("hw6", SCRIPTS / "lenet.py")
