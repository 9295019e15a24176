"""Commands that were given and are not answered yet: what a key did shows within a frame, whatever the run is at."""

from __future__ import annotations

from dataclasses import dataclass

from lrtui.run.commands import Command, Pause, Resume, Stop
from lrtui.tui.run_list.shown_run import ShownRun


@dataclass(slots=True)
class _Given:
    run: ShownRun
    command: Command


@dataclass(slots=True)
class _Heard:
    """How many of a run's answers were looked at."""

    changes: int
    refusals: int


class Pending:
    """What was told to runs, until the event that answers it has come."""

    def __init__(self) -> None:
        self._given: list[_Given] = []
        self._heard: dict[ShownRun, _Heard] = {}

    def give(self, run: ShownRun, command: Command) -> None:
        """Note a command that a run was sent."""
        if not any(given.run is run for given in self._given):
            self._heard[run] = _Heard(len(run.state.changes), len(run.state.refusals))
        self._given.append(_Given(run, command))

    def settle(self) -> None:
        """Forget what the runs' states show to be answered."""
        for run, heard in self._heard.items():
            changes, refusals = run.state.changes[heard.changes :], run.state.refusals[heard.refusals :]
            heard.changes, heard.refusals = len(run.state.changes), len(run.state.refusals)
            for words in [*(change.command for change in changes), *(refusal.command for refusal in refusals)]:
                answered = next((it for it in self._given if it.run is run and it.command.text == words), None)
                if answered is not None:
                    self._given.remove(answered)
        self._given = [given for given in self._given if not _shows(given)]
        self._heard = {given.run: self._heard[given.run] for given in self._given}

    def of(self, run: ShownRun) -> tuple[Command, ...]:
        """Return what a run has not answered yet, the oldest first."""
        return tuple(given.command for given in self._given if given.run is run)

    @property
    def words(self) -> str:
        """The commands, the oldest first, those that repeat told once; empty where nothing is pending."""
        counts: dict[str, int] = {}
        for given in self._given:
            counts[given.command.text] = counts.get(given.command.text, 0) + 1
        told = [words if count == 1 else f"{count} x {words}" for words, count in counts.items()]
        return f"{', '.join(told)} …" if told else ""


def _shows(given: _Given) -> bool:
    """Say whether the run is as the command wants it, or takes none any more."""
    status = given.run.state.status
    match given.command:
        case Stop():
            return not given.run.state.is_live
        case Pause():
            return status != "running"
        case Resume():
            return status != "paused"
    return not given.run.state.is_live
