"""The stand-ins for torchvision's other sets beside torchvision's own, over files that are made on the spot."""

import subprocess
import sys
from pathlib import Path

from support import idx

BEGIN = """
import sys
import numpy as np, torch, torchvision
from torch.utils.data import DataLoader
from torchvision import transforms as T
from autograder.proctor import fake_dataset, loaders

class Silent:
    def asked(self, *_): return True
    def served(self, *_): pass

def install(name, images, labels, classes):
    split = fake_dataset.Split(images, labels, len(labels))
    fake_dataset.install(fake_dataset.Pictures(split, split, tuple(classes)), name)
    loaders.install(Silent(), loaders.Ration())

def batches(dataset):
    torch.manual_seed(3)
    return [part for batch in DataLoader(dataset, batch_size=8, shuffle=True) for part in batch]

def same(ours, wanted):
    assert len(ours) == len(wanted) > 0
    for one, other in zip(ours, wanted):
        assert type(one) is type(other) and one.dtype == other.dtype and torch.equal(one, other)
"""

BODIES = {
    "MNIST is torchvision's, bit for bit": """
made = [torchvision.datasets.MNIST(sys.argv[1], True, transform) for transform in (
    T.ToTensor(), T.Compose([T.ToTensor(), T.Normalize((0.1307,), (0.3081,))]), T.Compose([T.Resize(32), T.ToTensor()]),
)]
wanted, first = [batches(one) for one in made], made[0]
images, labels = first.data.numpy()[..., None], first.targets.numpy()
install("MNIST", images, labels, first.classes)
from torchvision.datasets import MNIST
for one, expected in zip(made, wanted):
    ours = MNIST(root="./data", train=True, download=True, transform=one.transform)
    same(batches(ours), expected)
    assert isinstance(ours, torchvision.datasets.MNIST) and type(ours).__name__ == "MNIST"
    assert torch.equal(ours.data, first.data) and torch.equal(ours.targets, first.targets)
    assert ours.classes == first.classes and ours.class_to_idx == first.class_to_idx
    assert ours[3][1] == first[3][1] and type(ours[3][1]) is type(first[3][1])
plain = MNIST("./data")[5][0]
assert plain.mode == "L" and plain.size == (28, 28)
""",
    "a changed MNIST is read as it was changed": """
own = torchvision.datasets.MNIST(sys.argv[1], True)
install("MNIST", own.data.numpy()[..., None], own.targets.numpy(), own.classes)
ours = torchvision.datasets.MNIST("./data", True, transform=T.ToTensor())
ours.data, ours.targets = ours.data[:7], ours.targets[:7]
assert len(ours) == 7 and ours[2][0].shape == (1, 28, 28)
""",
    "SVHN and STL10 have their split, channels first and labels": """
for name, side, arguments in (("SVHN", 32, ("train", T.ToTensor())), ("STL10", 96, ("train", None, T.ToTensor()))):
    images = np.random.default_rng(1).integers(0, 255, (30, side, side, 3), dtype=np.uint8)
    labels = np.arange(30, dtype=np.int64) % 10
    install(name, images, labels, "abcdefghij")
    kind = getattr(torchvision.datasets, name)
    ours = kind("./data", *arguments, download=True)
    assert ours.train and not kind(root="./data", split="test", transform=T.ToTensor()).train
    assert ours.data.shape == (30, 3, side, side) and list(ours.labels) == list(labels)
    image, label = ours[4]
    assert label == 4 and torch.equal(image, torch.from_numpy(images[4]).permute(2, 0, 1) / 255)
    (first, found), *_ = DataLoader(ours, batch_size=5)
    assert first.shape == (5, 3, side, side) and found.dtype == torch.int64
""",
    "an image folder goes by its folder's name": """
images = np.random.default_rng(1).integers(0, 255, (12, 40, 40, 3), dtype=np.uint8)
install("ImageFolder", images, np.arange(12, dtype=np.int64) % 3, ("ant", "bee", "cat"))
from torchvision.datasets import ImageFolder
ours = ImageFolder("data/train", transform=T.Compose([T.Resize(20), T.ToTensor()]))
assert ours.train and not ImageFolder("data/test").train and not ImageFolder("data/val").train
assert ours.classes == ["ant", "bee", "cat"] and ours.class_to_idx["cat"] == 2 and len(ours.samples) == 12
assert ours[5][0].shape == (3, 20, 20) and ours[5][1] == 2
""",
}


EACH = """
import os
bodies = {bodies!r}
for name, body in bodies.items():
    child = os.fork()  # from one import of torch; each has torchvision's classes as they are
    if not child:
        try:
            exec(body)
        except BaseException:
            import traceback
            print(name, traceback.format_exc(), file=sys.stderr, flush=True)
            os._exit(1)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0, name
"""


def test_the_stand_ins(tmp_path: Path) -> None:
    idx.write(tmp_path, 40, 20)
    command = [sys.executable, "-c", BEGIN + EACH.format(bodies=BODIES), str(tmp_path)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
