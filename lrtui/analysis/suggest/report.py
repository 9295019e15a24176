"""What a suggestion is based on, in sentences."""

from __future__ import annotations

from collections.abc import Iterator

from lrtui.analysis.race.standing import Standing
from lrtui.analysis.suggest.finding import Finding
from lrtui.analysis.suggest.significance import chance_words
from lrtui.analysis.suggest.suggestion import Suggestion, place_of_own
from lrtui.text.format import counted, figure
from lrtui.text.numbers import four_digits


def basis_lines(suggestion: Suggestion) -> Iterator[str]:
    """Yield what the suggestion is based on, a sentence a line."""
    rounds = suggestion.rounds
    yield _range_test_line(suggestion.finding)
    if not rounds:
        yield "no race: the budget has no room for one, so that the lr is all that was found out"
    for stands in rounds:
        yield from _round_lines(stands)
    yield from _in_full_lines(suggestion)
    yield f"spent: {suggestion.spent:.2f} of {suggestion.budget:g} whole runs"
    yield f"how sure: {suggestion.sureness}: {suggestion.sureness_words}"


def _range_test_line(finding: Finding) -> str:
    steps, lr = counted(finding.steps, "step"), four_digits(finding.lr)
    if finding.doubt:
        return f"range test: {steps}; {finding.doubt}, so that the search went on with lr {lr}, the optimizer's own"
    rules = ", ".join(f"{name} {'none' if at is None else four_digits(at)}" for name, at in finding.suggestions.items())
    agree = "agree" if finding.rules_agree else "do not agree"
    return f"range test: {steps}; lr {lr} ({rules}: they {agree}, the largest is {finding.spread:.1f} times the least)"


def _round_lines(stands: Standing) -> Iterator[str]:
    epochs, seeds = counted(stands.plan.common.epochs, "epoch"), counted(len(stands.seeds), "seed")
    yield f"{stands.plan.title}: {epochs}, {seeds}, each schedule's whole course in that length; {stands.metric}:"
    for placing in stands.placings:
        yield f"  {figure(placing.mean)}  {placing.label}"
    for absent in stands.absent:
        yield f"  {absent.why}  {absent.label}"
    if len(stands.placings) > 1:
        first, second = stands.placings[:2]
        yield f"  first ahead of second by {chance_words(stands, first, second)[0]}"
    own = place_of_own(stands)
    if own is not None and len(stands.placings) > 1 and own not in stands.placings[:2]:
        yield f"  first ahead of yours by {chance_words(stands, stands.placings[0], own)[0]}"


def _in_full_lines(suggestion: Suggestion) -> Iterator[str]:
    result, rounds = suggestion.in_full, suggestion.rounds
    epochs = counted(suggestion.spec.epochs, "epoch")
    if result is None:
        yield f"not run in full: {epochs} of it had no room in the budget, and what it reaches there is not known"
        return
    test, best = result.last_test, result.story.best if result.story else None
    if not result.is_done or test is None or best is None:
        yield f"in full it {result.state} at step {result.step:,} of {result.total_steps:,} (run #{result.run})"
        return
    values = (
        f"loss {figure(test.loss)}, best {figure(best.loss)}"
        if test.accuracy is None or best.accuracy is None
        else f"accuracy {figure(test.accuracy)}, best {figure(best.accuracy)}"
    )
    seed = rounds[0].plan.common.seed if rounds else suggestion.spec.seed
    yield f"run in full, {epochs}, seed {seed}: {values} in epoch {best.epoch} (run #{result.run})"
