"""Keys for the list of runs: pin, compare, order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lrtui.tui.run_list.pane import RunsPane
from lrtui.tui.run_list.source_runs import key_of

if TYPE_CHECKING:
    from lrtui.tui.screens.cockpit import CockpitScreen


class RunListController:
    """Pins, compares and sorts runs.

    Args:
        cockpit: the main screen.
    """

    def __init__(self, cockpit: CockpitScreen) -> None:
        self._cockpit = cockpit

    def pin(self) -> None:
        run = self._cockpit.scene.run
        if run is None:
            return
        pinned, key = self._cockpit.view.toggle_pin(run.number), key_of(run)
        self._cockpit.say(f"Run {key} pinned: always shown" if pinned else f"Run {key} unpinned")

    def compare(self) -> None:
        from lrtui.tui.screens.compare import CompareScreen

        self._cockpit.app.push_screen(CompareScreen(lambda: self._cockpit.scene.pinned))

    def order(self) -> None:
        order = self._cockpit.query_one(RunsPane).next_order()
        self._cockpit.say(f"runs: {order} first" if order != "name" else "runs: sorted by name")
