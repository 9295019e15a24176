"""The picker's input, state and result. Knows no widget."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lrtui.run.errors import LrtuiError, UsageError
from lrtui.run.spec import RunSpec
from lrtui.run.state import RunState
from lrtui.schedules.anchor import ANCHORS
from lrtui.schedules.horizon import Horizon
from lrtui.schedules.lengths import check_lengths_given
from lrtui.schedules.notation import parse_schedule
from lrtui.schedules.schedule import Schedule
from lrtui.schedules.simulate import cuts_text, lr_cuts, recorded_results
from lrtui.text.format import four_digits
from lrtui.tui.forecast import CurveRequest, CurveResult
from lrtui.tui.screens.picker.candidates import PickerCandidate
from lrtui.tui.screens.picker.model import PickerModel

if TYPE_CHECKING:
    from lrtui.analysis.checks import Finding
    from lrtui.tui.view import View

DEFAULT_ANCHOR = next(iter(ANCHORS))


@dataclass(frozen=True, slots=True)
class RaceEstimate:
    """Whether a race can start now, and how long it would take.

    Args:
        refusal: why it can't start; empty if it can.
        folder: the store that records its runs.
        epoch_seconds: time per epoch, evaluation included; None if unknown.
        measured_on: number or name of the run whose time per epoch this is.
    """

    refusal: str = ""
    folder: Path | None = None
    epoch_seconds: float | None = None
    measured_on: int | str = ""


@dataclass(frozen=True, slots=True)
class PickerContext:
    """The run that a schedule is chosen for, and why.

    Args:
        view: holds the recent schedules and the candidates.
        spec: settings of the run that the schedule is for; its schedule is the initial choice.
        batches_per_epoch: optimizer steps per epoch.
        live: state of the run whose schedule is switched, or of the parent run where a branch starts; None if the
            schedule is for a new run.
        key: number or name of the run of `live`, as the run list shows it.
        scheduler: name of the scheduler to select first, instead of that of `spec`.
        branch_epoch: the epoch after which a branch starts; None if this is not a branch.
        replaces: key of the run that is stopped when a new run starts with the choice; None for no run.
        reason: why a schedule other than the next run's is selected first; empty if it is the next run's.
        race: whether the candidates can race, and how long it would take.
        recorded: key and state of the run whose test results preview a schedule that follows a metric; None for
            those of `live`.
    """

    view: View
    spec: RunSpec
    batches_per_epoch: int
    live: RunState | None = None
    key: int | str = ""
    scheduler: str | None = None
    branch_epoch: int | None = None
    replaces: int | str | None = None
    reason: str = ""
    race: RaceEstimate = RaceEstimate("A race can't be started from here.")
    recorded: tuple[int | str, RunState] | None = None


@dataclass(frozen=True, slots=True)
class PickerChoice:
    """The chosen schedule's notation, the anchor, and whether to start a new run with it."""

    schedule: str
    anchor: str
    restart: bool


@dataclass(frozen=True, slots=True)
class RaceChoice:
    """The schedules to race, the baseline first, and the number of seeds."""

    schedules: tuple[str, ...]
    seeds: int


class PickerState:
    """The schedule being chosen, its curve and findings, and the candidates."""

    def __init__(self, context: PickerContext) -> None:
        spec, live, view = context.spec, context.live, context.view
        self.context = context
        self.candidates = view.candidates
        # fixed when the picker opens: the run continues, and a request that changed with every step would never be
        # answered in time
        self.start_step = live.step if live is not None else 0
        self._current_lrs = live.current_lrs if live is not None else ()
        horizon = Horizon.of(spec, context.batches_per_epoch, self.start_step)
        self.model = PickerModel(spec.schedule, spec.optimizer, horizon, tuple(view.recent))
        if context.scheduler is not None:
            self.model.choose(context.scheduler)
        self.anchor = DEFAULT_ANCHOR
        self.answer: CurveResult | None = None
        """The latest answer, kept until the next one arrives."""
        self._recorded_key, recorded = context.recorded or (context.key, live)
        results = [tuple(result.items()) for result in recorded_results([recorded])] if recorded is not None else []
        self._results = tuple(results) if any(results) else ()

    @property
    def request(self) -> CurveRequest | None:
        """The request for the curve of the current notation; None if the notation is not valid."""
        schedule = self.model.schedule
        return None if schedule is None else self._request(schedule, self.anchor)

    def _request(self, schedule: Schedule, anchor: str) -> CurveRequest:
        spec = self.context.spec
        is_live = self.context.live is not None
        # a switch that takes effect now follows the results of future tests
        follows_recorded = schedule.metric is not None and (self.start_step == 0 or anchor == "start")
        return CurveRequest(
            str(schedule),
            spec.optimizer,
            spec.epochs,
            self.context.batches_per_epoch,
            start_step=self.start_step,
            anchor=anchor if is_live else DEFAULT_ANCHOR,
            current_lrs=self._current_lrs,
            results=self._results if follows_recorded else (),
            checked=True,
            accumulate=spec.accumulate,
            max_steps=spec.max_steps,
        )

    def candidate_requests(self) -> dict[str, CurveRequest]:
        """Return the requests for candidates whose curves are outdated, by letter."""
        return self.candidates.discard_outdated(
            lambda candidate: self._request(parse_schedule(candidate.schedule), candidate.anchor)
        )

    def take(self, answer: CurveResult) -> bool:
        """Store an answer; return whether it belongs to the current schedule or to a candidate."""
        of_candidate = self.candidates.take(answer)
        if answer.request == self.request:
            self.answer = answer
            return True
        return of_candidate

    # -- the current schedule -----------------------------------------------------------------------------------------

    @property
    def current_answer(self) -> CurveResult | None:
        """The answer for the current notation; None while it is being computed."""
        return self.answer if self.answer is not None and self.answer.request == self.request else None

    @property
    def error(self) -> LrtuiError | None:
        """Why the notation is not valid, or why it has no curve."""
        answer = self.current_answer
        return self.model.error or self._missing_length or (answer.error if answer else None)

    @property
    def _missing_length(self) -> LrtuiError | None:
        """What the notation must have in a run of unknown length."""
        live, schedule = self.context.live, self.model.schedule
        if live is not None and not live.total_steps and schedule is not None:
            try:
                check_lengths_given(schedule, self.model.horizon, imports=False)
            except UsageError as error:
                return error
        return None

    @property
    def findings(self) -> tuple[Finding, ...] | None:
        """The findings, most severe first; None if not known yet."""
        answer = self.current_answer
        return answer.findings if answer else None

    @property
    def fix(self) -> str | None:
        """The corrected notation of the finding on screen."""
        return self.findings[0].fix if self.findings else None

    @property
    def what_if(self) -> str:
        """When a schedule that follows a metric would have cut the recorded run's lr, as text; empty for others."""
        answer, schedule = self.current_answer, self.model.schedule
        if answer is None or answer.lrs is None or schedule is None or schedule.metric is None:
            return ""
        request, metric = answer.request, schedule.metric
        if not request.results:
            return f"Follows the test {metric}: constant until there are results"
        epochs = [epoch for epoch, result in enumerate(request.results, 1) if metric in dict(result)]
        if not epochs:
            return f"Follows the test {metric}, which run {self._recorded_key} doesn't report"
        count = f"{epochs[-1]} epoch{'s' * (epochs[-1] > 1)}"
        source = f"Test {metric} of run {self._recorded_key} ({count})"
        if request.start_step:
            # the curve has only the remaining steps
            lrs = ", ".join(four_digits(float(lr)) for lr in answer.lrs[:1].flat)
            return f"{source}: the lr would be {lrs} now"
        return f"{source}: {cuts_text(lr_cuts(answer.lrs, request.horizon.whole))}"

    # -- anchor, candidates, choice -----------------------------------------------------------------------------------

    def next_anchor(self) -> bool:
        """Select the next anchor; return False if anchors don't apply."""
        if self.context.live is None:
            return False
        names = list(ANCHORS)
        self.anchor = names[(names.index(self.anchor) + 1) % len(names)]
        return True

    @property
    def candidate(self) -> PickerCandidate | None:
        """The candidate equal to the current schedule, or None."""
        return self.candidates.find(str(self.model.schedule), self.anchor) if self.model.schedule is not None else None

    def toggle_candidate(self) -> tuple[str, bool]:
        """Keep the current schedule as a candidate, or remove it; return a message, and whether anything changed."""
        answer, count = self.current_answer, len(self.candidates)
        if answer is None or answer.lrs is None:
            return "There is no curve to keep yet.", False
        message = self.candidates.toggle(answer, self.anchor)
        return message, len(self.candidates) != count

    @property
    def racers(self) -> tuple[str, ...]:
        """The schedules that would race: the candidates and the current schedule, each once."""
        notations = [candidate.schedule for candidate in self.candidates]
        if self.model.schedule is not None and self.error is None:
            notations.append(str(self.model.schedule))
        return tuple(dict.fromkeys(notations))

    @property
    def race_refusal(self) -> str:
        """Why a race can't start now; empty if it can."""
        if self.context.branch_epoch is not None:
            return "A race starts from new weights, not from a checkpoint: press s while no run is in progress."
        if self.context.spec.is_attached:
            return f"A race can't train the model of {self.context.spec.script}: only the script itself can."
        if refusal := self.context.race.refusal:
            return refusal
        return "" if len(self.racers) > 1 else "A race needs two schedules: ctrl+k keeps this one, then choose another."

    def choice(self, *, restart: bool) -> PickerChoice | None:
        """Return the choice; None if the current schedule is not valid."""
        if self.model.schedule is None or self.error is not None:
            return None
        return PickerChoice(str(self.model.schedule), self.anchor, restart)
