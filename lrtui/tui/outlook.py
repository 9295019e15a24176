"""The lr that is to come, for every run that is drawn and for the next one: asked for once, kept while it holds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from lrtui.run.evaluations import epoch_results
from lrtui.run.spec import RunSpec
from lrtui.run.state import RunState
from lrtui.tui.forecast import Answer, Question
from lrtui.tui.view import Future

NEXT = "next"
"""Slot of the next run's schedule."""


def question_of_run(state: RunState) -> Question | None:
    """Return the question whose answer is the raw lr from the last switch on; None before the run started."""
    if state.started is None:
        return None
    spec = state.started.spec
    question = Question(state.schedule, spec.optimizer, spec.epochs, state.started.batches_per_epoch)
    if switch := state.last_switch:
        question = replace(question, start_step=switch.step, anchor=switch.anchor, current_lrs=tuple(switch.lrs_before))
    if state.schedule.startswith("ReduceLROnPlateau"):
        # the tests that the schedule has seen: since its switch, all of them where it was stepped from the start
        since = 0 if question.anchor == "start" else question.start_step
        tests = [test for test in epoch_results(state).values() if test.step > since]
        question = replace(question, results=tuple(tuple(test.all_metrics.items()) for test in tests))
    return question


class Outlook:
    """Asks the forecaster and keeps its answers.

    Args:
        ask: takes a slot and a question; the answer comes to `take`.
    """

    def __init__(self, ask: Callable[[str, Question], None]) -> None:
        self._ask = ask
        self._asked: dict[str, Question] = {}
        self.futures: dict[int, Future] = {}
        self.preview: Future | None = None

    def request(self, spec: RunSpec, batches_per_epoch: int, runs: dict[int, RunState]) -> None:
        """Ask for what has changed: the next run's schedule, and that of each run that goes on."""
        self._want(NEXT, Question(spec.schedule, spec.optimizer, spec.epochs, batches_per_epoch))
        for number, state in runs.items():
            if question := question_of_run(state):
                self._want(str(number), question)

    def take(self, slot: str, answer: Answer) -> bool:
        """Keep an answer; return whether it is one that was asked for and still holds."""
        if self._asked.get(slot) != answer.question:
            return False
        future = Future(answer.question.start_step, answer.lrs) if answer.lrs is not None else None
        if slot == NEXT:
            self.preview = future
        elif future is not None:
            self.futures[int(slot)] = future
        return True

    def _want(self, slot: str, question: Question) -> None:
        if self._asked.get(slot) != question:
            self._asked[slot] = question
            if slot == NEXT:
                self.preview = None
            else:
                # what an overtaken schedule would have done is not what will be
                self.futures.pop(int(slot), None)
            self._ask(slot, question)
