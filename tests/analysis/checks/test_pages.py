"""The example on each trap's page: check finds the trap and nothing else, and suggests the fix that the page shows."""

from __future__ import annotations

import pytest

from lrtui.analysis.checks import check_schedule
from lrtui.analysis.checks.trap import Trap
from lrtui.analysis.checks.traps import TRAPS
from lrtui.schedules.horizon import Horizon
from lrtui.schedules.notation import parse_optimizer, parse_schedule
from lrtui.schedules.simulate import simulate


def figures(notation: str, optimizer: str, horizon: Horizon) -> str:
    """Return the lrs as the pages show them: of the first parameter group, to two digits."""
    lrs = simulate(parse_schedule(notation), parse_optimizer(optimizer), horizon)[:, 0].tolist()
    *starts, last = [f"{float(f'{lr:.2g}'):g}" for lr in (*lrs[:: horizon.batches_per_epoch], lrs[-1])]
    return f"{' '.join(starts)} | {last}"


@pytest.mark.parametrize("trap", TRAPS, ids=lambda trap: trap.code)
def test_the_example_on_the_page_is_correct(trap: Trap) -> None:
    example = trap.example
    optimizer, horizon = parse_optimizer(example.optimizer), Horizon(example.epochs, example.steps)
    (finding,) = check_schedule(parse_schedule(example.schedule), optimizer, horizon, accumulate=example.accumulate)
    assert (finding.code, finding.fix) == (trap.code, example.fix)
    assert check_schedule(parse_schedule(example.fix), optimizer, horizon, accumulate=example.accumulate) == []
    for notation, lrs in ((example.schedule, example.lrs), (example.fix, example.fix_lrs)):
        assert not lrs or lrs == figures(notation, example.optimizer, horizon)


@pytest.mark.parametrize("trap", TRAPS, ids=lambda trap: trap.code)
def test_the_page_ends_with_the_example(trap: Trap) -> None:
    paragraphs = trap.page.splitlines()
    examples = [index for index, line in enumerate(paragraphs) if line.startswith("For example, with ")]
    (start,) = examples
    assert start > 0
    assert f"  {trap.example.schedule}" in paragraphs[start:]
    assert paragraphs[paragraphs.index("Better:") + 1] == f"  {trap.example.fix}"
