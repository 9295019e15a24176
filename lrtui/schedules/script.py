"""A run's script, commands with their moments: `--at "epoch 4: OneCycleLR(max_lr=0.003) from base"`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, get_args

from lrtui.run.arguments import check_argument
from lrtui.run.commands import Command, EvaluateNow, Extend, Pause, Resume
from lrtui.run.errors import NotationError
from lrtui.schedules.arguments import did_you_mean
from lrtui.schedules.command_notation import parse_command
from lrtui.text.format import counted

# the state imports numpy, which the command line's help does without
if TYPE_CHECKING:
    from lrtui.run.spec import RunSpec
    from lrtui.run.state import RunState

When = Literal["epoch", "step", "test"]

FORMS = "epoch N (before its first batch), step N or test N (during the test at the end of epoch N)"

_LINE = re.compile(r"\s*(?P<when>[^\s:]*)\s*(?P<number>[^\s:]*)\s*(?P<colon>:?)")


@dataclass(frozen=True, slots=True)
class ScriptLine:
    """One command and its moment.

    Args:
        when: `step`: after that many optimizer steps; `epoch`: before the first batch of that epoch, from 1; `test`:
            during the test that ends that epoch, before the schedule's step.
        number: the steps done, or the epoch.
        command: the command.
        text: the line as written.
    """

    when: When
    number: int
    command: Command
    text: str

    def step(self, batches_per_epoch: int) -> int:
        """Return how many optimizer steps are done at its moment."""
        match self.when:
            case "step":
                return self.number
            case "epoch":
                return (self.number - 1) * batches_per_epoch
            case "test":
                return self.number * batches_per_epoch

    def moment(self, batches_per_epoch: int) -> tuple[int, int]:
        """Return the sort key of its moment: at the same step a test's lines come first."""
        return self.step(batches_per_epoch), 0 if self.when == "test" else 1


def parse_script_line(text: str) -> ScriptLine:
    """Return the parsed line.

    Raises:
        NotationError: for any other text; `position` is the offset of the error.
    """
    match = _LINE.match(text)
    assert match is not None, "every part of the pattern may be empty"
    word, number = match["when"], match["number"]
    when: When | None = next((known for known in get_args(When) if known == word), None)
    if when is None:
        message = (
            f"a moment is {FORMS}, not {word[:40] or 'nothing'}{did_you_mean(word, get_args(When)) if word else ''}"
        )
        raise NotationError(message, text, match.start("when"))
    least = 0 if when == "step" else 1
    if not re.fullmatch(r"[0-9]{1,12}", number) or int(number) < least:
        message = f"{when} takes a whole number of at least {least}, not {number[:40] or 'nothing'}"
        raise NotationError(message, text, match.start("number"))
    if not match["colon"]:
        raise NotationError(
            f"write a colon between the moment and the command: {when} {number}: lr*0.5", text, match.end()
        )
    try:
        command = parse_command(text[match.end() :])
    except NotationError as error:
        place = None if error.position is None else match.end() + error.position
        raise NotationError(error.message, text, place, error.field) from None
    if isinstance(command, (Pause, Resume)):
        raise NotationError("a script can't pause a run: nothing would resume it", text, match.end())
    if when == "test" and isinstance(command, EvaluateNow):
        raise NotationError("a test is running at that moment already", text, match.end())
    return ScriptLine(when, int(number), command, text)


def read_script(
    texts: Iterable[str],
    epochs: int | None = None,
    batches_per_epoch: int | None = None,
    start_step: int = 0,
    *,
    max_steps: int | None = None,
) -> list[ScriptLine]:
    """Return a run's lines in the order of their moments; those of one moment in the order they were written.

    Args:
        texts: the lines.
        epochs: epochs of the run, without the `extend` lines of the script; None if a line may have any moment.
        batches_per_epoch: None if it isn't known yet: the order is then that of `texts`.
        start_step: where the run starts; earlier lines are left out.
        max_steps: steps after which the run ends within its last epoch, without the `extend` lines; None if it doesn't.

    Raises:
        NotationError: for a line that can't be read, or whose moment the run doesn't have.
    """
    lines = [parse_script_line(text) for text in texts]
    if epochs is not None:
        _check_moments(lines, epochs, batches_per_epoch, max_steps)
    if batches_per_epoch is None:
        return lines
    later = [line for line in lines if line.moment(batches_per_epoch) >= (start_step, 0)]
    return sorted(later, key=lambda line: line.moment(batches_per_epoch))


def _check_moments(lines: list[ScriptLine], epochs: int, batches_per_epoch: int | None, max_steps: int | None) -> None:
    added = sum(line.command.epochs for line in lines if isinstance(line.command, Extend))
    epochs += added
    total = None
    if batches_per_epoch is not None:
        total = epochs * batches_per_epoch if max_steps is None else max_steps + added * batches_per_epoch
    for line in lines:
        if line.when != "step" and line.number > epochs:
            raise NotationError(f"the run has {counted(epochs, 'epoch')}; the last one is epoch {epochs}", line.text, 0)
        if line.when == "step" and total is not None and line.number >= total:
            raise NotationError(f"the run has {counted(total, 'step')}; the last one is step {total - 1}", line.text, 0)


def spec_as_done(state: RunState) -> RunSpec | None:
    """Return the settings that repeat a run, with the commands it obeyed as its script; None before it started.

    Pauses and a stop are left out: they don't change what is trained.
    """
    # imports numpy, which a parser does not need
    from lrtui.run.state import RunState

    check_argument("spec_as_done", "state", state, RunState, "a RunState, such as run.state")
    if state.started is None:
        return None
    spec, done = state.started.spec, [obeyed.line for obeyed in state.commands]
    # at the current step, the script's lines may have been carried out or be still to come
    just_done = {parse_script_line(obeyed.line).command for obeyed in state.commands if obeyed.step == state.step}
    remaining = [
        line.text
        for line in read_script(spec.at, spec.epochs, state.started.batches_per_epoch, state.step)
        if line.command not in just_done
    ]
    # the script's `extend` lines make the run longer again
    added = [
        command.epochs
        for obeyed in state.commands
        if isinstance(command := parse_script_line(obeyed.line).command, Extend)
    ]
    steps = sum(added) * state.started.batches_per_epoch
    max_steps = None if spec.max_steps is None else spec.max_steps - steps
    return replace(spec, epochs=spec.epochs - sum(added), max_steps=max_steps, at=(*done, *remaining))
