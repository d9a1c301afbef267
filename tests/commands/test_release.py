"""release.py: what students get is what the solution makes, and a solution that can't be blanked safely is refused."""

import ast
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import jupytext
import nbformat
import pytest

from autograder import homeworks
from autograder.commands.course import release
from autograder.course import rubric
from autograder.errors import KitError
from autograder.files import ROOT
from autograder.intake import submission

BLANKS_OF_THE_NETWORK = {
    "hw6": 4,  # a block and the network, each built and run
    "resnet20": 6,  # the same, its stages and its initial weights
    "resnet50": 11,  # two kinds of convolution, a block in two variants, four layers, pool and classifier, both runs
}

WITH_NOTEBOOK = [name for name in BLANKS_OF_THE_NETWORK if not homeworks.load(name).given]

SMALL = """# %% [markdown]
# # A small homework

# %%
# Q1. A number. The name: number.
### BEGIN SOLUTION
number = 6 * 7 * 1000
### END SOLUTION
print(number)
"""


@pytest.fixture(scope="module", params=homeworks.names())
def name(request: pytest.FixtureRequest) -> str:
    given: str = request.param
    return given


@pytest.fixture(scope="module")
def stem(name: str) -> str:
    """What the file that students complete is called."""
    return homeworks.load(name).stem


@pytest.fixture(scope="module")
def built(name: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("built")
    release.build(name, folder)
    return folder


def checkout(folder: Path, source: str, handout: str = "# A handout\n") -> Path:
    """A root of its own, with this solution of hw6."""
    (folder / "solution" / "hw6").mkdir(parents=True)
    (folder / "solution" / "hw6" / "hw6.py").write_text(source)
    (folder / "solution" / "hw6" / "README.md").write_text(handout)
    shutil.copyfile(rubric.PATH, folder / "grading_rubric.md")
    return folder


def files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_what_is_committed_is_what_the_solution_makes(built: Path, name: str) -> None:
    committed = files(ROOT / "assignment" / name)
    fresh = files(built)
    assert sorted(committed) == sorted(fresh), "run make release"
    stale = [path for path in fresh if committed[path] != fresh[path]]
    assert not stale, f"{stale} aren't what solution/{name} makes: run make release"


def test_the_same_source_gives_the_same_bytes_in_another_process(built: Path, name: str, tmp_path: Path) -> None:
    program = "import sys; from pathlib import Path; from autograder.commands.course import release; "
    program += "release.build(sys.argv[2], Path(sys.argv[1]))"
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "4"}
    subprocess.run([sys.executable, "-c", program, str(tmp_path), name], check=True, env=environment)
    assert files(tmp_path) == files(built)


def test_every_question_is_a_blank_that_is_found_and_named(built: Path, name: str, stem: str) -> None:
    blanks = submission.blanks((built / f"{stem}.py").read_bytes())
    asked = [question.name for question in homeworks.load(name).questions]
    assert [blank.question for blank in blanks if blank.question] == asked
    assert sum(blank.question is None for blank in blanks) == BLANKS_OF_THE_NETWORK[name]


@pytest.mark.parametrize("name", WITH_NOTEBOOK, indirect=True)
def test_the_notebook_has_the_same_blanks_as_the_script(built: Path, name: str) -> None:
    script = submission.read(built / f"{name}.py")
    notebook = submission.read(built / f"{name}.ipynb")
    assert [blank.question for blank in submission.blanks(notebook.script)] == [
        blank.question for blank in submission.blanks(script.script)
    ]


def test_the_skeleton_is_python_that_stops_where_the_first_answer_is_missing(
    built: Path, name: str, stem: str, tmp_path: Path
) -> None:
    given = homeworks.load(name).given
    ast.parse((built / f"{stem}.py").read_text())
    for file in (f"{stem}.py", *given):
        shutil.copyfile(built / file, tmp_path / file)
    command = [sys.executable, "-B", given[0] if given else f"{stem}.py"]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert run.returncode == 1
    if given:
        assert "to two pictures the network answers nothing, not ten scores each" in run.stderr
    else:
        assert "Q1" in run.stderr
        assert run.stderr.strip().endswith("NameError: name 'device' is not defined")
    assert set(files(tmp_path)) == {f"{stem}.py", *given}  # nothing was downloaded before that


def test_the_skeleton_differs_from_the_solution_in_the_regions_and_nowhere_else(
    built: Path, name: str, stem: str
) -> None:
    source = ROOT / "solution" / name / f"{stem}.py"
    whole = re.sub(r"(?ms)^([ ]*)### BEGIN SOLUTION\n.*?### END SOLUTION$", r"\1...", source.read_text())
    assert (built / f"{stem}.py").read_text() == whole


def test_files_that_students_get_complete_are_the_solutions_own_and_leave_no_place_for_a_notebook(
    built: Path, name: str
) -> None:
    assert [path.name for path in built.glob("*.ipynb")] == ([f"{name}.ipynb"] if name in WITH_NOTEBOOK else [])
    for file, content in homeworks.load(name).given_files().items():
        assert (built / file).read_bytes() == content == (ROOT / "solution" / name / file).read_bytes()


@pytest.mark.parametrize("name", WITH_NOTEBOOK, indirect=True)
def test_the_notebook_is_valid_and_bare(built: Path, name: str) -> None:
    notebook = nbformat.read(built / f"{name}.ipynb", as_version=4)
    nbformat.validate(notebook)
    assert notebook.metadata.accelerator == "GPU"
    assert all(not cell.outputs and cell.execution_count is None for cell in notebook.cells if cell.cell_type == "code")
    assert len({cell.id for cell in notebook.cells}) == len(notebook.cells)


@pytest.mark.parametrize("name", WITH_NOTEBOOK, indirect=True)
def test_the_script_is_the_notebooks_own_text(built: Path, name: str) -> None:
    notebook = jupytext.read(built / f"{name}.ipynb")
    notebook.metadata = release.SCRIPT_METADATA
    notebook.cells = [cell for cell in notebook.cells if not cell.id.startswith(release.KIT_CELL)]
    assert jupytext.writes(notebook, fmt="py:percent") == (built / f"{name}.py").read_text()


def test_the_handout_shows_the_rubrics_points_and_figures_that_are_there(built: Path, name: str) -> None:
    handout = (built / "README.md").read_text()
    assert release.POINTS not in handout
    for tier in rubric.load(rubric.PATH, name).tiers:
        assert f"| {tier.label} | {rubric.points_text(tier.points)} |" in handout
    shown = set(re.findall(r"\((figures/[^)]+)\)", handout))
    assert shown == {path for path in files(built) if path.startswith("figures/")}


@pytest.mark.parametrize("program", sorted((ROOT / "solution").glob("*/figures/draw.py")), ids=lambda at: at.parts[-3])
def test_figures_are_what_their_program_draws(program: Path, tmp_path: Path) -> None:
    folder = program.parent
    copy = tmp_path / "solution" / folder.parent.name / "figures" / "draw.py"
    copy.parent.mkdir(parents=True)
    shutil.copyfile(ROOT / "solution" / "drawing.py", tmp_path / "solution" / "drawing.py")
    shutil.copyfile(program, copy)
    subprocess.run([sys.executable, copy], check=True)
    drawn = {name: content for name, content in files(copy.parent).items() if name.endswith(".svg")}
    assert drawn == {name: content for name, content in files(folder).items() if name.endswith(".svg")}


def test_a_release_replaces_the_whole_folder(tmp_path: Path) -> None:
    root = checkout(tmp_path, SMALL)
    target = root / "assignment" / "hw6"
    target.mkdir(parents=True)
    (target / "left-over.txt").write_text("from last year")
    written = release.release("hw6", root)
    assert [path.name for path in written] == ["README.md", "hw6.ipynb", "hw6.py"]
    assert sorted(files(root / "assignment")) == ["hw6/README.md", "hw6/hw6.ipynb", "hw6/hw6.py"]
    assert "### " not in (target / "hw6.py").read_text()


def test_a_refused_source_leaves_the_last_release_alone(tmp_path: Path) -> None:
    root = checkout(tmp_path, SMALL)
    release.release("hw6", root)
    before = files(root / "assignment")
    (root / "solution" / "hw6" / "hw6.py").write_text(SMALL.replace("### END SOLUTION\n", ""))
    with pytest.raises(KitError):
        release.release("hw6", root)
    assert files(root / "assignment") == before


REFUSED = {
    "unclosed": (SMALL.replace("### END SOLUTION\n", ""), "hw6.py:6: no end solution statement found"),
    "nested": (
        SMALL.replace("number = 6", "### BEGIN SOLUTION\nnumber = 6"),
        "hw6.py:6: encountered nested begin solution statements",
    ),
    "unopened": (SMALL + "### END SOLUTION\n", "hw6.py:6: end solution statement without a begin"),
    "closed in another cell": (
        SMALL.replace("### END SOLUTION\n", "\n# %%\n### END SOLUTION\n"),
        "hw6.py:6: no end solution statement found",
    ),
    "misspelt": (SMALL + "### end solution\n", "hw6.py:10: looks like a marker and isn't one: '### end solution'"),
    "almost": (SMALL + "# BEGIN SOLUTION\n", "hw6.py:10: looks like a marker and isn't one: '# BEGIN SOLUTION'"),
    "nothing blanked": ("# %%\nprint(1)\n", "holds no '### BEGIN SOLUTION'"),
    "no statement left": (
        SMALL.replace("### BEGIN", "if True:\n### BEGIN"),
        "blanked, it isn't valid Python: expected an indented block",
    ),
    "answer left": (
        SMALL + "# for example: number = 6 * 7 * 1000\n",
        "hw6.py, line 8: students would read an answer",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_source_that_cannot_be_blanked_safely_is_refused_with_its_place(case: str, tmp_path: Path) -> None:
    source, message = REFUSED[case]
    root = checkout(tmp_path, source)
    with pytest.raises(KitError, match=re.escape(message)):
        release.build("hw6", tmp_path / "out", root)
    assert not (tmp_path / "out").exists()


def test_an_answer_in_the_handout_is_refused(tmp_path: Path) -> None:
    root = checkout(tmp_path, SMALL, "# Handout\n\nWrite `number = 6 * 7 * 1000`.\n")
    with pytest.raises(KitError, match=re.escape("README.md, line 3: students would read an answer")):
        release.build("hw6", tmp_path / "out", root)


def test_a_text_cell_can_be_blanked_too(tmp_path: Path) -> None:
    source = SMALL + "\n# %% [markdown]\n# What did you see?\n#\n# ### BEGIN SOLUTION\n# It was 42,000.\n"
    source += "# ### END SOLUTION\n"
    release.build("hw6", tmp_path / "out", checkout(tmp_path, source))
    cells = json.loads((tmp_path / "out" / "hw6.ipynb").read_text())["cells"]
    assert "".join(cells[-5]["source"]) == "What did you see?\n\nYOUR ANSWER HERE"


def test_a_homework_that_does_not_exist_and_one_without_a_source_are_refused(tmp_path: Path) -> None:
    with pytest.raises(KitError, match="there is no homework called 'hw7'"):
        release.build("hw7", tmp_path)
    with pytest.raises(KitError, match=re.escape("hw6.py: no such file")):
        release.build("hw6", tmp_path / "out", tmp_path)
