"""Advice as it is told where there are no keys: with the command that acts on it."""

from __future__ import annotations

from lrtui.analysis.advice.advice import Advice
from lrtui.analysis.advice.restart import settings_anew
from lrtui.run.commands import Extend
from lrtui.run.spec import RunSpec


def told_headless(advice: Advice, spec: RunSpec, kept_as: int | None) -> str:
    """Return the advice in a line.

    Args:
        advice: what there is to say.
        spec: settings of the run.
        kept_as: the run's number in its store; None where nothing is kept, so that no other command can reach it.
    """
    return f"advice: {advice.title}: {advice.text}; {_remedy(advice, spec, kept_as)}"


def _remedy(advice: Advice, spec: RunSpec, kept_as: int | None) -> str:
    words = advice.command.text
    if advice.epochs is not None and advice.proposal is not None:
        return f"'{advice.proposal.schedule}' --epochs {advice.epochs} starts anew"
    if isinstance(advice.command, Extend):
        epochs = settings_anew(advice, spec).epochs
        return f"--epochs {epochs} starts anew" if kept_as is None else f"lrtui resume {kept_as} --epochs {epochs}"
    if advice.code == "not-finite":
        if kept_as is not None and advice.epoch is not None:
            return f"lrtui branch {kept_as} --at-epoch {advice.epoch} '{words}'"
        return f"--at 'epoch 1: {words}' starts anew with the lr halved"
    if kept_as is not None:
        return f"lrtui send {kept_as} '{words}'"
    return f"--at 'step {advice.step}: {words}' does it in the next run"
