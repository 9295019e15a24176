"""The findings of `check` at the start of a run."""

from __future__ import annotations

from lrtui.run.events import RunStarted
from lrtui.run.spec import RunSpec

MOST_CALLS = 200_000
"""`step()` calls up to which a schedule is checked at the start of a run: they take 1 s. `lrtui check` takes more."""


def finding_lines(started: RunStarted, spec: RunSpec) -> list[str]:
    """Return a line for each finding on a run's schedule; none for a run that was resumed or branched.

    Where a script changes the lr during the run, the schedule alone is not what the run will follow and is not checked.

    Args:
        started: the first event of the run.
        spec: settings as the user gave them, lengths that were left out still left out.
    """
    if started.resumed_from is not None or started.parent is not None or spec.at:
        return []
    # the training process has imported torch already
    from lrtui.analysis.checks import check_schedule
    from lrtui.schedules.notation import parse_optimizer, parse_schedule
    from lrtui.schedules.schedule import Horizon

    schedule, horizon = parse_schedule(spec.schedule), Horizon(started.spec.epochs, started.batches_per_epoch)
    if horizon.calls(schedule.per) > MOST_CALLS:
        steps = f"{horizon.calls(schedule.per):,} steps"
        return [f"check: skipped, {steps} take too long. Run lrtui check to check this schedule."]
    findings = check_schedule(schedule, parse_optimizer(spec.optimizer), horizon, accumulate=spec.accumulate)
    return [f"check: {finding}" for finding in findings]
