"""Files and folders that a script takes to be there: what lies beside it, where it saves, the homework's own data.

Called by `run_script`. At home a script runs in the folder that it lies in, a folder for weights was made by hand once,
and a download has left `cifar-10-batches-py`. What lies beside the script is copied; of the rest nothing is done before
somebody asks for it: a missing folder is made when a file is to be written into it, and the batches are written when
one of them is opened, with what the script may see in them.
"""

import builtins
import contextlib
import errno
import functools
import importlib.abc
import importlib.machinery
import io
import os
import pickle
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch

from autograder.proctor import fake_dataset

BATCHES = "cifar-10-batches-py"
PARTS = ("data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5")
FILES = (*PARTS, "test_batch", "batches.meta")
SIDE = 32
ELSEWHERE = ".elsewhere"  # in the home directory: what is written to paths that are only on another machine
NOT_HERE = (errno.ENOENT, errno.EACCES, errno.EPERM, errno.EROFS)


def have_what_lies_beside(script: str) -> None:
    """Copy what lies in the folder of `script` into the working folder, where it may be written to as well."""
    here, folder = Path.cwd(), Path(script).parent
    if here != folder:
        with contextlib.suppress(OSError):  # what can't be copied is still found beside `__file__`
            shutil.copytree(folder, here, copy_function=shutil.copyfile, dirs_exist_ok=True)


def are_there() -> None:
    """From now on, make these files and folders when the script asks for them."""
    fake_dataset.StandIn.downloaded = _batches_lie_in
    opened = builtins.open
    arrays = _written_arrays(fake_dataset.StandIn.file) if fake_dataset.StandIn.file else None

    @functools.wraps(opened)
    def open_there(file: Any, mode: str = "r", *args: Any, **kwargs: Any) -> Any:
        try:
            if isinstance(file, str | os.PathLike) and BATCHES in os.fspath(file):
                _write_batches(Path(os.fspath(file)), opened)
            if arrays is not None and not _is_for_writing(mode) and _is_called(file, arrays.name):
                file = arrays  # whatever lies there under that name
            return opened(file, mode, *args, **kwargs)
        except FileNotFoundError:
            writing = _is_for_writing(mode)
            place = _place_to_write(file) if writing else _elsewhere(file)
            if place is None or not (writing or place.is_file()):
                raise
            return opened(place, mode, *args, **kwargs)

    builtins.open = open_there
    io.open = open_there
    scripted: Any = torch.jit
    for owner in (torch, torch.jit, scripted.ScriptModule, scripted.RecursiveScriptModule):
        _make_folder_first(owner)
    enter, make = os.chdir, os.mkdir

    @functools.wraps(enter)
    def enter_there(path: Any) -> None:
        try:
            enter(path)
        except FileNotFoundError:
            os.makedirs(path, exist_ok=True)  # noqa: PTH103
            with contextlib.suppress(FileNotFoundError):  # else it stays where it is: what lies beside it is here
                enter(path)

    @functools.wraps(make)
    def make_there(path: Any, *args: Any, **kwargs: Any) -> None:
        try:
            make(path, *args, **kwargs)
        except FileExistsError:
            raise
        except OSError as error:
            place = _elsewhere(path)
            if error.errno not in NOT_HERE or place is None or _is_here(Path(os.fsdecode(path)).parent):
                raise
            os.makedirs(place, exist_ok=True)  # noqa: PTH103

    os.chdir, os.mkdir = enter_there, make_there
    sys.meta_path.insert(0, _WhenPandasComes())


def _elsewhere(file: object) -> Path | None:
    """Where a file lies whose absolute path can't be had here, as one on a student's own machine; None for others."""
    if not isinstance(file, str | bytes | os.PathLike):
        return None
    path, home = Path(os.fsdecode(file)), Path.home()
    if not path.is_absolute() or path.is_relative_to(home):
        return None
    return home.joinpath(ELSEWHERE, *path.parts[1:])


def _place_to_write(file: Any) -> Any:
    """The file itself, where its folder is there or can be made, else where it lies elsewhere; None for neither."""
    return next((place for place in (file, _elsewhere(file)) if make_parent_of(place)), None)


def _is_here(folder: Path) -> bool:
    """Whether this machine has a folder, in which nothing is to be pretended then. Each has the outermost one."""
    return folder != Path(folder.anchor) and folder.is_dir()


def _make_folder_first(owner: Any) -> None:
    """Let `owner.save(what, file)` make the folder of the file."""
    save = owner.save

    @functools.wraps(save)
    def save_there(*args: Any, **kwargs: Any) -> Any:
        file = kwargs.get("f", args[1] if len(args) > 1 else None)
        if (place := _place_to_write(file)) is not None and place is not file:
            args, kwargs = (*args[:1], place, *args[2:]), {name: one for name, one in kwargs.items() if name != "f"}
        return save(*args, **kwargs)

    owner.save = save_there


class _WhenPandasComes(importlib.abc.MetaPathFinder):
    """Lets pandas make a folder where it would only look whether it is there, before it opens a file."""

    def find_spec(self, name: str, path: Any = None, _target: Any = None) -> importlib.machinery.ModuleSpec | None:
        """See `importlib.abc.MetaPathFinder`."""
        if name != "pandas.io.common":
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path)
        loader: Any = None if spec is None else spec.loader
        if loader is not None:
            execute = loader.exec_module

            def executed(module: Any) -> None:
                execute(module)
                module.check_parent_directory = make_parent_of

            loader.exec_module = executed
        return spec


def _written_arrays(name: str) -> Path:
    """Write the homework's arrays as the script may see them. Returns where: what lies beside the script is not it."""
    pictures = fake_dataset.StandIn.pictures
    path = Path(tempfile.mkdtemp()) / name
    parts = {"train": pictures.train, "test": pictures.test}
    with contextlib.suppress(OSError):
        Path(name).touch()  # for who looks whether it is there
    arrays: dict[str, Any] = {}
    for part, split in parts.items():
        arrays |= {f"{part}_inputs": split.repeated(split.images), f"{part}_targets": split.repeated(split.labels)}
    np.savez(path, **arrays)
    return path


def _is_called(file: object, name: str) -> bool:
    return isinstance(file, str | os.PathLike) and os.path.basename(os.fspath(file)) == name  # noqa: PTH119


def _is_for_writing(mode: object) -> bool:
    return isinstance(mode, str) and bool(set(mode) & set("wax"))


def make_parent_of(file: object) -> bool:
    """Make the folder that `file` is to lie in, unless it is there. Returns whether it is there now."""
    if not isinstance(file, str | os.PathLike):
        return False
    folder = os.path.dirname(os.fspath(file))  # noqa: PTH120
    if not isinstance(folder, str):
        return False
    with contextlib.suppress(OSError):
        os.makedirs(folder or ".", exist_ok=True)  # noqa: PTH103
    return os.path.isdir(folder or ".")  # noqa: PTH112


def _batches_lie_in(root: object) -> None:
    """CIFAR-10's folder is in `root`, as after a download: the names of its files, which are empty until opened."""
    if fake_dataset.StandIn.own.__name__ != "CIFAR10":
        return
    with contextlib.suppress(OSError, TypeError, ValueError):
        folder = Path(str(root)).expanduser() / BATCHES
        folder.mkdir(parents=True, exist_ok=True)
        for name in FILES:
            (folder / name).touch()


def _write_batches(path: Path, opened: Any) -> None:
    """Write the batch that `path` names, where it is one that `_batches_lie_in` has left empty."""
    if path.name not in FILES or path.parent.name != BATCHES or not path.is_file() or path.stat().st_size:
        return
    pictures = fake_dataset.StandIn.pictures
    held: dict[bytes, Any]
    if path.name == "batches.meta":
        names = [name.encode() for name in pictures.classes]
        held = {b"num_cases_per_batch": 10_000, b"label_names": names, b"num_vis": 3 * SIDE**2}
    else:
        split = pictures.test if path.name == "test_batch" else pictures.train
        places = np.arange(split.length)
        if path.name in PARTS:
            places = np.array_split(places, len(PARTS))[PARTS.index(path.name)]
        places = places % len(split.images)
        pixels = split.images[places].transpose(0, 3, 1, 2).reshape(len(places), -1)
        held = {
            b"batch_label": path.name.encode(),
            b"labels": split.labels[places].tolist(),
            b"data": np.ascontiguousarray(pixels),
            b"filenames": [b"%d.png" % place for place in places.tolist()],
        }
    content = io.BytesIO()
    _Python2Pickler(content, protocol=2).dump(held)
    with opened(path, "wb") as file:
        file.write(content.getbuffer())


_PythonPickler: Any = pickle._Pickler


class _Python2Pickler(_PythonPickler):  # type: ignore[misc]
    """Writes bytes as Python 2 wrote its strings, as in the files of CIFAR-10: `encoding=` says what they become."""

    dispatch: ClassVar[dict[Any, Any]] = dict(_PythonPickler.dispatch)

    def save_bytes(self, value: bytes) -> None:
        """A string of Python 2."""
        if len(value) < 256:
            self.write(pickle.SHORT_BINSTRING + bytes([len(value)]) + value)
        else:
            self.write(pickle.BINSTRING + len(value).to_bytes(4, "little") + value)
        self.memoize(value)

    dispatch[bytes] = save_bytes
