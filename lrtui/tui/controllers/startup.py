"""What the cockpit opens with: the welcome, the offer to resume an interrupted run, and the run on screen."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lrtui.tui.screens.cockpit import CockpitScreen
    from lrtui.tui.startup import StartupState


class StartupController:
    """Shows a returning user the live run or the newest one, and a new user the welcome.

    Args:
        cockpit: the main screen.
    """

    def __init__(self, cockpit: CockpitScreen) -> None:
        self._cockpit, self._view = cockpit, cockpit.view
        self._chooses_run = bool(cockpit.view.watched)

    def handle(self, found: StartupState) -> None:
        """Welcome a new user, or offer to resume an interrupted run."""
        cockpit = self._cockpit
        can_ask = cockpit.app.screen is cockpit
        self._chooses_run = self._view.selected is None
        if found.is_first and can_ask and cockpit.session.live is None:
            from lrtui.tui.screens.dialogs import WelcomeScreen

            cockpit.app.push_screen(WelcomeScreen(self._view.keys), self._act_from_welcome)
        cockpit.controllers.branch.offer_resume(found, can_ask=can_ask)

    def _act_from_welcome(self, name: str | None) -> None:
        if name is not None:
            self._cockpit.action_do(name)

    def choose_run(self) -> None:
        """Put the live run on screen, or else the newest one, until the user has acted on a run."""
        if self.select_run():
            self._cockpit.draw_now()

    def select_run(self) -> bool:
        """Select the run that is to be on screen, without drawing it; return whether it is another one.

        While logs are watched, only their runs count.
        """
        source_runs = self._cockpit.source_runs
        runs = source_runs.given if self._view.watched else source_runs.summaries
        if not self._chooses_run or not runs or self._cockpit.session.runs:
            return False
        newest_first = sorted(runs, key=lambda number: runs[number].created, reverse=True)
        live = next((number for number in newest_first if runs[number].is_live), None)
        # a run that continues in the background is live only after its process has imported torch
        if live in (None, self._view.selected) and self._view.selected is not None:
            return False
        self._view.select(newest_first[0] if live is None else live)
        return True

    def follow_command(self) -> None:
        """Put the attached run of a command on screen when it has replaced the run that stood for the command."""
        runs, view = self._cockpit.source_runs.summaries, self._view
        if view.selected in runs or view.selected is None:
            summary = runs.get(view.selected or 0)
            view.output = str(summary.columns.get("output") or "") if summary else view.output
        elif view.output and runs:
            attached = [number for number, run in runs.items() if run.columns.get("output") == view.output]
            if attached:
                self._cockpit.show_run(min(attached))

    def note_action(self) -> None:
        """Keep the run on screen from now on, if there is one: the user acts on it."""
        self._chooses_run &= self._view.selected is None
