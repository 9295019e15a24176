"""Every user action, declared once: bindings, footer, palette, help, `lrtui keys` and the README's table are derived
from here. Imports no Textual."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from lrtui.panes import CHARTS, PANES
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

    @property
    def takes_changes(self) -> bool:
        """Whether the live run's schedule and length may be changed."""
        return not self.read_only and not self.race


# -- requirements: each returns why an action is unavailable, or None if it is available ---------------------------

Requirement = Callable[[Situation], str | None]


def available(situation: Situation) -> None:
    """The requirement of an action that is always available."""


def _needs_live_run(situation: Situation) -> str | None:
    if situation.live is None:
        return "no run in progress. Press r to start one."
    return situation.read_only or None


def _needs_switchable_run(situation: Situation) -> str | None:
    return situation.read_only or _race_refusal(situation)


def _race_refusal(situation: Situation) -> str | None:
    if not situation.race:
        return None
    return f"the run belongs to race {situation.race}, which compares schedules that nobody changes"


def _needs_changeable_run(situation: Situation) -> str | None:
    return _needs_training(situation) or _race_refusal(situation)


def _needs_race(situation: Situation) -> str | None:
    return (
        None if situation.shown_race else "no race yet. Press s, then ctrl+k to keep schedules and ctrl+t to race them."
    )


def _needs_training(situation: Situation) -> str | None:
    if refusal := _needs_live_run(situation):
        return refusal
    if situation.live is not None and situation.live.status == "waiting":
        return f"the run has not started yet ({situation.live.waiting_for})"
    return None


RESUMABLE = ("stopped", "lost", "failed")
"""How a run can have ended that continues from its last checkpoint without a change."""


def _needs_training_or_ended(situation: Situation) -> str | None:
    run = situation.run
    if situation.live is not None or run is None or run.status not in RESUMABLE:
        return _needs_training(situation)
    return None if situation.is_stored else f"run {situation.key} is not stored, so it can't be resumed"


def _needs_lr_change(situation: Situation) -> str | None:
    if refusal := _needs_changeable_run(situation):
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


def _needs_run(situation: Situation) -> str | None:
    return None if situation.run else "no run on screen. Press r to start one."


def _needs_known_schedule(situation: Situation) -> str | None:
    run = situation.run
    # the code of a run that has not started is that of the next run
    if run is None or run.started is None:
        return None
    if not run.schedule:
        return f"the schedule of run {situation.key} is unknown"
    return None if run.total_steps else f"the length of run {situation.key} is unknown"


def _needs_finished_epoch(situation: Situation) -> str | None:
    if situation.run is None:
        return "no run on screen to branch from. Press r to start one."
    if not situation.is_stored:
        return "this run is not stored, so it has no checkpoint to branch from"
    if situation.is_training:
        return "a run is in progress. Press x to stop it before you start a branch."
    return None if situation.run.epochs else "this run has no finished epoch to branch from"


def _needs_own_process(situation: Situation) -> str | None:
    if situation.live is None:
        return None
    if situation.read_only:
        return situation.read_only
    if not situation.is_training:
        return "this run trains in another process. Run lrtui find for a range test on a fresh model."
    return _needs_training(situation)


def _needs_two_pinned(situation: Situation) -> str | None:
    return None if situation.pinned > 1 else f"pin at least two runs with m first ({situation.pinned} pinned)"


# -- actions --------------------------------------------------------------------------------------------------------

KEY_LABELS = {
    "plus": "+",
    "minus": "-",
    "equals_sign": "=",
    "slash": "/",
    "left_square_bracket": "[",
    "right_square_bracket": "]",
    "left": "←",
    "right": "→",
    "shift+left": "shift+←",
    "shift+right": "shift+→",
    "escape": "esc",
    "question_mark": "?",
}
"""How keys are written on screen, where Textual names them differently."""


@dataclass(frozen=True, slots=True)
class Action:
    """Something the user can do with a key.

    Args:
        name: identifies the action, also in the settings file.
        handler: the method that carries it out, as "controller.method"; see `lrtui.tui.controllers`.
        keys: its keys, as Textual names them; the first one is shown.
        title: one or two words for the footer.
        help: one line.
        argument: passed to the handler; none if empty.
        requirement: returns why the action is unavailable, or None if it is available.
        needs_chart: whether a chart must have the focus.
        rank: priority in the footer, which shows as many of the highest that are available as fit; 0 keeps it out.
        pair: name of an action whose key stands beside this one's in the footer.
        pair_title: what the two are called there.
        titles: other titles, by the status of the live run ("" if it takes no commands), or else of the run on screen
            (or "").
        panes: names of the panes it belongs to, in whose help it comes first; empty if it applies everywhere.
    """

    name: str
    handler: str
    keys: tuple[str, ...]
    title: str
    help: str
    argument: Any = None
    requirement: Requirement = available
    needs_chart: bool = False
    rank: int = 0
    titles: Mapping[str, str] = field(default_factory=dict)
    panes: tuple[str, ...] = ()
    pair: str = ""
    pair_title: str = ""

    @property
    def shown(self) -> str:
        """The first key, as written on screen."""
        return KEY_LABELS.get(self.keys[0], self.keys[0])

    def key(self, keys: Mapping[str, str]) -> str:
        """Return the key as written on screen.

        Args:
            keys: the user's own keys, by action name.
        """
        return keys[self.name].split(",")[0].strip() if self.name in keys else self.shown

    def bound_keys(self, keys: Mapping[str, str]) -> tuple[str, ...]:
        """Return all keys, as Textual names them.

        Args:
            keys: the user's own keys, by action name.
        """
        return tuple(key.strip() for key in keys[self.name].split(",")) if self.name in keys else self.keys

    def title_in(self, situation: Situation) -> str:
        """Return what the key does now, in one or two words."""
        if situation.live is not None:
            return self.titles.get("" if situation.read_only else situation.live.status, self.title)
        ended = situation.run.status if situation.run is not None else ""
        return self.titles.get(ended, self.titles.get("", self.title))


NUDGE = 1.25
"""The factor of one press of + or -."""

SWITCH_TITLES = {"running": "switch", "paused": "switch"}

_GO_TO_PANE = tuple(
    Action(f"pane_{pane.key}", "panes.go_to", (pane.key,), pane.name, f"go to the {pane.title.lower()}", pane.name)
    for pane in PANES
)

ACTIONS: tuple[Action, ...] = (
    Action(
        "restart", "runs.restart", ("r",), "restart", "start or restart with the settings shown",
        rank=9, titles={"": "start"},
    ),
    Action(
        "schedule", "picker.open", ("s",), "schedule", "choose or switch the schedule",
        requirement=_needs_switchable_run, rank=10, titles=SWITCH_TITLES,
    ),
    Action(
        "pause", "runs.pause", ("space",), "pause", "pause / resume, also a stopped run",
        requirement=_needs_training_or_ended, rank=10, titles=dict.fromkeys(("paused", *RESUMABLE), "resume"),
    ),
    Action(
        "stop", "runs.stop", ("x",), "stop", "stop the run or its race",
        requirement=_needs_live_run, rank=6,
    ),
    Action("settings", "runs.edit_settings", ("e",), "settings", "edit settings (optimizer, epochs ...)", rank=3),
    Action(
        "nudge_up", "runs.nudge", ("plus",), "lr up", f"nudge the lr up (x{NUDGE})",
        NUDGE, requirement=_needs_changeable_run, rank=8, panes=("lr",), pair="nudge_down", pair_title="nudge",
    ),
    Action(
        "nudge_down", "runs.nudge", ("minus",), "lr down", f"nudge the lr down (/{NUDGE})",
        1 / NUDGE, requirement=_needs_changeable_run, panes=("lr",),
    ),
    Action(
        "set_lr", "runs.set_lr", ("equals_sign",), "set lr", "set the lr",
        requirement=_needs_changeable_run, rank=5, panes=("lr",),
    ),
    Action(
        "undo_lr", "runs.undo_lr", ("u",), "undo", "undo the last change of the lr",
        requirement=_needs_lr_change, rank=7, panes=("lr",),
    ),
    Action(
        "find", "range_test.open", ("f",), "find lr", "find an lr with a range test",
        requirement=_needs_own_process, rank=1, panes=("lr",),
    ),
    Action(
        "branch", "branch.open", ("b",), "branch", "branch from a checkpoint of the run",
        requirement=_needs_finished_epoch, rank=2, panes=("runs",),
    ),
    Action(
        "code", "export.copy_code", ("y",), "code", "copy the schedule as PyTorch code",
        requirement=_needs_known_schedule, panes=("lr", "runs"),
    ),
    Action(
        "mark", "run_list.pin", ("m",), "pin", "pin the run: always shown",
        requirement=_needs_run, rank=4, panes=("runs",),
    ),
    Action(
        "compare", "run_list.compare", ("c",), "compare", "compare pinned runs",
        requirement=_needs_two_pinned, rank=4, panes=("runs",),
    ),
    Action(
        "race", "race.show", ("t",), "race", "show the standing of a race, and stop it",
        requirement=_needs_race, rank=4, panes=("runs",),
    ),
    Action(
        "filter", "panes.filter", ("slash",), "filter", "filter the log (if focused) or the runs",
        panes=("log", "runs"),
    ),
    Action("order", "run_list.order", ("o",), "order", "sort the runs: newest, best, name", panes=("runs",)),
    Action(
        "log_axis", "chart_view.log_axis", ("l",), "log axis", "logarithmic y axis on the focused chart",
        needs_chart=True, panes=CHARTS,
    ),
    Action("smoothing", "chart_view.smoothing", ("z",), "smoothing", "smoothing of the training loss", panes=("loss",)),
    Action("x_axis", "chart_view.x_axis", ("a",), "x axis", "x axis of all charts: epoch, step, time", panes=CHARTS),
    Action(
        "zoom_in", "chart_view.zoom", ("right_square_bracket",), "zoom in", "zoom in at the cursor or the latest step",
        True, needs_chart=True, panes=CHARTS,
    ),
    Action(
        "zoom_out", "chart_view.zoom", ("left_square_bracket",), "zoom out", "zoom out",
        False, needs_chart=True, panes=CHARTS,
    ),
    Action(
        "pan_left", "chart_view.pan", ("shift+left",), "pan", "pan left, when zoomed in",
        -1, needs_chart=True, panes=CHARTS,
    ),
    Action(
        "pan_right", "chart_view.pan", ("shift+right",), "pan", "pan right, when zoomed in",
        1, needs_chart=True, panes=CHARTS,
    ),
    Action(
        "whole_run", "chart_view.show_whole_run", ("0", "home"), "whole run", "show the whole run again",
        needs_chart=True, panes=CHARTS,
    ),
    Action(
        "cursor_left", "chart_view.move_cursor", ("left",), "cursor", "move the cursor left; esc removes it",
        -1, needs_chart=True, panes=CHARTS,
    ),
    Action(
        "cursor_right", "chart_view.move_cursor", ("right",), "cursor", "move the cursor right",
        1, needs_chart=True, panes=CHARTS,
    ),
    Action(
        "export", "export.save_chart", ("E",), "export", "save the focused chart: SVG, text, CSV",
        needs_chart=True, panes=CHARTS,
    ),
    *_GO_TO_PANE,
    Action("next_pane", "panes.next", ("tab",), "next", "go to the next pane", rank=1),
    Action("zoom", "panes.full_screen", ("enter",), "full screen", "show only the focused pane"),
    Action("back", "panes.back", ("escape",), "back", "back"),
    Action("palette", "panes.palette", ("ctrl+p",), "palette", "find an action, scheduler or run by name"),
    Action("help", "panes.help", ("question_mark",), "help", "help", rank=11),
    Action("quit", "quit.quit", ("q", "ctrl+q"), "quit", "quit (asks while a run is in progress)", rank=5),
)  # fmt: skip
"""All actions, in the order of the help page."""

ACTIONS_BY_NAME: dict[str, Action] = {action.name: action for action in ACTIONS}


@dataclass(frozen=True, slots=True)
class FooterEntry:
    """A key in the footer, or two that belong together.

    Args:
        keys: as written on screen, by action name.
        title: what they do.
    """

    keys: Mapping[str, str]
    title: str

    @property
    def key(self) -> str:
        """The keys, as written on screen."""
        return "/".join(self.keys.values())


def footer_entries(situation: Situation, keys: Mapping[str, str]) -> list[FooterEntry]:
    """Return the entries of the available actions for the footer, the most important first.

    Args:
        keys: the user's own keys, by action name.
    """
    possible = [action for action in ACTIONS if action.rank and action.requirement(situation) is None]
    entries = []
    for action in sorted(possible, key=lambda action: -action.rank):
        both = (action, ACTIONS_BY_NAME[action.pair]) if action.pair else (action,)
        title = action.pair_title or action.title_in(situation)
        entries.append(FooterEntry({each.name: each.key(keys) for each in both}, title))
    return entries


def key_rows(keys: Mapping[str, str] | None = None, actions: Sequence[Action] = ACTIONS) -> list[tuple[list[str], str]]:
    """Return (keys, help) rows for a table of keys; adjacent actions with the same help share a row.

    Args:
        keys: the user's own keys, by action name.
    """
    rows: list[tuple[list[str], str]] = []
    for action in actions:
        if rows and rows[-1][1] == action.help:
            rows[-1][0].append(action.key(keys or {}))
        else:
            rows.append(([action.key(keys or {})], action.help))
    return rows
