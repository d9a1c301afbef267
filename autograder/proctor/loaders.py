"""DataLoaders under watch: how many images they hand out is counted, and what a preview hands out is limited.

Installed by `rehearsal.py` and `training.py` before the submission runs. Batches are those that the submission's own
loader makes, in its own order. A loader over an `IterableDataset` is left as it is.
"""

import contextlib
import random
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch.utils.data import DataLoader, Subset, default_collate
from torch.utils.data._utils import worker

from autograder.proctor import fake_dataset

Role = Literal["train", "test"]
OF_LENGTHS = (ArithmeticError, AssertionError, LookupError, RuntimeError, ValueError)
"""What a script may raise because it got fewer images than it counts on: an average over none, an index, a shape."""


class Listener(Protocol):
    """Who is told what loaders do. Either method may end the run by not returning."""

    def asked(self, loader: "DataLoader[Any]", role: Role, at: int) -> bool:
        """Before batch number `at` of an iteration is made; whether to make it."""

    def served(self, loader: "DataLoader[Any]", role: Role, batch: Any, at: int) -> None:
        """Batch number `at` of an iteration is about to be handed out."""


@dataclass
class Ration:
    """How much of a loader one iteration hands out; None for no limit.

    Attributes:
        train_images: images of the training set an iteration.
        train_batches: batches of the training set an iteration.
        test_images: images of the test set an iteration, rounded down to whole batches (but one at least), because
            test loops often count on them.
        repeats: whether an iteration hands out these batches again and again, until it is as long as the loader.
        tells_whole: whether a loader tells its own length all the same.
        withheld: whether an iteration has ended early, or a loader has told a smaller length than its own.
    """

    train_images: int | None = None
    train_batches: int | None = None
    test_images: int | None = None
    repeats: bool = False
    tells_whole: bool = False
    withheld: bool = False

    @property
    def limited(self) -> bool:
        """Whether anything is held back."""
        return self != Ration()

    def may_be_behind(self, error: BaseException | None) -> bool:
        """Whether a script may fail with this because images were held back."""
        return self.withheld and (isinstance(error, OF_LENGTHS) or Withheld.is_behind(error))

    def batches(self, role: Role, batch_size: int | None, whole: int) -> int:
        """How many batches of `batch_size` an iteration hands out, of the `whole` it has."""
        each = batch_size or 1
        limits = [whole]
        if role == "test" and self.test_images is not None:
            limits.append(max(1, self.test_images // each))
        if role == "train" and self.train_images is not None:
            limits.append(-(-self.train_images // each))
        if role == "train" and self.train_batches is not None:
            limits.append(self.train_batches)
        return min(limits)

    def cut(self, role: Role, batch_size: int | None, at: int) -> int | None:
        """How many images batch number `at` is cut to, or None."""
        if role == "test" or self.train_images is None:
            return None
        return self.train_images - at * (batch_size or 1)


class Withheld(StopIteration):
    """The end of a pass of which the loader itself would have had more."""

    @classmethod
    def is_behind(cls, error: BaseException | None) -> bool:
        """Whether the script fails with it, which asked by `next` and counted on the whole pass."""
        return isinstance(error, cls) or (error is not None and isinstance(error.__cause__, cls))


class Served:
    """The iterator of one pass over a loader."""

    def __init__(
        self,
        loader: "DataLoader[Any]",
        inner: Any,
        role: Role,
        listener: Listener,
        ration: Ration,
        fast: bool,
        workers: "Workers | None" = None,
    ) -> None:
        self._loader = loader
        self._inner = inner
        self._role = role
        self._listener = listener
        self._ration = ration
        self._fast = fast
        self._workers = workers
        self._at = 0
        self._made: list[Any] = []
        self._most = ration.batches(role, loader.batch_size, len(inner))
        self._left = len(inner) if ration.repeats else self._most

    def __iter__(self) -> Iterator[Any]:
        return self

    def __len__(self) -> int:
        return len(self._loader)

    def __next__(self) -> Any:
        if self._left == 0 or not self._listener.asked(self._loader, self._role, self._at):
            if self._at == len(self._inner):
                raise StopIteration
            self._ration.withheld = True
            raise Withheld
        if self._at < self._most:
            with fake_dataset.asked_by_loader(self._fast), self._workers or contextlib.nullcontext():
                batch = next(self._inner)
        else:
            batch = self._made[self._at % self._most]
        size = self._ration.cut(self._role, self._loader.batch_size, self._at)
        if size is not None:
            batch = of_tensors(batch, lambda tensor: tensor[:size])
        if self._ration.repeats:
            batch = self._again(batch)
        self._listener.served(self._loader, self._role, batch, self._at)
        self._left -= 1
        self._at += 1
        return batch

    def _again(self, batch: Any) -> Any:
        """A copy of a batch that is kept, of as many samples as the loader has left."""
        if self._at < self._most:
            self._made.append(batch)
        size = self._loader.batch_size
        left = None if size is None else len(self._loader.sampler) - self._at * size  # type: ignore[arg-type]
        return of_tensors(batch, lambda tensor: tensor[:left].clone())


class Workers:
    """What a dataset and its functions see of worker processes that aren't started: each in turn seems to ask.

    To be entered around the making of each batch. Before the first batch `worker_init_fn` is called for each worker,
    and the states of random numbers are restored after it: in a worker process it wouldn't change the script's either.
    """

    def __init__(self, loader: "DataLoader[Any]", count: int) -> None:
        seed = torch.initial_seed()
        self._infos = [
            worker.WorkerInfo(id=number, num_workers=count, seed=seed + number, dataset=loader.dataset)
            for number in range(count)
        ]
        self._make_ready = loader.worker_init_fn
        self._next = 0

    def __enter__(self) -> None:
        if self._make_ready is not None:
            kept = random.getstate(), np.random.get_state(), torch.get_rng_state()
            make_ready, self._make_ready = self._make_ready, None
            for info in self._infos:
                worker._worker_info = info
                make_ready(info.id)
            random.setstate(kept[0])
            np.random.set_state(kept[1])
            torch.set_rng_state(kept[2])
        worker._worker_info = self._infos[self._next]
        self._next = (self._next + 1) % len(self._infos)

    def __exit__(self, *_: object) -> None:
        worker._worker_info = None


def inputs_in(batch: Any) -> torch.Tensor | None:
    """The inputs in a batch: of its tensors the first one with the most sides."""
    if isinstance(batch, torch.Tensor):
        return batch
    parts = list(batch.values()) if isinstance(batch, dict) else batch
    if not isinstance(parts, list | tuple):
        return None
    tensors = [tensor for part in parts if (tensor := inputs_in(part)) is not None]
    return max(tensors, key=torch.Tensor.dim, default=None)


def images_in(batch: Any) -> int:
    """How many images a batch has: the length of its inputs."""
    inputs = inputs_in(batch)
    if inputs is None:
        return 0
    return inputs.shape[0] if inputs.dim() else 1


def role_of(loader: "DataLoader[Any]") -> Role:
    """Which set a loader reads. Any other dataset (a TensorDataset of pixels) is for training if gradients are on."""
    split = fake_dataset.split_of(loader.dataset)
    if split is not None:
        return "train" if split.train else "test"
    return "train" if torch.is_grad_enabled() else "test"


def install(listener: Listener, ration: Ration) -> None:
    """Watch every DataLoader from now on."""
    make_iterator, length = DataLoader.__iter__, DataLoader.__len__

    def watched_iterator(self: "DataLoader[Any]") -> Any:
        if isinstance(self.dataset, torch.utils.data.IterableDataset):
            return make_iterator(self)
        fast = _is_fast(self)
        workers, patience_s, own_collate = self.num_workers, self.timeout, self.collate_fn
        # Worker processes cost more than they give where no image is decoded, and a few batches never pay for them.
        # The batches are the same: both kinds draw their seed in the same way. Where workers aren't forked they would
        # import the script anew, and have neither the stand-in dataset nor what watches.
        put_away = fast or ration.limited or sys.platform != "linux"
        if put_away:
            self.num_workers, self.timeout = 0, 0  # without workers there is nobody to wait for
        if fast:
            self.collate_fn = fake_dataset.collate
        try:
            inner = make_iterator(self)
        finally:
            self.num_workers, self.timeout, self.collate_fn = workers, patience_s, own_collate
        seen = Workers(self, workers) if workers and not fast and put_away else None
        return Served(self, inner, role_of(self), listener, ration, fast, seen)

    def watched_length(self: "DataLoader[Any]") -> int:
        whole = length(self)
        if isinstance(self.dataset, torch.utils.data.IterableDataset):
            return whole
        tells_whole = ration.repeats or ration.tells_whole
        told = whole if tells_whole else ration.batches(role_of(self), self.batch_size, whole)
        ration.withheld = ration.withheld or told < whole
        return told

    DataLoader.__iter__ = watched_iterator  # type: ignore[method-assign]
    DataLoader.__len__ = watched_length  # type: ignore[method-assign]


def is_usual(loader: "DataLoader[Any]") -> bool:
    """Whether the script has no code of its own between a dataset and a batch but for the dataset's transform."""
    dataset = _inmost(loader)
    return (
        isinstance(dataset, fake_dataset.StandIn)
        and type(dataset) is fake_dataset.StandIn.own
        and loader.collate_fn is default_collate
    )


def with_own_code(made: "Sequence[DataLoader[Any]]") -> "DataLoader[Any] | None":
    """Of a script's loaders that by which test images come: its last test loader, else its last one over the dataset.

    None where that one is usual, or there is none.
    """
    # The constructor of one may have raised: it has no dataset.
    found = [(loader, fake_dataset.split_of(getattr(loader, "dataset", None))) for loader in made]
    tests = [loader for loader, split in found if split is not None and not split.train]
    chosen = (tests or [loader for loader, split in found if split is not None])[-1:]
    return chosen[0] if chosen and not is_usual(chosen[0]) else None


def _inmost(loader: "DataLoader[Any]") -> Any:
    dataset: Any = loader.dataset
    while type(dataset) is Subset:
        dataset = dataset.dataset
    return dataset


def _is_fast(loader: "DataLoader[Any]") -> bool:
    """Whether the loader's batches can be made whole: plain data, a deterministic transform, no code of its own."""
    dataset = _inmost(loader)
    return (
        is_usual(loader)
        and dataset.is_plain()
        and dataset.arithmetic() is not None
        and loader.batch_size is not None
        and loader.worker_init_fn is None
    )


def as_handed_out(
    loader: "DataLoader[Any]", probes: npt.NDArray[np.uint8]
) -> Callable[[npt.NDArray[np.uint8]], torch.Tensor] | None:
    """The function that makes of pictures, (N, H, W, C) each, the inputs that the loader would hand out.

    It asks the script's own dataset for an item of each picture, and collates them. None where the script's items
    aren't made when they are asked for, or don't become one tensor: that is tried with `probes`.
    """

    def handed_out(pictures: npt.NDArray[np.uint8]) -> torch.Tensor:
        items = []
        for picture in pictures:
            with fake_dataset.showing(picture):
                items.append(loader.dataset[0])
        inputs = inputs_in(loader.collate_fn(items))
        if inputs is None or len(inputs) != len(pictures):
            raise LookupError("the items don't become one tensor")
        return inputs

    try:
        handed_out(probes)
    except Exception:  # of the script's code, which was never asked for one item before
        return None
    return handed_out


def of_tensors(batch: Any, made: Callable[[torch.Tensor], torch.Tensor]) -> Any:
    """A collated batch, or a network's answer, with what is made of each tensor; all else is left as it is."""
    if isinstance(batch, torch.Tensor):
        return made(batch)
    if isinstance(batch, list):
        return [of_tensors(part, made) for part in batch]
    if type(batch) is tuple:
        return tuple(of_tensors(part, made) for part in batch)
    if isinstance(batch, dict):
        return {name: of_tensors(part, made) for name, part in batch.items()}
    return batch
