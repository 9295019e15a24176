"""A partial update renders only the changed lines of changed widgets, and paints what Textual's compositor paints."""

from __future__ import annotations

from played_session import PlayedApp, PlayedSession
from recorded_runs import recorded_run
from rich.console import Console
from textual._compositor import Compositor
from textual.geometry import Region
from textual.widget import Widget
from textual.widgets import Log

from lrtui.run.events import Notice
from lrtui.tui.compositor import PartialCompositor

CHANGES = [
    [Region(5, 0, 20, 1)],
    [Region(5, 0, 20, 1), Region(60, 30, 3, 2)],
    [Region(0, 3, 120, 1), Region(0, 35, 120, 1)],
    [Region(30, 2, 40, 20)],
    [Region(119, 35, 1, 1)],
]


def painted(compositor: Compositor, changed: list[Region]) -> str:
    compositor._dirty_regions = set(changed)
    console = Console(force_terminal=True, color_system="truecolor", width=120, height=36, _environ={})
    with console.capture() as capture:
        console.print(compositor.render_partial_update())
    return capture.get()


async def test_a_partial_update_paints_what_textual_paints() -> None:
    app = PlayedApp(PlayedSession(recorded_run(120)))
    async with app.run_test(size=(120, 36)) as pilot:
        await pilot.pause()
        ours = app.cockpit._compositor
        textuals = Compositor()
        textuals.reflow(app.cockpit, app.size)
        for changed in CHANGES:
            assert painted(ours, changed) == painted(textuals, changed) != ""


async def test_only_changed_widgets_are_rendered() -> None:
    app = PlayedApp(PlayedSession(recorded_run(120)))
    async with app.run_test(size=(120, 36)) as pilot:
        await pilot.pause()
        rendered: list[tuple[Widget, Region]] = []
        compositor = app.cockpit._compositor
        assert isinstance(compositor, PartialCompositor)
        for widget in compositor.visible_widgets:
            draw = widget.render_lines
            widget.render_lines = lambda crop, widget=widget, draw=draw: rendered.append((widget, crop)) or draw(crop)  # type: ignore[method-assign, misc]
        # the first and the last line of the screen
        painted(compositor, [Region(5, 0, 20, 1), Region(0, 35, 120, 1)])
        assert {type(widget).__name__ for widget, _ in rendered} == {"Header", "Footer", "CockpitScreen"}
        assert all(crop.height == 1 for widget, crop in rendered if widget is not app.cockpit)


async def test_a_frame_of_a_run_in_progress_does_not_lay_out_the_screen() -> None:
    app = PlayedApp(PlayedSession(recorded_run(120)))
    async with app.run_test(size=(120, 36)) as pilot:
        await pilot.pause()
        before = app.cockpit.query_one("Header").render().plain
        laid_out: list[Widget] = []
        for widget in app.cockpit.walk_children(Widget):
            refresh = widget.refresh

            def note(*regions: Region, layout: bool = False, refresh=refresh, widget=widget, **more: bool):  # type: ignore[no-untyped-def]
                if layout:
                    laid_out.append(widget)
                return refresh(*regions, layout=layout, **more)

            widget.refresh = note  # type: ignore[method-assign]
        run = app.session.last
        run.say(*recorded_run(140)[-20:])
        run.say(Notice(seq=10_000, step=140, seconds=6.0, level="warning", code="x", text="a line of the log"))
        app.cockpit.draw_now()
        await pilot.pause()
        assert app.cockpit.query_one("Header").render().plain != before
        assert app.cockpit.query_one(Log).lines[-1].endswith("a line of the log")
        assert laid_out == []
