"""The rehearsal: a submission's script as it is, on a handful of images, with everything it does written down.

Called by the proctor's `__main__.py` when the grader asks for observations. Nothing is trained: each epoch gets a batch
or two, of which the network sees two images. Convolutions aren't computed (`skip_convolutions.py`), so a
rehearsal of an 18-layer network takes 0.3 s of CPU time beside the import of torch.
"""

import os
import time
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn
from torch.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook
from torch.utils.data import DataLoader

from autograder.observations import Failure, Forward, Loader, Optimizer, Rehearsal, Step
from autograder.proctor import alarm, loaders, run_script, torch_hooks
from autograder.proctor.failure import failure
from autograder.proctor.own_code import line_in
from autograder.proctor.rehearsed_batches import DIRECT, KEPT, Batch, sorted_out
from autograder.proctor.skip_convolutions import Shortcuts, fill_quickly

SERVED_EPOCHS = 100
MOST_EPOCHS = 500  # a loop that asks for more never ends by itself
TEST_IMAGES = 12
ANSWERED_IMAGES = 2  # a larger batch is answered from its first images
REAL_BACKWARDS = 2  # that are computed; of later ones only the order of calls is recorded
DIRECT_S = 10.0  # of CPU time; a training without loaders has as many batches as the homework's own
WATCHED_DIRECT = 40  # batches of such a training that are recorded; the rest do as little as possible


class Rehearsing:
    """Writes down what the script does. `finish` ends the process, from wherever the script is.

    Later epochs than `SERVED_EPOCHS` are empty, so that long trainings come to their test loops. `epochs`: the
    homework's own. `at_length`: these epochs and all tests are as long as the script's loaders, and repeat the same
    few batches.
    """

    def __init__(
        self,
        file: str,
        seconds: float,
        epochs: int,
        finish: Callable[["Rehearsing", str, BaseException | None], None],
        as_if_absent: Sequence[str] = (),
        sides: int = 4,
        at_length: bool = False,
    ) -> None:
        self.file = file
        self.sides = sides  # of a batch of inputs: four of pictures
        self.epochs = epochs
        # One more than the homework's own: a script that trains for as long as it should is seen to its end.
        self.whole_epochs = epochs + 1 if at_length else SERVED_EPOCHS  # those after them have one batch
        self.finish = finish
        self.network: nn.Module | None = None
        self.batches: list[Batch] = []
        self.tests: list[Forward] = []
        self.optimizer: torch.optim.Optimizer | None = None
        self.described: dict[int, Optimizer] = {}  # optimizers by their ids, as they were before their first step
        self.loader_lines: dict[int, int | None] = {}
        self.optimizer_lines: dict[int, int | None] = {}
        self.train_loader: Loader | None = None
        self.test_loader: Loader | None = None
        self.moved: set[int] = set()  # parameters, by their ids, of modules that were put on a device
        self.kept: list[Any] = []  # kept alive, because it is known by its id
        self.iterations = 0
        self.last_images = 0
        self.backwards = 0
        self.testing = True
        self.writing = True  # whether what is done belongs to the last batch that is written down
        self.direct_since: float | None = None  # since when it trains on images that no loader hands out, by CPU time
        self._is_served = False  # whether a loader has handed out a batch since the last step
        self.direct = 0  # such batches
        self._seen: Any = None  # what the network was given last, in training
        self._answers: dict[tuple[Any, ...], Any] = {}  # of computed training steps, by what was asked
        self._all_parameters: list[list[Any]] = []  # of the optimizer's groups, while a step is made for one of them
        self._versions: list[int] = []
        self.started = time.monotonic()
        self.process = os.getpid()
        self.ration = loaders.Ration(train_batches=2, test_images=TEST_IMAGES, repeats=at_length)
        self.surroundings = run_script.comforts(file, as_if_absent)
        run_script.never_compile()
        run_script.never_recompute()
        loaders.install(self, self.ration)
        self.end_forward_watch = torch_hooks.forwards(self._forward)
        self.end_quick_filling = fill_quickly()
        torch_hooks.backwards(self._backward)
        torch_hooks.zeroings(self._zeroed)
        torch_hooks.moves(self._moved)
        torch_hooks.makings(torch.optim.Optimizer, self._optimizer_made)
        torch_hooks.makings(DataLoader, self._loader_made)
        register_optimizer_step_pre_hook(self._before_step)
        register_optimizer_step_post_hook(self._after_step)
        # CPU time first: on a busy machine a correct script may take long by the clock.
        alarm.ring(lambda: self.finish(self, "timeout", None), 5 * seconds, cpu_seconds=seconds)

    # --- loaders ---

    def asked(self, loader: "DataLoader[Any]", role: loaders.Role, at: int) -> bool:
        """See `loaders.Listener`."""
        if role == "test" or not torch.is_grad_enabled() or os.getpid() != self.process:
            return True
        if at == 0:
            self.iterations += 1
            if self.iterations == 2:
                self.ration.train_batches = 1
            if self.iterations > MOST_EPOCHS:
                self.finish(self, "stopped", None)
        return self.iterations <= (self.whole_epochs if at else SERVED_EPOCHS)

    def served(self, loader: "DataLoader[Any]", role: loaders.Role, batch: Any, at: int) -> None:
        """See `loaders.Listener`."""
        images = self.last_images = loaders.images_in(batch)
        self._is_served = True
        self.testing = role == "test" or not torch.is_grad_enabled()
        seen = Loader(
            batch_size=loader.batch_size,
            images=len(loader.dataset),  # type: ignore[arg-type]
            line=self.loader_lines.get(id(loader)),
        )
        if self.testing:
            self.test_loader = seen if role == "test" else self.test_loader
        else:
            self.train_loader = self.train_loader or seen
            self._begin(id(loader), images)

    def _begin(self, loader: int, images: int) -> None:
        self.writing = len(self.batches) < KEPT and self.direct <= WATCHED_DIRECT
        if self.writing:
            self.batches.append(Batch(loader, self.iterations, images))

    def _loader_made(self, loader: "DataLoader[Any]") -> None:
        self.kept.append(loader)
        self.loader_lines[id(loader)] = line_in(self.file)

    # --- the training step ---

    def _forward(self, module: nn.Module, inputs: tuple[Any, ...], call: torch_hooks.Call) -> Any:
        line = line_in(self.file)
        x = inputs[0] if inputs and isinstance(inputs[0], torch.Tensor) else None
        if x is not None and self._is_direct(module, x):
            self._begin_direct(x)
        testing = self.testing or not torch.is_grad_enabled()
        is_written = len(self.tests) < KEPT if testing else self.writing
        with Shortcuts():
            output = call() if x is None else self._answer(module, inputs, call)
        if not is_written:
            return output
        parameter = next(module.parameters())
        seen = Forward(
            input_shape=list(x.shape) if x is not None else [],
            output_shape=list(output.shape) if isinstance(output, torch.Tensor) else [],
            grad_enabled=torch.is_grad_enabled(),
            training=module.training,
            input_device=str(x.device) if x is not None else "",
            network_device=str(parameter.device),
            on_batch=x is not None and x.dim() > 0 and self._is_batch(x),
            line=line,
        )
        if self.network is None or _size(module) >= _size(self.network):
            self.network = module
        if testing:
            self.tests.append(seen)
        elif self.batches:
            self._note("forward", line)
            self._seen = x
            if self.writing and len(self.batches[-1].forwards) < KEPT:
                self.batches[-1].forwards.append(seen)
        return output

    def _is_direct(self, module: nn.Module, x: torch.Tensor) -> bool:
        """Whether a call begins a training batch that no loader has handed out: it can, and the last batch is done."""
        if not torch.is_grad_enabled() or not module.training or x.dim() != self.sides or os.getpid() != self.process:
            return False
        if not self.batches:
            return True
        last = self.batches[-1]
        if last.loader == DIRECT and self.train_loader is None:
            return not self.writing or "backward" in last.events or "step" in last.events
        # A script may go through a loader's batches again; a second step on the same images begins no batch.
        done = "step" in last.events and not self._is_served
        return done and self._seen is not None and x.data_ptr() != self._seen.data_ptr()

    def _begin_direct(self, x: torch.Tensor) -> None:
        now = time.process_time()
        if self.direct_since is None:
            self.direct_since = now
        if now - self.direct_since > DIRECT_S:
            self.finish(self, "stopped", None)
        self.testing = False
        self.last_images = int(x.shape[0])
        self.direct += 1
        self._begin(DIRECT, self.last_images)

    def _is_batch(self, x: torch.Tensor) -> bool:
        """Whether the network is given what it is tested on: a loader's batch, or images where no loader serves any."""
        if x.shape[0] == self.last_images:
            return True
        return self.test_loader is None and not torch.is_grad_enabled() and x.dim() == self.sides and bool(self.batches)

    def _answer(self, module: nn.Module, inputs: tuple[Any, ...], call: torch_hooks.Call) -> Any:
        """A batch's output; after the computed steps, that of an earlier one that asked for the same."""
        x, grad = inputs[0], torch.is_grad_enabled()
        asked = (id(module), module.training, grad, x.shape, x.dtype, x.device)
        if self.backwards >= REAL_BACKWARDS and asked in self._answers:
            return loaders.of_tensors(
                self._answers[asked], lambda one: one.clone().requires_grad_(grad and one.is_floating_point())
            )
        output = _answered_in_part(inputs, call)
        if type(output) in (torch.Tensor, tuple, list, dict):
            self._answers[asked] = loaders.of_tensors(output, torch.Tensor.detach)
        return output

    def _backward(self, tensors: Any, call: torch_hooks.Call) -> None:
        if not self.batches or self.testing:
            call()
            return
        if not self.writing:
            return
        batch = self.batches[-1]
        losses = [tensor for tensor in _tensors(tensors) if isinstance(tensor, torch.Tensor)]
        parameters = list(self.network.parameters()) if self.network is not None else []
        if batch.stale_gradients is None:
            batch.stale_gradients = any(p.grad is not None and bool(p.grad.any()) for p in parameters)
        before = [None if p.grad is None else p.grad._version for p in parameters]
        if losses and losses[0].numel() == 1:
            batch.loss = _finite(losses[0].item())
        self.backwards += 1
        if self.backwards <= REAL_BACKWARDS or not all(loss.requires_grad for loss in losses):
            with Shortcuts():
                call()
            after = [None if p.grad is None else p.grad._version for p in parameters]
            batch.reaches_network = before != after
        else:
            for parameter in parameters:
                if parameter.grad is None and parameter.requires_grad:
                    parameter.grad = torch.zeros_like(parameter)
        self._note("backward", line_in(self.file))

    def _zeroed(self) -> None:
        if not self.testing:
            self._note("zero_grad", line_in(self.file))

    def _before_step(self, optimizer: torch.optim.Optimizer, args: Any, kwargs: Any) -> None:
        if id(optimizer) not in self.described:
            self.described[id(optimizer)] = self._describe(optimizer)
        parameters = self.network.parameters() if self.network is not None and self.writing else ()
        self._versions = [parameter._version for parameter in parameters]
        works_inside = len(args) > 1 or bool(kwargs)  # a closure, which may clear the gradients of all
        if type(optimizer).__module__.startswith("torch.optim.") and not works_inside:
            # A step for one parameter of each group shows as much as one for all.
            self._all_parameters = [group["params"] for group in optimizer.param_groups]
            for group in optimizer.param_groups:
                group["params"] = [each for each in group["params"] if each.grad is not None][:1]

    def _after_step(self, optimizer: torch.optim.Optimizer, _args: Any, _kwargs: Any) -> None:
        for group, all_of_it in zip(optimizer.param_groups, self._all_parameters, strict=False):
            group["params"] = all_of_it
        self._all_parameters = []
        if self.testing or not self.batches:
            return
        self._is_served = False
        if not self.writing:
            return
        if self.batches[-1].optimizer is None:
            self.batches[-1].optimizer = id(optimizer)
        parameters = self.network.parameters() if self.network is not None else ()
        self.batches[-1].changed_parameters = self._versions != [parameter._version for parameter in parameters]
        self._note("step", line_in(self.file))

    def _moved(self, module: nn.Module) -> None:
        self.kept.append(module)
        self.moved.update(id(parameter) for parameter in module.parameters())

    def _optimizer_made(self, optimizer: torch.optim.Optimizer) -> None:
        self.optimizer = self.optimizer or optimizer
        self.kept.append(optimizer)
        self.optimizer_lines[id(optimizer)] = line_in(self.file)

    def _note(self, event: str, line: int | None) -> None:
        if self.batches and self.writing and len(self.batches[-1].events) < KEPT:
            self.batches[-1].events.append(event)
            if line is not None:
                self.batches[-1].lines.setdefault(event, line)

    # --- the end ---

    def observed(self, ended: str, error: BaseException | None) -> Rehearsal:
        """All that was seen."""
        alarm.off()
        self.end_forward_watch()
        self.end_quick_filling()
        trouble: Failure | None = None
        if error is not None and isinstance(error, SystemExit):
            ended, trouble = "exited", failure(error, self.file)
        elif error is not None:
            # Short epochs are ours: what fails because no batch came would not have failed in a training.
            ended = "stopped" if self.iterations > self.whole_epochs else "crashed"
            trouble = failure(error, self.file) if ended == "crashed" else None
            after_all = self.tests and self.iterations >= self.epochs
            if trouble is not None and trouble.reason == "missing-package" and after_all:
                ended = "finished"  # all that is asked for: the missing package is for a table, or a plot
        steps, tests = sorted_out(self.batches, self.tests, self.test_loader is not None)
        known = [self.described[batch.optimizer] for batch in steps if batch.optimizer is not None]
        optimizer = next(iter([*known, *self.described.values()]), None)
        if optimizer is None and getattr(self.optimizer, "param_groups", None):  # else its constructor raised
            optimizer = self._describe(self.optimizer)  # type: ignore[arg-type]
        network = self.network
        device = next(network.parameters()).device if network is not None else None
        return Rehearsal(
            ended=ended,  # type: ignore[arg-type]
            failure=trouble,
            withheld=trouble is not None and self.ration.may_be_behind(error),
            accelerator=torch.cuda.is_available(),
            cuda_requests=self.surroundings.cuda_requests,
            packages=self.surroundings.imported(),
            network_class=type(network).__name__ if network is not None else None,
            network_moved=self._was_moved(network),
            network_device=str(device) if device is not None else None,
            optimizer=optimizer,
            train_loader=self.train_loader,
            test_loader=self.test_loader,
            steps=[Step.model_validate({name: vars(batch)[name] for name in Step.model_fields}) for batch in steps],
            tests=tests,
            seconds=round(time.monotonic() - self.started, 3),
        )

    def _was_moved(self, network: nn.Module | None) -> bool:
        if network is None:
            return False
        default = torch.get_default_device().type != "cpu"
        # What is put around a network (DataParallel, a compiled one) is another module, over the same parameters. A
        # copy of it (AveragedModel) has its own, and lies where the one that is trained does.
        groups = getattr(self.optimizer, "param_groups", [])
        trained = (parameter for group in groups for parameter in group["params"])
        return default or any(id(parameter) in self.moved for parameter in (*network.parameters(), *trained))

    def _describe(self, optimizer: torch.optim.Optimizer) -> Optimizer:
        groups = optimizer.param_groups
        held = {id(parameter) for group in groups for parameter in group["params"]}
        named = dict(self.network.named_parameters()) if self.network is not None else {}
        own = {id(parameter) for parameter in named.values()}
        # As it was made: a schedule may have changed the rate since, and one that cycles the momentum has changed that.
        first: dict[str, Any] = groups[0] | (
            {"momentum": optimizer.defaults.get("momentum")} if "base_momentum" in groups[0] else {}
        )
        return Optimizer(
            class_name=type(optimizer).__name__,
            lr=float(first.get("initial_lr", first.get("lr", float("nan")))),
            momentum=_number(first.get("momentum")),
            weight_decay=_number(first.get("weight_decay")),
            nesterov=bool(first["nesterov"]) if "nesterov" in first else None,
            covered=len(held & own),
            missing=[name for name, parameter in named.items() if id(parameter) not in held][:KEPT],
            foreign=len(held - own),
            line=self.optimizer_lines.get(id(optimizer)),
        )


def _answered_in_part(inputs: tuple[Any, ...], call: torch_hooks.Call) -> Any:
    """A batch's output, computed for its first images and repeated: a rehearsal only needs the shape."""
    x, *rest = inputs
    if x.dim() == 0 or x.shape[0] <= ANSWERED_IMAGES:
        return call()
    sizes: set[int] = set()

    def repeated(one: torch.Tensor) -> torch.Tensor:
        sizes.add(one.shape[0] if one.dim() else 0)
        whole = torch.arange(x.shape[0], device=one.device) % ANSWERED_IMAGES
        return one[whole] if sizes == {ANSWERED_IMAGES} else one

    output = loaders.of_tensors(call(x[:ANSWERED_IMAGES], *rest), repeated)
    return output if sizes == {ANSWERED_IMAGES} else call()


def _size(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def _tensors(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float | torch.Tensor) else None


def _finite(value: float) -> float | None:
    return value if value == value and abs(value) != float("inf") else None
