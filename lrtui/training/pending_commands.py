"""The commands that a run carries out by itself: its script's, and those that a resume replays."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from lrtui.run.commands import Command, SwitchSchedule
from lrtui.schedules.script import ScriptLine


class PendingCommands:
    """The lines of the run's script, the commands that a resume replays, and those that are due immediately.

    Args:
        batches_per_epoch: optimizer steps per epoch.
        script: the script's lines, in the order of their moments.
        replay: commands that a user sent after the checkpoint; at the same moment the script comes first.
        immediate: carried out before the next step, after those of script and replay.
    """

    def __init__(
        self,
        batches_per_epoch: int,
        script: Iterable[ScriptLine],
        replay: Iterable[ScriptLine] = (),
        immediate: Iterable[Command] = (),
    ) -> None:
        self._batches_per_epoch = batches_per_epoch
        self._script, self._replay = deque(script), deque(replay)
        self._immediate = deque(immediate)

    def is_due(self, step: int) -> bool:
        """Return whether a command is due before the next step; called at each step."""
        return bool(self._immediate) or any(
            lines and lines[0].step(self._batches_per_epoch) <= step for lines in (self._script, self._replay)
        )

    def take(self, step: int, *, testing: bool) -> tuple[Command, bool] | None:
        """Return the next command that is due and whether it is the script's, or None.

        Args:
            step: optimizer steps done.
            testing: whether the test that ends an epoch is running: only the lines meant for it are due then.
        """
        if testing:
            # the last epoch may be a part of one
            step = -(-step // self._batches_per_epoch) * self._batches_per_epoch
        for lines in (self._script, self._replay):
            if lines and lines[0].moment(self._batches_per_epoch) <= (step, 0 if testing else 1):
                return lines.popleft().command, lines is self._script
        return (self._immediate.popleft(), False) if self._immediate else None

    @property
    def switches_schedule(self) -> bool:
        """Whether a resume is about to switch the schedule."""
        return any(isinstance(command, SwitchSchedule) for command in self._immediate)

    @property
    def script_left(self) -> list[str]:
        """The script's lines that are still to come."""
        return [line.text for line in self._script]

    def replay_left(self, step: int) -> list[str]:
        """Return the replayed and immediate commands that are still to come, as lines of a script."""
        return [*(line.text for line in self._replay), *(f"step {step}: {each.text}" for each in self._immediate)]
