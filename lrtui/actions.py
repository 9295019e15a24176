"""Every user action, declared once: bindings, footer, palette, help, `lrtui keys` and the README's table derive from
here. Knows no terminal."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from lrtui.run.state import RunState


@dataclass(frozen=True, slots=True)
class Situation:
    """What decides whether an action makes sense now.

    Args:
        run: state of the run on screen, or None before the first.
        live: state of the run under way, or None.
    """

    run: RunState | None
    live: RunState | None


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
    changes = situation.live.changes if situation.live else []
    return None if changes else "nothing to undo: the lr was not changed in this run"


def _needs_run(situation: Situation) -> str | None:
    return None if situation.run else "no run yet; r starts one"


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
    """

    name: str
    keys: tuple[str, ...]
    shown: str
    title: str
    help: str
    refusal: Refusal = _always
    rank: int = 0
    titles: Mapping[str, str] = field(default_factory=dict)

    def title_in(self, situation: Situation) -> str:
        """Return what the key does now, in a word or two."""
        return self.titles.get(situation.live.status if situation.live else "", self.title)


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
    Action("nudge_up", ("plus",), "+", "lr up", "nudge the lr up (x1.25)", refusal=_needs_training, rank=7),
    Action("nudge_down", ("minus",), "-", "lr down", "nudge the lr down (/1.25)", refusal=_needs_training, rank=7),
    Action("set_lr", ("equals_sign",), "=", "set lr", "set the lr", refusal=_needs_training, rank=3),
    Action("undo_lr", ("u",), "u", "undo", "undo the last change of lr", refusal=_needs_a_change, rank=5),
    Action("mark", ("m",), "m", "mark", "mark a run for overlay", refusal=_needs_run, rank=2),
    Action("log_axis", ("l",), "l", "log axis", "logarithmic y axis on the focused chart"),
    Action("smoothing", ("z",), "z", "smoothing", "smoothing of the training loss"),
    Action("pane_1", ("1",), "1", "lr", "go to the learning rate"),
    Action("pane_2", ("2",), "2", "loss", "go to the loss"),
    Action("pane_3", ("3",), "3", "accuracy", "go to the accuracy"),
    Action("pane_4", ("4",), "4", "log", "go to the log"),
    Action("pane_5", ("5",), "5", "runs", "go to the runs"),
    Action("next_pane", ("tab",), "tab", "next", "go to the next pane", rank=1),
    Action("zoom", ("enter",), "enter", "full screen", "show the focused pane alone"),
    Action("back", ("escape",), "esc", "back", "back"),
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


def key_rows() -> list[tuple[list[str], str]]:
    """Return (keys, what they do) rows for a table of keys; those that do the same thing to other panes in one."""
    rows: list[tuple[list[str], str]] = []
    for action in ACTIONS:
        if rows and rows[-1][1] == action.help:
            rows[-1][0].append(action.shown)
        else:
            rows.append(([action.shown], action.help))
    return rows
