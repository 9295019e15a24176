"""Forecasts in the background: which requests are asked, and which answers are used."""

from __future__ import annotations

import threading
from dataclasses import replace

import numpy as np
from recorded_runs import recorded_run
from waiting import SECONDS

from lrtui.run.spec import RunSpec
from lrtui.run.state import RunState
from lrtui.tui.forecast import MAX_KEPT, NEXT, CurveRequest, CurveResult, Forecaster, Forecasts, check, compute


def folded(**settings: object) -> RunState:
    state = RunState()
    state.fold(recorded_run(230, **settings))  # type: ignore[arg-type]
    return state


def request_for(state: RunState) -> CurveRequest | None:
    """Return the request that is asked for a run."""
    asked: dict[str, CurveRequest] = {}
    Forecasts(asked.__setitem__).request(RunSpec(), 938, {1: state})
    return asked.get("1")


def test_nothing_is_asked_for_a_run_that_has_not_started() -> None:
    assert request_for(RunState()) is None


def test_the_schedule_of_a_run_is_asked_for_from_the_start() -> None:
    assert request_for(folded()) == CurveRequest("StepLR(step_size=1, gamma=0.5)", "Adam(lr=0.01)", 10, 50)


def test_after_a_switch_a_run_is_asked_for_from_the_switch_on() -> None:
    request = request_for(folded(switch_at=130))
    assert request is not None
    assert (request.schedule, request.start_step, request.anchor) == ("CosineAnnealingLR(T_max=6)", 130, "base")
    assert request.current_lrs == (0.0025,)


def test_a_plateau_is_asked_for_with_the_tests_of_its_epochs() -> None:
    request = request_for(folded(schedule="ReduceLROnPlateau()"))
    assert request is not None
    assert len(request.results) == 4
    assert dict(request.results[0]).keys() == {"loss", "accuracy"}


def test_the_same_request_is_asked_once_and_an_outdated_answer_is_dropped() -> None:
    asked: list[tuple[str, CurveRequest]] = []
    forecasts = Forecasts(lambda slot, request: asked.append((slot, request)))
    state = folded()
    forecasts.request(RunSpec(), 938, {1: state})
    forecasts.request(RunSpec(), 938, {1: state})
    assert [slot for slot, _ in asked] == [NEXT, "1"]
    lrs = np.ones((500, 1))
    assert not forecasts.take("1", CurveResult(CurveRequest("other", "x", 1, 1), lrs))
    assert forecasts.take("1", CurveResult(asked[1][1], lrs))
    assert forecasts.futures[1].start_step == 0
    assert forecasts.take(NEXT, CurveResult(asked[0][1], lrs))
    forecasts.request(RunSpec(epochs=3), 938, {1: state})
    assert forecasts.preview is None


def test_an_answer_has_the_curve_or_the_error() -> None:
    answer = compute(CurveRequest("ExponentialLR(gamma=0.5)", "SGD(lr=1.0)", 3, 2))
    assert answer.lrs is not None
    assert answer.lrs[:, 0].tolist() == [1.0, 1.0, 0.5, 0.5, 0.25, 0.25]
    refused = compute(CurveRequest("OneCycleLR(max_lr=0.1)", "Adagrad()", 3, 2))
    assert refused.lrs is None
    assert "cycle_momentum=False" in str(refused.error)


def test_a_finding_has_a_fix_without_that_finding() -> None:
    request = CurveRequest("ExponentialLR(gamma=0.1)", "Adam(lr=0.01)", 10, 20, checked=True)
    answer = compute(request)
    assert answer.findings is None
    findings = check(answer).findings
    assert findings
    assert "thousandth of its peak" in findings[0].message
    assert findings[0].fix is not None
    corrected = compute(replace(request, schedule=findings[0].fix))
    assert findings[0].code not in {finding.code for finding in check(corrected).findings or ()}


def test_a_schedule_without_a_curve_has_findings() -> None:
    answer = check(compute(CurveRequest("OneCycleLR(max_lr=0.1)", "Adagrad()", 3, 2, checked=True)))
    assert answer.lrs is None
    assert [finding.code for finding in answer.findings or ()] == ["no-momentum"]
    # invalid notation has an error and no findings
    assert check(compute(CurveRequest("Nonsense(1)", "Adagrad()", 3, 2, checked=True))).findings == ()


def test_a_switch_is_checked_over_the_remaining_steps() -> None:
    # one epoch is left: with `base` the lr is constant, with `start` it has already been lowered three times
    request = CurveRequest(
        "StepLR(step_size=3, gamma=0.5)", "Adam(lr=0.01)", 10, 20, 180, "base", (0.01,), checked=True
    )
    assert [finding.code for finding in check(compute(request)).findings or ()] == ["does-nothing"]
    assert check(compute(replace(request, anchor="start"))).findings == ()


def test_the_curve_is_delivered_before_the_findings() -> None:
    ready, done = threading.Event(), threading.Event()
    answers: list[CurveResult] = []

    def deliver(slot: str, answer: CurveResult) -> None:
        answers.append(answer)
        if answer.findings is not None:
            done.set()

    forecaster = Forecaster(deliver, ready)
    forecaster.start()
    ready.set()
    forecaster.ask("picker", CurveRequest("StepLR(3)", "SGD(lr=0.1)", 10, 2, checked=True))
    assert done.wait(SECONDS)
    forecaster.close()
    assert [answer.findings is None for answer in answers] == [True, False]
    assert all(answer.lrs is not None for answer in answers)


def test_the_latest_request_of_a_slot_wins() -> None:
    ready, done = threading.Event(), threading.Event()
    answers: list[tuple[str, str]] = []

    def deliver(slot: str, answer: CurveResult) -> None:
        answers.append((slot, answer.request.schedule))
        if len(answers) == 2:
            done.set()

    forecaster = Forecaster(deliver, ready)
    forecaster.start()
    for gamma in (0.1, 0.2, 0.3):
        forecaster.ask("picker", CurveRequest(f"ExponentialLR(gamma={gamma})", "SGD()", 2, 2))
    forecaster.ask("last", CurveRequest("ExponentialLR(gamma=0.9)", "SGD()", 2, 2))
    # nothing is computed before torch is there
    assert answers == []
    ready.set()
    assert done.wait(SECONDS)
    forecaster.close()
    assert answers == [("last", "ExponentialLR(gamma=0.9)"), ("picker", "ExponentialLR(gamma=0.3)")]


def test_only_the_latest_runs_keep_their_forecasts() -> None:
    asked: list[tuple[str, CurveRequest]] = []
    forecasts = Forecasts(lambda slot, request: asked.append((slot, request)))
    # a live run is always wanted, the others only while the cursor is at them
    states = {number: folded(switch_at=10 + number) for number in range(20)}
    for number, state in states.items():
        forecasts.request(RunSpec(), 938, {0: states[0], number: state})
        for slot, request in asked:
            forecasts.take(slot, CurveResult(request, np.full((500, 1), float(request.start_step))))
        asked.clear()
    kept = {0, *range(20 - MAX_KEPT + 1, 20)}
    assert forecasts.futures.keys() == forecasts.replaced.keys() == kept
    forecasts.request(RunSpec(), 938, {0: states[0], 1: states[1]})
    # what the run would have had without its switch, the others would have had, too
    assert [slot for slot, _ in asked] == ["1"]
    assert 1 in forecasts.replaced
    assert forecasts.take("1", CurveResult(asked[0][1], np.ones((500, 1))))
    assert forecasts.futures[1].start_step == 11


def test_runs_with_the_same_schedule_share_a_forecast() -> None:
    asked: list[tuple[str, CurveRequest]] = []
    forecasts = Forecasts(lambda slot, request: asked.append((slot, request)))
    state, other = folded(), folded(outcome="stopped")
    forecasts.request(RunSpec(), 938, {1: state})
    forecasts.take("1", CurveResult(asked[1][1], np.ones((500, 1))))
    forecasts.request(RunSpec(), 938, {2: other})
    assert [slot for slot, _ in asked] == [NEXT, "1"]
    assert forecasts.futures[2] is forecasts.futures[1]
    forecasts.request(RunSpec(), 938, {2: folded(switch_at=130)})
    assert [slot for slot, _ in asked] == [NEXT, "1", "2"]
    assert 2 not in forecasts.futures


def test_the_run_that_was_asked_for_last_is_answered_first() -> None:
    answered: list[str] = []
    ready, done = threading.Event(), threading.Event()

    def deliver(slot: str, answer: CurveResult) -> None:
        answered.append(slot)
        if len(answered) == 3:
            done.set()

    forecaster = Forecaster(deliver, ready)
    forecaster.start()
    request = CurveRequest("ExponentialLR(gamma=0.5)", "SGD(lr=1.0)", 3, 2)
    for slot in ("1", "2", "3", "1"):
        forecaster.ask(slot, request)
    ready.set()
    assert done.wait(60)
    forecaster.close()
    assert answered == ["1", "3", "2"]
