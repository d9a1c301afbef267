"""The words of the checks: made in the language that was chosen, with what comes from a student as it is."""

import ast
import gettext
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.observed import CRASH, HW6, right, right_network, right_rehearsal, step

from autograder import checks, language
from autograder.files import PACKAGE
from autograder.observations import Blank, Failure, Observations, Optimizer

MODULES = sorted(Path(checks.__file__).parent.rglob("*.py"))
BRACES = "{} {0} {x!r} {homework.classes} %s {"


class Marks(gettext.NullTranslations):
    """A catalogue that has every text, in marks."""

    def gettext(self, message: str) -> str:
        return f"«{message}»"

    def ngettext(self, msgid1: str, msgid2: str, n: int) -> str:
        return f"«{msgid1 if n == 1 else msgid2}»"


def calls(module: Path, *names: str) -> Iterator[ast.Call]:
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in names:
            yield node


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.stem)
def test_every_text_of_a_check_can_be_translated(module: Path) -> None:
    texts = [
        one.value for call in calls(module, "fail", "ExpectationError") for one in call.keywords if one.arg != "line"
    ]
    assert not [ast.unparse(text) for text in texts if isinstance(text, ast.Constant | ast.JoinedStr)]
    ids = [one.value for call in calls(module, "wait") for one in call.args if isinstance(one, ast.Constant)]
    assert not [text for text in ids if " " in str(text)]  # words, where an id was meant
    if module.stem == "harness":
        return  # it translates titles and hints, which the extractor finds where they stand
    for call in calls(module, "_", "ngettext", "marked"):  # what isn't a constant isn't found by who translates
        text = call.args[0]
        if isinstance(text, ast.Attribute) and ast.unparse(text).startswith("family."):
            continue  # the families' texts are marked where they stand
        assert isinstance(text, ast.Constant | ast.Name), ast.unparse(call)


def test_every_text_of_a_family_is_marked_where_it_stands() -> None:
    found = []
    for module in (PACKAGE / "course" / "families").glob("*.py"):
        tree = ast.parse(module.read_text(encoding="utf-8"))
        named = [(one.arg, one.value) for call in ast.walk(tree) if isinstance(call, ast.Call) for one in call.keywords]
        named += [(one.target.id, one.value) for one in ast.walk(tree) if isinstance(one, ast.AnnAssign) and one.value]
        for name, text in named:
            if name is not None and name.startswith("why"):
                found.append(ast.unparse(text))
    assert found
    assert [text for text in found if not text.startswith("marked(")] == []


@pytest.mark.parametrize(
    "observed",
    [
        right(network=None, network_failure=CRASH),
        right(blanks=[Blank(line=3, question="Q1"), Blank(line=4)]),
        right(network=right_network(gradient_failure=CRASH)),
        right(network=right_network(without_gradient=["stage1.0.conv1.weight"])),
        right(network=right_network(parameters=11_175_947)),
        right(rehearsal=right_rehearsal(steps=[step("zero_grad", "forward", "backward")] * 2)),
        right(rehearsal=right_rehearsal(cuda_requests=[9], optimizer=None)),
    ],
)
def test_a_message_is_made_in_the_language_that_was_chosen(
    observed: Observations, monkeypatch: pytest.MonkeyPatch
) -> None:
    english = checks.run(observed, HW6)
    monkeypatch.setattr(language, "_catalogue", lambda _: Marks())
    marked = checks.run(observed, HW6)
    assert [result.outcome for result in marked] == [result.outcome for result in english]
    assert {"failed"} <= {result.outcome for result in marked}
    for result, before in zip(marked, english, strict=True):
        if result.outcome == "failed":
            assert before.saw.startswith("NameError") or result.saw.startswith("«")
            assert result.expected.startswith("«")
            assert result.why.startswith("«")
            plain = [text.translate({ord("«"): None, ord("»"): None}) for text in (result.saw, result.expected)]
            assert plain == [before.saw, before.expected]


@pytest.mark.parametrize("catalogue", [gettext.NullTranslations(), Marks()])
def test_what_a_student_wrote_is_shown_as_it_is(
    catalogue: gettext.NullTranslations, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(language, "_catalogue", lambda _: catalogue)
    failure = Failure(type="ValueError", message=BRACES, line=5, frames=[(5, "f'{x}'")])
    optimizer = Optimizer(class_name=BRACES, lr=0.1, covered=1)
    for observed in (
        Observations(homework="hw6", file="hw6.py", syntax_error=failure),
        Observations(homework="hw6", file="hw6.py", problem=BRACES),
        right(network=None, network_failure=failure),
        right(network=right_network(forward_failures={1: failure})),
        right(network=right_network(without_gradient=[f"{BRACES}.weight"])),
        right(rehearsal=right_rehearsal(ended="crashed", failure=failure, tests=[])),
        right(rehearsal=right_rehearsal(optimizer=optimizer)),
    ):
        assert [result for result in checks.run(observed, HW6) if BRACES in result.saw]
