"""The results that a suggestion is based on, as text and as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lrtui.analysis.race.standing import Standing
from lrtui.analysis.suggest.range_test import RangeTestResult
from lrtui.analysis.suggest.suggestion import Suggestion, describe_difference, placing_of_user_schedule
from lrtui.run.event_json import plain
from lrtui.text.format import counted, figure, four_digits

CONFIDENCE_TEXT = {"good": "high", "fair": "moderate", "poor": "low"}


def reason_lines(suggestion: Suggestion) -> Iterator[str]:
    """Yield what the suggestion is based on, one sentence per line."""
    rounds = suggestion.rounds
    yield _range_test_line(suggestion.range_test)
    if not rounds:
        yield "no race: the budget is too small for one, so only the lr was searched"
    for standing in rounds:
        yield from _round_lines(standing)
    yield from _full_run_lines(suggestion)
    yield f"spent: {suggestion.spent:.2f} of {suggestion.budget:g} full runs"
    yield f"confidence: {CONFIDENCE_TEXT[suggestion.confidence]}: {suggestion.confidence_reason}"


def _range_test_line(range_test: RangeTestResult) -> str:
    steps, lr = counted(range_test.steps, "step"), four_digits(range_test.lr)
    if range_test.doubt:
        return f"range test: {steps}; {range_test.doubt}, so the search used lr {lr} of the optimizer"
    rules = ", ".join(
        f"{name} {'none' if at is None else four_digits(at)}" for name, at in range_test.suggestions.items()
    )
    agree = "agree" if range_test.rules_agree else "disagree"
    spread = f"the largest is {range_test.spread:.1f} times the smallest"
    return f"range test: {steps}; lr {lr} ({rules}; they {agree}, {spread})"


def _round_lines(standing: Standing) -> Iterator[str]:
    epochs, seeds = counted(standing.plan.common.epochs, "epoch"), counted(len(standing.seeds), "seed")
    yield f"{standing.plan.title}: {epochs}, {seeds}, each schedule shortened to that length; {standing.metric}:"
    for placing in standing.placings:
        yield f"  {figure(placing.mean)}  {placing.label}"
    for unranked in standing.unranked:
        yield f"  {unranked.why}  {unranked.label}"
    if len(standing.placings) > 1:
        first, second = standing.placings[:2]
        yield f"  the first is ahead of the second by {describe_difference(standing, first, second)[0]}"
    user = placing_of_user_schedule(standing)
    if user is not None and len(standing.placings) > 1 and user not in standing.placings[:2]:
        yield f"  the first is ahead of your schedule by {describe_difference(standing, standing.placings[0], user)[0]}"


def _full_run_lines(suggestion: Suggestion) -> Iterator[str]:
    result, rounds = suggestion.full_run, suggestion.rounds
    epochs = counted(suggestion.spec.epochs, "epoch")
    if result is None:
        yield f"no full run: the budget does not cover {epochs}, so the result at full length is unknown"
        return
    test, best = result.last_test, result.story.best if result.story else None
    if not result.is_done or test is None or best is None:
        yield f"full run {result.state} at step {result.step:,} of {result.total_steps:,} (run #{result.run})"
        return
    values = (
        f"loss {figure(test.loss)}, best {figure(best.loss)}"
        if test.accuracy is None or best.accuracy is None
        else f"accuracy {figure(test.accuracy)}, best {figure(best.accuracy)}"
    )
    seed = rounds[0].plan.common.seed if rounds else suggestion.spec.seed
    yield f"full run, {epochs}, seed {seed}: {values} in epoch {best.epoch} (run #{result.run})"


def suggestion_record(suggestion: Suggestion) -> dict[str, Any]:
    """Return the suggestion as plain JSON values."""
    range_test, result = suggestion.range_test, suggestion.full_run
    test = None if result is None else result.last_test
    return {
        "schedule": suggestion.winner.schedule,
        "optimizer": suggestion.winner.optimizer or suggestion.spec.optimizer,
        "command": suggestion.command,
        "sureness": suggestion.confidence,
        "sureness_words": suggestion.confidence_reason,
        "lr": range_test.lr,
        "suggestions": plain(range_test.suggestions),
        "rules_agree": range_test.rules_agree,
        "range_test_steps": range_test.steps,
        "rounds": [
            {
                "race": standing.plan.number,
                "epochs": standing.plan.common.epochs,
                "seeds": list(standing.seeds),
                "metric": standing.metric,
                "placings": [{"label": placing.label, "mean": placing.mean} for placing in standing.placings],
            }
            for standing in suggestion.rounds
        ],
        "in_full": None
        if result is None
        else {
            "run": result.run,
            "state": result.state,
            "epochs": suggestion.spec.epochs,
            "accuracy": None if test is None else plain(test.accuracy),
            "loss": None if test is None else plain(test.loss),
        },
        "budget": suggestion.budget,
        "spent": suggestion.spent,
        "basis": list(reason_lines(suggestion)),
    }
