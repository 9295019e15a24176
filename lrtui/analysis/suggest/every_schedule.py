"""One schedule of each scheduler in the catalogue, for a race of all."""

from __future__ import annotations

from collections.abc import Iterator

from lrtui.analysis.checks import check_schedule
from lrtui.run.spec import trained_lr
from lrtui.schedules.catalogue import CATALOGUE
from lrtui.schedules.horizon import Horizon
from lrtui.schedules.notation import parse_schedule
from lrtui.schedules.optimizer import OptimizerSpec
from lrtui.schedules.schedule import Schedule

CONSTANT = "ConstantLR(factor=1.0)"
"""The schedule that the others are compared with: the optimizer's lr throughout."""

MAX_FIXES = 4
"""Maximum number of fixes that are made to a schedule, one after the other."""


def every_schedule(optimizer: OptimizerSpec, horizon: Horizon) -> list[str]:
    """Return a schedule of each scheduler, fitted to a run; a constant lr comes first. Imports torch.

    Each is the example of its catalogue entry, with lrs that follow from the optimizer's, or what `check` proposes in
    its place for this run. Those with which the run would fail are left out.

    Args:
        optimizer: its lr is the peak of all schedules.
        horizon: the run.
    """
    found = [CONSTANT, *_fitted(optimizer, horizon)]
    return list(dict.fromkeys(found))


def _fitted(optimizer: OptimizerSpec, horizon: Horizon) -> Iterator[str]:
    lr = trained_lr(optimizer.lrs)
    for entry in CATALOGUE.values():
        schedule = parse_schedule(entry.example)
        lrs = {each.name: float(f"{each.lr_share * lr:.4g}") for each in entry.parameters if each.lr_share is not None}
        if lr:
            schedule = schedule.with_arguments(**{name: lr for name, lr in lrs.items() if name in schedule.arguments})
        yield from _checked(schedule, optimizer, horizon)


def _checked(schedule: Schedule, optimizer: OptimizerSpec, horizon: Horizon) -> Iterator[str]:
    """Yield the schedule, or what `check` proposes in its place; nothing if the run would fail with it."""
    for _ in range(MAX_FIXES):
        findings = check_schedule(schedule, optimizer, horizon)
        fix = next((finding.fix for finding in findings if finding.fix is not None), None)
        if fix is None:
            break
        schedule = parse_schedule(fix)
    if not any(finding.code in ("cannot-run", "nothing") for finding in findings):
        yield str(schedule)
