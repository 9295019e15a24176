"""Opens the schedule picker, and applies its choice."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from lrtui.actions import ACTIONS_BY_NAME
from lrtui.run.commands import SwitchSchedule
from lrtui.run.spec import RunSpec
from lrtui.tui.run_list.source_runs import ShownRun, key_of
from lrtui.tui.view import preview_batches_per_epoch

# importing the picker takes 60 ms, which would delay the first frame
if TYPE_CHECKING:
    from lrtui.analysis.advice.advice import Advice
    from lrtui.tui.screens.cockpit import CockpitScreen
    from lrtui.tui.screens.picker.state import PickerChoice, PickerContext, RaceChoice


class PickerController:
    """The action `schedule`.

    Args:
        cockpit: the main screen.
    """

    def __init__(self, cockpit: CockpitScreen) -> None:
        self._cockpit, self._view = cockpit, cockpit.view

    def open(self, scheduler: str | None = None) -> None:
        """Open the picker for the live run or the next run or, if advised, for a new run that replaces the live one.

        Args:
            scheduler: name of the scheduler to select first.
        """
        from lrtui.tui.screens.picker.state import PickerContext

        # the palette's entries for schedulers open the picker without the action
        if refusal := ACTIONS_BY_NAME["schedule"].requirement(self._cockpit.scene.situation):
            self._cockpit.say(refusal)
            return
        view, live = self._view, self._cockpit.scene.command_target
        started = live.state.started if live is not None else None
        if live is None or started is None:
            shown = self._cockpit.scene.run
            spec = live.spec if live is not None else view.spec
            better, reason = self._better(view.spec.schedule) if scheduler is None else ("", "")
            context = PickerContext(
                view,
                replace(spec, schedule=better or view.spec.schedule),
                preview_batches_per_epoch(view.spec),
                scheduler=scheduler,
                reason=reason,
                race=self._cockpit.controllers.race.estimate(),
                recorded=(key_of(shown), shown.state) if shown is not None else None,
            )
            self._show(context, self._apply)
        # a scheduler chosen by name in the palette is for the live run, whatever the advice
        elif scheduler is None and view.advice is not None and view.advice.restart_epochs is not None:
            self._open_for_replacement(view.advice, live, started.batches_per_epoch)
        else:
            better, reason = self._better(live.state.schedule) if scheduler is None else ("", "")
            schedule = better or live.state.schedule
            if view.proposal is not None:
                schedule, reason = view.proposal.schedule, ""
            spec, batches_per_epoch = _horizon_of(live)
            context = PickerContext(
                view,
                replace(spec, schedule=schedule),
                batches_per_epoch,
                live=live.state,
                key=key_of(live),
                scheduler=scheduler,
                reason=reason,
                race=self._cockpit.controllers.race.estimate(),
            )
            self._show(context, self._apply)

    def _better(self, schedule: str) -> tuple[str, str]:
        """Return the fix of the finding on this schedule, and the reason; two empty texts if there is none."""
        finding = self._cockpit.scene.finding
        if finding is None or finding.fix is None or schedule != self._view.spec.schedule:
            return "", ""
        return finding.fix, f"in place of {schedule}: {finding.short or finding.message}"

    def _show(self, context: PickerContext, apply: Callable[[PickerChoice | RaceChoice | None], None]) -> None:
        from lrtui.tui.screens.picker.screen import PickerScreen

        self._cockpit.app.push_screen(PickerScreen(context, self._cockpit.ask), apply)

    def _open_for_replacement(self, advice: Advice, live: ShownRun, batches_per_epoch: int) -> None:
        from lrtui.tui.screens.picker.state import PickerChoice, PickerContext

        spec = advice.restart_spec(live.spec)

        def apply(choice: PickerChoice | RaceChoice | None) -> None:
            if isinstance(choice, PickerChoice):
                self._view.spec = replace(spec, schedule=choice.schedule)
                self._view.changed()
                self._cockpit.controllers.runs.start_instead(self._view.spec)

        race = self._cockpit.controllers.race.estimate()
        self._show(PickerContext(self._view, spec, batches_per_epoch, replaces=key_of(live), race=race), apply)

    def _apply(self, choice: PickerChoice | RaceChoice | None) -> None:
        from lrtui.tui.screens.picker.state import RaceChoice

        if choice is None:
            return
        if isinstance(choice, RaceChoice):
            self._cockpit.controllers.race.start(choice)
            return
        self._view.remember(choice.schedule)
        live = self._cockpit.scene.command_target
        # a switched schedule is also that of the next run, as the settings on screen show it
        if live is None or choice.restart or live is self._cockpit.session.live:
            self._view.spec = replace(self._view.spec, schedule=choice.schedule)
            self._view.changed()
        if choice.restart:
            self._cockpit.controllers.runs.start_or_ask(self._view.spec)
        elif live is not None:
            self._cockpit.controllers.runs.send(SwitchSchedule(choice.schedule, choice.anchor))
        else:
            self._cockpit.say(f"Press r to start a run with {choice.schedule}")


def _horizon_of(live: ShownRun) -> tuple[RunSpec, int]:
    """Return a run's settings and its steps per epoch; one of unknown length seems to go on as long as it has."""
    from lrtui.schedules.horizon import Horizon

    started, spec = live.state.started, live.state.as_trained(live.spec)
    assert started is not None
    if started.total_steps is not None:
        return spec, started.batches_per_epoch
    made = Horizon.so_far(live.state)
    return replace(spec, epochs=2 * made.epochs), made.batches_per_epoch
