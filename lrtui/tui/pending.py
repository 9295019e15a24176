"""Commands that were sent to a run of this process and are not answered yet."""

from __future__ import annotations

from collections import Counter

from lrtui.run.commands import Command
from lrtui.tui.run_list.source_runs import ShownRun


class PendingCommands:
    """Commands that were sent and are not answered by an event yet."""

    def __init__(self) -> None:
        self._sent: list[tuple[ShownRun, Command]] = []

    def add(self, run: ShownRun, command: Command) -> None:
        """Add a command that was sent to a run."""
        self._sent.append((run, command))

    def remove_answered(self) -> None:
        """Remove the commands that have been answered, and those of runs that have ended."""
        self._sent = [
            (run, command) for run, command in self._sent if run.state.is_live and command.id not in run.state.answered
        ]

    def of(self, run: ShownRun) -> tuple[Command, ...]:
        """Return the commands that a run has not answered yet, oldest first."""
        return tuple(command for sent_to, command in self._sent if sent_to is run)

    @property
    def text(self) -> str:
        """The commands as text, oldest first, repeated ones with their count; empty if nothing is pending."""
        counts = Counter(command.text for _, command in self._sent)
        texts = [text if count == 1 else f"{count} x {text}" for text, count in counts.items()]
        return f"{', '.join(texts)} …" if texts else ""
