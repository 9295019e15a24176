"""What the key does that finds an lr: a range test, and its choice put where it belongs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from lrtui.engine.run import Run
from lrtui.engine.session import Session
from lrtui.run.commands import RangeTest, ScaleLr
from lrtui.run.errors import LrtuiError
from lrtui.run.range_feed import RangeFeed
from lrtui.run.sweep import Sweep
from lrtui.text.numbers import four_digits
from lrtui.tui.listener import Listener
from lrtui.tui.view import Scene, View

# the screen is imported when it is first asked for, as all dialogs are
if TYPE_CHECKING:
    from lrtui.tui.screens.range_test import Quest


MOST_SCALED = 1e6
"""What an lr to come is multiplied by at most: a schedule that is spent is switched, and not blown up."""


class RangeTestController:
    """Makes a range test on a fresh model, or from the state of the run that goes on in this process.

    Args:
        session: the runs.
        view: the user's choices.
        screen: shows messages and dialogs.
        scene: returns what is drawn now.
    """

    def __init__(self, session: Session, view: View, screen: Listener, scene: Callable[[], Scene]) -> None:
        self._session, self._view, self._screen, self._scene = session, view, screen, scene

    def do_find(self) -> None:
        run = self._scene().commanded
        if run is None:
            self._find_for_next_run()
        elif isinstance(run, Run):
            self._find_for(run)
        else:
            self._screen.say(f"run #{run.number} goes on in another process; choose one of this process to test it")

    # -- the next run -------------------------------------------------------------------------------------------------

    def _find_for_next_run(self) -> None:
        from lrtui.schedules.lr_placement import peak_lr, place_lr
        from lrtui.tui.screens.range_test import Quest

        spec, sweep = self._view.spec, Sweep()
        try:
            own_lr = peak_lr(spec.schedule, spec.optimizer)
            where = place_lr(spec.schedule, spec.optimizer, own_lr or 1.0).where
            test = self._session.start_range_test(spec, sweep)
        except LrtuiError as error:
            self._screen.say(str(error))
            return
        self._show(Quest(test.feed, sweep, own_lr, "a fresh model", where, self._view.ascii), self._put_in_settings)

    def _put_in_settings(self, lr: float) -> None:
        from lrtui.schedules.lr_placement import place_lr, rounded

        spec = self._view.spec
        placed = place_lr(spec.schedule, spec.optimizer, rounded(lr))
        self._view.spec = replace(spec, schedule=placed.schedule, optimizer=placed.optimizer)
        self._view.changed()
        self._screen.say(f"{placed.where} is {four_digits(lr)} now; r starts with it")

    # -- a run that goes on -------------------------------------------------------------------------------------------

    def _find_for(self, run: Run) -> None:
        from lrtui.tui.screens.range_test import Quest

        feed, sweep = RangeFeed(), Sweep()
        feed.waits_for = "the step under way"
        run.send(RangeTest(sweep, feed))
        lrs = run.state.current_lrs
        quest = Quest(
            feed,
            sweep,
            lrs[0] if lrs else 0.0,
            f"run #{run.number}, as it is at step {run.state.step:,}",
            "the highest lr to come",
            self._view.ascii,
        )
        self._show(quest, lambda lr: self._scale(run, lr))

    def _scale(self, run: Run, lr: float) -> None:
        """Make the lr the highest that is to come: of a schedule that only falls, this moment's."""
        peak = self._peak_to_come(run)
        if not peak > lr / MOST_SCALED:
            words = "no lr worth scaling is to come; s puts another schedule in place"
            self._screen.say(f"run #{run.number}: {words}")
            return
        command = ScaleLr(lr / peak)
        if run.send(command) is False:
            self._screen.say(f"run #{run.number} is over")
            return
        self._view.pending.give(run, command)
        self._screen.say(f"the highest lr to come is {four_digits(lr)}; u takes it back")

    def _peak_to_come(self, run: Run) -> float:
        state, now = run.state, max(run.state.current_lrs[:1], default=0.0)
        future = self._scene().futures.get(run.number)
        if future is None or not state.scale:
            return now
        to_come = future.lrs[max(0, state.step - future.start_step) :, 0]
        return float(to_come.max()) * state.scale[0] if len(to_come) else now

    # -- the screen ---------------------------------------------------------------------------------------------------

    def _show(self, quest: Quest, put: Callable[[float], None]) -> None:
        from lrtui.tui.screens.range_test import RangeTestScreen

        def chosen(lr: float | None) -> None:
            if lr is None:
                return
            try:
                put(lr)
            except LrtuiError as error:
                self._screen.say(str(error))

        self._screen.app.push_screen(RangeTestScreen(quest), chosen)
