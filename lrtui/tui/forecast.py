"""What the lr will be, computed off the UI thread by stepping the real scheduler, and what there is to say of it.

Requests are told apart by a slot (`run`, `picker` ...): in each slot the latest wins, so that a fast typist never
waits for curves that nobody wants any more.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lrtui.run.errors import LrtuiError, NotationError

# the first frame waits for nothing of the checks'
if TYPE_CHECKING:
    from lrtui.analysis.checks import Finding


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
        checked: whether the findings are wanted, too; they come in a second answer.
        accumulate: batches whose gradients make one optimizer step, as the findings tell.
    """

    schedule: str
    optimizer: str
    epochs: int
    batches_per_epoch: int
    start_step: int = 0
    anchor: str = "base"
    current_lrs: tuple[float, ...] = ()
    results: tuple[tuple[tuple[str, float], ...], ...] = ()
    checked: bool = False
    accumulate: int = 1


@dataclass(frozen=True, slots=True)
class Answer:
    """The curve, or why there is none.

    Args:
        question: what was asked.
        lrs: float64, shape (steps from `start_step` to the end, parameter groups); None where it can't be.
        schedule: the notation with its lengths filled in.
        error: why there is no curve.
        findings: what there is to say of the schedule, the most severe first; None where it was not looked at (yet).
    """

    question: Question
    lrs: NDArray[np.float64] | None = None
    schedule: str = ""
    error: LrtuiError | None = None
    findings: tuple[Finding, ...] | None = None


def compute(question: Question) -> Answer:
    """Return the curve by stepping the real class; imports torch."""
    from lrtui.schedules.notation import parse_optimizer, parse_schedule
    from lrtui.schedules.schedule import Horizon, fill_in
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


def check(answer: Answer) -> Answer:
    """Return the answer with its findings; imports torch.

    Of a schedule that can't be read, or whose class can't be loaded, there is nothing to say beside its error.
    """
    from lrtui.analysis.checks import check_schedule
    from lrtui.schedules.notation import parse_optimizer, parse_schedule
    from lrtui.schedules.schedule import Horizon

    question = answer.question
    # stepped from the run's start, a schedule covers the whole run, of which the answer has what remains
    is_whole = question.anchor == "start" or question.start_step == 0
    horizon = Horizon(question.epochs, question.batches_per_epoch, 0 if is_whole else question.start_step)
    try:
        findings = check_schedule(
            parse_schedule(question.schedule),
            parse_optimizer(question.optimizer),
            horizon,
            accumulate=question.accumulate,
            base_lrs=question.current_lrs if question.anchor == "current" else None,
            lrs=answer.lrs if answer.lrs is not None and len(answer.lrs) == horizon.steps else None,
        )
    except Exception:  # an own scheduler class can raise anything; the curve's place has said it
        findings = []
    return replace(answer, findings=tuple(findings))


class Forecaster:
    """Answers questions in a thread of its own, the latest of each slot first.

    A question that wants findings is answered twice: with the curve, then with what there is to say of it.

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
            if self._deliver_unless_overtaken(slot, answer) and question.checked:
                self._deliver_unless_overtaken(slot, check(answer))

    def _deliver_unless_overtaken(self, slot: str, answer: Answer) -> bool:
        with self._change:
            overtaken = slot in self._wanted or self._closed
        if not overtaken:
            self._deliver(slot, answer)
        return not overtaken
