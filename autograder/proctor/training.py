"""The graded training: a submission's script as it is, on the data and within the budget that the grader set.

Called by `__main__.py`. Images handed out, optimizer steps and time are counted; when the budget has ended, the next
request for a training batch isn't answered any more, and the network is tested as it is at that moment: `finish` does
so in place, however deep in the script's loops the request was made, and ends the process. So it doesn't matter what
the network is called, where it lives, or whether the script catches every exception.

Nothing of this is believed where points are concerned: the grader has its own clock, and test images come only after
the training (`answer_tests.py`).
"""

import math
import os
import time
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn
from torch.optim.optimizer import register_optimizer_step_post_hook
from torch.utils.data import DataLoader

from autograder.language import marked
from autograder.observations import Failure, TrainingReport
from autograder.proctor import alarm, fake_dataset, loaders, run_script, torch_hooks, trained_network
from autograder.proctor.failure import failure
from autograder.proctor.own_code import line_in

WATCHED_STEPS = 3  # of each optimizer; then the network is known and the forward watch goes away
REPORT_EVERY_S = 2.0
KEPT_LOSSES = 500
KEPT_EPOCHS = 1000
SAMPLES = 8  # images of a call of the network that are kept, and calls
GRACE_S = 30.0  # after the time box, for a script that computes without asking for a batch
MOST_LOADERS = 20  # that are remembered
MOST_EMPTY = 10_000  # iterations without a batch: a loop that never ends by itself


Pair = tuple[torch.Tensor, torch.Tensor]


class Training:
    """Counts, and says when it is over. `finish` tests the network and ends the process."""

    def __init__(
        self,
        file: str,
        images_budget: int,
        epoch_images: int,
        time_box_s: float,
        ration: loaders.Ration,
        report: Callable[[dict[str, Any]], None],
        finish: Callable[["Training", str, BaseException | None], None],
        network_name: str = "",
        keep_epochs: bool = False,
        as_if_absent: Sequence[str] = (),
    ) -> None:
        self.file = file
        self.images_budget = images_budget
        self.epoch_images = epoch_images
        self.time_box_s = time_box_s
        self.ration = ration
        self.report = report
        self.finish = finish
        self.network_name = network_name
        self.keep_epochs = keep_epochs
        self.kept: list[trained_network.State] = []  # the network's state after each epoch
        self.before: trained_network.State | None = None  # and after its first step
        self.batches: int | None = 0  # handed out by loaders; None when images were read in another way
        self.images = 0
        self.unseen = 0  # images handed out last without gradients: free (a validation), unless a step is made on them
        self.steps = self.empty = 0
        self.started: float | None = None
        self.ended: float | None = None
        self.last_report = time.monotonic()
        self.losses: list[tuple[int, torch.Tensor]] = []
        self.loss_stride = 1
        self.asked_at = self.asked_at_cpu = 0.0
        self.loading_s = self.loading_cpu_s = 0.0
        self.tested_images = 0
        self.train_batch_size: int | None = None
        self.test_batch_size: int | None = None
        self.loaded_line: int | None = None
        self.called: list[nn.Module] = []
        self.optimizer: torch.optim.Optimizer | None = None
        self.optimizer_steps = 0
        self.end_forward_watch: Callable[[], None] | None = None
        self.process = os.getpid()
        self.credit = 0  # images that loaders handed out and no step has been made on
        self.given = 0  # images of the largest call of the network since the last backward pass
        self.each = 0  # images of a backward pass, as it was while the network's calls were watched
        self.fed = 0  # images of the backward passes since the last step
        self.direct = False  # whether it trains on images that no loader hands out
        self.through_items = False  # whether images come from the dataset's items, through its transform
        self.own_code = False  # whether code of the script's stands between these and a batch
        self.loaders: list[DataLoader[Any]] = []  # as they were made or served
        self.samples: list[torch.Tensor] = []  # of what the network was given first
        self.tested: list[torch.Tensor] = []  # and last, without gradients
        self.last_images, self.is_latest = 0, False  # of the last training batch; whether the network got it as it is
        self.handed: tuple[tuple[int, ...], torch.Tensor] | None = None  # shape and first inputs of the last batch
        self.changed: list[Pair] = []  # where the script works on a batch before its network gets it
        self.changed_tests: list[Pair] = []  # and last, without gradients
        self.surroundings = run_script.comforts(file, as_if_absent)
        if ration.limited:
            run_script.never_compile()
        loaders.install(self, ration)
        fake_dataset.StandIn.read_directly = self._read_directly
        self._watch_forwards()
        torch_hooks.backwards(self._backward)
        torch_hooks.loads(self._loads)
        torch_hooks.makings(DataLoader, self._loader_made)
        register_optimizer_step_post_hook(self._stepped)

    # --- the budget ---

    def asked(self, loader: "DataLoader[Any]", role: loaders.Role, at: int) -> bool:
        """See `loaders.Listener`."""
        if os.getpid() != self.process:
            return True
        if role == "train" and torch.is_grad_enabled():
            self._keep_epoch()
            self._check_budget()
        self.asked_at, self.asked_at_cpu = time.monotonic(), time.process_time()
        return True

    def served(self, loader: "DataLoader[Any]", role: loaders.Role, batch: Any, at: int) -> None:
        """See `loaders.Listener`."""
        if os.getpid() != self.process:
            return
        images = loaders.images_in(batch)
        if fake_dataset.split_of(loader.dataset) is not None:
            self.through_items = True
            self.own_code = self.own_code or not loaders.is_usual(loader)
            self._loader_made(loader)
        if self.end_forward_watch is not None and (inputs := loaders.inputs_in(batch)) is not None and inputs.dim():
            self.handed = tuple(inputs.shape), inputs[:SAMPLES].detach().clone()
        if role == "test":
            self.test_batch_size = loader.batch_size
            self.tested_images += images
            return
        self.train_batch_size, self.last_images = loader.batch_size, images
        self.loading_s += time.monotonic() - self.asked_at
        self.loading_cpu_s += time.process_time() - self.asked_at_cpu
        if self.batches is not None and torch.is_grad_enabled():
            self.batches += 1
        self._count(images * _processes())

    def _read_directly(self) -> None:
        if os.getpid() == self.process:
            self.batches = None
            self.through_items = True
            if torch.is_grad_enabled():
                self._check_budget()
            self._count(1)

    def _count(self, images: int) -> None:
        if not torch.is_grad_enabled():
            self.unseen += images
            return
        now = time.monotonic()
        if self.started is None:
            self._start(now)
        self.images += images
        self.credit += images
        self.unseen = 0
        self._go_on(now)

    def _go_on(self, now: float) -> None:
        self.ended = now
        if now - self.last_report > REPORT_EVERY_S:
            self.last_report = now
            self.report(self.progress(now))

    def _start(self, now: float) -> None:
        self.started = now
        alarm.ring(lambda: self.finish(self, "time", None), self.time_box_s + GRACE_S)
        self.report(self.progress(now))

    def _check_budget(self) -> None:
        if self._counted() >= self.images_budget:
            self.finish(self, "epochs", None)
        if self.started is not None and time.monotonic() - self.started >= self.time_box_s:
            self.finish(self, "time", None)
        if self.started is None:
            self.empty += 1
            if self.empty > MOST_EMPTY:
                self.finish(self, "stopped", None)

    def _keep_epoch(self) -> None:
        """Keep the network's state each time another epoch's images have been served, if that network is known."""
        if not self.keep_epochs or self._counted() < (len(self.kept) + 1) * self.epoch_images:
            return
        network = self.network(self.network_name)
        if network is not None and len(self.kept) < KEPT_EPOCHS:
            self.kept.append(trained_network.copied_state(network))

    def shown(self) -> list[torch.Tensor]:
        """The network's inputs, (n, ...) each, where they came from no dataset's items; the best evidence is last."""
        return [] if self.through_items and not self.own_code else [*self.samples, *self.tested]

    def worked_on(self) -> list[Pair]:
        """What loaders handed out and what the network was given of it, where the script works on batches in between.

        Of test loops, where there were any: what a script does to training images alone isn't for test images.
        """
        return self.changed_tests or self.changed

    # --- what the network is, and how it does ---

    def _watch_forwards(self) -> None:
        self.end_forward_watch = torch_hooks.forwards(self._forward)

    def _forward(self, module: nn.Module, inputs: tuple[Any, ...], call: torch_hooks.Call) -> Any:
        x = inputs[0] if inputs and isinstance(inputs[0], torch.Tensor) and inputs[0].dim() else None
        if torch.is_grad_enabled():
            if not any(module is other for other in self.called):
                self.called.append(module)
            if x is not None:
                self.given = max(self.given, x.shape[0])
        if x is not None and (self.own_code or not self.through_items):
            if not torch.is_grad_enabled():
                self.tested = [x[:SAMPLES].detach().clone()]
            elif len(self.samples) < SAMPLES:
                self.samples.append(x[:SAMPLES].detach().clone())
        if x is not None and self.through_items:
            self._compare(x)
        return call()

    def _compare(self, x: torch.Tensor) -> None:
        """Keep what the loader has handed out beside what the network is given of it, once the two differ."""
        if self.handed is None or self.handed[0][:2] != x.shape[:2] or len(self.handed[0]) != x.dim():
            return
        handed, given = self.handed[1], x[:SAMPLES].detach()
        alike = handed.shape == given.shape and torch.equal(handed.to(given.device, given.dtype), given)
        self.is_latest = alike
        if alike and not self.changed:
            return
        if not torch.is_grad_enabled():
            self.changed_tests = [(handed, given.clone())]
        elif len(self.changed) < SAMPLES:
            self.changed.append((handed, given.clone()))

    def _backward(self, tensors: Any, call: torch_hooks.Call) -> None:
        loss = tensors[0] if isinstance(tensors, list | tuple) and tensors else tensors
        if self.direct and os.getpid() == self.process:
            self._keep_epoch()
            self._check_budget()
        call()
        if self.end_forward_watch is not None and self.given:
            self.each, self.given = self.given, 0
            self.fed += self.each
        elif self.end_forward_watch is None:
            self.fed += self.each
        if isinstance(loss, torch.Tensor) and loss.numel() == 1 and self.steps % self.loss_stride == 0:
            self.losses.append((self.images if self.steps else self._first(), loss.detach()))
            if len(self.losses) > KEPT_LOSSES:
                del self.losses[1::2]
                self.loss_stride *= 2

    def _stepped(self, optimizer: torch.optim.Optimizer, _args: Any, _kwargs: Any) -> None:
        if self.started is None:  # on batches of its own making: the clock runs for them too
            self._start(time.monotonic())
        self.steps += 1
        self.images += self.unseen
        self.credit += self.unseen
        self.unseen = 0
        self.ended = time.monotonic()
        self._count_fed()
        if optimizer is not self.optimizer:
            self.optimizer, self.optimizer_steps = optimizer, 0
            if self.end_forward_watch is None:
                self._watch_forwards()
        self.optimizer_steps += 1
        if self.steps == 1 and (network := self.network(self.network_name)) is not None:
            self.before = trained_network.copied_state(network)
        known = self.through_items and not (self.changed or self.own_code) and self.optimizer_steps >= WATCHED_STEPS
        if known and self.end_forward_watch is not None:
            self.end_forward_watch()
            self.end_forward_watch = None

    def _count_fed(self) -> None:
        """Count the images of a step where no loader has handed them out: those were counted when they were."""
        if self.steps == 1:  # what was only read before, for a mean or to be kept, counts no more
            ahead = 0 if self.is_latest else min(self.credit - self._first(), self.last_images)
            self.images = self.credit = self._first() + ahead
        fed, self.fed = self.fed, 0
        if self.credit > 0:
            self.credit = max(0, self.credit - fed)
        elif fed:
            self.direct, self.batches = True, None
            self.images += fed * _processes()
            self.train_batch_size = self.train_batch_size or fed
            self._go_on(time.monotonic())

    def _first(self) -> int:
        """How many images the first step is about."""
        return min(self.credit, self.fed * _processes()) if self.each else self.credit

    def _counted(self) -> int:
        """How many images count: none are trained on before the first backward pass."""
        return self.images if self.steps or self.fed else 0

    def _loader_made(self, loader: "DataLoader[Any]") -> None:
        self.loaders = [*(other for other in self.loaders if other is not loader), loader][-MOST_LOADERS:]

    def _loads(self) -> None:
        if self.steps == 0 and self.loaded_line is None:
            self.loaded_line = line_in(self.file)

    def progress(self, now: float) -> dict[str, Any]:
        """What the grader shows while it waits."""
        loss = self.losses[-1][1].item() if self.losses else math.nan
        return {
            "images": self.images,
            "of": self.images_budget,
            "seconds": round(now - (self.started or now), 1),
            "loss": loss if math.isfinite(loss) else None,
        }

    # --- the end ---

    def network(self, name: str) -> nn.Module | None:
        """The network that was trained, as far as that is known by now; else one of the class called `name`."""
        return trained_network.find(self.called, self.optimizer, name)

    def summary(self, ended_by: str, error: BaseException | None, network: nn.Module | None) -> TrainingReport:
        """What happened, for the grader."""
        alarm.off()
        self._keep_epoch()
        if self.end_forward_watch is not None:
            self.end_forward_watch()
            self.end_forward_watch = None
        trouble: Failure | None = None
        if isinstance(error, SystemExit):
            ended_by = "exit"
            trouble = failure(error, self.file) if not self.steps else None
        elif error is not None:
            used_up = self._counted() >= self.images_budget and self.ration.may_be_behind(error)
            ours = used_up or loaders.Withheld.is_behind(error)  # a preview has no more images for it
            ended_by, trouble = ("epochs", None) if ours else ("crash", failure(error, self.file))
        ended = time.monotonic() if ended_by == "time" else self.ended
        seconds = ended - self.started if self.started is not None and ended is not None else 0.0
        return TrainingReport(
            ended_by=ended_by,  # type: ignore[arg-type]
            failure=trouble,
            withheld=trouble is not None and self.ration.may_be_behind(error),
            epochs=round(self.images / self.epoch_images, 4),
            kept_epochs=len(self.kept),
            images=self.images,
            steps=self.steps,
            batches=self.batches,
            kept_before=self.before is not None,
            loaded_line=self.loaded_line,
            seconds=round(seconds, 3),
            loading_s=round(self.loading_s, 3),
            loading_cpu_s=round(self.loading_cpu_s, 3),
            tested_images=self.tested_images,
            losses=[(images, loss.item()) for images, loss in self.losses],
            network_class=type(network).__name__ if network is not None else None,
            parameters=sum(parameter.numel() for parameter in network.parameters()) if network is not None else 0,
            left_in=None if network is None else "train" if network.training else "eval",
            train_batch_size=self.train_batch_size,
            test_batch_size=self.test_batch_size,
            device=str(next(network.parameters()).device) if network is not None else None,
            cuda_requests=self.surroundings.cuda_requests,
            packages=self.surroundings.imported(),
            problem=None
            if network is not None
            else marked("no network was found: nothing was trained, and none was called"),
        )


def _processes() -> int:
    """How many processes train one network together; each is handed its share of the images."""
    together = torch.distributed
    return together.get_world_size() if together.is_available() and together.is_initialized() else 1
