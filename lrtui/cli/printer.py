"""Prints events: the tutorial's lines or JSON on standard output, messages on standard error."""

from __future__ import annotations

import json
import sys
from typing import TextIO

from lrtui.cli.terminal import print_prose
from lrtui.run.event_json import event_to_json
from lrtui.run.events import CommandRefused, EvalDone, Event, Notice, RunStarted, StepDone
from lrtui.run.log import change_line, computed_on, evaluation_line, rounded_lrs, step_line
from lrtui.run.state import RunState
from lrtui.text.format import counted, duration, sample_counts
from lrtui.text.streams import discard


class Printer:
    """Prints a run's events.

    Args:
        as_json: print each event as a JSON object on `out` instead of the tutorial's lines.
        quiet: print no batch lines, and no messages but the data's source, warnings and errors.
        log_interval: batches between two batch lines.
    """

    def __init__(
        self, *, as_json: bool, quiet: bool, log_interval: int, out: TextIO | None = None, err: TextIO | None = None
    ) -> None:
        self._as_json, self._quiet, self._log_interval = as_json, quiet, log_interval
        self.out, self._err = out or sys.stdout, err or sys.stderr

    def print(self, event: Event) -> None:
        """Print the event."""
        if self._as_json:
            self._line(json.dumps(event_to_json(event), allow_nan=False))
        else:
            match event:
                case StepDone() if event.batch % self._log_interval == 0 and not self._quiet:
                    self._line(step_line(event))
                case EvalDone():
                    self._line(f"\n{evaluation_line(event)}\n")
        self._print_messages(event)

    def say(self, text: str) -> None:
        """Print a message, unless the printer is quiet."""
        if not self._quiet:
            self.warn(text)

    def warn(self, text: str) -> None:
        """Print a message, even if the printer is quiet."""
        try:
            print_prose(text, self._err)
        except OSError:
            # a closed terminal must not end a run whose output goes to a file
            discard(self._err)

    def _print_messages(self, event: Event) -> None:
        if isinstance(event, RunStarted):
            if self._quiet:
                # results depend on the data: the bundled sample is a tenth of it; without --quiet a notice says this
                data = event.data
                counts = sample_counts(data)
                self.warn(f"data: {data['name']} from {data['source']}, {counts}")
            self.say(f"device: {computed_on(event)}")
            total = f"{counted(event.total_steps, 'step')}, " if event.total_steps else ""
            self.say(
                f"run: {event.spec.schedule} on {event.spec.optimizer}, {total}"
                f"{event.batches_per_epoch:,} per epoch, {counted(event.parameter_count, 'parameter')}, "
                f"seed {event.spec.seed}"
            )
        elif isinstance(event, Notice) and event.level != "info":
            self.warn(event.text)
        elif isinstance(event, CommandRefused):
            self.warn(str(change_line(event)))
        elif line := change_line(event):
            self.say(line)

    def _line(self, text: str) -> None:
        # flushed line by line, for readers of a pipe
        print(text, file=self.out, flush=True)


def summary_lines(state: RunState) -> list[str]:
    """Return the summary of a run that has ended: outcome, time, best and last result, the lr of every epoch."""
    outcome = state.outcome
    status = outcome.outcome if outcome else "lost"
    of_total = f"{state.step:,} of " if state.total_steps else ""
    steps = of_total + counted(state.total_steps or state.step, "step")
    lines = [f"run {status} after {steps} in {duration(state.elapsed)}"]
    if state.started is None:
        lines = [f"run {status} before its first step"]
    if outcome and outcome.error:
        lines = [f"run failed: {outcome.error}"]
    results = (("best:", state.best), ("last:", state.last_test), ("averaged model:", state.last_averaged))
    lines += [f"{name:<6} {_result(result)}, epoch {result.epoch}" for name, result in results if result is not None]
    if state.epochs:
        lines.append("lr of each epoch: " + "  ".join(rounded_lrs(epoch.lrs) for epoch in state.epochs))
    return lines


def _result(event: EvalDone) -> str:
    first = {"accuracy": event.accuracy, "loss": event.loss}
    return ", ".join(f"{name} {value:.4f}" for name, value in {**first, **event.metrics}.items() if value is not None)
