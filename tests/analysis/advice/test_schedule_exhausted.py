"""Schedule exhausted: where the rule is near its edge, and what it proposes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from advice_verdict import advice_on
from synthetic_runs import STANDS, TUTORIAL, codes, only, state_of, synthetic_run

from lrtui.analysis.advice.advisor import Advisor
from lrtui.analysis.advice.format import told_headless
from lrtui.analysis.advice.proposal import propose_schedule
from lrtui.analysis.advice.remaining import Floats, Simulated
from lrtui.analysis.advice.restart import in_the_run_itself, settings_anew
from lrtui.run.events import DeadLayer, LrSet, RunStarted
from lrtui.run.spec import RunSpec
from lrtui.run.state import RunState
from lrtui.schedules.filling import fill_in
from lrtui.schedules.horizon import Horizon
from lrtui.schedules.notation import parse_optimizer, parse_schedule
from lrtui.schedules.simulate import simulate

# -- schedule exhausted ------------------------------------------------------------------------------------------------


def test_the_real_figures_of_the_case_study() -> None:
    (said,) = advice_on(synthetic_run(TUTORIAL, STANDS, epochs=10))
    assert (said.advice.code, said.epochs) == ("schedule-exhausted", 3)
    assert said.advice.proposal is not None
    assert said.advice.proposal.words == "OneCycleLR(max_lr=0.0032) from base"


def test_a_test_that_still_moves_is_not_exhausted() -> None:
    moves = [(0.48, 0.829), (0.39, 0.862), (0.36, 0.872), (0.33, 0.882)]
    assert codes(synthetic_run(TUTORIAL, moves, epochs=10)) == []
    # the loss alone tells as well: it is the finer measure
    assert codes(synthetic_run(TUTORIAL, [(loss, 0.862) for loss, _ in moves], epochs=10)) == []


def test_at_the_very_end_nothing_remains_to_be_exhausted() -> None:
    late = [0.01] * 9 + [0.01 * 0.1**4] * 2
    results = [(0.5 - 0.02 * epoch, 0.8 + 0.01 * epoch) for epoch in range(9)] + [(0.33, 0.885), (0.33, 0.885)]

    def nearly_nothing(state: RunState) -> Floats | None:
        return np.full((state.total_steps - state.step, 1), 1e-6)

    def told(epochs: int) -> list[str]:
        said = advice_on(synthetic_run(late, results, epochs=epochs), nearly_nothing)
        return [one.advice.code for one in said]

    assert told(12) == []
    assert told(13) == ["schedule-exhausted"]


def test_what_is_all_right_can_not_be_made_better() -> None:
    assert codes(synthetic_run(TUTORIAL, [(0.2, 0.9), (0.05, 1.0), (0.05, 1.0), (0.05, 1.0)], epochs=10)) == []


def test_one_group_that_is_alive_keeps_the_schedule_alive() -> None:
    events = synthetic_run(TUTORIAL, STANDS, epochs=10, group_share=0.1)

    def remains(*lrs: float) -> list[str]:
        return [said.advice.code for said in advice_on(events, lambda state: np.full((50, 2), lrs))]

    assert remains(1e-5, 1e-6) == ["schedule-exhausted"]
    assert remains(1e-5, 1e-5) == []


def test_the_rule_waits_for_a_forecast_that_is_under_way() -> None:
    state, simulated = RunState(), Simulated()
    ready: list[bool] = []
    advisor = Advisor(lambda state: simulated(state) if ready else None)
    state.fold(synthetic_run(TUTORIAL[:3], STANDS[:3], epochs=10))
    assert advisor.look(state) == []
    ready.append(True)
    assert [advice.code for advice in advisor.look(state)] == ["schedule-exhausted"]
    assert advisor.look(state) == []


def test_a_scale_by_hand_counts() -> None:
    events = synthetic_run(TUTORIAL[:3], STANDS[:3], epochs=10)
    louder = LrSet(seq=900, step=150, seconds=9.0, lrs_before=(1e-5,), lrs_after=(1e-4,), scale=(10.0,), by="user")
    *others, done = events
    assert codes([*others, louder, done]) == []


# -- the proposal ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("optimizer", "share", "proposed"),
    [
        ("Adam(lr=0.01)", None, "OneCycleLR(max_lr=0.0032)"),
        ('AdamW(lr=0.01, groups={"fc*": {"lr": 0.001}})', 0.1, "OneCycleLR(max_lr=[0.0032, 0.00032])"),
        ("SGD(lr=0.01, momentum=0.9)", None, "OneCycleLR(max_lr=0.0032)"),
        # it would bring a momentum that the user has not asked for
        ("SGD(lr=0.01)", None, "OneCycleLR(max_lr=0.0032, cycle_momentum=False)"),
        ("Adagrad(lr=0.01)", None, "OneCycleLR(max_lr=0.0032, cycle_momentum=False)"),
    ],
)
def test_what_is_proposed_can_be_built(optimizer: str, share: float | None, proposed: str) -> None:
    spec = RunSpec(schedule="ExponentialLR(gamma=0.1)", optimizer=optimizer)
    advice = only(synthetic_run(TUTORIAL, STANDS, spec=spec, epochs=10, group_share=share))
    assert advice.proposal is not None
    assert advice.proposal.schedule == proposed
    schedule, horizon = parse_schedule(proposed), Horizon(10, 50, advice.step)
    lrs = simulate(schedule, parse_optimizer(optimizer), horizon)
    assert lrs.shape == (350, 1 if share is None else 2)
    assert lrs[:, 0].max() == pytest.approx(0.0032, rel=1e-3)
    assert fill_in(schedule, horizon)[1] == {"total_steps": 350}


def test_where_no_test_tells_it_is_the_lr_that_the_run_began_with() -> None:
    advice = only(synthetic_run(TUTORIAL, [(0.5, 0.8)] * 4, epochs=10))
    assert advice.proposal is not None
    assert advice.proposal.schedule == "OneCycleLR(max_lr=0.01)"


def test_no_cycle_where_hardly_a_step_is_left() -> None:
    events = [
        replace(event, batches_per_epoch=1, total_steps=12) if isinstance(event, RunStarted) else event
        for event in synthetic_run(TUTORIAL, STANDS, epochs=12)
    ]
    state = state_of(events)
    state.step = 8
    assert propose_schedule(state).schedule == "CosineAnnealingLR()"


# -- a network that no schedule brings back ---------------------------------------------------------------------------

DEAD = DeadLayer("2", 61, 64)


def test_where_a_layer_is_dead_a_new_run_over_what_is_left_is_advised() -> None:
    spec = RunSpec(schedule="ExponentialLR(gamma=0.1)", optimizer="Adam(lr=0.01)", seed=7, at=("epoch 8: lr*0.5",))
    advice = only(synthetic_run(TUTORIAL[:3], STANDS[:3], spec=spec, epochs=10, dead_layer=DEAD))
    assert advice.code == "schedule-exhausted"
    assert "61 of the 64 units of layer 2 get no gradient" in advice.text
    assert advice.does == "starts anew with OneCycleLR(max_lr=0.0032), 7 epochs"
    anew = settings_anew(advice, replace(spec, epochs=10))
    assert (anew.schedule, anew.epochs, anew.seed, anew.at) == ("OneCycleLR(max_lr=0.0032)", 7, 7, ())
    there = in_the_run_itself(advice)
    assert (there.epochs, there.proposal) == (None, advice.proposal)
    assert there.does == "switches to OneCycleLR(max_lr=0.0032); a new run would go further"
    assert told_headless(advice, spec, 3).endswith("'OneCycleLR(max_lr=0.0032)' --epochs 7 starts anew")


@pytest.mark.parametrize("layer", [DeadLayer("2", 47, 64), DeadLayer("out", 1, 1), None])
def test_a_layer_that_is_alive_enough_goes_on(layer: DeadLayer | None) -> None:
    advice = only(synthetic_run(TUTORIAL[:3], STANDS[:3], epochs=10, dead_layer=layer))
    assert advice.epochs is None
    assert advice.does.startswith("switches to OneCycleLR")
    assert "gradient" not in advice.text


def test_nothing_begins_anew_where_less_than_half_the_run_is_left() -> None:
    assert only(synthetic_run(TUTORIAL[:3], STANDS[:3], epochs=6, dead_layer=DEAD)).epochs == 3
    assert only(synthetic_run(TUTORIAL[:3], STANDS[:3], epochs=5, dead_layer=DEAD)).epochs is None


def test_what_begins_anew_stays_half_a_decade_below_the_lr_that_was_too_high() -> None:
    # the first epoch alone did some good: the lr in the middle would be the one that has killed the layer
    stands = [(0.48, 0.829), (0.387, 0.863), (0.387, 0.863)]
    lrs = [0.01, 0.01, 1e-6]
    spec = RunSpec(schedule="MultiStepLR([2], gamma=0.0001)", optimizer="Adam(lr=0.01)")
    advice = only(synthetic_run(lrs, stands, epochs=10, dead_layer=DEAD, spec=spec))
    assert advice.proposal is not None
    assert advice.proposal.schedule == "OneCycleLR(max_lr=0.0032)"
