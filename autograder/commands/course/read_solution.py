"""Reads from the text of an instructor's solution what a homework needs: its data, its network, its questions.

Called by `new_homework.py`. The solution is the instructor's own file. It is only parsed here; it runs in the sandbox.
What the text doesn't say is None, and gets a default, with a question to the instructor.
"""

import ast
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from autograder.course import sources
from autograder.course.dataset import OFFICIALS, Official
from autograder.course.homework import Question
from autograder.errors import KitError, first_line

BEGIN, END = "### BEGIN SOLUTION", "### END SOLUTION"
SIGNS = (
    ("zero-grad", r"zero_grad\("),
    ("backward", r"\.backward\("),
    ("step", r"\boptim\w*\.step\("),
    ("optimizer", r"\boptim\.\w+\("),
    ("no-grad", r"no_grad\(|inference_mode\("),
    ("device", r"torch\.device\("),
    ("batch-size", r"\bbatch_size\b"),
    ("model-on-device", r"\.to\(|\.cuda\("),
    ("forward", r"=\s*\w*(net|model)\w*\("),
)
"""(check, regular expression): an answer is about the first check whose expression is found in it."""


@dataclass(frozen=True)
class Reading:
    """What was read from a solution.

    Attributes:
        dataset, data: the dataset's name; and its description, or None where the kit knows the dataset.
        source: the instructor's own folder of images, or file of arrays; None for a dataset that the kit knows.
        network: the name of the class that is trained; `arguments`: the arguments that it is built with.
        epochs: of the training loop; None where the text doesn't say.
        questions: those for which there is a check.
        untold: the numbers of the other questions.
    """

    dataset: str
    data: Official | None
    source: Path | None
    network: str
    arguments: tuple[int, ...]
    epochs: int | None
    questions: tuple[Question, ...]
    untold: tuple[int, ...]


def read(name: str, path: Path) -> Reading:
    """Read the solution at `path` for the homework `name`. Raises KitError if its data or its network isn't found."""
    try:
        text = path.read_text(encoding="utf-8")
        tree = ast.parse(text)
    except (OSError, ValueError, SyntaxError) as error:
        raise KitError(f"{path}: can't be read ({first_line(error)})", "it is a Python file in UTF-8") from error
    if BEGIN not in text:
        raise KitError(f"{path}: holds no {BEGIN!r}", f"put what students write between {BEGIN} and {END}")
    dataset, data, source = _dataset(name, path, tree)
    network, arguments = _network(path, tree)
    questions, untold = _questions(text)
    return Reading(dataset, data, source, network, arguments, _epochs(tree), questions, untold)


def _dataset(name: str, path: Path, tree: ast.Module) -> tuple[str, Official | None, Path | None]:
    known = {official.read_as: key for key, official in OFFICIALS.items()}
    for call in _calls(tree):
        if (called := _called(call)) in known:
            return known[called], None, None
        first = next((one.value for one in call.keywords if one.arg == "root"), call.args[0] if call.args else None)
        words = first.value if isinstance(first, ast.Constant) else None
        if called == "ImageFolder" and isinstance(words, str):
            folder = (path.parent / words).parent
            return name, _of_folder(folder), folder
        if called == "load" and isinstance(words, str) and words.endswith(".npz"):
            file = path.parent / words
            return name, _of_arrays(file), file
    raise KitError(
        f"{path}: reads no data that can be stood in for",
        f"one of torchvision.datasets' {', '.join(sorted(known))}, or numpy.load of an .npz file",
    )


def _of_folder(folder: Path) -> Official:
    """Describe an image folder: its number of classes, its counts of images, and the size of one of them."""
    from PIL import Image

    counts = {}
    for split in ("train", "test"):
        files = [path for path in sorted(folder.glob(f"{split}/*/*")) if path.suffix.lower() in sources.IMAGE_ENDINGS]
        if not files:
            raise KitError(f"{folder}: holds no pictures {split}/<class>/*", "an image folder has train and test")
        counts[split] = len(files)
    with Image.open(files[0]) as first:
        width, height = first.size
    classes = len({path.parent.name for path in files})
    return Official((height, width, 3), counts["train"], counts["test"], classes=classes, read_as="ImageFolder")


def _of_arrays(path: Path) -> Official:
    found = sources.arrays_in(path)
    inputs, targets = found["train_inputs"], found["train_targets"]
    classes = sources.classes_of(targets)
    whole = inputs.dtype == np.int64
    return Official(
        image_shape=tuple(int(side) for side in inputs.shape[1:]),
        train_count=len(inputs),
        test_count=len(found["test_inputs"]),
        classes=classes,
        read_as=path.name,
        dtype="int64" if whole else "float32",
        values=int(max(inputs.max(), found["test_inputs"].max())) + 1 if whole else 0,
        mirrors=False,
    )


def _network(path: Path, tree: ast.Module) -> tuple[str, tuple[int, ...]]:
    kinds = {
        node.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef) and any("Module" in ast.unparse(base) for base in node.bases)
    }
    constants = {
        node.targets[0].id: node.value.value
        for node in tree.body
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and isinstance(node.value, ast.Constant)
    }
    within = {id(inner) for node in ast.walk(tree) if isinstance(node, ast.ClassDef) for inner in ast.walk(node)}
    for call in _calls(tree):
        if id(call) in within or _called(call) not in kinds:
            continue
        given = [
            constants.get(one.id) if isinstance(one, ast.Name) else getattr(one, "value", None) for one in call.args
        ]
        if call.keywords or any(type(value) is not int for value in given):
            raise KitError(
                f"{path}:{call.lineno}: {ast.unparse(call)} is built with more than whole numbers, one after another",
                "give it whole numbers by position, or defaults in its constructor",
            )
        return _called(call), tuple(value for value in given if isinstance(value, int))
    raise KitError(
        f"{path}: builds no class of its own that is an nn.Module", "such as net = Net(10), outside the class"
    )


def _epochs(tree: ast.Module) -> int | None:
    """The epochs of the first loop over a `range` whose variable has "epoch" in its name; None without one."""
    constants = {
        node.targets[0].id: node.value.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and isinstance(node.value, ast.Constant)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.For) and "epoch" in ast.unparse(node.target) and isinstance(node.iter, ast.Call):
            ends = [_whole(one, constants) for one in node.iter.args]
            known = [end for end in ends if end is not None]
            if _called(node.iter) == "range" and 1 <= len(known) == len(ends) <= 2:
                return len(range(*known))
    return None


def _questions(text: str) -> tuple[tuple[Question, ...], tuple[int, ...]]:
    """The questions (`# Q3. What is asked` above an answer) that have a check, and the numbers of the others."""
    found: dict[int, Question] = {}
    untold: list[int] = []
    asked: tuple[int, str] | None = None
    answer: list[str] | None = None
    for line in text.splitlines():
        words = line.strip()
        if number := re.match(r"#+ *Q(\d+)[.:)]? *(.*)", words):
            asked = int(number[1]), number[2].strip(" .") or f"question {number[1]}"
        elif words == BEGIN:
            answer = []
        elif words == END and answer is not None:
            check = next((check for check, sign in SIGNS if re.search(sign, "\n".join(answer))), None)
            taken = {question.check for question in found.values()}
            if asked is not None and check is not None and check not in taken:
                found[asked[0]] = Question(asked[0], asked[1], check)
            elif asked is not None and asked[0] not in found and check is None:
                untold.append(asked[0])
            asked, answer = None, None
        elif answer is not None:
            answer.append(words)
    return tuple(found[number] for number in sorted(found)), tuple(sorted(set(untold)))


def _whole(node: ast.expr, constants: Mapping[str, object]) -> int | None:
    """The whole number that it is: `5`, `epochs`, `epochs + 1`; None where the text doesn't say."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        left, right = _whole(node.left, constants), _whole(node.right, constants)
        return None if left is None or right is None else left + right
    value = constants.get(node.id) if isinstance(node, ast.Name) else getattr(node, "value", None)
    return value if type(value) is int else None


def _calls(tree: ast.AST) -> list[ast.Call]:
    return sorted((node for node in ast.walk(tree) if isinstance(node, ast.Call)), key=lambda call: call.lineno)


def _called(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
