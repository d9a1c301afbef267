"""The stand-in for torchvision's CIFAR10: its pixels bit for bit, its attributes, and what loaders make of it.

Patches torch and torchvision, as in the proctor's process; every test runs in a process of its own.
"""

import subprocess
import sys

import pytest

from autograder.files import ROOT

HEAD = """
import sys
sys.path.insert(0, sys.argv[1])
import numpy as np, torch, torchvision
from torch.utils.data import ConcatDataset, DataLoader, Dataset, Subset
from torchvision import transforms as T
from autograder.proctor import fake_dataset, loaders

torch.set_num_threads(1)
numbers = np.random.default_rng(0)
images = numbers.integers(0, 256, (300, 32, 32, 3), dtype=np.uint8)
images[0] = np.arange(256, dtype=np.uint8).repeat(12).reshape(32, 32, 3)  # every value there is
labels = numbers.integers(0, 10, 300)

def official(transform=None, target_transform=None):
    dataset = object.__new__(Official)
    torchvision.datasets.VisionDataset.__init__(dataset, "x", transform=transform, target_transform=target_transform)
    dataset.data, dataset.targets, dataset.train = images, labels.tolist(), True
    return dataset

class Silent:
    def __init__(self):
        self.images = {"train": 0, "test": 0}
    def asked(self, loader, role, at):
        return True
    def served(self, loader, role, batch, at):
        self.images[role] += loaders.images_in(batch)

def batches(dataset, **arguments):
    torch.manual_seed(3)
    return list(DataLoader(dataset, **{"batch_size": 64, "shuffle": True, **arguments}))

def same(one, other):
    assert len(one) == len(other) > 0
    for a, b in zip(one, other):
        assert type(a) is type(b) is list
        for x, y in zip(a, b):
            assert x.dtype == y.dtype and x.shape == y.shape and x.is_contiguous() == y.is_contiguous()
            assert torch.equal(x, y)

Official = torchvision.datasets.CIFAR10
silent = Silent()
normal = T.Compose([T.ToTensor(), T.Normalize((0.4914, 0.4822, 0.4465), (0.247, 0.243, 0.261))])

def install(ration=loaders.Ration(), length=300):
    split = fake_dataset.Split(images, labels, length)
    fake_dataset.install(fake_dataset.Pictures(split, split, tuple("abcdefghij")))
    loaders.install(silent, ration)
"""

BODIES = {
    "the course's transform gives the same bits": """
wanted = [batches(official(transform)) for transform in (normal, T.ToTensor(), T.Compose([T.ToTensor()]))]
install()
for expected, transform in zip(wanted, (normal, T.ToTensor(), T.Compose([T.ToTensor()]))):
    ours = torchvision.datasets.CIFAR10("./data", True, transform, download=True)
    same(batches(ours), expected)
    same(batches(ours, num_workers=2, pin_memory=False), expected)
""",
    "any other transform runs as it is": """
augmented = T.Compose([T.RandomCrop(32, padding=4), T.RandomHorizontalFlip(), *normal.transforms])
double = T.Compose([T.ToTensor(), T.Lambda(lambda x: 2 * x)])
doubled_labels = dict(transform=normal, target_transform=lambda y: 2 * y)
wanted = [batches(official(augmented)), batches(official(double)), batches(official(**doubled_labels))]
install()
for expected, arguments in zip(wanted, (dict(transform=augmented), dict(transform=double), doubled_labels)):
    same(batches(torchvision.datasets.CIFAR10(**arguments)), expected)
""",
    "subsets, changed data and subclasses": """
def changed(dataset):
    dataset.data = dataset.data[::-1].copy()
    dataset.targets = dataset.targets[::-1]
    return dataset

class Inverted(Dataset):
    def __init__(self, inner):
        self.inner = inner
    def __getitem__(self, index):
        x, y = self.inner[index]
        return -x, y
    def __len__(self):
        return len(self.inner)

def made(make):
    return [
        batches(Subset(make(normal), range(10, 90))),
        batches(Subset(Subset(make(normal), range(10, 90)), range(40))),
        batches(ConcatDataset([make(normal), make(normal)])),
        batches(changed(make(normal))),
        batches(Inverted(make(normal))),
        batches(make(normal), collate_fn=lambda samples: [torch.stack([x for x, _ in samples]),
                                                          torch.tensor([y for _, y in samples])]),
    ]

wanted = made(official)
install()
for ours, expected in zip(made(lambda transform: torchvision.datasets.CIFAR10("x", transform=transform)), wanted):
    same(ours, expected)
assert silent.images == {"train": 80 + 40 + 600 + 300 + 300 + 300, "test": 0}
""",
    "attributes, however it is imported": """
install()
from torchvision.datasets import CIFAR10
from torchvision.datasets.cifar import CIFAR10 as Other
assert CIFAR10 is Other is torchvision.datasets.CIFAR10
dataset = CIFAR10(root="./data", train=False, download=True)
image, label = dataset[7]
assert image.size == (32, 32) and label == dataset.targets[7] == int(labels[7])
assert np.array_equal(np.asarray(image), dataset.data[7]) and dataset.data.shape == (300, 32, 32, 3)
assert dataset.classes == list("abcdefghij") and dataset.class_to_idx["c"] == 2 and not dataset.train
assert isinstance(dataset, Official) and "CIFAR10" in repr(dataset)
assert len(list(dataset)) == 300
""",
    "a preview serves its ration of a set that looks whole": """
install(loaders.Ration(train_images=100, test_images=30), length=50_000)
train = torchvision.datasets.CIFAR10("x", True, normal)
test = torchvision.datasets.CIFAR10("x", False, normal)
assert len(train) == 50_000 and len(train.targets) == 50_000
loader = DataLoader(train, batch_size=16, shuffle=True, num_workers=2)
assert [len(y) for _, y in loader] == [16] * 6 + [4] and len(loader) == 7
assert [len(y) for _, y in DataLoader(test, batch_size=4)] == [4] * 7  # whole batches of a test loop
assert [len(y) for _, y in DataLoader(test, batch_size=64)] == [64]
first, second = torch.utils.data.random_split(train, [45_000, 5_000])
assert sum(len(y) for _, y in DataLoader(first, batch_size=16)) == 100
assert np.array_equal(train.data[300:600], images)
""",
    "the stand-in test set has every class": """
few = np.repeat(np.arange(10), 30)
for count in (10, 20, 200, 400):
    chosen = fake_dataset.covering(few, count)
    assert len(chosen) == count and set(few[chosen[:10]]) == set(range(10))
""",
}


@pytest.mark.slow
@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES.keys())
def test_stand_in(body: str) -> None:
    done = subprocess.run([sys.executable, "-c", HEAD + body, str(ROOT)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
