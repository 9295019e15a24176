"""What the keys do to runs: start, stop, switch, nudge, and the dialogs that ask what the user wants."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol

from textual.app import App

from lrtui.live_run import Run
from lrtui.run.commands import Command, Pause, Resume, ScaleLr, SetLr, Stop, SwitchSchedule, UndoLr
from lrtui.run.errors import LrtuiError
from lrtui.run.spec import RunSpec
from lrtui.session import Session
from lrtui.tasks.sizes import expected_batches_per_epoch
from lrtui.tui.forecast import Question
from lrtui.tui.view import View

# the dialogs take 60 ms to import, with all they know of schedules: each is imported when it is first asked for,
# so that the first frame waits for none
if TYPE_CHECKING:
    from lrtui.tui.screens.picker_choice import PickerChoice
    from lrtui.tui.screens.settings import SettingsChoice

NUDGE = 1.25
"""What one press of + multiplies the lr by, and one of - divides it by."""

UNKNOWN_BATCHES = 100
"""Steps an epoch is drawn with where only a run can tell: the shape is right, and so is every epoch's lr."""


def next_batches_per_epoch(spec: RunSpec) -> int:
    """Return the steps that an epoch of the next run is drawn with."""
    return expected_batches_per_epoch(spec) or UNKNOWN_BATCHES


class Listener(Protocol):
    """The screen, as far as the hands know it."""

    @property
    def app(self) -> App[Any]:
        """Where dialogs are pushed."""
        ...

    def say(self, message: str) -> None:
        """Show a message for a few seconds."""
        ...


class Hands:
    """A method `do_<action>` for each action that has to do with runs.

    Args:
        session: the runs.
        view: the user's choices.
        screen: shows messages and dialogs.
        ask: asks for a curve.
    """

    def __init__(self, session: Session, view: View, screen: Listener, ask: Callable[[str, Question], None]) -> None:
        self._session, self._view, self._screen, self._ask = session, view, screen, ask
        self.waiting: RunSpec | None = None
        """Settings of the run that starts when the one under way has stopped."""

    def start_waiting(self) -> None:
        """Start the run that waits, where nothing is under way any more."""
        if self.waiting is not None and self._session.live is None:
            spec, self.waiting = self.waiting, None
            self.start_run(spec)

    def _send(self, command: Command) -> None:
        if run := self._session.live:
            run.send(command)

    def do_restart(self) -> None:
        self._restart(self._view.spec)

    def _restart(self, spec: RunSpec) -> None:
        from lrtui.tui.screens.confirm import Choice, ConfirmScreen

        if self._session.live is None:
            self.start_run(spec)
            return

        def answered(answer: str | None) -> None:
            if answer == "restart":
                self.waiting = spec
                self._send(Stop())

        number = self._session.live.number
        self._screen.app.push_screen(
            ConfirmScreen(
                f"Run #{number} is going. Stop it and start anew?",
                (Choice("r", "stop it, start the next", "restart"), Choice("escape", "let it go on", None)),
            ),
            answered,
        )

    def start_run(self, spec: RunSpec) -> None:
        try:
            run = self._session.start(spec)
        except LrtuiError as error:
            self._screen.say(str(error))
            return
        self._view.remember(spec.schedule)
        self._view.select(run.number)

    def do_schedule(self) -> None:
        from lrtui.tui.screens.picker import SLOT, PickerScreen
        from lrtui.tui.screens.picker_choice import PickerContext

        live = self._session.live
        state = live.state if live and live.state.started else None
        spec = live.spec if live else self._view.spec
        started = state.started if state else None
        context = PickerContext(
            schedule=state.schedule if state else self._view.spec.schedule,
            optimizer=spec.optimizer,
            epochs=spec.epochs,
            batches_per_epoch=started.batches_per_epoch if started else next_batches_per_epoch(self._view.spec),
            live=state,
            number=live.number if live else 0,
            recent=tuple(self._view.recent),
        )
        self._screen.app.push_screen(PickerScreen(context, lambda question: self._ask(SLOT, question)), self._picked)

    def _picked(self, choice: PickerChoice | None) -> None:
        if choice is None:
            return
        self._view.remember(choice.schedule)
        live = self._session.live
        if live is None or choice.restart:
            self._view.spec = replace(self._view.spec, schedule=choice.schedule)
            self._view.changed()
        if choice.restart:
            self._restart(self._view.spec)
        elif live is not None:
            live.send(SwitchSchedule(choice.schedule, choice.anchor))
        else:
            self._screen.say(f"r starts with {choice.schedule}")

    def do_settings(self) -> None:
        from lrtui.tui.screens.settings import SettingsScreen

        self._screen.app.push_screen(SettingsScreen(self._view.spec, self._session.live is not None), self._edited)

    def _edited(self, choice: SettingsChoice | None) -> None:
        if choice is None:
            return
        self._view.spec = choice.spec
        self._view.changed()
        if choice.restart:
            self._restart(choice.spec)
        else:
            self._screen.say("r starts with these settings")

    def do_pause(self) -> None:
        live = self._session.live
        self._send(Resume() if live and live.state.status == "paused" else Pause())

    def do_stop(self) -> None:
        self.waiting = None
        self._send(Stop())
        self._screen.say("stopping after this batch")

    def do_nudge_up(self) -> None:
        self._send(ScaleLr(NUDGE))

    def do_nudge_down(self) -> None:
        self._send(ScaleLr(1 / NUDGE))

    def do_undo_lr(self) -> None:
        self._send(UndoLr())

    def do_set_lr(self) -> None:
        from lrtui.tui.screens.set_lr import SetLrScreen

        live = self._session.live
        if live is not None:
            self._screen.app.push_screen(SetLrScreen(live.state.current_lrs), self._set_lr)

    def _set_lr(self, lr: float | None) -> None:
        if lr is not None:
            self._send(SetLr(lr))

    def do_help(self) -> None:
        from lrtui.tui.screens.help import HelpScreen

        self._screen.app.push_screen(HelpScreen())

    def do_quit(self) -> None:
        from lrtui.tui.screens.confirm import Choice, ConfirmScreen

        live: Run | None = self._session.live
        if live is None:
            self._screen.app.exit()
            return
        self._screen.app.push_screen(
            ConfirmScreen(
                f"Run #{live.number} is going. Stop it and quit?",
                (Choice("q", "stop it and quit", "quit"), Choice("escape", "stay", None)),
            ),
            lambda answer: self._screen.app.exit() if answer == "quit" else None,
        )
