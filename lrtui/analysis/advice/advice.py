"""Advice: what is the matter with a run, and what acts on it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from lrtui.run.commands import Command, SwitchSchedule
from lrtui.run.events import ScheduleSwitched
from lrtui.run.state import RunState

Code = Literal["schedule-exhausted", "lr-too-high", "not-finite", "plateau", "still-improving"]

AFTER_THE_RUN: frozenset[Code] = frozenset({"not-finite", "still-improving"})
"""What is said of a run that is over, and acts on another one."""


@dataclass(frozen=True, slots=True)
class Advice:
    """What is the matter with a run.

    Args:
        code: identifies it, for programs.
        title: it, in two or three words.
        brief: what that means, where there is no room for the numbers.
        text: it, in a clause, with the numbers that show it.
        action: name of the action that acts on it, as `lrtui.actions` has it.
        does: what that does here, in a few words.
        command: what the run is to be told, or the one that takes its place.
        step: optimizer steps done when it was found.
        changes: how often the lr had been changed by then.
        epoch: after whose end a branch would begin; None where the advice asks for none.
        epochs: of the run that is to begin anew in this one's place, with the schedule that is advised: no schedule
            helps the model as it is; None where the run goes on.
    """

    code: Code
    title: str
    brief: str
    text: str
    action: str
    does: str
    command: Command
    step: int
    changes: int = 0
    epoch: int | None = None
    epochs: int | None = None

    def is_acted_upon(self, state: RunState) -> bool:
        """Say whether a person has changed the lr since; a plateau scheduler's own cuts do not count."""
        return any(
            isinstance(change, ScheduleSwitched) or change.by != "plateau" for change in state.changes[self.changes :]
        )

    def holds(self, state: RunState) -> bool:
        """Say whether there is still something to be done about it: nobody has, and it is not too late."""
        if self.code in AFTER_THE_RUN:
            return not state.is_live
        return state.is_live and not self.is_acted_upon(state)

    @property
    def proposal(self) -> SwitchSchedule | None:
        """The schedule to switch to, and its anchor, where that is what is advised."""
        return self.command if isinstance(self.command, SwitchSchedule) else None
