"""Keys for the charts: axes, smoothing, the visible part of the x axis, the cursor."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lrtui.actions import ACTIONS_BY_NAME
from lrtui.plotting.scale import AXES
from lrtui.text.format import counted
from lrtui.tui.panes.at_cursor import change_at_cursor, event_at_cursor
from lrtui.tui.x_axis import PAN, least_range, now_of, seconds_per_step, shown_range, step_at, whole_range, x_of_step

if TYPE_CHECKING:
    from lrtui.tui.screens.cockpit import CockpitScreen


class ChartViewController:
    """Changes how the charts are drawn.

    Args:
        cockpit: the main screen.
    """

    def __init__(self, cockpit: CockpitScreen) -> None:
        self._cockpit, self._view = cockpit, cockpit.view

    def log_axis(self) -> None:
        pane = self._cockpit.focused_pane
        self._view.toggle_log_axis(pane)
        # a message is needed, since an empty chart does not show the change
        scale = "logarithmic" if pane in self._view.log_axes else "linear"
        self._cockpit.say(f"y axis of the {pane}: {scale}")

    def smoothing(self) -> None:
        span = self._view.next_smoothing()
        self._cockpit.say(
            f"training loss smoothed over {counted(span, 'step')}" if span else "training loss without smoothing"
        )

    def x_axis(self) -> None:
        scene, port = self._cockpit.scene, self._view.viewport
        state = scene.run.state if scene.run else None
        before = port.axis
        after = AXES[(AXES.index(before) + 1) % len(AXES)]
        message = f"x axis: {after}"
        if after == "time" and not any(seconds_per_step(run.state) for run in scene.shown):
            has_steps = any(run.state.step > run.state.first_step for run in scene.shown)
            reason = "the steps were logged without times" if has_steps else "time is available once a run has started"
            after, message = AXES[0], f"x axis: epoch ({reason})"
        elif after == "time" and any(run.state.is_live for run in scene.shown):
            message = "x axis: training time; the remaining time is estimated from the mean time per step"

        def converted(x: float) -> float:
            if state is not None and state.started is not None:
                return x_of_step(state, step_at(state, x, before), after)
            per_epoch = float(scene.preview_batches_per_epoch)
            return x * (per_epoch if before == "epoch" else 1.0) / (per_epoch if after == "epoch" else 1.0)

        if port.window is not None:
            low, high = converted(port.window[0]), converted(port.window[1])
            port.window = (low, high) if low < high else None
        if port.cursor is not None:
            port.cursor = converted(port.cursor)
        port.axis = after
        self._view.changed()
        self._cockpit.say(message)

    def zoom(self, inwards: bool) -> None:
        scene = self._cockpit.scene
        if self._view.viewport.zoom(inwards, whole_range(scene), now_of(scene), least_range(scene)):
            self._changed()
        else:
            self._cockpit.say("can't zoom in further than single steps" if inwards else "this is the whole run")

    def pan(self, direction: int) -> None:
        scene, port = self._cockpit.scene, self._view.viewport
        if port.window is None:
            zoom = ACTIONS_BY_NAME["zoom_in"].key(self._view.keys)
            self._cockpit.say(f"this is the whole run; {zoom} zooms in")
            return
        before = shown_range(scene)
        port.pan(direction * PAN, whole_range(scene), now_of(scene))
        # a window that follows the newest step can be moved without changing the visible range
        if shown_range(scene) == before:
            self._cockpit.say(f"this is the {'start' if direction < 0 else 'end'} of the run")
            return
        self._changed()

    def show_whole_run(self) -> None:
        if self._view.viewport.window is None:
            self._cockpit.say("this is the whole run")
            return
        self._view.viewport.show_whole()
        self._changed()

    def _changed(self) -> None:
        self._view.changed()
        pane = self._cockpit.focused_chart
        if pane is not None and pane.has_class("-empty"):
            # an empty chart that is shown alone would show no change
            self._cockpit.say("there is nothing to draw yet")

    def move_cursor(self, columns: int) -> None:
        scene, before = self._cockpit.scene, self._view.viewport.cursor
        self._view.viewport.move_cursor(columns, self._cockpit.chart_columns, whole_range(scene), now_of(scene))
        # snap to the event that the mark in the cursor's column belongs to
        if (event := event_at_cursor(self._cockpit.scene)) is not None:
            self._view.viewport.cursor = event
        self._view.changed()
        if change := change_at_cursor(self._cockpit.scene):
            self._cockpit.say(change)
        elif self._view.viewport.cursor == before:
            self._cockpit.say(f"the cursor is at the {'start' if columns < 0 else 'end'} of the run")
