"""Pictures of every screen in every state, from recorded runs; look at them when they change."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cockpit_pilot import press, until
from played_session import PlayedApp, PlayedSession
from recorded_runs import recorded_run
from store_runs import store_events
from test_every_action_situations import save_epochs
from textual.pilot import Pilot

from lrtui.engine.run import Run
from lrtui.run.events import EvalDone, EvaluationStarted, Event
from lrtui.run.spec import RunSpec
from lrtui.store import run_rows
from lrtui.store.connection import open_for_writing
from lrtui.tui.screens.picker.screen import PickerScreen
from lrtui.tui.view import View

Compare = Callable[..., bool]

SIZES = [(80, 24), (120, 36), (200, 50)]

LONG = "SequentialLR([LinearLR(start_factor=0.1, total_iters=2), CosineAnnealingLR(T_max=8)], milestones=[2])"

STATES: dict[str, Callable[[], PlayedSession]] = {
    "empty": PlayedSession,
    "waiting": lambda: PlayedSession(recorded_run(0)[:1]),
    "running": lambda: PlayedSession(recorded_run(330)),
    "switched": lambda: PlayedSession(recorded_run(330, switch_at=140, nudge_at=260)),
    "finished": lambda: PlayedSession(recorded_run(500, outcome="done")),
}


@pytest.fixture(params=SIZES, ids=[f"{width}x{height}" for width, height in SIZES])
def size(request: pytest.FixtureRequest) -> tuple[int, int]:
    found: tuple[int, int] = request.param
    return found


@pytest.mark.parametrize("state", STATES)
def test_cockpit(state: str, size: tuple[int, int], snap_compare: Compare) -> None:
    assert snap_compare(PlayedApp(STATES[state]()), terminal_size=size)


@pytest.mark.parametrize("pane", ["2", "3", "4", "5"])
def test_each_pane_of_a_small_screen(pane: str, snap_compare: Compare) -> None:
    assert snap_compare(PlayedApp(STATES["switched"]()), terminal_size=(80, 24), press=[pane])


def test_runs_drawn_over_each_other(size: tuple[int, int], snap_compare: Compare) -> None:
    session = PlayedSession(
        recorded_run(500, outcome="done"),
        recorded_run(500, switch_at=200, outcome="done", schedule="ExponentialLR(gamma=0.1)"),
        recorded_run(120, outcome="failed"),
        recorded_run(260, schedule="OneCycleLR(max_lr=0.003)"),
    )
    view = View(RunSpec(), selected=4, pinned=[1, 2])
    assert snap_compare(PlayedApp(session, view), terminal_size=size)


@pytest.mark.parametrize("outcome", ["stopped", "failed", "diverged"])
def test_a_run_that_ended_early(outcome: str, snap_compare: Compare) -> None:
    session = PlayedSession(recorded_run(170, outcome=outcome))  # type: ignore[arg-type]
    assert snap_compare(PlayedApp(session), terminal_size=(120, 36))


def test_parameter_groups(snap_compare: Compare) -> None:
    assert snap_compare(PlayedApp(PlayedSession(recorded_run(330, groups=2))), terminal_size=(120, 36))


def test_a_logarithmic_axis(snap_compare: Compare) -> None:
    assert snap_compare(PlayedApp(STATES["running"]()), terminal_size=(120, 36), press=["l", "2", "l"])


def test_a_light_theme(size: tuple[int, int], snap_compare: Compare) -> None:
    async def lighten(pilot: Pilot[None]) -> None:
        pilot.app.theme = "textual-light"
        await pilot.pause()

    assert snap_compare(PlayedApp(STATES["switched"]()), terminal_size=size, run_before=lighten)


@pytest.mark.parametrize("state", ["empty", "running", "switched", "finished"])
def test_picker(state: str, size: tuple[int, int], snap_compare: Compare) -> None:
    assert snap_compare(PlayedApp(STATES[state]()), terminal_size=size, press=["s", *"one"])


def test_picker_with_a_fault(size: tuple[int, int], snap_compare: Compare) -> None:
    app = PlayedApp(STATES["running"]())
    assert snap_compare(app, terminal_size=size, press=["s", *"steplr", "tab", "backspace", *"x"])


@pytest.mark.parametrize("key", ["?", "e", "=", "q", "r"], ids=["help", "settings", "set-lr", "quit", "restart"])
def test_dialogs(key: str, size: tuple[int, int], snap_compare: Compare) -> None:
    assert snap_compare(PlayedApp(STATES["running"]()), terminal_size=size, press=[key])


@pytest.fixture(autouse=True)
def messages_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    """The footer's message is in a snapshot even if taking it is slow."""
    monkeypatch.setattr("lrtui.tui.panes.footer.MESSAGE_SECONDS", 3600.0)


# -- runs with other events -------------------------------------------------------------------------------------------


def with_tests(change: Callable[[EvalDone], list[Event]]) -> list[Event]:
    """Return a run with other test results."""
    events: list[Event] = []
    for event in recorded_run(330):
        events += change(event) if isinstance(event, EvalDone) else [event]
    return events


def measured(test: EvalDone) -> list[Event]:
    return [replace(test, metrics={"f1": 0.5 + test.epoch / 100, "recall": 0.8 - 0.3 / test.epoch})]


def averaged(test: EvalDone) -> list[Event]:
    return [test, replace(test, averaged=True, loss=test.loss + 0.1 / test.epoch, accuracy=0.9 + test.epoch / 400)]


def in_a_test() -> list[Event]:
    events = recorded_run(350)
    return events[: max(at for at, event in enumerate(events) if isinstance(event, EvaluationStarted)) + 1]


KINDS: dict[str, Callable[[], list[Event]]] = {
    "testing": in_a_test,
    "averaged": lambda: with_tests(averaged),
    "without-accuracy": lambda: with_tests(lambda test: [replace(test, accuracy=None)]),
    "long-schedule": lambda: recorded_run(330, schedule=LONG),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_of_another_kind(kind: str, snap_compare: Compare) -> None:
    assert snap_compare(PlayedApp(PlayedSession(KINDS[kind]())), terminal_size=(120, 36))


@pytest.mark.parametrize(
    ("size", "keys"), [((120, 36), ["3", "3"]), ((200, 60), [])], ids=["120x36-next", "200x60-all"]
)
def test_what_a_task_measures_itself(size: tuple[int, int], keys: list[str], snap_compare: Compare) -> None:
    assert snap_compare(PlayedApp(PlayedSession(with_tests(measured))), terminal_size=size, press=keys)


def keep_one_of_each_end(folder: Path) -> None:
    """Store runs that are done, failed, stopped and diverged, and one whose process died."""
    store_events(folder, recorded_run(500, outcome="done"), RunSpec(name="baseline"))
    store_events(folder, recorded_run(120, outcome="failed"), RunSpec(schedule="ExponentialLR(gamma=0.1)"))
    store_events(folder, recorded_run(330, outcome="stopped"), RunSpec(name="学習率, a name that is long"))
    store_events(folder, recorded_run(170, outcome="diverged"))
    store_events(folder, recorded_run(260, schedule=LONG))
    connection = open_for_writing(folder)
    run_rows.update(connection, 5, pid=2**22 + 1, pid_started="0")
    connection.close()


@pytest.mark.parametrize(
    ("size", "keys"),
    [((80, 24), ["5"]), ((120, 36), []), ((120, 36), ["5", "enter"]), ((200, 50), [])],
    ids=["80x24-runs", "120x36", "120x36-runs-alone", "200x50"],
)
def test_runs_of_the_store(size: tuple[int, int], keys: list[str], tmp_path: Path, snap_compare: Compare) -> None:
    keep_one_of_each_end(tmp_path / "store")
    view = View(RunSpec(store=str(tmp_path / "store")), selected=5, pinned=[1])
    app = PlayedApp(PlayedSession(recorded_run(60), first=6), view)

    async def read(pilot: Pilot[Any]) -> None:
        await until(pilot, lambda: [run.state.step for run in app.cockpit.scene.shown] == [500, 260])
        await until(pilot, lambda: app.cockpit.scene.shown[1].state.status == "lost")

    assert snap_compare(app, terminal_size=size, run_before=read, press=keys)


# -- errors and rare situations ---------------------------------------------------------------------------------------

PRESSED: dict[str, list[str]] = {
    "settings-wrong": ["e", *"x"],
    "set-lr-wrong": ["=", *"x"],
    "filter-wrong": ["/", *"best>x"],
    "filter-none-left": ["/", *"state=lost", "enter"],
    "refused": ["u"],
    "cursor-ahead": ["right"] * 4,
    "not-smoothed": ["z", "z"],
}


@pytest.mark.parametrize("pressed", PRESSED)
def test_what_keys_lead_to(pressed: str, snap_compare: Compare) -> None:
    assert snap_compare(PlayedApp(STATES["running"]()), terminal_size=(120, 36), press=PRESSED[pressed])


def test_keys_of_the_users_own(snap_compare: Compare) -> None:
    view = View(RunSpec(), selected=1, keys={"pause": "p", "schedule": "f5"})
    assert snap_compare(PlayedApp(STATES["running"](), view), terminal_size=(120, 36))


@pytest.mark.parametrize("keys", [["s"], ["?"], ["e"], ["q"]], ids=["picker", "help", "settings", "quit"])
def test_a_dialog_on_the_least_of_terminals(keys: list[str], snap_compare: Compare) -> None:
    assert snap_compare(PlayedApp(STATES["running"]()), terminal_size=(40, 12), press=keys)


@pytest.mark.parametrize("keys", [["?"], ["s", *"cosine"]], ids=["help", "picker"])
def test_a_dialog_in_ascii(keys: list[str], snap_compare: Compare) -> None:
    view = View(RunSpec(), selected=1, ascii=True)
    assert snap_compare(PlayedApp(STATES["switched"](), view), terminal_size=(120, 36), press=keys)


def test_picker_without_colour(monkeypatch: pytest.MonkeyPatch, snap_compare: Compare) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    assert snap_compare(PlayedApp(STATES["switched"]()), terminal_size=(120, 36), press=["s", *"cosine"])


def test_leaving_a_run_that_is_kept(
    size: tuple[int, int], monkeypatch: pytest.MonkeyPatch, snap_compare: Compare
) -> None:
    monkeypatch.setattr(Run, "is_recorded", property(lambda _: True))
    assert snap_compare(PlayedApp(STATES["running"]()), terminal_size=size, press=["q"])


def test_palette_before_anything_is_typed(snap_compare: Compare) -> None:
    async def open_it(pilot: Pilot[Any]) -> None:
        await press(pilot, "ctrl+p")
        # a worker adds the entries one by one
        await until(pilot, lambda: pilot.app.screen.query_one("CommandList").option_count > 20)  # type: ignore[attr-defined]
        await pilot.pause()

    assert snap_compare(PlayedApp(STATES["running"]()), terminal_size=(120, 36), run_before=open_it)


def test_picker_of_a_branch(
    size: tuple[int, int], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, snap_compare: Compare
) -> None:
    monkeypatch.setattr(Run, "is_recorded", property(lambda _: True))
    monkeypatch.setattr(Run, "store_folder", property(lambda _: tmp_path))
    finished = recorded_run(500, outcome="done")
    store_events(tmp_path, finished)
    save_epochs(tmp_path, finished)
    app = PlayedApp(PlayedSession(finished))

    async def choose(pilot: Pilot[Any]) -> None:
        await press(pilot, "b")
        await press(pilot, "up", "enter")
        await until(pilot, lambda: isinstance(app.screen, PickerScreen))

    assert snap_compare(app, terminal_size=size, run_before=choose)


def test_no_picture_is_empty() -> None:
    """An app that fails while its snapshot is taken produces a picture with only its title, and no error."""
    pictures = list((Path(__file__).parent / "__snapshots__").rglob("*.svg"))
    assert pictures
    assert [picture.name for picture in pictures if '<text class="terminal-r' not in picture.read_text()] == []
