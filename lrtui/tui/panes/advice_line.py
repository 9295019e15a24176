"""The line above the footer: advice on the run on screen, and the key that follows it."""

from __future__ import annotations

from rich.text import Text
from textual.widget import Widget

from lrtui.actions import ACTIONS_BY_NAME
from lrtui.analysis.advice.advice import Advice
from lrtui.tui.view import Scene

SIGN = "▲"
"""The first character of the line, which distinguishes it without colour."""


def advice_line(advice: Advice, key: str, back: str, width: int) -> Text:
    """Return as much of the advice as fits.

    Args:
        advice: the advice.
        key: the key that follows it, as written on screen.
        back: the key that dismisses it.
        width: width in columns.
    """
    offer, dismissal = f"{key} {advice.effect}", f"{back} dismisses"
    forms = (
        f"{advice.title}: {advice.text}   {offer}   {dismissal}",
        f"{advice.title}: {advice.brief}   {offer}   {dismissal}",
        f"{advice.title}   {offer}   {dismissal}",
        f"{advice.title}   {offer}",
        f"{advice.title}   {key} {ACTIONS_BY_NAME[advice.action].title}",
    )
    room = width - 4
    text = next((form for form in forms if len(form) <= room), forms[-1])
    line = Text(f" {SIGN} {text}", no_wrap=True, overflow="ellipsis", end="")
    line.truncate(max(width - 1, 0), overflow="ellipsis")
    return line


class AdviceLine(Widget):
    """Shows one piece of advice; hidden while there is none."""

    DEFAULT_CSS = """
    AdviceLine { height: 1; width: 1fr; color: $warning; display: none; }
    AdviceLine.-visible { display: block; }
    """

    _scene: Scene | None = None

    def show(self, scene: Scene) -> None:
        """Draw the current advice."""
        self._scene = scene
        self.set_class(scene.view.advice is not None, "-visible")
        self.refresh()

    def render(self) -> Text:
        advice = self._scene.view.advice if self._scene else None
        if advice is None or self._scene is None:
            return Text()
        keys = self._scene.view.keys
        key, back = (ACTIONS_BY_NAME[name].key(keys) for name in (advice.action, "back"))
        return advice_line(advice, key, back, self.size.width)
