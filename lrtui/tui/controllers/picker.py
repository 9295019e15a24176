"""Opens the schedule picker, and applies its choice."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from lrtui.engine.session import Session
from lrtui.run.commands import SwitchSchedule
from lrtui.tui.controllers.race import RaceController
from lrtui.tui.controllers.runs import Hands, next_batches_per_epoch
from lrtui.tui.forecast import Question
from lrtui.tui.listener import Listener
from lrtui.tui.run_list.row import RunRow
from lrtui.tui.run_list.shown_run import ShownRun
from lrtui.tui.view import View

# importing the picker takes 60 ms: the first press of its key waits for that, not the first frame
if TYPE_CHECKING:
    from lrtui.analysis.advice.advice import Advice
    from lrtui.tui.screens.picker.state import PickerChoice, PickerContext, RaceChoice


class PickerController:
    """The action `schedule`.

    Args:
        session: the runs of this process.
        view: the user's choices.
        screen: shows messages and dialogs.
        ask: asks for a curve.
        hands: starts runs and sends commands.
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
        self._race = RaceController(session, view, screen, rows)

    def do_schedule(self, scheduler: str | None = None) -> None:
        """Open the picker on the live run or on the next run, or as advised on a run that replaces the live one.

        Args:
            scheduler: name of the scheduler to select first.
        """
        from lrtui.tui.screens.picker.state import PickerContext

        view, live = self._view, self._hands.commanded
        started = live.state.started if live is not None else None
        if live is None or started is None:
            shown = self._shown()
            spec = live.spec if live is not None else view.spec
            context = PickerContext(
                view,
                replace(spec, schedule=view.spec.schedule),
                next_batches_per_epoch(view.spec),
                scheduler=scheduler,
                race=self._race.estimate(),
                recorded=(shown.number, shown.state) if shown is not None else None,
            )
            self._open(context, self._apply)
        # a scheduler asked for by name is for the live run
        elif scheduler is None and view.advice is not None and view.advice.restart_epochs is not None:
            self._open_for_replacement(view.advice, live, started.batches_per_epoch)
        else:
            schedule = view.proposal.schedule if view.proposal is not None else live.state.schedule
            context = PickerContext(
                view,
                replace(live.spec, schedule=schedule),
                started.batches_per_epoch,
                live=live.state,
                number=live.number,
                scheduler=scheduler,
                race=self._race.estimate(),
            )
            self._open(context, self._apply)

    def _open(self, context: PickerContext, apply: Callable[[PickerChoice | RaceChoice | None], None]) -> None:
        from lrtui.tui.screens.picker.screen import PickerScreen

        self._screen.app.push_screen(PickerScreen(context, self._ask), apply)

    def _open_for_replacement(self, advice: Advice, live: ShownRun, batches_per_epoch: int) -> None:
        from lrtui.tui.screens.picker.state import PickerChoice, PickerContext

        spec = advice.restart_spec(live.spec)

        def apply(choice: PickerChoice | RaceChoice | None) -> None:
            if isinstance(choice, PickerChoice):
                self._view.spec = replace(spec, schedule=choice.schedule)
                self._view.changed()
                self._hands.start_in_place(self._view.spec)

        race = self._race.estimate()
        self._open(PickerContext(self._view, spec, batches_per_epoch, replaces=live.number, race=race), apply)

    def _apply(self, choice: PickerChoice | RaceChoice | None) -> None:
        from lrtui.tui.screens.picker.state import RaceChoice

        if choice is None:
            return
        if isinstance(choice, RaceChoice):
            self._race.start(choice)
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
            self._screen.say(f"Press r to start a run with {choice.schedule}")
