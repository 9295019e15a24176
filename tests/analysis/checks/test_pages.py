"""Each trap's page: its example is in the trap and in no other, its better notation is what check proposes."""

from __future__ import annotations

import re

import pytest

from lrtui.analysis.checks import check_schedule
from lrtui.analysis.checks.explain import pages
from lrtui.schedules.notation import parse_optimizer, parse_schedule
from lrtui.schedules.schedule import Horizon
from lrtui.schedules.simulate import simulate

EXAMPLE = re.compile(
    r"^For example, on (?P<optimizer>.+), (?P<epochs>\d+) epochs? of (?P<batches>\d+) steps"
    r"(?: of (?P<accumulate>\d+) batches each)? \(lr: as each epoch begins \| the last\):\n"
    r"  (?P<trap>.+)(?:\n  lr (?P<lrs>[^L\n]+))?(?:\nBetter:\n  (?P<better>.+)(?:\n  lr (?P<better_lrs>.+))?)?\Z",
    re.MULTILINE,
)


def figures(notation: str, optimizer: str, horizon: Horizon) -> str:
    """Return the lr as the pages have it: of the first parameter group, to two digits."""
    lrs = simulate(parse_schedule(notation), parse_optimizer(optimizer), horizon)[:, 0].tolist()
    *starts, last = [f"{float(f'{lr:.2g}'):g}" for lr in (*lrs[:: horizon.batches_per_epoch], lrs[-1])]
    return f"{' '.join(starts)} | {last}"


@pytest.mark.parametrize("code", pages())
def test_its_example_is_true(code: str) -> None:
    example = EXAMPLE.search(pages()[code].text)
    assert example, f"the page on {code} has no example, or one that is written otherwise"
    optimizer, horizon = example["optimizer"], Horizon(int(example["epochs"]), int(example["batches"]))
    accumulate = int(example["accumulate"] or 1)
    (finding,) = check_schedule(
        parse_schedule(example["trap"]), parse_optimizer(optimizer), horizon, accumulate=accumulate
    )
    assert (finding.code, finding.fix) == (code, example["better"])
    assert example["better"] is not None
    better = parse_schedule(example["better"])
    assert check_schedule(better, parse_optimizer(optimizer), horizon, accumulate=accumulate) == []
    for notation, lrs in ((example["trap"], example["lrs"]), (example["better"], example["better_lrs"])):
        assert lrs is None or lrs == figures(notation, optimizer, horizon)
