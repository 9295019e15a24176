"""Whether an action is available: the situation, and the requirements that say why an action is refused in it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from lrtui.run.commands import Command, ScaleLr, SetLr, SwitchSchedule, UndoLr
from lrtui.run.events import LrSet, ScheduleSwitched
from lrtui.run.state import RunState


@dataclass(frozen=True, slots=True)
class Situation:
    """What decides whether an action is available.

    Args:
        run: state of the run on screen, or None before the first.
        live: state of the run in progress that receives commands, or None.
        pinned: how many runs are pinned.
        is_stored: whether the run on screen is in a store.
        is_training: whether this process is training, whichever run is on screen.
        pending: commands that the live run has not answered yet, the oldest first.
        read_only: why the live run takes no commands; empty if it does.
        key: number or name of the run on screen.
        race: number of the race that the live run belongs to; 0 for none.
        shown_race: number of the race whose standing can be shown: that of the run on screen, or the newest one; 0 for
            none.
        has_checkpoint: whether the run on screen has a checkpoint that it can be resumed from.
        of_log: why the run on screen takes no commands, if it is known from its log alone; empty if it is not.
    """

    run: RunState | None
    live: RunState | None
    pinned: int = 0
    is_stored: bool = False
    is_training: bool = False
    pending: tuple[Command, ...] = ()
    read_only: str = ""
    key: int | str = ""
    race: int = 0
    shown_race: int = 0
    has_checkpoint: bool = False
    of_log: str = ""

    @property
    def takes_changes(self) -> bool:
        """Whether the live run's schedule and length may be changed."""
        return not self.read_only and not self.race


# -- requirements: each returns why an action is unavailable, or None if it is available ---------------------------

Requirement = Callable[[Situation], str | None]


def available(situation: Situation) -> None:
    """The requirement of an action that is always available."""


def needs_own_loop(situation: Situation) -> str | None:
    run = situation.run
    if situation.of_log:
        return situation.of_log
    if run is None or run.started is None or not run.started.spec.is_attached:
        return None
    what = f"run {situation.key} {'is' if run.is_live else 'was'} trained by {run.started.spec.script}"
    return f"{what}, which you start again for another run."


def needs_next_run(situation: Situation) -> str | None:
    is_target = situation.live is None or bool(situation.read_only)
    return (situation.of_log or None) if is_target else None


def needs_live_run(situation: Situation) -> str | None:
    if situation.live is None:
        return situation.of_log or "no run in progress. Press r to start one."
    return situation.read_only or None


def needs_switchable_run(situation: Situation) -> str | None:
    return needs_next_run(situation) or situation.read_only or _race_refusal(situation)


def _race_refusal(situation: Situation) -> str | None:
    if not situation.race:
        return None
    return f"the run belongs to race {situation.race}, which compares unchanged schedules"


def needs_changeable_run(situation: Situation) -> str | None:
    return needs_training(situation) or _race_refusal(situation)


def needs_race(situation: Situation) -> str | None:
    return (
        None if situation.shown_race else "no race yet. Press s, then ctrl+k to keep schedules and ctrl+t to race them."
    )


def needs_training(situation: Situation) -> str | None:
    if refusal := needs_live_run(situation):
        return refusal
    if situation.live is not None and situation.live.status == "waiting":
        return f"the run has not started yet ({situation.live.waiting_for})"
    return None


RESUMABLE = ("stopped", "lost", "failed")
"""Statuses of ended runs that can be resumed from their last checkpoint with the same settings."""


def needs_training_or_ended(situation: Situation) -> str | None:
    run = situation.run
    if situation.live is not None or run is None or run.status not in RESUMABLE:
        return needs_training(situation)
    if refusal := needs_own_loop(situation):
        return refusal
    if not situation.is_stored:
        return f"run {situation.key} is not stored, so it can't be resumed"
    return None if situation.has_checkpoint else f"run {situation.key} has no checkpoint to be resumed from"


def needs_lr_change(situation: Situation) -> str | None:
    if refusal := needs_changeable_run(situation):
        return refusal
    undoable = 0
    for change in (*(situation.live.changes if situation.live else ()), *situation.pending):
        if isinstance(change, (ScheduleSwitched, SwitchSchedule)):
            undoable = 0
        elif isinstance(change, UndoLr) or (isinstance(change, LrSet) and change.by == "undo"):
            undoable = max(0, undoable - 1)
        elif isinstance(change, (ScaleLr, SetLr)) or (isinstance(change, LrSet) and change.by == "user"):
            undoable += 1
    return None if undoable > 0 else "nothing to undo: the lr has not been changed since the schedule was set"


def needs_run(situation: Situation) -> str | None:
    return None if situation.run else "no run on screen. Press r to start one."


def needs_known_schedule(situation: Situation) -> str | None:
    run = situation.run
    # before a run starts, the code copied is that of the settings for the next run
    if run is None or run.started is None:
        return None
    if not run.schedule:
        return f"the schedule of run {situation.key} is unknown"
    is_known = run.total_steps or run.started.spec.is_attached
    return None if is_known else f"the length of run {situation.key} is unknown"


def needs_finished_epoch(situation: Situation) -> str | None:
    if situation.run is None:
        return "no run on screen to branch from. Press r to start one."
    if refusal := needs_own_loop(situation):
        return refusal
    if not situation.is_stored:
        return "this run is not stored, so it has no checkpoint to branch from"
    if situation.is_training:
        return "a run is in progress. Press x to stop it before you start a branch."
    return None if situation.run.epochs else "this run has no finished epoch to branch from"


def needs_own_process(situation: Situation) -> str | None:
    if situation.live is None:
        return needs_next_run(situation)
    if situation.read_only:
        return situation.read_only
    if not situation.is_training:
        return "this run trains in another process. Run lrtui find for a range test on a fresh model."
    return needs_training(situation)


def needs_two_pinned(situation: Situation) -> str | None:
    return None if situation.pinned > 1 else f"pin at least two runs with m first ({situation.pinned} pinned)"
