"""Runs a range test on a new model or on the live run, and applies the lr that the user chooses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from lrtui.engine.run import Run
from lrtui.run.commands import RangeTest, ScaleLr
from lrtui.run.errors import LrtuiError
from lrtui.run.range_feed import RangeFeed, Sweep
from lrtui.run.spec import trained_group
from lrtui.schedules.notation import parse_optimizer
from lrtui.text.format import four_digits
from lrtui.tui.run_list.source_runs import key_of

# as with all dialogs, the screen is imported when it is first opened
if TYPE_CHECKING:
    from lrtui.tui.screens.cockpit import CockpitScreen
    from lrtui.tui.screens.range_test import RangeTestScreen

MAX_SCALE = 1e6
"""Maximum factor for the remaining lr: a schedule whose lr is almost 0 should be switched, not scaled."""


class RangeTestController:
    """The action `find`.

    Args:
        cockpit: the main screen.
    """

    def __init__(self, cockpit: CockpitScreen) -> None:
        self._cockpit, self._view = cockpit, cockpit.view

    def open(self) -> None:
        """Start a range test on the live run, or on a new model if there is none."""
        run = self._cockpit.scene.command_target
        if run is None:
            self._test_new_model()
        elif isinstance(run, Run):
            self._test_run(run)
        else:
            self._cockpit.say(f"Run {key_of(run)} trains in another process: range tests need a run of this process.")

    def _test_new_model(self) -> None:
        from lrtui.schedules.lr_placement import peak_lr, place_lr
        from lrtui.tui.screens.range_test import RangeTestScreen

        spec, sweep = self._view.spec, Sweep()
        try:
            lr = peak_lr(spec.schedule, spec.optimizer)
            target = place_lr(spec.schedule, spec.optimizer, lr or 1.0).where
            feed = self._cockpit.session.start_range_test(spec, sweep).feed
        except LrtuiError as error:
            self._cockpit.say(str(error))
            return
        screen = RangeTestScreen(feed, sweep, lr, "new model", target, ascii_only=self._view.ascii)
        self._show(screen, self._set_in_settings)

    def _set_in_settings(self, lr: float) -> None:
        from lrtui.schedules.lr_placement import place_lr, rounded

        spec = self._view.spec
        placed = place_lr(spec.schedule, spec.optimizer, rounded(lr))
        self._view.spec = replace(spec, schedule=placed.schedule, optimizer=placed.optimizer)
        self._view.changed()
        self._cockpit.say(f"Set {placed.where} to {four_digits(lr)}. Press r to start a run with it.")

    def _test_run(self, run: Run) -> None:
        from lrtui.tui.screens.range_test import RangeTestScreen

        feed, sweep = RangeFeed(), Sweep()
        feed.waiting_for = "the current step"
        run.send(RangeTest(sweep, feed))
        lr = run.state.current_lrs[_swept_group(run)] if run.state.current_lrs else 0.0
        subject = f"run {run.number} at step {run.state.step:,}"
        screen = RangeTestScreen(feed, sweep, lr, subject, "the highest remaining lr", ascii_only=self._view.ascii)
        self._show(screen, lambda chosen: self._scale(run, chosen))

    def _scale(self, run: Run, lr: float) -> None:
        """Scale the run's schedule so that its highest remaining lr is this one."""
        peak = self._remaining_peak(run)
        if not peak > lr / MAX_SCALE:
            text = "the remaining lr is too low to scale. Press s to switch the schedule."
            self._cockpit.say(f"Run {run.number}: {text}")
            return
        command = ScaleLr(lr / peak)
        if run.send(command) is False:
            self._cockpit.say(f"Run {run.number} is over.")
            return
        self._view.pending.add(run, command)
        self._cockpit.say(f"The highest remaining lr is now {four_digits(lr)}. Press u to undo.")

    def _remaining_peak(self, run: Run) -> float:
        """Return the highest lr from now on; the current lr if there is no forecast or no step remains.

        Both are lrs of the group that the range test sets.
        """
        state, group = run.state, _swept_group(run)
        current = state.current_lrs[group] if state.current_lrs else 0.0
        future = self._cockpit.scene.futures.get(run.number)
        if future is None or not state.scale:
            return current
        remaining = future.lrs[max(0, state.step - future.start_step) :, group]
        return float(remaining.max()) * state.scale[group] if len(remaining) else current

    def _show(self, screen: RangeTestScreen, apply: Callable[[float], None]) -> None:
        def on_choice(lr: float | None) -> None:
            if lr is None:
                return
            try:
                apply(lr)
            except LrtuiError as error:
                self._cockpit.say(str(error))

        self._cockpit.app.push_screen(screen, on_choice)


def _swept_group(run: Run) -> int:
    """Return the index of the parameter group whose lr a range test sets: the first that is not frozen at 0."""
    lrs = run.state.current_lrs
    if not any(lrs) and run.state.started is not None:
        lrs = parse_optimizer(run.state.started.spec.optimizer).lrs
    return trained_group(lrs)
