"""Scripts with timm's schedulers, attached and controlled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from seen_events import see_events
from timm.scheduler import (
    CosineLRScheduler,
    MultiStepLRScheduler,
    PlateauLRScheduler,
    PolyLRScheduler,
    StepLRScheduler,
    TanhLRScheduler,
)

import lrtui
from lrtui.attached.run import AttachedRun
from lrtui.run.events import Event, StepDone
from lrtui.schedules.command_notation import parse_command

pytestmark = [
    pytest.mark.xdist_group("libraries"),
    pytest.mark.filterwarnings("ignore:PlateauLRScheduler is deprecated:FutureWarning"),
]

EPOCHS, BATCHES = 6, 4

Make = Callable[[torch.optim.Optimizer], Any]

PER_EPOCH: list[Make] = [
    lambda optimizer: CosineLRScheduler(optimizer, t_initial=EPOCHS, warmup_t=2, warmup_lr_init=0.01),
    lambda optimizer: StepLRScheduler(optimizer, decay_t=2, decay_rate=0.5, noise_range_t=3),
    lambda optimizer: MultiStepLRScheduler(optimizer, decay_t=[2, 4], decay_rate=0.5),
    lambda optimizer: TanhLRScheduler(optimizer, t_initial=EPOCHS),
    lambda optimizer: PlateauLRScheduler(optimizer, decay_rate=0.5, patience_t=0, warmup_t=1),
]

PER_UPDATE: list[Make] = [
    lambda optimizer: CosineLRScheduler(optimizer, t_initial=EPOCHS * BATCHES, t_in_epochs=False),
    lambda optimizer: PolyLRScheduler(optimizer, t_initial=EPOCHS * BATCHES, warmup_t=5, t_in_epochs=False),
]


def used_lrs(
    make: Make, updates: bool, orders: dict[int, str] | None = None, *, lengths: bool = True
) -> tuple[list[list[float]], list[list[float]]]:
    """Train as timm's script does; return the lrs that the optimizer has used and those that were recorded.

    Args:
        updates: whether the script calls `step_update` after each update.
        orders: commands by the steps done; None to train without lrtui.
        lengths: whether the script tells the lengths.
    """
    layers = torch.nn.Linear(2, 2), torch.nn.Linear(2, 2)
    groups = [{"params": layers[0].parameters()}, {"params": layers[1].parameters(), "lr_scale": 0.1}]
    optimizer = torch.optim.SGD(groups, lr=0.2)
    scheduler = make(optimizer)
    events: list[Event] = []
    run: Any = None
    if orders is not None:
        arguments = {"epochs": EPOCHS, "batches_per_epoch": BATCHES} if lengths else {}
        run = lrtui.attach(optimizer, scheduler, store="none", **arguments)
        assert isinstance(run, AttachedRun)
        see_events(run, events)
    used: list[list[float]] = []
    optimizer.register_step_pre_hook(lambda *_: used.append([group["lr"] for group in optimizer.param_groups]))
    scheduler.step(0)
    done = 0
    for epoch in range(EPOCHS):
        for _ in range(BATCHES):
            if orders and done in orders:
                run._publisher.inbox.send(parse_command(orders[done]))
            optimizer.step()
            done += 1
            if updates:
                scheduler.step_update(num_updates=done, metric=1.0)
        scheduler.step(epoch + 1, 1.0)
    if run is not None:
        run.finish()
    return used, [list(event.lrs) for event in events if isinstance(event, StepDone)]


@pytest.mark.parametrize("updates", [True, False])
def test_nudges_apply_on_top_of_every_scheduler(updates: bool) -> None:
    for make in [*PER_EPOCH, *(PER_UPDATE if updates else [])]:
        alone, _ = used_lrs(make, updates)
        same, recorded = used_lrs(make, updates, {})
        assert same == recorded == alone
        nudged, recorded = used_lrs(make, updates, {3: "lr*0.5", 9: "lr*4", 14: "undo"})
        assert recorded == nudged
        factors = [1.0] * 3 + [0.5] * 6 + [2.0] * 5 + [0.5] * 10
        assert nudged == [[lr * factor for lr in lrs] for lrs, factor in zip(alone, factors, strict=True)]


@pytest.mark.parametrize("updates", [True, False])
@pytest.mark.parametrize("lengths", [True, False])
def test_a_switch_replaces_the_script_s_scheduler_also_per_epoch(updates: bool, lengths: bool) -> None:
    for make in [*PER_EPOCH, *(PER_UPDATE if updates else [])]:
        if updates and not lengths:
            # an epoch ends by the number of steps, which is unknown
            continue
        alone, _ = used_lrs(make, updates)
        used, recorded = used_lrs(make, updates, {6: "ExponentialLR(gamma=0.5) from current"}, lengths=lengths)
        assert recorded == used
        assert used[:6] == alone[:6]
        # the switch is within the second epoch
        factors = [1.0] * 2 + [0.5] * 4 + [0.25] * 4 + [0.125] * 4 + [0.0625] * 4
        assert used[6:] == [[lr * factor for lr in alone[6]] for factor in factors]
    used, _ = used_lrs(PER_EPOCH[0], updates, {6: "ExponentialLR(gamma=0.5, per='batch') from current"})
    assert [lrs[0] for lrs in used[6:]] == pytest.approx([used[6][0] * 0.5**step for step in range(18)])
