"""What was done with each batch of a rehearsal, and which of them are training steps.

Called by `rehearsal.py`. Runs nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from autograder.observations import Forward

DIRECT = 0  # in a loader's place: images that no loader has handed out
KEPT = 200  # steps and calls that are written down, at most


@dataclass
class Batch:
    """A training batch and what was done with it, as it happens."""

    loader: int
    iteration: int
    images: int
    events: list[str] = field(default_factory=list)
    forwards: list[Forward] = field(default_factory=list)
    stale_gradients: bool | None = None
    reaches_network: bool | None = None
    changed_parameters: bool | None = None
    loss: float | None = None
    optimizer: int | None = None  # which one made the first step, by its id
    lines: dict[str, int] = field(default_factory=dict)


def sorted_out(
    batches: Sequence[Batch], tests_seen: Sequence[Forward], has_test_loader: bool
) -> tuple[list[Batch], list[Forward]]:
    """The batches that training is made of, and all calls on others: a look at a batch is no training step."""
    training = {batch.loader for batch in batches if {"backward", "step"} & set(batch.events)}
    steps: list[Batch] = []
    tests = list(tests_seen)
    for batch in batches:
        acted = {"backward", "step"} & set(batch.events)
        if batch.loader == DIRECT and not acted:
            # After the training, where no loader serves test images, it may be one of these.
            may_be = not has_test_loader and bool(steps)
            tests += [call if may_be else call.model_copy(update={"on_batch": False}) for call in batch.forwards]
            continue
        if DIRECT in training and not acted:  # was handed out to be kept, and is gone through later
            continue
        if not any(other.events for other in batches if other.iteration == batch.iteration) and training:
            continue
        if batch is batches[0] and _is_trial(batch, batches):
            continue
        if training and batch.loader not in training:
            tests += batch.forwards
            continue
        steps.append(batch)
    return steps, tests[:KEPT]


def _is_trial(first: Batch, batches: Sequence[Batch]) -> bool:
    """Whether a network was made to learn one batch by heart before the training, to see whether it can learn at all.

    The first pass over a loader offers two batches; this one was taken alone, and no other had as many steps.
    """
    steps = [batch.events.count("step") for batch in batches if batch.iteration != first.iteration]
    alone = len(steps) == len(batches) - 1
    return alone and bool(steps) and first.events.count("step") > max(1, *steps)
