"""The same network, the same five epochs, the best recipe we know: what is left once the network is right.

    python solution/hw6/record.py                        # official CIFAR-10, downloaded to ./data
    python solution/hw6/record.py --data data/cifar10    # a dataset that `autograder data` prepared

Measured: 85.66% on the JPEG copies of CIFAR-10, where the homework's own solution reaches about 83% (docs/results.md,
which also has what was tried). Goal: over 90% there, over 92% on the official images, on which it hasn't been run.

The network isn't repeated here: its classes are taken out of hw6.py, beside this file. What differs is all around it:

- pictures are flipped and shifted, so no epoch sees the same one again (a flip in one epoch is undone in the next:
  five epochs show both sides of each picture two or three times, which drawing lots wouldn't)
- the targets are 0.9 for the right class and 0.01 more for each: label smoothing
- the rate climbs for a fifth of the steps and falls to zero; Nesterov momentum; weight decay for weights alone
- a gradient is cut to length 1: no BN stands behind the last addition, and without the cut a rate of 0.1 ends in NaN
- the scores of a picture and of its mirror image are added
- on a GPU, and with --bfloat16 on a CPU, most of the arithmetic is in bfloat16; channels come last; the whole dataset
  stays in the device's memory: no loader, no waiting
"""

import argparse
import ast
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
import torchvision
from torch import nn

EPOCHS = 5
BATCH = 128
TOP_RATE = 0.1
CLIMB = 0.2  # of all steps
MOMENTUM = 0.9
LONGEST = 1.0  # of a step's gradient, all parameters together
DECAY = 5e-4
SMOOTHING = 0.1
SHIFT = 2  # pixels, at most, up, down, left and right


def network_class():
    """IdentityResNet as hw6.py defines it, without running the training around it."""
    path = Path(__file__).with_name("hw6.py")
    tree = ast.parse(path.read_text(encoding="utf-8"))
    tree.body = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom | ast.ClassDef)]
    names = {"__name__": "hw6"}
    exec(compile(tree, str(path), "exec"), names)
    return names["IdentityResNet"]


def load(folder, device, limit):
    """Training and test set: images (N, 3, 32, 32) float in [-1, 1], labels (N,) int64, all on the device."""
    for train in (True, False):
        if folder is None:
            dataset = torchvision.datasets.CIFAR10(root="./data", train=train, download=True)
            images, labels = dataset.data, np.array(dataset.targets)
        else:
            split = "train" if train else "test"
            images, labels = (np.load(folder / f"{split}_{kind}.npy") for kind in ("images", "labels"))
        pixels = torch.tensor(images[:limit], device=device).permute(0, 3, 1, 2)
        yield (pixels.float() / 127.5 - 1).contiguous(memory_format=torch.channels_last)
        yield torch.tensor(labels[:limit], device=device)


def shifted(images):
    """Each image moved by up to SHIFT pixels on its own; what comes in at the edge mirrors what is there."""
    padded = F.pad(images, (SHIFT,) * 4, mode="reflect")
    n, _, height, width = images.shape
    down, right = torch.randint(0, 2 * SHIFT + 1, (2, n, 1), device=images.device)
    rows = (torch.arange(height, device=images.device) + down)[:, None, :, None]  # (N, 1, H, 1)
    columns = (torch.arange(width, device=images.device) + right)[:, None, None, :]  # (N, 1, 1, W)
    image = torch.arange(n, device=images.device)[:, None, None, None]
    channel = torch.arange(3, device=images.device)[None, :, None, None]
    # Indexing loses the layout.
    return padded[image, channel, rows, columns].contiguous(memory_format=torch.channels_last)


def epochs(images, labels):
    """Batches of (images, labels), shuffled anew in every epoch, for EPOCHS epochs; what is left over isn't dropped."""
    mirrored = torch.rand(len(images), device=images.device) < 0.5
    for _ in range(EPOCHS):
        for batch in torch.randperm(len(images), device=images.device).split(BATCH):
            seen = images[batch]
            seen = torch.where(mirrored[batch, None, None, None], seen.flip(3), seen)
            yield shifted(seen), labels[batch]
        mirrored = ~mirrored


def train(net, images, labels, precision):
    """Five epochs; `precision` is a context manager for the forward pass."""
    steps = EPOCHS * -(-len(images) // BATCH)
    weights = [parameter for parameter in net.parameters() if parameter.dim() > 1]
    others = [parameter for parameter in net.parameters() if parameter.dim() == 1]
    optimizer = torch.optim.SGD(
        [{"params": weights, "weight_decay": DECAY}, {"params": others, "weight_decay": 0.0}],
        lr=TOP_RATE,
        momentum=MOMENTUM,
        nesterov=True,
    )
    scheduler = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: float(np.interp(step / steps, [0.0, CLIMB, 1.0], [0.1, 1.0, 0.0]))
    )
    criterion = nn.CrossEntropyLoss(label_smoothing=SMOOTHING)
    net.train()
    total, start = 0.0, time.perf_counter()
    for step, (batch, target) in enumerate(epochs(images, labels), 1):
        with precision:
            loss = criterion(net(batch), target)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), LONGEST)
        optimizer.step()
        scheduler.step()
        total += loss.detach()
        if step % max(1, steps // 100) == 0:  # a line for each hundredth of the way
            mean, seconds = total / max(1, steps // 100), time.perf_counter() - start
            print(f"step {step}/{steps}: loss {mean:.4f}, {seconds:.0f} s", flush=True)
            total = 0.0


@torch.no_grad()
def accuracy_percent(net, images, labels, precision):
    """How many of the images are recognised, each looked at as it is and mirrored."""
    net.eval()
    right = 0
    for batch, target in zip(images.split(1000), labels.split(1000), strict=True):
        with precision:
            scores = net(batch).float() + net(batch.flip(3)).float()
        right += (scores.argmax(dim=1) == target).sum().item()
    return 100 * right / len(images)


def main():
    parser = argparse.ArgumentParser(description="Train hw6's network for five epochs, as well as we can.")
    parser.add_argument("--data", type=Path, metavar="FOLDER", help="a prepared dataset instead of torchvision's")
    parser.add_argument("--images", type=int, metavar="N", help="only the first N images, to see that it works")
    parser.add_argument("--bfloat16", action="store_true", help="on a CPU too; fast where it multiplies such numbers")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()

    torch.manual_seed(arguments.seed)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.backends.cudnn.benchmark = True
    precision = torch.autocast(device.type, torch.bfloat16, enabled=arguments.bfloat16 or device.type == "cuda")
    images, labels, test_images, test_labels = load(arguments.data, device, arguments.images)
    net = network_class()(2, 2, 2, 2).to(device).to(memory_format=torch.channels_last)

    start = time.perf_counter()  # testing ends with numbers, so the clock stops when the GPU is done
    train(net, images, labels, precision)
    accuracy = accuracy_percent(net, test_images, test_labels, precision)
    seconds = time.perf_counter() - start
    print(f"{accuracy:.2f}% of {len(test_images):,} test images after {EPOCHS} epochs of {len(images):,}")
    print(f"{seconds:.1f} s on {torch.cuda.get_device_name() if device.type == 'cuda' else 'the CPU'}")


if __name__ == "__main__":
    main()
