"""Starts races from the picker, each in a process of its own."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from lrtui.run.errors import LrtuiError
from lrtui.run.source import RunSummary
from lrtui.run.spec import RunSpec
from lrtui.store.location import store_folder, store_option
from lrtui.tui.run_list.rows import sorted_runs
from lrtui.tui.screens.picker.state import RaceChoice, RaceEstimate

if TYPE_CHECKING:
    from lrtui.tui.screens.cockpit import CockpitScreen

SAME_SPEED = {"schedule", "optimizer", "epochs", "seed", "at", "clip_grad_norm"}
"""Settings that hardly affect the time per step."""

MIN_MEASURED_STEPS = 20
"""Steps that a run must have done before its time per step is used."""


class RaceController:
    """Starts races.

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
        """Start a race and show how to follow it, or say why it can't start."""
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
            app.call_later(self._show_started, choice, folder, process.pid, process.output)

    def _show_started(self, choice: RaceChoice, folder: Path, pid: int, output: Path) -> None:
        from lrtui.tui.screens.dialogs import Choice, ConfirmScreen

        store = store_option(folder)
        text = (
            f"The race of {len(choice.schedules)} schedules runs in process {pid}.\n"
            f"Its {len(choice.schedules) * choice.seeds} runs appear in the runs pane as they start. The race "
            "continues when you quit.\n\n"
            f"lrtui race --report last{store}\n    shows the results so far\n"
            f"lrtui race --resume last{store}\n    continues it if it is interrupted\n"
            f"kill {pid}\n    stops it; its runs are kept\n"
            f"{output}\n    has its output"
        )
        self._cockpit.app.push_screen(ConfirmScreen(text, (Choice("escape", "back to the runs", None),)))
