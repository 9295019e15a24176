"""The search for a schedule: a range test, short races, the winner in full."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from lrtui.analysis.race.create import new_plan
from lrtui.analysis.race.entrant import Entrant
from lrtui.analysis.race.plan_files import PlanFiles
from lrtui.analysis.race.results import CellResult, read_results
from lrtui.analysis.race.race import Race
from lrtui.analysis.race.standing import Standing, standing
from lrtui.analysis.suggest.budget import plan_spending
from lrtui.analysis.suggest.candidates import OWN, Candidate, candidates
from lrtui.analysis.suggest.finding import Find
from lrtui.analysis.suggest.suggestion import Suggestion
from lrtui.run.errors import LrtuiError
from lrtui.run.spec import RunSpec
from lrtui.tasks.task import Say
from lrtui.text.format import counted
from lrtui.text.numbers import four_digits

DEFAULT_BUDGET = 2.0
"""In whole runs."""


class SearchStoppedError(LrtuiError):
    """The search was told to stop."""


class Search:
    """One search, run in the thread that calls `run`.

    Args:
        spec: of the run that a schedule is looked for; its own schedule is one of the candidates.
        budget: in whole runs, the range test included.
        files: of the store that keeps the races.
        find: makes the range test.
        say: takes narration, line by line.
        processes: how many runs go on at once.
    """

    def __init__(
        self, spec: RunSpec, budget: float, files: PlanFiles, find: Find, say: Say, *, processes: int = 1
    ) -> None:
        self._spec, self._budget, self._files = spec, budget, files
        self._find, self._say, self._processes = find, say, processes
        self._race: Race | None = None
        self._stopped = False
        self._steps = 0

    def stop(self, because: str = "") -> None:
        """End what goes on after the batch under way; any thread may, and a signal.

        Args:
            because: what ends it, where that is no person.
        """
        self._stopped = True
        if self._race is not None:
            self._race.stop(because)

    def run(self) -> Suggestion:
        """Search, and return what came of it.

        Raises:
            SearchStoppedError: where it was told to stop.
            LrtuiError: where a run or the range test fails; says why.
        """
        spec = self._spec
        finding = self._find(spec, self._budget, self._say, lambda: self._stopped)
        self._check_stopped()
        self._say(f"range test: lr {four_digits(finding.lr)} after {finding.steps:,} steps")
        self._steps = finding.steps
        field = candidates(spec, finding)
        # one that can't be told in advance can't be made shorter either
        field = [candidate for candidate in field if candidate.of_length(1) is not None]
        left = self._budget * spec.epochs - finding.steps / finding.batches_per_epoch
        spending = plan_spending(left, spec.epochs, len(field))
        rounds: list[Standing] = []
        for plan in spending.rounds:
            field = self._order(field[: plan.candidates], plan.epochs, plan.seeds, rounds)
        winner = self._in_full(field[0])
        result = self._run_in_full(winner) if spending.in_full else None
        spent = self._steps / (spec.epochs * finding.batches_per_epoch)
        return Suggestion(spec, winner, finding, tuple(rounds), result, self._budget, spent)

    def _order(self, field: Sequence[Candidate], epochs: int, seeds: int, rounds: list[Standing]) -> list[Candidate]:
        """Race the candidates over so many epochs; return those that are ranked, the best first."""
        # the first one of a race is what the others are measured against
        field = sorted(field, key=lambda candidate: not candidate.name.startswith(OWN))
        entrants = [_known(candidate.of_length(epochs)) for candidate in field]
        stands, _ = self._run_race(entrants, epochs, seeds)
        rounds.append(stands)
        if not stands.placings:
            outs = "; ".join(f"{absent.label}: {absent.why}" for absent in stands.absent)
            raise LrtuiError(f"no candidate came through: {outs}. A lower lr in --optimizer may help")
        return [field[placing.entrant] for placing in stands.placings]

    def _in_full(self, candidate: Candidate) -> Entrant:
        return replace(_known(candidate.of_length(self._spec.epochs)), title=None)

    def _run_in_full(self, winner: Entrant) -> CellResult:
        _, results = self._run_race([winner], self._spec.epochs, 1)
        return results[0]

    def _run_race(self, entrants: Sequence[Entrant], epochs: int, seeds: int) -> tuple[Standing, list[CellResult]]:
        name = "suggest" if self._spec.name is None else f"{self._spec.name} suggest"
        common = replace(self._spec, epochs=epochs, name=name)
        # none is stopped: the runs are short, and the budget has counted them whole
        plan = new_plan(entrants, common, self._files, seeds=seeds, processes=self._processes, stops=False)
        self._files.create(plan)
        self._say(f"{plan.title}: {counted(len(plan.cells), 'run')} of {counted(epochs, 'epoch')}")
        self._race = Race(self._files, plan, self._say)
        self._check_stopped()
        self._race.run()
        self._check_stopped()
        results = read_results(self._files.folder, plan)
        self._steps += sum(result.step for result in results)
        return standing(plan, results), results

    def _check_stopped(self) -> None:
        if self._stopped:
            raise SearchStoppedError("the search was stopped; its races are kept, and lrtui suggest begins anew")


def _known(entrant: Entrant | None) -> Entrant:
    assert entrant is not None, "candidates that have no short form have left by now"
    return entrant
