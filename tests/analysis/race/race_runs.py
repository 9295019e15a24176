"""Tiny races that are trained, and races with made-up results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from training_runs import TINY, tiny_spec

from lrtui.analysis.race.plan import Cell, Entrant, RacePlan, new_plan, parse_entrant
from lrtui.analysis.race.plan_files import PlanFiles
from lrtui.analysis.race.race import Race, race_launcher
from lrtui.analysis.race.results import CellResult, read_results
from lrtui.analysis.race.standing import Standing, rank
from lrtui.distributed.engine_settings import EngineSettings
from lrtui.run.events import EpochDone, EvalDone, Event, Mode, RunFinished, RunStarted
from lrtui.run.spec import RunSpec
from lrtui.run.state import RunState

TASKS = f"{Path(__file__).parent / 'race_tasks.py'}:"

PER_EPOCH = 50


def planned(folder: Path, *schedules: str, seeds: int = 2, jobs: int = 1, **settings: Any) -> RacePlan:
    """Return the plan of a race of tiny runs, saved in its file."""
    of_race = {name: settings.pop(name) for name in ("stops", "target") if name in settings}
    files = PlanFiles(folder)
    entrants = [parse_entrant(text) for text in schedules]
    plan = new_plan(entrants, tiny_spec(**settings), folder, seeds=seeds, engine=EngineSettings(jobs=jobs), **of_race)
    files.create(plan)
    return plan


def run_race(folder: Path, plan: RacePlan) -> list[str]:
    """Train the remaining runs of a race; return its messages."""
    messages: list[str] = []
    files = PlanFiles(folder)
    with race_launcher(files, plan, messages.append) as launcher:
        Race(files, plan, messages.append, launcher).run()
    return messages


def standing(folder: Path, plan: RacePlan) -> Standing:
    return rank(plan, read_results(folder, plan))


def fake_plan(*schedules: str, seeds: int = 1, epochs: int = 10, **settings: Any) -> RacePlan:
    """Return a plan that is not saved."""
    return RacePlan(
        number=1,
        created=0.0,
        entrants=tuple(Entrant(schedule) for schedule in schedules),
        seeds=tuple(range(seeds)),
        common=RunSpec(epochs=epochs, task=TINY),
        **settings,
    )


def fake_result(
    plan: RacePlan,
    entrant: int,
    values: Sequence[float],
    *,
    seed: int = 0,
    outcome: str | None = "done",
    losses: Sequence[float] | None = None,
    first_loss: float | None = None,
    data: Mapping[str, str | int] | None = None,
    accuracy: bool = True,
    best: tuple[str, Mode] | None = None,
) -> CellResult:
    """Return the result of a run with these accuracies by epoch, or with these losses if `accuracy` is false.

    With `best` they are values of that metric, the loss is 1, and there is no accuracy.
    """
    cell = Cell(entrant, seed)
    spec = plan.spec(cell)
    events: list[Event] = [
        RunStarted(
            seq=0, step=0, seconds=0.0, spec=spec, device="cpu", torch_threads=1,
            data=data or {"name": "made up", "source": "nowhere", "train": 1000, "test": 10_000},
            parameter_count=10, batches_per_epoch=PER_EPOCH, total_steps=PER_EPOCH * spec.epochs,
            group_names=("default",), group_lrs=(0.01,), best=best and best[0], mode=best and best[1],
        )
    ]  # fmt: skip
    for epoch, value in enumerate(values, 1):
        step, loss = epoch * PER_EPOCH, losses[epoch - 1] if losses else 1 - value if accuracy else value
        shared = {"step": step, "seconds": epoch * 2.0, "epoch": epoch}
        if best is not None:
            loss, accuracy = 1.0, False
        metrics = {best[0]: value} if best else {}
        events.append(
            EvalDone(
                seq=2 * epoch,
                metrics=metrics,
                loss=loss,
                accuracy=value if accuracy else None,
                seconds_taken=0.1,
                **shared,
            )
        )
        events.append(EpochDone(seq=2 * epoch + 1, lrs=(0.01,), samples_per_second=1.0, **shared))
    last = len(values)
    if outcome is not None:
        events.append(RunFinished(seq=2 * last + 2, step=last * PER_EPOCH, seconds=last * 2.0, outcome=outcome))
    state = RunState()
    state.fold(events)
    result = CellResult.of_state(cell, 100 + 10 * entrant + seed, state)
    result.step, result.first_loss = last * PER_EPOCH, first_loss
    return result


def filled(plan: RacePlan, results: Sequence[CellResult]) -> list[CellResult]:
    """Return a result for every cell of the plan, in order; cells without one are missing runs."""
    by_cell = {result.cell: result for result in results}
    return [by_cell.get(cell, CellResult(cell)) for cell in plan.cells]
