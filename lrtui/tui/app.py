"""The cockpit's application: session, forecaster, signals and the first screen."""

from __future__ import annotations

import asyncio
import gc
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

from rich.color import ColorSystem
from rich.console import COLOR_SYSTEMS
from textual.app import App
from textual.command import Provider
from textual.driver import Driver
from textual.filter import LineFilter
from textual.message import Message

from lrtui.engine.machine_load import MachineMonitor
from lrtui.engine.own_process import import_torch, is_own_process
from lrtui.engine.session import Session
from lrtui.engine.time_slice import COMPUTING_SECONDS, SCREEN_SECONDS, ask_for_slices
from lrtui.run.spec import RunSpec
from lrtui.settings import UserSettings, save_theme
from lrtui.tui.ascii_filter import AsciiFilter
from lrtui.tui.captured_output import CapturedOutput, capturing
from lrtui.tui.colours import Palette, readable_variables
from lrtui.tui.controllers.quit import discard_output_if_hung_up, leave
from lrtui.tui.dim_filter import DimFilter
from lrtui.tui.forecast import CurveRequest, CurveResult, Forecaster
from lrtui.tui.output_rate import metered
from lrtui.tui.screens.cockpit import CockpitScreen
from lrtui.tui.screens.dialogs import ConfirmScreen
from lrtui.tui.startup import StartupState, read_startup_state
from lrtui.tui.view import View

if TYPE_CHECKING:
    from lrtui.engine.notification import Notifier
    from lrtui.opening import Opening, WatchedLogs
    from lrtui.supervisor.process import StartedCommand
    from lrtui.tui.run_list.watcher import SourceWatcher

SIGNALS = {
    signal.SIGINT: "",
    signal.SIGTERM: "the process was terminated",
    signal.SIGHUP: "the terminal hung up",
}
"""Signals that end the cockpit, with the reason that is recorded; an interrupt comes from the user and has none."""


def command_provider() -> type[Provider]:
    """Return the provider of the palette's commands, which takes 15 ms to import."""
    from lrtui.tui.palette import CockpitCommands

    return CockpitCommands


@dataclass
class StartupStateRead(Message):
    """The startup state has been read."""

    state: StartupState


@dataclass
class ForecastReady(Message):
    """A forecast came from the forecaster's thread."""

    slot: str
    answer: CurveResult


class CockpitApp(App[int]):
    """The cockpit; it returns the number of the run that is to continue in the background, if there is one.

    Args:
        session: the runs of this process.
        view: the user's choices, with the settings of the next run.
        start: whether to start the next run immediately.
        load: imports what training needs; called in a thread after the first frame.
        read_startup_state: called in the same thread before `load`; None to skip the welcome and the offer to resume.
        output: captures what other code writes to the terminal.
        watched: logs of other programs that are listed as well.
        watcher: reads these logs, if it was started before the cockpit was imported.
    """

    TITLE = "lrtui"
    COMMANDS = {command_provider}

    def __init__(
        self,
        session: Session,
        view: View,
        *,
        start: bool = False,
        load: Callable[[], None] = import_torch,
        read_startup_state: Callable[[], StartupState] | None = None,
        output: CapturedOutput | None = None,
        watched: WatchedLogs | None = None,
        watcher: SourceWatcher | None = None,
    ) -> None:
        # Textual asks for the driver's class in its constructor
        self._output = output or CapturedOutput()
        super().__init__()
        self._session, self._view, self._start_at_once = session, view, start
        self._load, self._read_startup_state, self._watched = load, read_startup_state, watched
        self._watcher = watcher
        self._ascii = AsciiFilter(enabled=view.ascii)
        self.exit_reason = ""
        """The reason why the cockpit ended, if the user did not quit."""
        self._torch_ready = threading.Event()
        self._forecaster = Forecaster(
            lambda slot, answer: self.post_message(ForecastReady(slot, answer)), self._torch_ready
        )

    def get_driver_class(self) -> type[Driver]:
        """Return the terminal's driver, which also captures other output and measures how fast the terminal is."""
        return metered(capturing(super().get_driver_class(), self._output))

    def on_mount(self) -> None:
        """Show the cockpit; import torch after the first frame."""
        self._handle_signals()
        screen = CockpitScreen(
            self._session,
            self._view,
            self.ask,
            start=self._start_at_once,
            watched=self._watched,
            watcher=self._watcher,
        )
        self.push_screen(screen)
        self._forecaster.start()
        self.call_after_refresh(self._start_loading)

    def _start_loading(self) -> None:
        # the garbage collector is disabled until the first frame; it would look at all that was imported at once
        if is_own_process():
            gc.freeze()
        gc.enable()
        if self._watched is not None:
            self.cockpit.open_logs()
        ask_for_slices(SCREEN_SECONDS)
        threading.Thread(target=self._load_in_thread, name="import", daemon=True).start()

    def ask(self, slot: str, request: CurveRequest) -> None:
        """Request a forecast; every screen with a `take_forecast` receives it."""
        self._forecaster.ask(slot, request)

    def on_forecast_ready(self, message: ForecastReady) -> None:
        """Pass a forecast to the screens that draw one."""
        for screen in self.screen_stack:
            if take := getattr(screen, "take_forecast", None):
                take(message.slot, message.answer)

    def on_unmount(self) -> None:
        """Stop the forecaster without waiting for a computation in progress."""
        self._forecaster.close()
        if self._view.machine is not None:
            self._view.machine.close()

    def on_startup_state_read(self, message: StartupStateRead) -> None:
        """Pass the state at startup to the cockpit."""
        self.cockpit.handle_startup(message.state)

    @property
    def cockpit(self) -> CockpitScreen:
        """The main screen."""
        return next(screen for screen in self.screen_stack if isinstance(screen, CockpitScreen))

    def get_theme_variable_defaults(self) -> dict[str, str]:
        """Return the variable that the ansi themes lack."""
        return {"foreground-disabled": "ansi_bright_black"}

    def get_css_variables(self) -> dict[str, str]:
        """Return the variables of the theme, with colours that can be read on its backgrounds."""
        self._dim = DimFilter(self._palette)
        self.theme_variables = readable_variables(super().get_css_variables(), self._palette)
        return self.theme_variables

    @property
    def _palette(self) -> Palette:
        return Palette(self.colour_system, self.current_theme.ansi, self.current_theme.dark)

    @property
    def colour_system(self) -> ColorSystem | None:
        """The number of colours of the terminal; None without colours."""
        name = self.console.color_system
        return COLOR_SYSTEMS[name] if name else None

    def get_line_filters(self) -> Sequence[LineFilter]:
        """Return the filter of dim text, Textual's filters, and the ASCII filter if the terminal needs it."""
        return [self._dim, *super().get_line_filters(), *([self._ascii] if self._ascii.enabled else [])]

    def action_command_palette(self) -> None:
        """Open the palette, but only over the cockpit, which carries out its commands."""
        if isinstance(self.screen, CockpitScreen):
            from lrtui.tui.palette import CockpitPalette

            self.push_screen(CockpitPalette())

    def _load_in_thread(self) -> None:
        ask_for_slices(COMPUTING_SECONDS)
        try:
            if self._read_startup_state is not None:
                self.post_message(StartupStateRead(self._read_startup_state()))
            self._load()
            if self._view.machine is not None:
                self._view.machine.start()
        except Exception as error:  # a broken installation can raise anything
            self.call_later(self.notify, f"Can't import PyTorch: {error}", severity="error", timeout=60)
        finally:
            self._torch_ready.set()

    def _handle_signals(self) -> None:
        """Exit cleanly on signals; on SIGTERM and SIGHUP, Textual would leave the terminal in raw mode."""
        if threading.current_thread() is not threading.main_thread():
            return
        loop = asyncio.get_running_loop()
        for number, reason in SIGNALS.items():
            loop.add_signal_handler(number, self._exit_on_signal, number, reason)

    def _exit_on_signal(self, number: int, reason: str) -> None:
        self.exit_reason = reason
        self.exit(return_code=128 + number)

    def write_to_terminal(self, sequence: str) -> None:
        """Write an escape sequence that does not change what is on screen."""
        if self._driver is not None:
            self._driver.write(sequence)
            self._driver.flush()

    async def action_quit(self) -> None:
        """Quit as with the cockpit's key, which asks while a run is in progress."""
        self.action_help_quit()

    def action_help_quit(self) -> None:
        """Quit on ctrl+c if nothing is selected to copy; Textual would only show a hint."""
        if not isinstance(self.screen, ConfirmScreen):
            self.cockpit.action_do("quit")


def create_notifier(app: CockpitApp, settings: UserSettings) -> Notifier:
    """Return the notifier for the notifications that the user has switched on.

    Raises:
        UsageError: for a command that can't be read.
    """
    # imports subprocess (10 ms)
    from lrtui.engine.notification import Notifier

    def report(error: str) -> None:
        app.call_later(app.notify, error, severity="warning", timeout=20, markup=False)

    return Notifier(settings.notify, app.write_to_terminal if settings.notify_terminal else None, report)


def import_nothing() -> None:
    """Import nothing: what trains or forecasts imports torch itself, which takes 200 MB."""


def run_cockpit(
    spec: RunSpec, settings: UserSettings, opening: Opening, *, in_ascii: bool, watcher: SourceWatcher | None = None
) -> NoReturn:
    """Run the cockpit, then end the process with its exit status.

    Args:
        spec: settings of the first run.
        settings: the user's settings.
        in_ascii: whether to draw with ASCII only.
        watcher: reads the logs that are watched, if it has been started.
    """
    shown, watched = opening.command, opening.watched
    output = CapturedOutput()
    session = Session(output.take)
    view = View(spec, bell=settings.bell, ascii=in_ascii, keys=settings.keys)
    if watched is not None:
        view.watched, view.metric_pattern = watched.paths, watched.only
    if shown is not None:
        view.select(shown.run)
        view.output = shown.output
    app = CockpitApp(
        session,
        view,
        start=opening.starts,
        load=import_torch if watched is None else import_nothing,
        read_startup_state=None if watched is not None else lambda: read_startup_state(spec, settings),
        output=output,
        watched=watched,
        watcher=watcher,
    )
    app.set_keymap(dict(settings.keys))
    if settings.notify or settings.notify_terminal:
        view.notifier = create_notifier(app, settings)
    if settings.machine:
        view.machine = MachineMonitor()
    faults = list(settings.faults)
    if settings.theme in app.available_themes:
        app.theme = settings.theme
    elif settings.theme is not None:
        faults.append(f"{settings.path}: unknown theme {settings.theme[:40]!r}; ctrl+p theme lists the themes")
    for fault in faults:
        app.call_later(app.notify, fault, severity="warning", timeout=20, markup=False)
    opened_with = app.theme
    try:
        background_run = app.run()
    finally:
        output.stop()
        discard_output_if_hung_up()
        for line in [*session.unlogged, *output.take(is_final=True)]:
            print(line, file=sys.stderr)
    if app.theme != opened_with:
        try:
            save_theme(settings.path, app.theme)
        except (OSError, UnicodeDecodeError) as error:
            print(f"The theme {app.theme} was not saved in {settings.path}: {error}", file=sys.stderr)
    if shown is not None:
        _say_that_it_goes_on(spec, shown)
    leave(session, app.return_code or 0, app.exit_reason, background_run)


def _say_that_it_goes_on(spec: RunSpec, command: StartedCommand) -> None:
    """Print how to find a command again that outlives the cockpit."""
    from lrtui.store.location import store_folder, store_option
    from lrtui.supervisor.process import live_run

    folder = store_folder(spec.store)
    if folder is not None and (run := live_run(folder, command.output)) is not None:
        store = store_option(folder)
        print(f"run {run} goes on; lrtui{store} shows it again, and lrtui send {run} stop{store} stops it")
