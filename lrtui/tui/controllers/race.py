"""A race from the cockpit: whether there can be one, how long it would take, and the process that it runs in."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from pathlib import Path

from lrtui.engine.session import Session
from lrtui.run.errors import LrtuiError
from lrtui.store.location import store_folder, store_option
from lrtui.tui.listener import Listener
from lrtui.tui.run_list.row import RunRow
from lrtui.tui.screens.picker.choice import RaceChoice, RaceEstimate
from lrtui.tui.view import View

NO_MATTER = {"schedule", "optimizer", "epochs", "seed", "at", "clip_grad_norm"}
"""Settings that a step's time does not depend on, or hardly."""

STEPS_OF_A_PACE = 20
"""How many steps a run has to have done before its pace says anything."""


class RaceController:
    """Begins races.

    Args:
        session: the runs of this process.
        view: the user's choices, with the settings that race.
        screen: shows messages and dialogs.
        rows: returns the runs of the store, the newest first.
    """

    def __init__(
        self, session: Session, view: View, screen: Listener, rows: Callable[[], Mapping[int, RunRow]]
    ) -> None:
        self._session, self._view, self._screen, self._rows = session, view, screen, rows

    def terms(self) -> RaceEstimate:
        """Return what a race with the settings shown would be now."""
        folder, rows = store_folder(self._view.spec.store), self._rows()
        if folder is None:
            return RaceEstimate("a race is kept in a store, and with --store none nothing is kept")
        live = self._session.live
        going = live.number if live else next((number for number, row in rows.items() if row.listed.run.is_live), None)
        if going is not None:
            return RaceEstimate(f"run #{going} is going, and a race would share its cores: ctrl+t when it is over")
        seconds, number = self._pace(rows)
        return RaceEstimate("", str(folder), seconds, number)

    def _pace(self, rows: Mapping[int, RunRow]) -> tuple[float | None, int]:
        """Return the seconds that an epoch of the newest run took which trained the same, and its number."""
        for number, row in rows.items():
            run = row.listed.run
            done = run.step - run.first_step
            if (
                run.total_steps
                and done >= STEPS_OF_A_PACE
                and run.spec.differences(self._view.spec).keys() <= NO_MATTER
            ):
                return run.seconds / done * run.total_steps / run.spec.epochs, number
        return None, 0

    def begin(self, choice: RaceChoice) -> None:
        """Begin a race, and show how to follow it; or say why there is none."""
        terms, folder = self.terms(), store_folder(self._view.spec.store)
        if terms.refusal or folder is None:
            self._screen.say(f"no race: {terms.refusal}")
            return
        spec = self._view.spec

        def run() -> None:
            from lrtui.engine.background import race_in_background

            try:
                process = race_in_background(folder, spec, choice.schedules, choice.seeds)
            except LrtuiError as error:
                words = f"no race: {error}"
                self._screen.app.call_later(lambda: self._screen.say(words))
            else:
                self._screen.app.call_later(lambda: self._show(choice, folder, process.pid, process.output))

        self._screen.say("the race begins …")
        # the process is watched for a second, which no key waits for
        threading.Thread(target=run, name="race", daemon=True).start()

    def _show(self, choice: RaceChoice, folder: Path, pid: int, output: Path) -> None:
        from lrtui.tui.screens.dialogs import Choice, ConfirmScreen

        store = store_option(folder)
        question = (
            f"The race of {len(choice.schedules)} schedules goes on in process {pid}.\n"
            f"Its {len(choice.schedules) * choice.seeds} runs come up in the runs pane as they begin; quitting here "
            "leaves it alone.\n\n"
            f"lrtui race --report last{store}\n    shows how it stands, and who is better\n"
            f"lrtui race --resume last{store}\n    goes on with it, should it break off\n"
            f"kill {pid}\n    stops it; what it has done is kept\n"
            f"{output}\n    has what it says"
        )
        self._screen.app.push_screen(ConfirmScreen(question, (Choice("escape", "back to the runs", None),)))
