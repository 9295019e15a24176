"""What a ReduceLROnPlateau would have done over the tests of a run that is on record. Knows no widget."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from lrtui.run.state import RunState
from lrtui.schedules.horizon import Horizon
from lrtui.schedules.schedule import Schedule
from lrtui.schedules.what_if import cuts_of, cuts_words, recorded_results
from lrtui.text.numbers import four_digits
from lrtui.tui.forecast import Answer, Question


@dataclass(frozen=True, slots=True)
class Recorded:
    """The tests of a run.

    Args:
        title: what the run is called.
        results: (name, figure) pairs, an epoch each, the first epoch's first.
    """

    title: str
    results: tuple[tuple[tuple[str, float], ...], ...]


def recorded_of(title: str, states: Sequence[RunState]) -> Recorded | None:
    """Return what the tests of a run said; None where there was none.

    Args:
        states: the run's, and before it those of the runs that it branched from, as far as they are known.
    """
    results = tuple(tuple(result.items()) for result in recorded_results(states))
    return Recorded(title, results) if any(results) else None


def with_results(question: Question, schedule: Schedule | None, recorded: Recorded | None) -> Question:
    """Return the question with the results that the schedule follows; as it is where it follows none.

    A switch that counts from now on follows tests that nobody has made yet.
    """
    if recorded is None or schedule is None or schedule.metric is None:
        return question
    if question.start_step and question.anchor != "start":
        return question
    return replace(question, results=recorded.results)


def what_if_words(answer: Answer | None, schedule: Schedule | None, recorded: Recorded | None) -> str:
    """Return when the schedule would have cut the lr; nothing for one that follows no test.

    Args:
        answer: its curve; None while that is awaited.
        schedule: the one that is being chosen.
        recorded: what it was laid over.
    """
    if schedule is None or schedule.metric is None or answer is None or answer.lrs is None:
        return ""
    question = answer.question
    if recorded is None or not question.results:
        return f"it follows the tests' {schedule.metric}: flat until they are made"
    known = [epoch for epoch, result in enumerate(question.results, 1) if schedule.metric in dict(result)]
    if not known:
        return f"it follows the tests' {schedule.metric}, which {recorded.title} has not measured"
    over = f"over the {schedule.metric} of {recorded.title} ({known[-1]} epoch{'s' * (known[-1] > 1)})"
    if question.start_step:
        # of a run that goes on the curve has what is to come alone
        lrs = ", ".join(four_digits(float(lr)) for lr in answer.lrs[:1].flat)
        return f"{over}: would have come to {lrs} by now"
    return f"{over}: {cuts_words(cuts_of(answer.lrs, Horizon(question.epochs, question.batches_per_epoch)))}"
