"""Every action in every situation: what it does where it is possible, and what it says where it is refused."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cockpit_pilot import message, press, settle, until
from played_session import PlayedApp, PlayedSession
from test_every_action_situations import RUNNING, SITUATIONS, Situation
from test_stored_runs import STEP, cockpit, elsewhere, scene
from textual.pilot import Pilot
from waiting import SECONDS

from lrtui.actions import ACTIONS, ACTIONS_BY_NAME
from lrtui.engine.run import Run
from lrtui.run.commands import Command
from lrtui.run.errors import StoreError
from lrtui.run.events import RunFinished
from lrtui.run.spec import RunSpec
from lrtui.tui.palette import action_commands
from lrtui.tui.panes.filter_line import FilterLine
from lrtui.tui.panes.footer import Footer
from lrtui.tui.pending import PendingCommands
from lrtui.tui.run_list.pane import RunsPane
from lrtui.tui.view import View


class StaysOpenApp(PlayedApp):
    """Counts the exits instead of exiting."""

    exits = 0

    def exit(self, *_: Any, **__: Any) -> None:
        self.exits += 1


@dataclass
class Played:
    """A situation on screen: takes key presses, reports their effects, and restores the state before them."""

    situation: Situation
    app: StaysOpenApp
    pilot: Pilot[Any]
    sent_elsewhere: list[Command]

    def __post_init__(self) -> None:
        self.local = list(self.app.session.runs)
        self.view = deepcopy({name: getattr(self.app.view, name) for name in _CHOICES})
        self.pane: str = cockpit(self.app).focused_pane
        self.is_full = cockpit(self.app).controllers.panes.is_full_screen
        self.traits_before = self.traits()

    async def press(self, key: str) -> None:
        self.app.simulate_key(key)
        # pilot.press waits until the process is idle, too slow for 40 presses in each situation; callers poll instead
        await settle()

    def traits(self) -> dict[str, object]:
        """Return everything that a key can change, by name."""
        view, screen = self.app.view, cockpit(self.app)
        return {
            "runs": len(self.app.session.runs),
            # a run of the session and a stored run can have the same number
            "run on screen": (view.selected, type(scene(self.app).run)),
            "pinned": tuple(view.pinned),
            "queue": len(view.queue),
            "settings": view.spec,
            "log axes": frozenset(view.log_axes),
            "smoothing": view.smoothing,
            "x axis": view.viewport.axis,
            "window": view.viewport.window,
            "cursor": view.viewport.cursor,
            "focus": screen.focused_pane,
            "full screen": screen.controllers.panes.is_full_screen,
            "order": screen.query_one(RunsPane)._order,
            "filter": any(line.has_class("-open") for line in screen.query(FilterLine)),
            "files": len(list(Path.cwd().iterdir())),
            "left": self.app.exits,
        }

    def sent(self) -> list[Command]:
        local = [command for run in self.local for command in run.sent]  # type: ignore[attr-defined]
        return [*local, *self.sent_elsewhere]

    def opened(self) -> str:
        return "" if self.app.screen is cockpit(self.app) else type(self.app.screen).__name__

    def said(self) -> str:
        return cockpit(self.app).query_one(Footer)._message

    def picture(self) -> list[list[tuple[str, str]]]:
        """Return the texts on screen with their styles."""
        strips = self.app.screen._compositor.render_strips()
        return [[(segment.text, str(segment.style)) for segment in strip] for strip in strips]

    async def restore(self) -> None:
        screen = cockpit(self.app)
        screen.query_one(Footer)._message = ""
        self.app.exits = 0
        if self.traits() == self.traits_before and not self.sent() and not self.opened():
            screen.query_one(Footer).show(scene(self.app))
            return
        while self.opened():
            self.app.pop_screen()
            await settle()
        for line in screen.query(FilterLine).filter(".-open"):
            line.action_clear()
            # clearing moves the focus to the list
            await settle()
        for path in Path.cwd().iterdir():
            path.unlink()
        del self.app.session.runs[len(self.local) :]
        for run in self.local:
            run.sent.clear()  # type: ignore[attr-defined]
        self.sent_elsewhere.clear()
        for name, value in deepcopy(self.view).items():
            setattr(self.app.view, name, value)
        self.app.view.pending = PendingCommands()
        screen.query_one(RunsPane)._order = "newest"
        if screen.controllers.panes.is_full_screen != self.is_full:
            screen.controllers.panes.full_screen()
        screen.controllers.panes.focus(self.pane)
        self.app.view.changed()
        await settle()
        screen.draw_now()
        await settle()


_CHOICES = ("spec", "selected", "pinned", "log_axes", "smoothing", "metric", "viewport", "recent", "queue", "places")


@asynccontextmanager
async def playing(situation: Situation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Played]:
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    # a message stays until the state is restored, however slow the machine is
    monkeypatch.setattr("lrtui.tui.panes.footer.MESSAGE_SECONDS", 1000.0)
    folder, sent, over = tmp_path / "store", list[Command](), threading.Event()

    def send(folder: Path, run: int, command: Command, *_: object) -> None:
        sent.append(command)
        # an answer of the other process would overwrite the message of the next key
        over.wait(SECONDS)
        raise StoreError("the test is over")

    monkeypatch.setattr("lrtui.store.source.send", send)
    if situation.is_stored:
        monkeypatch.setattr(Run, "is_recorded", property(lambda _: True))
        monkeypatch.setattr(Run, "store_folder", property(lambda _: folder))
    with ExitStack() as stack:
        stack.callback(over.set)
        if situation.stored:
            situation.stored(folder)
        if situation.elsewhere is not None:
            other = RunSpec(schedule=STEP, name=situation.name_elsewhere)
            stack.enter_context(elsewhere(folder, other)).say(*situation.elsewhere)
        has_store = situation.stored or situation.elsewhere is not None
        spec = RunSpec(store=str(folder) if has_store and not situation.is_stored else "none")
        # a selection that does not exist yet would move the list's cursor later
        local_on_screen = situation.on_screen or len(situation.local) or None
        view = View(
            spec, selected=local_on_screen if local_on_screen and local_on_screen <= len(situation.local) else None
        )
        app = StaysOpenApp(PlayedSession(*situation.local), view)
        for number in situation.pinned:
            view.toggle_pin(number)
        view.queue = [RunSpec() for _ in range(situation.queued)]
        async with app.run_test(size=situation.size) as pilot:
            await pilot.pause()
            if has_store and not situation.is_stored:
                await until(pilot, lambda: bool(scene(app).source_runs.summaries))
                if situation.on_screen is not None:
                    cockpit(app).show_run(situation.on_screen)
                    await until(pilot, lambda: (run := scene(app).run) is not None and bool(run.state.step))
            for key in situation.keys:
                await pilot.press(key)
            cockpit(app).query_one(Footer)._message = ""
            cockpit(app).draw_now()
            await pilot.pause()
            played = Played(situation, app, pilot, sent)
            yield played


async def wrong_about(played: Played, action: str, key: str, shown: str) -> str:
    """Press a key and return how its effects differ from the expected ones; empty if they don't."""
    before, effect = played.traits_before, played.situation.effect_of(action, shown)
    # a message or another screen shows by itself that the key did something
    picture = [] if effect.says or effect.opens else played.picture()

    def differences() -> str:
        after, opened, said = played.traits(), played.opened(), played.said()
        changed = {name for name in before if before[name] != after[name]}
        found = []
        if played.sent() != ([effect.sends] if effect.sends else []):
            found.append(f"sent {played.sent()}")
        if opened != effect.opens:
            found.append(f"opened {opened or 'nothing'}")
        if changed != effect.changes:
            found.append(f"changed {sorted(changed) or 'nothing'}")
        if effect.says not in said or (said and not effect.says):
            found.append(f"said {said!r}")
        if picture and not (said or opened or played.app.exits) and picture == played.picture():
            found.append("showed nothing")
        return ", ".join(found)

    await played.press(key)
    # a minute for effects that involve another thread, on a busy machine
    for _ in range(3000):
        if not (wrong := differences()):
            return ""
        await played.pilot.pause(0.02)
    return f"{action} ({key}): {wrong}; expected {effect}"


LISTS_OWN_KEYS = {"home": ("log", "runs")}
"""Keys of actions that lists use for themselves; there the action has another key."""


@pytest.mark.parametrize("situation", SITUATIONS, ids=[situation.name for situation in SITUATIONS])
async def test_every_action(situation: Situation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with playing(situation, tmp_path, monkeypatch) as played:
        check_offers(played)
        wrong = []
        for action in ACTIONS:
            if situation.only and action.name not in situation.only:
                continue
            for key in action.keys:
                if played.pane in LISTS_OWN_KEYS.get(key, ()):
                    continue
                if problem := await wrong_about(played, action.name, key, action.shown):
                    wrong.append(problem)
                await played.restore()
        assert not wrong, f"{situation.name}:\n" + "\n".join(wrong)


def check_offers(played: Played) -> None:
    """The footer shows the highest-ranked possible actions, the palette all possible ones."""
    possible = [action for action in ACTIONS if action.name not in played.situation.refused]
    ranked = sorted((action for action in possible if action.rank), key=lambda action: -action.rank)
    entries = [entry for entry in message(played.app).strip().split("  ") if entry.strip()]
    keys = [entry.split()[0] for entry in entries]
    # as many keys as fit are shown, followed by numbers
    expected = ["".join(ACTIONS_BY_NAME[name].shown for name in (action.name, *action.beside)) for action in ranked]
    shown = [key for key, wanted in zip(keys, expected, strict=False) if key == wanted]
    assert len(shown) >= min(len(expected), 7), message(played.app)
    refused_keys = {action.shown for action in ACTIONS if action.name in played.situation.refused}
    assert not refused_keys & set(shown), message(played.app)
    assert [command.help for command in action_commands(cockpit(played.app))] == [action.help for action in possible]


async def test_a_message_ends_when_the_state_that_it_is_about_has_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lrtui.tui.panes.footer.MESSAGE_SECONDS", 1000.0)
    app = PlayedApp(PlayedSession(RUNNING))
    async with app.run_test(size=(120, 36)) as pilot:
        await press(pilot, "x", "x")
        assert "Stopping after this batch." in message(app)
        app.session.last.say(RunFinished(seq=999, step=120, seconds=9.0, outcome="stopped"))
        await until(pilot, lambda: "r start" in message(app))


@pytest.mark.parametrize(
    ("zoom", "key", "text"),
    [
        (("]", "]"), "shift+left", "this is the start of the run"),
        (("]", "]"), "shift+right", "this is the end of the run"),
        ((), "left", "the cursor is at the start of the run"),
        ((), "right", "the cursor is at the end of the run"),
    ],
)
async def test_a_key_says_so_at_either_end_of_the_run(zoom: tuple[str, ...], key: str, text: str) -> None:
    app = PlayedApp(PlayedSession(RUNNING))
    async with app.run_test(size=(120, 36)) as pilot:
        await press(pilot, *zoom)
        for _ in range(200):
            app.simulate_key(key)
        await until(pilot, lambda: text in message(app))
