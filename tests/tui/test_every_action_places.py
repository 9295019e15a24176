"""What every action is expected to do in every situation; played in test_every_action.py.

It is written here, not read off the table of actions, so that the two can differ.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from recorded_runs import recorded_run
from store_runs import store_events
from test_startup import lost

from lrtui.actions import ACTIONS
from lrtui.run.commands import Command, Pause, RangeTest, Resume, ScaleLr, Stop, UndoLr
from lrtui.run.events import EpochDone, EvaluationStarted, Event, LrSet, Paused
from lrtui.run.range_feed import RangeFeed, Sweep

# -- what an action does ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Effect:
    """All that one press of a key does.

    Args:
        sends: the command that the run gets; None where it gets none.
        opens: the class of the screen that opens.
        says: words that are in the footer then; empty where there are none.
        changes: names of the traits that are others then; see `traits`.
    """

    sends: Command | None = None
    opens: str = ""
    says: str = ""
    changes: frozenset[str] = frozenset()


def changes(*names: str, says: str = "") -> Effect:
    return Effect(changes=frozenset(names), says=says)


def says(words: str) -> Effect:
    return Effect(says=words)


HAS_FOCUS = says("this pane has the focus already")
"""The key of the pane that already has the focus."""

EFFECTS: dict[str, Effect] = {
    "restart": changes("runs", "run on screen"),
    "schedule": Effect(opens="PickerScreen"),
    "pause": Effect(sends=Pause()),
    "stop": Effect(sends=Stop(), says="Stopping after this batch."),
    "settings": Effect(opens="SettingsScreen"),
    "nudge_up": Effect(sends=ScaleLr(1.25)),
    "nudge_down": Effect(sends=ScaleLr(0.8)),
    "set_lr": Effect(opens="SetLrScreen"),
    "undo_lr": Effect(sends=UndoLr()),
    "find": Effect(opens="RangeTestScreen"),
    "branch": Effect(opens="BranchPointScreen"),
    "code": Effect(opens="CodeScreen"),
    "mark": changes("pinned", says="Run "),
    "compare": Effect(opens="CompareScreen"),
    "filter": changes("focus", "filter"),
    "order": changes("order", says="runs: best first"),
    "log_axis": changes("log axes", says="y axis of the lr: logarithmic"),
    "smoothing": changes("smoothing", says="training loss smoothed over 500 steps"),
    "x_axis": changes("x axis", says="x axis: step"),
    "zoom_in": changes("window"),
    "zoom_out": says("this is the whole run"),
    "pan_left": says("this is the whole run; ] zooms in"),
    "pan_right": says("this is the whole run; ] zooms in"),
    "whole_run": says("this is the whole run"),
    "cursor_left": changes("cursor"),
    "cursor_right": changes("cursor"),
    "export": changes("files", says="saved lrtui-"),
    "pane_1": HAS_FOCUS,
    "pane_2": changes("focus"),
    "pane_3": changes("focus"),
    "pane_4": changes("focus"),
    "pane_5": changes("focus"),
    "next_pane": changes("focus"),
    "zoom": changes("full screen"),
    "back": says("nothing to close"),
    "palette": Effect(opens="CommandPalette"),
    "help": Effect(opens="HelpScreen"),
    "quit": changes("left"),
}
"""What each action does where nothing else is said: all panes in sight, that of the lr in focus, no run under way."""

# -- where it does something else -------------------------------------------------------------------------------------

BUSY_EFFECTS = {
    "restart": Effect(opens="ConfirmScreen"),
    "quit": Effect(opens="ConfirmScreen"),
    "find": Effect(sends=RangeTest(Sweep(), RangeFeed()), opens="RangeTestScreen"),
}
"""While a run of this process is under way."""

ELSEWHERE_EFFECTS = {
    name: Effect(sends=effect.sends, says="sent to its process")
    for name, effect in EFFECTS.items()
    if effect.sends is not None
}
"""Where a run of another process gets the commands."""

AWAY_FROM_CHARTS = dict.fromkeys(
    ("log_axis", "zoom_in", "zoom_out", "pan_left", "pan_right", "whole_run", "cursor_left", "cursor_right", "export"),
    says("go to a chart first, with 1, 2 or 3"),
)

# -- where it does nothing, and what it says then ---------------------------------------------------------------------

NOT_LIVE = dict.fromkeys(
    ("pause", "stop", "nudge_up", "nudge_down", "set_lr", "undo_lr"), "no run in progress. Press r to start one."
)
UNCHANGED = {"undo_lr": "nothing to undo: the lr has not been changed since the schedule was set"}
NO_RUN = {
    "mark": "no run on screen. Press r to start one.",
    "branch": "no run on screen to branch from. Press r to start one.",
}
NOT_KEPT = {"branch": "this run is not stored, so it has no checkpoint to branch from"}
BUSY = {"branch": "a run is in progress. Press x to stop it before you start a branch."}
NOT_HERE = {"find": "this run trains in another process. Run lrtui find for a range test on a fresh model."}
NO_EPOCH = {"branch": "this run has no finished epoch to branch from"}
NONE_PINNED = {"compare": "pin at least two runs with m first (0 pinned)"}
ONE_PINNED = {"compare": "pin at least two runs with m first (1 pinned)"}


def waits_for(what: str) -> dict[str, str]:
    return dict.fromkeys(
        ("pause", "nudge_up", "nudge_down", "set_lr", "undo_lr", "find"), f"the run has not started yet ({what})"
    )


# -- the situations ---------------------------------------------------------------------------------------------------

RUNNING = recorded_run(120)
DONE = recorded_run(500, outcome="done")
BEFORE_TORCH = recorded_run(0)[:1]
BEFORE_DATA = recorded_run(0)[:2]
IN_A_TEST = RUNNING[: 1 + max(at for at, event in enumerate(RUNNING) if isinstance(event, EvaluationStarted))]
PAUSED = [*RUNNING, Paused(seq=999, step=120, seconds=5.0)]
NUDGED = recorded_run(120, nudge_at=60)
NUDGED_AND_UNDONE: list[Event] = [
    *NUDGED,
    LrSet(seq=999, step=120, seconds=5.0, lrs_before=(0.003,), lrs_after=(0.0025,), scale=(1.0,), by="undo"),
]
NUDGED_THEN_SWITCHED = recorded_run(120, nudge_at=40, switch_at=60)
CUT_BY_A_PLATEAU: list[Event] = [
    *RUNNING,
    LrSet(seq=999, step=120, seconds=5.0, lrs_before=(0.0025,), lrs_after=(0.00025,), scale=(1.0,), by="plateau"),
]


@dataclass(frozen=True)
class Place:
    """A situation, and what is expected there.

    Args:
        name: what it is called where a test fails.
        refused: why an action makes no sense, by its name; all others make some.
        otherwise: effects that are not the usual ones.
        own: recordings of this process's runs, numbered from 1.
        stored: puts runs into the store's folder before the screen opens.
        elsewhere: the recording of a run that another process trains, the last of the store.
        on_screen: number of the run on screen; None for the last one of this process.
        kept: whether runs of this process are in the store.
        queued: how many runs wait.
        pinned: numbers of the pinned runs.
        keys: what was pressed before.
        size: columns and lines.
        about: the actions that are tried, where only these can be others than in a place like it; else all.
    """

    name: str
    refused: Mapping[str, str]
    otherwise: Mapping[str, Effect] = field(default_factory=dict)
    own: Sequence[Sequence[Event]] = ()
    stored: Callable[[Path], None] | None = None
    elsewhere: Sequence[Event] | None = None
    on_screen: int | None = None
    kept: bool = False
    queued: int = 0
    pinned: tuple[int, ...] = ()
    keys: tuple[str, ...] = ()
    size: tuple[int, int] = (120, 36)
    about: tuple[str, ...] = ()

    def effect_of(self, action: str, key: str) -> Effect:
        if action in self.refused:
            return says(f"{key}: {self.refused[action]}")
        return self.otherwise.get(action, EFFECTS[action])


def save_epochs(folder: Path, events: Sequence[Event]) -> None:
    """Put the checkpoints of run 1's epochs there."""
    place = folder / "checkpoints" / "1"
    place.mkdir(parents=True)
    for event in events:
        if isinstance(event, EpochDone):
            (place / f"{event.seq:010d}-step-{event.step}.pt").touch()


def a_finished_one(folder: Path) -> None:
    store_events(folder, DONE)
    save_epochs(folder, DONE)


def one_without_checkpoints(folder: Path) -> None:
    store_events(folder, DONE)


def a_lost_one(folder: Path) -> None:
    lost(folder)
    save_epochs(folder, RUNNING)


GOING = UNCHANGED | NOT_KEPT | NONE_PINNED
"""What is refused while a run of this process goes that is on screen and kept nowhere."""

OVER = NOT_LIVE | NOT_KEPT | NONE_PINNED

FULL = {"zoom": changes("full screen"), "back": changes("full screen")}

IN_THE_LOG = AWAY_FROM_CHARTS | {
    "filter": changes("filter"),
    "pane_1": changes("focus"),
    "pane_4": HAS_FOCUS,
}
IN_THE_RUNS = AWAY_FROM_CHARTS | {
    "filter": changes("filter"),
    "pane_1": changes("focus"),
    "pane_5": HAS_FOCUS,
}
IN_THE_LOSS = {
    "log_axis": changes("log axes", says="y axis of the loss: logarithmic"),
    "pane_1": changes("focus"),
    "pane_2": HAS_FOCUS,
}
NOTHING_DRAWN = {
    "zoom_in": changes("window", says="nothing is drawn here yet"),
    "export": says("nothing is drawn yet"),
}
ONE_PANE = {"zoom": says("This terminal shows one pane at a time")}

ZOOMED = {
    "zoom_out": changes("window"),
    "pan_left": changes("window"),
    "pan_right": changes("window"),
    "whole_run": changes("window"),
    "x_axis": changes("x axis", "window", says="x axis: step"),
}


ON_CHARTS = (*AWAY_FROM_CHARTS, "x_axis", "smoothing", "zoom", "back")
ON_PANES = (*ON_CHARTS, "filter", "order", "pane_1", "pane_2", "pane_3", "pane_4", "pane_5", "next_pane")
ON_LR = ("nudge_up", "nudge_down", "set_lr", "undo_lr", "cursor_left", "cursor_right")


def on_a_change(words: str) -> dict[str, Effect]:
    """The cursor comes where the run is at, which has just changed its lr."""
    return dict.fromkeys(("cursor_left", "cursor_right"), changes("cursor", says=words))


PLACES = (
    Place("no run", NOT_LIVE | NO_RUN | NONE_PINNED),
    Place("no run, in the log", NOT_LIVE | NO_RUN | NONE_PINNED, IN_THE_LOG, keys=("4",), about=ON_PANES),
    Place("no run, in the runs", NOT_LIVE | NO_RUN | NONE_PINNED, IN_THE_RUNS, keys=("5",), about=ON_PANES),
    Place(
        "no run, in the loss",
        NOT_LIVE | NO_RUN | NONE_PINNED,
        IN_THE_LOSS | NOTHING_DRAWN,
        keys=("2",),
        about=ON_PANES,
    ),
    Place(
        "no run, 80x24, in the loss",
        NOT_LIVE | NO_RUN | NONE_PINNED,
        IN_THE_LOSS | NOTHING_DRAWN | ONE_PANE,
        keys=("2",),
        size=(80, 24),
    ),
    Place(
        "waits for torch",
        waits_for("importing PyTorch") | NOT_KEPT | NONE_PINNED,
        BUSY_EFFECTS | NOTHING_DRAWN,
        own=[BEFORE_TORCH],
    ),
    Place(
        "waits for data",
        waits_for("data: Tiny from nowhere, 3,200 + 1,000 images") | NOT_KEPT | NONE_PINNED,
        BUSY_EFFECTS | NOTHING_DRAWN,
        own=[BEFORE_DATA],
    ),
    Place("running", GOING, BUSY_EFFECTS, own=[RUNNING]),
    Place("running, in the log", GOING, BUSY_EFFECTS | IN_THE_LOG, own=[RUNNING], keys=("4",), about=ON_PANES),
    Place("running, in the runs", GOING, BUSY_EFFECTS | IN_THE_RUNS, own=[RUNNING], keys=("5",), about=ON_PANES),
    Place(
        "running, 80x24",
        GOING,
        BUSY_EFFECTS | ONE_PANE,
        own=[RUNNING],
        size=(80, 24),
    ),
    Place("running, full screen", GOING, BUSY_EFFECTS | FULL, own=[RUNNING], keys=("enter",)),
    Place("running, zoomed in", GOING, BUSY_EFFECTS | ZOOMED, own=[RUNNING], keys=("]", "]"), about=ON_CHARTS),
    Place(
        "running, with a cursor",
        GOING,
        BUSY_EFFECTS | {"back": changes("cursor"), "x_axis": changes("x axis", "cursor", says="x axis: step")},
        own=[RUNNING],
        keys=("left", "left"),
        about=ON_CHARTS,
    ),
    Place("in a test", GOING, BUSY_EFFECTS, own=[IN_A_TEST]),
    Place(
        "running, kept",
        UNCHANGED | BUSY | NONE_PINNED,
        BUSY_EFFECTS,
        own=[RUNNING],
        kept=True,
        about=("branch", "quit", "restart"),
    ),
    Place("running, nudged", NOT_KEPT | NONE_PINNED, BUSY_EFFECTS, own=[NUDGED], about=ON_LR),
    Place(
        "running, nudged and undone", GOING, BUSY_EFFECTS | on_a_change("(undo)"), own=[NUDGED_AND_UNDONE], about=ON_LR
    ),
    Place("running, nudged then switched", GOING, BUSY_EFFECTS, own=[NUDGED_THEN_SWITCHED], about=ON_LR),
    Place(
        "running, cut by a plateau", GOING, BUSY_EFFECTS | on_a_change("(plateau)"), own=[CUT_BY_A_PLATEAU], about=ON_LR
    ),
    Place("paused", GOING, BUSY_EFFECTS | {"pause": Effect(sends=Resume())}, own=[PAUSED]),
    Place("done", OVER, own=[DONE]),
    Place(
        "done, kept",
        NOT_LIVE | NONE_PINNED,
        own=[DONE],
        kept=True,
        stored=a_finished_one,
        about=("branch", "quit", "restart"),
    ),
    Place(
        "done, kept without a checkpoint",
        NOT_LIVE | NONE_PINNED,
        {"branch": says("b: can't branch from run 1: it has no checkpoint")},
        own=[DONE],
        kept=True,
        stored=one_without_checkpoints,
        about=("branch", "quit", "restart"),
    ),
    Place("stopped", OVER, own=[recorded_run(120, outcome="stopped")]),
    Place(
        "stopped before an epoch was done, kept",
        NOT_LIVE | NO_EPOCH | NONE_PINNED,
        own=[recorded_run(20, outcome="stopped")],
        kept=True,
        about=("branch", "quit", "restart"),
    ),
    Place("failed", OVER, own=[recorded_run(120, outcome="failed")]),
    Place("diverged", OVER, own=[recorded_run(170, outcome="diverged")]),
    Place("one of two pinned", NOT_LIVE | NOT_KEPT | ONE_PINNED, own=[DONE, DONE], pinned=(1,)),
    Place("both pinned", NOT_LIVE | NOT_KEPT, own=[DONE, DONE], pinned=(1, 2)),
    Place(
        "one queued",
        GOING,
        BUSY_EFFECTS | {"stop": Effect(sends=Stop(), says="Stopping after this batch. The queued run starts next")},
        own=[RUNNING],
        queued=1,
    ),
    Place(
        "running, another on screen", UNCHANGED | NOT_KEPT | NONE_PINNED, BUSY_EFFECTS, own=[DONE, RUNNING], on_screen=1
    ),
    Place("stored ones, none on screen", NOT_LIVE | NO_RUN | NONE_PINNED, stored=a_finished_one),
    Place("a stored one on screen", NOT_LIVE | NONE_PINNED, stored=a_finished_one, on_screen=1),
    Place("a lost one on screen", NOT_LIVE | NONE_PINNED, stored=a_lost_one, on_screen=1),
    Place(
        "another process's run on screen",
        UNCHANGED | NOT_HERE | NONE_PINNED,
        ELSEWHERE_EFFECTS | {"branch": says("b: can't branch from run 1: it has no checkpoint")},
        elsewhere=RUNNING,
        on_screen=1,
    ),
    Place(
        "another process's run on screen, paused and nudged",
        NOT_HERE | NONE_PINNED,
        ELSEWHERE_EFFECTS
        | {
            "branch": says("b: can't branch from run 1: it has no checkpoint"),
            "pause": Effect(sends=Resume(), says="sent to its process"),
        },
        elsewhere=[*NUDGED, Paused(seq=999, step=120, seconds=5.0)],
        on_screen=1,
    ),
    Place(
        "another process's run on screen, one here with one queued",
        UNCHANGED | BUSY | NONE_PINNED,
        ELSEWHERE_EFFECTS | BUSY_EFFECTS | {"find": says("Run 2 trains in another process")},
        own=[NUDGED],
        stored=a_finished_one,
        elsewhere=RUNNING,
        on_screen=2,
        queued=1,
    ),
)

# -- what is written here is whole ------------------------------------------------------------------------------------


def test_every_action_has_an_effect_and_every_effect_an_action() -> None:
    names = {action.name for action in ACTIONS}
    assert names == set(EFFECTS)
    for place in PLACES:
        assert names >= set(place.refused) | set(place.otherwise), place.name


def test_every_refusal_occurs_in_some_situation() -> None:
    refused = {name for place in PLACES for name in place.refused}
    can_be_refused = {action.name for action in ACTIONS if action.requirement is not None}
    assert refused == can_be_refused
    for name in can_be_refused:
        assert any(name not in place.refused for place in PLACES), name
