"""Keys for runs: start, stop, pause, change the lr, and the settings dialog."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from typing import TYPE_CHECKING

from lrtui.actions import ACTIONS_BY_NAME
from lrtui.run.commands import Command, Extend, Pause, Resume, ScaleLr, SetLr, Stop, SwitchSchedule, UndoLr
from lrtui.run.errors import LrtuiError
from lrtui.run.spec import RunSpec, option_name
from lrtui.schedules.forecast import MAX_STEPS, ForecastRequest, request_for_run
from lrtui.text.format import counted
from lrtui.tui.forecast import CurveRequest, CurveResult
from lrtui.tui.run_list.source_runs import ShownRun, key_of

# the dialogs take 60 ms to import, which would delay the first frame: each is imported when it is first opened
if TYPE_CHECKING:
    from lrtui.tui.screens.cockpit import CockpitScreen
    from lrtui.tui.screens.settings import SettingsChoice


EXTENDED = "extended"
"""Slot of the forecast of a run that is being extended."""


class RunsController:
    """Starts runs and sends them commands.

    Args:
        cockpit: the main screen.
    """

    def __init__(self, cockpit: CockpitScreen) -> None:
        self._cockpit = cockpit
        self._session, self._view = cockpit.session, cockpit.view
        self._extension: tuple[CurveRequest, ShownRun, Callable[[], None]] | None = None
        """The unanswered request for findings on an extended run, the run, and what extends it."""

    # -- starting -----------------------------------------------------------------------------------------------------

    def restart(self) -> None:
        advice = self._view.advice
        run = next((run for run in self._session.runs if run.number == self._view.selected), None)
        if advice is None or advice.action != "restart" or run is None:
            self.start_or_ask(self._view.spec)
            return
        from lrtui.tui.screens.dialogs import Choice, ConfirmScreen

        advised = advice.restart_spec(run.spec)

        def answered(answer: str | None) -> None:
            if answer == "advised":
                self._view.spec = advised
                self._view.changed()
            if answer is not None:
                self.start_or_ask(self._view.spec)

        choices = (
            Choice("enter", f"start a new run with {_difference(run.spec, advised)}", "advised"),
            Choice("r", "start a run with the settings shown", "shown"),
            Choice("escape", "cancel", None),
        )
        question = f"Run {run.number}: {advice.text}."
        screen = ConfirmScreen(question, choices, lambda: advice.still_applies(run.state))
        self._cockpit.app.push_screen(screen, answered)

    def start_or_ask(self, spec: RunSpec) -> None:
        """Start a run; while another one is in progress, ask whether to stop it or to queue the new one."""
        from lrtui.tui.screens.dialogs import Choice, ConfirmScreen

        # the picker restarts a run without the action
        if refusal := ACTIONS_BY_NAME["restart"].requirement(self._cockpit.scene.situation):
            self._cockpit.say(refusal)
            return
        live, queue = self._session.live, self._view.queue
        if live is None:
            self.start(spec)
            return

        def answered(answer: str | None) -> None:
            if answer == "restart":
                self.start_instead(spec)
            elif answer == "queue":
                queue.append(spec)
                self._cockpit.say(f"Queued at position {len(queue)}: {spec.schedule}")
            elif answer == "remove" and queue:
                self._cockpit.say(f"Removed from the queue: {queue.pop().schedule}")
            self._view.changed()

        choices = [
            Choice("r", "stop it and start the new run", "restart"),
            Choice("a", "add the new run to the queue", "queue"),
        ]
        if queue:
            choices.append(Choice("t", f"remove the last queued run: {queue[-1].schedule[:48]}", "remove"))
        choices.append(Choice("escape", "cancel", None))
        question = f"Run {live.number} is in progress. Stop it and start a new run with {spec.schedule}?"
        if queue:
            question += "\nQueued:"
            question += "".join(f"\n  {position}. {queued.schedule[:60]}" for position, queued in enumerate(queue, 1))
        self._cockpit.app.push_screen(ConfirmScreen(question, tuple(choices), lambda: live.is_live), answered)

    def start_instead(self, spec: RunSpec) -> None:
        """Stop the run in progress, and start this one when it has ended."""
        if (live := self._session.live) is None:
            self.start(spec)
        else:
            self._view.queue.insert(0, spec)
            self.send(Stop(), live)

    def start(self, spec: RunSpec) -> None:
        try:
            run = self._session.start(spec)
        except LrtuiError as error:
            self._cockpit.say(str(error))
            return
        self._view.remember(spec.schedule)
        self._view.select(run.number)

    def start_queued(self) -> None:
        """Start the first run of the queue if none is in progress."""
        if self._view.queue and self._session.live is None:
            self.start(self._view.queue.pop(0))

    def edit_settings(self) -> None:
        from lrtui.tui.screens.settings import SettingsScreen

        screen = SettingsScreen(self._view.spec, lambda: self._session.live is not None)
        self._cockpit.app.push_screen(screen, self._settings_edited)

    def _settings_edited(self, choice: SettingsChoice | None) -> None:
        if choice is None:
            return
        before, self._view.spec = self._view.spec, choice.spec
        self._view.changed()
        live = self._cockpit.scene.command_target
        if choice.restart:
            self.start_or_ask(choice.spec)
        elif live is None or live.state.started is None or not self._cockpit.scene.situation.takes_changes:
            self._cockpit.say("Press r to start a run with these settings.")
        else:
            commands, restart_only = settings_commands(before, choice.spec, live.state.started.spec)
            after = f"{', '.join(restart_only)}: after a restart (r)" if restart_only else ""
            if any(isinstance(command, Extend) for command in commands):
                self._check_extension(live, choice.spec, commands, after)
            else:
                self._apply(live, commands, after)

    def _apply(self, run: ShownRun, commands: Sequence[Command], after: str = "") -> None:
        """Send the commands that apply changed settings to a run.

        Args:
            after: which other settings changed.
        """
        for command in commands:
            self.send(command, run)
        # the footer shows the commands as pending
        applied = f"applied to run {key_of(run)} now" if commands and run.is_live else ""
        said = "; ".join(text for text in (applied, after) if text)
        if said or not commands:
            self._cockpit.say(said or "These settings do not change the run in progress.")

    def _check_extension(self, run: ShownRun, spec: RunSpec, commands: list[Command], after: str) -> None:
        """Request the findings on a run's schedule over its new length; `take_forecast` sends the commands."""
        request = request_for_run(run.state)
        longer = request and request.extended(spec.epochs - request.epochs)
        if request is None or longer is None or longer.horizon.total_steps > MAX_STEPS:
            self._apply(run, commands, after)
            return
        if any(isinstance(command, SwitchSchedule) for command in commands):
            longer = replace(
                longer, schedule=spec.schedule, start_step=run.state.step, anchor="base", current_lrs=(), results=()
            )
        values = {each.name: getattr(longer, each.name) for each in fields(ForecastRequest)}
        asked = CurveRequest(**values, checked=True, accumulate=spec.accumulate)
        self._extension = (asked, run, lambda: self._apply(run, commands, after))
        self._cockpit.say(
            f"Checking the schedule over {counted(spec.epochs, 'epoch')} before run {key_of(run)} is extended."
        )
        self._cockpit.ask(EXTENDED, asked)

    def take_forecast(self, answer: CurveResult) -> bool:
        """Extend the run that the answer is about, or ask first if there are findings; return whether it is about one.

        A first answer without findings is passed over.
        """
        if self._extension is None or answer.request != self._extension[0] or answer.findings is None:
            return False
        (request, run, extend), self._extension = self._extension, None
        if not answer.findings:
            extend()
            return True
        from lrtui.tui.screens.dialogs import Choice, ConfirmScreen

        findings = [f"over {counted(request.epochs, 'epoch')}: {finding}" for finding in answer.findings]

        def answered(choice: str | None) -> None:
            if choice is None:
                self._cockpit.say(f"Run {key_of(run)} is not extended.")
                return
            for finding in findings:
                run.state.note("warning", finding)
            extend()

        choices = (
            Choice("enter", f"extend it to {counted(request.epochs, 'epoch')} all the same", "extend"),
            Choice("escape", "do not extend it", None),
        )
        question = "\n".join([f"Run {key_of(run)} {findings[0]}", *findings[1:]])
        self._cockpit.app.push_screen(ConfirmScreen(question, choices, lambda: run.is_live), answered)
        return True

    # -- commands -----------------------------------------------------------------------------------------------------

    def send(self, command: Command, run: ShownRun | None = None) -> None:
        """Send a command to a run, by default to the live run on screen."""
        run = run or self._cockpit.scene.command_target
        if run is None or not run.is_live:
            # the run ended while a dialog was open
            self._cockpit.say(f"Not sent: {command.text}. The run has ended.")
        elif run.send(command) is not False:
            self._view.pending.add(run, command)

    def pause(self) -> None:
        live = self._cockpit.scene.command_target
        if live is None:
            self._cockpit.controllers.branch.resume()
            return
        # a pending command counts as carried out, so that a second press resumes
        pending = [command for command in self._view.pending.of(live) if isinstance(command, (Pause, Resume))]
        is_paused = isinstance(pending[-1], Pause) if pending else live.state.status == "paused"
        self.send(Resume() if is_paused else Pause())

    def stop(self) -> None:
        """Ask whether to stop the live run, and stop it after its batch."""
        from lrtui.tui.screens.dialogs import Choice, ConfirmScreen

        stopped = self._cockpit.scene.command_target
        if stopped is None:
            return
        if race := self._cockpit.scene.situation.race:
            # the race would start its run again
            self._cockpit.controllers.race.ask_to_stop(race)
            return
        # the queue waits only for the run of this process
        next_starts = self._view.queue and stopped is self._session.live
        then = " The queued run starts next; press r to remove it." if next_starts else ""
        question = f"Run {key_of(stopped)} is in progress. Stop it?{then}"
        key = ACTIONS_BY_NAME["pause"].key(self._view.keys)
        kept = (
            f"stop after this batch and save it; {key} resumes it" if stopped.is_recorded else "stop; nothing is saved"
        )
        if stopped.spec.is_attached:
            kept = "stop; what it saves is up to its script"
        choices = (Choice("x", kept, "stop"), Choice("escape", "cancel", None))

        def answered(answer: str | None) -> None:
            if answer is not None:
                self.send(Stop(), stopped)
                self._cockpit.say("Stopping." if stopped.spec.is_attached else "Stopping after this batch.")

        self._cockpit.app.push_screen(ConfirmScreen(question, choices, lambda: stopped.is_live), answered)

    def nudge(self, factor: float) -> None:
        self.send(ScaleLr(factor))

    def undo_lr(self) -> None:
        self.send(UndoLr())

    def set_lr(self) -> None:
        from lrtui.tui.screens.dialogs import SetLrScreen

        live = self._cockpit.scene.command_target
        if live is not None:
            screen = SetLrScreen(lambda: live.state.current_lrs if live.is_live else ())
            self._cockpit.app.push_screen(screen, lambda lr: None if lr is None else self.send(SetLr(lr), live))


def settings_commands(before: RunSpec, after: RunSpec, live: RunSpec) -> tuple[list[Command], list[str]]:
    """Return the commands that apply changed settings to a live run, and the names of the settings that need a restart.

    Args:
        before: the settings of the next run before the change.
        after: the settings of the next run after it.
        live: the settings of the live run, with its present number of epochs.
    """
    commands: list[Command] = []
    restart_only: list[str] = []
    for name in before.differences(after):
        if name == "epochs" and after.epochs > live.epochs and not after.epochs_follow:
            # before the schedule, whose filled-in lengths count the new epochs
            commands.insert(0, Extend(after.epochs - live.epochs))
        elif name == "schedule":
            commands.append(SwitchSchedule(after.schedule, "base"))
        elif getattr(after, name) != getattr(live, name):
            restart_only.append(name.replace("_", " "))
    return commands, restart_only


def _difference(before: RunSpec, after: RunSpec) -> str:
    """Return the settings that differ, as command line options."""
    return ", ".join(
        f"{option_name(name)} {'; '.join(new) if isinstance(new, tuple) else new}"
        for name, (_, new) in before.differences(after).items()
    )
