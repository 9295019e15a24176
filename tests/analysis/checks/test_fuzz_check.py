"""Anything goes through check: no traceback, what is clean trains to its end, and what is mended is mended."""

from __future__ import annotations

import numpy as np
import pytest
from random_cases import Case, cases

from lrtui.analysis.checks import check_schedule
from lrtui.run.errors import LrtuiError
from lrtui.schedules.notation import parse_optimizer, parse_schedule
from lrtui.schedules.simulate import simulate

QUICK, PART, PARTS = 500, 1000, 10


def wrong_with(case: Case) -> str:
    """Return what check gets wrong, or nothing."""
    try:
        schedule, optimizer = parse_schedule(case.schedule), parse_optimizer(case.optimizer)
    except LrtuiError:
        return ""
    findings = check_schedule(schedule, optimizer, case.horizon, accumulate=case.accumulate)
    if not findings:
        try:
            lrs = simulate(schedule, optimizer, case.horizon)
        except LrtuiError as error:
            return f"called clean, and can't be previewed: {error}"
        if not np.isfinite(lrs).all() or (lrs < 0).any():
            return "called clean, with lrs that no optimizer takes"
    for finding in findings:
        if finding.fix is None:
            continue
        mended = parse_schedule(finding.fix)
        lrs = simulate(mended, optimizer, case.horizon)
        if not np.isfinite(lrs).all() or (lrs < 0).any():
            return f"{finding.code}: the fix {finding.fix} has lrs that no optimizer takes"
        again = check_schedule(mended, optimizer, case.horizon, accumulate=case.accumulate)
        if finding.code in {other.code for other in again}:
            return f"{finding.code}: the fix {finding.fix} has it as well"
    return ""


def all_wrong(seed: int, count: int) -> list[str]:
    return [f"{case}: {words}" for case in cases(seed, count) if (words := wrong_with(case))]


@pytest.mark.filterwarnings("ignore")
def test_what_is_odd() -> None:
    assert all_wrong(0, QUICK) == []


@pytest.mark.deep
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("part", range(1, PARTS + 1))
def test_ten_thousand_more(part: int) -> None:
    assert all_wrong(part, PART) == []
