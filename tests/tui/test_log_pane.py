"""The log: its filter, and following until the user scrolls up."""

from __future__ import annotations

from cockpit_pilot import press, until
from played_session import PlayedApp, PlayedSession
from recorded_runs import recorded_run
from textual.geometry import Offset
from textual.selection import Selection
from textual.widgets import Log

from lrtui.run.events import Notice
from lrtui.tui.panes.frame import Frame

RUNNING = recorded_run(330)


def rule(app: PlayedApp) -> str:
    return app.screen.query_one("#log").query_one(Frame).render().plain


async def test_a_filter_shows_the_lines_that_contain_its_terms() -> None:
    app = PlayedApp(PlayedSession(RUNNING))
    async with app.run_test(size=(120, 36)) as pilot:
        await press(pilot, "4")
        log = app.screen.query_one(Log)
        await until(pilot, lambda: log.line_count > 0)
        every = log.line_count
        await press(pilot, "slash", *"TEST set")
        assert 0 < log.line_count < every
        assert all("Test set" in line for line in log.lines)
        assert "lines with test set" in rule(app)
        app.session.last.say(Notice(seq=999, step=330, seconds=9.0, level="warning", code="x", text="a test is set up"))
        count = log.line_count
        await until(pilot, lambda: log.line_count == count + 1)
        await press(pilot, "enter")
        assert log.has_focus
        await press(pilot, "slash", "escape")
        assert log.line_count > every


async def test_it_follows_until_the_user_scrolls_up() -> None:
    app = PlayedApp(PlayedSession(RUNNING))
    async with app.run_test(size=(120, 36)) as pilot:
        await press(pilot, "4")
        await until(pilot, lambda: "following" in rule(app))
        await press(pilot, "up", "up")
        await until(pilot, lambda: "press end to follow" in rule(app))
        top = app.screen.query_one(Log).scroll_offset.y
        app.session.last.say(Notice(seq=999, step=330, seconds=9.0, level="warning", code="x", text="more"))
        await pilot.pause(0.5)
        assert app.screen.query_one(Log).scroll_offset.y == top
        await press(pilot, "end")
        await until(pilot, lambda: "following" in rule(app))


async def test_what_is_marked_is_copied_by_ctrl_c_and_nothing_is_left() -> None:
    app = PlayedApp(PlayedSession(RUNNING))
    async with app.run_test(size=(120, 36)) as pilot:
        await press(pilot, "4")
        log = app.screen.query_one(Log)
        await until(pilot, lambda: log.line_count > 0)
        app.screen.selections = {log: Selection(Offset(0, 0), Offset(5, 0))}
        await press(pilot, "ctrl+c")
        assert app.clipboard == log.lines[0][:5]
        assert app.is_running
