"""Makes checkpoints: by training a network of the course by a homework's recipe, or from a file that somebody has.

Called by the command `pretrain`. Runs the solution's and the given files' code, never a student's. The state of a
training is written every few minutes and after every epoch. The same command goes on from there, with images in the
same order as without a stop. Nothing is unpickled: what is read is a safetensors file, or is read with `weights_only`.
It computes in bfloat16 where the processor or the GPU multiplies such numbers, else in float32.
"""

import ast
import pickle
import time
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor, nn

from autograder import homeworks
from autograder.commands.course.rescaled import BNS, rescale
from autograder.course import checkpoint
from autograder.course.checkpoint import Checkpoint, Record
from autograder.course.dataset import Dataset, Images, Labels
from autograder.course.homework import Homework, Recipe
from autograder.course.same_pictures import sketches
from autograder.course.state_dict import counted, differing
from autograder.errors import KitError, first_line
from autograder.files import ROOT, whole
from autograder.machine import machine

MEAN, SPREAD = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)  # of CIFAR-10's colours
PADDING = 4  # pixels by which a training picture may be shifted
CLIMB = 0.2  # of all steps, in which the learning rate rises
TEST_BATCH = 500
SEED = 20_151_210
KEEP_EVERY_S = 180.0  # what a kill costs at most; one state of a 50-layer network is 120 MB
SAY_EVERY_S = 60.0  # where the output is no terminal

Networks = dict[str, tuple[Homework, Recipe]]


def networks() -> Networks:
    """Model name -> homework and recipe, of all that a checkpoint can be made of."""
    every = [homeworks.load(name) for name in homeworks.names()]
    return {recipe.model: (homework, recipe) for homework in every for recipe in homework.recipes}


def find(model: str) -> tuple[Homework, Recipe]:
    """The homework and the recipe of `model`. Raises KitError when there is none."""
    known = networks()
    if model not in known:
        raise KitError(f"there is no recipe for {model!r}", f"choose one of: {', '.join(sorted(known))}")
    return known[model]


def pretrain(model: str, dataset: Dataset, folder: Path, *, epochs: int | None, source: Path | None) -> Checkpoint:
    """Make `folder`/MODEL.safetensors and its record, by training or of `source`; what was there is replaced.

    Weights are written in half precision; the accuracy is that of what is written.

    Args:
        epochs: in place of the recipe's.
        source: a state dict: a .safetensors file, or one that torch.save wrote.

    Raises KitError when there is no such model, no solution to take it from, when `source` can't be read or isn't of
    this network, and when the folder can't be written.
    """
    from safetensors.torch import save_file

    homework, recipe = find(model)
    network = _network(homework, recipe)
    console = Console(highlight=False, markup=False)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if source is not None:
            words = f"imported from {source.name}, SHA-256 {checkpoint.sha256(source)}"
            network.load_state_dict(_imported(source, network))
            network.to(device)
            trained = None
        else:
            trained = epochs or recipe.epochs
            recipe = replace(recipe, epochs=trained)
            words = _words(recipe)
            _train(network, recipe, dataset, folder / f"{model}.partial", device, console)
            if recipe.larger != 1:
                rescale(network, recipe.larger, recipe.answering)
        state = _rounded(network)
        network.load_state_dict(state)
        accuracy = _accuracy(network, dataset.test_images, dataset.test_labels, device)
        path = folder / f"{model}{checkpoint.SUFFIX}"
        with whole(path) as temporary:
            save_file(state, temporary)
        record = Record(
            model=model,
            dataset=dataset.name,
            fingerprint=dataset.fingerprint,
            pictures=sketches(dataset.train_images, dataset.test_images),
            accuracy_percent=round(accuracy, 2),
            epochs=trained,
            recipe=words,
            sha256=checkpoint.sha256(path),
            made=datetime.now(UTC).isoformat(timespec="seconds"),
            machine=machine(device.type),
            torch=torch.__version__,
        )
        checkpoint.write_record(path, record)
        (folder / f"{model}.partial").unlink(missing_ok=True)
    except OSError as error:
        raise KitError(f"{error.filename or folder}: {error.strerror or first_line(error)}") from error
    return checkpoint.load(path)


def _words(recipe: Recipe) -> str:
    larger = (
        f"; weights kept {recipe.larger:g} times as large and BNs {BNS:g} times, but for "
        f"{' and '.join(recipe.answering)}, which changes no answer"
        if recipe.larger != 1
        else ""
    )
    smoothed = f"targets smoothed by {recipe.label_smoothing:g}, " if recipe.label_smoothing else ""
    return (
        f"{recipe.epochs} epochs from nothing of SGD with Nesterov momentum 0.9, batches of {recipe.batch_size}, "
        f"weight decay {recipe.weight_decay:g}, {smoothed}learning rate up to {recipe.lr:g} in the first {CLIMB:.0%} "
        f"of all steps and down to 0 in the rest, pictures shifted by up to {PADDING} pixels and mirrored{larger}"
    )


def _is_definition(part: ast.stmt) -> bool:
    if isinstance(part, ast.Assign):
        try:
            ast.literal_eval(part.value)
        except ValueError:
            return False
        return True
    return isinstance(part, ast.Import | ast.ImportFrom | ast.ClassDef | ast.FunctionDef)


def _network(homework: Homework, recipe: Recipe) -> nn.Module:
    """A fresh network of the solution's class, from a seed of its own."""
    path = ROOT / "solution" / homework.name / recipe.file
    try:
        script = ast.parse(path.read_bytes())
    except OSError as error:
        raise KitError(
            f"{path}: no such file", "a checkpoint is trained in a checkout, which has the solution"
        ) from error
    # Only what is defined, and constants: where the homework is a script, the rest of it trains.
    script.body = [part for part in script.body if _is_definition(part)]
    defined: dict[str, Any] = {"__name__": path.stem}
    exec(compile(script, path, "exec"), defined)
    torch.manual_seed(SEED)
    network: nn.Module = defined[recipe.network](*homework.arguments)
    return network


# --- training --------------------------------------------------------------------------------------------------------


def _bfloat16(device: torch.device) -> bool:
    """Whether it multiplies bfloat16 itself: elsewhere that is emulated, and slower than float32."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


@dataclass
class _State:
    """How far a training is: all that it goes on from.

    Attributes:
        epoch, step: how many whole epochs are done, and how many steps of the next.
        total: the sum of the losses of those steps.
        random: the state of the generator of that epoch's order and pictures.
    """

    epoch: int = 0
    step: int = 0
    total: float = 0.0
    random: Tensor | None = None


def _train(
    network: nn.Module, recipe: Recipe, dataset: Dataset, partial: Path, device: torch.device, console: Console
) -> None:
    """Train to the end of the recipe, from where `partial` left off. Raises KitError where the loss is no number."""
    network.to(device).to(memory_format=torch.channels_last)  # half as fast again, on a CPU too
    optimizer = torch.optim.SGD(
        network.parameters(), lr=recipe.lr, momentum=0.9, nesterov=True, weight_decay=recipe.weight_decay
    )
    images, labels = _on_device(dataset.train_images, dataset.train_labels, device)
    size = min(recipe.batch_size, len(labels))
    steps = len(labels) // size
    belongs = {"recipe": asdict(recipe), "fingerprint": dataset.fingerprint}
    at = _go_on(partial, belongs, network, optimizer, device)
    if at.epoch or at.step:
        console.print(f"{partial.name}: goes on after epoch {at.epoch}, step {at.step}")
    low_precision = _bfloat16(device)
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed}/{task.total} steps"))
    with Progress(*columns, TimeRemainingColumn(), console=console, disable=not console.is_terminal) as progress:
        bar = progress.add_task(recipe.model, total=recipe.epochs * steps, completed=at.epoch * steps + at.step)
        kept = said = time.monotonic()
        while at.epoch < recipe.epochs:
            started = time.monotonic()
            network.train()
            random = torch.Generator(device=device).manual_seed(SEED + at.epoch)
            order = torch.randperm(len(labels), generator=random, device=device)
            if at.random is not None:
                random.set_state(at.random)
            total = torch.tensor(at.total, dtype=torch.float64, device=device)
            for step in range(at.step, steps):
                share = (at.epoch * steps + step) / (recipe.epochs * steps)
                for group in optimizer.param_groups:
                    group["lr"] = recipe.lr * float(np.interp(share, [0, CLIMB, 1], [0.05, 1, 0]))
                batch = order[step * size : (step + 1) * size]
                pictures = _prepared(_varied(images[batch], random)).contiguous(memory_format=torch.channels_last)
                with torch.autocast(device.type, torch.bfloat16, enabled=low_precision):
                    scores = network(pictures)
                loss = nn.functional.cross_entropy(
                    scores.float(), labels[batch], label_smoothing=recipe.label_smoothing
                )
                optimizer.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                optimizer.step()
                total += loss.detach()
                progress.update(bar, advance=1)
                now = time.monotonic()
                if now - kept > KEEP_EVERY_S and step + 1 < steps:
                    reached = _State(at.epoch, step + 1, float(total), random.get_state())
                    _keep(partial, belongs, reached, network, optimizer)
                    kept = time.monotonic()
                if now - said > SAY_EVERY_S and not console.is_terminal:
                    mean, place = float(total) / (step + 1), f"epoch {at.epoch + 1:3} of {recipe.epochs}"
                    console.print(f"{place}, step {step + 1}/{steps}: loss {mean:.4f}")
                    said = now
            mean = float(total) / steps
            if not np.isfinite(mean):
                raise KitError(f"{recipe.model}: the loss is no number in epoch {at.epoch + 1}", "the rate is too high")
            at = _State(at.epoch + 1)
            _keep(partial, belongs, at, network, optimizer)
            kept = time.monotonic()
            accuracy = _accuracy(network, dataset.test_images, dataset.test_labels, device)
            seconds = time.monotonic() - started
            console.print(
                f"epoch {at.epoch:3} of {recipe.epochs}: loss {mean:.4f}, {accuracy:.2f}% of the test images, "
                f"{seconds:.0f} s"
            )


def _on_device(images: Images, labels: Labels, device: torch.device) -> tuple[Tensor, Tensor]:
    """(N, 3, 32, 32) uint8 and (N,) int64. 50,000 images are 154 MB."""
    pictures = torch.from_numpy(np.ascontiguousarray(np.asarray(images).transpose(0, 3, 1, 2)))
    return pictures.to(device), torch.from_numpy(np.array(labels)).to(device)


def _varied(images: Tensor, random: torch.Generator) -> Tensor:
    """Each image shifted by up to `PADDING` pixels, with black coming in, and half of them mirrored."""
    count, _, side, _ = images.shape
    padded = nn.functional.pad(images, (PADDING,) * 4)
    starts = torch.randint(2 * PADDING + 1, (2, count, 1), generator=random, device=images.device)
    rows, columns = starts + torch.arange(side, device=images.device)
    mirrored = torch.rand((count, 1), generator=random, device=images.device) < 0.5
    columns = torch.where(mirrored, columns.flip(1), columns)
    each = torch.arange(count, device=images.device)[:, None, None]
    return padded[each, :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


def _prepared(images: Tensor) -> Tensor:
    """(N, 3, H, W) uint8 to float32, normalised by each channel's mean and standard deviation."""
    mean, spread = (torch.tensor(values, device=images.device).view(3, 1, 1) for values in (MEAN, SPREAD))
    return (images.float() / 255 - mean) / spread


def _accuracy(network: nn.Module, images: Images, labels: Labels, device: torch.device) -> float:
    """Accuracy in percent, in eval mode and float32."""
    network.eval()
    right = 0
    with torch.no_grad():
        for start in range(0, len(labels), TEST_BATCH):
            pictures, truth = _on_device(images[start : start + TEST_BATCH], labels[start : start + TEST_BATCH], device)
            right += int((network(_prepared(pictures)).argmax(dim=1) == truth).sum())
    return 100 * right / len(labels)


# --- files -----------------------------------------------------------------------------------------------------------


def _keep(partial: Path, belongs: dict[str, Any], at: _State, network: nn.Module, optimizer: Any) -> None:
    state = {**belongs, "at": asdict(at), "network": network.state_dict(), "optimizer": optimizer.state_dict()}
    with whole(partial) as temporary:
        torch.save(state, temporary)


def _go_on(partial: Path, belongs: dict[str, Any], network: nn.Module, optimizer: Any, device: torch.device) -> _State:
    """Load what an earlier run has reached. Raises KitError where that is of another recipe or other data."""
    if not partial.exists():
        return _State()
    state = _unpickled(partial, device)
    if {name: state.get(name) for name in belongs} != belongs or "at" not in state:
        raise KitError(
            f"{partial}: was begun with another recipe or on other data",
            "remove it, or ask for the same epochs and data to go on",
        )
    network.load_state_dict(state["network"])
    optimizer.load_state_dict(state["optimizer"])
    at = _State(**state["at"])
    return at if at.random is None else replace(at, random=at.random.cpu())


def _unpickled(path: Path, device: torch.device) -> dict[str, Any]:
    """What torch.save wrote, where it holds tensors, numbers and texts and nothing else."""
    try:
        found = torch.load(path, map_location=device, weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError, IndexError) as error:
        raise KitError(
            f"{path}: not a file of plain tensors ({first_line(error)})",
            "a file that needs its own classes is never loaded: save the state dict instead",
        ) from error
    if not isinstance(found, dict):
        raise KitError(f"{path}: holds a {type(found).__name__}, not a state dict")
    return found


def _imported(source: Path, network: nn.Module) -> dict[str, Tensor]:
    """The state dict in `source`, when it is one of `network`."""
    if source.suffix == checkpoint.SUFFIX:
        from safetensors.torch import load_file

        checkpoint.shapes(source)  # says what is wrong with it
        state: dict[str, Any] = load_file(source)
    else:
        state = _unpickled(source, torch.device("cpu"))
        state = next((state[key] for key in ("state_dict", "model") if isinstance(state.get(key), dict)), state)
    state = {str(name).removeprefix("module."): value for name, value in state.items()}  # as DataParallel names them
    theirs = {name: tuple(value.shape) for name, value in state.items() if isinstance(value, Tensor)}
    ours = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    rows = differing(theirs, ours)
    if rows or len(theirs) < len(state):
        for row in rows:
            print(f"  {row.name:52} file {row.theirs_text:16} network {row.ours_text}")
        raise KitError(
            f"{source}: not this network's: of its {len(ours)} entries {counted(rows) or 'some are no tensors'}",
            "names and shapes have to be the same, one by one",
        )
    return state


def _rounded(network: nn.Module) -> dict[str, Tensor]:
    """The state dict, weights in half precision: half the size. What is one number a channel stays as it is."""
    state = {name: value.detach().cpu().contiguous() for name, value in network.state_dict().items()}
    return {name: value.half() if value.dim() > 1 else value for name, value in state.items()}
