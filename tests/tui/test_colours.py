"""Colours and letters of the runs that are drawn."""

from __future__ import annotations

import pytest
from cockpit_pilot import press
from played_session import PlayedApp, PlayedSession
from recorded_runs import recorded_run
from textual.theme import BUILTIN_THEMES

from lrtui.plotting.layers import LINE_COLOURS
from lrtui.run.spec import RunSpec
from lrtui.tui.view import View


def drawn(*numbers: int) -> View:
    view = View(RunSpec())
    for number in numbers:
        view.toggle_pin(number)
    return view


def test_two_runs_that_are_drawn_never_share_a_colour() -> None:
    view = drawn(1, 9, 17, 2)
    assert [view.place_of(number) for number in (1, 9, 17, 2)] == [0, 1, 2, 3]


def test_a_run_keeps_its_colour_when_another_is_removed() -> None:
    view = drawn(1, 9)
    view.toggle_pin(1)
    assert view.place_of(9) == 1
    view.toggle_pin(1)
    assert view.place_of(1) == 0


def test_more_runs_than_colours_have_letters_of_their_own() -> None:
    view = drawn(*range(1, LINE_COLOURS + 4))
    assert len(set(view.places.values())) == LINE_COLOURS + 3


def test_a_pinned_run_on_screen_is_drawn_once() -> None:
    view = drawn(3)
    view.select(3)
    assert view.places == {3: 2}


def test_runs_of_other_sources_have_colours_and_letters_in_the_order_of_drawing() -> None:
    view = drawn(-5, -2, 1)
    assert [view.place_of(number) for number in (-5, -2, 1)] == [0, 1, 2]
    assert View(RunSpec()).place_of(-3) == 0


async def test_every_theme_that_is_offered_has_all_colours_of_all_screens() -> None:
    app = PlayedApp(PlayedSession(recorded_run(60)))
    async with app.run_test(size=(120, 36)) as pilot:
        # each screen has a separate style sheet
        for key in ("s", "?", "e", "="):
            await press(pilot, key)
            await press(pilot, "escape")
        for name in app.available_themes:
            app.theme = name
            await pilot.pause()
            assert app.is_running, name


@pytest.mark.parametrize("theme", [name for name, theme in BUILTIN_THEMES.items() if theme.ansi])
async def test_a_theme_of_the_terminals_own_colours_leaves_its_background(theme: str) -> None:
    app = PlayedApp(PlayedSession(recorded_run(60)))
    app.theme = theme
    async with app.run_test(size=(120, 36)) as pilot:
        await pilot.pause()
        strips = app.screen._compositor.render_strips()
        backgrounds = [segment.style.bgcolor for strip in strips for segment in strip if segment.style]
        at_rest = [colour for colour in backgrounds if colour is None or colour.is_default]
        # except for the cursor of the list and the scroll bar
        assert len(at_rest) > 0.9 * len(backgrounds)
