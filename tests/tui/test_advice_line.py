"""Advice on screen: when it appears, what its key does, and when it disappears."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from cockpit_pilot import dialog, press, until
from played_session import PlayedApp, PlayedSession
from recorded_runs import recorded_run
from recordings import ending, read_recording
from test_branch_controller import save_epochs
from textual.pilot import Pilot

from lrtui.engine.run import Run
from lrtui.run.commands import Stop, SwitchSchedule
from lrtui.run.events import DeadLayer, EpochDone, Event, LrSet, RunFinished, RunStarted, ScheduleSwitched
from lrtui.run.spec import RunSpec
from lrtui.tui.forecast import CurveRequest, CurveResult
from lrtui.tui.panes.advice_line import AdviceLine
from lrtui.tui.screens.cockpit import CockpitScreen
from lrtui.tui.screens.dialogs import ConfirmScreen
from lrtui.tui.screens.picker.screen import PickerScreen
from lrtui.tui.view import View

EXHAUSTED = read_recording("case-study", epochs=4)
DEAD = [
    replace(event, dead_layer=DeadLayer("2", 61, 64)) if isinstance(event, EpochDone) else event for event in EXHAUSTED
]
PROPOSED = "OneCycleLR(max_lr=0.0032)"


def tenth_of_each(request: CurveRequest) -> CurveResult:
    """Return the curve of ExponentialLR(gamma=0.1) on 0.01 for every request."""
    steps = np.arange(request.start_step, request.epochs * request.batches_per_epoch)
    lrs = 0.01 * 0.1 ** (steps // request.batches_per_epoch)
    return CurveResult(request, lrs[:, None], request.schedule)


def exhausted(view: View | None = None, events: list[Event] = EXHAUSTED) -> PlayedApp:
    app = PlayedApp(PlayedSession(events), view)
    app.curve = tenth_of_each
    return app


def cockpit(app: PlayedApp) -> CockpitScreen:
    return next(screen for screen in app.screen_stack if isinstance(screen, CockpitScreen))


def line(app: PlayedApp) -> str:
    """Return the text of the line; empty if it is hidden."""
    shown = cockpit(app).query_one(AdviceLine)
    return shown.render().plain if shown.display else ""


async def advice_shown(pilot: Pilot[int], app: PlayedApp) -> None:
    """Wait for the forecast and the advice."""
    await until(pilot, lambda: app.view.advice is not None)
    await pilot.pause()


async def test_the_advice_names_its_key_and_s_and_enter_follow_it() -> None:
    # the run's own schedule is among the recent ones, as it is after a start
    app = exhausted(View(RunSpec(), selected=1, recent=["ExponentialLR(gamma=0.1)"]))
    async with app.run_test(size=(120, 36)) as pilot:
        await advice_shown(pilot, app)
        assert line(app).startswith(" ▲ schedule exhausted")
        assert f"s switches to {PROPOSED}" in line(app)
        assert any(
            "advice: schedule exhausted: in the remaining" in entry.text for entry in app.session.last.state.log.lines
        )
        await press(pilot, "s")
        await until(pilot, lambda: isinstance(app.screen, PickerScreen))
        await press(pilot, "enter")
        assert app.session.last.sent == [SwitchSchedule(PROPOSED, "base")]
        app.session.last.say(
            ScheduleSwitched(
                seq=9_000, step=160, seconds=9.0, schedule=PROPOSED, anchor="base", lrs=(0.0001,), lrs_before=(1e-5,)
            )
        )
        await until(pilot, lambda: line(app) == "")
        assert app.view.proposal is None


async def test_with_a_dead_layer_s_and_enter_start_a_new_run() -> None:
    app = exhausted(events=DEAD)
    async with app.run_test(size=(120, 36)) as pilot:
        await advice_shown(pilot, app)
        assert f"s restarts with {PROPOSED} for 6 epochs" in line(app)
        await press(pilot, "s")
        await until(pilot, lambda: isinstance(app.screen, PickerScreen))
        title = str(app.screen.query_one("#picker").border_title)
        assert title == "Replace run 1 with a new run for the remaining 6 epochs"
        await press(pilot, "escape")
        assert not app.session.last.sent
        await press(pilot, "s", "enter")
        assert app.session.runs[0].sent == [Stop()]
        (waiting,) = app.view.queue
        assert (waiting.schedule, waiting.epochs) == (PROPOSED, 6)
        app.session.last.say(RunFinished(seq=9_000, step=160, seconds=9.0, outcome="stopped"))
        await until(pilot, lambda: len(app.session.runs) == 2)
        assert app.session.last.spec == waiting
        assert app.view.selected == 2


async def test_after_dismissing_the_advice_s_switches_the_run() -> None:
    app = exhausted(events=DEAD)
    async with app.run_test(size=(120, 36)) as pilot:
        await advice_shown(pilot, app)
        await press(pilot, "escape", "s")
        await until(pilot, lambda: isinstance(app.screen, PickerScreen))
        await press(pilot, "enter")
        assert app.session.last.sent == [SwitchSchedule("ExponentialLR(gamma=0.1)", "base")]


async def test_advice_appears_once_and_escape_dismisses_it() -> None:
    app = exhausted()
    async with app.run_test(size=(120, 36)) as pilot:
        await advice_shown(pilot, app)
        await press(pilot, "escape")
        assert line(app) == ""
        app.session.last.say(EpochDone(seq=9_000, step=160, seconds=9.0, epoch=4, lrs=(1e-5,), samples_per_second=1.0))
        await pilot.pause(0.6)
        assert line(app) == ""
        # the picker then starts from the current schedule
        await press(pilot, "s")
        await until(pilot, lambda: isinstance(app.screen, PickerScreen))
        await press(pilot, "enter")
        assert app.session.last.sent == [SwitchSchedule("ExponentialLR(gamma=0.1)", "base")]


@pytest.mark.parametrize("events", [EXHAUSTED, DEAD], ids=["alive", "dead"])
async def test_a_schedule_chosen_from_the_palette_overrides_the_advice(events: list[Event]) -> None:
    app = exhausted(events=events)
    async with app.run_test(size=(120, 36)) as pilot:
        await advice_shown(pilot, app)
        cockpit(app).controllers.picker.open("StepLR")
        await until(pilot, lambda: isinstance(app.screen, PickerScreen))
        await press(pilot, "enter")
        (sent,) = app.session.last.sent
        assert isinstance(sent, SwitchSchedule)
        assert sent.schedule.startswith("StepLR(")


async def test_a_manual_change_removes_the_advice() -> None:
    app = exhausted()
    async with app.run_test(size=(120, 36)) as pilot:
        await advice_shown(pilot, app)
        app.session.last.say(
            LrSet(seq=9_000, step=160, seconds=9.0, lrs_before=(1e-5,), lrs_after=(1.0,), scale=(1e5,), by="user")
        )
        await until(pilot, lambda: line(app) == "")


async def test_the_advice_belongs_to_its_run() -> None:
    app = PlayedApp(PlayedSession(EXHAUSTED, recorded_run(500, outcome="done")), View(RunSpec(), selected=1))
    app.curve = tenth_of_each
    async with app.run_test(size=(120, 36)) as pilot:
        await advice_shown(pilot, app)
        cockpit(app).show_run(2)
        await until(pilot, lambda: line(app) == "")
        cockpit(app).show_run(1)
        await until(pilot, lambda: line(app) != "")


@pytest.mark.parametrize(
    ("width", "height", "start", "has"),
    [
        (120, 36, " ▲ schedule exhausted: the remaining lr is too low to train   s switches to", "esc dismisses"),
        (80, 24, " ▲ schedule exhausted   s switches to", PROPOSED),
        (40, 12, " ▲ schedule exhausted   s schedule", ""),
        (24, 12, " ▲ schedule exhausted", "…"),
    ],
)
async def test_one_line_at_any_width(width: int, height: int, start: str, has: str) -> None:
    app = exhausted()
    async with app.run_test(size=(width, height)) as pilot:
        await advice_shown(pilot, app)
        assert line(app).startswith(start)
        assert has in line(app)
        assert len(line(app)) <= width
        assert app.screen.query_one(AdviceLine).size.height == 1


async def test_the_advice_names_keys_from_the_settings_file() -> None:
    app = exhausted(View(RunSpec(), selected=1, keys={"schedule": "ctrl+n", "back": "ctrl+b"}))
    async with app.run_test(size=(160, 40)) as pilot:
        await advice_shown(pilot, app)
        assert f"ctrl+n switches to {PROPOSED}   ctrl+b dismisses" in line(app)


# -- advice at the end of a run ----------------------------------------------------------------------------------------


async def ended(pilot: Pilot[int], app: PlayedApp, last: Event) -> None:
    await pilot.pause()
    app.session.last.say(last)
    await until(pilot, lambda: app.view.advice is not None)
    await pilot.pause()


async def test_a_diverged_run_is_branched_with_half_the_lr(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Run, "is_recorded", property(lambda _: True))
    monkeypatch.setattr(Run, "store_folder", property(lambda _: tmp_path))
    events, last = ending("cnn-explodes")
    save_epochs(tmp_path, [*events, last], 1, 2)
    app = PlayedApp(PlayedSession(events))
    async with app.run_test(size=(120, 36)) as pilot:
        await ended(pilot, app, last)
        assert "b branches after epoch 2 with the lr halved" in line(app)
        await press(pilot, "b")
        assert "Branch from the end of epoch 2 with half the lr?" in dialog(app)
        await press(pilot, "enter")
        await until(pilot, lambda: app.session.resume_plans != [])
        (plan,) = app.session.resume_plans
        assert plan is not None
        assert (plan.is_branch, plan.file.step) == (True, 80)
        assert [command.text for command in plan.commands] == ["lr*0.5"]
        assert plan.spec.at == ("step 80: lr*0.5",)


async def test_a_run_that_is_not_stored_is_restarted() -> None:
    events, last = ending("cnn-explodes")
    app = PlayedApp(PlayedSession(events))
    async with app.run_test(size=(120, 36)) as pilot:
        await ended(pilot, app, last)
        assert "r restarts with the lr halved" in line(app)
        await press(pilot, "r")
        assert isinstance(app.screen, ConfirmScreen)
        assert "--at epoch 1: lr*0.5" in dialog(app)
        await press(pilot, "enter")
        assert app.session.last.spec.at == ("epoch 1: lr*0.5",)
        await until(pilot, lambda: line(app) == "")


async def test_a_run_that_was_too_short_is_restarted_with_more_epochs() -> None:
    events, last = ending("slow-sgd")
    app = PlayedApp(PlayedSession(events))
    async with app.run_test(size=(120, 36)) as pilot:
        await ended(pilot, app, last)
        assert "r restarts with 12 epochs" in line(app)
        await press(pilot, "r", "escape")
        assert len(app.session.runs) == 1
        await press(pilot, "r", "enter")
        started = next(event for event in events if isinstance(event, RunStarted))
        assert app.session.last.spec.epochs == 12
        assert app.session.last.spec.optimizer == started.spec.optimizer


async def test_a_run_that_had_ended_before_it_came_on_screen_gets_no_advice() -> None:
    app = PlayedApp(PlayedSession(read_recording("slow-sgd")))
    async with app.run_test(size=(120, 36)) as pilot:
        await pilot.pause(0.6)
        assert app.view.advice is None


@pytest.mark.parametrize("size", [(80, 24), (120, 36)])
async def test_the_error_of_a_failed_run_stands_there(size: tuple[int, int]) -> None:
    app = PlayedApp(PlayedSession(recorded_run(120, outcome="failed")))
    async with app.run_test(size=size) as pilot:
        await until(pilot, lambda: line(app) == " ✗ RuntimeError: broken")
    app = PlayedApp(PlayedSession(recorded_run(120, outcome="stopped")))
    async with app.run_test(size=size) as pilot:
        await pilot.pause()
        assert line(app) == ""
