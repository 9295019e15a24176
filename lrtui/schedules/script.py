"""What is done in mid-run without a hand at the keyboard: `--at "epoch 4: OneCycleLR(max_lr=0.003) from base"`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, get_args

from lrtui.run.commands import Command, EvaluateNow, Extend, Pause, Resume
from lrtui.run.errors import NotationError
from lrtui.schedules.arguments import did_you_mean
from lrtui.schedules.command_notation import parse_command

When = Literal["epoch", "step", "test"]

FORMS = "epoch N (before its first batch), step N or test N (during the test at the end of epoch N)"

_LINE = re.compile(r"\s*(?P<when>[^\s:]*)\s*(?P<number>[^\s:]*)\s*(?P<colon>:?)")


@dataclass(frozen=True, slots=True)
class ScriptLine:
    """One command and its moment.

    Args:
        when: `step`: before the step after so many; `epoch`: before that epoch's first batch, from 1; `test`: while
            the test at the end of that epoch is made, before the schedule's step.
        number: of steps done, or of the epoch.
        command: what is done then.
        text: as it was written.
    """

    when: When
    number: int
    command: Command
    text: str

    def step(self, batches_per_epoch: int) -> int:
        """Return the optimizer steps done at its moment."""
        match self.when:
            case "step":
                return self.number
            case "epoch":
                return (self.number - 1) * batches_per_epoch
            case "test":
                return self.number * batches_per_epoch


def parse_script_line(text: str) -> ScriptLine:
    """Return the line that the text stands for.

    Raises:
        NotationError: for anything else; `position` is the offset of the fault.
    """
    match = _LINE.match(text)
    assert match is not None, "every part of it may be empty"
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
        raise NotationError(f"a colon parts the moment from what is done: {when} {number}: lr*0.5", text, match.end())
    try:
        command = parse_command(text[match.end() :])
    except NotationError as error:
        place = None if error.position is None else match.end() + error.position
        raise NotationError(error.message, text, place, error.field) from None
    if isinstance(command, (Pause, Resume)):
        raise NotationError("a script does not pause: nobody would go on", text, match.end())
    if when == "test" and isinstance(command, EvaluateNow):
        raise NotationError("a test is being made at that moment", text, match.end())
    return ScriptLine(when, int(number), command, text)


class Script:
    """The lines of a run, in the order of their moments; those of one moment in the order they were written.

    Args:
        texts: the lines.
        epochs: of the run; what its own lines make it longer by is added. None where a line may have any moment.
        batches_per_epoch: where they are known; else only the words are checked.
        start_step: where the run begins; what lies before has been done.

    Raises:
        NotationError: for a line that can't be read, or whose moment the run does not have.
    """

    def __init__(
        self,
        texts: Iterable[str],
        epochs: int | None = None,
        batches_per_epoch: int | None = None,
        start_step: int = 0,
    ) -> None:
        lines = [parse_script_line(text) for text in texts]
        if epochs is not None:
            _check_moments(lines, epochs, batches_per_epoch)
        self._batches_per_epoch = batches_per_epoch or 1
        self._left = sorted((line for line in lines if self._moment(line) >= (start_step, 0)), key=self._moment)

    def _moment(self, line: ScriptLine) -> tuple[int, int]:
        """Return what lines are sorted by: a test comes before all else at its step."""
        return line.step(self._batches_per_epoch), 0 if line.when == "test" else 1

    @property
    def lines(self) -> list[ScriptLine]:
        """What is still to be done."""
        return list(self._left)

    def is_due(self, step: int) -> bool:
        """Say whether there is a line to be done before the step after so many; asked at each step."""
        return bool(self._left) and self._left[0].step(self._batches_per_epoch) <= step

    def take(self, step: int, *, testing: bool) -> Command | None:
        """Return the next command that is due, or None.

        Args:
            step: optimizer steps done.
            testing: whether this is the test at an epoch's end: only what is meant for it is due then.
        """
        if not self._left or self._moment(self._left[0]) > (step, 0 if testing else 1):
            return None
        return self._left.pop(0).command


def _check_moments(lines: list[ScriptLine], epochs: int, batches_per_epoch: int | None) -> None:
    epochs += sum(line.command.epochs for line in lines if isinstance(line.command, Extend))
    total = None if batches_per_epoch is None else epochs * batches_per_epoch
    for line in lines:
        if line.when != "step" and line.number > epochs:
            raise NotationError(f"the run has {epochs:,} epochs, counted from 1", line.text, 0)
        if line.when == "step" and total is not None and line.number >= total:
            raise NotationError(f"the run has {total:,} steps; the last one is step {total - 1}", line.text, 0)
