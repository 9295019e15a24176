"""A schedule in a shorter run: its whole course in fewer steps, so that short runs say something of long ones."""

from __future__ import annotations

from lrtui.analysis.race.entrant import Entrant
from lrtui.run.spec import RunSpec
from lrtui.schedules.horizon import Horizon
from lrtui.schedules.notation import parse_optimizer, parse_schedule

MOST_PIECES = 100
"""Of a course that changes at every batch."""

FLAT = "ConstantLR(factor=1.0, total_iters=1)"
"""Leaves the lr to the script."""


def compressed(spec: RunSpec, batches_per_epoch: int, epochs: int, title: str) -> Entrant | None:
    """Return what runs the settings' schedule within fewer epochs; None for one that can't be told in advance.

    A schedule whose length follows from the run is taken as it is. Of any other the lr is worked out over the whole
    run, by the real scheduler, and set piece by piece at the steps that correspond; momentum that is cycled stays as
    configured.

    Args:
        spec: of the whole run.
        batches_per_epoch: optimizer steps an epoch.
        epochs: of the short run.
        title: what the entrant is called.
    """
    schedule = parse_schedule(spec.schedule)
    if epochs >= spec.epochs:
        return Entrant(spec.schedule, title=title)
    if spec.at or any(each.metric for each in schedule.walk()):
        return None
    entry = schedule.entry
    if entry is not None and schedule.per == "batch" and entry.fills and not entry.fills.keys() & schedule.arguments:
        lengths = {"epochs", "steps_per_epoch"} & schedule.arguments.keys()
        if not lengths:
            return Entrant(spec.schedule, title=title)
    # torch is imported here: the lr is that of the real scheduler
    from lrtui.schedules.simulate import simulate

    whole = Horizon(spec.epochs, batches_per_epoch)
    lrs = simulate(schedule, parse_optimizer(spec.optimizer), whole)
    short = epochs * batches_per_epoch
    pieces = min(short, spec.epochs if schedule.per == "epoch" else min(MOST_PIECES, whole.total_steps))
    lines, before = [], None
    for piece in range(pieces):
        # the lr in the middle of what the piece stands for
        row = lrs[(2 * piece + 1) * whole.total_steps // (2 * pieces)].tolist()
        if row != before:
            step, groups = piece * short // pieces, len(row) > 1
            lines += [f"step {step}: lr={lr!r}" + f" group={index}" * groups for index, lr in enumerate(row)]
        before = row
    return Entrant(FLAT, at=tuple(lines), title=title)


def warm_up_then_cosine(epochs: int, batches_per_epoch: int) -> str:
    """Return the notation of a linear warm-up over a twentieth of the run, then half a cosine, batch by batch."""
    steps = max(1, epochs * batches_per_epoch // 20)
    return (
        f"SequentialLR([LinearLR(start_factor=0.1, total_iters={steps}), CosineAnnealingLR()], milestones=[{steps}], "
        'per="batch")'
    )
