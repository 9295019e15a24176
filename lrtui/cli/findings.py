"""What a run is told of its schedule before its first batch."""

from __future__ import annotations

from lrtui.run.events import RunStarted
from lrtui.run.spec import RunSpec

MOST_CALLS = 200_000
"""`step()` calls of a run whose schedule is looked at before it: 1 s. `lrtui check` takes more."""


def finding_lines(started: RunStarted, spec: RunSpec) -> list[str]:
    """Return a line for each trap that the schedule of a run is in; none for one that goes on with its story.

    Where a script changes the lr in mid-run, the schedule by itself is not what the run will follow, and is not looked
    at.

    Args:
        started: the event that the run begins with.
        spec: its settings as the user gave them, lengths that were left out still left out.
    """
    if started.resumed_from is not None or started.parent is not None or spec.at:
        return []
    # in training's process torch has been imported by now
    from lrtui.analysis.checks import check_schedule
    from lrtui.schedules.notation import parse_optimizer, parse_schedule
    from lrtui.schedules.schedule import Horizon

    schedule, horizon = parse_schedule(spec.schedule), Horizon(started.spec.epochs, started.batches_per_epoch)
    if horizon.calls(schedule.per) > MOST_CALLS:
        return [f"check: not looked at, {horizon.calls(schedule.per):,} steps take long; lrtui check does it"]
    findings = check_schedule(schedule, parse_optimizer(spec.optimizer), horizon, accumulate=spec.accumulate)
    return [f"check: {finding}" for finding in findings]
