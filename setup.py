"""What `pyproject.toml` can't say: copies of files that a checkout keeps elsewhere, made when a package is built.

An installed kit has no checkout around it. So it gets copies of the rubric, of the handouts, and of the files that
students get complete, in `autograder/built/`; `autograder/files.py` says when they are read. Nothing is copied for an
editable install, which reads the checkout.
"""

from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

HERE = Path(__file__).parent


def copies() -> dict[str, Path]:
    """Path within `autograder/built/` -> the file that is copied."""
    found = {"grading_rubric.md": HERE / "grading_rubric.md"}
    for handout in sorted(HERE.glob("assignment/*/README.md")):
        name = handout.parent.name
        found[f"handouts/{name}/README.md"] = handout
        # What students get complete is in the assignment as it is in the solution.
        for given in sorted(handout.parent.glob("*.py")):
            source = HERE / "solution" / name / given.name
            if source.is_file() and source.read_bytes() == given.read_bytes():
                found[f"given/{name}/{given.name}"] = source
    return found


class BuildWithCopies(build_py):
    """The package's modules and data, and the copies."""

    def run(self) -> None:
        super().run()
        if self.editable_mode:
            return
        for name, source in copies().items():
            self.mkpath(str(Path(self.build_lib, "autograder", "built", name).parent))
            self.copy_file(str(source), str(Path(self.build_lib, "autograder", "built", name)))


setup(cmdclass={"build_py": BuildWithCopies})
