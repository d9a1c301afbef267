"""A class on the disk, the command that grades it, and what it left."""

import csv
import os
import signal
import subprocess
import sys
from datetime import datetime
from pathlib import Path

from autograder.files import ROOT


def write(path: Path, text: str = "print('homework')\n", moment: str = "2026-11-30 12:00") -> None:
    """A file that was last changed at that moment, by this machine's clock."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    at = datetime.fromisoformat(moment).timestamp()
    os.utime(path, (at, at))


def table(out: Path) -> list[dict[str, str]]:
    """The rows of `grades.csv`."""
    with (out / "grades.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


TINY = """
import torch, torch.nn as nn, torchvision, torchvision.transforms as T
class IdentityResNet(nn.Module):
    def __init__(self, a, b, c, d):
        super().__init__()
        self.fc = nn.Linear(3072, 10)
    def forward(self, x):
        return self.fc(x.flatten(1))
trainset = torchvision.datasets.CIFAR10(root="./data", train=True, download=True, transform=T.ToTensor())
testset = torchvision.datasets.CIFAR10(root="./data", train=False, download=True, transform=T.ToTensor())
loader = torch.utils.data.DataLoader(trainset, batch_size=50, shuffle=True)
testloader = torch.utils.data.DataLoader(testset, batch_size=4)
net = IdentityResNet(2, 2, 2, 2)
optimizer = torch.optim.SGD(net.parameters(), lr=RATE, momentum=0.9)
for epoch in range(5):
    for x, y in loader:
        optimizer.zero_grad()
        nn.functional.cross_entropy(net(x), y).backward()
        optimizer.step()
with torch.no_grad():
    print(sum((net(x).argmax(1) == y).sum().item() for x, y in testloader))
"""


def start(folder: Path, out: Path, data: Path, box: str, *more: str) -> "subprocess.Popen[str]":
    """The command that grades a class, a preview with one worker, in a process of its own."""
    code = "from autograder.commands.app import main; main()"
    words = ["grade", str(folder), "--homework", "hw6", "--out", str(out), "--data", str(data)]
    words += ["--protocol", "preview", "--workers", "1", "--sandbox", box, *more]  # the later of two workers counts
    return subprocess.Popen(
        [sys.executable, "-c", code, *words],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        # Whoever starts the tests in the background may have SIGINT ignored, which processes inherit.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def done(out: Path) -> list[str]:
    """Who has a result."""
    return sorted(path.parent.name for path in out.glob("*/result.json"))
