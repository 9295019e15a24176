"""The key that chooses a schedule: what the picker is opened on, and what becomes of the choice."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from lrtui.engine.session import Session
from lrtui.run.commands import SwitchSchedule
from lrtui.run.state import RunState
from lrtui.tui.controllers.race import RaceController
from lrtui.tui.controllers.runs import Hands, next_batches_per_epoch
from lrtui.tui.forecast import Question
from lrtui.tui.listener import Listener
from lrtui.tui.run_list.row import RunRow
from lrtui.tui.run_list.shown_run import ShownRun
from lrtui.tui.view import View

# it takes 60 ms to import, with all it knows of schedules: the key's first press waits for it, not the first frame
if TYPE_CHECKING:
    from lrtui.analysis.advice.advice import Advice
    from lrtui.tui.screens.picker.choice import PickerChoice, RaceChoice
    from lrtui.tui.screens.picker.what_if import Recorded


class PickerController:
    """Opens the picker.

    Args:
        session: the runs of this process.
        view: the user's choices.
        screen: shows messages and dialogs.
        ask: asks for a curve.
        hands: what restarts runs and gives commands.
        rows: returns the runs of the store, the newest first.
        shown: returns the run on screen, or None.
    """

    def __init__(
        self,
        session: Session,
        view: View,
        screen: Listener,
        ask: Callable[[str, Question], None],
        hands: Hands,
        rows: Callable[[], Mapping[int, RunRow]],
        shown: Callable[[], ShownRun | None] = lambda: None,
    ) -> None:
        self._view, self._screen, self._ask, self._hands = view, screen, ask, hands
        self._shown = shown
        self._racing = RaceController(session, view, screen, rows)

    def do_schedule(self, scheduler: str | None = None) -> None:
        from lrtui.tui.screens.picker.choice import PickerContext
        from lrtui.tui.screens.picker.screen import PickerScreen

        live = self._hands.commanded
        state = live.state if live and live.state.started else None
        spec = live.spec if live else self._view.spec
        started = state.started if state else None
        advice = self._view.advice
        # a scheduler that was asked for by its name is for the run that goes on
        if scheduler is None and live and started and advice is not None and advice.restart_epochs is not None:
            self._begin_anew(advice, live, started.batches_per_epoch)
            return
        context = PickerContext(
            schedule=self._first_choice(state),
            optimizer=spec.optimizer,
            epochs=spec.epochs,
            batches_per_epoch=started.batches_per_epoch if started else next_batches_per_epoch(self._view.spec),
            live=state,
            number=live.number if live else 0,
            recent=tuple(self._view.recent),
            scheduler=scheduler,
            accumulate=spec.accumulate,
            race=self._racing.terms(),
            recorded=self._recorded() if state is None else None,
            candidates=self._view.candidates,
        )
        self._screen.app.push_screen(PickerScreen(context, self._ask), self._picked)

    def _begin_anew(self, advice: Advice, live: ShownRun, batches_per_epoch: int) -> None:
        from lrtui.tui.screens.picker.choice import PickerChoice, PickerContext
        from lrtui.tui.screens.picker.screen import PickerScreen

        advised = advice.restart_spec(live.spec)
        context = PickerContext(
            schedule=advised.schedule,
            optimizer=advised.optimizer,
            epochs=advised.epochs,
            batches_per_epoch=batches_per_epoch,
            recent=tuple(self._view.recent),
            in_place_of=live.number,
            accumulate=advised.accumulate,
            race=self._racing.terms(),
            candidates=self._view.candidates,
        )

        def picked(choice: PickerChoice | RaceChoice | None) -> None:
            if isinstance(choice, PickerChoice):
                self._view.spec = replace(advised, schedule=choice.schedule)
                self._view.changed()
                self._hands.start_in_place(self._view.spec)

        self._screen.app.push_screen(PickerScreen(context, self._ask), picked)

    def _recorded(self) -> Recorded | None:
        """Return the tests of the run on screen, for a schedule that follows them."""
        from lrtui.tui.screens.picker.what_if import recorded_of

        run = self._shown()
        return recorded_of(f"run #{run.number}", [run.state]) if run is not None else None

    def _first_choice(self, state: RunState | None) -> str:
        """Return the schedule that the picker begins with: what is advised, else what is in force."""
        if state is not None and self._view.proposal is not None:
            return self._view.proposal.schedule
        return state.schedule if state else self._view.spec.schedule

    def _picked(self, choice: PickerChoice | RaceChoice | None) -> None:
        from lrtui.tui.screens.picker.choice import RaceChoice

        if choice is None:
            return
        if isinstance(choice, RaceChoice):
            self._racing.begin(choice)
            return
        self._view.remember(choice.schedule)
        live = self._hands.commanded
        if live is None or choice.restart:
            self._view.spec = replace(self._view.spec, schedule=choice.schedule)
            self._view.changed()
        if choice.restart:
            self._hands.restart(self._view.spec)
        elif live is not None:
            self._hands.send(SwitchSchedule(choice.schedule, choice.anchor))
        else:
            self._screen.say(f"r starts with {choice.schedule}")
