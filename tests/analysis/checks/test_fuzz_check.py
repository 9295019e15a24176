"""Random schedules: check never crashes, a schedule without findings trains to its end, and every fix holds."""

from __future__ import annotations

import numpy as np
import pytest
from random_cases import Case, cases

from lrtui.analysis.checks import check_schedule
from lrtui.run.errors import LrtuiError
from lrtui.schedules.notation import parse_optimizer, parse_schedule
from lrtui.schedules.simulate import simulate

QUICK, PART, PARTS = 500, 1000, 10


def error_in(case: Case) -> str:
    """Return what check gets wrong; empty if nothing."""
    try:
        schedule, optimizer = parse_schedule(case.schedule), parse_optimizer(case.optimizer)
    except LrtuiError:
        return ""
    findings = check_schedule(schedule, optimizer, case.horizon, accumulate=case.accumulate)
    if not findings:
        try:
            lrs = simulate(schedule, optimizer, case.horizon)
        except LrtuiError as error:
            return f"no findings, but it can't be previewed: {error}"
        if not np.isfinite(lrs).all() or (lrs < 0).any():
            return "no findings, but an optimizer refuses its lrs"
    for finding in findings:
        if finding.fix is None:
            continue
        fixed = parse_schedule(finding.fix)
        lrs = simulate(fixed, optimizer, case.horizon)
        if not np.isfinite(lrs).all() or (lrs < 0).any():
            return f"{finding.code}: the fix {finding.fix} has lrs that an optimizer refuses"
        again = check_schedule(fixed, optimizer, case.horizon, accumulate=case.accumulate)
        if finding.code in {other.code for other in again}:
            return f"{finding.code}: the fix {finding.fix} has the same finding"
    return ""


def errors(seed: int, count: int) -> list[str]:
    return [f"{case}: {error}" for case in cases(seed, count) if (error := error_in(case))]


@pytest.mark.filterwarnings("ignore")
def test_random_schedules() -> None:
    assert errors(0, QUICK) == []


@pytest.mark.deep
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("part", range(1, PARTS + 1))
def test_ten_thousand_random_schedules(part: int) -> None:
    assert errors(part, PART) == []
