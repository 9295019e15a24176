"""Drawing below a dialog: only what changed is painted, and not at all where the dialog hides everything."""

from __future__ import annotations

from typing import TypeVar

from textual.app import App
from textual.screen import Screen

Result = TypeVar("Result")


class BackgroundScreen(Screen[Result]):
    """A screen that continues to change while a dialog covers a part of it."""

    def _compositor_refresh(self) -> None:
        """Paint what has changed; below a dialog, Textual would paint the whole screen for each widget that changes."""
        if self is self.app.screen:
            super()._compositor_refresh()
            return
        if (regions := self._compositor._dirty_regions) and is_visible_below(self.app):
            self.app.screen.refresh(*regions)
        self._compositor._dirty_regions.clear()
        self._dirty_widgets.clear()


def is_visible_below(app: App[object]) -> bool:
    """Return whether anything below the screen on top can be seen."""
    top = app.screen
    return top.is_modal and top.styles.background.a < 1 and all(child.size != top.size for child in top.children)
