"""A race that is being run: which run comes next, which go on, which is stopped; to its end or until it is told to."""

from __future__ import annotations

import time
from contextlib import closing

from lrtui.analysis.race.checkpoints import keep_last_checkpoint
from lrtui.analysis.race.executor import ChildLane, Lane, OwnLane
from lrtui.analysis.race.plan import Cell, RacePlan, Ruling
from lrtui.analysis.race.plan_files import RACES, PlanFiles
from lrtui.analysis.race.results import CellResult, find_run_of, metric_of_race, open_cells, read_results
from lrtui.analysis.race.stopping import StoppingRule
from lrtui.engine.resume import ResumePlan, plan_resume
from lrtui.run.errors import CheckpointError, LrtuiError, UsageError
from lrtui.run.evaluations import is_better_high
from lrtui.run.events import EvalDone
from lrtui.store.connection import open_for_reading
from lrtui.store.liveness import HEARTBEAT_SECONDS
from lrtui.store.location import DATABASE
from lrtui.tasks.task import Say
from lrtui.text.format import counted, figure
from lrtui.text.numbers import duration

POLL_SECONDS = 0.05

WAIT_SECONDS = 30.0
"""How long a race that goes on waits for a run that still ends in another process."""


class Race:
    """One race, run in the thread that calls `run`.

    Args:
        files: where its plan is.
        plan: of the race; written down as it goes on.
        say: takes narration, line by line.

    Raises:
        UsageError: while the race goes on in another process.
        StoreError: where the store can't be read or written.
    """

    def __init__(self, files: PlanFiles, plan: RacePlan, say: Say) -> None:
        self.plan = plan
        self._files, self._say = files, say
        files.claim(plan)
        self._results = {result.cell: result for result in read_results(files.folder, plan)}
        self._rule = StoppingRule(plan)
        self._lanes: dict[Cell, Lane] = {}
        self._told: dict[Cell, int] = {cell: max(result.tests, default=0) for cell, result in self._results.items()}
        self._begun: set[Cell] = set()
        self._stop: str | None = None
        self._beaten = time.monotonic()

    @property
    def results(self) -> list[CellResult]:
        """What every run has come to so far, in the order of the plan's cells."""
        return [self._results[cell] for cell in self.plan.cells]

    def stop(self, because: str = "") -> None:
        """End the runs that go on after the batch under way, and begin no more; any thread may, and a signal.

        Args:
            because: what ends the race, where that is no person.
        """
        self._stop = because

    def run(self) -> None:
        """Run what is left, until it is done or the race is told to stop.

        Raises:
            LrtuiError: for a run that ended before its first batch: what is wrong with it, in words.
            StoreError: where the store can't be read or written.
        """
        try:
            while self._stop is None:
                self._begin_what_fits()
                if not self._lanes:
                    return
                self._look_at_all()
                time.sleep(POLL_SECONDS)
        finally:
            self._end_all()
            self._files.release(self.plan)

    # -- which run comes next -----------------------------------------------------------------------------------------

    def _open_cells(self) -> list[Cell]:
        """Return the runs that have still something to run and are not under way."""
        failed = {
            cell.entrant for cell, result in self._results.items() if result.state == "failed" and cell in self._begun
        }
        left = open_cells(self.plan, self.results)
        # what failed before goes on, or is begun again, once a person has the race go on
        return [cell for cell in left if cell not in self._lanes and cell.entrant not in failed]

    def _next(self) -> Cell | None:
        """Return the next run: seed by seed, and in each the best so far first, so that the others can be judged."""
        metric = metric_of_race(self.results)
        sign = -1.0 if is_better_high(metric) else 1.0

        def place(cell: Cell) -> float:
            ends = [
                value
                for result in self._results.values()
                if result.cell.entrant == cell.entrant and result.is_done
                if (value := result.value(metric)) is not None
            ]
            return sign * sum(ends) / len(ends) if ends else float("inf")

        waiting = self._open_cells()
        if not waiting:
            return None
        return min((cell for cell in waiting if cell.seed == waiting[0].seed), key=place)

    def _begin_what_fits(self) -> None:
        while len(self._lanes) < self.plan.processes:
            cell = self._next()
            if cell is None:
                return
            self._begin(cell)

    def _begin(self, cell: Cell) -> None:
        resume_plan = self._resume_plan(cell)
        spec = self.plan.spec(cell)
        lane: Lane
        if self.plan.processes == 1:
            lane = OwnLane(spec if resume_plan is None else resume_plan.spec, resume_plan)
        else:
            output = self._files.folder / RACES / f"{self.plan.number}.out"
            resumes = None if resume_plan is None else resume_plan.run.id
            lane = ChildLane(spec, self._files.folder, resumes, self.plan.threads, output)
        self._lanes[cell] = lane
        self._begun.add(cell)
        done = sum(result.state == "done" for result in self._results.values())
        label = self.plan.entrants[cell.entrant].label
        goes_on = f", goes on at step {resume_plan.file.step:,}" if resume_plan else ""
        self._say(f"seed {cell.seed}  {label}{goes_on}  ({done} of {counted(len(self.plan.cells), 'run')} done)")
        self._note_run(cell, lane)

    def _resume_plan(self, cell: Cell) -> ResumePlan | None:
        """Return how a run that broke off goes on; None where it begins, or ended before its first checkpoint."""
        folder, until = self._files.folder, time.monotonic() + WAIT_SECONDS
        if not (folder / DATABASE).exists():
            return None
        while True:
            with closing(open_for_reading(folder)) as connection:
                found = find_run_of(connection, self.plan, cell)
            if found is None:
                return None
            if not found.is_live:
                break
            if time.monotonic() > until:
                raise UsageError(f"{found.title} still goes on in process {found.process.pid}; wait for its end")
            time.sleep(POLL_SECONDS)
        try:
            return plan_resume(folder, str(found.id))
        except CheckpointError:
            return None

    # -- runs that go on ----------------------------------------------------------------------------------------------

    def _look_at_all(self) -> None:
        for cell, lane in list(self._lanes.items()):
            # asked first: what it said last is then among what is folded
            live = lane.is_live
            self._look_at(cell, lane)
            if not live:
                del self._lanes[cell]
                self._close(cell, lane)
        for cell in list(self._lanes):
            ruling = self._rule.judge(cell, self.results) if self.plan.stops else None
            if ruling is not None and cell.entrant not in self.plan.rulings:
                self._take_out(cell, ruling)
        if time.monotonic() - self._beaten > HEARTBEAT_SECONDS:
            self._beaten, self.plan.heartbeat = time.monotonic(), time.time()
            self._files.save(self.plan)

    def _look_at(self, cell: Cell, lane: Lane) -> None:
        self._note_run(cell, lane)
        result = CellResult.of_state(cell, lane.run_id, lane.poll())
        self._results[cell] = result
        epoch = max(result.tests, default=0)
        if epoch > self._told[cell]:
            self._told[cell] = epoch
            self._say(self._epoch_line(cell, result.tests[epoch], result))

    def _epoch_line(self, cell: Cell, test: EvalDone, result: CellResult) -> str:
        started = result.story.started if result.story else None
        epochs = f"/{started.spec.epochs}" if started else ""
        words = f"loss {figure(test.loss)}" if test.accuracy is None else f"accuracy {figure(test.accuracy)}"
        label = self.plan.entrants[cell.entrant].label
        return f"seed {cell.seed}  {label}  epoch {test.epoch}{epochs}  {words}  {duration(test.seconds)}"

    def _take_out(self, cell: Cell, ruling: Ruling) -> None:
        self.plan.rulings[cell.entrant] = ruling
        self._files.save(self.plan)
        self._say(f"stopped: {self.plan.entrants[cell.entrant].label}: {ruling.reason} (after epoch {ruling.epoch})")
        for other, lane in self._lanes.items():
            if other.entrant == cell.entrant:
                lane.stop()

    def _note_run(self, cell: Cell, lane: Lane) -> None:
        if lane.run_id is not None and self.plan.runs.get(cell) != lane.run_id:
            self.plan.runs[cell] = lane.run_id
            self._files.save(self.plan)

    def _close(self, cell: Cell, lane: Lane) -> None:
        """Take in the end of a run."""
        if lane.trouble:
            self._say(lane.trouble)
        state = lane.poll()
        label, outcome = self.plan.entrants[cell.entrant].label, state.outcome
        if outcome is None and self._stop is None:
            raise lane.error or LrtuiError(f"the run of {label} ended without a word: {lane.trouble}")
        if outcome is not None and outcome.outcome == "done" and lane.run_id is not None:
            keep_last_checkpoint(self._files.folder, lane.run_id)
        if outcome is None or outcome.outcome in ("done", "stopped"):
            return
        if state.started is None:
            # what is wrong shows before the first batch, and with every seed
            raise lane.error or LrtuiError(f"{label}: {outcome.error}")
        self._say(f"{outcome.outcome}: {label} with seed {cell.seed}{f': {outcome.error}' if outcome.error else ''}")

    def _end_all(self) -> None:
        """Stop what goes on, wait for its end, and take it in."""
        for lane in self._lanes.values():
            lane.stop(self._stop or "")
        for cell, lane in self._lanes.items():
            while lane.is_live:
                # what it still says is taken, or it would be live for ever
                self._look_at(cell, lane)
                time.sleep(POLL_SECONDS)
            self._look_at(cell, lane)
        self._lanes.clear()
