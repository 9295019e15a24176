"""Runs of scripts in the cockpit: what is shown of them, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from attached_runs import SCRIPT_SPEC, UNKNOWN_LENGTH, attached_run
from cockpit_pilot import until
from played_session import PlayedApp, PlayedSession
from store_runs import folded, new_recorder, store_events
from textual.pilot import Pilot
from waiting import SECONDS

from lrtui.actions import ACTIONS_BY_NAME
from lrtui.analysis.advice.advisor import Advisor
from lrtui.requirements import Situation
from lrtui.run.commands import Command, ScaleLr
from lrtui.run.events import LrSet
from lrtui.run.spec import RunSpec
from lrtui.store.writer import Writer
from lrtui.tui.controllers.export import _code_of_script
from lrtui.tui.panes.header import progress_line, title_line
from lrtui.tui.panes.metrics import LossPane
from lrtui.tui.panes.settings import settings_lines
from lrtui.tui.screens.cockpit import CockpitScreen
from lrtui.tui.view import View
from lrtui.tui.x_axis import axis_label


def app_on(folder: Path) -> PlayedApp:
    return PlayedApp(PlayedSession(), View(RunSpec(store=str(folder))))


def cockpit(app: PlayedApp) -> CockpitScreen:
    screen = app.screen_stack[1]
    assert isinstance(screen, CockpitScreen)
    return screen


async def select_newest(app: PlayedApp, pilot: Pilot[Any]) -> None:
    """Put the newest run of the store on screen."""
    await until(pilot, lambda: bool(cockpit(app).source_runs.summaries))
    await pilot.press("5", "down")
    await until(pilot, lambda: cockpit(app).scene.run is not None and cockpit(app).scene.run.state.step > 0)  # type: ignore[union-attr]


def test_the_settings_of_a_script_are_those_that_are_known() -> None:
    state = folded(attached_run(120, replace(SCRIPT_SPEC, accumulate=4)))
    assert state.started is not None
    assert settings_lines(state.started.spec, state) == [
        ("schedule", "StepLR(step_size=1, gamma=0.5)"),
        ("", "500 steps, 50 per epoch"),
        ("optimizer", "SGD(lr=0.01, momentum=0.9)"),
        ("script", "train.py"),
        ("model", "5 parameters"),
        ("epochs", "10"),
        ("batches", "4 per step"),
        ("device", "cpu"),
    ]
    assert state.samples_per_second is None


def test_nothing_is_invented_for_a_script_of_unknown_length() -> None:
    state = folded(attached_run(120, UNKNOWN_LENGTH, has_length=False))
    assert state.started is not None
    assert [name for name, _ in settings_lines(state.started.spec, state)] == [
        "schedule", "optimizer", "script", "model", "device",
    ]  # fmt: skip
    assert progress_line(state.started.spec, state, 120).plain == " epoch 120   120 steps in 5s"
    assert state.seconds_left is None
    title = title_line("#3", state.started.spec, state, 120).plain
    assert title.startswith(" lrtui  #3 train.py · script:LambdaLR() · SGD · cpu  ")


@pytest.mark.parametrize("name", ["restart", "branch"])
def test_a_script_is_not_started_by_the_cockpit(name: str) -> None:
    live = folded(attached_run(120))
    refusal = ACTIONS_BY_NAME[name].requirement(Situation(live, live, is_stored=True, key=3))
    assert refusal == "run 3 is trained by train.py, which you start again for another run."


def test_a_script_that_was_stopped_is_not_resumed() -> None:
    ended = folded(attached_run(120, outcome="stopped"))
    refusal = ACTIONS_BY_NAME["pause"].requirement(Situation(ended, None, is_stored=True, key=3))
    assert refusal == "run 3 was trained by train.py, which you start again for another run."


def test_no_advice_says_to_start_a_script_again() -> None:
    for outcome in ("diverged", "done"):
        advice = Advisor(lambda state: None).new_advice(folded(attached_run(500, outcome=outcome)))
        assert [each.action for each in advice if each.action in ("restart", "branch")] == []


async def test_a_live_script_is_on_screen_and_takes_commands(tmp_path: Path) -> None:
    folder = tmp_path / "store"
    store_events(folder, attached_run(500, outcome="done"), SCRIPT_SPEC)
    writer = Writer(folder, print)
    events, taken = attached_run(235, group_from=120), list[Command]()

    def obey(command: Command) -> None:
        taken.append(command)
        recorder.publish(
            LrSet(
                seq=len(events), step=235, seconds=10.0, lrs_before=(0.1, 0.1), lrs_after=(0.125, 0.1),
                scale=(1.25, 1.0), by="user", command=command.text, command_id=command.id,
            )
        )  # fmt: skip

    recorder = new_recorder(writer, SCRIPT_SPEC, receive=obey)
    for event in events:
        recorder.publish(event)
    assert recorder.commit(SECONDS)
    app = app_on(folder)
    async with app.run_test(size=(120, 36)) as pilot:
        await select_newest(app, pilot)
        scene = cockpit(app).scene
        assert scene.run is not None
        assert (scene.run.number, scene.run.is_live) == (recorder.run, True)
        assert app.session.runs == []
        state = scene.run.state
        assert state.started is not None
        assert not state.started.settings_known
        pane = cockpit(app).query_one(LossPane)
        assert "nan" not in pane.values_of(scene)
        await pilot.press("+")
        await until(pilot, lambda: taken == [ScaleLr(1.25)] and cockpit(app).scene.run.state.changes)  # type: ignore[union-attr]
        await pilot.press("r")
        await pilot.pause()
        assert app.session.runs == []
    writer.close()


async def test_the_axis_of_a_script_of_unknown_length_counts_steps(tmp_path: Path) -> None:
    folder = tmp_path / "store"
    store_events(folder, attached_run(120, UNKNOWN_LENGTH, has_length=False, outcome="done"), UNKNOWN_LENGTH)
    app = app_on(folder)
    async with app.run_test(size=(120, 36)) as pilot:
        await select_newest(app, pilot)
        assert axis_label(cockpit(app).scene) == "step"
        run = cockpit(app).scene.run
        assert run is not None
        # whether or not there is code for its schedule
        code = _code_of_script(run, run.state)
        assert "# run = lrtui.attach(optimizer, scheduler, epochs=epochs, batches_per_epoch=len(loader))\n" in code
        compile(code, "code", "exec")
