"""Every user action, declared once: bindings, footer, palette, help, `lrtui keys` and the README's table derive from
here. Knows no terminal."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from lrtui.run.commands import Command, ScaleLr, SetLr, SwitchSchedule, UndoLr
from lrtui.run.events import LrSet, ScheduleSwitched
from lrtui.run.state import RunState


@dataclass(frozen=True, slots=True)
class Situation:
    """What decides whether an action makes sense now.

    Args:
        run: state of the run on screen, or None before the first.
        live: state of the run under way that keys have to do with, or None.
        marked: how many runs are marked.
        kept: whether the run on screen is in a store.
        busy: whether a run of this process is under way, whichever is on screen.
        given: commands that the live run has not answered yet, the oldest first.
    """

    run: RunState | None
    live: RunState | None
    marked: int = 0
    kept: bool = False
    busy: bool = False
    given: tuple[Command, ...] = ()


Refusal = Callable[[Situation], str | None]
"""Says why an action makes no sense in a situation, or None where it does."""


def _always(_: Situation) -> str | None:
    return None


def _needs_live_run(situation: Situation) -> str | None:
    return None if situation.live else "no run is going; r starts one"


def _needs_training(situation: Situation) -> str | None:
    if situation.live is None:
        return "no run is going; r starts one"
    return f"the run waits for {situation.live.waiting_for}" if situation.live.status == "waiting" else None


def _needs_a_change(situation: Situation) -> str | None:
    if refusal := _needs_training(situation):
        return refusal
    undoable = 0
    for change in (*(situation.live.changes if situation.live else ()), *situation.given):
        if isinstance(change, (ScheduleSwitched, SwitchSchedule)):
            undoable = 0
        elif isinstance(change, UndoLr) or (isinstance(change, LrSet) and change.by == "undo"):
            undoable = max(0, undoable - 1)
        elif isinstance(change, (ScaleLr, SetLr)) or (isinstance(change, LrSet) and change.by == "user"):
            undoable += 1
    return None if undoable > 0 else "nothing to undo: the lr was not changed since the schedule was put in place"


def _needs_run(situation: Situation) -> str | None:
    return None if situation.run else "no run is on screen; r starts one"


def _needs_a_parent(situation: Situation) -> str | None:
    if situation.run is None:
        return "no run is on screen to branch from; r starts one"
    if not situation.kept:
        return "nothing of this run is kept, so there is no checkpoint to branch from"
    if situation.busy:
        return "a run is going; a branch starts when it is over, or stopped with x"
    return None if situation.run.epochs else "this run has done no epoch to branch from"


def _needs_its_own_process(situation: Situation) -> str | None:
    if situation.live is None:
        return None
    if not situation.busy:
        return "the run goes on in another process; lrtui find makes a range test on a fresh model"
    return _needs_training(situation)


def _needs_two_marked(situation: Situation) -> str | None:
    there = ("none is", "one is")
    return None if situation.marked > 1 else f"mark two runs or more first, with m; {there[situation.marked]}"


@dataclass(frozen=True, slots=True)
class Action:
    """One thing a person does with a key.

    Args:
        name: identifies the action; the screen's method is `action_<name>`.
        keys: as Textual names them, the first one shown.
        shown: the key as a person reads it.
        title: what it does, in a word or two, for the footer.
        help: what it does, one line.
        refusal: why it makes no sense now, or None where it does.
        rank: how pressing it is; the footer shows the six highest that make sense now. 0 keeps it out.
        titles: other titles, by the live run's status ("" where none is live).
        panes: names of those that it has to do with, whose help has it first; none for what is always at hand.
    """

    name: str
    keys: tuple[str, ...]
    shown: str
    title: str
    help: str
    refusal: Refusal = _always
    rank: int = 0
    titles: Mapping[str, str] = field(default_factory=dict)
    panes: tuple[str, ...] = ()

    def key(self, keys: Mapping[str, str]) -> str:
        """Return the key as a person reads it.

        Args:
            keys: those that the user has given to actions, by name.
        """
        return keys[self.name].split(",")[0].strip() if self.name in keys else self.shown

    def title_in(self, situation: Situation) -> str:
        """Return what the key does now, in a word or two."""
        return self.titles.get(situation.live.status if situation.live else "", self.title)


CHARTS = ("lr", "loss", "accuracy")
"""Names of the panes that are charts."""

ACTIONS: tuple[Action, ...] = (
    Action(
        "restart", ("r",), "r", "restart", "start, or restart with the settings shown", rank=8, titles={"": "start"}
    ),
    Action(
        "schedule",
        ("s",),
        "s",
        "schedule",
        "choose a schedule; switch a running run's",
        rank=10,
        titles={"running": "switch", "paused": "switch"},
    ),
    Action(
        "pause",
        ("space",),
        "space",
        "pause",
        "pause / resume",
        refusal=_needs_training,
        rank=9,
        titles={"paused": "resume"},
    ),
    Action("stop", ("x",), "x", "stop", "stop the run", refusal=_needs_live_run, rank=4),
    Action("settings", ("e",), "e", "settings", "edit settings (optimizer, epochs ...)", rank=6),
    Action(
        "nudge_up", ("plus",), "+", "lr up", "nudge the lr up (x1.25)", refusal=_needs_training, rank=7, panes=("lr",)
    ),
    Action(
        "nudge_down",
        ("minus",),
        "-",
        "lr down",
        "nudge the lr down (/1.25)",
        refusal=_needs_training,
        rank=7,
        panes=("lr",),
    ),
    Action("set_lr", ("equals_sign",), "=", "set lr", "set the lr", refusal=_needs_training, rank=3, panes=("lr",)),
    Action(
        "undo_lr", ("u",), "u", "undo", "undo the last change of lr", refusal=_needs_a_change, rank=5, panes=("lr",)
    ),
    Action(
        "find",
        ("f",),
        "f",
        "find lr",
        "find an lr: range test, of a fresh model or from here",
        refusal=_needs_its_own_process,
        rank=4,
        panes=("lr",),
    ),
    Action(
        "branch",
        ("b",),
        "b",
        "branch",
        "branch from a checkpoint of the run",
        refusal=_needs_a_parent,
        rank=5,
        panes=("runs",),
    ),
    Action("code", ("y",), "y", "code", "copy the schedule as PyTorch code", panes=("lr", "runs")),
    Action("mark", ("m",), "m", "mark", "mark a run for overlay", refusal=_needs_run, rank=2, panes=("runs",)),
    Action(
        "compare", ("c",), "c", "compare", "compare marked runs", refusal=_needs_two_marked, rank=3, panes=("runs",)
    ),
    Action("filter", ("slash",), "/", "filter", "filter the focused log, or the runs", panes=("log", "runs")),
    Action("order", ("o",), "o", "order", "order of the runs: newest, best, name", panes=("runs",)),
    Action("log_axis", ("l",), "l", "log axis", "logarithmic y axis on the focused chart", panes=CHARTS),
    Action("smoothing", ("z",), "z", "smoothing", "smoothing of the training loss", panes=("loss",)),
    Action("x_axis", ("a",), "a", "x axis", "x axis of all charts: epoch, step, time", panes=CHARTS),
    Action("zoom_in", ("right_square_bracket",), "]", "zoom in", "zoom in, around the cursor or now", panes=CHARTS),
    Action("zoom_out", ("left_square_bracket",), "[", "zoom out", "zoom out", panes=CHARTS),
    Action("pan_left", ("shift+left",), "shift+←", "pan", "pan to the left, where zoomed in", panes=CHARTS),
    Action("pan_right", ("shift+right",), "shift+→", "pan", "pan to the right", panes=CHARTS),
    Action("whole_run", ("0", "home"), "0", "whole run", "show the whole run again", panes=CHARTS),
    Action("cursor_left", ("left",), "←", "cursor", "cursor to the left; esc takes it away", panes=CHARTS),
    Action("cursor_right", ("right",), "→", "cursor", "cursor to the right", panes=CHARTS),
    Action("export", ("E",), "E", "export", "save the focused chart: SVG, text, CSV", panes=CHARTS),
    Action("pane_1", ("1",), "1", "lr", "go to the learning rate"),
    Action("pane_2", ("2",), "2", "loss", "go to the loss"),
    Action("pane_3", ("3",), "3", "accuracy", "go to the accuracy"),
    Action("pane_4", ("4",), "4", "log", "go to the log"),
    Action("pane_5", ("5",), "5", "runs", "go to the runs"),
    Action("next_pane", ("tab",), "tab", "next", "go to the next pane", rank=1),
    Action("zoom", ("enter",), "enter", "full screen", "show the focused pane alone"),
    Action("back", ("escape",), "esc", "back", "back"),
    Action("palette", ("ctrl+p",), "ctrl+p", "palette", "all actions, schedulers and runs, by name"),
    Action("help", ("question_mark",), "?", "help", "help", rank=11),
    Action("quit", ("q", "ctrl+q"), "q", "quit", "quit (asks while a run is going)"),
)
"""All actions, in the order of the help page."""

ACTIONS_BY_NAME: dict[str, Action] = {action.name: action for action in ACTIONS}

FOOTER_KEYS = 6
"""How many keys the footer shows."""


def footer_actions(situation: Situation, actions: Sequence[Action] = ACTIONS) -> list[Action]:
    """Return the actions that matter most now, the most pressing first."""
    possible = [action for action in actions if action.rank and action.refusal(situation) is None]
    return sorted(possible, key=lambda action: -action.rank)[:FOOTER_KEYS]


def key_rows(keys: Mapping[str, str] | None = None, actions: Sequence[Action] = ACTIONS) -> list[tuple[list[str], str]]:
    """Return (keys, what they do) rows for a table of keys; those that do the same thing to other panes in one.

    Args:
        keys: those that the user has given to actions, by name.
    """
    rows: list[tuple[list[str], str]] = []
    for action in actions:
        if rows and rows[-1][1] == action.help:
            rows[-1][0].append(action.key(keys or {}))
        else:
            rows.append(([action.key(keys or {})], action.help))
    return rows
