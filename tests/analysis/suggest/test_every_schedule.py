"""The schedules of a race of all."""

from __future__ import annotations

import pytest

from lrtui.analysis.checks import check_schedule
from lrtui.analysis.suggest.every_schedule import every_schedule
from lrtui.schedules.catalogue import CATALOGUE
from lrtui.schedules.horizon import Horizon
from lrtui.schedules.notation import parse_optimizer, parse_schedule


@pytest.mark.parametrize(("optimizer", "epochs", "batches"), [("Adam(lr=0.002)", 10, 300), ("SGD(lr=0.1)", 3, 50)])
def test_every_scheduler_races_with_a_schedule_that_check_accepts(optimizer: str, epochs: int, batches: int) -> None:
    parsed, horizon = parse_optimizer(optimizer), Horizon(epochs, batches)
    found = [parse_schedule(text) for text in every_schedule(parsed, horizon)]
    assert str(found[0]) == "ConstantLR(factor=1.0)"
    assert {part.name for schedule in found for part in schedule.walk()} == set(CATALOGUE)
    assert len(found) == len(CATALOGUE) + 1
    findings = {str(schedule): check_schedule(schedule, parsed, horizon) for schedule in found}
    assert not [text for text, each in findings.items() if any(finding.fix for finding in each)]
    # the peak of each is the optimizer's lr
    assert f"OneCycleLR(max_lr={parsed.lr}" in " ".join(map(str, found))
