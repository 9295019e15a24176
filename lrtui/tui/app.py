"""The cockpit's application: wires session, forecaster, signals and the first screen, and nothing else."""

from __future__ import annotations

import asyncio
import functools
import gc
import os
import signal
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass

from textual.app import App
from textual.message import Message

from lrtui.live_run import import_torch
from lrtui.run.spec import RunSpec
from lrtui.session import Session
from lrtui.tui.forecast import Answer, Forecaster, Question
from lrtui.tui.screens.cockpit import CockpitScreen
from lrtui.tui.view import View

LEAVING_SECONDS = 3.0
"""How long a training thread gets to end its batch when the user leaves."""


@dataclass
class ForecastReady(Message):
    """A curve came from the forecaster's thread."""

    slot: str
    answer: Answer


class CockpitApp(App[None]):
    """The cockpit.

    Args:
        session: the runs of this process.
        view: the user's choices, with the settings of the next run.
        start: whether to start that run at once.
        load: imports what training needs; called in a thread after the first paint.
    """

    TITLE = "lrtui"
    ENABLE_COMMAND_PALETTE = False

    def __init__(
        self, session: Session, view: View, *, start: bool = False, load: Callable[[], None] = import_torch
    ) -> None:
        super().__init__()
        self._session, self._view, self._start_at_once = session, view, start
        self._load = load
        self._torch_ready = threading.Event()
        self._forecaster = Forecaster(
            lambda slot, answer: self.post_message(ForecastReady(slot, answer)), self._torch_ready
        )

    def on_mount(self) -> None:
        """Show the cockpit; import torch when it is painted."""
        self._handle_signals()
        self.push_screen(CockpitScreen(self._session, self._view, self.ask, start=self._start_at_once))
        self._forecaster.start()
        self.call_after_refresh(self._begin_to_load)

    def _begin_to_load(self) -> None:
        # switched off for the time before the first frame
        gc.enable()
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

    def _load_in_thread(self) -> None:
        try:
            self._load()
        except Exception as error:  # a broken installation can raise anything
            self.call_later(self.notify, f"PyTorch can't be imported: {error}", severity="error", timeout=60)
        finally:
            self._torch_ready.set()

    def _handle_signals(self) -> None:
        """Leave in order on SIGTERM and SIGHUP: Textual handles neither, and leaves the terminal in raw mode."""
        if threading.current_thread() is not threading.main_thread():
            return
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, functools.partial(self.exit, return_code=128 + number))


def run_cockpit(spec: RunSpec, *, start: bool) -> int:
    """Open the cockpit and return its exit status once the user has left.

    Args:
        spec: settings of the first run.
        start: whether to start it at once.
    """
    session = Session()
    app = CockpitApp(session, View(spec), start=start)
    app.run()
    status = app.return_code or 0
    session.close(LEAVING_SECONDS)
    # torch takes half a second to be torn down, and aborts the process if a thread is still in it: leave past it
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)
