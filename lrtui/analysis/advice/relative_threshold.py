"""Relative threshold: a plateau of a negative metric, at which ReduceLROnPlateau never cuts the lr."""

from __future__ import annotations

from lrtui.analysis.advice.advice import Advice
from lrtui.analysis.advice.epoch_records import epoch_records
from lrtui.run.commands import SwitchSchedule
from lrtui.run.state import RunState
from lrtui.schedules.forecast import follows_metric
from lrtui.schedules.notation import parse_schedule
from lrtui.text.format import counted


def relative_threshold(state: RunState) -> Advice | None:
    """Return the advice if the threshold is relative and the metric negative, and does not improve for too long.

    Call it when an epoch has ended.
    """
    if not follows_metric(state):
        return None
    schedule = parse_schedule(state.schedule)
    metric, patience = str(schedule.metric), schedule.get("patience")
    if patience is None:
        return None
    since = state.last_switch.step if state.last_switch else 0
    tests = [record.result.all_metrics for record in epoch_records(state) if record.result.step > since]
    values = [test[metric] for test in tests if metric in test]
    if len(values) < patience + 2 or not schedule.never_cuts_on(tests[-1]):
        return None
    best = max if schedule.get("mode") == "max" else min
    if best(values) != best(values[: -patience - 1]):
        return None
    command = SwitchSchedule(str(schedule.with_arguments(threshold_mode="abs")), "current")
    return Advice(
        code="relative-threshold",
        title="relative threshold",
        brief=f"a relative threshold never cuts on a negative {metric}",
        text=f"the test {metric} is negative and has not improved in {counted(patience + 1, 'epoch')}, but a "
        'relative threshold never cuts there: use threshold_mode="abs"',
        action="schedule",
        effect=f"switches to {command.schedule}",
        command=command,
        step=state.step,
        changes=len(state.changes),
    )
