"""The key that copies the schedule as PyTorch code."""

from __future__ import annotations

from pathlib import Path

import pytest
from cockpit_pilot import until
from played_session import PlayedApp, PlayedSession
from recorded_runs import recorded_run
from store_runs import store_events
from textual.containers import VerticalScroll
from textual.pilot import Pilot
from textual.widgets import Static

from lrtui.run.errors import StoreError
from lrtui.run.spec import RunSpec
from lrtui.tui.panes.frame import Frame
from lrtui.tui.screens.code import CodeScreen
from lrtui.tui.view import View

SWITCHED = recorded_run(330, switch_at=140, nudge_at=260)


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The code is saved in the working directory."""
    monkeypatch.chdir(tmp_path)


async def open_code(pilot: Pilot[None]) -> str:
    await pilot.press("y")
    screen = pilot.app.screen
    assert isinstance(screen, CodeScreen)
    await until(pilot, lambda: str(screen.query_one("#code", Static).render()) != "…")
    return str(screen.query_one("#code", Static).render())


async def test_y_copies_the_code_of_the_run_on_screen_and_shows_it() -> None:
    app = PlayedApp(PlayedSession(SWITCHED))
    async with app.run_test(size=(120, 36)) as pilot:
        shown = await open_code(pilot)
        assert app.clipboard == shown + "\n"
        assert "        if step == 140:\n" in shown
        assert "    260: " in shown
        assert "sent to the terminal's clipboard; saved as lrtui-run-1.py" in app.screen.query_one(Frame).render().plain
        assert Path("lrtui-run-1.py").read_text() == app.clipboard
        app.copy_to_clipboard("something else")
        await pilot.press("y")
        assert app.clipboard == shown + "\n"
        box = app.screen.query_one(VerticalScroll)
        await until(pilot, lambda: box.max_scroll_y > 0)
        await pilot.press("end")
        await until(pilot, lambda: box.scroll_offset.y == box.max_scroll_y)
        await pilot.press("escape")
        assert not isinstance(app.screen, CodeScreen)


async def test_the_same_code_is_saved_once_and_no_other_file_is_overwritten() -> None:
    Path("lrtui-run-1.py").write_text("mine")
    app = PlayedApp(PlayedSession(SWITCHED))
    async with app.run_test(size=(120, 36)) as pilot:
        for _ in range(2):
            await open_code(pilot)
            await pilot.press("escape")
        assert sorted(path.name for path in Path.cwd().iterdir()) == ["lrtui-run-1-2.py", "lrtui-run-1.py"]
        assert Path("lrtui-run-1.py").read_text() == "mine"


async def test_without_a_run_it_is_the_code_of_the_next_run() -> None:
    app = PlayedApp(PlayedSession(), View(RunSpec(schedule="OneCycleLR(max_lr=0.003)", epochs=3)))
    async with app.run_test(size=(80, 24)) as pilot:
        shown = await open_code(pilot)
        assert "OneCycleLR(optimizer, max_lr=0.003, total_steps=2814)" in shown


async def test_an_unknown_number_of_batches_is_noted() -> None:
    app = PlayedApp(PlayedSession(), View(RunSpec(schedule="StepLR(3)", task="my_task.py:MyTask")))
    async with app.run_test(size=(80, 24)) as pilot:
        assert "The batches per epoch of my_task.py:MyTask are known only once a run has started" in await open_code(
            pilot
        )


async def test_the_code_of_a_branch_includes_its_parent(tmp_path: Path) -> None:
    store_events(tmp_path, SWITCHED)
    app = PlayedApp(PlayedSession(), View(RunSpec(store=str(tmp_path)), selected=1))
    async with app.run_test(size=(120, 36)) as pilot:
        await until(pilot, lambda: pilot.app.screen.scene.run is not None)  # type: ignore[attr-defined]
        assert "if step == 140" in await open_code(pilot)


@pytest.mark.parametrize("error", [StoreError("the disk is gone"), RuntimeError("the disk is gone")])
async def test_an_error_is_shown_instead_of_the_code(error: Exception) -> None:
    def fail() -> str:
        raise error

    app = PlayedApp(PlayedSession())
    async with app.run_test(size=(80, 24)) as pilot:
        await app.push_screen(CodeScreen("Code", fail, lambda _: ""))
        await until(pilot, lambda: "the disk is gone" in str(app.screen.query_one("#code", Static).render()))
        await pilot.press("y")
        assert app.clipboard == ""
