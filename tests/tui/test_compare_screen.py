"""The screen that compares pinned runs."""

from __future__ import annotations

from pathlib import Path

import pytest
from played_session import PlayedApp, PlayedSession
from recorded_runs import recorded_run
from store_runs import store_events
from test_stored_runs import message, numbers, until
from textual.containers import VerticalScroll
from textual.widgets import Static

from lrtui.run.spec import RunSpec
from lrtui.tui.screens.compare import CompareScreen, arrange_in_rows, comparison_text
from lrtui.tui.view import View

DONE = recorded_run(500, outcome="done")
SHORT = recorded_run(130, outcome="stopped", schedule="ExponentialLR(gamma=0.1)")


def page(app: PlayedApp) -> str:
    return str(app.screen.query_one("#page", Static).render())


async def test_c_needs_two_pinned_runs() -> None:
    app = PlayedApp(PlayedSession(DONE, SHORT))
    async with app.run_test(size=(120, 36)) as pilot:
        await pilot.press("c")
        assert "pin at least two runs with m first (0 pinned)" in message(app)
        await pilot.press("m", "c")
        assert "(1 pinned)" in message(app)
        await pilot.press("5", "down", "m", "c")
        assert isinstance(app.screen, CompareScreen)
        await pilot.press("escape")
        assert not isinstance(app.screen, CompareScreen)


def test_the_page_starts_with_the_differences_and_marks_the_best() -> None:
    text = comparison_text(PlayedSession(DONE, SHORT).runs, 200)
    lines = text.plain.splitlines()
    assert lines[0].startswith("#1 ✓ done, StepLR(step_size=1, gamma=0.5), 500 steps")
    assert lines.index("settings that differ") < lines.index("last and best results on the test set")
    assert "  schedule  #1  StepLR(step_size=1, gamma=0.5)" in lines
    best = [text.plain[span.start : span.end] for span in text.spans if "*" in text.plain[span.start : span.end]]
    assert "0.9283*" in best
    assert "test accuracy at equal epochs" in text.plain
    assert "test accuracy at equal seconds" in text.plain


def test_tables_are_arranged_in_rows_if_they_fit() -> None:
    assert arrange_in_rows([["ab", "c"], ["d"]], 7) == [["ab    d", "c"]]
    assert arrange_in_rows([["ab", "c"], ["d"]], 6) == [["ab", "c"], ["d"]]


@pytest.mark.parametrize("size", [(80, 24), (120, 36), (200, 50), (20, 5)])
async def test_the_page_fits_and_scrolls(size: tuple[int, int]) -> None:
    session = PlayedSession(*[DONE] * 4, SHORT)
    app = PlayedApp(session, View(RunSpec(), selected=5, pinned=[5, 4, 3, 2, 1]))
    async with app.run_test(size=size) as pilot:
        await pilot.press("c")
        await pilot.pause()
        lines = page(app).splitlines()
        if size[0] >= 80:
            assert max(map(len, lines)) <= size[0] - 3
        await pilot.press("end")
        box = app.screen.query_one(VerticalScroll)
        await until(pilot, lambda: box.scroll_offset.y == box.max_scroll_y)


async def test_runs_of_the_store_are_compared_with_those_of_this_process(tmp_path: Path) -> None:
    store_events(tmp_path, DONE)
    app = PlayedApp(PlayedSession(SHORT, SHORT), View(RunSpec(store=str(tmp_path)), selected=2, pinned=[2]))
    app.session.runs = app.session.runs[1:]
    async with app.run_test(size=(120, 36)) as pilot:
        await until(pilot, lambda: numbers(app) == [2, 1])
        await pilot.press("5", "down", "m", "c")
        await until(pilot, lambda: "#1 ✓ done, StepLR(step_size=1, gamma=0.5), 500 steps" in page(app))
        assert "#2 ■ stopped" in page(app)


async def test_the_page_follows_a_live_run() -> None:
    story = recorded_run(200)
    app = PlayedApp(PlayedSession(DONE, story[:100]), View(RunSpec(), selected=2, pinned=[1, 2]))
    async with app.run_test(size=(120, 36)) as pilot:
        await pilot.press("c")
        assert " 200 steps" not in page(app)
        app.session.last.say(*story[100:])
        await until(pilot, lambda: " 200 steps" in page(app))
