"""What clicks do: keys in the footer, and charts."""

from __future__ import annotations

import pytest
from cockpit_pilot import message, press, until
from played_session import PlayedApp, PlayedSession
from recorded_runs import recorded_run

from lrtui.run.commands import Command, Pause, ScaleLr, Stop
from lrtui.tui.panes.chart_view import ChartView
from lrtui.tui.panes.footer import Footer
from lrtui.tui.panes.tabs import Tabs
from lrtui.tui.screens.dialogs import ChoiceLine
from lrtui.tui.screens.help import help_text


@pytest.mark.parametrize(
    ("text", "offset", "sent"),
    [
        ("space pause", 2, Pause()),
        ("space pause", 8, Pause()),
        ("+-= lr", 0, ScaleLr(1.25)),
        ("+-= lr", 1, ScaleLr(0.8)),
        ("+-= lr", 5, ScaleLr(1.25)),
    ],
)
async def test_a_click_on_a_key_in_the_footer_does_what_the_key_does(text: str, offset: int, sent: Command) -> None:
    app = PlayedApp(PlayedSession(recorded_run(120)))
    async with app.run_test(size=(120, 36)) as pilot:
        await until(pilot, lambda: text in message(app))
        await pilot.click(Footer, offset=(message(app).index(text) + offset, 0))
        await until(pilot, lambda: bool(app.session.last.sent))
        assert app.session.last.sent == [sent]


async def test_a_click_between_keys_does_nothing() -> None:
    app = PlayedApp(PlayedSession(recorded_run(120)))
    async with app.run_test(size=(120, 36)) as pilot:
        await until(pilot, lambda: "space pause" in message(app))
        await pilot.click(Footer, offset=(message(app).index("space pause") - 2, 0))
        await pilot.click(Footer, offset=(119, 0))
        await pilot.pause()
        assert not app.session.last.sent


async def test_a_click_on_a_message_brings_the_keys_back() -> None:
    app = PlayedApp(PlayedSession(recorded_run(120)))
    async with app.run_test(size=(120, 36)) as pilot:
        await pilot.pause()
        app.cockpit.say("something")
        await pilot.click(Footer, offset=(3, 0))
        await until(pilot, lambda: "space pause" in message(app))


async def test_a_click_on_a_tab_shows_its_pane() -> None:
    app = PlayedApp(PlayedSession(recorded_run(120)))
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        tabs = app.cockpit.query_one(Tabs)
        await pilot.click(Tabs, offset=(tabs.render().plain.index("4 log"), 0))
        await until(pilot, lambda: app.cockpit.focused_pane == "log")


async def test_a_click_on_an_answer_gives_it() -> None:
    app = PlayedApp(PlayedSession(recorded_run(120)))
    async with app.run_test(size=(120, 36)) as pilot:
        await press(pilot, "x")
        await pilot.click(ChoiceLine, offset=(5, 0))
        await until(pilot, lambda: app.session.last.sent == [Stop()])


async def test_a_click_on_a_chart_moves_the_cursor_there() -> None:
    app = PlayedApp(PlayedSession(recorded_run(500, outcome="done")))
    async with app.run_test(size=(120, 36)) as pilot:
        await pilot.pause()
        view = app.cockpit.query_one("#loss ChartView", ChartView)
        await pilot.click(view, offset=(view.size.width - 1 - view.columns // 2, 3))
        await until(pilot, lambda: app.view.viewport.cursor is not None)
        assert app.view.viewport.cursor == pytest.approx(5.0, abs=0.2)
        await until(pilot, lambda: app.cockpit.focused_pane == "loss")


@pytest.mark.parametrize("width", [60, 76, 104])
def test_the_help_keeps_its_columns_with_a_long_key(width: int) -> None:
    lines = help_text(width, "lr", {"pause": "ctrl+shift+space", "quit": "ctrl+shift+alt+q"}).plain.splitlines()
    keys = next(index for index, line in enumerate(lines) if "ctrl+shift+space" in line)
    assert all(len(line) <= width for line in lines[keys : keys + 20])
    starts = {line.index(text) for line in lines for text in ("choose or switch", "start or restart") if text in line}
    assert len(starts) == 1
