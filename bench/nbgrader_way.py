"""Seconds per student of both ways to grade notebooks: `nbgrader autograde` by itself, and `autograder grade`.

The same notebooks on the same few pictures, one run of each after the other. Each holds a network of one layer, so that
what is measured is everything but the training. It writes nothing; two quiet cores, a minute or two.

    python bench/nbgrader_way.py --students 6
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from datetime import date
from pathlib import Path

import nbformat
import torch
from nbformat.v4 import new_code_cell

from autograder.commands.course import nbgrader_notebook
from autograder.course import dataset, prepare
from autograder.files import ROOT
from autograder.machine import processor

IMAGES = 400
SCRIPT = """
import torch, torch.nn as nn, torchvision, torchvision.transforms as T
class IdentityResNet(nn.Module):
    def __init__(self, a, b, c, d):
        super().__init__()
        self.fc = nn.Linear(3072, 10)
    def forward(self, x):
        return self.fc(x.flatten(1))
trainset = torchvision.datasets.CIFAR10(root="./data", train=True, download=True, transform=T.ToTensor())
testset = torchvision.datasets.CIFAR10(root="./data", train=False, download=True, transform=T.ToTensor())
trainloader = torch.utils.data.DataLoader(trainset, batch_size=50, shuffle=True)
testloader = torch.utils.data.DataLoader(testset, batch_size=50)
net = IdentityResNet(2, 2, 2, 2)
optimizer = torch.optim.SGD(net.parameters(), lr={rate}, momentum=0.9)
for epoch in range(5):
    for images, labels in trainloader:
        optimizer.zero_grad()
        nn.functional.cross_entropy(net(images), labels).backward()
        optimizer.step()
with torch.no_grad():
    print(sum((net(images).argmax(1) == labels).sum().item() for images, labels in testloader))
"""
CONFIGURATION = """
import os
c = get_config()
c.CourseDirectory.root = "."
c.ExecutePreprocessor.timeout = 600
os.environ["AUTOGRADER_IN_NBGRADER"] = "full"
os.environ["AUTOGRADER_DATA"] = {data!r}
"""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Seconds per student of nbgrader's own way and of ours.")
    parser.add_argument("--students", type=int, default=6, help="how many notebooks (default: 6)")
    students = parser.parse_args().students
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # started by root, a run has a user of its own, who has to come through
        practice = prepare.practice(ROOT / "data")
        few = {array: getattr(practice, array)[:IMAGES] for array in dataset.ARRAYS}
        data = dataset.write(folder / "data", "cifar10", "a few drawn pictures", few, practice.classes).folder
        _hand_in(folder, data, students)
        tool = [sys.executable, "-m", "nbgrader"]
        _seconds([*tool, "generate_assignment", "hw6"], folder)
        theirs = _seconds([*tool, "autograde", "hw6"], folder) / students
        grade = [str(Path(sys.executable).parent / "autograder"), "grade", str(folder / "class"), "--homework", "hw6"]
        grade += ["--data", str(data), "--protocol", "full"]
        one, two = (
            _seconds([*grade, "--out", str(folder / f"out{count}"), "--workers", str(count)], folder) / students
            for count in (1, 2)
        )
    print(
        f"{date.today()} · {processor()}, {os.cpu_count()} cores · torch {torch.__version__} · {students} notebooks\n"
        f"nbgrader autograde {theirs:.1f} s a student; "
        f"autograder grade {one:.1f} s with one worker, {two:.1f} s with two"
    )


def _hand_in(folder: Path, data: Path, students: int) -> None:
    """A course of nbgrader's in `folder`, and the same notebooks as a class of ours."""
    notebook = nbformat.read(nbgrader_notebook.write("hw6", folder), as_version=4)  # type: ignore[no-untyped-call]
    locked = [cell for cell in notebook.cells if "nbgrader" in cell.metadata]
    (folder / "class").mkdir()
    for number in range(1, students + 1):
        script = new_code_cell(SCRIPT.format(rate=number / 100))  # type: ignore[no-untyped-call]
        notebook.cells = [locked[0], script, *locked[1:]]
        place = folder / "submitted" / f"s{number}" / "hw6"
        place.mkdir(parents=True)
        for path in (place / "hw6.ipynb", folder / "class" / f"s{number}.ipynb"):
            nbformat.write(notebook, path)  # type: ignore[no-untyped-call]
    (folder / "nbgrader_config.py").write_text(CONFIGURATION.format(data=str(data)))


def _seconds(command: list[str], folder: Path) -> float:
    env = {**os.environ, "HOME": str(folder), "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    began = time.perf_counter()
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - began
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)} exited with {done.returncode}:\n{(done.stdout + done.stderr)[-3000:]}")
    return seconds


if __name__ == "__main__":
    main()
