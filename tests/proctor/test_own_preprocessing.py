"""What a script made of its arrays is found from what its network was given, or nobody can tell."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from autograder.proctor import own_preprocessing

RANDOM = np.random.default_rng(4)
SEQUENCES = RANDOM.normal(2.0, 3.0, (60, 12, 2)).astype("<f4")
TABLE = (RANDOM.normal(0.0, 1.0, (80, 5)) * [1, 10, 100, 1, 5]).astype("<f4")
WORDS = RANDOM.integers(0, 30, (50, 9))

MADE: dict[str, tuple[np.ndarray, Callable[[np.ndarray], np.ndarray]]] = {
    "as it is": (SEQUENCES, lambda x: x),
    "one mean": (SEQUENCES, lambda x: (x - SEQUENCES.mean()) / SEQUENCES.std()),
    "a mean for each feature": (SEQUENCES, lambda x: (x - SEQUENCES.mean((0, 1))) / SEQUENCES.std((0, 1))),
    "a table's columns": (TABLE, lambda x: (x - TABLE.mean(0)) / TABLE.std(0, ddof=1)),
    "a table's ranges": (TABLE, lambda x: (x - TABLE.min(0)) / (TABLE.max(0) - TABLE.min(0))),
    "words": (WORDS, lambda x: x),
}


@pytest.mark.parametrize("name", MADE)
def test_it_is_found(name: str) -> None:
    inputs, made = MADE[name]
    given = torch.from_numpy(np.asarray(made(inputs[7:15])))
    given = given.float() if inputs is not WORDS else given
    prepared = own_preprocessing.learned([given], inputs)
    assert prepared is not None
    ours = prepared(inputs[:3])
    assert ours.dtype == given.dtype
    torch.testing.assert_close(
        ours, torch.from_numpy(np.asarray(made(inputs[:3]))).to(given.dtype), rtol=1e-4, atol=1e-4
    )


def test_a_side_of_length_one_may_be_added() -> None:
    prepared = own_preprocessing.learned([torch.from_numpy(TABLE[:4])[:, None]], TABLE)
    assert prepared is not None
    assert prepared(TABLE[:2]).shape == (2, 1, 5)


def test_what_came_from_nowhere_is_not_made_up() -> None:
    assert own_preprocessing.learned([torch.rand(4, 12, 2)], SEQUENCES) is None
    assert own_preprocessing.learned([torch.from_numpy(SEQUENCES[:4, :6])], SEQUENCES) is None


@pytest.mark.parametrize("mirrored", [0, 3])
def test_of_a_batch_a_scale_and_a_shift_are_found_though_some_are_mirrored(mirrored: int) -> None:
    handed = torch.rand(4, 3, 8, 8)
    mean, deviation = torch.rand(3, 1, 1), torch.rand(3, 1, 1) + 0.5
    given = (handed - mean) / deviation
    given[:mirrored] = given[:mirrored].flip(3)
    change = own_preprocessing.of_batches([(handed, given)])
    assert change is not None
    torch.testing.assert_close(change(handed[:2]), (handed[:2] - mean) / deviation)


def test_of_a_batch_that_is_mixed_nothing_is_made_up() -> None:
    handed = torch.rand(4, 3, 8, 8)
    assert own_preprocessing.of_batches([(handed, 0.7 * handed + 0.3 * handed.roll(1, 0))]) is None
    same = own_preprocessing.of_batches([(handed, handed.clone())])
    assert same is not None
    assert torch.equal(same(handed), handed)
