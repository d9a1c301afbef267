"""For GitHub Classroom: a repository template, the handout and a workflow that checks the homework at every push.

Called by the command line. Copies what `release` has written; never runs `release`, and reads no solution. The workflow
runs on GitHub's machines with the student's rights there, so a student can change it: it gives no points.
"""

import json
import re
import shutil
import tempfile
from pathlib import Path

from autograder import homeworks
from autograder.commands.course.release import ADDRESS
from autograder.course.homework import Homework
from autograder.errors import KitError
from autograder.files import ROOT

WORKFLOW = Path(".github", "workflows", "check.yml")
NOTE = "CHECK.md"  # README.md is the handout

_WORKFLOW = """\
# Checks the homework at every push, and gives no points: see CHECK.md.
name: check

on:
  push:
  workflow_dispatch:

permissions:
  contents: read

jobs:
  check:
    # The first push is Classroom's own, of the template.
    if: github.actor != 'github-classroom[bot]'
    runs-on: ubuntu-latest
    timeout-minutes: 20
    env:
      KIT: @KIT@
    steps:
      - uses: actions/checkout@v5
      - uses: actions/setup-python@v6
        with:
          python-version: "3.11"
      - name: Install torch and the kit
        shell: bash
        run: |
          python -m pip install --quiet torch torchvision matplotlib
          python -m pip install --quiet "$KIT"
      - name: Check the homework
        shell: bash
        env:
          NO_COLOR: "1"
        run: |
          report=$RUNNER_TEMP/report.txt
          found=()
          for file in @FILES@; do
            if [ -f "$file" ]; then found+=("$file"); fi
          done
          code=0
          if [ "${#found[@]}" = 1 ]; then
            autograder check "${found[0]}" --homework @HOMEWORK@ --sandbox none >"$report" 2>&1 || code=$?
          elif [ "${#found[@]}" = 0 ]; then
            echo "error: the repository's first folder holds no @FILES_OR@" >"$report"
            code=2
          else
            echo "error: no telling which file counts: ${found[*]}" >"$report"
            echo "hint: delete the one that you don't complete" >>"$report"
            code=2
          fi
          cat "$report"
          {
            echo '~~~~~~~~~~text'
            cat "$report"
            echo '~~~~~~~~~~'
            echo 'This is a check, not a grade: it gives no points. CHECK.md says what it does.'
          } >>"$GITHUB_STEP_SUMMARY"
          exit "$code"
"""

_NOTE = """\
# The check

At every push, @FILES_OR@ is checked.
Open the run under **Actions**: its summary lists what holds and what doesn't, and names one place to start. A green
mark says that every required check passes, a red one that some don't, or that the file couldn't be checked. It takes
some minutes, nearly all of it to install torch.
@ONE_OF@
It gives no points. Nothing is trained to the end and no accuracy is measured; points come from a full training, which
the course runs elsewhere. Changing the workflow changes what you see here, and nothing else.

The same on your own machine, in seconds, on Windows, a Mac or Linux:

```
pip install @SHELL_KIT@
autograder check @FIRST@ --homework @HOMEWORK@
```
"""

_ONE_OF = """
You have the homework as a script and as a notebook. Complete one of them and delete the other: with both there, no one
can tell which counts, and the check says so.
"""

_IGNORED = "data/\n__pycache__/\n.ipynb_checkpoints/\n"  # GitHub refuses a push that holds the images


def template(homework_name: str, to: Path, kit: str, *, root: Path = ROOT) -> list[Path]:
    """Write a repository template for GitHub Classroom to the folder `to`; the files, sorted.

    It holds what `assignment/<name>/` under `root` holds, the workflow `.github/workflows/check.yml`, `CHECK.md`, which
    explains it to students, and a `.gitignore`. All of it is there in the end, or nothing.

    Args:
        to: a folder that is empty or doesn't exist yet.
        kit: where pip gets the kit, such as `git+https://example.org/course/kit.git`. Students read it.

    Raises KitError when there is no such homework, its assignment isn't there, `to` holds something, or `kit` is empty,
    an option of pip, in several lines, or holds a password; and OSError where `to` can't be written.
    """
    homework = homeworks.load(homework_name)
    _check_address(kit)
    handout = root / "assignment" / homework.name
    names = [f"{homework.stem}{suffix}" for suffix in (".py", ".ipynb")]
    given = [name for name in names if (handout / name).is_file()]
    if not given:
        raise KitError(
            f"{handout}: holds no {' or '.join(names)}",
            f"make it first, in a checkout: autograder release {homework.name}",
        )
    if to.exists() and not (to.is_dir() and not any(to.iterdir())):
        raise KitError(f"{to}: exists and isn't an empty folder", "name one that doesn't exist yet")
    to.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{to.name}.", dir=to.parent) as folder:
        built = Path(folder) / "new"
        shutil.copytree(handout, built, ignore=shutil.ignore_patterns(".*", "__pycache__"))
        handed_out = (built / "README.md").read_text(encoding="utf-8")
        (built / "README.md").write_text(handed_out.replace(ADDRESS, kit), encoding="utf-8", newline="\n")
        for path, text in _texts(homework, names, given, kit).items():
            (built / path).parent.mkdir(parents=True, exist_ok=True)
            (built / path).write_text(text, encoding="utf-8", newline="\n")
        files = sorted(path.relative_to(built) for path in built.rglob("*") if path.is_file())
        built.rename(to)
    return [to / path for path in files]


def _check_address(kit: str) -> None:
    """Refuse what isn't one address, and what nobody should publish."""
    hint = "name what pip installs, as in git+https://example.org/course/kit.git"
    if not kit.strip() or kit.startswith("-") or not kit.isprintable() or set("'\"$`") & set(kit):
        raise KitError(f"{kit!r} is no address of the kit", hint)
    if re.search(r"https?://[^/]*@|://[^/@]*:[^/@]*@", kit):
        raise KitError(
            "the kit's address holds a name or a password before its host",
            "students read the workflow: use an address that anybody in the course may read",
        )


def _texts(homework: Homework, names: list[str], given: list[str], kit: str) -> dict[Path, str]:
    """What is written beside the handout: path -> text."""
    filled = {
        "@HOMEWORK@": homework.name,
        "@FILES@": " ".join(names),
        "@FILES_OR@": " or ".join(names if len(given) > 1 else given),
        "@FIRST@": given[0],
        "@ONE_OF@": _ONE_OF if len(given) > 1 else "",
        "@KIT@": json.dumps(kit),  # a JSON string is one of YAML
        "@SHELL_KIT@": f'"{kit}"',  # Windows' shell has no other quotes
    }
    texts = {WORKFLOW: _WORKFLOW, Path(NOTE): _NOTE, Path(".gitignore"): _IGNORED}
    for path, text in texts.items():
        for word, value in filled.items():
            text = text.replace(word, value)
        texts[path] = text
    return texts
