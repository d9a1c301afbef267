"""How a script makes of pixels what its network is given, where no transform of a dataset says it.

Called by `__main__.py`, for scripts that read images as an array or from a file, and for those that work on a loader's
batches. Test images must come to the network as the training's did, and the script's own arithmetic has no name that
could be called. So what the network was given is compared with what it can have come from, to find one scale and one
shift for each channel. Other arithmetic isn't found. A search through 50,000 pictures takes a second on one core.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

MOST_SAMPLES = 16
CHUNK = 2000  # pictures that are compared at a time
ALIKE = 0.9999  # correlation with the picture that it came from; rounding to bfloat16 leaves 0.99999
TOLERANCE = 0.02  # largest error of scale and shift, over the standard deviation of the channel

Images = npt.NDArray[np.uint8]


Made = Callable[[npt.NDArray[Any]], Tensor]


def learned(samples: Sequence[Tensor], inputs: npt.NDArray[Any]) -> Made | None:
    """The function that makes of inputs what the script made of them; None where nobody can tell.

    Args:
        samples: (n, ...) each, of what the network was given.
        inputs: pictures, (M, H, W, C) uint8, or arrays, (M, ...), which they can have come from.
    """
    return _of_pictures(samples, inputs) if inputs.dtype == np.uint8 else _of_arrays(samples, inputs)


def of_batches(pairs: Sequence[tuple[Tensor, Tensor]]) -> Callable[[Tensor], Tensor] | None:
    """What the script does to a loader's batch before its network gets it; None where nobody can tell.

    Images that it has also mirrored, moved or mixed are passed over.

    Args:
        pairs: (n, C, H, W) each: what a loader handed out, numbers of any kind, and what the network was given of it.
    """
    fitting = [pair for pair in pairs if pair[0].dim() == 4 and pair[0].shape == pair[1].shape]
    if not fitting:
        return None
    ours = torch.cat([one.cpu().double() for one, _ in fitting]).flatten(2)
    theirs = torch.cat([one.cpu().double() for _, one in fitting]).flatten(2)
    if torch.equal(ours, theirs):
        return lambda inputs: inputs
    found = [at for at in range(len(ours)) if _fitted(ours[at : at + 1], theirs[at : at + 1]) is not None]
    change = _fitted(ours[found], theirs[found]) if found else None
    return None if change is None else _changing(*change)


def _fitted(ours: Tensor, theirs: Tensor) -> tuple[Tensor, Tensor] | None:
    """Scale and shift, (C,) each, that make theirs of ours, (N, C, P) each; None where they don't."""
    theirs, ours = (values.transpose(0, 1).flatten(1).double() for values in (theirs, ours))
    centred = ours - ours.mean(1, keepdim=True)
    scale = (centred * theirs).sum(1) / (centred**2).sum(1).clamp_min(1e-9)
    shift = theirs.mean(1) - scale * ours.mean(1)
    missed = (theirs - (scale[:, None] * ours + shift[:, None])).abs().amax(1)
    return None if bool((missed > TOLERANCE * theirs.std(1)).any()) else (scale, shift)


def _changing(scale: Tensor, shift: Tensor) -> Callable[[Tensor], Tensor]:
    """(N, C, H, W) of any kind of numbers to float32."""

    def changed(inputs: Tensor) -> Tensor:
        shape = (1, len(scale), 1, 1)
        made: Tensor = inputs.to(torch.float32).contiguous() * scale.float().view(shape) + shift.float().view(shape)
        return made

    return changed


def _of_arrays(samples: Sequence[Tensor], inputs: npt.NDArray[Any]) -> Made | None:
    """As they are, or with a shift and a scale: the mean and the standard deviation, or the range.

    These may be of all numbers, of each place of the last side, or of each place. Sides of length 1 may come and go.
    """
    numbers = math.prod(inputs.shape[1:])
    fitting = [one for one in samples if one[0].numel() == numbers]
    if not fitting:
        return None
    given = torch.cat([one.detach().to("cpu") for one in fitting[-1:]])[-MOST_SAMPLES:]
    sides, kind = tuple(given.shape[1:]), given.dtype
    exact = np.asarray(inputs, dtype=np.float64)
    changes: list[tuple[Any, Any]] = [(0.0, 1.0)]
    if inputs.dtype != np.int64:
        for over in (tuple(range(exact.ndim - 1)), None, (0,)):
            changes += [(exact.mean(axis=over), exact.std(axis=over, ddof=off)) for off in (0, 1)]
            changes.append((exact.min(axis=over), np.ptp(exact, axis=over)))
    for shift, scale in changes:
        safe = np.where(np.asarray(scale) == 0, 1.0, scale)
        if _are_among(given.double().flatten(1), torch.from_numpy((exact - shift) / safe).flatten(1)):
            break
    else:
        return None

    def prepared(some: npt.NDArray[Any]) -> Tensor:
        changed = (np.asarray(some, dtype=np.float64) - shift) / safe
        return torch.from_numpy(changed).reshape(len(some), *sides).to(kind)

    return prepared


def _are_among(samples: Tensor, made: Tensor) -> bool:
    """Whether each sample, a row, is a row of `made`, but for rounding."""
    tolerance = 1e-4 * max(float(made.std()), 1e-9)
    for sample in samples:
        nearest = [(made[at : at + CHUNK] - sample).abs().amax(1).min() for at in range(0, len(made), CHUNK)]
        if min(map(float, nearest)) > tolerance:
            return False
    return True


def _of_pictures(samples: Sequence[Tensor], images: Images) -> Made | None:
    """The function that makes (N, C, H, W) float32 of (N, H, W, C) uint8, as the script did.

    Args:
        samples: (n, C, H, W) each, of what the network was given.
        images: (M, H, W, C), which they can have come from.

    Returns None where they came from none of these, or by more than a scale and a shift of each channel.
    """
    height, width, channels = images.shape[1:]
    fitting = [one for one in samples if one.dim() == 4 and tuple(one.shape[1:]) == (channels, height, width)]
    if not fitting:
        return None
    given = torch.cat([one.detach().to("cpu", torch.float32) for one in fitting])[-MOST_SAMPLES:].flatten(2)
    places, likeness = _nearest(_standardised(given), images)
    found = likeness > ALIKE
    if not bool(found.any()):
        return None
    change = _fitted(_channels(images[places[found].numpy()]), given[found])
    if change is None:
        return None
    changed = _changing(*change)
    return lambda pixels: changed(torch.from_numpy(np.ascontiguousarray(pixels)).permute(0, 3, 1, 2))


def _channels(images: Images) -> Tensor:
    """(N, C, H * W) float32 of (N, H, W, C) uint8."""
    return torch.from_numpy(np.ascontiguousarray(images)).permute(0, 3, 1, 2).flatten(2).to(torch.float32)


def _standardised(values: Tensor) -> Tensor:
    """(N, C * H * W) of (N, C, H * W): each channel of each picture with mean 0, all of length 1 together."""
    centred = values - values.mean(2, keepdim=True)
    whole: Tensor = (centred / centred.norm(dim=2, keepdim=True).clamp_min(1e-9)).flatten(1)
    return whole.div(values.shape[1] ** 0.5)


def _nearest(samples: Tensor, images: Images) -> tuple[Tensor, Tensor]:
    """For each sample the picture that is most like it, and how much: 1 where nothing but scale and shift differs."""
    best = torch.full((len(samples),), -1.0)
    places = torch.zeros(len(samples), dtype=torch.int64)
    with torch.no_grad():
        for start in range(0, len(images), CHUNK):
            likeness = samples @ _standardised(_channels(images[start : start + CHUNK])).T
            found, at = likeness.max(1)
            better = found > best
            best = torch.where(better, found, best)
            places = torch.where(better, at + start, places)
    return places, best
