"""What the keys do to the charts: axes, smoothing, the window on the x axis, the cursor, exports."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from lrtui.actions import ACTIONS_BY_NAME
from lrtui.plotting.x_axis import AXES
from lrtui.tui.listener import Listener
from lrtui.tui.moments import pace, step_at, x_of_step
from lrtui.tui.panes.at_cursor import change_at_cursor, event_at_cursor
from lrtui.tui.panes.chart_pane import ChartPane
from lrtui.tui.panes.curves import least_range, now_of, shown_range, whole_range
from lrtui.tui.view import Scene, View
from lrtui.tui.viewport import PAN


class ChartListener(Listener, Protocol):
    """The screen, as far as these keys know it."""

    @property
    def focused_chart(self) -> ChartPane | None:
        """The pane with the focus, where it is a chart."""
        ...


class ChartKeys:
    """A method `do_<action>` for each action that has to do with charts.

    Args:
        view: the user's choices.
        screen: knows the focus, shows messages.
        scene: returns what is drawn now.
    """

    def __init__(self, view: View, screen: ChartListener, scene: Callable[[], Scene]) -> None:
        self._view, self._screen, self._scene = view, screen, scene

    def _is_on_chart(self, action: str) -> bool:
        if self._screen.focused_chart is not None:
            return True
        key = ACTIONS_BY_NAME[action].key(self._view.keys)
        self._screen.say(f"{key}: go to a chart first, with 1, 2 or 3")
        return False

    def _say_where_nothing_is_drawn(self) -> None:
        """Say that what was done will show later: where one pane is shown at a time, nothing else tells it."""
        pane = self._screen.focused_chart
        if pane is not None and pane.has_class("-empty"):
            self._screen.say("nothing is drawn here yet")

    def do_log_axis(self) -> None:
        if self._is_on_chart("log_axis"):
            pane = self._screen.focused_pane
            self._view.toggle_log_axis(pane)
            # a chart that is still empty does not show it
            self._screen.say(f"y axis of the {pane}: {'logarithmic' if pane in self._view.log_axes else 'linear'}")

    def do_smoothing(self) -> None:
        span = self._view.next_smoothing()
        self._screen.say(f"training loss smoothed over {span} steps" if span else "training loss as it is")

    def do_x_axis(self) -> None:
        scene, port = self._scene(), self._view.viewport
        state = scene.run.state if scene.run else None
        before = port.axis
        after = AXES[(AXES.index(before) + 1) % len(AXES)]
        words = f"x axis: {after}"
        if after == "time" and not any(pace(run.state) for run in scene.shown):
            after, words = AXES[0], "x axis: epoch; time comes when a run goes: a schedule alone has no pace"
        elif after == "time" and any(run.state.is_live for run in scene.shown):
            words = "x axis: training time; what is to come, at the pace so far"

        def moved(x: float) -> float:
            if state is not None and state.started is not None:
                return x_of_step(state, step_at(state, x, before), after)
            per_epoch = float(scene.preview_batches_per_epoch)
            return x * (per_epoch if before == "epoch" else 1.0) / (per_epoch if after == "epoch" else 1.0)

        if port.window is not None:
            low, high = moved(port.window[0]), moved(port.window[1])
            port.window = (low, high) if low < high else None
        if port.cursor is not None:
            port.cursor = moved(port.cursor)
        port.axis = after
        self._view.changed()
        self._screen.say(words)

    def do_zoom_in(self) -> None:
        self._zoom(True)

    def do_zoom_out(self) -> None:
        self._zoom(False)

    def _zoom(self, inwards: bool) -> None:
        if not self._is_on_chart("zoom_in" if inwards else "zoom_out"):
            return
        scene = self._scene()
        if self._view.viewport.zoom(inwards, whole_range(scene), now_of(scene), least_range(scene)):
            self._view.changed()
            self._say_where_nothing_is_drawn()
        else:
            self._screen.say("these are single steps" if inwards else "this is the whole run")

    def do_pan_left(self) -> None:
        self._pan(-PAN)

    def do_pan_right(self) -> None:
        self._pan(PAN)

    def _pan(self, widths: float) -> None:
        if not self._is_on_chart("pan_left" if widths < 0 else "pan_right"):
            return
        scene, port = self._scene(), self._view.viewport
        if port.window is None:
            zoom = ACTIONS_BY_NAME["zoom_in"].key(self._view.keys)
            self._screen.say(f"this is the whole run; {zoom} zooms in")
            return
        before = shown_range(scene)
        port.pan(widths, whole_range(scene), now_of(scene))
        # one that goes along with the newest step may be moved, and be back where it was
        if shown_range(scene) == before:
            self._screen.say(f"this is the run's {'beginning' if widths < 0 else 'end'}")
            return
        self._view.changed()
        self._say_where_nothing_is_drawn()

    def do_whole_run(self) -> None:
        if not self._is_on_chart("whole_run"):
            return
        if self._view.viewport.window is None:
            self._screen.say("this is the whole run")
            return
        self._view.viewport.show_whole()
        self._view.changed()
        self._say_where_nothing_is_drawn()

    def do_cursor_left(self) -> None:
        self._move_cursor(-1)

    def do_cursor_right(self) -> None:
        self._move_cursor(1)

    def _move_cursor(self, columns: int) -> None:
        if not self._is_on_chart("cursor_left" if columns < 0 else "cursor_right"):
            return
        scene, before = self._scene(), self._view.viewport.cursor
        self._view.viewport.move_cursor(columns, scene.columns, whole_range(scene), now_of(scene))
        # the moment that a sign in the cursor's column stands for, rather than the middle of the column
        if (event := event_at_cursor(self._scene())) is not None:
            self._view.viewport.cursor = event
        self._view.changed()
        if words := change_at_cursor(self._scene()):
            self._screen.say(words)
        elif self._view.viewport.cursor == before:
            self._screen.say(f"the cursor is at the run's {'beginning' if columns < 0 else 'end'}")

    def do_export(self) -> None:
        if not self._is_on_chart("export"):
            return
        # 20 ms to import, and seldom wanted
        from lrtui.tui.controllers.export import export

        pane = self._screen.focused_chart
        if pane is not None:
            self._screen.say(export(pane, self._scene()))
