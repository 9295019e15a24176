"""What every action is expected to do in every situation; tested in test_every_action.py.

It is written here and not derived from the table of actions, so that a test can find a difference.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from recorded_runs import recorded_run
from store_runs import store_events
from test_startup import lost

from lrtui.actions import ACTIONS
from lrtui.requirements import available
from lrtui.run.checkpoint_name import checkpoint_name
from lrtui.run.commands import Command, Pause, RangeTest, Resume, ScaleLr, UndoLr
from lrtui.run.events import EpochDone, EvaluationStarted, Event, LrSet, Paused
from lrtui.run.range_feed import RangeFeed, Sweep

# -- what an action does ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Effect:
    """Everything that one key press does.

    Args:
        sends: the command sent to the run, or None.
        opens: the class of the screen that opens.
        says: text in the footer afterwards; empty if there is none.
        changes: names of the traits that change; see `Played.traits`.
    """

    sends: Command | None = None
    opens: str = ""
    says: str = ""
    changes: frozenset[str] = frozenset()


def changes(*names: str, says: str = "") -> Effect:
    return Effect(changes=frozenset(names), says=says)


def says(text: str) -> Effect:
    return Effect(says=text)


HAS_FOCUS = says("this pane already has the focus")
"""The key of the pane that already has the focus."""

EFFECTS: dict[str, Effect] = {
    "restart": changes("runs", "run on screen"),
    "schedule": Effect(opens="PickerScreen"),
    "pause": Effect(sends=Pause()),
    "stop": Effect(opens="ConfirmScreen"),
    "settings": Effect(opens="SettingsScreen"),
    "nudge_up": Effect(sends=ScaleLr(1.25)),
    "nudge_down": Effect(sends=ScaleLr(0.8)),
    "set_lr": Effect(opens="SetLrScreen"),
    "undo_lr": Effect(sends=UndoLr()),
    "find": Effect(opens="RangeTestScreen"),
    "branch": Effect(opens="BranchPointScreen"),
    "code": Effect(opens="CodeScreen", changes=frozenset({"files"})),
    "mark": changes("pinned", says="Run "),
    "compare": Effect(opens="CompareScreen"),
    "race": Effect(opens="StandingScreen"),
    "filter": changes("focus", "filter"),
    "order": changes("order", says="runs: best first"),
    "log_axis": changes("log axes", says="y axis of the lr: logarithmic"),
    "machine": says("CPU, memory and GPU: hidden"),
    "metrics": says("nothing to choose: "),
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
    "palette": Effect(opens="CockpitPalette"),
    "help": Effect(opens="HelpScreen"),
    "quit": changes("left"),
}
"""The default effects: all panes are visible, the lr pane has the focus, no run is in progress."""

# -- where an action does something else ------------------------------------------------------------------------------

BUSY_EFFECTS = {
    "restart": Effect(opens="ConfirmScreen"),
    "quit": Effect(opens="ConfirmScreen"),
    "find": Effect(sends=RangeTest(Sweep(), RangeFeed()), opens="RangeTestScreen"),
}
"""While a run of this process is in progress."""

ELSEWHERE_EFFECTS = {
    name: Effect(sends=effect.sends, says="sent to its process")
    for name, effect in EFFECTS.items()
    if effect.sends is not None
}
"""Where the commands go to a run of another process."""

NOTHING_TO_BRANCH = {"branch": says("b: can't branch from run 1: it has no checkpoint of an epoch before its last")}

AWAY_FROM_CHARTS = dict.fromkeys(
    ("log_axis", "zoom_in", "zoom_out", "pan_left", "pan_right", "whole_run", "cursor_left", "cursor_right", "export"),
    says("go to a chart first, with 1, 2 or 3"),
)

# -- where an action is refused, and the message ----------------------------------------------------------------------

NOT_TRAINING = dict.fromkeys(
    ("stop", "nudge_up", "nudge_down", "set_lr", "undo_lr"), "no run in progress. Press r to start one."
)
NOT_LIVE = NOT_TRAINING | {"pause": "no run in progress. Press r to start one."}
NOT_RESUMABLE = NOT_TRAINING | {"pause": "run 1 is not stored, so it can't be resumed"}
NO_CHECKPOINT = {"pause": "run 1 has no checkpoint to be resumed from"}
UNCHANGED = {"undo_lr": "nothing to undo: the lr has not been changed since the schedule was set"}
NO_RUN = {
    "mark": "no run on screen. Press r to start one.",
    "branch": "no run on screen to branch from. Press r to start one.",
}
NOT_STORED = {"branch": "this run is not stored, so it has no checkpoint to branch from"}
BUSY = {"branch": "a run is in progress. Press x to stop it before you start a branch."}
NOT_HERE = {"find": "this run trains in another process. Run lrtui find for a range test on a fresh model."}
NO_EPOCH = {"branch": "this run has no finished epoch to branch from"}
NO_RACE = {"race": "no race yet. Press s, then ctrl+k to keep schedules and ctrl+t to race them."}
IN_A_RACE = dict.fromkeys(
    ("schedule", "nudge_up", "nudge_down", "set_lr", "undo_lr"),
    "the run belongs to race 2, which compares unchanged schedules",
)
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
DURING_A_TEST = RUNNING[: 1 + max(at for at, event in enumerate(RUNNING) if isinstance(event, EvaluationStarted))]
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
class Situation:
    """A situation and its expected effects.

    Args:
        name: identifies it when a test fails.
        refused: the reason by name of action; all other actions are possible.
        effects: those that differ from EFFECTS.
        local: recordings of this process's runs, numbered from 1.
        stored: puts runs into the store's folder before the screen opens.
        elsewhere: the recording of a run that another process trains, the last of the store.
        name_elsewhere: its name; that of a race's run makes it one.
        on_screen: number of the run on screen; None for the last one of this process.
        is_stored: whether runs of this process are in the store.
        queued: number of queued runs.
        pinned: numbers of the pinned runs.
        keys: pressed before the test.
        size: columns and lines.
        only: the actions to test, where the others do the same as in a similar situation; empty for all.
    """

    name: str
    refused: Mapping[str, str]
    effects: Mapping[str, Effect] = field(default_factory=dict)
    local: Sequence[Sequence[Event]] = ()
    stored: Callable[[Path], None] | None = None
    elsewhere: Sequence[Event] | None = None
    name_elsewhere: str | None = None
    on_screen: int | None = None
    is_stored: bool = False
    queued: int = 0
    pinned: tuple[int, ...] = ()
    keys: tuple[str, ...] = ()
    size: tuple[int, int] = (120, 36)
    only: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.name_elsewhere:
            object.__setattr__(self, "refused", NO_RACE | dict(self.refused))

    def effect_of(self, action: str, key: str) -> Effect:
        if action in self.refused:
            return says(f"{key}: {self.refused[action]}")
        return self.effects.get(action, EFFECTS[action])


def save_epochs(folder: Path, events: Sequence[Event]) -> None:
    """Create the files of run 1's checkpoints at the ends of its epochs."""
    checkpoints = folder / "checkpoints" / "1"
    checkpoints.mkdir(parents=True)
    for event in events:
        if isinstance(event, EpochDone):
            (checkpoints / checkpoint_name(event.seq, event.step)).touch()


def store_finished_run(folder: Path) -> None:
    store_events(folder, DONE)
    save_epochs(folder, DONE)


def store_run_without_checkpoints(folder: Path) -> None:
    store_events(folder, DONE)


def store_lost_run(folder: Path) -> None:
    lost(folder)
    save_epochs(folder, RUNNING)


RUNNING_REFUSALS = UNCHANGED | NOT_STORED | NONE_PINNED
"""What is refused while a run of this process is in progress, on screen and not stored."""

ENDED_REFUSALS = NOT_LIVE | NOT_STORED | NONE_PINNED

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
    "zoom_in": changes("window", says="there is nothing to draw yet"),
    "export": says("there is nothing to save yet"),
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


def on_a_change(text: str) -> dict[str, Effect]:
    """The cursor starts at the present step, where the lr has just changed."""
    return dict.fromkeys(("cursor_left", "cursor_right"), changes("cursor", says=text))


SITUATIONS = (
    Situation("no run", NOT_LIVE | NO_RUN | NONE_PINNED),
    Situation("no run, in the log", NOT_LIVE | NO_RUN | NONE_PINNED, IN_THE_LOG, keys=("4",), only=ON_PANES),
    Situation("no run, in the runs", NOT_LIVE | NO_RUN | NONE_PINNED, IN_THE_RUNS, keys=("5",), only=ON_PANES),
    Situation(
        "no run, in the loss",
        NOT_LIVE | NO_RUN | NONE_PINNED,
        IN_THE_LOSS | NOTHING_DRAWN,
        keys=("2",),
        only=ON_PANES,
    ),
    Situation(
        "no run, 80x24, in the loss",
        NOT_LIVE | NO_RUN | NONE_PINNED,
        IN_THE_LOSS | NOTHING_DRAWN | ONE_PANE,
        keys=("2",),
        size=(80, 24),
    ),
    Situation(
        "waits for torch",
        waits_for("importing PyTorch") | NOT_STORED | NONE_PINNED,
        BUSY_EFFECTS | NOTHING_DRAWN,
        local=[BEFORE_TORCH],
    ),
    Situation(
        "waits for data",
        waits_for("data: Tiny from nowhere, 3,200 + 1,000 images") | NOT_STORED | NONE_PINNED,
        BUSY_EFFECTS | NOTHING_DRAWN,
        local=[BEFORE_DATA],
    ),
    Situation("running", RUNNING_REFUSALS, BUSY_EFFECTS, local=[RUNNING]),
    Situation(
        "running, in the log", RUNNING_REFUSALS, BUSY_EFFECTS | IN_THE_LOG, local=[RUNNING], keys=("4",), only=ON_PANES
    ),
    Situation(
        "running, in the runs",
        RUNNING_REFUSALS,
        BUSY_EFFECTS | IN_THE_RUNS,
        local=[RUNNING],
        keys=("5",),
        only=ON_PANES,
    ),
    Situation(
        "running, 80x24",
        RUNNING_REFUSALS,
        BUSY_EFFECTS | ONE_PANE,
        local=[RUNNING],
        size=(80, 24),
    ),
    Situation("running, full screen", RUNNING_REFUSALS, BUSY_EFFECTS | FULL, local=[RUNNING], keys=("enter",)),
    Situation(
        "running, zoomed in", RUNNING_REFUSALS, BUSY_EFFECTS | ZOOMED, local=[RUNNING], keys=("]", "]"), only=ON_CHARTS
    ),
    Situation(
        "running, with a cursor",
        RUNNING_REFUSALS,
        BUSY_EFFECTS | {"back": changes("cursor"), "x_axis": changes("x axis", "cursor", says="x axis: step")},
        local=[RUNNING],
        keys=("left", "left"),
        only=ON_CHARTS,
    ),
    Situation("during a test", RUNNING_REFUSALS, BUSY_EFFECTS, local=[DURING_A_TEST]),
    Situation(
        "running, stored",
        UNCHANGED | BUSY | NONE_PINNED,
        BUSY_EFFECTS,
        local=[RUNNING],
        is_stored=True,
        only=("branch", "quit", "restart"),
    ),
    Situation("running, nudged", NOT_STORED | NONE_PINNED, BUSY_EFFECTS, local=[NUDGED], only=ON_LR),
    Situation(
        "running, nudged and undone",
        RUNNING_REFUSALS,
        BUSY_EFFECTS | on_a_change("(undo)"),
        local=[NUDGED_AND_UNDONE],
        only=ON_LR,
    ),
    Situation(
        "running, nudged then switched", RUNNING_REFUSALS, BUSY_EFFECTS, local=[NUDGED_THEN_SWITCHED], only=ON_LR
    ),
    Situation(
        "running, cut by a plateau",
        RUNNING_REFUSALS,
        BUSY_EFFECTS | on_a_change("(plateau)"),
        local=[CUT_BY_A_PLATEAU],
        only=ON_LR,
    ),
    Situation("paused", RUNNING_REFUSALS, BUSY_EFFECTS | {"pause": Effect(sends=Resume())}, local=[PAUSED]),
    Situation("done", ENDED_REFUSALS, local=[DONE]),
    Situation(
        "done, stored",
        NOT_LIVE | NONE_PINNED,
        local=[DONE],
        is_stored=True,
        stored=store_finished_run,
        only=("branch", "quit", "restart"),
    ),
    Situation(
        "done, stored without a checkpoint",
        NOT_LIVE | NONE_PINNED,
        NOTHING_TO_BRANCH,
        local=[DONE],
        is_stored=True,
        stored=store_run_without_checkpoints,
        only=("branch", "quit", "restart"),
    ),
    Situation("stopped", ENDED_REFUSALS | NOT_RESUMABLE, local=[recorded_run(120, outcome="stopped")]),
    Situation(
        "stopped before an epoch was done, stored",
        NOT_TRAINING | NO_EPOCH | NONE_PINNED | NO_CHECKPOINT,
        local=[recorded_run(20, outcome="stopped")],
        is_stored=True,
        only=("branch", "pause", "quit", "restart"),
    ),
    Situation("failed", ENDED_REFUSALS | NOT_RESUMABLE, local=[recorded_run(120, outcome="failed")]),
    Situation("diverged", ENDED_REFUSALS, local=[recorded_run(170, outcome="diverged")]),
    Situation("one of two pinned", NOT_LIVE | NOT_STORED | ONE_PINNED, local=[DONE, DONE], pinned=(1,)),
    Situation("both pinned", NOT_LIVE | NOT_STORED, local=[DONE, DONE], pinned=(1, 2)),
    Situation(
        "one queued",
        RUNNING_REFUSALS,
        BUSY_EFFECTS,
        local=[RUNNING],
        queued=1,
    ),
    Situation(
        "running, another on screen",
        UNCHANGED | NOT_STORED | NONE_PINNED,
        BUSY_EFFECTS,
        local=[DONE, RUNNING],
        on_screen=1,
    ),
    Situation("stored runs, none on screen", NOT_LIVE | NO_RUN | NONE_PINNED, stored=store_finished_run),
    Situation("a stored run on screen", NOT_LIVE | NONE_PINNED, stored=store_finished_run, on_screen=1),
    Situation(
        "a lost run on screen",
        NOT_TRAINING | NONE_PINNED,
        {"pause": Effect(opens="ConfirmScreen")},
        stored=store_lost_run,
        on_screen=1,
    ),
    Situation(
        "another process's run on screen",
        UNCHANGED | NOT_HERE | NONE_PINNED,
        ELSEWHERE_EFFECTS | NOTHING_TO_BRANCH,
        elsewhere=RUNNING,
        on_screen=1,
    ),
    Situation(
        "a race's run on screen",
        IN_A_RACE | NOT_HERE | NONE_PINNED,
        ELSEWHERE_EFFECTS | NOTHING_TO_BRANCH,
        elsewhere=RUNNING,
        name_elsewhere="race 2: StepLR(step_size=1, gamma=0.5) seed 0",
        on_screen=1,
    ),
    Situation(
        "another process's run on screen, paused and nudged",
        NOT_HERE | NONE_PINNED,
        ELSEWHERE_EFFECTS
        | {
            "branch": says("b: can't branch from run 1: it has no checkpoint of an epoch before its last"),
            "pause": Effect(sends=Resume(), says="sent to its process"),
        },
        elsewhere=[*NUDGED, Paused(seq=999, step=120, seconds=5.0)],
        on_screen=1,
    ),
    Situation(
        "another process's run on screen, one here with one queued",
        UNCHANGED | BUSY | NONE_PINNED,
        ELSEWHERE_EFFECTS | BUSY_EFFECTS | {"find": says("Run 2 trains in another process")},
        local=[NUDGED],
        stored=store_finished_run,
        elsewhere=RUNNING,
        on_screen=2,
        queued=1,
    ),
)

# -- completeness -----------------------------------------------------------------------------------------------------


def test_every_action_has_an_effect_and_every_effect_an_action() -> None:
    names = {action.name for action in ACTIONS}
    assert names == set(EFFECTS)
    for situation in SITUATIONS:
        assert names >= set(situation.refused) | set(situation.effects), situation.name


REFUSED_FOR_OTHERS = {"code", "restart", "settings"}
"""Refused only for the run of a log, in `test_run_sources.py` and `test_watched_logs.py`, or of a script, in
`test_shown_scripts.py`."""


def test_every_refusal_occurs_in_some_situation() -> None:
    refused = {name for situation in SITUATIONS for name in situation.refused}
    can_be_refused = {action.name for action in ACTIONS if action.requirement is not available}
    assert refused | REFUSED_FOR_OTHERS == can_be_refused
    assert not refused & REFUSED_FOR_OTHERS
    for name in can_be_refused:
        assert any(name not in situation.refused for situation in SITUATIONS), name
