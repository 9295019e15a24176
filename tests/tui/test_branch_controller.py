"""The key that branches a run: epoch, schedule, and refusals."""

from __future__ import annotations

from pathlib import Path

import pytest
from cockpit_pilot import dialog, message, press, until
from played_session import PlayedApp, PlayedSession
from recorded_runs import recorded_run
from store_runs import store_events
from textual.widgets import OptionList

from lrtui.engine.run import Run
from lrtui.run.checkpoint_name import checkpoint_name
from lrtui.run.events import EpochDone, Event
from lrtui.run.spec import RunSpec
from lrtui.tui.screens.branch_point import BranchPointScreen
from lrtui.tui.screens.picker.screen import PickerScreen
from lrtui.tui.view import View

DONE = recorded_run(500, outcome="done")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a store folder that the played runs report as their store."""
    monkeypatch.setattr(Run, "is_recorded", property(lambda _: True))
    monkeypatch.setattr(Run, "store_folder", property(lambda _: tmp_path))
    return tmp_path


def save_epochs(folder: Path, events: list[Event], *epochs: int) -> None:
    store_events(folder, events)
    place = folder / "checkpoints" / "1"
    place.mkdir(parents=True)
    for done in events:
        if isinstance(done, EpochDone) and done.epoch in epochs:
            (place / checkpoint_name(done.seq, done.step)).touch()


async def test_it_asks_for_the_epoch_and_the_schedule_and_starts_the_branch(folder: Path) -> None:
    save_epochs(folder, DONE, 2, 4, 10)
    app = PlayedApp(PlayedSession(DONE))
    async with app.run_test(size=(120, 36)) as pilot:
        await press(pilot, "b")
        assert isinstance(app.screen, BranchPointScreen)
        # nothing comes after the last epoch
        assert [option.id for option in app.screen.query_one(OptionList).options] == ["2", "4"]
        await press(pilot, "up", "enter")
        await until(pilot, lambda: isinstance(app.screen, PickerScreen))
        assert "after epoch 2, step 100" in str(app.screen.query_one("#picker").border_title)
        await press(pilot, *"cosine", "ctrl+o", "enter")
        await until(pilot, lambda: app.session.resume_plans != [])
        plan = app.session.resume_plans[0]
        assert plan is not None
        assert plan.is_branch
        assert plan.file.step == 100
        assert [command.text for command in plan.commands] == ["CosineAnnealingLR() from current"]


async def test_the_branch_starts_from_the_run_on_screen_if_another_store_has_one_of_the_same_number(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_epochs(folder, DONE, 2, 4)
    monkeypatch.setattr(Run, "store_folder", property(lambda _: folder / "other"))
    app = PlayedApp(PlayedSession(recorded_run(100, outcome="stopped")), View(RunSpec(store=str(folder)), selected=1))
    async with app.run_test(size=(120, 36)) as pilot:
        sources = app.cockpit.source_runs
        await until(pilot, lambda: len(sources.summaries) == 1)
        number = next(iter(sources.summaries))
        assert number < 0
        app.cockpit.show_run(number)
        await until(pilot, lambda: number in sources.runs and len(sources.runs[number].state.epochs) > 4)
        await press(pilot, "b")
        assert isinstance(app.screen, BranchPointScreen)
        assert "run 1" in str(app.screen.query_one(".dialog").border_title or "") + dialog(app)
        await press(pilot, "enter")
        await until(pilot, lambda: isinstance(app.screen, PickerScreen))
        await press(pilot, *"cosine", "ctrl+o", "enter")
        await until(pilot, lambda: app.session.resume_plans != [])
        plan = app.session.resume_plans[0]
        assert plan is not None
        assert plan.run.id == 1
        assert plan.file.path.is_relative_to(folder / "checkpoints")


async def test_escape_closes_either_dialog(folder: Path) -> None:
    save_epochs(folder, DONE, 2)
    app = PlayedApp(PlayedSession(DONE))
    async with app.run_test(size=(120, 36)) as pilot:
        await press(pilot, "b", "escape")
        assert not isinstance(app.screen, BranchPointScreen)
        await press(pilot, "b", "enter")
        await until(pilot, lambda: isinstance(app.screen, PickerScreen))
        await press(pilot, "escape")
        assert app.session.resume_plans == []


async def test_a_run_without_checkpoints_says_so(folder: Path) -> None:
    save_epochs(folder, DONE)
    app = PlayedApp(PlayedSession(DONE))
    async with app.run_test(size=(120, 36)) as pilot:
        await press(pilot, "b")
        assert "it has no checkpoint of an epoch before its last" in message(app)


@pytest.mark.parametrize(
    ("events", "is_recorded", "refusal"),
    [
        (None, True, "no run on screen to branch from"),
        (DONE, False, "this run is not stored"),
        (recorded_run(120), True, "a run is in progress"),
        (recorded_run(20, outcome="stopped"), True, "has no finished epoch"),
    ],
)
async def test_a_refusal_says_why(
    events: list[Event] | None, is_recorded: bool, refusal: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Run, "is_recorded", property(lambda _: is_recorded))
    app = PlayedApp(PlayedSession() if events is None else PlayedSession(events))
    async with app.run_test(size=(120, 36)) as pilot:
        await press(pilot, "b")
        assert refusal in message(app)
