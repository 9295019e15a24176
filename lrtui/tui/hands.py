"""What the keys do to runs: start, stop, switch, nudge, and the dialogs that ask what the user wants."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from lrtui.run.commands import Command, Pause, Resume, ScaleLr, SetLr, Stop, SwitchSchedule, UndoLr
from lrtui.run.errors import LrtuiError
from lrtui.run.spec import RunSpec
from lrtui.session import Session
from lrtui.tasks.sizes import expected_batches_per_epoch
from lrtui.tui.forecast import Question
from lrtui.tui.listener import Listener
from lrtui.tui.shown_run import ShownRun
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


class Hands:
    """A method `do_<action>` for each action that has to do with runs.

    Args:
        session: the runs.
        view: the user's choices.
        screen: shows messages and dialogs.
        ask: asks for a curve.
        commanded: returns the run that commands go to; this process's where nothing else is said.
    """

    def __init__(
        self,
        session: Session,
        view: View,
        screen: Listener,
        ask: Callable[[str, Question], None],
        commanded: Callable[[], ShownRun | None] | None = None,
    ) -> None:
        self._session, self._view, self._screen, self._ask = session, view, screen, ask
        self._commanded = commanded or (lambda: session.live)

    def start_queued(self) -> None:
        """Start the first run of the queue, where nothing is under way any more."""
        if self._view.queue and self._session.live is None:
            self.start_run(self._view.queue.pop(0))

    def _send(self, command: Command) -> None:
        if run := self._commanded():
            self._tell(run, command)

    def _tell(self, run: ShownRun, command: Command) -> None:
        if run.send(command) is not False:
            self._view.pending.give(run, command)

    def do_restart(self) -> None:
        self._restart(self._view.spec)

    def _restart(self, spec: RunSpec) -> None:
        from lrtui.tui.screens.confirm import Choice, ConfirmScreen

        live, queue = self._session.live, self._view.queue
        if live is None:
            self.start_run(spec)
            return

        def answered(answer: str | None) -> None:
            if answer == "restart":
                queue.insert(0, spec)
                self._tell(live, Stop())
            elif answer == "queue":
                queue.append(spec)
                self._screen.say(f"queued as number {len(queue)}: {spec.schedule}")
            elif answer == "take back" and queue:
                self._screen.say(f"taken back: {queue.pop().schedule}")
            self._view.changed()

        choices = [
            Choice("r", "stop it, start the next", "restart"),
            Choice("a", "queue the next behind it" if not queue else "queue the next, too", "queue"),
        ]
        if queue:
            choices.append(Choice("t", f"take the last one back: {queue[-1].schedule[:48]}", "take back"))
        choices.append(Choice("escape", "let it go on", None))
        question = f"Run #{live.number} is going. Stop it and start anew?"
        if queue:
            question += "\nQueued behind it:"
            question += "".join(f"\n  {number}. {waits.schedule[:60]}" for number, waits in enumerate(queue, 1))
        self._screen.app.push_screen(ConfirmScreen(question, tuple(choices)), answered)

    def start_run(self, spec: RunSpec) -> None:
        try:
            run = self._session.start(spec)
        except LrtuiError as error:
            self._screen.say(str(error))
            return
        self._view.remember(spec.schedule)
        self._view.select(run.number)

    def do_schedule(self, scheduler: str | None = None) -> None:
        from lrtui.tui.screens.picker import SLOT, PickerScreen
        from lrtui.tui.screens.picker_choice import PickerContext

        live = self._commanded()
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
            scheduler=scheduler,
        )
        self._screen.app.push_screen(PickerScreen(context, lambda question: self._ask(SLOT, question)), self._picked)

    def _picked(self, choice: PickerChoice | None) -> None:
        if choice is None:
            return
        self._view.remember(choice.schedule)
        live = self._commanded()
        if live is None or choice.restart:
            self._view.spec = replace(self._view.spec, schedule=choice.schedule)
            self._view.changed()
        if choice.restart:
            self._restart(self._view.spec)
        elif live is not None:
            self._send(SwitchSchedule(choice.schedule, choice.anchor))
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
        live = self._commanded()
        self._send(Resume() if live and live.state.status == "paused" else Pause())

    def do_stop(self) -> None:
        self._send(Stop())
        then = "; then the queued run starts (r takes it back)" if self._view.queue else ""
        self._screen.say(f"stopping after this batch{then}")

    def do_nudge_up(self) -> None:
        self._send(ScaleLr(NUDGE))

    def do_nudge_down(self) -> None:
        self._send(ScaleLr(1 / NUDGE))

    def do_undo_lr(self) -> None:
        self._send(UndoLr())

    def do_set_lr(self) -> None:
        from lrtui.tui.screens.set_lr import SetLrScreen

        live = self._commanded()
        if live is not None:
            self._screen.app.push_screen(SetLrScreen(live.state.current_lrs), self._set_lr)

    def _set_lr(self, lr: float | None) -> None:
        if lr is not None:
            self._send(SetLr(lr))

    def do_help(self) -> None:
        from lrtui.tui.screens.help import HelpScreen

        self._screen.app.push_screen(HelpScreen(self._screen.focused_pane, self._view.keys))
