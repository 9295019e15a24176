"""A suggestion as JSON."""

from __future__ import annotations

from typing import Any

from lrtui.analysis.suggest.report import basis_lines
from lrtui.analysis.suggest.suggestion import Suggestion
from lrtui.run.event_json import plain


def suggestion_record(suggestion: Suggestion) -> dict[str, Any]:
    """Return all of it as plain JSON values."""
    finding, result = suggestion.finding, suggestion.in_full
    test = None if result is None else result.last_test
    return {
        "schedule": suggestion.winner.schedule,
        "optimizer": suggestion.winner.optimizer or suggestion.spec.optimizer,
        "command": suggestion.command,
        "sureness": suggestion.sureness,
        "sureness_words": suggestion.sureness_words,
        "lr": finding.lr,
        "suggestions": plain(finding.suggestions),
        "rules_agree": finding.rules_agree,
        "range_test_steps": finding.steps,
        "rounds": [
            {
                "race": stands.plan.number,
                "epochs": stands.plan.common.epochs,
                "seeds": list(stands.seeds),
                "metric": stands.metric,
                "placings": [{"label": placing.label, "mean": placing.mean} for placing in stands.placings],
            }
            for stands in suggestion.rounds
        ],
        "in_full": None
        if result is None
        else {
            "run": result.run,
            "state": result.state,
            "epochs": suggestion.spec.epochs,
            "accuracy": None if test is None else plain(test.accuracy),
            "loss": None if test is None else plain(test.loss),
        },
        "budget": suggestion.budget,
        "spent": suggestion.spent,
        "basis": list(basis_lines(suggestion)),
    }
