"""The exported code of a run, executed unchanged: the same lr, momentum and betas as in the run at every step."""

from __future__ import annotations

from collections import Counter

import pytest
from generated_code import run_code
from test_lr_reference import UsedByTheOptimizer, results_of_epochs, session_of
from training_runs import run_events, tiny_spec

from lrtui.engine.run_code import code_of_run
from lrtui.run.events import ScheduleSwitched
from lrtui.run.state import RunState


def compare(seed: int, monkeypatch: pytest.MonkeyPatch, seen: Counter[str]) -> None:
    session, caught = session_of(seed), UsedByTheOptimizer(monkeypatch)
    spec = tiny_spec(
        schedule=str(session.plan),
        optimizer=str(session.optimizer),
        epochs=session.epochs,
        batch_size=session.batch_size,
    )
    script = {step: [command for command, _ in said] for step, said in session.orders.items()}
    # in every other run, commands at an epoch's end arrive during its test
    events = run_events(spec, script, meets_tests=seed % 2 == 1)
    state = RunState()
    state.fold(events)
    if state.started is None or not caught.steps:
        seen["never began"] += 1
        return
    code = code_of_run("a run", state)
    used, names = run_code(code, results_of_epochs(events))
    steps = len(caught.steps)
    assert used[:steps] == caught.steps, f"{session}\n{code}"
    if state.status == "done":
        assert "error" not in names, f"{session}\n{names['error']!r}\n{code}"
        assert len(used) == steps
    seen[state.status] += 1
    seen.update(change.anchor for change in state.changes if isinstance(change, ScheduleSwitched))
    seen.update(given.line.split(" ")[0] for given in state.commands)


def compare_all(seeds: range, monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    seen: Counter[str] = Counter()
    for seed in seeds:
        try:
            compare(seed, monkeypatch, seen)
        except AssertionError as error:
            error.add_note(f"seed {seed}")
            raise
    # if most runs ended early, little would be compared
    assert seen["done"] > 0.8 * len(seeds), seen
    return seen


def test_the_code_of_a_run_has_the_lr_of_the_run_at_every_step(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = compare_all(range(60), monkeypatch)
    # every anchor, between steps and during tests
    assert all(seen[word] > 2 for word in ("base", "current", "start", "step", "test")), seen


@pytest.mark.deep
@pytest.mark.parametrize("block", range(10))
def test_the_code_of_a_thousand_runs(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    compare_all(range(60 + block * 100, 160 + block * 100), monkeypatch)
