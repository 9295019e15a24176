"""Which runs have come to their end since one last looked."""

from __future__ import annotations

from collections.abc import Iterable

from lrtui.tui.run_list.shown_run import ShownRun


class Endings:
    """Watches runs for their end."""

    def __init__(self) -> None:
        self._live: set[int] = set()

    def any_of(self, runs: Iterable[ShownRun]) -> bool:
        """Say whether one that was going the last time is over."""
        before = self._live
        self._live = {run.number for run in runs if run.state.is_live}
        return bool(before - self._live)
