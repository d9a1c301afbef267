"""Datasets, got ready: chosen for a training, downloaded, imported or drawn.

Called by the commands and by `runner/setup.py`. What is prepared lies where `dataset.py` says.
"""

import hashlib
import re
import tempfile
from contextlib import suppress
from pathlib import Path

import numpy as np

from autograder.course import sources
from autograder.course.dataset import (
    IMPORTED,
    OFFICIAL,
    OFFICIALS,
    PRACTICE,
    Arrays,
    Dataset,
    default_root,
    load,
    verify,
    write,
)
from autograder.course.homework import Homework, Protocol
from autograder.course.practice import CLASSES, SIDE, SOURCE, TEST_COUNT, TRAIN_COUNT, class_names, draw_for
from autograder.errors import KitError


def choose(homework: Homework, protocol: Protocol, data: Path | None, test_images: Path | None = None) -> Dataset:
    """The data to train `homework` on under `protocol`, verified; tested on `test_images`, where there are some.

    A dataset's own folder is taken as it is. Of a folder of datasets (None: the kit's own), full takes the homework's
    own, and fetches it when it isn't there; a preview takes it when it is there, else the practice set.
    """
    root = data or default_root()
    if data is not None and ((data / "dataset.json").exists() or not (data.is_dir() or data.name == PRACTICE)):
        found = load(data)
    elif data is not None and data.name == PRACTICE:
        found = practice(data.parent, homework)
    elif (root / homework.dataset / "dataset.json").exists():
        found = load(root / homework.dataset)
    elif protocol.name == "full":
        found = fetch(homework.dataset, root)
    else:
        found = practice(root, homework)
    own = homework.own_dataset
    if len(found.classes) != own.classes:
        raise KitError(f"{found.folder}: has {len(found.classes)} classes, and {homework.name} is about {own.classes}")
    if (found.image_shape, found.dtype) != (own.image_shape, own.dtype):
        sides = "x".join(map(str, found.image_shape[:2]))
        raise KitError(f"{found.folder}: has images of {sides}, and {homework.name} takes others")
    verify(found)
    return found if test_images is None else held_out(found, test_images)


def held_out(dataset: Dataset, source: Path) -> Dataset:
    """`dataset` with other test images: an instructor's own, beside it under a name of its own.

    `source` is a folder, `<class>/*`, with the dataset's classes by their names or numbers, or of arrays an .npz file
    with `test_inputs` and `test_targets`. Raises KitError where it isn't, or doesn't fit.
    """
    images, labels = sources.held_out_arrays(source, dataset)
    digest = hashlib.sha256(dataset.fingerprint.encode())
    for array in (images, labels):
        digest.update(np.ascontiguousarray(array).tobytes())
    folder = f"{dataset.folder.name}-tested-{digest.hexdigest()[:12]}"
    with suppress(KitError):
        return load(dataset.folder.parent / folder)
    arrays: Arrays = {
        "train_images": dataset.train_images,
        "train_labels": dataset.train_labels,
        "test_images": images,
        "test_labels": labels,
    }
    words = f"{dataset.source}; test images of {source.name}"
    return write(dataset.folder.parent, dataset.name, words, arrays, dataset.classes, held_out=folder)


def fetch(
    name: str, root: Path, source: Path | None = None, shape: tuple[int, ...] = OFFICIALS[OFFICIAL].image_shape
) -> Dataset:
    """Prepare a dataset in a folder of its own under `root`, and return it.

    Without `source`: the official set, one of `dataset.OFFICIALS`, downloaded unless it is prepared already. With
    `source`: CIFAR-10's official `.tar.gz` or its unpacked folder, which becomes "cifar10" whatever `name` is; a folder
    in which torchvision has another one of them, which becomes "mnist-imported" and the like; an .npz file of arrays;
    or an image folder `train/<class>/*`, `test/<class>/*`, or a tar archive of one, which becomes `name`, or
    "cifar10-jpeg" where `name` is "cifar10". Images are 32x32, or of a homework's own data made as large as its `shape`
    (H, W, C) says; labels follow the alphabetical order of the classes.

    Raises KitError when the source isn't one of these, is damaged, or its checksums aren't the official ones.
    """
    if source is None:
        if name not in OFFICIALS:
            hint = f"fetch one of {', '.join(OFFICIALS)}, or import a file or a folder: --from"
            raise KitError(f"there is no dataset called {name!r} to fetch", hint)
        with suppress(KitError):
            return load(root / name)
        found = sources.download(root) if name == OFFICIAL else _downloaded(name, root)
    else:
        if not re.fullmatch(r"[a-z0-9][a-z0-9._-]{0,63}", name) or name.split("-")[0] == PRACTICE:
            raise KitError(f"a dataset can't be called {name!r}", "use lower case letters, digits, '-', '_' and '.'")
        if name in OFFICIALS and name != OFFICIAL and source.is_dir():
            found = sources.torchvisions(name, source, download=False)
        else:
            found = sources.read(source, shape)
    if source is not None and found.official:
        name = OFFICIAL
    elif name == OFFICIAL and not found.official:
        name = IMPORTED
    elif name in OFFICIALS and not found.official:
        name = f"{name}-imported"
    return write(root, name, found.words, found.arrays, found.classes)


def _downloaded(name: str, root: Path) -> sources.Found:
    root.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".download.", dir=root) as folder:
        return sources.torchvisions(name, Path(folder), download=True)


def practice(root: Path, homework: Homework | None = None) -> Dataset:
    """The generated practice set in `root/practice`, drawn when it isn't there yet (or by an older version).

    For a `homework` on data of another shape, or with other classes, than CIFAR-10's: one of these, in a folder of its
    own beside it.
    """
    wanted = OFFICIALS[OFFICIAL] if homework is None else homework.own_dataset
    own = homework is not None and (wanted.image_shape, wanted.classes) != ((SIDE, SIDE, 3), len(CLASSES))
    name = f"{PRACTICE}-{homework.dataset}" if homework is not None and own else PRACTICE
    with suppress(KitError):
        dataset = load(root / name)
        if dataset.source == SOURCE and dataset.image_shape == wanted.image_shape:
            return dataset
    images, labels = draw_for(wanted, TRAIN_COUNT + TEST_COUNT)
    arrays: Arrays = {
        "train_images": images[:TRAIN_COUNT],
        "train_labels": labels[:TRAIN_COUNT],
        "test_images": images[TRAIN_COUNT:],
        "test_labels": labels[TRAIN_COUNT:],
    }
    return write(root, name, SOURCE, arrays, class_names(wanted))
