"""How the budget of a search is divided into races and a full run."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrtui.analysis.suggest.search import Round, plan_budget


@given(st.floats(0, 300), st.integers(1, 100), st.integers(0, 8))
def test_the_planned_cost_never_exceeds_the_budget(left: float, epochs: int, candidates: int) -> None:
    budget_plan = plan_budget(left, epochs, candidates)
    cost = sum(each.cost for each in budget_plan.rounds) + epochs * budget_plan.full_run
    assert cost <= left
    assert budget_plan.full_run == (left >= epochs)
    for each in budget_plan.rounds:
        assert 2 <= each.candidates <= candidates
        assert 1 <= each.epochs <= max(1, epochs // 2)
        assert each.seeds >= 1
    if len(budget_plan.rounds) == 2:
        first, final = budget_plan.rounds
        assert final.epochs > first.epochs
        assert final.candidates < first.candidates


@given(st.integers(1, 60), st.integers(2, 8))
def test_a_budget_for_two_short_runs_and_a_full_one_includes_a_race(epochs: int, candidates: int) -> None:
    assert plan_budget(epochs + 2, epochs, candidates).rounds


@pytest.mark.parametrize(
    ("left", "rounds"),
    [
        (19.98, (Round(5, 1), Round(2, 2))),
        (49.9, (Round(5, 3), Round(2, 5, 2))),
        (12.0, (Round(2, 1),)),
        (11.9, ()),
        (4.9, (Round(4, 1),)),
        (1.0, ()),
    ],
)
def test_the_rounds_of_a_search_with_ten_epochs_and_five_candidates(left: float, rounds: tuple[Round, ...]) -> None:
    assert plan_budget(left, 10, 5).rounds == rounds
