"""Datasets as four `.npy` arrays and a `dataset.json`, memory-mapped by everything that reads them.

Called by `prepare.py`, by the commands and by every module that needs images. `sources.py` reads what they are prepared
from. Never runs in the process of a student's code, and never unpickles.

On disk, for a dataset called NAME, in `ROOT/NAME/`:

    train_images.npy  (N, H, W, C) uint8        train_labels.npy  (N,) int64
    test_images.npy   (M, H, W, C) uint8        test_labels.npy   (M,) int64
    dataset.json      format, name, source, classes, counts, image shape, fingerprint

Arrays of an instructor's own lie there under the same names: inputs of any shape as "images", (N, ...) float32 or
int64, and where there are no classes, targets as "labels", (N, ...) float32.

A homework's own data is the dataset that its declaration names. An official dataset ("cifar10", "mnist") gets its name
only after torchvision's MD5 sums matched; an imported image folder can't have it. There is no list of known
fingerprints, so a person who may write to the data folder can forge the name in `dataset.json`. Submissions can't:
their sandbox doesn't hold the folder. `verify` re-hashes the arrays and finds arrays that changed after they were
prepared; the fingerprint goes into every result, so that two runs can be compared.

Cost on one core of a 2-core container: `load` 1 ms; the 60,000 JPEGs of a `.tar.xz` 13 s.
"""

import hashlib
import json
import os
import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from autograder.errors import KitError, first_line
from autograder.files import CHECKOUT, PARSING, ROOT

OFFICIAL = "cifar10"
IMPORTED = "cifar10-jpeg"
PRACTICE = "practice"
FORMAT = 1
ARRAYS = ("train_images", "train_labels", "test_images", "test_labels")
STALE_AFTER_S = 24 * 3600  # a temporary folder this old belongs to nobody

Images = npt.NDArray[np.uint8]
Labels = npt.NDArray[np.int64]
Arrays = dict[str, npt.NDArray[Any]]
"""The four arrays, by the names in `ARRAYS`."""


@dataclass(frozen=True)
class Official:
    """What is known of a homework's own dataset before it is there: enough to stand in for it.

    Attributes:
        image_shape: (H, W, C); of arrays, the shape of one input.
        train_count, test_count: how many images it has.
        classes: how many there are; 0 where targets are numbers, in the shape of the network's answer.
        read_as: how a script reads it: a class of `torchvision.datasets`, or the name of an .npz file.
        dtype: of an input.
        values: inputs are whole numbers from 0 to below this, such as the words of a text; 0 where they aren't.
        mirrors: whether a mirrored picture shows the same.
    """

    image_shape: tuple[int, ...]
    train_count: int
    test_count: int
    classes: int = 10
    read_as: str = "CIFAR10"
    dtype: Literal["uint8", "float32", "int64"] = "uint8"
    values: int = 0
    mirrors: bool = True

    @property
    def is_file(self) -> bool:
        """Whether a script reads it from a file of arrays."""
        return self.read_as.endswith(".npz")


OFFICIALS = {
    OFFICIAL: Official((32, 32, 3), 50_000, 10_000),
    "cifar100": Official((32, 32, 3), 50_000, 10_000, classes=100, read_as="CIFAR100"),
    "mnist": Official((28, 28, 1), 60_000, 10_000, read_as="MNIST", mirrors=False),
    "fashion-mnist": Official((28, 28, 1), 60_000, 10_000, read_as="FashionMNIST"),
    "kmnist": Official((28, 28, 1), 60_000, 10_000, read_as="KMNIST", mirrors=False),
    "svhn": Official((32, 32, 3), 73_257, 26_032, read_as="SVHN", mirrors=False),
    "stl10": Official((96, 96, 3), 5_000, 8_000, read_as="STL10"),
}
"""By name, those that the kit can fetch."""


@dataclass(frozen=True)
class Dataset:
    """A prepared dataset. The arrays are mapped anew at each access, read-only.

    Attributes:
        name: "cifar10" for the official data, "practice" for the generated set, else what it was imported as.
        source: where it came from, in words.
        fingerprint: SHA-256 over the four arrays, as hex.
        classes: their names; label i means `classes[i]`. () where targets are numbers.
        image_shape: of one image, (H, W, C); of arrays, of one input.
        dtype: of the images.
        target_shape: of one target, where these are numbers.
        held_out: whether its test images are an instructor's own, which nobody is shown.
    """

    name: str
    source: str
    fingerprint: str
    folder: Path
    train_count: int
    test_count: int
    classes: tuple[str, ...]
    image_shape: tuple[int, ...] = OFFICIALS[OFFICIAL].image_shape
    dtype: str = "uint8"
    target_shape: tuple[int, ...] = ()
    held_out: bool = False

    @property
    def is_practice(self) -> bool:
        """Whether it was generated."""
        return self.name == PRACTICE or self.name.startswith(f"{PRACTICE}-")

    @property
    def train_images(self) -> Images:
        """(train_count, H, W, C) uint8."""
        return _map(self.folder, "train_images")

    @property
    def train_labels(self) -> Labels:
        """(train_count,) int64."""
        return _map(self.folder, "train_labels")

    @property
    def test_images(self) -> Images:
        """(test_count, H, W, C) uint8."""
        return _map(self.folder, "test_images")

    @property
    def test_labels(self) -> Labels:
        """(test_count,) int64."""
        return _map(self.folder, "test_labels")


def default_root() -> Path:
    """Where datasets are kept unless somebody says otherwise: the checkout's `data/`.

    An installed package has no checkout around it; then it is `data/` of the current folder, where homework scripts
    keep theirs.
    """
    return (ROOT if CHECKOUT else Path.cwd()) / "data"


def load(folder: Path) -> Dataset:
    """The dataset prepared in `folder`, after a look at every array's type, shape and file size, and at the labels.

    Raises KitError when something is missing, truncated or not as `dataset.json` says. Doesn't hash: see `verify`.
    """
    hint = "prepare it again: autograder data fetch, or autograder data practice"
    if not folder.is_dir():
        raise KitError(f"{folder}: no dataset is there", hint)
    dataset = _read_description(folder, hint)
    counts = {"train": dataset.train_count, "test": dataset.test_count}
    for name in ARRAYS:
        split, kind = name.split("_")
        images = kind == "images"
        shape = (counts[split], *(dataset.image_shape if images else dataset.target_shape))
        path = folder / f"{name}.npy"
        try:
            array = _map(folder, name)
        except FileNotFoundError as error:
            raise KitError(f"{path}: missing", hint) from error
        except (OSError, ValueError, EOFError) as error:
            raise KitError(f"{path}: damaged or truncated ({first_line(error)})", hint) from error
        dtype = np.dtype(dataset.dtype if images else "<i8" if dataset.classes else "<f4")
        if array.shape != shape or array.dtype != dtype or not array.flags.c_contiguous:
            raise KitError(f"{path}: has {array.dtype} {array.shape}, not {dtype} {shape}", hint)
        if path.stat().st_size != array.offset + array.nbytes:
            raise KitError(f"{path}: {path.stat().st_size:,} bytes, not {array.offset + array.nbytes:,}", hint)
        if not images and dataset.classes and (array.min() < 0 or array.max() >= len(dataset.classes)):
            raise KitError(f"{path}: labels {array.min()} to {array.max()} of {len(dataset.classes)} classes", hint)
    return dataset


def verify(dataset: Dataset) -> None:
    """Hash the arrays again. Raises KitError when they aren't those that were prepared."""
    if _fingerprint({name: _map(dataset.folder, name) for name in ARRAYS}) != dataset.fingerprint:
        raise KitError(
            f"{dataset.folder}: the arrays aren't those that were prepared (another SHA-256)",
            "prepare it again: autograder data fetch, or autograder data practice",
        )


def prepared(root: Path) -> list[Dataset]:
    """Every dataset under `root` that loads, by name."""
    found = []
    for description in sorted(root.glob("[!.]*/dataset.json")):
        try:
            found.append(load(description.parent))
        except KitError:
            continue
    return found


def write(
    root: Path, name: str, source: str, arrays: Arrays, classes: tuple[str, ...], *, held_out: str = ""
) -> Dataset:
    """Write a dataset whole: into a temporary folder beside, to the disk, and then into place by a rename.

    `held_out`: the folder's name, where it isn't the dataset's since its test images are an instructor's own.

    Whatever fails on the way, what was in `root/name` before stays as it was. (The old folder is moved aside for the
    moment between two renames.)
    """
    folder = root / (held_out or name)
    temporary: Path | None = None
    try:
        root.mkdir(parents=True, exist_ok=True)
        _remove_stale(root)
        temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=root))
        temporary.chmod(0o755)
        for array in ARRAYS:
            with (temporary / f"{array}.npy").open("wb") as file:
                np.save(file, arrays[array], allow_pickle=False)
                _to_disk(file.fileno())
        description = {
            "format": FORMAT,
            "name": name,
            "source": source,
            "train_count": len(arrays["train_labels"]),
            "test_count": len(arrays["test_labels"]),
            "classes": list(classes),
            "image_shape": list(arrays["train_images"].shape[1:]),
            **({} if arrays["train_images"].dtype == np.uint8 else {"dtype": arrays["train_images"].dtype.name}),
            **({} if classes else {"target_shape": list(arrays["train_labels"].shape[1:])}),
            **({"held_out": True} if held_out else {}),
            "fingerprint": _fingerprint(arrays),
        }
        with (temporary / "dataset.json").open("w", encoding="utf-8") as text:
            text.write(json.dumps(description, indent=2) + "\n")
            text.flush()
            _to_disk(text.fileno())
        load(temporary)
        _into_place(temporary, folder)
    except OSError as error:
        raise KitError(f"{folder}: couldn't be written ({first_line(error)})", "what was there is kept") from error
    finally:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)
    return load(folder)


# --- reading and writing ---------------------------------------------------------------------------------------------


def _map(folder: Path, name: str) -> "np.memmap[Any, Any]":
    with PARSING:
        array = np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False)
    if not isinstance(array, np.memmap):
        raise ValueError("not a .npy file")
    return array


def _read_description(folder: Path, hint: str) -> Dataset:
    path = folder / "dataset.json"
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise KitError(f"{path}: missing", hint) from error
    except (OSError, ValueError) as error:
        raise KitError(f"{path}: can't be read ({first_line(error)})", hint) from error
    if not isinstance(fields, dict) or fields.get("format") != FORMAT:
        raise KitError(f"{path}: not a dataset of format {FORMAT}", hint)
    types = {"name": str, "source": str, "fingerprint": str, "train_count": int, "test_count": int, "classes": list}
    for field, kind in types.items():
        if type(fields.get(field)) is not kind:
            raise KitError(f"{path}: {field!r} is missing or isn't a {kind.__name__}", hint)
    classes = fields["classes"]
    if (len(classes) < 2 and "target_shape" not in fields) or not all(isinstance(name, str) for name in classes):
        raise KitError(f"{path}: 'classes' isn't a list of names", hint)
    if fields["train_count"] < 1 or fields["test_count"] < 1:
        raise KitError(f"{path}: holds no images", hint)
    shape = fields.get("image_shape", list(OFFICIALS[OFFICIAL].image_shape))  # older ones don't say it
    if not _is_shape(shape) or not shape or not _is_shape(fields.get("target_shape", [])):
        raise KitError(f"{path}: 'image_shape' isn't the shape of an input", hint)
    dtype = fields.get("dtype", "uint8")
    if dtype not in ("uint8", "float32", "int64") or (dtype == "uint8" and len(shape) != 3):
        raise KitError(f"{path}: 'image_shape' isn't height, width and channels of pictures, nor are they arrays", hint)
    return Dataset(
        name=fields["name"],
        source=fields["source"],
        fingerprint=fields["fingerprint"],
        folder=folder,
        train_count=fields["train_count"],
        test_count=fields["test_count"],
        classes=tuple(classes),
        image_shape=tuple(shape),
        dtype=dtype,
        target_shape=tuple(fields.get("target_shape", [])),
        held_out=fields.get("held_out") is True,
    )


def _is_shape(value: object) -> bool:
    return isinstance(value, list) and all(type(side) is int and side > 0 for side in value)


def _fingerprint(arrays: Arrays) -> str:
    """SHA-256 over the arrays in the order of `ARRAYS`, each with its name, type and shape before its bytes."""
    digest = hashlib.sha256()
    for name in ARRAYS:
        array = np.ascontiguousarray(arrays[name])
        digest.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        digest.update(array.reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


def _to_disk(descriptor: int) -> None:
    os.fsync(descriptor)


def _into_place(temporary: Path, folder: Path) -> None:
    aside = temporary.with_name(temporary.name + ".old")
    replaced = folder.exists()
    if replaced:
        folder.rename(aside)
    try:
        temporary.rename(folder)
    except BaseException:
        if replaced:
            aside.rename(folder)
        raise
    if replaced:
        shutil.rmtree(aside, ignore_errors=True)
    if hasattr(os, "O_DIRECTORY"):
        descriptor = os.open(folder.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            _to_disk(descriptor)
        finally:
            os.close(descriptor)


def _remove_stale(root: Path) -> None:
    for left in root.glob(".*.*/"):
        if not left.name.endswith(".old") and time.time() - left.stat().st_mtime > STALE_AFTER_S:
            shutil.rmtree(left, ignore_errors=True)
