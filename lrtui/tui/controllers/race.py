"""Races: starts them from the picker, each in a process of its own, shows their standing and stops them."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from lrtui.run.errors import LrtuiError
from lrtui.run.source import RunSummary
from lrtui.run.spec import RunSpec
from lrtui.store.location import store_folder
from lrtui.tui.run_list.rows import sorted_runs
from lrtui.tui.screens.picker.state import RaceChoice, RaceEstimate

if TYPE_CHECKING:
    from lrtui.engine.background import BackgroundProcess
    from lrtui.tui.screens.cockpit import CockpitScreen

SAME_SPEED = {"schedule", "optimizer", "epochs", "seed", "at", "clip_grad_norm"}
"""Settings that hardly affect the time per step."""

MIN_MEASURED_STEPS = 20
"""Steps that a run must have done before its time per step is used."""


class RaceController:
    """The action `race`, and the start of races.

    Args:
        cockpit: the main screen.
    """

    def __init__(self, cockpit: CockpitScreen) -> None:
        self._cockpit, self._view = cockpit, cockpit.view

    def estimate(self) -> RaceEstimate:
        """Return whether a race can start now, and how long it would take."""
        folder, runs = store_folder(self._view.spec.store), sorted_runs(self._cockpit.source_runs.summaries, "newest")
        if folder is None:
            return RaceEstimate("A race needs a store: nothing is stored with --store none.")
        live = self._cockpit.session.live
        elsewhere = (run.id.key for run in runs.values() if run.is_live and not run.read_only)
        training = live.number if live else next(elsewhere, None)
        if training is not None:
            return RaceEstimate(
                f"Run {training} is still training, and a race would slow it down. Try again when it has ended."
            )
        seconds, key = self._epoch_seconds(runs)
        return RaceEstimate("", folder, seconds, key)

    def _epoch_seconds(self, runs: Mapping[int, RunSummary]) -> tuple[float | None, int | str]:
        """Return the seconds per epoch of the newest comparable run, and its number or name."""
        for run in runs.values():
            first_step, total_steps = run.columns.get("first_step"), run.columns.get("total_steps")
            if run.spec is None or not isinstance(first_step, int) or not isinstance(total_steps, int):
                continue
            steps = run.step - first_step
            is_comparable = run.spec.differences(self._view.spec).keys() <= SAME_SPEED
            if steps >= MIN_MEASURED_STEPS and is_comparable:
                return run.seconds / steps * total_steps / run.spec.epochs, run.id.key
        return None, ""

    def start(self, choice: RaceChoice) -> None:
        """Start a race and show its standing, or say why it can't start."""
        estimate = self.estimate()
        if estimate.folder is None:
            self._cockpit.say(f"Race not started. {estimate.refusal}")
            return
        self._cockpit.say("Starting the race …")
        # the process is watched for a second, during which keys must still work
        arguments = (choice, estimate.folder, self._view.spec)
        threading.Thread(target=self._start_process, args=arguments, name="race", daemon=True).start()

    def _start_process(self, choice: RaceChoice, folder: Path, spec: RunSpec) -> None:
        from lrtui.engine.background import race_in_background

        app = self._cockpit.app
        try:
            process = race_in_background(folder, spec, choice.schedules, choice.seeds)
        except LrtuiError as error:
            app.call_later(self._cockpit.say, f"Race not started: {error}")
        else:
            app.call_later(self._show_started, folder, process)

    def _show_started(self, folder: Path, process: BackgroundProcess) -> None:
        from lrtui.tui.screens.standing import RaceProcess, StandingScreen

        race = RaceProcess(process.pid, process.output)
        self._cockpit.app.push_screen(StandingScreen(folder, race, ascii_only=self._view.ascii))

    def show(self) -> None:
        """Show the standing of the race of the run on screen, or of the newest race."""
        from lrtui.tui.screens.standing import StandingScreen

        folder = store_folder(self._view.spec.store)
        if folder is not None:
            race = self._cockpit.scene.situation.shown_race
            self._cockpit.app.push_screen(StandingScreen(folder, race, ascii_only=self._view.ascii))

    def ask_to_stop(self, race: int) -> None:
        """Ask whether to stop a race in progress."""
        from lrtui.tui.screens.standing import ask_to_stop

        folder = store_folder(self._view.spec.store)
        if folder is not None:
            target = self._cockpit.scene.command_target
            ask_to_stop(
                self._cockpit.app,
                folder,
                race,
                self._cockpit.say,
                # between two runs of the race none is live, and the next run is another target
                lambda: target is not None and target is self._cockpit.scene.command_target and not target.is_live,
            )
