"""The lr to come, computed in a background thread by stepping the real scheduler, with the findings of the checks.

Every request belongs to a slot (`next`, `picker`, a run's number). Only the latest request of a slot is answered, so
that fast typing never waits for outdated curves.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING

import numpy as np

from lrtui.run.errors import LrtuiError
from lrtui.run.series import Series
from lrtui.run.spec import RunSpec
from lrtui.run.state import RunState
from lrtui.schedules.forecast import Floats, ForecastRequest, before_switch, forecast, request_for_run, request_for_spec

# the checks and the parser are imported after the first frame
if TYPE_CHECKING:
    from lrtui.analysis.checks import Finding

NEXT = "next"
"""Slot of the next run's schedule."""

REPLACED = "replaced "
"""Prefix of the slot of the schedule that a run had before its last switch."""

BETTER = "better"
"""Slot of the schedule that the checks propose in place of the next run's."""

MAX_KEPT = 8
"""Maximum number of runs whose forecasts are kept after they have left the screen: a forecast has a number for each
step still to come."""


@dataclass(frozen=True, slots=True)
class CurveRequest(ForecastRequest):
    """A request for a curve, and optionally for its findings.

    Args:
        checked: whether the findings are requested; they come in a second answer.
        accumulate: batches per optimizer step, which the findings mention.
    """

    checked: bool = False
    accumulate: int = 1


@dataclass(frozen=True, slots=True)
class CurveResult:
    """The curve, or why there is none.

    Args:
        request: the request that is answered.
        lrs: float64, shape (steps from `start_step` to the end, parameter groups); None if there is no curve.
        schedule: the notation with its lengths filled in.
        error: why there is no curve.
        findings: the findings of the checks, the most severe first; None if they are not known (yet).
    """

    request: CurveRequest
    lrs: Floats | None = None
    schedule: str = ""
    error: LrtuiError | None = None
    findings: tuple[Finding, ...] | None = None


@dataclass(frozen=True, slots=True)
class Future:
    """The lr from a step on.

    Args:
        start_step: step of the first row.
        lrs: lr without the scale, float64, shape (steps, parameter groups).
    """

    start_step: int
    lrs: Floats
    _series: dict[int, Series] = field(default_factory=dict, init=False, repr=False, compare=False)

    def series(self, group: int) -> Series:
        """Return one group's lr as a series; cached, so that drawing costs the same for runs of any length."""
        if group not in self._series:
            self._series[group] = Series(np.ascontiguousarray(self.lrs[:, group]))
        return self._series[group]


def compute(request: CurveRequest) -> CurveResult:
    """Return the curve; imports torch."""
    try:
        found = forecast(request)
    except LrtuiError as error:
        return CurveResult(request, error=error)
    return CurveResult(request, found.lrs, str(found.schedule))


def check(answer: CurveResult) -> CurveResult:
    """Return the answer with its findings; imports torch.

    A schedule that can't be parsed, or whose class can't be loaded, has no findings; its answer has an error.
    """
    from lrtui.analysis.checks import check_schedule
    from lrtui.schedules.notation import parse_optimizer, parse_schedule

    request, horizon = answer.request, answer.request.schedule_horizon
    try:
        findings = check_schedule(
            parse_schedule(request.schedule),
            parse_optimizer(request.optimizer),
            horizon,
            accumulate=request.accumulate,
            base_lrs=request.current_lrs if request.anchor == "current" else None,
            lrs=answer.lrs if answer.lrs is not None and len(answer.lrs) == horizon.steps else None,
        )
    except Exception:  # a user's scheduler class can raise anything; the answer has its error
        findings = []
    return replace(answer, findings=tuple(findings))


class Forecasts:
    """The forecasts of the runs that are drawn and of the next run; each is requested once while it stays valid.

    Args:
        ask: takes a slot and a request; the answer comes to `take`.
    """

    def __init__(self, ask: Callable[[str, CurveRequest], None]) -> None:
        self._ask = ask
        self._asked: dict[str, CurveRequest] = {}
        self.futures: dict[int, Future] = {}
        self.replaced: dict[int, Future] = {}
        """The lr that each run would have had without its last switch."""
        self.preview: Future | None = None
        self.better: Future | None = None
        """The lr of the schedule that the finding proposes."""
        self.finding: Finding | None = None
        """The most severe finding on the next run's schedule, if it was checked."""
        self._recent: dict[int, None] = {}
        """Numbers of the runs with forecasts, the most recently requested last."""

    def request(
        self, spec: RunSpec, batches_per_epoch: int, runs: Mapping[int, RunState], *, checked: bool = False
    ) -> None:
        """Request the outdated forecasts of the next run and of `runs`.

        Args:
            runs: runs that are drawn or training, by number.
            checked: whether the next run's schedule is checked, too.
        """
        self._want(NEXT, request_for_spec(spec, batches_per_epoch), checked=checked, accumulate=spec.accumulate)
        for number, state in runs.items():
            if request := request_for_run(state):
                self._want(str(number), request)
            before = before_switch(state)
            if before and (request := request_for_run(before)):
                self._want(f"{REPLACED}{number}", request)
            self._recent.pop(number, None)
            self._recent[number] = None
        for number in list(self._recent)[: max(0, len(self._recent) - max(MAX_KEPT, len(runs)))]:
            self._forget(number)

    def _forget(self, number: int) -> None:
        """Drop the forecasts of a run; an answer that is still to come is not taken."""
        del self._recent[number]
        for slot in (str(number), f"{REPLACED}{number}"):
            self._asked.pop(slot, None)
            self._store_of(slot).pop(number, None)

    def take(self, slot: str, answer: CurveResult) -> bool:
        """Store an answer; return whether it answers the latest request of its slot."""
        if self._asked.get(slot) != answer.request:
            return False
        future = Future(answer.request.start_step, answer.lrs) if answer.lrs is not None else None
        if slot == NEXT:
            self.preview = future
            if answer.findings:
                self._take_finding(answer.request, answer.findings)
        elif slot == BETTER:
            self.better = future
        elif future is not None:
            self._store_of(slot)[int(slot.removeprefix(REPLACED))] = future
        return True

    def _store_of(self, slot: str) -> dict[int, Future]:
        """Return the dict that holds the curves of a run's slot."""
        return self.replaced if slot.startswith(REPLACED) else self.futures

    def _take_finding(self, request: CurveRequest, findings: tuple[Finding, ...]) -> None:
        """Store the first finding with a better schedule, or else the first, and request that schedule's curve."""
        self.finding = next((each for each in findings if each.fix), findings[0])
        if self.finding.fix:
            self._want(BETTER, replace(request, schedule=self.finding.fix))

    def _want(self, slot: str, wanted: ForecastRequest, *, checked: bool = False, accumulate: int = 1) -> None:
        values = {each.name: getattr(wanted, each.name) for each in fields(ForecastRequest)}
        request = CurveRequest(**values, checked=checked, accumulate=accumulate)
        # a request with findings also answers one without
        if self._asked.get(slot) in (request, replace(request, checked=True)):
            return
        self._asked[slot] = request
        if slot == NEXT:
            self.preview = self.better = self.finding = None
            self._asked.pop(BETTER, None)
        elif slot == BETTER:
            self.better = None
        else:
            # the forecast of a replaced schedule is wrong from now on
            self._store_of(slot).pop(int(slot.removeprefix(REPLACED)), None)
            if (known := self._known(slot, request)) is not None:
                self._store_of(slot)[int(slot.removeprefix(REPLACED))] = known
                return
        self._ask(slot, request)

    def _known(self, slot: str, request: CurveRequest) -> Future | None:
        """Return the forecast of another run with an equal request, as the runs of a race with several seeds have."""
        for other, asked in self._asked.items():
            if other not in (slot, NEXT, BETTER) and asked == request:
                found = self._store_of(other).get(int(other.removeprefix(REPLACED)))
                if found is not None:
                    return found
        return None


class Forecaster:
    """Answers requests in a background thread, the latest of each slot only.

    A request that wants findings is answered twice: with the curve, then with the curve and the findings.

    Args:
        deliver: takes a slot and its answer; called in the forecaster's thread.
        ready: set when torch has been imported; nothing is computed before, so that the first frame does not wait for
            the import.
    """

    def __init__(self, deliver: Callable[[str, CurveResult], object], ready: threading.Event) -> None:
        self._deliver = deliver
        self._ready = ready
        self._wanted: dict[str, CurveRequest] = {}
        self._change = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="forecast", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def ask(self, slot: str, request: CurveRequest) -> None:
        """Ask for a curve; it replaces an unanswered request in the same slot, and is answered before all others."""
        with self._change:
            self._wanted.pop(slot, None)
            self._wanted[slot] = request
            self._change.notify()

    def close(self) -> None:
        """Stop answering; does not wait for the thread."""
        with self._change:
            self._closed = True
            self._change.notify()
        self._ready.set()

    def _work(self) -> None:
        self._ready.wait()
        while True:
            with self._change:
                self._change.wait_for(lambda: self._closed or self._wanted)
                if self._closed:
                    return
                # the latest first: the user may have gone through a list of runs
                slot, request = self._wanted.popitem()
            answer = compute(request)
            if self._deliver_unless_replaced(slot, answer) and request.checked:
                self._deliver_unless_replaced(slot, check(answer))

    def _deliver_unless_replaced(self, slot: str, answer: CurveResult) -> bool:
        with self._change:
            replaced = slot in self._wanted or self._closed
        if not replaced:
            self._deliver(slot, answer)
        return not replaced
