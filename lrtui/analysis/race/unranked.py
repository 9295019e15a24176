"""Who is in no rank of a race, and why."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from lrtui.analysis.race.plan import RacePlan
from lrtui.analysis.race.results import CellResult
from lrtui.text.format import figure


@dataclass(frozen=True, slots=True)
class Absent:
    """An entrant that is not ranked.

    Args:
        why: `stopped` by the rule, `diverged`, `failed` or `unfinished`.
        step: that it reached with the seed that put it out, or in all.
        words: what happened.
    """

    entrant: int
    label: str
    why: str
    step: int
    words: str


def why_out(plan: RacePlan, entrant: int, results: Sequence[CellResult]) -> Absent | None:
    """Return why an entrant has left the race; None where it is in it."""
    label = plan.entrants[entrant].label
    own = [result for result in results if result.cell.entrant == entrant]
    ruling = plan.rulings.get(entrant)
    if ruling is not None:
        words = f"with seed {ruling.seed} after epoch {ruling.epoch}: {ruling.reason}"
        # it may have done some steps more before it was stopped
        step = max(ruling.step, *(result.step for result in own if result.cell.seed == ruling.seed))
        return Absent(entrant, label, "stopped", step, words)
    for why in ("diverged", "failed"):
        fallen = [result for result in own if result.state == why]
        if why == "diverged":
            fallen += [result for result in own if result.state == "done" and not _is_finite(result)]
        if fallen:
            first = fallen[0]
            more = f": {first.error}" if first.error else ""
            ran = sum(result.state != "missing" for result in own)
            words = f"with {len(fallen)} of the {ran} seeds it was run with, first with seed {first.cell.seed}{more}"
            return Absent(entrant, label, why, first.step, words)
    return None


def _is_finite(result: CellResult) -> bool:
    return result.last_test is None or math.isfinite(result.last_test.loss)


def unfinished(plan: RacePlan, entrant: int, results: Sequence[CellResult]) -> Absent:
    """Return how far an entrant has come that is in the race and not ranked yet."""
    own = [result for result in results if result.cell.entrant == entrant]
    done = [result for result in own if result.is_done]
    words = f"{len(done)} of {len(plan.seeds)} seeds are done"
    tests = [(result, result.last_test) for result in own if not result.is_done and result.last_test is not None]
    if tests:
        result, test = tests[0]
        value = figure(test.loss if test.accuracy is None else test.accuracy)
        words += f"; with seed {result.cell.seed} it has {value} after epoch {test.epoch}"
    return Absent(entrant, plan.entrants[entrant].label, "unfinished", max(result.step for result in own), words)
