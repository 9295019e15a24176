"""The settings of a run that is started anew on advice."""

from __future__ import annotations

from dataclasses import replace

from lrtui.analysis.advice.advice import Advice
from lrtui.run.commands import Extend, SwitchSchedule
from lrtui.run.spec import RunSpec


def settings_anew(advice: Advice, spec: RunSpec) -> RunSpec:
    """Return the settings that the advice makes of those of the run that it is about.

    Args:
        spec: as the user gave them: what was filled in is filled in anew.
    """
    if isinstance(advice.command, Extend):
        return replace(spec, epochs=spec.epochs + advice.command.epochs)
    if isinstance(advice.command, SwitchSchedule) and advice.epochs is not None:
        # what the script would have done is of the other schedule
        return replace(spec, schedule=advice.command.schedule, epochs=advice.epochs, at=())
    # the scale holds for every schedule, those with lrs of their own included
    return replace(spec, at=(f"epoch 1: {advice.command.text}", *spec.at))


def in_the_run_itself(advice: Advice) -> Advice:
    """Return the advice for a run of another process, which no key here can stop and begin anew in one."""
    if advice.epochs is None or advice.proposal is None:
        return advice
    does = f"switches to {advice.proposal.schedule}; a new run would go further"
    return replace(advice, does=does, epochs=None)


def without_checkpoint(advice: Advice) -> Advice:
    """Return the advice for a run that nothing is kept of: what would branch from a checkpoint starts anew."""
    if advice.epoch is None:
        return advice
    return replace(advice, action="restart", does="starts anew with the lr halved", epoch=None)
