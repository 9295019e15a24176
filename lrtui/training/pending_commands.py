"""What a run does without anybody giving a command at that moment."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from lrtui.run.commands import Command, SwitchSchedule
from lrtui.schedules.script import Script


class PendingCommands:
    """The lines of a script, those of what a person did in a story that was put aside, and what is done at once.

    Args:
        script: of the run.
        replay: done again at their moments, after the script's.
        at_once: done before the next step, after both.
    """

    def __init__(self, script: Script, replay: Script | None = None, at_once: Iterable[Command] = ()) -> None:
        self._script, self._replay = script, replay or Script(())
        self._at_once = deque(at_once)

    def is_due(self, step: int) -> bool:
        """Say whether there is something to be done before the step after so many; asked at each step."""
        return bool(self._at_once) or self._script.is_due(step) or self._replay.is_due(step)

    def take(self, step: int, *, testing: bool) -> tuple[Command, bool] | None:
        """Return the next command that is due and whether it is the script's, or None.

        Args:
            step: optimizer steps done.
            testing: whether this is the test at an epoch's end.
        """
        for script in (self._script, self._replay):
            command = script.take(step, testing=testing)
            if command is not None:
                return command, script is self._script
        return (self._at_once.popleft(), False) if self._at_once else None

    @property
    def switches_at_once(self) -> bool:
        """Whether another schedule is about to be put in place."""
        return any(isinstance(command, SwitchSchedule) for command in self._at_once)

    @property
    def script_left(self) -> list[str]:
        """The script's lines that are still to be done."""
        return [line.text for line in self._script.lines]

    def replay_left(self, step: int) -> list[str]:
        """Return the lines of what else is still to be done."""
        return [*(line.text for line in self._replay.lines), *(f"step {step}: {each.text}" for each in self._at_once)]
