"""When a race can begin from the cockpit, how long it would take, and the words that begin it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from driving import TINY
from lrtui.tui.screens.picker.choice import RaceChoice
from played_session import PlayedSession
from recorded_runs import recorded_run

from lrtui.__main__ import main
from lrtui.engine.background import race_in_background, race_words
from lrtui.run.errors import LrtuiError
from lrtui.run.spec import RunSpec
from lrtui.tui.controllers.race import RaceController
from lrtui.tui.run_list.row import RunRow, row_of
from lrtui.tui.screens.race import race_lines
from lrtui.tui.view import View


class Saying:
    """A screen that keeps what is said."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.app: Any = None

    def say(self, message: str) -> None:
        self.said.append(message)


def racing(
    session: PlayedSession, spec: RunSpec, rows: dict[int, RunRow] | None = None
) -> tuple[RaceController, Saying]:
    screen = Saying()
    return RaceController(session, View(spec), screen, lambda: rows or {}), screen  # type: ignore[arg-type]


def rows_of(*sessions: PlayedSession) -> dict[int, RunRow]:
    return {run.number: row_of(run, None) for session in sessions for run in session.runs}


def test_no_race_without_a_store(tmp_path: Path) -> None:
    assert "--store none" in racing(PlayedSession(), RunSpec(store="none"))[0].terms().refusal
    terms = racing(PlayedSession(), RunSpec(store=str(tmp_path)))[0].terms()
    assert (terms.refusal, terms.place, terms.epoch_seconds) == ("", str(tmp_path), None)


def test_no_race_beside_a_run_of_this_process_or_of_another(tmp_path: Path) -> None:
    spec, going = RunSpec(store=str(tmp_path)), PlayedSession(recorded_run(330))
    assert "run #1 is going" in racing(going, spec)[0].terms().refusal
    elsewhere = rows_of(PlayedSession(recorded_run(330), first=7))
    assert "run #7 is going" in racing(PlayedSession(), spec, elsewhere)[0].terms().refusal


def test_the_pace_is_that_of_a_run_that_trained_the_same(tmp_path: Path) -> None:
    done = PlayedSession(recorded_run(500, outcome="done"))
    rows = rows_of(done)
    state = done.runs[0].state
    assert state.started is not None
    # another schedule, seed and length cost the same
    spec = RunSpec(store=str(tmp_path), schedule="StepLR(3)", seed=5, epochs=2)
    terms = racing(done, spec, rows)[0].terms()
    assert terms.paced_by == 1
    assert terms.epoch_seconds == pytest.approx(state.elapsed / state.step * state.started.batches_per_epoch)
    # another batch size does not
    assert racing(done, RunSpec(store=str(tmp_path), batch_size=8), rows)[0].terms().epoch_seconds is None
    question = str(race_lines(["StepLR(3)", "StepLR(2)"], 3, 2, terms))
    assert "6 runs of 2 epochs: about " in question
    assert "at the pace of run #1" in question
    assert "One seed" not in question
    assert "One seed can't tell merit from luck" in str(race_lines(["StepLR(3)", "StepLR(2)"], 1, 2, terms))


def test_a_run_that_has_begun_since_stops_a_race(tmp_path: Path) -> None:
    begins, screen = racing(PlayedSession(recorded_run(330)), RunSpec(store=str(tmp_path)))
    begins.begin(RaceChoice(("StepLR(3)", "StepLR(2)"), 3))
    assert "no race: run #1 is going" in screen.said[0]
    assert not list(tmp_path.iterdir())


def test_the_words_say_every_setting_whatever_the_users_defaults_are(
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
    # a user whose own default is fewer samples does not have them in a race of all
    monkeypatch.setattr(race, "told_settings", lambda: type("Told", (), {"run": {"train_samples": 8, "epochs": 9}}))
    assert main(race_words(tmp_path, spec, schedules, 4)) == 1
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
def test_words_that_are_off_are_told(tmp_path: Path) -> None:
    with pytest.raises(LrtuiError, match=r"race\.out says why"):
        race_in_background(tmp_path, RunSpec(task="nowhere"), ("StepLR(3)", "StepLR(2)"), 1)
