"""A piece of advice: what is wrong with a run, and the command that corrects it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from lrtui.run.commands import Command, Extend, SwitchSchedule
from lrtui.run.events import ScheduleSwitched
from lrtui.run.spec import RunSpec
from lrtui.run.state import RunState

Code = Literal["schedule-exhausted", "lr-too-high", "not-finite", "plateau", "relative-threshold", "still-improving"]

AFTER_THE_RUN: frozenset[Code] = frozenset({"not-finite", "still-improving"})
"""Codes of advice on runs that have ended, which applies to a new run."""


@dataclass(frozen=True, slots=True)
class Advice:
    """What is wrong with a run, and the command that corrects it.

    Args:
        code: identifies the advice, for programs.
        title: a short phrase.
        brief: a clause without figures, for narrow terminals.
        text: a clause with the figures that show the problem.
        action: name of the action in `lrtui.actions` that follows the advice; empty if the run takes no commands.
        effect: what that action would do, in a short phrase; without an action what to do in the next run.
        command: the command for the run, or for the run that replaces it.
        step: optimizer steps done when the advice was given.
        changes: number of changes of the lr before the advice.
        branch_epoch: epoch after which to branch; None if the advice is not to branch.
        restart_epochs: epochs of a new run that replaces this one, because no schedule can repair the model; None if
            the run can continue.
    """

    code: Code
    title: str
    brief: str
    text: str
    action: str
    effect: str
    command: Command
    step: int
    changes: int = 0
    branch_epoch: int | None = None
    restart_epochs: int | None = None

    @property
    def is_for_next_run(self) -> bool:
        """Whether it can only be followed in another run, because this one takes no commands."""
        return not self.action

    @property
    def proposal(self) -> SwitchSchedule | None:
        """The schedule to switch to, and its anchor; None if the advice is not a switch."""
        return self.command if isinstance(self.command, SwitchSchedule) else None

    def still_applies(self, state: RunState) -> bool:
        """Return whether the run is still in the phase of the advice, and its lr has not been changed since."""
        if self.is_for_next_run:
            return True
        if self.code in AFTER_THE_RUN:
            return not state.is_live
        return state.is_live and not self._lr_was_changed(state)

    def _lr_was_changed(self, state: RunState) -> bool:
        # the cuts of a plateau scheduler are not the user's
        return any(
            isinstance(change, ScheduleSwitched) or change.by != "plateau" for change in state.changes[self.changes :]
        )

    def restart_spec(self, spec: RunSpec) -> RunSpec:
        """Return the settings of the new run that follows the advice.

        Args:
            spec: settings of the advised run as the user gave them, before lengths were filled in.
        """
        if isinstance(self.command, Extend):
            return replace(spec, epochs=spec.epochs + self.command.epochs)
        if self.proposal is not None and self.restart_epochs is not None:
            # the script was written for the old schedule
            return replace(spec, schedule=self.proposal.schedule, epochs=self.restart_epochs, at=())
        # a command also works for schedules that set absolute lrs, which another optimizer lr would not change
        return replace(spec, at=(f"epoch 1: {self.command.text}", *spec.at))

    def without_restart(self) -> Advice:
        """Return the advice for a run of another process, which can be switched from here but not replaced."""
        if self.restart_epochs is None or self.proposal is None:
            return self
        effect = f"switches to {self.proposal.schedule}; a new run with it would do better"
        return replace(self, effect=effect, restart_epochs=None)

    def without_branch(self) -> Advice:
        """Return the advice for a run without checkpoints, which can only be restarted."""
        if self.branch_epoch is None:
            return self
        return replace(self, action="restart", effect="restarts with the lr halved", branch_epoch=None)

    def headless_line(self, spec: RunSpec, run_number: int | None, store: str = "") -> str:
        """Return the advice in one line, with the command line that follows it.

        Args:
            spec: settings of the run.
            run_number: the run's number in the store; None for a run that is not stored, which no other process can
                reach.
            store: the option that names the store, with a leading space; empty for the default one.
        """
        if self.is_for_next_run:
            return f"advice: {self.title}: {self.text}. {self.effect[:1].upper()}{self.effect[1:]}."
        return f"advice: {self.title}: {self.text}. Try {self._command_line(spec, run_number, store)}"

    def _command_line(self, spec: RunSpec, run_number: int | None, store: str) -> str:
        command = self.command.text
        if self.proposal is not None and self.restart_epochs is not None:
            return f"a new run with '{self.proposal.schedule}' --epochs {self.restart_epochs}"
        if isinstance(self.command, Extend):
            epochs = self.restart_spec(spec).epochs
            return (
                f"a new run with --epochs {epochs}"
                if run_number is None
                else f"lrtui resume {run_number} --epochs {epochs}{store}"
            )
        if self.code == "not-finite":
            if run_number is not None and self.branch_epoch is not None:
                return f"lrtui branch {run_number} --at-epoch {self.branch_epoch} '{command}'{store}"
            return f"a new run with --at 'epoch 1: {command}', which halves the lr"
        if run_number is not None:
            return f"lrtui send {run_number} '{command}'{store}"
        return f"--at 'step {self.step}: {command}' in the next run"
