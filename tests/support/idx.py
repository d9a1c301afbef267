"""MNIST's files, made on the spot: torchvision reads them as it reads the downloaded ones."""

import struct
from pathlib import Path

import numpy as np
import numpy.typing as npt


def write(folder: Path, train: int, test: int, name: str = "MNIST") -> None:
    """`folder/NAME/raw/` with so many drawn pictures, whose labels are 0 to 9 in turn."""
    raw = folder / name / "raw"
    raw.mkdir(parents=True)
    random = np.random.default_rng(5)
    for prefix, count in (("train", train), ("t10k", test)):
        labels = (np.arange(count) % 10).astype(np.uint8)
        images = random.integers(0, 60, (count, 28, 28), dtype=np.uint8)
        for label in range(10):
            images[labels == label, 2 * label : 2 * label + 4, 4:24] += 150
        (raw / f"{prefix}-images-idx3-ubyte").write_bytes(_idx(images))
        (raw / f"{prefix}-labels-idx1-ubyte").write_bytes(_idx(labels))


def _idx(array: npt.NDArray[np.uint8]) -> bytes:
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()
