"""A copy of the checkout in which homeworks are made of solutions, and what is asked of it in processes of its own.

Called by the tests of `autograder new`. A homework is a module of the package, so the package is copied; nothing of it
is imported here.
"""

import compileall
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from autograder.files import ROOT

_CHECKS = """
import json, sys
from autograder import checks, homeworks
from autograder.intake import submission
from autograder.runner.observe import observe
from autograder.sandbox import sandbox

name, scripts = json.load(sys.stdin)
homework, place = homeworks.load(name), sandbox.choose("none")
found = {}
for row, script in scripts.items():
    seen = observe(homework, submission.of(f"{name}.py", script.encode()), place, warm=True)
    found[row] = [result.model_dump() for result in checks.run(seen, homework)]
print(json.dumps(found))
"""


class Checkout:
    """A copy of the package and of the rubric, at `root`."""

    def __init__(self, root: Path) -> None:
        self.root = root
        shutil.copytree(ROOT / "autograder", root / "autograder", ignore=shutil.ignore_patterns("__pycache__"))
        # Modules that are compiled when they are first imported would be parsed in several threads at a time, which
        # Python before 3.11.8 can't (see `files.PARSING`).
        compileall.compile_dir(root / "autograder", quiet=1)
        for name in ("grading_rubric.md", "pyproject.toml"):  # the second one says that this is a checkout
            shutil.copyfile(ROOT / name, root / name)

    def run(self, *words: str | Path) -> subprocess.CompletedProcess[str]:
        """The command line, in the checkout."""
        code = "from autograder.commands.app import main; main()"
        return self._python(code, *map(str, words))

    def new(self, name: str, source: Path) -> None:
        """`autograder new`, which has to work."""
        made = self.run("new", name, "--from", source, "--sandbox", "none")
        assert made.returncode == 0, made.stdout + made.stderr

    def results(self, name: str, scripts: Mapping[str, str]) -> dict[str, dict[str, Any]]:
        """What the checks say of each script: id -> the check's result."""
        done = self._python(_CHECKS, given=json.dumps([name, dict(scripts)]))
        assert done.returncode == 0, done.stderr
        found: dict[str, list[dict[str, Any]]] = json.loads(done.stdout.splitlines()[-1])
        return {row: {result["id"]: result for result in results} for row, results in found.items()}

    def _python(self, code: str, *words: str, given: str = "") -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "PYTHONPATH": str(self.root), "COLUMNS": "200"}
        return subprocess.run(
            [sys.executable, "-c", code, *words],
            input=given,
            cwd=self.root,
            capture_output=True,
            text=True,
            env=environment,
            check=False,
        )
