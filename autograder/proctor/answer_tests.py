"""After training: test images come in from the grader, scores go out, a batch at a time.

Called by the proctor's `__main__.py` when a training has ended. The grader chooses the order, and sends the next batch
only when it has the scores of the last. Labels never come here.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from autograder.proctor import fake_dataset, loaders, own_preprocessing
from autograder.proctor.channel import Channel
from autograder.proctor.failure import failure
from autograder.proctor.own_preprocessing import Made
from autograder.proctor.training import Training

PROBES = 2  # pictures that a script's own code is tried with


def test_transform() -> Any:
    """The transform of the script's own test set; of its training set where it made no test set."""
    made = fake_dataset.StandIn.made
    tests = [dataset for dataset in made if not dataset.train]
    chosen = (tests or made)[-1:]
    return chosen[0].transform if chosen else None


def preparation(watched: Training, inputs: npt.NDArray[Any]) -> tuple[Made | None, bool]:
    """The function that makes of the grader's inputs what the network was trained on, and whether that is all of it.

    None where nothing says how. Where code of the script's stands between a dataset and a batch, that code is asked;
    else it is the transform; what the script does to a batch comes on top. Where a network's inputs came from no
    dataset's items, they are compared with the inputs that they can have come from.

    Args:
        inputs: of the training set, as the grader has them.
    """
    transform = test_transform()
    made: Made = lambda images: fake_dataset.transformed(images, transform)  # noqa: E731
    loader = loaders.with_own_code(watched.loaders)
    asked = None if loader is None else loaders.as_handed_out(loader, inputs[:PROBES])
    if asked is not None:
        made = asked
    elif loader is not None or not watched.through_items:
        if (learned := own_preprocessing.learned(watched.shown(), inputs)) is not None:
            return learned, True
        if watched.steps and (transform is None or not watched.through_items):
            return None, False
    if not (pairs := watched.worked_on()):
        return made, True
    if (change := own_preprocessing.of_batches(pairs)) is not None:
        return lambda images: change(made(images)), True
    # Batches may have been kept, or fetched ahead: what the network was given is of another one than came last.
    learned = own_preprocessing.learned([given for _, given in pairs], inputs)
    if learned is None:
        return made, False
    return made if _alike(made, learned, inputs[:PROBES]) else learned, True


def _alike(made: Made, learned: Made, inputs: npt.NDArray[Any]) -> bool:
    try:
        ours, theirs = made(inputs), learned(inputs)
    except Exception:  # of the script's transform, which may never have been called
        return False
    return ours.shape == theirs.shape and torch.allclose(ours.float(), theirs.float(), atol=0.01)


def answer(
    channel: Channel,
    network: nn.Module,
    file: str,
    epochs: Sequence[dict[str, torch.Tensor]] = (),
    before: dict[str, torch.Tensor] | None = None,
    *,
    prepared: Made,
) -> None:
    """Answer the grader's passes until it says that it has all: a JSON message opens each.

    `{"pass": "eval"}` puts the network in eval mode first, `{"pass": "as_left"}` in the mode it was left in. The last
    ones put it in eval mode and back into an earlier state: `{"pass": "epoch", "epoch": 1}` into the state after an
    epoch, `{"pass": "before"}` into the state after its first step. `prepared` turns images into the network's input.
    """
    left = [module.training for module in network.modules()]
    while (message := channel.receive()).get("pass") is not None:
        if message["pass"] == "epoch":
            nn.Module.load_state_dict(network, epochs[int(message["epoch"]) - 1])
        if message["pass"] == "before" and before is not None:
            nn.Module.load_state_dict(network, before)
        if message["pass"] in ("eval", "epoch", "before"):
            network.eval()
        else:
            for module, training in zip(network.modules(), left, strict=True):
                module.training = training
        for _ in range(int(message["batches"])):
            images = channel.receive_images()
            try:
                scores = _scores(network, prepared(images))
            except Exception as error:
                channel.send("failed", failure=failure(error, file))
                break
            channel.send_scores(scores)


def _scores(network: nn.Module, images: torch.Tensor) -> npt.NDArray[np.float32]:
    """(N, classes) float32 for (N, C, H, W) images, from whatever the network answers."""
    parameter = next(network.parameters())
    images = images.to(parameter.device)
    if images.is_floating_point() and parameter.is_floating_point():
        images = images.to(parameter.dtype)  # a script that trains in float64 or bfloat16 converts each batch
    with torch.no_grad():
        outputs = network(images)
    if not isinstance(outputs, torch.Tensor):
        raise TypeError(f"the network answered with {type(outputs).__name__}, not with a tensor")
    scores: npt.NDArray[np.float32] = outputs.detach().to("cpu", torch.float32).contiguous().numpy()
    return scores
