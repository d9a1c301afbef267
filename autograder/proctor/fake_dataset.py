"""What a submission gets when it asks torchvision for a dataset: the same class, over arrays that the grader chose.

Installed by the proctor's `__main__.py`, and by `in_nbgrader.py`, before the submission runs. It takes torchvision's
arguments, has its attributes and gives the same pixels bit for bit. It never holds a test image: where a script asks
for them it reads stand-ins.

Cost on one core of a 2-core container, without transforms other than ToTensor and Normalize: see `make bench`
(`loader_ours_over_torchvision`).
"""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch
import torchvision
from PIL import Image
from torch.utils.data import default_collate
from torchvision import transforms
from torchvision.datasets import VisionDataset


@dataclass(frozen=True)
class Split:
    """Images and labels of one split as a submission sees them.

    Attributes:
        images: (count, H, W, C) uint8; of arrays, (count, ...) of their type.
        labels: (count,) int64.
        length: what `len()` of the dataset says. Where it is more than `count` (previews, rehearsals), images repeat:
            scripts that split 50,000 images into 45,000 and 5,000 run on four hundred all the same.
    """

    images: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.int64]
    length: int

    def repeated(self, array: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """`array` at the length that a submission sees."""
        if self.length == len(array):
            return array
        return array[np.arange(self.length) % len(array)]


@dataclass(frozen=True)
class Pictures:
    """The data of one run. `test` stands in for the test set: it has images of the training set, of every class."""

    train: Split
    test: Split
    classes: tuple[str, ...]


def covering(labels: npt.NDArray[np.int64], count: int) -> npt.NDArray[np.int64]:
    """Indices of `count` images such that the first ones hold every class once (as far as `count` allows)."""
    firsts = np.unique(labels, return_index=True)[1]
    rest = np.setdiff1d(np.arange(len(labels)), firsts)
    chosen: npt.NDArray[np.int64] = np.resize(np.concatenate([np.sort(firsts), rest]), count)
    return chosen


class StandIn(VisionDataset):  # type: ignore[misc]
    """torchvision's own class over the arrays of `install`; `root` and `download` are accepted and not used."""

    pictures: Pictures
    class_to_idx: ClassVar[dict[str, int]] = {}  # a property of some of torchvision's; here an attribute of each
    own: type  # torchvision's class, as `install` made it
    made: "list[StandIn]"
    file = ""  # the name of the file of arrays that takes its place, where a script reads one
    collated = False  # whether the loader that asks takes a batch as `Collated`; see `asked_by_loader`
    by_loader = False  # whether a loader asks; what is read without one is told to `read_directly`
    read_directly: Callable[[], None] | None = None
    downloaded: Callable[[Any], None] | None = None  # is told the folder that a dataset lies in
    shown: npt.NDArray[np.uint8] | None = None  # the picture that every item has; see `showing`
    times_shown = 0

    def __init__(
        self,
        root: Any = "./data",
        train: bool = True,
        transform: Any = None,
        target_transform: Any = None,
        download: bool = False,
    ) -> None:
        VisionDataset.__init__(self, root, transform=transform, target_transform=target_transform)
        self.train = bool(train)
        split = self.pictures.train if self.train else self.pictures.test
        self._split = split
        self.targets: Any = self.labels_as_torchvision(split.repeated(split.labels))
        self.classes = list(self.pictures.classes)
        self.__dict__["class_to_idx"] = {name: label for label, name in enumerate(self.classes)}
        self._own_targets = self.targets
        StandIn.made.append(self)
        if StandIn.downloaded is not None:
            StandIn.downloaded(root)

    @staticmethod
    def labels_as_torchvision(labels: npt.NDArray[np.int64]) -> Any:
        """(N,) int64 as the attribute `targets` has them."""
        return labels.tolist()

    @staticmethod
    def images_as_torchvision(images: npt.NDArray[np.uint8]) -> Any:
        """(N, H, W, C) uint8 as the attribute `data` has them."""
        return images

    @staticmethod
    def pixels_of(image: Any) -> npt.NDArray[np.uint8]:
        """An item of `data` as (H, W, C) or (H, W) uint8."""
        return np.asarray(image)

    @property
    def data(self) -> Any:
        """All pictures, as torchvision's; made at its full length only when a script asks for it."""
        if "_data" not in self.__dict__:
            self.__dict__["_data"] = self.images_as_torchvision(self._split.repeated(self._split.images))
        return self.__dict__["_data"]

    @data.setter
    def data(self, images: Any) -> None:
        self.__dict__["_data"] = images

    def __len__(self) -> int:
        return len(self.data) if "_data" in self.__dict__ else self._split.length

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        if self.train and not StandIn.by_loader and StandIn.read_directly is not None:
            StandIn.read_directly()
        if StandIn.shown is not None:
            StandIn.times_shown += 1
            pixels = StandIn.shown
        elif "_data" in self.__dict__:
            pixels = self.pixels_of(self.data[index])
        else:
            at = int(index)
            if not -self._split.length <= at < self._split.length:
                raise IndexError(f"index {at} is out of range for {self._split.length} images")
            pixels = self._split.images[at % self._split.length % len(self._split.images)]
        image: Any = picture(np.asarray(pixels))
        target: Any = self.targets[index]
        if isinstance(target, torch.Tensor):
            target = int(target)
        if self.transform is not None:
            image = self.transform(image)
        if self.target_transform is not None:
            target = self.target_transform(target)
        return image, target

    def __getitems__(self, indices: Sequence[int]) -> "list[tuple[Any, Any]]":
        norms = self.arithmetic() if self.is_plain() and StandIn.shown is None else None
        if norms is None:
            return [self[index] for index in indices]
        at = np.asarray(indices, dtype=np.int64)
        images = pixels_to_tensor(self._split.images[at % len(self._split.images)], norms)
        labels = torch.from_numpy(self._split.labels[at % len(self._split.labels)])
        if StandIn.collated:
            return Collated(images, labels)
        return list(zip(images, labels.tolist(), strict=True))

    def is_plain(self) -> bool:
        """Whether nobody changed the data, the labels or how items are made."""
        return (
            type(self).__getitem__ is StandIn.__getitem__
            and "_data" not in self.__dict__
            and self.targets is self._own_targets
            and self.target_transform is None
        )

    def arithmetic(self) -> list[tuple[torch.Tensor, torch.Tensor]] | None:
        """See the function of this name, for its transform and its pictures' channels."""
        return arithmetic(self.transform, self._split.images.shape[-1])


class _Grey(StandIn):
    """MNIST and its kin: tensors, (N, H, W) and (N,)."""

    @staticmethod
    def labels_as_torchvision(labels: npt.NDArray[np.int64]) -> Any:
        """See `StandIn`."""
        return torch.from_numpy(np.array(labels))

    @staticmethod
    def images_as_torchvision(images: npt.NDArray[np.uint8]) -> Any:
        """See `StandIn`."""
        return torch.from_numpy(np.array(images[..., 0]))


class _BySplit(StandIn):
    """SVHN and STL10: a `split` by its name, channels first, and `labels`."""

    def __init__(
        self,
        root: Any = "./data",
        split: str = "train",
        transform: Any = None,
        target_transform: Any = None,
        download: bool = False,
    ) -> None:
        super().__init__(root, split != "test", transform, target_transform, download)
        self.split = split

    @staticmethod
    def labels_as_torchvision(labels: npt.NDArray[np.int64]) -> Any:
        """See `StandIn`."""
        return np.array(labels)

    @staticmethod
    def images_as_torchvision(images: npt.NDArray[np.uint8]) -> Any:
        """See `StandIn`."""
        return np.ascontiguousarray(images.transpose(0, 3, 1, 2))

    @staticmethod
    def pixels_of(image: Any) -> npt.NDArray[np.uint8]:
        """See `StandIn`."""
        return np.asarray(image).transpose(1, 2, 0)

    @property
    def labels(self) -> Any:
        """What these two call their targets."""
        return self.targets

    @labels.setter
    def labels(self, labels: Any) -> None:
        self.targets = labels


class _ByFold(_BySplit):
    """STL10, which has `folds` before the transform."""

    def __init__(
        self, root: Any = "./data", split: str = "train", folds: Any = None, *given: Any, **named: Any
    ) -> None:
        super().__init__(root, split, *given, **named)
        self.folds = folds


class _Folder(StandIn):
    """ImageFolder: the folder's name says which split it is."""

    def __init__(
        self,
        root: Any,
        transform: Any = None,
        target_transform: Any = None,
        loader: Any = None,
        is_valid_file: Any = None,
        allow_empty: bool = False,
    ) -> None:
        name = Path(str(root)).name.lower()
        super().__init__(root, not any(word in name for word in ("test", "val")), transform, target_transform)
        self.samples = [(f"{root}/{self.classes[label]}/{at}.png", label) for at, label in enumerate(self.targets)]
        self.imgs = self.samples
        self.loader, self.is_valid_file, self.allow_empty = loader, is_valid_file, allow_empty


_KINDS: dict[str, type[StandIn]] = {
    **dict.fromkeys(("MNIST", "FashionMNIST", "KMNIST"), _Grey),
    "SVHN": _BySplit,
    "STL10": _ByFold,
    "ImageFolder": _Folder,
}
"""torchvision's classes that aren't as CIFAR10 is."""


class Collated(list[tuple[Any, Any]]):
    """A batch that is collated already: the list is empty, and the tensors are attributes."""

    def __init__(self, images: torch.Tensor, labels: torch.Tensor) -> None:
        super().__init__()
        self.images = images
        self.labels = labels


def collate(samples: Any) -> Any:
    """What `default_collate` gives, without taking a batch apart first."""
    if type(samples) is Collated:
        return [samples.images, samples.labels]
    return default_collate(samples)


def picture(pixels: npt.NDArray[np.uint8]) -> Image.Image:
    """(H, W, C) or (H, W) uint8 as torchvision gives it: grey where there is one channel."""
    return Image.fromarray(pixels[..., 0] if pixels.shape[-1:] == (1,) and pixels.ndim == 3 else pixels)


def arithmetic(transform: Any, channels: int) -> list[tuple[torch.Tensor, torch.Tensor]] | None:
    """The (mean, std) pairs, each (C, 1, 1), of a transform that is ToTensor and then any number of Normalize.

    None for any other transform: those run image by image, as they are.
    """
    steps = transform.transforms if type(transform) is transforms.Compose else [transform]
    if not steps or type(steps[0]) is not transforms.ToTensor or torch.get_default_dtype() is not torch.float32:
        return None
    pairs = []
    for step in steps[1:]:
        if type(step) is not transforms.Normalize:
            return None
        mean = torch.as_tensor(step.mean, dtype=torch.float32).view(-1, 1, 1)
        std = torch.as_tensor(step.std, dtype=torch.float32).view(-1, 1, 1)
        if (std == 0).any() or not {mean.numel(), std.numel()} <= {1, channels}:
            return None  # torchvision has its own words for that
        pairs.append((mean, std))
    return pairs


def pixels_to_tensor(pixels: npt.NDArray[np.uint8], norms: list[tuple[torch.Tensor, torch.Tensor]]) -> torch.Tensor:
    """(N, H, W, C) uint8 to (N, C, H, W) float32 by the same operations as ToTensor and Normalize, on all at once."""
    images = torch.from_numpy(np.ascontiguousarray(pixels)).permute(0, 3, 1, 2)
    images = images.to(torch.float32, memory_format=torch.contiguous_format).div_(255)
    for mean, std in norms:
        images.sub_(mean).div_(std)
    return images


def transformed(pixels: npt.NDArray[np.uint8], transform: Any) -> torch.Tensor:
    """Test images (N, H, W, C) uint8 through a submission's own transform, stacked."""
    norms = arithmetic(transform, pixels.shape[-1])
    if norms is not None:
        return pixels_to_tensor(pixels, norms)
    images = [picture(image) for image in pixels]
    return torch.stack([torch.as_tensor(transform(image) if transform else np.asarray(image)) for image in images])


@contextmanager
def asked_by_loader(collated: bool) -> Iterator[None]:
    """While a loader makes a batch: its items aren't counted one by one; `collated` says how it takes them."""
    StandIn.by_loader, StandIn.collated = True, collated
    try:
        yield
    finally:
        StandIn.by_loader = StandIn.collated = False


@contextmanager
def showing(image: npt.NDArray[np.uint8]) -> Iterator[None]:
    """While one item is asked for: whichever it is, it has this picture, (H, W, C).

    Raises LookupError where the item wasn't made of a dataset's.
    """
    before = StandIn.times_shown
    StandIn.shown = image
    try:
        with asked_by_loader(collated=False):
            yield
    finally:
        StandIn.shown = None
    if StandIn.times_shown == before:
        raise LookupError("the item isn't made of a dataset's")


def split_of(dataset: Any, depth: int = 6) -> "StandIn | None":
    """The stand-in that `dataset` wraps, through up to `depth` subsets, concatenations and wrappers; None for none."""
    if isinstance(dataset, StandIn):
        return dataset
    if depth == 0 or not hasattr(dataset, "__dict__"):
        return None
    for value in vars(dataset).values():
        inner = value[0] if isinstance(value, list | tuple) and value else value
        if isinstance(inner, torch.utils.data.Dataset) and (found := split_of(inner, depth - 1)) is not None:
            return found
    return None


def install(pictures: Pictures, name: str = "CIFAR10") -> None:
    """Put the stand-in in the place of torchvision's class `name`, for every way a script may import it.

    Of a file of arrays only its name is kept: `folders.py` has it written where a script opens it.
    """
    StandIn.pictures = pictures
    StandIn.made = []
    StandIn.own = StandIn
    if name.endswith(".npz"):
        StandIn.file = name
        return
    base = getattr(torchvision.datasets, name)
    # What a script prints of its dataset's class, and what it asks it for, is torchvision's own.
    StandIn.own = type(name, (_KINDS.get(name, StandIn), base), {"__module__": base.__module__})
    setattr(torchvision.datasets, name, StandIn.own)
    setattr(sys.modules[base.__module__], name, StandIn.own)
