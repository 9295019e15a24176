"""The settings pane: the schedule in force, and the next run's if it is another one."""

from __future__ import annotations

from dataclasses import replace

from cockpit_pilot import until
from played_session import PlayedApp, PlayedSession
from recorded_runs import recorded_run

from lrtui.run.events import ScheduleSwitched
from lrtui.run.source import run_started
from lrtui.run.spec import RunSpec
from lrtui.run.state import RunState
from lrtui.tui.panes.header import title_line
from lrtui.tui.panes.settings import Settings, settings_lines
from lrtui.tui.x_axis import preview_rate

SWITCHED = ScheduleSwitched(
    seq=900,
    step=120,
    seconds=9.0,
    schedule="CosineAnnealingLR(T_max=8)",
    anchor="base",
    lrs=(0.01,),
    lrs_before=(0.0025,),
    command="CosineAnnealingLR() from base",
)


def lines(app: PlayedApp) -> dict[str, str]:
    return {name: value for name, value in app.screen.query_one(Settings)._lines if name}


def choose(app: PlayedApp, schedule: str) -> None:
    app.view.spec = replace(app.view.spec, schedule=schedule)
    app.view.changed()


async def test_the_next_runs_schedule_is_shown_when_it_is_not_the_one_in_force() -> None:
    app = PlayedApp(PlayedSession(recorded_run(120)))
    async with app.run_test(size=(120, 36)) as pilot:
        await until(pilot, lambda: lines(app)["schedule"] == "StepLR(step_size=1, gamma=0.5)")
        assert "next run" not in lines(app)
        choose(app, "CosineAnnealingLR()")
        await until(pilot, lambda: lines(app).get("next run") == "CosineAnnealingLR()")
        # once the run has switched to it, both are the same
        app.session.last.say(SWITCHED)
        await until(pilot, lambda: "next run" not in lines(app))
        assert lines(app)["schedule"] == "CosineAnnealingLR(T_max=8)"
        choose(app, "StepLR(step_size=1, gamma=0.5)")
        await until(pilot, lambda: lines(app).get("next run") == "StepLR(step_size=1, gamma=0.5)")


async def test_beside_a_finished_run_the_schedule_that_r_starts_is_shown() -> None:
    app = PlayedApp(PlayedSession(recorded_run(500, outcome="done")))
    async with app.run_test(size=(120, 36)) as pilot:
        await until(pilot, lambda: lines(app).get("next run") == app.view.spec.schedule)
        choose(app, "StepLR(step_size=1, gamma=0.5)")
        await until(pilot, lambda: "next run" not in lines(app))


async def test_the_chart_and_the_settings_agree_on_whether_the_next_schedule_differs() -> None:
    story = recorded_run(500, outcome="done")
    app = PlayedApp(PlayedSession([*story[:-1], SWITCHED, replace(story[-1], seq=901)]))
    async with app.run_test(size=(120, 36)) as pilot:
        # the schedule that the run was switched to, as the user wrote it
        choose(app, "CosineAnnealingLR()")
        await until(pilot, lambda: "next run" not in lines(app) and app.cockpit.scene.preview is not None)
        assert preview_rate(app.cockpit.scene) is None
        # the one that it was started with is not in force any more
        choose(app, "StepLR(step_size=1, gamma=0.5)")
        await until(pilot, lambda: lines(app).get("next run") == "StepLR(step_size=1, gamma=0.5)")
        await until(pilot, lambda: preview_rate(app.cockpit.scene) is not None)


def test_the_optimizers_that_a_task_makes_are_shown() -> None:
    made = "task:optimizers(muon=task:Muon(lr=0.02), adamw=task:AdamW(lr=0.0003))"
    spec = RunSpec()
    state = RunState(started=run_started(spec=replace(spec, optimizer=made, batch_size=16)))
    assert ("optimizer", made) in settings_lines(spec, state)
    assert "· Muon + AdamW ·" in title_line("#1", spec, state, 160).plain
    assert state.as_trained(spec) == replace(spec, optimizer=made, batch_size=16)
