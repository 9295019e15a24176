"""Training never waits for an accelerator between log lines: only the loss buffer reads from the device.

The test needs no accelerator. A wait is caused by a copy of a tensor to the CPU or a read of its value in Python. Every
operation of every step is watched for these, with the loss buffer working as it does on an accelerator.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
import torch
from tiny_task import Tiny
from torch.utils._python_dispatch import TorchDispatchMode
from training_runs import TINY

from lrtui.run.commands import ScaleLr
from lrtui.run.events import StepDone
from lrtui.run.feed import LiveFeed
from lrtui.run.inbox import Inbox
from lrtui.run.spec import RunSpec
from lrtui.training.loop import Loop
from lrtui.training.loss_buffer import LossBuffer
from lrtui.training.reporter import Reporter
from lrtui.training.run_setup import set_up

READS = {
    "_local_scalar_dense",  # item(), float(), int(), bool(), tolist() of one number
    "is_nonzero",
    "equal",
    "nonzero",  # its result's shape depends on values
    "masked_select",
    "_unique2",
}


class Watch(TorchDispatchMode):
    """Counts operations that would make an accelerator wait, while it is switched on.

    Args:
        casts_to: what autocast makes of fp32, and fp32 of: it names the device it casts on, which is the CPU here.
    """

    def __init__(self, casts_to: torch.dtype | None = None) -> None:
        super().__init__()
        self._casts_to = casts_to
        self.counting = False
        self.found: Counter[str] = Counter()
        self.operations = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if self.counting:
            self.operations += 1
            name = func.overloadpacket.__name__
            to_cpu = name in ("_to_copy", "copy_") and str(kwargs.get("device", "")) == "cpu"
            cast = self._casts_to is not None and kwargs.get("dtype") in (self._casts_to, torch.float32)
            if name in READS or (to_cpu and not cast):
                self.found[name] += 1
        return func(*args, **kwargs)


class WatchedLoop(Loop):
    """Counts during training, but not while the buffer reads."""

    def __init__(self, setup: Any, inbox: Inbox, reporter: Reporter, watch: Watch, *, reads_at_once: bool) -> None:
        super().__init__(setup, inbox, reporter)
        loss_buffer, flush = self._loss_buffer, self._loss_buffer.flush
        if not reads_at_once:
            loss_buffer = self._loss_buffer = LossBuffer(reporter, torch.device("cuda"))
            flush = loss_buffer.flush

        def unwatched() -> None:
            counting, watch.counting = watch.counting, False
            flush()
            watch.counting = counting

        if not reads_at_once:
            loss_buffer.flush = unwatched  # type: ignore[method-assign]
        self._watch = watch

    def _train_one_epoch(self) -> tuple[tuple[float, ...], int]:
        self._watch.counting = True
        try:
            return super()._train_one_epoch()
        finally:
            self._watch.counting = False


class NormedTiny(Tiny):
    """A task that logs the gradient norm of each step."""

    def step_metrics(self, model: torch.nn.Module) -> dict[str, torch.Tensor]:
        gradients = [parameter.grad for parameter in model.parameters() if parameter.grad is not None]
        return {"gradient norm": torch.nn.utils.get_total_norm(gradients)}


def watch_run(
    reads_at_once: bool = False, command: Any = None, task: Any = None, **settings: Any
) -> tuple[Watch, list[Any]]:
    spec = RunSpec(**{"task": TINY, "batch_size": 16, "epochs": 3, "log_interval": 4, **settings})
    reporter, inbox = Reporter(feed := LiveFeed()), Inbox()
    setup = set_up(spec, lambda _: None, task() if task else None)
    if command:
        inbox.send(command)
    with Watch(torch.bfloat16 if spec.precision == "bf16" else None) as watch:
        WatchedLoop(setup, inbox, reporter, watch, reads_at_once=reads_at_once).run()
    return watch, feed.take(10**6)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"optimizer": "SGD(lr=0.1, momentum=0.9)"},
        {"optimizer": 'AdamW(lr=0.1, groups={"0.*": {"lr": 0.01}})'},
        {"schedule": "OneCycleLR(max_lr=0.1)"},
        {"schedule": 'SequentialLR([LinearLR(total_iters=3), CosineAnnealingLR()], milestones=[3], per="batch")'},
        {"schedule": "SWALR(swa_lr=0.001)"},
        {"clip_grad_norm": 1.0},
        {"accumulate": 2},
        {"precision": "bf16"},
        {"command": ScaleLr(0.5)},
        {"task": NormedTiny},
        {"task": NormedTiny, "clip_grad_norm": 1.0, "optimizer": "SGD(lr=0.1, momentum=0.9)"},
    ],
    ids=str,
)
def test_no_step_reads_from_the_device(settings: dict[str, Any]) -> None:
    watch, events = watch_run(**settings)
    assert watch.found == {}
    # make sure that operations were watched: every step has dozens, and every loss was published
    steps = sum(isinstance(event, StepDone) for event in events)
    assert steps == (9 if settings.get("accumulate") else 18)
    assert watch.operations > 20 * steps


def test_the_watch_detects_a_read() -> None:
    watch, _ = watch_run(reads_at_once=True)
    assert watch.found["_local_scalar_dense"] == 18
