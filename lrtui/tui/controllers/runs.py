"""What the keys do to runs: start, stop, switch, nudge, and the dialogs that ask what the user wants."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from lrtui.engine.session import Session
from lrtui.run.commands import Command, Pause, Resume, ScaleLr, SetLr, Stop, UndoLr
from lrtui.run.errors import LrtuiError
from lrtui.run.spec import RunSpec, option_words
from lrtui.tasks.sizes import expected_batches_per_epoch
from lrtui.tui.listener import Listener
from lrtui.tui.run_list.shown_run import ShownRun
from lrtui.tui.view import View

# the dialogs take 60 ms to import, with all they know of schedules: each is imported when it is first asked for,
# so that the first frame waits for none
if TYPE_CHECKING:
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
        commanded: returns the run that commands go to; this process's where nothing else is said.
    """

    def __init__(
        self,
        session: Session,
        view: View,
        screen: Listener,
        commanded: Callable[[], ShownRun | None] | None = None,
    ) -> None:
        self._session, self._view, self._screen = session, view, screen
        self._commanded = commanded or (lambda: session.live)

    def start_queued(self) -> None:
        """Start the first run of the queue, where nothing is under way any more."""
        if self._view.queue and self._session.live is None:
            self.start_run(self._view.queue.pop(0))

    @property
    def commanded(self) -> ShownRun | None:
        """The run that commands go to."""
        return self._commanded()

    def send(self, command: Command) -> None:
        """Give the run that commands go to a command."""
        if run := self._commanded():
            self._tell(run, command)

    def _tell(self, run: ShownRun, command: Command) -> None:
        if run.send(command) is not False:
            self._view.pending.give(run, command)

    def do_restart(self) -> None:
        advice = self._view.advice
        run = next((run for run in self._session.runs if run.number == self._view.selected), None)
        if advice is None or advice.action != "restart" or run is None:
            self.restart(self._view.spec)
            return
        from lrtui.tui.screens.dialogs import Choice, ConfirmScreen

        advised = advice.restart_spec(run.spec)

        def answered(answer: str | None) -> None:
            if answer == "advised":
                self._view.spec = advised
                self._view.changed()
            if answer is not None:
                self.restart(self._view.spec)

        choices = (
            Choice("enter", f"start anew: {_difference(run.spec, advised)}", "advised"),
            Choice("r", "start with the settings shown", "shown"),
            Choice("escape", "not now", None),
        )
        self._screen.app.push_screen(ConfirmScreen(f"Run #{run.number}: {advice.text}.", choices), answered)

    def restart(self, spec: RunSpec) -> None:
        """Start a run; where one is going, ask first what becomes of that."""
        from lrtui.tui.screens.dialogs import Choice, ConfirmScreen

        live, queue = self._session.live, self._view.queue
        if live is None:
            self.start_run(spec)
            return

        def answered(answer: str | None) -> None:
            if answer == "restart":
                self.start_in_place(spec)
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

    def start_in_place(self, spec: RunSpec) -> None:
        """Stop the run that is going, and start this one when it is over."""
        if (live := self._session.live) is None:
            self.start_run(spec)
        else:
            self._view.queue.insert(0, spec)
            self._tell(live, Stop())

    def start_run(self, spec: RunSpec) -> None:
        try:
            run = self._session.start(spec)
        except LrtuiError as error:
            self._screen.say(str(error))
            return
        self._view.remember(spec.schedule)
        self._view.select(run.number)

    def do_settings(self) -> None:
        from lrtui.tui.screens.settings import SettingsScreen

        self._screen.app.push_screen(SettingsScreen(self._view.spec, self._session.live is not None), self._edited)

    def _edited(self, choice: SettingsChoice | None) -> None:
        if choice is None:
            return
        before, self._view.spec = self._view.spec, choice.spec
        self._view.changed()
        live = self._commanded()
        if choice.restart:
            self.restart(choice.spec)
        elif live is None or live.state.started is None:
            self._screen.say("r starts with these settings")
        else:
            from lrtui.tui.live_settings import commands_for

            commands, left = commands_for(before, choice.spec, live.state.started.spec)
            for command in commands:
                self.send(command)
            # the commands themselves are shown as pending
            words = [f"run #{live.number} is told at once"] if commands else []
            words += [f"{', '.join(left)}: with a restart (r)"] if left else []
            self._screen.say("; ".join(words) or "nothing of it touches the run under way")

    def do_pause(self) -> None:
        live = self._commanded()
        if live is None:
            return
        # what was asked for and is not answered yet counts as done: pressed twice, it goes on
        asked = [command for command in self._view.pending.of(live) if isinstance(command, (Pause, Resume))]
        is_paused = isinstance(asked[-1], Pause) if asked else live.state.status == "paused"
        self.send(Resume() if is_paused else Pause())

    def do_stop(self) -> None:
        stopped = self._commanded()
        self.send(Stop())
        # the queue waits for the run of this process, not for another's
        next_starts = self._view.queue and stopped is self._session.live
        then = "; then the queued run starts (r takes it back)" if next_starts else ""
        self._screen.say(f"stopping after this batch{then}")

    def do_nudge_up(self) -> None:
        self.send(ScaleLr(NUDGE))

    def do_nudge_down(self) -> None:
        self.send(ScaleLr(1 / NUDGE))

    def do_undo_lr(self) -> None:
        self.send(UndoLr())

    def do_set_lr(self) -> None:
        from lrtui.tui.screens.dialogs import SetLrScreen

        live = self._commanded()
        if live is not None:
            self._screen.app.push_screen(SetLrScreen(live.state.current_lrs), self._set_lr)

    def _set_lr(self, lr: float | None) -> None:
        if lr is not None:
            self.send(SetLr(lr))

    def do_help(self) -> None:
        from lrtui.tui.screens.help import HelpScreen

        self._screen.app.push_screen(HelpScreen(self._screen.focused_pane, self._view.keys))


def _difference(before: RunSpec, after: RunSpec) -> str:
    """Return what is set otherwise, as options."""
    return ", ".join(
        f"{option_words(name)} {'; '.join(new) if isinstance(new, tuple) else new}"
        for name, (_, new) in before.differences(after).items()
    )
