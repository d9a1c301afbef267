"""Where images come from: the official archive or its unpacked folder, and image folders or tar archives of them.

Called by `prepare.fetch`, which writes what is read here. Never unpickles a file whose MD5 isn't the official one, and
unpacks nothing to the disk.
"""

import hashlib
import itertools
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import numpy.typing as npt

from autograder.course.dataset import OFFICIAL, OFFICIALS, Arrays, Dataset, Images
from autograder.errors import KitError, first_line
from autograder.files import PARSING

IMAGE_ENDINGS = {".jpg", ".jpeg", ".png", ".bmp", ".ppm", ".webp"}
LARGEST_SIDE = 4096  # pixels, of a picture that is made smaller
LARGEST_IMAGE_FILE = 2**20  # bytes; a 32x32 picture has at most a few thousand


@dataclass(frozen=True)
class Found:
    """What a source holds.

    Attributes:
        official: whether it is the official dataset, by its checksums.
        words: where it came from.
        classes: their names; label i means `classes[i]`.
    """

    official: bool
    words: str
    arrays: Arrays
    classes: tuple[str, ...]


Shape = tuple[int, ...]  # of a picture, (H, W, C)
CIFAR = OFFICIALS[OFFICIAL].image_shape


def read(source: Path, shape: Shape = CIFAR) -> Found:
    """What `source` holds: the official archive or folder, an image folder, or a tar archive of one.

    Pictures of an image folder are of `shape`, or are made so where that isn't CIFAR-10's.

    Raises KitError when it isn't one of these, is damaged, or its checksums aren't the official ones.
    """
    if not source.exists():
        raise KitError(f"{source}: no such file or folder")
    if (batches := _batches_folder(source)) is not None:
        return Found(True, f"official batches in {source.name}", *_official(_folder_batches(batches), source))
    if source.suffix == ".npz":
        return _arrays(source)
    if source.is_dir():
        files: Iterator[tuple[PurePosixPath, bytes]] = _folder_images(source)
    else:
        files = _archive_files(source)
        first = next(files, None)
        if first is None:
            raise KitError(f"{source}: holds neither the official batches nor train/<class>/* and test/<class>/*")
        files = itertools.chain([first], files)
        if first[0].name in _official_sums():
            return Found(True, f"official archive {source.name}", *_official(_named(files), source))
    return Found(False, f"image folder {source.name}", *_image_folder(files, source, shape))


def download(root: Path) -> Found:
    """The official archive, by way of a temporary folder under `root`. Raises KitError when it can't be had."""
    from torchvision.datasets import CIFAR10
    from torchvision.datasets.utils import download_url

    root.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".download.", dir=root) as folder:
        try:
            download_url(CIFAR10.url, folder, filename=CIFAR10.filename, md5=CIFAR10.tgz_md5)  # shows its own progress
        except (OSError, RuntimeError) as error:
            raise KitError(
                f"{CIFAR10.url} could not be downloaded ({first_line(error)})",
                f"on a machine without internet: --from {CIFAR10.filename}, or make practice data instead",
            ) from error
        archive = Path(folder) / CIFAR10.filename
        return Found(True, f"official archive {CIFAR10.url}", *_official(_named(_archive_files(archive)), archive))


# --- arrays and torchvision's other sets -----------------------------------------------------------------------------


def arrays_in(path: Path, splits: Sequence[str] = ("train", "test")) -> dict[str, npt.NDArray[Any]]:
    """The four arrays of an .npz file: inputs float32 or int64, targets int64 classes or float32 numbers.

    Raises KitError where one is missing, or of another kind.
    """
    names = [f"{split}_{kind}" for split in splits for kind in ("inputs", "targets")]
    hint = f"it holds {', '.join(names)}: numpy.savez(FILE, {names[0]}=..., ...)"
    try:
        with PARSING, np.load(path, allow_pickle=False) as file:
            found = {name: file[name] for name in names}
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise KitError(f"{path}: can't be read ({first_line(error)})", hint) from error
    for name, array in found.items():
        whole = np.issubdtype(array.dtype, np.integer) or array.dtype == bool
        if not whole and not np.issubdtype(array.dtype, np.floating):
            raise KitError(f"{path}: {name} holds {array.dtype}, neither whole numbers nor real ones", hint)
        found[name] = np.ascontiguousarray(array.astype("<i8" if whole else "<f4"))
        if not whole and not np.isfinite(found[name]).all():
            raise KitError(f"{path}: {name} holds numbers that aren't finite", hint)
    for split in splits:
        inputs, targets = found[f"{split}_inputs"], found[f"{split}_targets"]
        if not len(inputs) or len(inputs) != len(targets) or inputs.ndim < 2:
            raise KitError(f"{path}: {len(inputs)} inputs and {len(targets)} targets of {split} don't fit", hint)
    return found


def classes_of(targets: npt.NDArray[Any]) -> int:
    """How many classes there are; 0 where targets are numbers."""
    return int(targets.max()) + 1 if targets.dtype == np.int64 and targets.ndim == 1 else 0


def _arrays(source: Path) -> Found:
    found = arrays_in(source)
    classes = classes_of(found["train_targets"])
    kind = "<i8" if classes else "<f4"
    arrays = {
        "train_images": found["train_inputs"],
        "train_labels": found["train_targets"].astype(kind),
        "test_images": found["test_inputs"],
        "test_labels": found["test_targets"].astype(kind),
    }
    return Found(False, f"arrays in {source.name}", arrays, tuple(f"class {label}" for label in range(classes)))


def held_out_arrays(source: Path, dataset: Dataset) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Test images of an instructor's own and their labels, as `dataset` has them.

    Raises KitError where they don't fit.
    """
    if source.suffix == ".npz":
        held = arrays_in(source, ("test",))
        images, labels = held["test_inputs"], held["test_targets"]
        if not dataset.classes:
            labels = labels.astype("<f4")
        fits = images.shape[1:] == dataset.image_shape and labels.shape[1:] == dataset.target_shape
        if not fits or images.dtype != dataset.dtype:
            raise KitError(f"{source}: inputs {images.shape[1:]} and targets {labels.shape[1:]} aren't the dataset's")
        if dataset.classes and (labels.dtype != np.int64 or labels.min() < 0 or labels.max() >= len(dataset.classes)):
            raise KitError(f"{source}: targets aren't classes from 0 to {len(dataset.classes) - 1}")
        return images, labels
    if dataset.dtype != "uint8" or not source.is_dir():
        raise KitError(
            f"{source}: isn't a folder of pictures, <class>/*", "of arrays, an .npz with test_inputs, test_targets"
        )
    numbers = {name: label for label, name in enumerate(dataset.classes)}
    numbers |= {str(label): label for label in range(len(dataset.classes))}
    pictures: list[tuple[int, int, Images]] = []
    for folder in sorted(path for path in source.iterdir() if path.is_dir() and not path.name.startswith(".")):
        if folder.name not in numbers:
            raise KitError(f"{folder}: no class of {dataset.name}", f"there are: {', '.join(dataset.classes)}")
        files = sorted(path for path in folder.iterdir() if path.suffix.lower() in IMAGE_ENDINGS)
        for rank, path in enumerate(files):
            inside = PurePosixPath(folder.name, path.name)
            picture = _decode(path.read_bytes(), source, inside, dataset.image_shape)
            pictures.append((rank, numbers[folder.name], picture))
    if not pictures:
        raise KitError(f"{source}: holds no pictures", "it is a folder of pictures, <class>/*")
    ordered = sorted(pictures, key=lambda one: one[:2])  # every stretch of the order has all classes
    labels = np.array([label for _, label, _ in ordered], dtype="<i8")
    return np.stack([picture for _, _, picture in ordered]), labels


def torchvisions(name: str, folder: Path, download: bool) -> Found:
    """A set of torchvision's from `folder`, where its own class finds it; downloaded there first, if asked.

    It is official where it was downloaded: torchvision has compared the checksums then. Raises KitError where it can't
    be had.
    """
    import torchvision

    official = OFFICIALS[name]
    of_split = official.read_as in ("SVHN", "STL10")
    arrays: Arrays = {}
    try:
        for split in ("train", "test"):
            which: dict[str, Any] = {"split": split} if of_split else {"train": split == "train"}
            found = getattr(torchvision.datasets, official.read_as)(str(folder), download=download, **which)
            images = np.asarray(found.data).transpose(0, 2, 3, 1) if of_split else np.asarray(found.data)
            arrays[f"{split}_images"] = np.ascontiguousarray(
                images.reshape(len(images), *official.image_shape), np.uint8
            )
            labels = found.labels if of_split else found.targets
            arrays[f"{split}_labels"] = np.asarray(labels).astype("<i8")
    except (OSError, RuntimeError, ValueError) as error:
        raise KitError(
            f"{name} could not be {'downloaded' if download else f'read from {folder}'} ({first_line(error)})",
            "on a machine without internet: --from a folder in which torchvision has it, or practice data instead",
        ) from error
    classes = tuple(getattr(found, "classes", None) or map(str, range(official.classes)))
    return Found(download, f"torchvision's {official.read_as}", arrays, classes)


# --- the official archive --------------------------------------------------------------------------------------------


def _official_sums() -> dict[str, str]:
    """File name -> MD5, from torchvision: five training batches, the test batch, the class names."""
    from torchvision.datasets import CIFAR10

    return {**dict(CIFAR10.train_list), **dict(CIFAR10.test_list), CIFAR10.meta["filename"]: CIFAR10.meta["md5"]}


def _named(files: Iterator[tuple[PurePosixPath, bytes]]) -> Iterator[tuple[str, bytes]]:
    return ((path.name, content) for path, content in files)


def _batches_folder(source: Path) -> Path | None:
    from torchvision.datasets import CIFAR10

    for folder in (source, source / CIFAR10.base_folder):
        if any((folder / name).is_file() for name in _official_sums()):
            return folder
    return None


def _folder_batches(folder: Path) -> Iterator[tuple[str, bytes]]:
    for name in _official_sums():
        if (folder / name).is_file():
            yield name, (folder / name).read_bytes()


def _official(files: Iterator[tuple[str, bytes]], source: Path) -> tuple[Arrays, tuple[str, ...]]:
    """The arrays in the official order, from (file name, content) pairs: each is hashed, and only then unpickled."""
    import pickle

    from torchvision.datasets import CIFAR10

    sums = _official_sums()
    hint = f"the official one is {CIFAR10.url} (MD5 {CIFAR10.tgz_md5})"
    found: dict[str, dict[str, Any]] = {}
    with _progress("reading the official batches", len(sums)) as advance:
        for name, content in files:
            if name in sums:
                if hashlib.md5(content, usedforsecurity=False).hexdigest() != sums[name]:
                    raise KitError(f"{source}: {name} doesn't have the official checksum", hint)
                found[name] = pickle.loads(content, encoding="latin1")
                advance()
    if missing := [name for name in sums if name not in found]:
        raise KitError(f"{source}: {missing[0]} is missing", hint)
    arrays: Arrays = {}
    for split, names in (("train", CIFAR10.train_list), ("test", CIFAR10.test_list)):
        batches = [found[name] for name, _ in names]
        planes = np.concatenate([batch["data"] for batch in batches]).reshape(-1, 3, 32, 32)
        arrays[f"{split}_images"] = np.ascontiguousarray(planes.transpose(0, 2, 3, 1), dtype=np.uint8)
        arrays[f"{split}_labels"] = np.concatenate([batch["labels"] for batch in batches]).astype("<i8")
    return arrays, tuple(found[CIFAR10.meta["filename"]][CIFAR10.meta["key"]])


# --- image folders ---------------------------------------------------------------------------------------------------


def _folder_images(source: Path) -> Iterator[tuple[PurePosixPath, bytes]]:
    for path in source.glob("*/*/*"):
        inside = PurePosixPath(path.relative_to(source).as_posix())
        if _is_image(inside) and path.is_file():
            if path.stat().st_size > LARGEST_IMAGE_FILE:
                raise KitError(f"{path}: {path.stat().st_size:,} bytes are too many for a 32x32 picture")
            yield inside, path.read_bytes()


def _archive_files(source: Path) -> Iterator[tuple[PurePosixPath, bytes]]:
    """The official batches and the pictures of a tar archive, read as a stream: nothing is unpacked to the disk."""
    sums = _official_sums()
    try:
        with tarfile.open(source, "r|*") as archive:
            for member in archive:
                path = PurePosixPath(member.name)
                if not member.isfile() or not (path.name in sums or _is_image(path)):
                    continue
                if member.size > (LARGEST_IMAGE_FILE if path.name not in sums else 64 * LARGEST_IMAGE_FILE):
                    raise KitError(f"{source}: {path} is too large ({member.size:,} bytes)")
                content = archive.extractfile(member)
                if content is not None:
                    yield path, content.read()
    except (tarfile.TarError, OSError, EOFError, ValueError) as error:
        raise KitError(f"{source}: not a whole tar archive ({first_line(error)})") from error
    except Exception as error:
        # zlib.error and lzma.LZMAError have no common base but Exception.
        if type(error).__module__ in ("zlib", "lzma", "_lzma"):
            raise KitError(f"{source}: not a whole tar archive ({first_line(error)})") from error
        raise


def _is_image(path: PurePosixPath) -> bool:
    return (
        len(path.parts) >= 3
        and path.parts[-3] in ("train", "test")
        and path.suffix.lower() in IMAGE_ENDINGS
        and not path.name.startswith(".")
    )


def _image_folder(
    files: Iterator[tuple[PurePosixPath, bytes]], source: Path, shape: Shape
) -> tuple[Arrays, tuple[str, ...]]:
    """The arrays of an image folder, in an order that mixes the classes evenly and doesn't depend on how files are
    listed."""
    pictures: dict[str, dict[str, dict[str, Images]]] = {"train": {}, "test": {}}
    with _progress("reading pictures", None) as advance:
        for path, content in files:
            split, label, name = path.parts[-3:]
            pictures[split].setdefault(label, {})[name] = _decode(content, source, path, shape)
            advance()
    classes = tuple(sorted(pictures["train"]))
    if len(classes) < 2 or classes != tuple(sorted(pictures["test"])):
        raise KitError(
            f"{source}: {len(classes)} classes under train/ and {len(pictures['test'])} under test/, not the same ones",
            "an image folder holds train/<class>/* and test/<class>/*",
        )
    arrays: Arrays = {}
    for split, of_class in pictures.items():
        order = sorted(
            (rank, hashlib.sha256(f"{label}/{name}".encode()).digest(), label, name)
            for label in classes
            for rank, name in enumerate(sorted(of_class[label]))
        )
        arrays[f"{split}_images"] = np.stack([of_class[label][name] for _, _, label, name in order])
        arrays[f"{split}_labels"] = np.array([classes.index(label) for _, _, label, _ in order], dtype="<i8")
    return arrays, classes


def _decode(content: bytes, source: Path, path: PurePosixPath, shape: Shape) -> Images:
    import io

    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(io.BytesIO(content)) as image:
            size = image.size  # known before anything is decompressed
            height, width, channels = shape
            if size == (width, height) or (shape != CIFAR and max(size) <= LARGEST_SIDE):
                plain = image.convert("L" if channels == 1 else "RGB")
                return np.asarray(plain if size == (width, height) else plain.resize((width, height))).reshape(shape)
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise KitError(f"{source}: {path} isn't a whole picture ({first_line(error)})") from error
    raise KitError(f"{source}: {path} is {size[0]}x{size[1]}, not {width}x{height}")


@contextmanager
def _progress(text: str, total: int | None) -> Iterator[Any]:
    """A bar on standard error (nothing where that is no terminal); yields a function that advances it by one."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    progress = Progress(*columns, console=Console(stderr=True), transient=True)
    with progress:
        task = progress.add_task(text, total=total)
        yield lambda: progress.advance(task)
