"""What the settings file does to the cockpit: keys, the bell, notifications, the load of the machine, ASCII."""

from __future__ import annotations

import pytest
from cockpit_pilot import message, press, until
from played_session import PlayedApp, PlayedSession
from recorded_runs import recorded_run

from lrtui.engine.machine_load import MachineLoad, MachineMonitor
from lrtui.engine.notification import Notifier
from lrtui.run.commands import Pause
from lrtui.run.events import RunFinished
from lrtui.run.spec import RunSpec
from lrtui.tui.ascii_filter import in_ascii
from lrtui.tui.panes.machine_line import MachineLine
from lrtui.tui.view import View

RUNNING = recorded_run(120)


async def test_a_key_from_the_settings_file_works_and_is_shown() -> None:
    keys = {"pause": "p"}
    app = PlayedApp(PlayedSession(RUNNING), View(RunSpec(), selected=1, keys=keys))
    app.set_keymap(keys)
    async with app.run_test(size=(120, 36)) as pilot:
        await press(pilot, "space")
        assert app.session.last.sent == []
        assert "p pause" in message(app)
        await press(pilot, "p")
        assert app.session.last.sent == [Pause()]


@pytest.mark.parametrize("bell", [True, False])
async def test_the_bell_rings_at_the_end_of_a_run_if_enabled(bell: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    rung: list[bool] = []
    app = PlayedApp(PlayedSession(RUNNING), View(RunSpec(), selected=1, bell=bell))
    monkeypatch.setattr(app, "bell", lambda: rung.append(True))
    async with app.run_test(size=(120, 36)) as pilot:
        await until(pilot, lambda: bool(app.cockpit.scene.run and app.cockpit.scene.run.state.step == 120))
        await pilot.pause(0.3)
        app.session.last.say(RunFinished(seq=999, step=120, seconds=5.0, outcome="done"))
        await until(pilot, lambda: "r start" in message(app) and (not bell or bool(rung)))
        await pilot.pause(0.3)
        assert len(rung) == int(bell)


async def test_the_end_of_a_run_sends_one_notification() -> None:
    written: list[str] = []
    app = PlayedApp(PlayedSession(RUNNING), View(RunSpec(), selected=1))
    app.view.notifier = Notifier(None, written.append, written.append)
    async with app.run_test(size=(120, 36)) as pilot:
        await until(pilot, lambda: bool(app.cockpit.scene.run and app.cockpit.scene.run.state.step == 120))
        await pilot.pause(0.3)
        assert written == []
        app.session.last.say(RunFinished(seq=999, step=120, seconds=5.0, outcome="failed", error="loss nan"))
        await until(pilot, lambda: bool(written))
        await pilot.pause(0.3)
        assert written == ["\x1b]9;run 1 failed: loss nan\x1b\\"]


async def test_the_load_of_the_machine_is_shown_and_hidden() -> None:
    app = PlayedApp(PlayedSession(RUNNING), View(RunSpec(), selected=1))
    app.view.machine = MachineMonitor()
    app.view.machine._latest = MachineLoad(87.0, 12_300_000_000, 31_200_000_000, None, 10_200_000_000, 139_800_000_000)
    async with app.run_test(size=(120, 36)) as pilot:
        line = app.screen.query_one(MachineLine)
        await until(pilot, lambda: bool(line.display))
        assert str(line.render()).splitlines() == [
            "machine   CPU 87 %   RAM 12.3/31.2 GB",
            "          GPU ? %    mem 10/140 GB",
        ]
        await press(pilot, "i")
        await until(pilot, lambda: not line.display)
        assert "hidden" in message(app)


@pytest.mark.parametrize("keys", [[], ["s"], ["?"], ["e"], ["q"], ["ctrl+p"]])
async def test_everything_is_drawn_in_ascii(keys: list[str]) -> None:
    app = PlayedApp(PlayedSession(RUNNING), View(RunSpec(), selected=1, ascii=True))
    async with app.run_test(size=(120, 36)) as pilot:
        await press(pilot, *keys)

        def drawn() -> str:
            strips = app.screen._compositor.render_strips()
            return "\n".join("".join(segment.text for segment in strip) for strip in strips)

        await until(pilot, lambda: "running" in drawn() or bool(keys))
        await pilot.pause(0.1)
        assert drawn().isascii()


def test_each_character_keeps_its_columns() -> None:
    assert in_ascii("─│╭ ● ✓…⠂⠀字é") == "-|+ o v.. ???"
