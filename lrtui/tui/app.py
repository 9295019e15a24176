"""The cockpit's application: wires session, forecaster, signals and the first screen, and nothing else."""

from __future__ import annotations

import asyncio
import gc
import signal
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NoReturn

from textual.app import App
from textual.command import Provider
from textual.driver import Driver
from textual.filter import LineFilter
from textual.message import Message

from lrtui.engine.run import import_torch
from lrtui.engine.session import Session
from lrtui.engine.time_slice import COMPUTING_SECONDS, SCREEN_SECONDS, ask_for_slices
from lrtui.run.spec import RunSpec
from lrtui.settings import UserSettings
from lrtui.tui.ascii_filter import AsciiFilter
from lrtui.tui.controllers.quit import leave
from lrtui.tui.forecast import Answer, Forecaster, Question
from lrtui.tui.opening import Opening, look_around
from lrtui.tui.output_rate import metered
from lrtui.tui.screens.cockpit import CockpitScreen
from lrtui.tui.screens.dialogs import ConfirmScreen
from lrtui.tui.view import View

SIGNALS = {
    signal.SIGINT: "",
    signal.SIGTERM: "the process was told to end",
    signal.SIGHUP: "the terminal hung up",
}
"""What leaves the cockpit, and what it says of it; an interrupt is a person."""


def cockpit_offers() -> type[Provider]:
    """Return what fills the palette; with all it knows of schedules it takes 15 ms to import."""
    from lrtui.tui.palette import CockpitOffers

    return CockpitOffers


@dataclass
class Opened(Message):
    """It was found out what the start has to tell or to ask."""

    opening: Opening


@dataclass
class ForecastReady(Message):
    """A curve came from the forecaster's thread."""

    slot: str
    answer: Answer


class CockpitApp(App[int]):
    """The cockpit; its result is the number of the run that shall go on without it, if one shall.

    Args:
        session: the runs of this process.
        view: the user's choices, with the settings of the next run.
        start: whether to start that run at once.
        load: imports what training needs; called in a thread after the first paint.
        look: looks for what the start has to tell or to ask, in that thread, first; None to tell nothing.
    """

    TITLE = "lrtui"
    COMMANDS = {cockpit_offers}

    def __init__(
        self,
        session: Session,
        view: View,
        *,
        start: bool = False,
        load: Callable[[], None] = import_torch,
        look: Callable[[], Opening] | None = None,
    ) -> None:
        super().__init__()
        self._session, self._view, self._start_at_once = session, view, start
        self._load, self._look = load, look
        self._ascii = AsciiFilter(enabled=view.ascii)
        self.because = ""
        """What ended the cockpit, where that was no person."""
        self._torch_ready = threading.Event()
        self._forecaster = Forecaster(
            lambda slot, answer: self.post_message(ForecastReady(slot, answer)), self._torch_ready
        )

    def get_driver_class(self) -> type[Driver]:
        """Return the terminal's driver, with what tells whether the terminal is slow."""
        return metered(super().get_driver_class())

    def on_mount(self) -> None:
        """Show the cockpit; import torch when it is painted."""
        self._handle_signals()
        self.push_screen(CockpitScreen(self._session, self._view, self.ask, start=self._start_at_once))
        self._forecaster.start()
        self.call_after_refresh(self._begin_to_load)

    def _begin_to_load(self) -> None:
        # switched off for the time before the first frame
        gc.enable()
        ask_for_slices(SCREEN_SECONDS)
        threading.Thread(target=self._load_in_thread, name="import", daemon=True).start()

    def ask(self, slot: str, question: Question) -> None:
        """Ask for a curve; it comes back to every screen's `take_forecast`."""
        self._forecaster.ask(slot, question)

    def on_forecast_ready(self, message: ForecastReady) -> None:
        """Hand a curve to the screens that draw one."""
        for screen in self.screen_stack:
            if take := getattr(screen, "take_forecast", None):
                take(message.slot, message.answer)

    def on_unmount(self) -> None:
        """Ask the forecaster to end; whatever it computes is not waited for."""
        self._forecaster.close()

    def on_opened(self, message: Opened) -> None:
        """Hand the cockpit what the start has found."""
        self._cockpit.open(message.opening)

    @property
    def _cockpit(self) -> CockpitScreen:
        return next(screen for screen in self.screen_stack if isinstance(screen, CockpitScreen))

    def get_theme_variable_defaults(self) -> dict[str, str]:
        """Return what the themes that take the terminal's own colours lack."""
        return {"foreground-disabled": "ansi_bright_black"}

    def get_line_filters(self) -> Sequence[LineFilter]:
        """Return what all that is drawn goes through: into ASCII last, where that is all there is."""
        return [*super().get_line_filters(), *([self._ascii] if self._ascii.enabled else [])]

    def action_command_palette(self) -> None:
        """Open the palette, on the cockpit alone: what it offers is done there."""
        if isinstance(self.screen, CockpitScreen):
            super().action_command_palette()

    def _load_in_thread(self) -> None:
        ask_for_slices(COMPUTING_SECONDS)
        try:
            if self._look is not None:
                self.post_message(Opened(self._look()))
            self._load()
        except Exception as error:  # a broken installation can raise anything
            self.call_later(self.notify, f"PyTorch can't be imported: {error}", severity="error", timeout=60)
        finally:
            self._torch_ready.set()

    def _handle_signals(self) -> None:
        """Leave in order: Textual handles neither SIGTERM nor SIGHUP, and leaves the terminal in raw mode."""
        if threading.current_thread() is not threading.main_thread():
            return
        loop = asyncio.get_running_loop()
        for number, words in SIGNALS.items():
            loop.add_signal_handler(number, self._leave_at, number, words)

    def _leave_at(self, number: int, because: str) -> None:
        self.because = because
        self.exit(return_code=128 + number)

    async def action_quit(self) -> None:
        """Leave by the cockpit's own way, which asks while a run is going."""
        self.action_help_quit()

    def action_help_quit(self) -> None:
        """Quit where ctrl+c finds nothing to copy; Textual's own only says which key does."""
        if not isinstance(self.screen, ConfirmScreen):
            self._cockpit.action_act("quit")


def run_cockpit(spec: RunSpec, settings: UserSettings, *, start: bool, in_ascii: bool) -> NoReturn:
    """Open the cockpit; end the process with its exit status once the user has left.

    Args:
        spec: settings of the first run.
        settings: the user's.
        start: whether to start it at once.
        in_ascii: whether to draw with ASCII alone.
    """
    session, view = Session(), View(spec, bell=settings.bell, ascii=in_ascii, keys=settings.keys)
    app = CockpitApp(session, view, start=start, look=lambda: look_around(spec, settings))
    app.set_keymap(dict(settings.keys))
    faults = list(settings.faults)
    if settings.theme in app.available_themes:
        app.theme = settings.theme
    elif settings.theme is not None:
        faults.append(f"{settings.path}: there is no theme {settings.theme[:40]!r}; ctrl+p theme shows them")
    for fault in faults:
        app.call_later(app.notify, fault, severity="warning", timeout=20, markup=False)
    going_on = app.run()
    leave(session, app.return_code or 0, app.because, going_on)
