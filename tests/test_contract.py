"""The contract with users: commands, options, exit statuses, formats, keys, public names and stores of release 0.1.

New options, fields and names may be added; none may be removed. `contract.json` was recorded from release 0.1.
"""

from __future__ import annotations

import json
from typing import Any

import contract
import pytest

RECORDED: dict[str, Any] = json.loads(contract.RECORDED.read_text(encoding="utf-8"))


@pytest.mark.parametrize("part", contract.PARTS)
def test_nothing_of_the_recorded_contract_is_lost(part: str) -> None:
    assert contract.losses(RECORDED[part], contract.PARTS[part]()) == []


def test_a_missing_option_field_or_value_is_found() -> None:
    recorded = {"options": {"train": {"--epochs": "value"}}, "keys": ["p", "q"], "codes": [["a", None]]}
    assert contract.losses(recorded, {**recorded, "more": 1}) == []
    found = {"options": {"train": {}}, "keys": ["q"], "codes": [["a", "fix"]]}
    assert contract.losses(recorded, found) == [
        "/options/train/--epochs is missing",
        "/keys: 'p' is missing",
        "/codes/0/1: was None, is 'fix'",
    ]


def test_how_a_command_takes_an_option_is_detected() -> None:
    assert contract.option_kind("train", "--epoch") == "refused"
    assert contract.option_kind("train", "--epochs") == "value"
    assert contract.option_kind("train", "--json") == "flag"


USAGE_ERRORS = [
    arguments for arguments in contract.INVOCATIONS if RECORDED["exit statuses"][" | ".join(arguments)] == 2
]


@pytest.mark.parametrize("arguments", USAGE_ERRORS, ids=" ".join)
def test_a_usage_error_goes_to_standard_error_without_a_traceback(arguments: tuple[str, ...]) -> None:
    with contract.in_project():
        answer = contract.invoke(*arguments)
    assert answer.err
    assert "Traceback" not in answer.err
    assert answer.out == ""


def expected_text(events: list[dict[str, Any]], log_interval: int) -> str:
    """Return the tutorial's lines for the events of a run."""
    text = ""
    for event in events:
        if event["event"] == "step_done" and event["batch"] % log_interval == 0:
            lr = ", ".join(map(str, event["lrs"]))
            text += f"Train Epoch: {event['epoch']} batch-{event['batch']}\t"
            text += f"Loss: {event['loss']:.6f} Learning Rate: {lr}\n"
        if event["event"] == "eval_done":
            text += f"\nTest set: Average loss: {event['loss']:.4f}, Accuracy: {event['accuracy']:.4f}\n\n"
    return text


@pytest.mark.parametrize(
    "options",
    [(), contract.SCRIPT, ("--optimizer", 'SGD(lr=0.1, groups={"0.*": {"lr": 0.01}})')],
    ids=["plain", "script", "groups"],
)
def test_train_prints_the_tutorials_text_to_the_letter(options: tuple[str, ...]) -> None:
    events = contract.trained(*options, "--json").records
    assert len(events) > 20
    assert contract.trained(*options).out == expected_text(events, 2)
