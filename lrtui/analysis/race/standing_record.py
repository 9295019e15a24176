"""A race's standing as JSON: an object for each run, for each schedule, and for the race."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from lrtui.analysis.race.results import CellResult
from lrtui.analysis.race.standing import Placing, Standing
from lrtui.analysis.race.unranked import Absent
from lrtui.analysis.race.verdict import notes, summary
from lrtui.run.evaluations import metric_of
from lrtui.run.event_json import plain


def standing_records(standing: Standing, results: Sequence[CellResult]) -> Iterator[dict[str, Any]]:
    """Yield plain JSON values, told apart by "record": every `run`, every `schedule` as ranked, then the `race`."""
    for result in results:
        yield _run_record(standing, result)
    for placing in standing.placings:
        yield _schedule_record(standing, placing)
    for absent in standing.absent:
        yield _absent_record(standing, absent)
    plan = standing.plan
    yield {
        "record": "race",
        "race": plan.number,
        "name": plan.common.name,
        "whole": standing.is_whole,
        "metric": standing.metric,
        "seeds": list(standing.seeds),
        "seeds_planned": list(plan.seeds),
        "epoch": standing.epoch,
        "step": standing.step,
        "target": standing.target,
        "reference": None if standing.reference is None else plan.entrants[standing.reference].label,
        "winner": standing.placings[0].label if standing.placings else None,
        "lead": plain(standing.lead),
        "verdict": " ".join(summary(standing)),
        "warnings": list(standing.warnings),
        "notes": notes(standing),
    }


def _run_record(standing: Standing, result: CellResult) -> dict[str, Any]:
    tests = [
        {
            "epoch": epoch,
            "step": test.step,
            "seconds": test.seconds,
            standing.metric: plain(metric_of(test, standing.metric)),
            "loss": plain(test.loss),
        }
        for epoch, test in sorted(result.tests.items())
    ]
    return {
        "record": "run",
        **_entrant(standing, result.cell.entrant),
        "seed": result.cell.seed,
        "run": result.run,
        "state": result.state,
        "step": result.step,
        "tests": tests,
    }


def _schedule_record(standing: Standing, placing: Placing) -> dict[str, Any]:
    return {
        "record": "schedule",
        **_entrant(standing, placing.entrant),
        "state": "ranked",
        "rank": placing.rank,
        "mean": placing.mean,
        "deviation": placing.deviation,
        "values": {str(seed): value for seed, value in placing.values.items()},
        "difference": plain(placing.difference),
        "verdict": None if placing.difference is None else placing.difference.verdict,
        "rank_to_target": placing.time_rank,
        "steps_to_target": None if placing.reached is None else placing.reached.steps,
        "seconds_to_target": None if placing.reached is None else placing.reached.seconds,
        "seeds_that_reached_target": placing.reached_seeds,
    }


def _absent_record(standing: Standing, absent: Absent) -> dict[str, Any]:
    return {
        "record": "schedule",
        **_entrant(standing, absent.entrant),
        "state": absent.why,
        "rank": None,
        "step": absent.step,
        "reason": absent.words,
    }


def _entrant(standing: Standing, index: int) -> dict[str, Any]:
    entrant = standing.plan.entrants[index]
    return {"label": entrant.label, "schedule": entrant.schedule, "optimizer": entrant.optimizer}
