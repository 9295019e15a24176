"""Scripts written as their communities write them: recorded exactly, controlled at the next step, never changed."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from other_process import rows
from script_runs import (
    EXAMPLES,
    event_steps,
    run_script,
    script_without_lrtui,
    stored_losses,
    stored_lrs,
)
from torch.testing import assert_close

from lrtui.attached import publisher
from lrtui.run.errors import Stopped
from lrtui.store import writer

# one worker imports the libraries
pytestmark = pytest.mark.xdist_group("libraries")

SCRIPTS = (
    "mnist --epochs 2",
    "amp",
    "amp --fused",
    "accumulation --epochs 4",
    "gan",
    "transformer",
    "nanogpt --max-iters 50",
    "timm_updates",
    "compiled --backend eager",
    "compiled --backend eager --compile-step",
)

COMMANDS = {3: "lr*0.5", 5: "lr*0.5", 6: "undo", 8: "StepLR(step_size=2, gamma=0.5, per='batch')", 11: "stop"}
"""Commands of another terminal, by the optimizer steps that were done when they came."""

FACTORS = (1, 1, 1, 0.5, 0.5, 0.25, 0.5, 0.5)
"""What they multiply the lr of the script's own schedule by, until the switch."""

CONFIGURED_LRS = {"mnist": 1.0, "amp": 1e-3, "accumulation": 0.1, "gan": 2e-4, "transformer": 5e-4}
"""The lr of the first parameter group, if it is not 0.01."""


@pytest.fixture(autouse=True)
def often_read_inbox(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "INTERVAL", 0.01)
    # on a busy machine, too
    monkeypatch.setattr(publisher, "OPEN_SECONDS", 60.0)
    monkeypatch.setattr(publisher, "END_SECONDS", 60.0)


@pytest.fixture(params=SCRIPTS)
def script(request: pytest.FixtureRequest) -> list[str]:
    return str(request.param).split()


def test_a_script_is_recorded_exactly_and_changed_only_by_commands(script: list[str], tmp_path: Path) -> None:
    name, *arguments = script
    path, store = EXAMPLES / f"{name}.py", tmp_path / "store"
    alone = run_script(script_without_lrtui(name, tmp_path), *arguments, store=store)

    run = run_script(path, *arguments, store=store)
    assert (alone.error, run.error) == (None, None)
    assert run.printed == alone.printed
    assert run.lrs == alone.lrs
    assert_close(run.weights, alone.weights, rtol=0, atol=0)
    assert run.graphs == alone.graphs
    assert rows(store, "SELECT state FROM runs") == [("done",)]
    assert stored_lrs(store) == run.lrs
    losses, printed = stored_losses(store), run.printed_steps
    digits = 4 if name == "gan" else 6
    for text, loss, lrs in zip(printed, losses, run.lrs, strict=True):
        assert f"{loss:.{digits}f}" in text
        assert f"{max(lrs) if name == 'timm_updates' else lrs[0]:.6g}" in text

    run = run_script(path, *arguments, store=store, commands=COMMANDS)
    assert isinstance(run.error, Stopped)
    assert [answer.obeyed for answer in run.answers] == [True] * len(COMMANDS)
    assert stored_lrs(store) == run.lrs
    changed, switched = torch.tensor(run.lrs, dtype=torch.float64).split((8, 3))
    expected = torch.tensor(alone.lrs[:8], dtype=torch.float64) * torch.tensor(FACTORS, dtype=torch.float64)[:, None]
    # an lr that is a tensor has single precision
    rounding = {"rtol": 1e-6 if "--compile-step" in arguments else 0.0, "atol": 0.0}
    assert_close(changed, expected, **rounding)
    if name != "timm_updates":
        lr = CONFIGURED_LRS.get(name, 0.01)
        assert_close(switched[:, 0], torch.tensor([lr, lr, lr / 2], dtype=torch.float64), **rounding)
    assert event_steps(store, "lr_set") == [3, 5, 6]
    assert event_steps(store, "schedule_switched") == [8]
    assert event_steps(store, "run_finished") == [11]
    assert run.graphs == alone.graphs
