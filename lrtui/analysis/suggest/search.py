"""The search for a schedule: a range test, short races, and the winner at full length."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from lrtui.analysis.race.plan import Entrant, new_plan
from lrtui.analysis.race.plan_files import RACES, PlanFiles
from lrtui.analysis.race.race import Race
from lrtui.analysis.race.results import CellResult, read_results
from lrtui.analysis.race.standing import Standing, rank
from lrtui.analysis.suggest.candidates import USER_SCHEDULE, Candidate, candidates
from lrtui.analysis.suggest.range_test import FindLr
from lrtui.analysis.suggest.suggestion import Suggestion
from lrtui.distributed.engine_launcher import engine_launcher
from lrtui.distributed.engine_settings import THIS_PROCESS, EngineSettings
from lrtui.distributed.launcher import Launcher
from lrtui.engine.recording import user_code
from lrtui.run.errors import LrtuiError
from lrtui.run.spec import RunSpec
from lrtui.schedules.horizon import Horizon
from lrtui.tasks.task import Say
from lrtui.text.format import counted, four_digits

FINALISTS = 2


@dataclass(frozen=True, slots=True)
class Round:
    """A short race.

    Args:
        candidates: number of candidates.
        epochs: epochs of each run.
        seeds: number of seeds per candidate.
    """

    candidates: int
    epochs: int
    seeds: int = 1

    @property
    def cost(self) -> int:
        """Its cost in epochs."""
        return self.candidates * self.epochs * self.seeds


@dataclass(frozen=True, slots=True)
class BudgetPlan:
    """How a budget is spent.

    Args:
        rounds: short races, each with the best candidates of the one before.
        full_run: whether the winner is then trained at full length.
    """

    rounds: tuple[Round, ...]
    full_run: bool


def plan_budget(left: float, epochs: int, candidates: int) -> BudgetPlan:
    """Return how to spend a budget, by successive halving (Jamieson and Talwalkar 2016).

    The full run of the winner is reserved first, because an untested suggestion is worth little. Half of the rest is
    for a race of all candidates, half for a longer race of the best two. The runs of a race have at most half the
    epochs of the full run; what is left goes to more seeds.

    Args:
        left: epochs to spend.
        epochs: epochs of the whole run.
        candidates: number of candidates.
    """
    full_run = left >= epochs
    room = int(left - epochs if full_run else left)
    count = min(candidates, room)
    if count < 2:
        return BudgetPlan((), full_run)
    # a race is at most half as long as the run
    longest = max(1, epochs // 2)
    first = Round(count, min(longest, max(1, room // 2 // count)))
    rest = room - first.cost
    length = min(longest, rest // FINALISTS)
    if count <= FINALISTS or length <= first.epochs:
        # no longer race is possible, so the first one gets everything
        seeds = max(1, room // (count * first.epochs))
        return BudgetPlan((Round(count, first.epochs, seeds),), full_run)
    return BudgetPlan((first, Round(FINALISTS, length, rest // (FINALISTS * length))), full_run)


DEFAULT_BUDGET = 2.0
"""The default budget, in full runs."""

MAX_BUDGET = 1_000
"""The largest budget, in full runs: the plan of a race lists every run."""


class SearchStoppedError(LrtuiError):
    """The search was stopped."""


class Search:
    """A search, run in the thread that calls `run`.

    Args:
        spec: spec of the run; its schedule is one of the candidates.
        budget: budget in full runs, the range test included.
        files: files of the store that keeps the races.
        find: runs the range test.
        say: receives progress messages, one line each.
        engine: what starts the runs, and how many at a time.
    """

    def __init__(
        self,
        spec: RunSpec,
        budget: float,
        files: PlanFiles,
        find: FindLr,
        say: Say,
        *,
        engine: EngineSettings = THIS_PROCESS,
    ) -> None:
        self._spec, self._budget, self._files = spec, budget, files
        self._find, self._say, self._engine = find, say, engine
        self._race: Race | None = None
        self._launcher: Launcher | None = None
        self._stopped = False
        self._steps = 0

    def stop(self, because: str = "") -> None:
        """Stop after the current batch. Callable from any thread and from a signal handler.

        Args:
            because: reason, unless the user asked for it.
        """
        self._stopped = True
        if self._race is not None:
            self._race.stop(because)

    def run(self) -> Suggestion:
        """Search, and return the suggestion.

        Raises:
            SearchStoppedError: if `stop` was called.
            LrtuiError: if a run or the range test fails, with the reason.
        """
        try:
            return self._search()
        except LrtuiError:
            # a range test that was stopped early finds no lr, and a cluster that was does not start
            self._check_stopped()
            raise

    def _search(self) -> Suggestion:
        spec = self._spec
        range_test = self._find(spec, self._budget, self._say, lambda: self._stopped)
        self._check_stopped()
        self._say(f"the range test found an lr of {four_digits(range_test.lr)} ({counted(range_test.steps, 'step')})")
        self._steps = range_test.steps
        whole = Horizon.of(spec, range_test.batches_per_epoch)
        spec = replace(spec, epochs=whole.epochs)
        field = candidates(spec, range_test)
        # schedules that can't be simulated can't be shortened
        field = [candidate for candidate in field if candidate.of_length(1) is not None]
        left = self._budget * spec.epochs - range_test.steps / range_test.batches_per_epoch
        budget_plan = plan_budget(left, spec.epochs, len(field))
        rounds: list[Standing] = []
        result = None
        with engine_launcher(
            self._engine,
            spec,
            self._files.folder,
            threads=self._engine.threads(spec.nproc),
            output=self._files.folder / RACES / "suggest.out",
            places=user_code(spec),
            say=self._say,
        ) as self._launcher:
            for plan in budget_plan.rounds:
                field = self._order(field[: plan.candidates], plan.epochs, plan.seeds, rounds)
            # titles are for the short races; the full run is labelled by its notation
            winner = replace(_require(field[0].of_length(spec.epochs)), title=None)
            if budget_plan.full_run:
                _, (result,) = self._run_race([winner], spec.epochs, 1)
        spent = self._steps / whole.total_steps
        return Suggestion(spec, winner, range_test, tuple(rounds), result, self._budget, spent)

    def _order(self, field: Sequence[Candidate], epochs: int, seeds: int, rounds: list[Standing]) -> list[Candidate]:
        """Race the candidates over a number of epochs; return the ranked ones, the best first."""
        # the user's schedule comes first, since the others are compared with the first entrant
        field = sorted(field, key=lambda candidate: not candidate.name.startswith(USER_SCHEDULE))
        entrants = [_require(candidate.of_length(epochs)) for candidate in field]
        standing, _ = self._run_race(entrants, epochs, seeds)
        rounds.append(standing)
        if not standing.placings:
            outs = "; ".join(f"{unranked.label}: {unranked.why}" for unranked in standing.unranked)
            raise LrtuiError(f"no candidate finished: {outs}. Try a lower lr in --optimizer")
        return [field[placing.entrant] for placing in standing.placings]

    def _run_race(self, entrants: Sequence[Entrant], epochs: int, seeds: int) -> tuple[Standing, list[CellResult]]:
        name = "suggest" if self._spec.name is None else f"{self._spec.name} suggest"
        common = replace(self._spec, epochs=epochs, name=name)
        # no entrant is stopped, since the budget counts complete runs
        plan = new_plan(entrants, common, self._files.folder, seeds=seeds, engine=self._engine, stops=False)
        self._check_stopped()
        self._files.create(plan)
        self._say(f"{plan.title}: {counted(len(plan.cells), 'run')} of {counted(epochs, 'epoch')}")
        self._race = Race(self._files, plan, self._say, self._launcher)
        if self._stopped:
            # by a signal since the check above, which could not reach the race
            self._race.stop()
        self._race.run()
        self._check_stopped()
        results = read_results(self._files.folder, plan)
        self._steps += sum(result.step for result in results)
        return rank(plan, results), results

    def _check_stopped(self) -> None:
        if self._stopped:
            stored = "; its races are stored" if self._race else ""
            raise SearchStoppedError(f"the search was stopped{stored}. lrtui suggest starts a new one")


def _require(entrant: Entrant | None) -> Entrant:
    assert entrant is not None, "candidates without a short form were removed before"
    return entrant
