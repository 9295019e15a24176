"""Schedule exhausted: the limits of the rule, and the schedules it proposes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from advice_verdict import advice_on
from synthetic_runs import STAGNANT, TUTORIAL, codes, only, state_of, synthetic_run

from lrtui.analysis.advice.advisor import Advisor
from lrtui.analysis.advice.schedule_exhausted import propose_schedule
from lrtui.run.events import DeadLayer, LrSet, RunStarted
from lrtui.run.spec import RunSpec
from lrtui.run.state import RunState
from lrtui.schedules.forecast import Floats, RunForecaster
from lrtui.schedules.horizon import Horizon
from lrtui.schedules.lengths import fill_in
from lrtui.schedules.notation import parse_optimizer, parse_schedule
from lrtui.schedules.simulate import simulate


def test_advice_comes_after_epoch_3_of_the_case_study() -> None:
    (given,) = advice_on(synthetic_run(TUTORIAL, STAGNANT, epochs=10))
    assert (given.advice.code, given.epochs) == ("schedule-exhausted", 3)
    assert given.advice.proposal is not None
    assert given.advice.proposal.text == "OneCycleLR(max_lr=0.0032) from base"


def test_no_advice_while_the_test_results_improve() -> None:
    improving = [(0.48, 0.829), (0.39, 0.862), (0.36, 0.872), (0.33, 0.882)]
    assert codes(synthetic_run(TUTORIAL, improving, epochs=10)) == []
    # an improving loss is enough
    assert codes(synthetic_run(TUTORIAL, [(loss, 0.862) for loss, _ in improving], epochs=10)) == []


def test_no_advice_in_the_last_tenth_of_the_run() -> None:
    late = [0.01] * 9 + [0.01 * 0.1**4] * 2
    results = [(0.5 - 0.02 * epoch, 0.8 + 0.01 * epoch) for epoch in range(9)] + [(0.33, 0.885), (0.33, 0.885)]

    def tiny_lr(state: RunState) -> Floats | None:
        return np.full((state.total_steps - state.step, 1), 1e-6)

    def codes_at(epochs: int) -> list[str]:
        advice = advice_on(synthetic_run(late, results, epochs=epochs), tiny_lr)
        return [given.advice.code for given in advice]

    assert codes_at(12) == []
    assert codes_at(13) == ["schedule-exhausted"]


def test_no_advice_at_an_accuracy_of_1() -> None:
    assert codes(synthetic_run(TUTORIAL, [(0.2, 0.9), (0.05, 1.0), (0.05, 1.0), (0.05, 1.0)], epochs=10)) == []


def test_no_advice_while_one_parameter_group_has_a_usable_lr() -> None:
    events = synthetic_run(TUTORIAL, STAGNANT, epochs=10, group_share=0.1)

    def codes_with(*lrs: float) -> list[str]:
        return [given.advice.code for given in advice_on(events, lambda state: np.full((50, 2), lrs))]

    assert codes_with(1e-5, 1e-6) == ["schedule-exhausted"]
    assert codes_with(1e-5, 1e-5) == []


def test_the_rule_waits_for_a_forecast_that_is_not_ready() -> None:
    state, simulated = RunState(), RunForecaster()
    ready: list[bool] = []
    advisor = Advisor(lambda state: simulated(state) if ready else None)
    state.fold(synthetic_run(TUTORIAL[:3], STAGNANT[:3], epochs=10))
    assert advisor.new_advice(state) == []
    ready.append(True)
    assert [advice.code for advice in advisor.new_advice(state)] == ["schedule-exhausted"]
    assert advisor.new_advice(state) == []


def test_a_scaled_lr_counts_as_usable() -> None:
    events = synthetic_run(TUTORIAL[:3], STAGNANT[:3], epochs=10)
    scaled = LrSet(seq=900, step=150, seconds=9.0, lrs_before=(1e-5,), lrs_after=(1e-4,), scale=(10.0,), by="user")
    *others, done = events
    assert codes([*others, scaled, done]) == []


# -- the proposed schedule ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("optimizer", "share", "proposed"),
    [
        ("Adam(lr=0.01)", None, "OneCycleLR(max_lr=0.0032)"),
        ('AdamW(lr=0.01, groups={"fc*": {"lr": 0.001}})', 0.1, "OneCycleLR(max_lr=[0.0032, 0.00032])"),
        ("SGD(lr=0.01, momentum=0.9)", None, "OneCycleLR(max_lr=0.0032)"),
        # without it, OneCycleLR would add a momentum that the user has not asked for
        ("SGD(lr=0.01)", None, "OneCycleLR(max_lr=0.0032, cycle_momentum=False)"),
        ("Adagrad(lr=0.01)", None, "OneCycleLR(max_lr=0.0032, cycle_momentum=False)"),
    ],
)
def test_the_proposed_schedule_can_be_built(optimizer: str, share: float | None, proposed: str) -> None:
    spec = RunSpec(schedule="ExponentialLR(gamma=0.1)", optimizer=optimizer)
    advice = only(synthetic_run(TUTORIAL, STAGNANT, spec=spec, epochs=10, group_share=share))
    assert advice.proposal is not None
    assert advice.proposal.schedule == proposed
    schedule, horizon = parse_schedule(proposed), Horizon(10, 50, advice.step)
    lrs = simulate(schedule, parse_optimizer(optimizer), horizon)
    assert lrs.shape == (350, 1 if share is None else 2)
    assert lrs[:, 0].max() == pytest.approx(0.0032, rel=1e-3)
    assert fill_in(schedule, horizon)[1] == {"total_steps": 350}


def test_without_a_useful_epoch_the_first_lr_is_proposed() -> None:
    advice = only(synthetic_run(TUTORIAL, [(0.5, 0.8)] * 4, epochs=10))
    assert advice.proposal is not None
    assert advice.proposal.schedule == "OneCycleLR(max_lr=0.01)"


def test_a_cosine_is_proposed_when_few_steps_remain() -> None:
    events = [
        replace(event, batches_per_epoch=1, total_steps=12) if isinstance(event, RunStarted) else event
        for event in synthetic_run(TUTORIAL, STAGNANT, epochs=12)
    ]
    state = state_of(events)
    state.step = 8
    assert propose_schedule(state).schedule == "CosineAnnealingLR()"


# -- a network that no schedule can revive -----------------------------------------------------------------------------

DEAD = DeadLayer("2", 61, 64)


def test_a_dead_layer_leads_to_a_restart_over_the_remaining_epochs() -> None:
    spec = RunSpec(schedule="ExponentialLR(gamma=0.1)", optimizer="Adam(lr=0.01)", seed=7, at=("epoch 8: lr*0.5",))
    advice = only(synthetic_run(TUTORIAL[:3], STAGNANT[:3], spec=spec, epochs=10, dead_layer=DEAD))
    assert advice.code == "schedule-exhausted"
    assert "61 of the 64 units of layer 2 get no gradient" in advice.text
    assert advice.effect == "restarts with OneCycleLR(max_lr=0.0032) for 7 epochs"
    restarted = advice.restart_spec(replace(spec, epochs=10))
    assert (restarted.schedule, restarted.epochs, restarted.seed, restarted.at) == (
        "OneCycleLR(max_lr=0.0032)",
        7,
        7,
        (),
    )
    elsewhere = advice.without_restart()
    assert (elsewhere.restart_epochs, elsewhere.proposal) == (None, advice.proposal)
    assert elsewhere.effect == "switches to OneCycleLR(max_lr=0.0032); a new run with it would do better"
    assert advice.headless_line(spec, 3).endswith("Try a new run with 'OneCycleLR(max_lr=0.0032)' --epochs 7")


@pytest.mark.parametrize("layer", [DeadLayer("2", 47, 64), DeadLayer("out", 1, 1), None])
def test_a_layer_with_enough_live_units_needs_no_restart(layer: DeadLayer | None) -> None:
    advice = only(synthetic_run(TUTORIAL[:3], STAGNANT[:3], epochs=10, dead_layer=layer))
    assert advice.restart_epochs is None
    assert advice.effect.startswith("switches to OneCycleLR")
    assert "gradient" not in advice.text


def test_no_restart_when_less_than_half_the_run_is_left() -> None:
    assert only(synthetic_run(TUTORIAL[:3], STAGNANT[:3], epochs=6, dead_layer=DEAD)).restart_epochs == 3
    assert only(synthetic_run(TUTORIAL[:3], STAGNANT[:3], epochs=5, dead_layer=DEAD)).restart_epochs is None


def test_the_restart_peaks_half_a_decade_below_the_lr_that_was_too_high() -> None:
    # only the first epoch was useful: the geometric mean would be the lr that has killed the layer
    stagnant = [(0.48, 0.829), (0.387, 0.863), (0.387, 0.863)]
    lrs = [0.01, 0.01, 1e-6]
    spec = RunSpec(schedule="MultiStepLR([2], gamma=0.0001)", optimizer="Adam(lr=0.01)")
    advice = only(synthetic_run(lrs, stagnant, epochs=10, dead_layer=DEAD, spec=spec))
    assert advice.proposal is not None
    assert advice.proposal.schedule == "OneCycleLR(max_lr=0.0032)"


@pytest.mark.parametrize(
    ("rest", "text"),
    [
        ([-0.0025, -0.005], "the lr is negative (-0.005), which increases the loss, and"),
        ([0.0, -0.0025], "the lr falls below 0 (-0.0025), which increases the loss, and"),
        ([0.0, 0.0], "the lr is 0, and"),
    ],
)
def test_an_lr_of_0_or_below_is_not_called_a_share_of_the_peak(rest: list[float], text: str) -> None:
    events = synthetic_run(TUTORIAL, STAGNANT, epochs=10)

    def remaining(state: RunState) -> Floats:
        return np.resize(np.array(rest), (state.total_steps - state.step, 1))

    given = advice_on(events, remaining)[0].advice
    assert text in given.text
    assert "thousandth" not in given.text
    assert ("negative" in given.brief) == (min(rest) < 0)
