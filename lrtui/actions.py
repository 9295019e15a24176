"""Every user action, declared once: bindings, footer, palette, help, `lrtui keys` and the guide's table are derived
from here. Imports no Textual."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from lrtui.panes import CHARTS, PANES
from lrtui.requirements import (
    RESUMABLE,
    Requirement,
    Situation,
    available,
    needs_changeable_run,
    needs_finished_epoch,
    needs_known_schedule,
    needs_live_run,
    needs_lr_change,
    needs_next_run,
    needs_own_loop,
    needs_own_process,
    needs_race,
    needs_run,
    needs_switchable_run,
    needs_training_or_ended,
    needs_two_pinned,
)

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
        rank: priority in the footer, which shows the available actions of highest rank that fit; 0 for none.
        beside: names of actions whose keys stand beside this one's in the footer.
        common_title: what they are called there.
        titles: other titles, by the status of the live run; without one, by that of the run on screen. The key "" is
            for a live run that takes no commands, for no run at all, and for ended runs whose status has no title.
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
    beside: tuple[str, ...] = ()
    common_title: str = ""

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

IN_PROGRESS = ("waiting", "running", "paused")

SWITCH_TITLES = {"running": "switch", "paused": "switch"}

_GO_TO_PANE = tuple(
    Action(f"pane_{pane.key}", "panes.go_to", (pane.key,), pane.name, f"go to the {pane.title.lower()}", pane.name)
    for pane in PANES
)

ACTIONS: tuple[Action, ...] = (
    Action(
        "restart", "runs.restart", ("r",), "restart", "start or restart with the settings shown",
        requirement=needs_own_loop, rank=9, titles={"": "start", **dict.fromkeys(IN_PROGRESS, "rerun")},
    ),
    Action(
        "schedule", "picker.open", ("s",), "schedule", "choose or switch the schedule",
        requirement=needs_switchable_run, rank=10, titles=SWITCH_TITLES,
    ),
    Action(
        "pause", "runs.pause", ("space",), "pause", "pause / resume, also a stopped run",
        requirement=needs_training_or_ended, rank=10, titles=dict.fromkeys(("paused", *RESUMABLE), "resume"),
    ),
    Action(
        "stop", "runs.stop", ("x",), "stop", "stop the run or its race",
        requirement=needs_live_run, rank=6,
    ),
    Action(
        "settings", "runs.edit_settings", ("e",), "settings", "edit settings (optimizer, epochs ...)",
        requirement=needs_next_run, rank=3,
    ),
    Action(
        "nudge_up", "runs.nudge", ("plus",), "lr up", f"nudge the lr up (x{NUDGE})",
        NUDGE, requirement=needs_changeable_run, rank=8, panes=("lr",), beside=("nudge_down", "set_lr"),
        common_title="lr",
    ),
    Action(
        "nudge_down", "runs.nudge", ("minus",), "lr down", f"nudge the lr down (/{NUDGE})",
        1 / NUDGE, requirement=needs_changeable_run, panes=("lr",),
    ),
    Action(
        "set_lr", "runs.set_lr", ("equals_sign",), "set lr", "set the lr",
        requirement=needs_changeable_run, panes=("lr",),
    ),
    Action(
        "undo_lr", "runs.undo_lr", ("u",), "undo", "undo the last change of the lr",
        requirement=needs_lr_change, rank=7, panes=("lr",),
    ),
    Action(
        "find", "range_test.open", ("f",), "find lr", "find an lr with a range test",
        requirement=needs_own_process, rank=1, panes=("lr",),
    ),
    Action(
        "branch", "branch.open", ("b",), "branch", "branch from a checkpoint of the run",
        requirement=needs_finished_epoch, rank=2, panes=("runs",),
    ),
    Action(
        "code", "export.copy_code", ("y",), "code", "copy the schedule as PyTorch code",
        requirement=needs_known_schedule, panes=("lr", "runs"),
    ),
    # the name is a key of the settings file, so it stays although the title is "pin"
    Action(
        "mark", "run_list.pin", ("m",), "pin", "pin the run: always shown",
        requirement=needs_run, rank=5, panes=("runs",),
    ),
    Action(
        "compare", "run_list.compare", ("c",), "compare", "compare pinned runs",
        requirement=needs_two_pinned, rank=4, panes=("runs",),
    ),
    Action(
        "race", "race.show", ("t",), "race", "show the standing of a race, and stop it",
        requirement=needs_race, rank=4, panes=("runs",),
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
    Action(
        "metrics", "panes.choose_metrics", ("p",), "metrics", "list metrics, filter by grad*",
        panes=("accuracy",),
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
    # the name is a key of the settings file, so it stays although the charts zoom by other actions
    Action("zoom", "panes.full_screen", ("enter",), "full screen", "show only the focused pane"),
    Action("machine", "panes.toggle_machine", ("i",), "machine", "show or hide CPU, memory and GPU"),
    Action("back", "panes.back", ("escape",), "back", "back"),
    Action("palette", "panes.palette", ("ctrl+p",), "palette", "find an action, scheduler or run by name"),
    Action("help", "panes.help", ("question_mark",), "help", "help", rank=11),
    Action("quit", "quit.quit", ("q", "ctrl+q"), "quit", "quit (asks while a run is in progress)", rank=5),
)  # fmt: skip
"""All actions, in the order of the help page."""

ACTIONS_BY_NAME: dict[str, Action] = {action.name: action for action in ACTIONS}


@dataclass(frozen=True, slots=True)
class FooterEntry:
    """A key in the footer, or several that belong together.

    Args:
        keys: as written on screen, by action name.
        title: what they do.
    """

    keys: Mapping[str, str]
    title: str

    @property
    def key(self) -> str:
        """The keys, as written on screen."""
        return self.separator.join(self.keys.values())

    @property
    def separator(self) -> str:
        """What stands between the keys; nothing if each is a sign, such as `+-=`."""
        return "" if all(len(key) == 1 and not key.isalnum() for key in self.keys.values()) else "/"


def footer_entries(situation: Situation, keys: Mapping[str, str]) -> list[FooterEntry]:
    """Return the entries of the available actions for the footer, the most important first.

    Args:
        keys: the user's own keys, by action name.
    """
    possible = [action for action in ACTIONS if action.rank and action.requirement(situation) is None]
    entries = []
    for action in sorted(possible, key=lambda action: -action.rank):
        together = (action, *(ACTIONS_BY_NAME[name] for name in action.beside))
        title = action.common_title or action.title_in(situation)
        entries.append(FooterEntry({each.name: each.key(keys) for each in together}, title))
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
