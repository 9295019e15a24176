"""The startup: an offer to resume an interrupted run, and the welcome on the first start."""

from __future__ import annotations

import os
import pty
from dataclasses import replace
from pathlib import Path

import pytest
from cockpit_pilot import dialog, message, press, until
from played_session import PlayedApp, PlayedSession
from recorded_runs import recorded_run
from store_runs import store_events
from test_stored_runs import elsewhere

from lrtui.cli.terminal import has_unicode
from lrtui.engine.resume import ResumePlan, interrupted_run
from lrtui.engine.run import Run
from lrtui.run.checkpoint_name import checkpoint_name
from lrtui.run.commands import INTERRUPTED
from lrtui.run.events import Event, Notice, RunFinished
from lrtui.run.spec import RunSpec
from lrtui.settings import read_settings
from lrtui.store import run_rows
from lrtui.store.connection import open_for_writing
from lrtui.tui.panes.header import Header
from lrtui.tui.screens.dialogs import ConfirmScreen, WelcomeScreen
from lrtui.tui.startup import StartupState, read_startup_state
from lrtui.tui.view import View


def with_checkpoint(folder: Path, run: int = 1, seq: int = 60, step: int = 50) -> None:
    place = folder / "checkpoints" / str(run)
    place.mkdir(parents=True, exist_ok=True)
    (place / checkpoint_name(seq, step)).touch()


def stopped(*, by_a_signal: bool) -> list[Event]:
    events = recorded_run(120, outcome="stopped")
    last = events[-1]
    assert isinstance(last, RunFinished)
    if not by_a_signal:
        return events
    at = {"step": last.step, "seconds": last.seconds}
    notice = Notice(seq=last.seq, **at, level="warning", code=INTERRUPTED, text="the terminal hung up")
    return [*events[:-1], notice, replace(last, seq=last.seq + 1)]


def lost(folder: Path) -> None:
    store_events(folder, recorded_run(120))
    connection = open_for_writing(folder)
    run_rows.update(connection, 1, pid=2**22 + 1, pid_started="0")
    connection.close()


def opening(plan: ResumePlan | None, is_first: bool = False) -> StartupState:
    return StartupState(is_first, plan, ("runs my_task.py, sha256 0123",) if plan else ())


def found(folder: Path) -> ResumePlan:
    plan = interrupted_run(folder)
    assert plan is not None
    return plan


@pytest.fixture
def interrupted(tmp_path: Path) -> ResumePlan:
    store_events(tmp_path / "store", stopped(by_a_signal=True))
    with_checkpoint(tmp_path / "store")
    return found(tmp_path / "store")


def test_a_run_stopped_by_a_signal_is_offered(interrupted: ResumePlan) -> None:
    assert interrupted.run.id == 1
    assert interrupted.file.step == 50


def test_a_lost_run_is_offered(tmp_path: Path) -> None:
    lost(tmp_path)
    with_checkpoint(tmp_path)
    assert found(tmp_path).run.state == "lost"


@pytest.mark.parametrize("events", [stopped(by_a_signal=False), recorded_run(500, outcome="done")])
def test_a_run_that_was_stopped_or_is_done_is_not_offered(tmp_path: Path, events: list[Event]) -> None:
    store_events(tmp_path, events)
    with_checkpoint(tmp_path)
    assert interrupted_run(tmp_path) is None


def test_only_the_newest_of_this_directory_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store_events(tmp_path / "store", stopped(by_a_signal=True))
    with_checkpoint(tmp_path / "store")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    assert interrupted_run(tmp_path / "store") is None
    store_events(tmp_path / "store", stopped(by_a_signal=False))
    assert interrupted_run(tmp_path / "store") is None


def test_a_store_without_a_checkpoint_offers_nothing(tmp_path: Path) -> None:
    store_events(tmp_path / "store", stopped(by_a_signal=True))
    assert read_startup_state(RunSpec(store=str(tmp_path / "store")), read_settings()) == StartupState(is_first=False)


async def test_enter_resumes_it_here(interrupted: ResumePlan) -> None:
    app = PlayedApp(PlayedSession())
    async with app.run_test(size=(120, 36)) as pilot:
        await pilot.pause()
        app.cockpit.handle_startup(opening(interrupted))
        await pilot.pause()
        assert "Run #1 was interrupted." in dialog(app)
        assert "runs my_task.py" in dialog(app)
        await press(pilot, "enter")
        assert app.session.resume_plans == [interrupted]
        assert app.view.selected == 1


async def test_escape_leaves_it(interrupted: ResumePlan) -> None:
    app = PlayedApp(PlayedSession())
    async with app.run_test(size=(120, 36)) as pilot:
        await pilot.pause()
        app.cockpit.handle_startup(opening(interrupted))
        await pilot.pause()
        await press(pilot, "escape")
        assert app.session.resume_plans == []
        assert not isinstance(app.screen, ConfirmScreen)


async def test_while_a_run_or_a_dialog_is_active_a_message_says_how_to_resume(interrupted: ResumePlan) -> None:
    for session, key in ((PlayedSession(recorded_run(120)), "1"), (PlayedSession(), "?")):
        app = PlayedApp(session)
        async with app.run_test(size=(120, 36)) as pilot:
            await press(pilot, key)
            app.cockpit.handle_startup(opening(interrupted))
            await pilot.pause()
            assert not isinstance(app.screen, ConfirmScreen)
            if key == "?":
                await press(pilot, "escape")
            assert "Resume it with: lrtui resume 1" in message(app)


@pytest.mark.parametrize(("key", "screen"), [("s", "PickerScreen"), ("question_mark", "HelpScreen")])
async def test_the_keys_that_the_welcome_introduces_act_from_it(key: str, screen: str) -> None:
    app = PlayedApp(PlayedSession())
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        app.cockpit.handle_startup(opening(None, is_first=True))
        await pilot.pause()
        await press(pilot, key)
        await until(pilot, lambda: type(app.screen).__name__ == screen)


async def test_the_welcome_starts_a_run_with_the_users_own_key() -> None:
    app = PlayedApp(PlayedSession(), View(RunSpec(), keys={"restart": "f5"}))
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        app.cockpit.handle_startup(opening(None, is_first=True))
        await pilot.pause()
        assert "f5" in str(app.screen.query("Static").first().render())
        await press(pilot, "f5")
        await until(pilot, lambda: len(app.session.runs) == 1)


async def test_a_later_start_shows_the_newest_run(tmp_path: Path) -> None:
    store_events(tmp_path, recorded_run(120, outcome="stopped"))
    store_events(tmp_path, recorded_run(500, outcome="done"))
    app = PlayedApp(PlayedSession(), View(RunSpec(store=str(tmp_path))))
    async with app.run_test(size=(80, 24)) as pilot:
        app.cockpit.handle_startup(opening(None))
        await until(pilot, lambda: (run := app.cockpit.scene.run) is not None and run.state.step == 500)
        assert app.view.selected == 2
        assert "done" in app.cockpit.query_one(Header).render().plain
        assert not app.cockpit.query_one("#lr").has_class("-empty")


async def test_a_later_start_shows_the_live_run_even_if_it_appears_later(tmp_path: Path) -> None:
    with elsewhere(tmp_path) as other:
        other.say(*recorded_run(120))
        store_events(tmp_path, recorded_run(500, outcome="done"))
        app = PlayedApp(PlayedSession(), View(RunSpec(store=str(tmp_path))))
        async with app.run_test(size=(120, 36)) as pilot:
            app.cockpit.handle_startup(opening(None))
            await until(pilot, lambda: app.view.selected == 1)
            assert not app.session.runs


async def test_the_first_start_shows_the_welcome_and_any_key_closes_it() -> None:
    app = PlayedApp(PlayedSession())
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        app.cockpit.handle_startup(opening(None, is_first=True))
        await pilot.pause()
        assert isinstance(app.screen, WelcomeScreen)
        await press(pilot, "x")
        await until(pilot, lambda: not isinstance(app.screen, WelcomeScreen))
        assert app.session.runs == []


def test_a_start_is_the_first_only_once(tmp_path: Path) -> None:
    spec = RunSpec(store=str(tmp_path / "store"))
    settings = read_settings(tmp_path / "new" / "settings.toml")
    assert read_startup_state(spec, settings).is_first
    again = read_settings(settings.path)
    assert again.exists
    assert not again.faults
    assert not read_startup_state(spec, again).is_first


def test_with_a_store_no_start_is_the_first(tmp_path: Path) -> None:
    store_events(tmp_path / "store", recorded_run(500, outcome="done"))
    settings = read_settings(tmp_path / "new" / "settings.toml")
    assert not read_startup_state(RunSpec(store=str(tmp_path / "store")), settings).is_first
    assert not settings.path.exists()


def test_a_run_shows_where_it_is_stored() -> None:
    assert Run(RunSpec()).store_folder is None


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"LANG": "en_US.UTF-8"}, True),
        ({"LANG": "C", "LC_CTYPE": "C.UTF-8"}, False),
        ({"LANG": "en_US.UTF-8", "LC_ALL": "C"}, False),
        ({"LC_ALL": "POSIX"}, False),
        ({"LANG": "C", "LC_ALL": "C.UTF-8"}, True),
        ({"LANG": "en_US.UTF-8", "TERM": "linux"}, False),
        ({"LC_CTYPE": "C.UTF-8"}, True),
    ],
)
def test_ascii_is_drawn_in_the_c_locale_and_on_the_linux_console(
    environ: dict[str, str], expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("LANG", "LC_ALL", "LC_CTYPE", "TERM"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    with open(os.ttyname(pty.openpty()[1]), "w", encoding="utf-8") as terminal:
        assert has_unicode(terminal) is expected
