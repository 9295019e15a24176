"""The line above the footer: what is the matter with the run on screen, and the key that acts on it."""

from __future__ import annotations

from rich.text import Text
from textual.widget import Widget

from lrtui.actions import ACTIONS_BY_NAME
from lrtui.analysis.advice.advice import Advice
from lrtui.tui.view import Scene

SIGN = "▲"
"""Begins the line, so that it is not told from others by its colour alone."""


def advice_line(advice: Advice, key: str, back: str, width: int) -> Text:
    """Return the advice, as much of it as fits.

    Args:
        advice: what there is to say.
        key: the key that acts on it, as a person reads it.
        back: the key that takes the line away.
        width: in columns.
    """
    says, goes = f"{key} {advice.effect}", f"{back} dismisses"
    forms = (
        f"{advice.title}: {advice.text}   {says}   {goes}",
        f"{advice.title}: {advice.brief}   {says}   {goes}",
        f"{advice.title}   {says}   {goes}",
        f"{advice.title}   {says}",
        f"{advice.title}   {key} {ACTIONS_BY_NAME[advice.action].title}",
    )
    room = width - 4
    words = next((form for form in forms if len(form) <= room), forms[-1])
    line = Text(f" {SIGN} {words}", no_wrap=True, overflow="ellipsis", end="")
    line.truncate(max(width - 1, 0), overflow="ellipsis")
    return line


class AdviceLine(Widget):
    """Shows one advice; takes no room while there is none."""

    DEFAULT_CSS = """
    AdviceLine { height: 1; width: 1fr; color: $warning; display: none; }
    AdviceLine.-said { display: block; }
    """

    _scene: Scene | None = None

    def show(self, scene: Scene) -> None:
        """Draw what is advised now."""
        self._scene = scene
        self.set_class(scene.view.advice is not None, "-said")
        self.refresh()

    def render(self) -> Text:
        advice = self._scene.view.advice if self._scene else None
        if advice is None or self._scene is None:
            return Text()
        keys = self._scene.view.keys
        key, back = (ACTIONS_BY_NAME[name].key(keys) for name in (advice.action, "back"))
        return advice_line(advice, key, back, self.size.width)
