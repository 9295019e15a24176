"""The simulated lr of every batch, compared with a plain training loop."""

from __future__ import annotations

import time

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from plain_loop import plain_loop
from strategies import optimizers, schedules

from lrtui.run.errors import NotationError, UsageError
from lrtui.schedules.catalogue import CATALOGUE
from lrtui.schedules.horizon import Horizon
from lrtui.schedules.lengths import fill_in
from lrtui.schedules.notation import parse_optimizer, parse_schedule
from lrtui.schedules.optimizer_build import build_optimizer
from lrtui.schedules.simulate import simulate, simulate_anchor

NAMES = ("conv.weight", "fc1.weight", "fc2.bias")
GROUPS = ("fc1*", "fc2*")
HORIZONS = st.builds(
    lambda epochs, batches, share: Horizon(epochs, batches, int(share * epochs * batches)),
    st.integers(1, 8),
    st.integers(1, 6),
    st.one_of(st.just(0.0), st.floats(0, 1, exclude_max=True)),
)


def real_optimizer(text: str) -> torch.optim.Optimizer:
    return build_optimizer(parse_optimizer(text), [(name, torch.nn.Parameter(torch.ones(2, 2))) for name in NAMES])


def by_hand(text: str, optimizer: str, horizon: Horizon, metrics: list[float] | None = None) -> np.ndarray:
    schedule, _ = fill_in(parse_schedule(text), horizon)
    real = real_optimizer(optimizer)
    return np.array(
        plain_loop(
            str(schedule),
            real,
            horizon.epochs,
            horizon.batches_per_epoch,
            schedule.per,
            start=horizon.start_step,
            metrics=metrics or [],
        )
    )


def _equals_the_plain_loop(text: str, optimizer: str, horizon: Horizon, losses: list[float]) -> None:
    lrs = simulate(
        parse_schedule(text), parse_optimizer(optimizer), horizon, metrics=[{"loss": x, "accuracy": x} for x in losses]
    )
    assert lrs.dtype == np.float64
    assert lrs.shape == (horizon.steps, len(parse_optimizer(optimizer).lrs))
    np.testing.assert_array_equal(lrs, by_hand(text, optimizer, horizon, losses))


LOSSES = st.lists(st.floats(0, 2), max_size=8)


@pytest.mark.parametrize("name", CATALOGUE)
def test_every_lr_is_that_of_a_plain_loop(name: str) -> None:
    @settings(deadline=None, max_examples=25)
    @given(schedules(name), optimizers(GROUPS), HORIZONS, LOSSES)
    def check(text: str, optimizer: str, horizon: Horizon, losses: list[float]) -> None:
        _equals_the_plain_loop(text, optimizer, horizon, losses)

    check()


@pytest.mark.deep
@pytest.mark.parametrize("name", CATALOGUE)
def test_every_lr_is_that_of_a_plain_loop_at_length(name: str) -> None:
    @settings(deadline=None, max_examples=500)
    @given(schedules(name), optimizers(GROUPS), HORIZONS, LOSSES)
    def check(text: str, optimizer: str, horizon: Horizon, losses: list[float]) -> None:
        _equals_the_plain_loop(text, optimizer, horizon, losses)

    check()


def first_group(text: str, epochs: int = 4, batches: int = 1, lr: float = 1.0, start: int = 0) -> list[float]:
    optimizer = parse_optimizer(f"SGD(lr={lr})")
    found: list[float] = simulate(parse_schedule(text), optimizer, Horizon(epochs, batches, start))[:, 0].tolist()
    return found


def test_the_case_study_lr_falls_to_a_tenth_each_epoch() -> None:
    assert first_group("ExponentialLR(0.1)", epochs=3, batches=2, lr=0.01) == pytest.approx(
        [0.01, 0.01, 0.001, 0.001, 0.0001, 0.0001]
    )


def test_a_started_epoch_ends_with_a_scheduler_step() -> None:
    assert first_group("ExponentialLR(0.5)", epochs=3, batches=3, start=5) == [1.0, 0.5, 0.5, 0.5]


def test_a_one_cycle_holds_its_last_lr_after_its_end() -> None:
    lrs = first_group('OneCycleLR(1.0, total_steps=4, cycle_momentum=False, per="batch")', epochs=1, batches=8)
    assert lrs[3] == pytest.approx(1.0 / 25 / 1e4)
    assert lrs[3:] == [lrs[3]] * 5


def test_a_one_cycle_inside_another_schedule_holds_while_the_other_continues() -> None:
    text = (
        'SequentialLR([OneCycleLR(1.0, total_steps=3, cycle_momentum=False), StepLR(2)], milestones=[6], per="batch")'
    )
    lrs = first_group(text, epochs=1, batches=10)
    assert lrs[2] == pytest.approx(1.0 / 25 / 1e4)
    assert lrs[3:6] == [lrs[2]] * 3
    # in PyTorch the next schedule builds on the first lr of the cycle
    assert lrs[6:] == pytest.approx([0.04, 0.04, 0.004, 0.004])


def test_a_plateau_is_flat_without_test_results() -> None:
    optimizer, horizon = parse_optimizer("SGD(lr=1.0)"), Horizon(5, 2)
    schedule = parse_schedule("ReduceLROnPlateau(factor=0.5, patience=0)")
    assert simulate(schedule, optimizer, horizon)[:, 0].tolist() == [1.0] * 10
    assert simulate(schedule, optimizer, horizon, metrics=[{"accuracy": 1.0}] * 5)[:, 0].tolist() == [1.0] * 10
    stalled = simulate(schedule, optimizer, horizon, metrics=[{"loss": 1.0}] * 3)
    assert stalled[:, 0].tolist() == [1.0, 1.0, 1.0, 1.0, 0.5, 0.5, 0.25, 0.25, 0.25, 0.25]


def test_a_schedule_without_a_next_lr_is_an_error() -> None:
    with pytest.raises(NotationError, match=r"CyclicLR fails at its step\(\) call \d+: OverflowError"):
        first_group("CyclicLR(0.1, 1, 2, mode='exp_range', gamma=1e10, cycle_momentum=False)", epochs=100)
    with pytest.raises(NotationError, match="division by zero"):
        first_group('LambdaLR("1 / (epoch - 2)")')


def test_a_finished_run_has_no_remaining_lrs() -> None:
    assert first_group("StepLR(2)", epochs=2, batches=3, start=6) == []


@pytest.mark.parametrize("name", [name for name, entry in CATALOGUE.items() if not entry.follows_metric])
def test_anchors_differ_in_base_lr_and_start(name: str) -> None:
    @settings(deadline=None, max_examples=10)
    @given(schedules(name), HORIZONS)
    def check(text: str, horizon: Horizon) -> None:
        schedule, optimizer = parse_schedule(text), parse_optimizer("SGD(lr=0.5, momentum=0.9)")
        current = by_hand(text, "SGD(lr=0.125, momentum=0.9)", horizon)
        whole = by_hand(text, "SGD(lr=0.5, momentum=0.9)", Horizon(horizon.epochs, horizon.batches_per_epoch))
        wanted = {
            "base": by_hand(text, "SGD(lr=0.5, momentum=0.9)", horizon),
            "current": current,
            "start": whole[horizon.start_step :],
        }
        for anchor, lrs in wanted.items():
            found = simulate_anchor(schedule, optimizer, horizon, anchor, (0.125,))
            np.testing.assert_array_equal(found, lrs, err_msg=anchor)

    check()


def test_a_plateau_is_stepped_with_the_results_since_its_anchor() -> None:
    schedule, optimizer = parse_schedule("ReduceLROnPlateau(factor=0.5, patience=0)"), parse_optimizer("SGD(lr=1.0)")
    results = [{"loss": 1.0}, {"loss": 1.0}, {"loss": 0.5}, {"loss": 0.5}]
    lrs = {
        anchor: simulate_anchor(schedule, optimizer, Horizon(6, 1, 3), anchor, (0.25,), metrics=results)[:, 0].tolist()
        for anchor in ("base", "current", "start")
    }
    assert lrs == {"base": [1.0, 1.0, 0.5], "current": [0.25, 0.25, 0.125], "start": [0.5, 0.25, 0.25]}


def test_an_unknown_anchor_is_refused() -> None:
    with pytest.raises(UsageError, match="unknown anchor 'middle'; available: base, current, start"):
        simulate_anchor(parse_schedule("StepLR(2)"), parse_optimizer("SGD()"), Horizon(5, 1), "middle", (0.1,))


@pytest.mark.parametrize("name", CATALOGUE)
def test_simulating_a_hundred_thousand_batches_is_fast(name: str) -> None:
    text = CATALOGUE[name].example
    if not CATALOGUE[name].follows_metric:
        text = f'{text[:-1]}{"" if text.endswith("()") else ", "}per="batch")'
    schedule, optimizer = parse_schedule(text), parse_optimizer("Adam(lr=0.01)")
    simulate(schedule, optimizer, Horizon(1, 10))
    # processor time, four times that of the benchmark: a slow or busy machine passes, a higher order of growth does not
    started = time.thread_time()
    simulate(schedule, optimizer, Horizon(100, 1000))
    assert time.thread_time() - started < 6
