"""What the lr will be, computed off the UI thread by stepping the real scheduler.

Requests are told apart by a slot (`run`, `picker` ...): in each slot the latest wins, so that a fast typist never
waits for curves that nobody wants any more.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lrtui.run.errors import LrtuiError, NotationError


@dataclass(frozen=True, slots=True)
class Question:
    """Which curve is wanted: a schedule put in place at `start_step` of a run of this length.

    Args:
        schedule: notation.
        optimizer: notation; its lr is what the anchors `base` and `start` build on.
        epochs: of the whole run.
        batches_per_epoch: optimizer steps an epoch.
        start_step: step from which the schedule holds; 0 for a run's first.
        anchor: `base`, `current` or `start`.
        current_lrs: lr at the moment of the switch, one per parameter group; empty at a run's start.
        results: test results so far as (name, value) pairs an epoch, for schedules that follow a metric.
    """

    schedule: str
    optimizer: str
    epochs: int
    batches_per_epoch: int
    start_step: int = 0
    anchor: str = "base"
    current_lrs: tuple[float, ...] = ()
    results: tuple[tuple[tuple[str, float], ...], ...] = ()


@dataclass(frozen=True, slots=True)
class Answer:
    """The curve, or why there is none.

    Args:
        question: what was asked.
        lrs: float64, shape (steps from `start_step` to the end, parameter groups); None where it can't be.
        schedule: the notation with its lengths filled in.
        error: why there is no curve.
    """

    question: Question
    lrs: NDArray[np.float64] | None = None
    schedule: str = ""
    error: LrtuiError | None = None


def compute(question: Question) -> Answer:
    """Return the curve by stepping the real class; imports torch."""
    from lrtui.schedules.filling import fill_in
    from lrtui.schedules.horizon import Horizon
    from lrtui.schedules.notation import parse_optimizer, parse_schedule
    from lrtui.schedules.simulate import simulate_anchor

    try:
        schedule, optimizer = parse_schedule(question.schedule), parse_optimizer(question.optimizer)
        horizon = Horizon(question.epochs, question.batches_per_epoch, question.start_step)
        lrs = simulate_anchor(
            schedule,
            optimizer,
            horizon,
            question.anchor,
            question.current_lrs or optimizer.lrs,
            metrics=[dict(result) for result in question.results] or None,
        )
        built_for = Horizon(question.epochs, question.batches_per_epoch, 0) if question.anchor == "start" else horizon
        return Answer(question, lrs, str(fill_in(schedule, built_for)[0]))
    except LrtuiError as error:
        return Answer(question, error=error)
    except Exception as error:  # an own scheduler class can raise anything; the curve's place says it
        return Answer(question, error=NotationError(f"{type(error).__name__}: {error}", question.schedule))


class Forecaster:
    """Answers questions in a thread of its own, the latest of each slot first.

    Args:
        deliver: takes a slot and its answer; called in the forecaster's thread.
        ready: set when torch has been imported; nothing is computed before, so that the import is not done twice at
            once and the first frame waits for nothing.
    """

    def __init__(self, deliver: Callable[[str, Answer], object], ready: threading.Event) -> None:
        self._deliver = deliver
        self._ready = ready
        self._wanted: dict[str, Question] = {}
        self._change = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="forecast", daemon=True)

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def ask(self, slot: str, question: Question) -> None:
        """Ask for a curve; an earlier question in the slot that is not answered yet is dropped."""
        with self._change:
            self._wanted[slot] = question
            self._change.notify()

    def close(self) -> None:
        """Answer nothing more; returns at once."""
        with self._change:
            self._closed = True
            self._change.notify()
        self._ready.set()

    def _work(self) -> None:
        self._ready.wait()
        while True:
            with self._change:
                self._change.wait_for(lambda: self._closed or self._wanted)
                if self._closed:
                    return
                slot = next(iter(self._wanted))
                question = self._wanted.pop(slot)
            answer = compute(question)
            with self._change:
                overtaken = slot in self._wanted or self._closed
            if not overtaken:
                self._deliver(slot, answer)
