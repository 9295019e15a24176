"""What repeats a run: its settings, with what was done to it by hand in the words of a script."""

from __future__ import annotations

from dataclasses import replace

from lrtui.run.commands import Extend
from lrtui.run.spec import RunSpec
from lrtui.run.state import RunState
from lrtui.schedules.script import parse_script_line, read_script


def spec_as_done(state: RunState) -> RunSpec | None:
    """Return the settings that repeat a run, what was done to it by hand included; None before it started.

    Pauses and a stop are no part of it: neither changes what is trained.
    """
    if state.started is None:
        return None
    spec, done = state.started.spec, [given.line for given in state.commands]
    last = {parse_script_line(given.line).command for given in state.commands if given.step == state.step}
    to_come = [
        line.text
        for line in read_script(spec.at, spec.epochs, state.started.batches_per_epoch, state.step)
        if line.command not in last
    ]
    # what made it longer is among the lines, which make it longer again
    added = [
        command.epochs
        for given in state.commands
        if isinstance(command := parse_script_line(given.line).command, Extend)
    ]
    return replace(spec, epochs=spec.epochs - sum(added), at=(*done, *to_come))
