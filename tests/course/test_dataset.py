"""Datasets: real archives, folders and files, and what is said when they are damaged.

The official archive can't be at hand in a test, so small archives of the same make get its place: torchvision's
constants are replaced by their checksums, and everything else is as it runs.
"""

import hashlib
import io
import json
import os
import pickle
import shutil
import tarfile
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
from PIL import Image
from torchvision.datasets import CIFAR10

from autograder.course import dataset, prepare
from autograder.errors import KitError

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
PER_BATCH = 20


@pytest.fixture
def batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder `cifar-10-batches-py` of the official make, 20 images a batch, whose checksums count as official."""
    folder = tmp_path / "downloads" / CIFAR10.base_folder
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    sums = {}
    for name in [name for name, _ in CIFAR10.train_list + CIFAR10.test_list]:
        labels = rng.permutation(np.arange(PER_BATCH) % 10).tolist()
        batch = {"data": rng.integers(0, 256, (PER_BATCH, 3072), dtype=np.uint8), "labels": labels}
        (folder / name).write_bytes(pickle.dumps(batch))
        sums[name] = hashlib.md5((folder / name).read_bytes()).hexdigest()
    meta = folder / CIFAR10.meta["filename"]
    meta.write_bytes(pickle.dumps({"label_names": list(CLASSES)}))
    monkeypatch.setattr(CIFAR10, "train_list", [[name, sums[name]] for name, _ in CIFAR10.train_list])
    monkeypatch.setattr(CIFAR10, "test_list", [[name, sums[name]] for name, _ in CIFAR10.test_list])
    monkeypatch.setattr(CIFAR10, "meta", {**CIFAR10.meta, "md5": hashlib.md5(meta.read_bytes()).hexdigest()})
    return folder


@pytest.fixture
def archive(batches: Path) -> Path:
    path = batches.parent / CIFAR10.filename
    with tarfile.open(path, "w:gz") as tar:
        tar.add(batches, batches.name)
    return path


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """An image folder: 3 classes, 4 training and 2 test PNGs each, every picture of one colour of its own."""
    root = tmp_path / "pictures"
    for split, count in (("train", 4), ("test", 2)):
        for number, label in enumerate(("frog", "cat", "ship")):
            (root / split / label).mkdir(parents=True)
            for index in range(count):
                colour = (number * 10, index, 7)
                Image.new("RGB", (32, 32), colour).save(root / split / label / f"{index:04}.png")
    return root


@pytest.fixture
def small(tmp_path: Path) -> dataset.Dataset:
    return dataset.write(tmp_path / "data", "small", "a test", _arrays(40, 20), CLASSES)


def _arrays(train: int, test: int, seed: int = 1) -> dataset.Arrays:
    rng = np.random.default_rng(seed)
    return {
        "train_images": rng.integers(0, 256, (train, 32, 32, 3), dtype=np.uint8),
        "train_labels": np.arange(train) % 10,
        "test_images": rng.integers(0, 256, (test, 32, 32, 3), dtype=np.uint8),
        "test_labels": np.arange(test) % 10,
    }


def _files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


# --- what is prepared is what is read --------------------------------------------------------------------------------


def test_a_written_dataset_reads_back(small: dataset.Dataset) -> None:
    loaded = dataset.load(small.folder)
    assert loaded == small
    assert (loaded.name, loaded.train_count, loaded.test_count, loaded.classes) == ("small", 40, 20, CLASSES)
    for name, array in _arrays(40, 20).items():
        mapped = getattr(loaded, name)
        assert isinstance(mapped, np.memmap)
        assert not mapped.flags.writeable
        np.testing.assert_array_equal(mapped, array)
    dataset.verify(loaded)
    assert sorted(path.name for path in small.folder.parent.iterdir()) == ["small"]  # nothing temporary is left


def test_the_fingerprint_is_sha256_over_the_four_arrays(small: dataset.Dataset) -> None:
    digest = hashlib.sha256()
    for name, array in _arrays(40, 20).items():
        digest.update(f"{name} {array.dtype.str} {array.shape}\n".encode() + array.tobytes())
    assert small.fingerprint == digest.hexdigest()


def test_prepared_lists_what_loads_and_skips_the_rest(small: dataset.Dataset) -> None:
    root = small.folder.parent
    dataset.write(root, "another", "a test", _arrays(10, 10), CLASSES)
    broken = dataset.write(root, "broken", "a test", _arrays(10, 10), CLASSES)
    (broken.folder / "test_labels.npy").unlink()
    assert [found.name for found in dataset.prepared(root)] == ["another", "small"]
    assert dataset.prepared(root / "nowhere") == []


# --- the official data -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["archive", "folder", "parent folder"])
def test_official_data_is_cifar10_as_torchvision_reads_it(
    form: str, batches: Path, archive: Path, tmp_path: Path
) -> None:
    source = {"archive": archive, "folder": batches, "parent folder": batches.parent}[form]
    prepared = prepare.fetch("cifar10", tmp_path / "data", source)
    assert (prepared.name, prepared.folder.name, prepared.classes) == ("cifar10", "cifar10", CLASSES)
    for train, images, labels in (
        (True, prepared.train_images, prepared.train_labels),
        (False, prepared.test_images, prepared.test_labels),
    ):
        theirs = CIFAR10(str(batches.parent), train=train)
        np.testing.assert_array_equal(images, theirs.data)
        np.testing.assert_array_equal(labels, theirs.targets)


@pytest.fixture
def served(archive: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The archive, on a web server of this machine that torchvision takes for the official one."""
    handler = partial(QuietHandler, directory=str(archive.parent))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setattr(CIFAR10, "url", f"http://127.0.0.1:{server.server_port}/{archive.name}")
        yield archive
        server.shutdown()


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


def test_a_download_is_used_once(served: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = served
    monkeypatch.setattr(CIFAR10, "tgz_md5", hashlib.md5(archive.read_bytes()).hexdigest())
    first = prepare.fetch("cifar10", tmp_path / "data")
    assert first.train_count == 5 * PER_BATCH
    archive.unlink()
    assert prepare.fetch("cifar10", tmp_path / "data") == first
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["cifar10"]


@pytest.mark.usefixtures("served")
def test_a_download_with_another_checksum_is_refused(tmp_path: Path) -> None:
    with pytest.raises(KitError, match="could not be downloaded") as caught:
        prepare.fetch("cifar10", tmp_path / "data")
    assert "--from cifar-10-python.tar.gz" in caught.value.hint
    assert list((tmp_path / "data").iterdir()) == []


def test_a_machine_without_internet_is_told_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CIFAR10, "url", "http://127.0.0.1:1/cifar-10-python.tar.gz")
    with pytest.raises(KitError, match=r"could not be downloaded \(.*refused.*\)") as caught:
        prepare.fetch("cifar10", tmp_path / "data")
    assert "--from cifar-10-python.tar.gz" in caught.value.hint


class Trap:
    """Unpickling one of these is noticed: it makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
        return os.mkdir, (str(self.path),)


def test_a_batch_with_another_checksum_is_refused_and_never_unpickled(batches: Path, tmp_path: Path) -> None:
    (batches / "data_batch_3").write_bytes(pickle.dumps(Trap(tmp_path / "sprung")))
    with pytest.raises(KitError, match="data_batch_3 doesn't have the official checksum"):
        prepare.fetch("cifar10", tmp_path / "data", batches)
    assert not (tmp_path / "sprung").exists()
    assert not (tmp_path / "data" / "cifar10").exists()


def test_a_missing_batch_is_named(batches: Path, tmp_path: Path) -> None:
    (batches / "test_batch").unlink()
    with pytest.raises(KitError, match="test_batch is missing"):
        prepare.fetch("cifar10", tmp_path / "data", batches)


@pytest.mark.parametrize("kept", [0.5, 0.01])
def test_a_truncated_archive_is_refused(kept: float, archive: Path, tmp_path: Path) -> None:
    content = archive.read_bytes()
    archive.write_bytes(content[: int(len(content) * kept)])
    with pytest.raises(KitError, match="not a whole tar archive"):
        prepare.fetch("cifar10", tmp_path / "data", archive)


# --- image folders ---------------------------------------------------------------------------------------------------


def test_an_image_folder_gets_labels_in_alphabetical_order(tree: Path, tmp_path: Path) -> None:
    prepared = prepare.fetch("cifar10", tmp_path / "data", tree)
    assert prepared.classes == ("cat", "frog", "ship")
    assert (prepared.train_count, prepared.test_count) == (12, 6)
    colour_of = {"frog": 0, "cat": 10, "ship": 20}
    for image, label in zip(prepared.train_images, prepared.train_labels, strict=True):
        assert image[0, 0, 0] == colour_of[prepared.classes[label]]
    # The first of each class come before the second of any, so that every slice has all classes.
    assert prepared.train_images[:, 0, 0, 1].tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3]


def test_an_image_folder_is_never_the_homeworks_own_data(tree: Path, tmp_path: Path) -> None:
    assert prepare.fetch("cifar10", tmp_path / "data", tree).name == "cifar10-jpeg"
    assert prepare.fetch("kaggle", tmp_path / "data", tree).name == "kaggle"
    assert sorted(path.name for path in (tmp_path / "data").iterdir()) == ["cifar10-jpeg", "kaggle"]


@pytest.mark.parametrize("ending", ["tar", "tar.gz", "tar.xz"])
def test_an_archive_of_an_image_folder_is_the_same_dataset(ending: str, tree: Path, tmp_path: Path) -> None:
    path = tmp_path / f"pictures.{ending}"
    with tarfile.open(path, f"w:{ending[4:]}") as tar:
        for file in sorted(tree.rglob("*.png"), reverse=True):
            tar.add(file, Path("anything") / file.relative_to(tree))
    from_archive = prepare.fetch("cifar10", tmp_path / "a", path)
    assert from_archive.fingerprint == prepare.fetch("cifar10", tmp_path / "b", tree).fingerprint


def test_an_archive_writes_nothing_outside_and_its_links_are_not_followed(tree: Path, tmp_path: Path) -> None:
    path = tmp_path / "pictures.tar"
    with tarfile.open(path, "w") as tar:
        tar.add(tree, ".")
        picture = (tree / "train" / "cat" / "0000.png").read_bytes()
        escaping = tarfile.TarInfo("../../train/cat/escaped.png")
        escaping.size = len(picture)
        tar.addfile(escaping, io.BytesIO(picture))
        link = tarfile.TarInfo("train/cat/link.png")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/hostname"
        tar.addfile(link)
    before = set(tmp_path.rglob("*"))
    prepared = prepare.fetch("cifar10", tmp_path / "data", path)
    assert prepared.train_count == 13  # a picture like any other: its path is a name, nothing is unpacked
    assert {file for file in tmp_path.rglob("*") if (tmp_path / "data") not in [file, *file.parents]} == before


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda tree: (tree / "train/cat/0001.png").write_bytes(b"no picture"), "isn't a whole picture"),
        (lambda tree: Image.new("RGB", (33, 32)).save(tree / "train/cat/0001.png"), "is 33x32, not 32x32"),
        (lambda tree: (tree / "train/cat/0001.png").write_bytes(bytes(2**20 + 1)), "are too many"),
        (lambda tree: shutil.rmtree(tree / "test/cat"), "3 classes under train/ and 2 under test/"),
        (lambda tree: shutil.rmtree(tree / "train"), "0 classes under train/"),
        (shutil.rmtree, "no such file or folder"),
    ],
    ids=["not a picture", "wrong size", "too large", "class missing", "no train", "no folder"],
)
def test_a_damaged_image_folder_is_refused(
    damage: Callable[[Path], object], said: str, tree: Path, tmp_path: Path
) -> None:
    damage(tree)
    with pytest.raises(KitError, match=said) as caught:
        prepare.fetch("cifar10", tmp_path / "data", tree)
    assert "\n" not in caught.value.message
    assert not (tmp_path / "data" / "cifar10-jpeg").exists()


def test_a_truncated_picture_is_refused(tree: Path, tmp_path: Path) -> None:
    picture = tree / "test" / "ship" / "0000.png"
    picture.write_bytes(picture.read_bytes()[:60])
    with pytest.raises(KitError, match=r"test/ship/0000\.png isn't a whole picture"):
        prepare.fetch("cifar10", tmp_path / "data", tree)


@pytest.mark.parametrize("content", [b"", b"just some text\n" * 100], ids=["empty", "text"])
def test_a_file_that_is_no_archive_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "file.tar.gz").write_bytes(content)
    with pytest.raises(KitError, match=r"file\.tar\.gz"):
        prepare.fetch("cifar10", tmp_path / "data", tmp_path / "file.tar.gz")


@pytest.mark.parametrize("name", ["../up", "", "practice", "Cifar", ".hidden"])
def test_a_name_that_would_mislead_is_refused(name: str, tree: Path, tmp_path: Path) -> None:
    with pytest.raises(KitError, match="can't be called"):
        prepare.fetch(name, tmp_path / "data", tree)


def test_only_what_is_known_can_be_downloaded(tmp_path: Path) -> None:
    with pytest.raises(KitError, match="no dataset called 'imagenet'"):
        prepare.fetch("imagenet", tmp_path / "data")


# --- damage ----------------------------------------------------------------------------------------------------------


def _cut(folder: Path) -> None:
    path = folder / "train_images.npy"
    path.write_bytes(path.read_bytes()[:-1000])


def _lengthen(folder: Path) -> None:
    with (folder / "train_images.npy").open("ab") as file:
        file.write(b"more")


def _describe(**changes: object) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        path = folder / "dataset.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))

    return change


def _save(name: str, array: np.ndarray) -> Callable[[Path], None]:
    return lambda folder: np.save(folder / name, array, allow_pickle=True)


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (shutil.rmtree, "no dataset is there"),
        (lambda folder: (folder / "dataset.json").unlink(), r"dataset\.json: missing"),
        (lambda folder: (folder / "test_images.npy").unlink(), r"test_images\.npy: missing"),
        (_cut, r"train_images\.npy: damaged or truncated"),
        (_lengthen, r"train_images\.npy: 123,012 bytes, not 123,008"),
        (lambda folder: (folder / "train_labels.npy").write_bytes(b""), r"train_labels\.npy: damaged or truncated"),
        (lambda folder: (folder / "train_labels.npy").write_bytes(b"text"), r"train_labels\.npy: damaged or truncated"),
        (_save("test_images.npy", np.zeros((20, 3, 32, 32), np.uint8)), r"has uint8 \(20, 3, 32, 32\), not uint8"),
        (_save("test_images.npy", np.zeros((20, 32, 32, 3))), r"has float64"),
        (_save("test_labels.npy", np.zeros(19, np.int64)), r"has int64 \(19,\), not int64 \(20,\)"),
        (_save("test_labels.npy", np.full(20, 10)), "labels 10 to 10 of 10 classes"),
        (_save("test_labels.npy", np.full(20, -1)), "labels -1 to -1 of 10 classes"),
        (_save("test_labels.npy", np.array([None] * 20)), r"test_labels\.npy: damaged or truncated"),
        (lambda folder: (folder / "dataset.json").write_text('{"format": 1, "na'), r"dataset\.json: can't be read"),
        (lambda folder: (folder / "dataset.json").write_text("[]"), "not a dataset of format 1"),
        (_describe(format=2), "not a dataset of format 1"),
        (_describe(train_count="many"), "'train_count' is missing or isn't a int"),
        (_describe(train_count=41), r"has uint8 \(40, 32, 32, 3\)"),
        (_describe(test_count=0), "holds no images"),
        (_describe(classes=["one"]), "'classes' isn't a list of names"),
    ],
)
def test_damaged_data_is_refused_in_one_line(
    damage: Callable[[Path], object], said: str, small: dataset.Dataset
) -> None:
    damage(small.folder)
    with pytest.raises(KitError, match=said) as caught:
        dataset.load(small.folder)
    assert "\n" not in caught.value.message
    assert "autograder data" in caught.value.hint


def test_verify_finds_a_changed_pixel(small: dataset.Dataset) -> None:
    with (small.folder / "test_images.npy").open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        last = file.read(1)
        file.seek(-1, os.SEEK_END)
        file.write(bytes([last[0] ^ 1]))
    loaded = dataset.load(small.folder)  # shapes and sizes are as they were
    with pytest.raises(KitError, match="another SHA-256"):
        dataset.verify(loaded)


@pytest.mark.parametrize("interruption", [OSError("No space left on device"), KeyboardInterrupt()])
@pytest.mark.parametrize("at", range(1, 6))
def test_an_interrupted_write_keeps_the_old_data(
    at: int, interruption: BaseException, small: dataset.Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = _files(small.folder)
    calls = 0

    def fail(descriptor: int) -> None:
        nonlocal calls
        calls += 1
        if calls == at:
            raise interruption

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises((KitError, KeyboardInterrupt)):
        dataset.write(small.folder.parent, "small", "newer", _arrays(10, 10, seed=2), CLASSES)
    assert _files(small.folder) == before
    assert [path.name for path in small.folder.parent.iterdir()] == ["small"]


def test_a_rename_that_fails_puts_the_old_data_back(small: dataset.Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    before = _files(small.folder)
    rename = Path.rename

    def fail(path: Path, target: Path) -> Path:
        if target == small.folder and not path.name.endswith(".old"):
            raise OSError("rename failed")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", fail)
    with pytest.raises(KitError, match=r"couldn't be written \(rename failed\)"):
        dataset.write(small.folder.parent, "small", "newer", _arrays(10, 10, seed=2), CLASSES)
    assert _files(small.folder) == before


def test_arrays_that_do_not_fit_never_replace_good_ones(small: dataset.Dataset) -> None:
    before = _files(small.folder)
    wrong = {**_arrays(10, 10), "test_images": np.zeros((9, 32, 32, 3), np.uint8)}
    with pytest.raises(KitError, match=r"has uint8 \(9, 32, 32, 3\)"):
        dataset.write(small.folder.parent, "small", "newer", wrong, CLASSES)
    assert _files(small.folder) == before


def test_new_data_replaces_the_old_as_a_whole(small: dataset.Dataset) -> None:
    mapped = small.train_images
    newer = dataset.write(small.folder.parent, "small", "newer", _arrays(10, 10, seed=2), CLASSES)
    assert (newer.train_count, dataset.load(small.folder)) == (10, newer)
    np.testing.assert_array_equal(mapped, _arrays(40, 20)["train_images"])  # a reader keeps what it has mapped
    assert [path.name for path in small.folder.parent.iterdir()] == ["small"]


def test_what_a_killed_write_left_is_removed_a_day_later(small: dataset.Dataset) -> None:
    root = small.folder.parent
    old, fresh = root / ".small.abandoned", root / ".small.running"
    old.mkdir()
    fresh.mkdir()
    os.utime(old, (0, 0))
    dataset.write(root, "small", "newer", _arrays(10, 10), CLASSES)
    assert sorted(path.name for path in root.iterdir()) == [".small.running", "small"]


def test_a_data_folder_that_is_a_file_is_an_error_of_one_line(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    with pytest.raises(KitError, match="couldn't be written"):
        dataset.write(tmp_path / "data", "small", "a test", _arrays(10, 10), CLASSES)
