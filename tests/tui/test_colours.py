"""Colours and letters of the runs that are drawn."""

from __future__ import annotations

import pytest
from cockpit_pilot import press
from played_session import PlayedApp, PlayedSession
from recorded_runs import recorded_run
from rich.color import ColorSystem
from rich.style import Style
from textual.color import Color
from textual.theme import BUILTIN_THEMES

from lrtui.plotting.layers import LINE_COLOURS
from lrtui.run.spec import RunSpec
from lrtui.tui.colours import (
    ANSI_COLOURS,
    BACKGROUNDS,
    GRAPHICS,
    LINES,
    PAIRS,
    TEXT,
    VGA,
    Palette,
    contrast,
    readable_variables,
)
from lrtui.tui.dim_filter import is_graphic
from lrtui.tui.panes.chart_pane import ChartPane
from lrtui.tui.panes.frame import Frame
from lrtui.tui.panes.header import Header
from lrtui.tui.run_list.run_list import RunList
from lrtui.tui.view import View

SYSTEMS = (ColorSystem.TRUECOLOR, ColorSystem.EIGHT_BIT, ColorSystem.STANDARD)


def on_screen(value: str, theme: str, system: ColorSystem, behind: Color | None = None) -> Color:
    """Return the colour that a terminal shows for a variable, with VGA's palette where it has 16 colours."""
    is_dark = BUILTIN_THEMES[theme].dark
    if value == "ansi_default":
        return Color(0, 0, 0) if is_dark else Color(255, 255, 255)
    if value.startswith("ansi_"):
        return Color(*VGA[ANSI_COLOURS.index(value.removeprefix("ansi_"))])
    colour = Color.parse(value)
    colour = colour if behind is None else behind + colour
    if system == ColorSystem.TRUECOLOR:
        return colour
    reduced = colour.rich_color.downgrade(system)
    return Color(*(VGA[reduced.number or 0] if system == ColorSystem.STANDARD else reduced.get_truecolor()))


def variables_of(theme: str, system: ColorSystem) -> dict[str, str]:
    chosen = BUILTIN_THEMES[theme]
    variables = {"foreground-disabled": "ansi_bright_black"} | chosen.to_color_system().generate() | chosen.variables
    return readable_variables(variables, Palette(system, chosen.ansi, chosen.dark))


@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.parametrize("theme", BUILTIN_THEMES)
def test_text_can_be_read_in_every_theme(theme: str, system: ColorSystem) -> None:
    variables = variables_of(theme, system)
    ground = on_screen(variables["background"], theme, system)
    few = system == ColorSystem.STANDARD or BUILTIN_THEMES[theme].ansi
    behind = [ground] if few else [on_screen(variables[name], theme, system, ground) for name in BACKGROUNDS]
    for name in (*TEXT, *LINES, *GRAPHICS):
        if (value := variables.get(name, "ansi_default")) == "ansi_default":
            continue
        ratio = 3.0 if name in GRAPHICS else 4.5
        for each in behind if name in TEXT else behind[:1]:
            assert contrast(on_screen(value, theme, system, each).rgb, each.rgb) >= ratio, name
    for pair in PAIRS:
        cursor, text = (on_screen(variables[f"{pair}-{part}"], theme, system) for part in ("background", "foreground"))
        assert contrast(cursor.rgb, text.rgb) >= 4.5, pair
    # Textual draws the usual text on the cursor of a list without the focus
    cursor = on_screen(variables["block-cursor-blurred-background"], theme, system)
    usual = on_screen(variables["foreground"], theme, system, ground)
    if variables["foreground"] == "ansi_default":
        usual = Color(255, 255, 255) if BUILTIN_THEMES[theme].dark else Color(0, 0, 0)
    assert contrast(cursor.rgb, usual.rgb) >= 4.5


@pytest.mark.parametrize("theme", [name for name, theme in BUILTIN_THEMES.items() if not theme.ansi])
def test_progress_does_not_look_like_an_error_with_16_colours(theme: str) -> None:
    variables = variables_of(theme, ColorSystem.STANDARD)
    assert variables["accent"] != variables["error"]


def test_as_many_lines_as_possible_differ_with_16_colours() -> None:
    variables = variables_of("textual-dark", ColorSystem.STANDARD)
    assert len({variables[name] for name in LINES}) == LINE_COLOURS


def test_a_colour_that_can_be_read_is_not_changed() -> None:
    variables = variables_of("textual-dark", ColorSystem.TRUECOLOR)
    assert variables["accent"].lower() == "#fea62b"
    assert Color.parse(variables["chart-line-1"]) == Color.parse("#56b4e9")


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


def faint_texts(app: PlayedApp) -> list[str]:
    """Return the texts on screen that can't be read."""
    found = []
    for strip in app.screen._compositor.render_strips():
        segments = list(strip)
        for line_filter in app.get_line_filters():
            segments = line_filter.apply(segments, app.screen.background_colors[1])
        for segment in segments:
            style, text = segment.style or Style(), segment.text.strip()
            if not text or style.color is None or style.bgcolor is None or style.color.triplet is None:
                continue
            # the thumb of a scroll bar, and the line between the columns
            if set(text) <= set("▁▂▃▄▅▆▇█│"):
                continue
            pair = (style.color.get_truecolor(), style.bgcolor.get_truecolor())
            if contrast(*pair) < (3.0 if is_graphic(text) else 4.5) - 0.02:
                found.append(f"{text[:30]} {style}")
    return found


async def test_every_theme_that_is_offered_has_readable_colours_on_all_screens() -> None:
    app = PlayedApp(PlayedSession(recorded_run(60), recorded_run(120, nudge_at=60)))
    async with app.run_test(size=(120, 36)) as pilot:
        await press(pilot, "m")
        # each screen has a separate style sheet
        for key in ("s", "?", "e", "="):
            await press(pilot, key)
            await press(pilot, "escape")
        for name in app.available_themes:
            app.theme = name
            await pilot.pause()
            app.cockpit.draw_now()
            await pilot.pause()
            assert app.is_running, name
            if not BUILTIN_THEMES[name].ansi:
                assert not faint_texts(app), name


async def test_the_header_takes_the_colours_of_a_new_theme() -> None:
    app = PlayedApp(PlayedSession(recorded_run(60)))
    async with app.run_test(size=(120, 36)) as pilot:
        await pilot.pause()
        before = {str(span.style) for span in app.screen.query_one(Header).render().spans}
        app.theme = "catppuccin-latte"
        await pilot.pause()
        app.cockpit.draw_now()
        assert before != {str(span.style) for span in app.screen.query_one(Header).render().spans}


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


async def test_letters_and_colours_of_runs_are_in_the_list_and_in_every_chart_pane() -> None:
    app = PlayedApp(PlayedSession(recorded_run(60), recorded_run(120)))
    async with app.run_test(size=(120, 36)) as pilot:
        await press(pilot, "5", "m", "up" if app.cockpit.view.selected == 2 else "down")
        scene = app.cockpit.scene
        assert len(scene.shown) == 2
        for pane in app.screen.query(ChartPane):
            title = pane.query_one(Frame).render().plain
            assert "A #1" in title, title
            assert "B #2" in title, title
        lines = app.screen.query_one(RunList).lines
        assert sorted(str(line)[1] for line in lines) == ["A", "B"]
        # the run at the cursor has the cursor's colour
        other = next(line for line in lines if str(line)[0] == "m")
        assert any(span.start == 1 and "color" in repr(span.style) for span in other.spans)
