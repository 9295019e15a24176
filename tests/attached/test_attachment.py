"""The settings of an attached run are written in the notation that previews and code are made from."""

from __future__ import annotations

from typing import Any

import torch
from torch.optim import lr_scheduler as pytorch

from lrtui.attached.attachment import Attachment, read_optimizers, read_schedulers
from lrtui.schedules.horizon import Horizon
from lrtui.schedules.notation import parse_optimizer, parse_schedule
from lrtui.schedules.simulate import simulate


def sgd(**settings: Any) -> torch.optim.SGD:
    return torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1, **settings)


def attachment(optimizer: Any, scheduler: Any) -> Attachment:
    found = read_optimizers(optimizer)
    return Attachment(found, read_schedulers(scheduler, found), 2, 5, 1, None, "none")


def test_the_schedule_and_the_optimizer_give_the_lrs_of_the_script() -> None:
    optimizer = sgd(momentum=0.9)
    warmup = pytorch.LinearLR(optimizer, 0.1, total_iters=3)
    scheduler = pytorch.SequentialLR(optimizer, [warmup, pytorch.CosineAnnealingLR(optimizer, 7)], [3])
    found = attachment(optimizer, scheduler)
    specs = [found.spec]
    course = []
    for _ in range(10):
        course.append([group["lr"] for group in optimizer.param_groups])
        optimizer.step()
        scheduler.step()
        specs.append(found.spec_with("batch"))
    # whatever its lr is by now
    assert specs[0].optimizer == "task:SGD(lr=0.1, momentum=0.9, weight_decay=0)"
    assert {(spec.schedule, spec.optimizer) for spec in specs[1:]} == {
        (
            "SequentialLR([LinearLR(start_factor=0.1, total_iters=3), CosineAnnealingLR(T_max=7)], milestones=[3], "
            'per="batch")',
            specs[0].optimizer,
        )
    }
    schedule, spec = parse_schedule(specs[1].schedule), parse_optimizer(specs[1].optimizer)
    assert simulate(schedule, spec, Horizon(2, 5)).tolist() == course


def test_each_of_several_optimizers_has_the_schedule_of_its_own_scheduler() -> None:
    optimizers = {"g": sgd(), "d": sgd(), "e": sgd()}
    d, g = pytorch.LambdaLR(optimizers["d"], lambda step: 1 / (1 + step)), pytorch.OneCycleLR(optimizers["g"], 0.3, 10)
    spec = attachment(optimizers, {"d": d, "g": g}).spec
    assert spec.schedule == (
        "PerOptimizer(g=OneCycleLR(max_lr=0.3, total_steps=10), d=script:LambdaLR(), e=script:lr())"
    )
    assert str(parse_schedule(spec.schedule)) == spec.schedule
    assert spec.is_attached
    assert [name for name, _ in parse_optimizer(spec.optimizer).parts] == ["g", "d", "e"]
