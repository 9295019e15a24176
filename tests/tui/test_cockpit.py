"""Every key of the cockpit: the command it sends, and the message if it is unavailable."""

from __future__ import annotations

from dataclasses import replace

import pytest
from cockpit_pilot import dialog, message, press, until
from played_session import PlayedApp, PlayedSession, drawn_curve
from recorded_runs import recorded_run
from textual.pilot import Pilot
from textual.widgets import Input

from lrtui.actions import ACTIONS
from lrtui.analysis.checks import Finding
from lrtui.plotting.chart import Chart
from lrtui.run.commands import Extend, Pause, Resume, ScaleLr, SetLr, Stop, SwitchSchedule, UndoLr
from lrtui.run.events import CommandRefused, Paused, RunFinished
from lrtui.tui import frame_clock
from lrtui.tui.panes.chart_view import ChartView
from lrtui.tui.panes.tabs import Tabs
from lrtui.tui.run_list.run_list import RunList
from lrtui.tui.screens.dialogs import ConfirmScreen, SetLrScreen
from lrtui.tui.screens.help import HelpScreen
from lrtui.tui.screens.picker.screen import PickerScreen
from lrtui.tui.screens.settings import SettingsScreen

RUNNING = recorded_run(120)
DONE = recorded_run(500, outcome="done")


async def test_r_starts_a_run_with_the_settings_shown() -> None:
    app = PlayedApp(PlayedSession())
    async with app.run_test(size=(120, 36)) as pilot:
        await press(pilot, "r")
        assert [run.number for run in app.session.runs] == [1]
        assert app.session.runs[0].spec == app.view.spec
        assert app.view.selected == 1


async def test_a_schedule_on_the_command_line_starts_at_once() -> None:
    app = PlayedApp(PlayedSession(), start=True)
    async with app.run_test(size=(120, 36)) as pilot:
        await pilot.pause()
        assert len(app.session.runs) == 1


async def test_r_on_a_running_run_asks_stops_it_and_starts_the_next() -> None:
    app = PlayedApp(PlayedSession(RUNNING))
    async with app.run_test(size=(120, 36)) as pilot:
        await press(pilot, "r")
        assert isinstance(app.screen, ConfirmScreen)
        await press(pilot, "escape")
        assert app.session.last.sent == []
        await press(pilot, "r", "r")
        assert app.session.last.sent == [Stop()]
        assert len(app.session.runs) == 1
        app.session.last.say(RunFinished(seq=999, step=120, seconds=5.0, outcome="stopped"))
        await until(pilot, lambda: len(app.session.runs) == 2)
        assert app.view.selected == 2


@pytest.mark.parametrize(
    ("key", "command"),
    [("space", Pause()), ("+", ScaleLr(1.25)), ("-", ScaleLr(0.8))],
)
async def test_a_key_sends_a_command_to_the_running_run(key: str, command: object) -> None:
    app = PlayedApp(PlayedSession(RUNNING))
    async with app.run_test(size=(120, 36)) as pilot:
        await press(pilot, key)
        assert app.session.last.sent == [command]


async def test_space_on_a_paused_run_resumes_it() -> None:
    app = PlayedApp(PlayedSession([*RUNNING, Paused(seq=999, step=120, seconds=5.0)]))
    async with app.run_test(size=(120, 36)) as pilot:
        await press(pilot, "space")
        assert app.session.last.sent == [Resume()]
        assert "resume" in message(app)


async def test_u_undoes_a_change_if_there_is_one() -> None:
    app = PlayedApp(PlayedSession(recorded_run(120, nudge_at=60)))
    async with app.run_test(size=(120, 36)) as pilot:
        await press(pilot, "u")
        assert app.session.last.sent == [UndoLr()]
    app = PlayedApp(PlayedSession(RUNNING))
    async with app.run_test(size=(120, 36)) as pilot:
        await press(pilot, "u")
        assert app.session.last.sent == []
        assert "nothing to undo" in message(app)


async def test_equals_asks_for_an_lr_and_sets_it() -> None:
    app = PlayedApp(PlayedSession(RUNNING))
    async with app.run_test(size=(120, 36)) as pilot:
        await press(pilot, "=")
        assert isinstance(app.screen, SetLrScreen)
        await press(pilot, *"0.5x", "enter")
        assert isinstance(app.screen, SetLrScreen)
        await press(pilot, "backspace", "enter")
        assert app.session.last.sent == [SetLr(0.5)]


@pytest.mark.parametrize("key", ["space", "x", "+", "-", "=", "u"])
async def test_a_key_that_needs_a_run_in_progress_says_so(key: str) -> None:
    for session in (PlayedSession(), PlayedSession(DONE)):
        app = PlayedApp(session)
        async with app.run_test(size=(120, 36)) as pilot:
            await press(pilot, key)
            assert "Press r to start one" in message(app)
            assert all(run.sent == [] for run in app.session.runs)  # type: ignore[attr-defined]


async def test_a_run_that_has_not_started_says_what_it_waits_for() -> None:
    app = PlayedApp(PlayedSession(recorded_run(0)[:1]))
    async with app.run_test(size=(120, 36)) as pilot:
        await press(pilot, "+")
        assert "importing PyTorch" in message(app)
        await press(pilot, "x", "x")
        assert app.session.last.sent == [Stop()]


async def test_a_command_refused_by_the_run_is_reported() -> None:
    app = PlayedApp(PlayedSession(RUNNING))
    async with app.run_test(size=(120, 36)) as pilot:
        await pilot.pause()
        app.session.last.say(
            CommandRefused(seq=999, step=120, seconds=5.0, command="undo", reason="nothing to undo here")
        )
        await until(pilot, lambda: "nothing to undo here" in message(app))


async def test_s_switches_a_running_run_live() -> None:
    app = PlayedApp(PlayedSession(RUNNING))
    async with app.run_test(size=(120, 36)) as pilot:
        await press(pilot, "s")
        assert isinstance(app.screen, PickerScreen)
        await press(pilot, *"cosine", "ctrl+o", "enter")
        assert app.session.last.sent == [SwitchSchedule("CosineAnnealingLR()", "current")]
        # the settings pane shows it, so `r` starts the next run with it
        assert app.view.spec.schedule == "CosineAnnealingLR()"


async def test_s_without_a_run_chooses_the_schedule_of_the_next_run() -> None:
    app = PlayedApp(PlayedSession())
    async with app.run_test(size=(120, 36)) as pilot:
        await press(pilot, "s", *"onecycle", "enter")
        assert app.view.spec.schedule == "OneCycleLR(max_lr=0.01)"
        await press(pilot, "r")
        assert app.session.runs[0].spec.schedule == "OneCycleLR(max_lr=0.01)"


async def test_the_picker_restarts_with_its_choice() -> None:
    app = PlayedApp(PlayedSession(DONE))
    async with app.run_test(size=(120, 36)) as pilot:
        await press(pilot, "s", *"linear", "ctrl+r")
        assert app.session.last.number == 2
        assert app.session.last.spec.schedule.startswith("LinearLR(")


async def test_e_edits_the_next_runs_settings() -> None:
    app = PlayedApp(PlayedSession())
    async with app.run_test(size=(120, 36)) as pilot:
        await press(pilot, "e")
        assert isinstance(app.screen, SettingsScreen)
        await press(pilot, "tab", "tab", "tab", "backspace", "backspace", *"3", "enter")
        assert app.view.spec.epochs == 3
        await press(pilot, "e", "escape")
        assert app.view.spec.epochs == 3


async def test_a_run_in_progress_takes_the_settings_that_need_no_restart() -> None:
    app = PlayedApp(PlayedSession(RUNNING))
    async with app.run_test(size=(120, 36)) as pilot:
        await press(pilot, "e")
        box = app.screen.query_one("#epochs", Input)
        assert "the rest to the next" in str(app.screen.query_one("#settings-box").border_subtitle)
        box.value = "12"
        app.screen.query_one("#seed", Input).value = "7"
        app.screen.query_one("#schedule", Input).value = "CosineAnnealingLR()"
        await press(pilot, "enter")
        await until(pilot, lambda: len(app.session.last.sent) == 2)
        assert app.session.last.sent == [Extend(2), SwitchSchedule("CosineAnnealingLR()", "base")]
        assert "applied to run 1 now" in message(app)
        assert "extend 2, CosineAnnealingLR() from base …" in message(app)
        assert "seed: after a restart (r)" in message(app)
        assert app.view.spec.seed == 7
        # a run can't be given fewer epochs than it has
        await press(pilot, "e")
        app.screen.query_one("#epochs", Input).value = "3"
        await press(pilot, "enter")
        assert len(app.session.last.sent) == 2
        assert "epochs: after a restart (r)" in message(app)


async def test_an_extension_with_findings_is_sent_only_after_a_question() -> None:
    app = PlayedApp(PlayedSession(RUNNING))
    finding = Finding("dead-tail", "from epoch 4 on the lr is 0", None)
    app.curve = lambda request: replace(drawn_curve(request), findings=(finding,) if request.checked else None)

    async def extend(pilot: Pilot[None]) -> None:
        await press(pilot, "e")
        app.screen.query_one("#epochs", Input).value = "12"
        await press(pilot, "enter")
        await until(pilot, lambda: isinstance(app.screen, ConfirmScreen))
        assert app.asked[-1].epochs == 12
        assert "Run 1 over 12 epochs: dead-tail: from epoch 4 on the lr is 0" in dialog(app)
        assert app.session.last.sent == []

    async with app.run_test(size=(160, 36)) as pilot:
        await extend(pilot)
        await press(pilot, "escape")
        assert app.session.last.sent == []
        assert "Run 1 is not extended." in message(app)
        # the settings of the next run have the epochs already
        app.view.spec = replace(app.view.spec, epochs=10)
        await extend(pilot)
        await press(pilot, "enter")
        assert app.session.last.sent == [Extend(2)]
        assert "from epoch 4 on the lr is 0" in app.session.last.state.log.lines[-1].text


async def test_l_z_and_m_change_what_is_drawn() -> None:
    app = PlayedApp(PlayedSession(DONE, RUNNING))
    async with app.run_test(size=(120, 36)) as pilot:
        await press(pilot, "2", "l")
        assert app.view.log_axes == {"loss"}
        await press(pilot, "l", "4", "l")
        assert app.view.log_axes == set()
        assert "go to a chart first" in message(app)
        await press(pilot, "z")
        assert app.view.smoothing == 500
        await press(pilot, "m")
        assert app.view.pinned == [2]
        await press(pilot, "5", "down", "m")
        assert app.view.selected == 1
        assert app.view.pinned == [2, 1]


@pytest.mark.parametrize("size", [(120, 36), (80, 24)])
async def test_panes_are_reached_by_number_and_by_tab(size: tuple[int, int]) -> None:
    app = PlayedApp(PlayedSession(RUNNING))
    async with app.run_test(size=size) as pilot:
        await pilot.pause()
        seen = []
        for key in ("2", "3", "4", "5", "1", "tab", "tab", "tab", "tab", "tab"):
            await press(pilot, key)
            seen.append(app.screen.focused_pane)  # type: ignore[attr-defined]
        assert seen == ["loss", "accuracy", "log", "runs", "lr", "loss", "accuracy", "log", "runs", "lr"]


async def test_a_small_screen_shows_one_pane_under_tabs() -> None:
    app = PlayedApp(PlayedSession(RUNNING))
    async with app.run_test(size=(80, 24)) as pilot:
        await press(pilot, "2")
        assert [pane.id for pane in app.screen.query("#lr, #loss, #accuracy, #log, #runs") if pane.display] == ["loss"]
        assert "[2 loss]" in app.screen.query_one(Tabs).render().plain
        await pilot.resize_terminal(120, 36)
        await pilot.pause()
        assert app.screen.query_one("#lr").display
        assert not app.screen.query_one(Tabs).display


async def test_enter_shows_one_pane_and_escape_shows_all_again() -> None:
    app = PlayedApp(PlayedSession(RUNNING))
    async with app.run_test(size=(120, 36)) as pilot:
        await press(pilot, "2", "enter")
        assert not app.screen.query_one("#lr").display
        await press(pilot, "escape")
        assert app.screen.query_one("#lr").display


async def test_help_names_every_key() -> None:
    app = PlayedApp(PlayedSession())
    async with app.run_test(size=(120, 50)) as pilot:
        await press(pilot, "?")
        assert isinstance(app.screen, HelpScreen)
        text = str(app.screen.query_one("#help-box > Static").render())
        assert all(action.help in text for action in ACTIONS)
        await press(pilot, "escape")
        assert not isinstance(app.screen, HelpScreen)


async def test_q_quits_at_once_without_a_run_and_asks_with_one() -> None:
    app = PlayedApp(PlayedSession(DONE))
    async with app.run_test(size=(120, 36)) as pilot:
        await press(pilot, "q")
    assert not app.is_running
    app = PlayedApp(PlayedSession(RUNNING))
    async with app.run_test(size=(120, 36)) as pilot:
        await press(pilot, "q")
        assert isinstance(app.screen, ConfirmScreen)
        await press(pilot, "escape")
        assert app.is_running
        await press(pilot, "q", "q")
    assert not app.is_running


@pytest.mark.parametrize("dialog", ["", "s", "e", "?", "="])
async def test_no_size_breaks_the_screen(dialog: str) -> None:
    app = PlayedApp(PlayedSession(DONE, recorded_run(200, switch_at=60, nudge_at=100)))
    async with app.run_test(size=(120, 36)) as pilot:
        if dialog:
            await press(pilot, dialog)
        for size in ((1, 1), (10, 3), (40, 12), (100, 29), (300, 90), (120, 36)):
            await pilot.resize_terminal(*size)
            await pilot.pause()
        assert app.is_running
        assert len(app.screen_stack) == (3 if dialog else 2)


async def test_a_key_redraws_only_the_charts_that_it_changes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    drawn: list[str] = []
    show = ChartView.show

    def noted(self: ChartView, chart: Chart) -> None:
        assert self.parent is not None
        assert self.parent.id is not None
        drawn.append(self.parent.id)
        show(self, chart)

    session = PlayedSession(recorded_run(120))
    app = PlayedApp(session)
    async with app.run_test(size=(120, 36)) as pilot:
        charts_of = app.screen.query(ChartView)
        await until(pilot, lambda: all(view.chart is not None for view in charts_of))
        await pilot.pause(0.3)
        # from here on the charts are never due because of training
        monkeypatch.setattr(frame_clock, "CHART_INTERVAL", 1e9)
        monkeypatch.setattr(ChartView, "show", noted)
        for key, charts in (("z", ["loss"]), ("l", ["lr"]), ("a", ["lr", "loss", "accuracy"]), ("o", [])):
            session.last.say(*recorded_run(140)[len(recorded_run(120)) :])
            drawn.clear()
            await press(pilot, key)
            assert drawn == charts, key


async def test_the_result_of_a_dialog_is_drawn_without_new_events() -> None:
    app = PlayedApp(PlayedSession(DONE, DONE))
    async with app.run_test(size=(120, 36)) as pilot:
        await pilot.pause(0.6)
        # without a key: the choice is taken from an answer
        app.view.toggle_pin(1)
        runs = app.screen.query_one(RunList)
        await until(pilot, lambda: runs.lines[runs.numbers.index(1)].plain.startswith("m"))
