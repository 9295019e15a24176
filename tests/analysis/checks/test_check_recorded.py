"""The lr that a run has recorded, checked without knowing what made it."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from lrtui.analysis.checks import Finding
from lrtui.analysis.checks.recorded import check_recorded
from lrtui.analysis.checks.traps import TRAPS
from lrtui.run.recorded_curve import RecordedCurve

STEPS = 1000


def curve_of(
    lr_at: Callable[[int], float], *, every: int = 1, per_epoch: int | None = 100, is_over: bool = True
) -> RecordedCurve:
    steps = np.arange(0, STEPS, every)
    return RecordedCurve(steps, np.array([[lr_at(int(step))] for step in steps]), None, per_epoch, is_over)


def codes(curve: RecordedCurve) -> list[str]:
    return [finding.code for finding in check_recorded(curve)]


def cosine(step: int) -> float:
    return 0.05 * (1 + math.cos(math.pi * step / STEPS))


def one_cycle(step: int) -> float:
    return 0.1 * step / 300 if step < 300 else 0.05 * (1 + math.cos(math.pi * (step - 300) / 700))


def warm_up_from_zero(step: int) -> float:
    return 0.1 * min(step / 150, (STEPS - step) / 850)


def triangles(step: int) -> float:
    return 0.001 + 0.1 * abs((step / 120) % 2 - 1)


def averaged(step: int) -> float:
    return 0.1 * (1 - step / 750) if step < 700 else 0.06


SOUND = {
    "constant": lambda step: 0.1,
    "cosine": cosine,
    "one cycle": one_cycle,
    "warm-up": warm_up_from_zero,
    "steps": lambda step: 0.1 * 0.1 ** (step // 300),
    "triangles": triangles,
    "averaged weights": averaged,
    "warm restarts": lambda step: 0.05 * (1 + math.cos(math.pi * (step % 200) / 200)),
}


@pytest.mark.parametrize("every", [1, 50])
@pytest.mark.parametrize("name", SOUND)
def test_usual_curves_have_no_findings(name: str, every: int) -> None:
    assert codes(curve_of(SOUND[name], every=every)) == []
    assert codes(curve_of(SOUND[name], every=every, per_epoch=None)) == []


TRAPPED = {
    "dead-tail": (lambda step: 0.1 * 0.1 ** (step // 200), "from epoch 7 on the lr is 0.0001 or lower"),
    "dead-start": (lambda step: 0.0 if step < 300 else 0.1 - step / 1e4, "until "),
    "not-finite": (lambda step: 0.1 if step < 750 else math.inf, "not finite from step 750 (epoch 8) on"),
    "negative": (lambda step: 0.1 - step / 5000, "negative from step "),
    "nothing": (lambda step: 0.0, "0 in the whole run"),
    "only-rises": (lambda step: 0.01 + step / 1e4, "only rises, from 0.01 to "),
    "ends-high": (lambda step: 0.05 * (1 + math.cos(math.pi * step / 500)), "falls to 0 at epoch 6 and rises again"),
    "slow-warm-up": (lambda step: 0.1 if 500 <= step < 900 else 0.02, "below half its peak until "),
}


@pytest.mark.parametrize("every", [1, 50])
@pytest.mark.parametrize("code", TRAPPED)
def test_each_trap_that_looks_at_the_lr_alone_is_found(code: str, every: int) -> None:
    lr_at, text = TRAPPED[code]
    (finding,) = [found for found in check_recorded(curve_of(lr_at, every=every)) if found.code == code]
    assert finding.message.startswith("in the recorded run, ")
    assert text in finding.message
    assert finding.fix is None


def test_every_trap_that_declares_that_it_looks_at_the_lr_alone_is_tested() -> None:
    assert {trap.code for trap in TRAPS if trap.find_in_lrs is not None} == set(TRAPPED)


@pytest.mark.parametrize("code", TRAPPED)
def test_of_a_run_that_goes_on_nothing_is_said_about_its_end(code: str) -> None:
    found = codes(curve_of(TRAPPED[code][0], is_over=False))
    assert found == ([code] if code in ("not-finite", "negative") else [])


def test_a_run_that_was_stopped_early_is_not_whole() -> None:
    full = curve_of(TRAPPED["dead-tail"][0])
    stopped = RecordedCurve(full.steps, full.lrs, 5000, 100, True)
    assert codes(full) == ["dead-tail"]
    assert codes(stopped) == []


def test_a_step_has_no_epoch_if_its_length_is_unknown() -> None:
    (finding,) = check_recorded(curve_of(TRAPPED["dead-tail"][0], per_epoch=None))
    assert "from step 600 on the lr is 0.0001" in finding.message
    assert finding.short == "dead after step 599"


def test_an_lr_of_zero_that_is_logged_once_is_no_dead_start() -> None:
    # between two logged steps the lr is on the line between them: 40 steps at 0 are not known
    assert codes(curve_of(warm_up_from_zero, every=40, per_epoch=20)) == []


def test_a_group_that_was_added_later_is_checked_from_then_on() -> None:
    lrs = np.full((STEPS, 2), 0.1)
    lrs[:, 0] = [cosine(step) for step in range(STEPS)]
    lrs[:600, 1] = np.nan
    assert codes(RecordedCurve(np.arange(STEPS), lrs, None, 100)) == []


def test_findings_for_the_known_schedule_keep_their_fix() -> None:
    known = [Finding("dead-tail", "will be dead", "StepLR(5)", "dead"), Finding("cut-short", "is cut short", "X()")]
    cut_short, dead = check_recorded(curve_of(TRAPPED["dead-tail"][0]), known)
    assert (dead.code, dead.fix) == ("dead-tail", "StepLR(5)")
    assert dead.message.startswith("in the recorded run, ")
    assert (cut_short.code, cut_short.message) == ("cut-short", "is cut short")


def test_without_a_recorded_lr_nothing_is_found() -> None:
    assert check_recorded(RecordedCurve(np.empty(0, dtype=np.int64), np.empty((0, 1)))) == []
