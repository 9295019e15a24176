"""When a race can start from the cockpit, how long it would take, and the command that starts it."""

from __future__ import annotations

import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from played_session import PlayedSession
from recorded_runs import recorded_run
from training_runs import TINY

from lrtui.__main__ import main
from lrtui.engine.background import race_arguments, race_in_background
from lrtui.run.errors import LrtuiError
from lrtui.run.source import RunSummary
from lrtui.run.spec import RunSpec
from lrtui.settings import UserSettings
from lrtui.tui.controllers.race import RaceController
from lrtui.tui.run_list.rows import summary_of
from lrtui.tui.screens.picker.state import RaceChoice
from lrtui.tui.screens.race import race_text
from lrtui.tui.view import View


class FakeCockpit:
    """What a race knows of the cockpit; it records messages."""

    def __init__(self, session: PlayedSession, spec: RunSpec, rows: dict[int, RunSummary]) -> None:
        self.session, self.view, self.source_runs = session, View(spec), SimpleNamespace(summaries=rows)
        self.messages: list[str] = []
        self.app: Any = None

    def say(self, message: str) -> None:
        self.messages.append(message)


def race_controller(
    session: PlayedSession, spec: RunSpec, rows: dict[int, RunSummary] | None = None
) -> tuple[RaceController, FakeCockpit]:
    cockpit = FakeCockpit(session, spec, rows or {})
    return RaceController(cockpit), cockpit  # type: ignore[arg-type]


def rows_of(*sessions: PlayedSession) -> dict[int, RunSummary]:
    return {run.number: summary_of(run) for session in sessions for run in session.runs}


def test_no_race_without_a_store(tmp_path: Path) -> None:
    assert "--store none" in race_controller(PlayedSession(), RunSpec(store="none"))[0].estimate().refusal
    estimate = race_controller(PlayedSession(), RunSpec(store=str(tmp_path)))[0].estimate()
    assert (estimate.refusal, estimate.folder, estimate.epoch_seconds) == ("", tmp_path, None)


def test_no_race_while_a_run_of_this_or_another_process_is_training(tmp_path: Path) -> None:
    spec, training = RunSpec(store=str(tmp_path)), PlayedSession(recorded_run(330))
    assert "Run 1 is still training" in race_controller(training, spec)[0].estimate().refusal
    elsewhere = rows_of(PlayedSession(recorded_run(330), first=7))
    assert "Run 7 is still training" in race_controller(PlayedSession(), spec, elsewhere)[0].estimate().refusal


def test_the_time_is_estimated_from_a_comparable_run(tmp_path: Path) -> None:
    done = PlayedSession(recorded_run(500, outcome="done"))
    rows = rows_of(done)
    state = done.runs[0].state
    assert state.started is not None
    # another schedule, seed and length cost the same
    spec = RunSpec(store=str(tmp_path), schedule="StepLR(3)", seed=5, epochs=2)
    estimate = race_controller(done, spec, rows)[0].estimate()
    assert estimate.measured_on == 1
    assert estimate.epoch_seconds == pytest.approx(state.elapsed / state.step * state.started.batches_per_epoch)
    # another batch size does not
    assert race_controller(done, RunSpec(store=str(tmp_path), batch_size=8), rows)[0].estimate().epoch_seconds is None
    question = str(race_text(["StepLR(3)", "StepLR(2)"], 3, 2, estimate))
    assert "6 runs of 2 epochs: about " in question
    assert "at the speed of run 1" in question
    assert "With one seed" not in question
    assert "With one seed, differences may be due to chance" in str(
        race_text(["StepLR(3)", "StepLR(2)"], 1, 2, estimate)
    )


def test_a_run_started_meanwhile_prevents_a_race(tmp_path: Path) -> None:
    controller, cockpit = race_controller(PlayedSession(recorded_run(330)), RunSpec(store=str(tmp_path)))
    controller.start(RaceChoice(("StepLR(3)", "StepLR(2)"), 3))
    assert "Race not started. Run 1 is still training" in cockpit.messages[0]
    assert not list(tmp_path.iterdir())


def test_the_command_has_every_setting_whatever_the_users_defaults(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lrtui.cli import race

    spec = RunSpec(
        task=TINY, epochs=2, batch_size=16, optimizer="SGD(lr=0.1)", seed=7, at=("epoch 2: lr*0.5",), log_interval=3
    )
    schedules = ("StepLR(step_size=1, gamma=0.5)", "ConstantLR(factor=1.0)")
    planned: list[Any] = []

    def take(entrants: Any, common: RunSpec, files: Any, **rest: Any) -> Any:
        planned.append(([entrant.schedule for entrant in entrants], common, rest["seeds"]))
        raise LrtuiError("planned")

    monkeypatch.setattr(race, "new_plan", take)
    # the user's defaults do not change the settings of a race
    monkeypatch.setattr(
        race, "load_settings", lambda: UserSettings(tmp_path / "settings.toml", run={"train_samples": 8, "epochs": 9})
    )
    assert main(race_arguments(tmp_path, spec, schedules, 4)) == 1
    assert planned == [(list(schedules), RunSpec(**{**_values(spec), "store": str(tmp_path)}), 4)]


def _values(spec: RunSpec) -> dict[str, Any]:
    return {name: getattr(spec, name) for name in spec.__slots__}


@pytest.mark.deep
def test_a_race_runs_in_a_process_of_its_own(tmp_path: Path) -> None:
    spec = RunSpec(task=TINY, epochs=1, batch_size=16)
    schedules = ("StepLR(step_size=1, gamma=0.5)", "ConstantLR(factor=1.0)")
    process = race_in_background(tmp_path / "store", spec, schedules, 1)
    deadline = time.monotonic() + 120
    while "first:" not in process.output.read_text() and time.monotonic() < deadline:
        time.sleep(0.2)
    assert "first:" in process.output.read_text()
    assert main(["race", "--report", "last", "--store", str(tmp_path / "store")]) == 0


@pytest.mark.deep
def test_an_invalid_command_is_reported(tmp_path: Path) -> None:
    with pytest.raises(LrtuiError, match=r"race\.out says why"):
        race_in_background(tmp_path, RunSpec(task="nowhere"), ("StepLR(3)", "StepLR(2)"), 1)
