"""The line above the footer: advice on the run on screen and the key that follows it, or the error of a failed run."""

from __future__ import annotations

from rich.text import Text
from textual.widget import Widget

from lrtui.actions import ACTIONS_BY_NAME
from lrtui.analysis.advice.advice import Advice
from lrtui.text.format import cut, printable
from lrtui.tui.view import Scene

SIGN = "▲"
"""The first character of the line, which distinguishes it without colour."""


def advice_line(advice: Advice, key: str, back: str, width: int) -> Text:
    """Return as much of the advice as fits.

    Args:
        advice: the advice.
        key: the key that follows it, as written on screen; empty for advice on the next run.
        back: the key that dismisses it.
        width: width in columns.
    """
    offer, dismissal = f"{key} {advice.effect}".lstrip(), f"{back} dismisses"
    if advice.is_for_next_run:
        # nothing can be pressed, so that what is wrong matters more
        short = (f"{advice.title}: {advice.brief}   {dismissal}", f"{advice.title}: {advice.brief}", advice.title)
    else:
        action = f"{key} {ACTIONS_BY_NAME[advice.action].title}"
        short = (f"{advice.title}   {offer}   {dismissal}", f"{advice.title}   {offer}", f"{advice.title}   {action}")
    forms = (
        f"{advice.title}: {advice.text}   {offer}   {dismissal}",
        f"{advice.title}: {advice.brief}   {offer}   {dismissal}",
        *short,
    )
    room = width - 4
    text = next((form for form in forms if len(form) <= room), forms[-1])
    line = Text(f" {SIGN} {text}", no_wrap=True, overflow="ellipsis", end="")
    line.truncate(max(width - 1, 0), overflow="ellipsis")
    return line


def error_line(scene: Scene, width: int) -> str:
    """Return the error of the run on screen; empty without one, and before the first step, where the header has it."""
    state = scene.run.state if scene.run is not None else None
    if state is None or state.outcome is None or not state.outcome.error or state.step == state.first_step:
        return ""
    return cut(f" ✗ {printable(state.outcome.error.splitlines()[0])}", max(width - 1, 0))


class AdviceLine(Widget):
    """Shows one piece of advice, or else the error of a failed run; hidden while there is neither."""

    DEFAULT_CSS = """
    AdviceLine { height: 1; width: 1fr; color: $warning; display: none; }
    AdviceLine.-visible { display: block; }
    AdviceLine.-error { color: $error; }
    """

    _scene: Scene | None = None

    def show(self, scene: Scene) -> None:
        """Draw the current advice, or the error of the run on screen."""
        self._scene = scene
        has_error = scene.view.advice is None and bool(error_line(scene, self.app.size.width))
        self.set_class(scene.view.advice is not None or has_error, "-visible")
        self.set_class(has_error, "-error")
        self.refresh()

    def render(self) -> Text:
        if self._scene is None:
            return Text()
        advice = self._scene.view.advice
        if advice is None:
            return Text(error_line(self._scene, self.size.width), no_wrap=True, end="")
        keys = self._scene.view.keys
        key, back = (ACTIONS_BY_NAME[name].key(keys) if name else "" for name in (advice.action, "back"))
        return advice_line(advice, key, back, self.size.width)
