"""A race in progress: it starts runs, polls them, and stops them."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from lrtui.analysis.race.plan import Cell, RacePlan, Ruling
from lrtui.analysis.race.plan_files import RACES, PlanFiles
from lrtui.analysis.race.results import CellResult, objective_of_race, open_cells, read_results
from lrtui.analysis.race.run_checkpoints import keep_last_checkpoint, resume_plan_of
from lrtui.analysis.race.stopping import StoppingRule
from lrtui.distributed.engine_launcher import engine_launcher
from lrtui.distributed.engine_settings import LOCAL
from lrtui.distributed.launcher import Launcher
from lrtui.engine.recording import user_code
from lrtui.engine.run import Run
from lrtui.run.commands import Stop
from lrtui.run.errors import LrtuiError, UsageError
from lrtui.run.evaluations import metric_of
from lrtui.run.events import EvalDone
from lrtui.store.liveness import HEARTBEAT_SECONDS
from lrtui.tasks.task import Say
from lrtui.text.format import counted, duration, figure


@contextmanager
def race_launcher(files: PlanFiles, plan: RacePlan, say: Say) -> Iterator[Launcher | None]:
    """Yield what starts the runs of a race, as `engine_launcher`; a race that it can't start is not kept.

    Raises:
        LrtuiError: if the engine can't be used.
    """
    places = [place for cell in plan.cells if cell.seed == plan.seeds[0] for place in user_code(plan.spec(cell))]
    engine = engine_launcher(
        plan.engine,
        plan.common,
        files.folder,
        threads=plan.threads,
        output=files.folder / RACES / f"{plan.number}.out",
        places=places,
        say=say,
    )
    with ExitStack() as stack:
        try:
            launcher = stack.enter_context(engine)
        except LrtuiError:
            if not plan.runs:
                files.remove(plan)
            raise
        yield launcher


POLL_SECONDS = 0.05

MAX_LOST = 3
"""How often a run is resumed whose workers end without a new checkpoint."""


class Race:
    """A race, run in the thread that calls `run`.

    Args:
        files: where the plan is saved.
        plan: the race's plan, saved as the race proceeds.
        say: receives progress messages, one line each.
        launcher: starts the processes of the runs; None to train in this process, or in processes that each run starts.
        on_progress: receives the share of the steps that are done, several times a second.

    Raises:
        UsageError: if the race is running in another process.
        StoreError: if the store can't be read or written.
    """

    def __init__(
        self,
        files: PlanFiles,
        plan: RacePlan,
        say: Say,
        launcher: Launcher | None = None,
        on_progress: Callable[[float], None] | None = None,
    ) -> None:
        self.plan = plan
        self._files, self._say, self._launcher, self._on_progress = files, say, launcher, on_progress
        files.claim(plan)
        self._results = {result.cell: result for result in read_results(files.folder, plan)}
        self._rule = StoppingRule(plan)
        self._running: dict[Cell, Run] = {}
        self._lost: dict[Cell, tuple[int, int]] = {}
        """The step that a lost run is resumed at, and how often it was lost there."""
        self._reported_epoch: dict[Cell, int] = {cell: result.epochs_done for cell, result in self._results.items()}
        self._started: set[Cell] = set()
        self._stop: str | None = None
        self._last_heartbeat = time.monotonic()

    @property
    def results(self) -> list[CellResult]:
        """The results of every run so far, in the order of `plan.cells`."""
        return [self._results[cell] for cell in self.plan.cells]

    @property
    def progress(self) -> float:
        """The share of the race's steps that are done, from 0 to 1; runs that are not needed any more count as done."""
        waiting = set(open_cells(self.plan, self.results))
        shares = []
        for cell, result in self._results.items():
            total = result.run_state.total_steps
            shares.append(1.0 if cell not in waiting else result.step / total if total else 0.0)
        return sum(shares) / len(shares)

    def stop(self, because: str = "") -> None:
        """Stop the current runs after their batch and start no more runs. Can be called from any thread and from a
        signal handler.

        Args:
            because: reason, unless the user asked for it.
        """
        self._stop = because

    def run(self) -> None:
        """Run until all runs are done or `stop` is called.

        Raises:
            LrtuiError: if a run ended before its first batch, with the reason.
            StoreError: if the store can't be read or written.
        """
        try:
            while self._stop is None:
                while len(self._running) < self.plan.engine.jobs and (cell := self._next()) is not None:
                    self._start(cell)
                if not self._running:
                    return
                self._poll_all()
                if self._on_progress is not None:
                    self._on_progress(self.progress)
                time.sleep(POLL_SECONDS)
        finally:
            self._stop_all()
            self._files.release(self.plan)
            if not self.plan.runs and isinstance(sys.exception(), UsageError):
                # a race whose settings were wrong from the start is not kept
                self._files.remove(self.plan)

    def _next(self) -> Cell | None:
        """Return the next run: seed by seed, the best entrant so far first, since the others are compared with it."""
        # an entrant that failed in this process gets no further seeds; runs that failed before a resume are repeated
        failed_entrants = {
            cell.entrant for cell, result in self._results.items() if result.state == "failed" and cell in self._started
        }
        waiting = [
            cell
            for cell in open_cells(self.plan, self.results)
            if cell not in self._running and cell.entrant not in failed_entrants
        ]
        if not waiting:
            return None
        objective = objective_of_race(self.results)

        def sort_key(cell: Cell) -> float:
            ends = [
                value
                for result in self._results.values()
                if result.cell.entrant == cell.entrant and result.is_done
                if (value := result.value(objective.metric)) is not None
            ]
            return objective.order(sum(ends) / len(ends)) if ends else float("inf")

        return min((cell for cell in waiting if cell.seed == waiting[0].seed), key=sort_key)

    def _start(self, cell: Cell) -> None:
        resume_plan = resume_plan_of(self._files.folder, self.plan, cell)
        spec = self.plan.spec(cell) if resume_plan is None else resume_plan.spec
        run = Run(spec, resume_plan=resume_plan, launcher=self._launcher).start()
        self._running[cell] = run
        self._started.add(cell)
        done = sum(result.state == "done" for result in self._results.values())
        label = self.plan.entrants[cell.entrant].label
        resumes_at = f", resumes at step {resume_plan.file.step:,}" if resume_plan else ""
        self._say(f"seed {cell.seed}  {label}{resumes_at}  ({done} of {counted(len(self.plan.cells), 'run')} done)")
        self._record_run(cell, run)

    def _poll_all(self) -> None:
        for cell, run in list(self._running.items()):
            # read before polling, so that its last events are included
            live = run.is_live
            self._poll(cell, run)
            if not live:
                del self._running[cell]
                self._close(cell, run)
        results = self.results
        for cell in list(self._running):
            ruling = self._rule.judge(cell, results) if self.plan.stops else None
            if ruling is not None and cell.entrant not in self.plan.rulings:
                self._stop_entrant(cell, ruling)
        if time.monotonic() - self._last_heartbeat > HEARTBEAT_SECONDS:
            self._last_heartbeat, self.plan.heartbeat = time.monotonic(), time.time()
            self._files.save(self.plan)

    def _poll(self, cell: Cell, run: Run) -> None:
        self._record_run(cell, run)
        run.update()
        result = CellResult.of_state(cell, run.number if run.is_recorded else None, run.state)
        self._results[cell] = result
        if result.started is not None and result.started.data.get("test") == 0:
            raise UsageError("a race compares test results, and this task has no test data")
        epoch = result.epochs_done
        if epoch > self._reported_epoch[cell]:
            self._reported_epoch[cell] = epoch
            self._say(self._epoch_line(cell, result.tests[epoch], result))

    def _epoch_line(self, cell: Cell, test: EvalDone, result: CellResult) -> str:
        epochs = f"/{result.started.spec.epochs}" if result.started else ""
        metric = result.run_state.objective.metric
        text = f"{metric} {figure(metric_of(test, metric))}"
        label = self.plan.entrants[cell.entrant].label
        return f"seed {cell.seed}  {label}  epoch {test.epoch}{epochs}  {text}  {duration(test.seconds)}"

    def _stop_entrant(self, cell: Cell, ruling: Ruling) -> None:
        self.plan.rulings[cell.entrant] = ruling
        self._files.save(self.plan)
        self._say(f"stopped: {self.plan.entrants[cell.entrant].label}: {ruling.reason} (after epoch {ruling.epoch})")
        for other, run in self._running.items():
            if other.entrant == cell.entrant:
                run.send(Stop())

    def _record_run(self, cell: Cell, run: Run) -> None:
        if run.is_recorded and self.plan.runs.get(cell) != run.number:
            self.plan.runs[cell] = run.number
            self._files.save(self.plan)

    def _close(self, cell: Cell, run: Run) -> None:
        """Handle the end of a run."""
        if run.recording_error:
            self._say(run.recording_error)
        self._forget_withdrawn(cell, run)
        label, outcome = self.plan.entrants[cell.entrant].label, run.state.outcome
        if run.worker_lost and self._stop is None:
            self._note_lost(cell, run)
            return
        if outcome is None and self._stop is None:
            raise run.error or LrtuiError(f"the run of {label} ended unexpectedly: {run.recording_error}")
        if outcome is not None and outcome.outcome == "done" and run.is_recorded:
            keep_last_checkpoint(self._files.folder, run.number)
        if outcome is None or outcome.outcome in ("done", "stopped"):
            return
        if run.state.started is None:
            # an error before the first batch would occur with every seed
            raise run.error or LrtuiError(f"{label}: {outcome.error}")
        self._say(f"{outcome.outcome}: {label} with seed {cell.seed}{f': {outcome.error}' if outcome.error else ''}")

    def _note_lost(self, cell: Cell, run: Run) -> None:
        """Have a run continued whose worker was lost, unless that happens again and again at the same checkpoint.

        Raises:
            LrtuiError: if that was before its first checkpoint.
        """
        label = f"{self.plan.entrants[cell.entrant].label} with seed {cell.seed}"
        resume_plan = resume_plan_of(self._files.folder, self.plan, cell)
        step = 0 if resume_plan is None else resume_plan.file.step
        before, times = self._lost.get(cell, (0, 0))
        self._lost[cell] = step, times + 1 if step == before else 1
        reason = run.error or "its worker was lost"
        # what ends a process of this machine so early would end it again
        is_local = self._launcher is None or self._launcher.name == LOCAL
        if self._lost[cell][1] <= MAX_LOST and (step or not is_local):
            self._results[cell].state = "lost"
            goes_on = f"goes on from step {step:,}" if step else "starts again"
            self._say(f"lost: {label}: {reason}; it {goes_on}")
        elif step:
            self._say(f"failed: {label}: {reason}")
        else:
            raise LrtuiError(f"{label}: {reason}")

    def _forget_withdrawn(self, cell: Cell, run: Run) -> None:
        """Take a run out of the plan that the store has not kept: its settings were refused, or it never began."""
        if not run.is_live and not run.is_recorded:
            self.plan.runs.pop(cell, None)

    def _stop_all(self) -> None:
        """Stop all runs and wait for them."""
        for run in self._running.values():
            run.send(Stop(self._stop or ""))
        for cell, run in self._running.items():
            while run.is_live:
                # a run stays live until its events are read
                self._poll(cell, run)
                time.sleep(POLL_SECONDS)
            self._poll(cell, run)
            self._forget_withdrawn(cell, run)
        self._running.clear()
