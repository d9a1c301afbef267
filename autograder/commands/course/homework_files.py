"""The texts of a new homework's files: what was observed is filled in; the rest has a default and a question.

Called by `new_homework.py`. Writes nothing.
"""

import re
from dataclasses import dataclass, replace
from dataclasses import fields as dataclass_fields

from autograder.checks.network import beside_solution
from autograder.checks.network.layer_table import Rung
from autograder.commands.course.read_solution import BEGIN, END, Reading
from autograder.commands.student.hints import declared
from autograder.course.dataset import OFFICIALS, Official
from autograder.course.homework import AskedOptimizer, Homework
from autograder.observations import Network

EPOCHS = 5  # where the script doesn't say how many
NETWORK_CHECKS = ("builds", "output-shape", "layers", "order", "answers", "own-weights", "gradients", "parameters")


@dataclass(frozen=True)
class Draft:
    """What is known about a new homework so far.

    Attributes:
        given: the shape of one input, as the network gets it.
        answer: the shape of the network's answer to one input.
        classes: how many classes there are; 0 where the answer isn't a score for each class.
        seen: whether the script has run in the sandbox.
    """

    name: str
    reading: Reading
    given: tuple[int, ...]
    answer: tuple[int, ...]
    classes: int
    optimizer: AskedOptimizer
    seen: bool = False

    @property
    def epochs(self) -> int:
        """The epochs of the solution's training, or `EPOCHS`."""
        return self.reading.epochs or EPOCHS

    @property
    def rebuilds(self) -> bool:
        """Whether it may be an autoencoder: its answer has its input's shape, and the data has class labels."""
        data = self.reading.data
        return not self.classes and self.answer == self.given and (data is None or data.classes > 0)

    @property
    def scored_by_error(self) -> bool:
        """Whether the answers are numbers to compare with targets, and no scores of classes."""
        return not self.classes


def first_draft(name: str, reading: Reading) -> Draft:
    """The draft before the script has run: shapes by the dataset."""
    data = reading.data or OFFICIALS[reading.dataset]
    shape = data.image_shape
    given = (shape[2], *shape[:2]) if data.dtype == "uint8" else shape
    return Draft(name, reading, given, (data.classes or 1,), data.classes, AskedOptimizer("SGD"))


def second_draft(
    first: Draft, given: tuple[int, ...], answer: tuple[int, ...], optimizer: AskedOptimizer | None
) -> Draft:
    """The draft after the script has run, with the shapes and the optimizer that were observed."""
    classes = first.classes if answer == (first.classes,) else 0
    return replace(
        first, given=given, answer=answer, classes=classes, optimizer=optimizer or first.optimizer, seen=True
    )


def declaration(draft: Draft, recorded: bool) -> str:
    """The text of the module that declares the homework. `recorded`: whether there is a record of its network."""
    reading, asked = draft.reading, draft.optimizer
    momentum = "" if asked.momentum is None else f", momentum={asked.momentum:g}"
    imports = ["AskedOptimizer", "Homework", "Protocol"] + (["Question"] if reading.questions else [])
    lines = [f'"""{draft.name}: {reading.network}, made of its solution by `autograder new`."""', ""]
    if reading.data is not None:
        lines.append("from autograder.course.dataset import Official")
    if recorded:
        lines.append("from autograder.course.families.traced import recorded")
    lines += [f"from autograder.course.homework import {', '.join(imports)}", "", "HOMEWORK = Homework("]
    fields = [
        f'name="{draft.name}",',
        "# What do pages call it?",
        f'title="{reading.network}",',
        f'network="{reading.network}",',
        f"arguments={reading.arguments!r},",
        f"input_shape={draft.given!r},",
        f"classes={draft.classes},",
    ]
    if draft.scored_by_error:
        fields.append(f"answer={draft.answer!r},")
        if draft.rebuilds:
            fields += ["# Is the input itself what answers are compared with?", 'target="input",']
        if draft.seen:
            fields += ["# Is the error the mean of squares (mse), or of absolute differences (mae)?", 'score="mse",']
    fields.append(f'dataset="{reading.dataset}",')
    if reading.data is not None:
        shown = {field.name: getattr(reading.data, field.name) for field in dataclass_fields(Official)}
        usual = {field.name: field.default for field in dataclass_fields(Official)}
        given = [f"{name}={_literal(value)}," for name, value in shown.items() if value != usual[name]]
        fields += ["data=Official(", *(f"    {one}" for one in given), "),"]
    fields += [
        'checks=("file", "traced", "training_step"),' if recorded else 'checks=("file", "training_step"),',
        *(["family=recorded(__file__),"] if recorded else []),
        "# Is another optimizer right too? This one is asked for.",
        f'optimizer=AskedOptimizer("{asked.class_name}"{momentum}),',
        "# How long may a graded training take? The rubric's budget says it too, and that one holds.",
        f'full=Protocol("full", epochs={draft.epochs}, time_box_s=1800),',
        "# How little is enough to see that a script learns?",
        f'preview=Protocol("preview", epochs={max(draft.epochs, EPOCHS)}, time_box_s=300, train_images=2000, '
        "test_images=500),",
        "# How many inputs does one core train on in a second? For estimates only.",
        "images_per_core_s=1000.0,",
    ]
    if reading.questions:
        each = [f'    Question({one.number}, {_quoted(one.title)}, "{one.check}"),' for one in reading.questions]
        fields += ["questions=(", *each, "),"]
    return "\n".join([*lines, *(f"    {field}" for field in fields), ")", ""])


def _literal(value: object) -> str:
    return _quoted(value) if isinstance(value, str) else repr(value)


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def open_questions(draft: Draft) -> list[str]:
    """What the instructor has to fill in: what neither the text nor the run says."""
    asked = []
    if draft.reading.epochs is None:
        asked.append(f"how many epochs a training has ({EPOCHS} for now)")
    asked += [f"Q{number} is about nothing that a check knows" for number in draft.reading.untold]
    return [*asked, "the rubric's rows and points", "the comments of the declaration that end in a question mark"]


def handout(draft: Draft, homework: Homework) -> str:
    """The handout that students read, with a table of the observed layers."""
    network = beside_solution.solution_of(homework)
    every = list(declared(homework))
    training = [check for check in every if check not in (*NETWORK_CHECKS, "blanks", "runs")]
    size = ", ".join(map(str, draft.given))
    asked = [f"- Q{one.number}: {one.title}" for one in draft.reading.questions]
    parts = [
        f"# {homework.title}",
        f"<!-- explains: blanks runs -->\n\nWrite what is left open (`...`) in `{draft.name}.py`, and train it.",
        "## The network",
        f"<!-- explains: {' '.join(check for check in NETWORK_CHECKS if check in every)} -->",
        f"`{homework.call}` takes batches of shape (N, {size}) and answers (N, {homework.answer_text}). These are its "
        f"layers, in the order in which they run; it has {network.parameters:,} parameters with the biases that stand "
        "here, and biases of convolutions and linear layers are up to you.",
        "\n".join(layer_rows(network)),
        "## The training",
        f"<!-- explains: {' '.join(training)} -->",
        f"{draft.optimizer.class_name} trains it"
        + ("" if draft.optimizer.momentum is None else f", with momentum {draft.optimizer.momentum:g}")
        + f", for {draft.epochs} epochs.",
        *(["\n".join(asked)] if asked else []),
        "## Points",
        "<!-- points -->",
    ]
    return "\n\n".join(parts) + "\n"


def layer_rows(network: Network) -> list[str]:
    """A Markdown table: for each layer what it does, the shape of its output, and its parameters."""
    shapes = {op.layer: op.shape[1:] for op in network.graph if op.layer and op.shape[:1] == [2]}
    counts = {layer.name: layer.count for layer in network.layers}
    rows = ["| layer | gives | parameters |", "| --- | --- | --- |"]
    told: set[str] = set()
    for rung in beside_solution.rungs(network):
        count = "" if rung.name is None or rung.name in told else f"{counts.get(rung.name, 0):,}"
        told |= {rung.name} if rung.name else set()
        rows.append(f"| {_plain(rung)} | {'x'.join(map(str, shapes.get(rung.name or '', [])))} | {count} |")
    return rows


def _plain(rung: Rung) -> str:
    return str(replace(rung, name=None))


def rubric(draft: Draft) -> str:
    """The rubric's section, with example rows that the instructor replaces."""
    if draft.scored_by_error:
        what, rows = "test error", ["below 0.05 error", "from 0.05 to below 0.1 error", "from 0.1 error"]
    else:
        what, rows = "test accuracy", ["from 80%", "from 40% to below 80%", "below 40%"]
    lines = [f"| {row} | {points} |" for row, points in zip(rows, (10, 6, 2), strict=True)]
    return "\n".join(
        [
            f"## {draft.name}",
            "",
            f"| {what} | points |",
            "| --- | --- |",
            *lines,
            "| no accuracy could be had | 2 |",
            "| no file by the deadline | 0 |",
            "",
            f"Budget: {draft.epochs} epochs or 0.5 hours, whichever ends first",
            "",
            "Required checks: none",
            "",
        ]
    )


MUTANTS = (
    (r"^\s*\w*optim\w*\.zero_grad\([^)]*\)\n", "zero-grad"),
    (r"^\s*\w*optim\w*\.step\(\)\n", "step"),
    (r"^\s*\w+\.backward\(\)\n", "backward"),
)
"""(regular expression of a line, check): without this line, the check has to fail."""


def examples(source: str) -> dict[str, str]:
    """Example submissions by the student's name: a right one, one with a blank, and one of `MUTANTS` if there can be
    one."""
    plain = re.sub(rf"^[ \t]*({BEGIN}|{END})[ \t]*\n", "", source, flags=re.MULTILINE)
    begin, rest = source.split(BEGIN, 1)
    _, after = rest.split(END, 1)
    blank = re.sub(rf"^[ \t]*({BEGIN}|{END})[ \t]*\n", "", f"{begin}...{after}", flags=re.MULTILINE)
    found = {"s1-right": plain, "s2-blank": blank}
    for line, check in MUTANTS:
        wrong, count = re.subn(line, "", plain, count=1, flags=re.MULTILINE)
        if count and _parses(wrong):
            return {**found, f"s3-no-{check}": wrong}
    return found


def _parses(script: str) -> bool:
    try:
        compile(script, "script", "exec")
    except SyntaxError:
        return False
    return True


def test(name: str) -> str:
    """The text of a test of the example submissions."""
    return f'''"""{name}: its solution passes everything, a blank is told, and the planted mistake is caught."""

import pytest
from support.rehearsals import Results

from autograder import homeworks
from autograder.files import EXAMPLES

HOMEWORK = homeworks.load("{name}")
SCRIPTS = {{folder.name: (folder / "{name}.py").read_bytes() for folder in sorted((EXAMPLES / "{name}").iterdir())}}


@pytest.fixture(scope="module")
def results() -> Results:
    return Results(HOMEWORK, SCRIPTS)


@pytest.mark.parametrize("student", SCRIPTS)
def test_what_the_checks_say(results: Results, student: str) -> None:
    failed = {{result.id: result.saw for result in results[student] if result.outcome == "failed"}}
    asked = {{"s1-right": [], "s2-blank": ["blanks"]}}.get(student, [student.partition("-no-")[2]])
    assert list(failed) == asked, failed
'''
