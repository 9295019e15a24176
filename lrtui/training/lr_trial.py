"""Tries a run's schedule to the end of the run on the lr alone, without a model or data."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from lrtui.run.commands import Command, ScaleLr, SetLr, SwitchSchedule
from lrtui.run.errors import NotationError, UsageError
from lrtui.schedules.horizon import Horizon
from lrtui.schedules.notation import parse_optimizer, parse_schedule
from lrtui.schedules.optimizer_build import build_tiny_optimizer
from lrtui.text.format import counted
from lrtui.training.lr_control import LrControl

MAX_CALLS_TRIED = 20_000
"""Maximum number of `step()` calls for which a schedule is tried before a run; they take 0.2 s."""


class LrTrial:
    """A copy of a run's lr control at a step.

    Args:
        optimizer: notation of the run's optimizer.
        horizon: the length of the whole run, and the steps that are done.
        state: the state of its LrControl.
        groups: the settings of the optimizer's parameter groups.
    """

    def __init__(
        self, optimizer: str, horizon: Horizon, state: Mapping[str, Any], groups: Sequence[Mapping[str, Any]]
    ) -> None:
        self._horizon = horizon
        tiny = build_tiny_optimizer(parse_optimizer(optimizer))
        self._control = LrControl(tiny, parse_schedule(state["schedule"]), horizon.whole)
        # a copy, since the state shares its lists with the run's own control
        self._control.restore(copy.deepcopy(dict(state)))
        for group, settings in zip(tiny.param_groups, groups, strict=True):
            group.update({name: value for name, value in settings.items() if name != "params"})

    def carry_out(self, command: Command) -> None:
        """Carry out a change of the lr.

        Raises:
            UsageError: if the run would refuse it.
        """
        match command:
            case SwitchSchedule(schedule, anchor):
                self._control.switch(parse_schedule(schedule), anchor, self._horizon.start_step)
            case SetLr(lr, group):
                self._control.set_lr(lr, group)
            case ScaleLr(factor):
                self._control.scale_by(factor)

    def check_to_end(self, later: Iterable[Command], remedy: str) -> None:
        """Step the schedule to the end of the run.

        Does nothing if more than MAX_CALLS_TRIED calls are left, for a user's class, which may read what only exists in
        a run, and for a schedule that follows a metric or is replaced before the end.

        Args:
            later: the commands that are still to come.
            remedy: what to do, as the end of a sentence.

        Raises:
            UsageError: if the schedule fails before the end.
        """
        control, horizon = self._control, self._horizon
        calls = horizon.calls(control.schedule.per)
        if (
            calls > MAX_CALLS_TRIED
            or any(part.user_path or part.metric for part in control.schedule.walk())
            or any(isinstance(command, SwitchSchedule) for command in later)
        ):
            return
        try:
            for _, unit in horizon.moments(control.schedule.units):
                if unit == "batch":
                    control.after_step()
                else:
                    control.after_epoch(horizon.total_steps, {})
        except NotationError as error:
            raise UsageError(f"{error} in the {counted(horizon.epochs, 'epoch')} of the run; {remedy}") from None
