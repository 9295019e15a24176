"""The screen, as far as those know it that act for it."""

from __future__ import annotations

from typing import Any, Protocol

from textual.app import App

from lrtui.tui.layout import PaneName


class Listener(Protocol):
    """Shows messages and dialogs."""

    @property
    def app(self) -> App[Any]:
        """Where dialogs are pushed."""
        ...

    @property
    def focused_pane(self) -> PaneName:
        """The name of the pane with the focus."""
        ...

    def say(self, message: str) -> None:
        """Show a message for a few seconds."""
        ...
