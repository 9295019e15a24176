"""The last line: the keys that matter now, or what there is to say about the key just pressed."""

from __future__ import annotations

from collections.abc import Mapping

from rich.text import Text
from textual.timer import Timer
from textual.widget import Widget

from lrtui.actions import Situation, footer_actions
from lrtui.tui.situation import situation_of
from lrtui.tui.view import Scene

MESSAGE_SECONDS = 5.0
"""How long a message stands before the keys come back."""


def keys_line(situation: Situation, figure: str, width: int, keys: Mapping[str, str]) -> Text:
    """Return the keys that matter most now with their titles, as many as fit, and a figure at the right end."""
    line = Text(" ", no_wrap=True, end="")
    room = width - len(figure) - 2
    for action in footer_actions(situation):
        entry = f"{action.key(keys)} {action.title_in(situation)}"
        if line.cell_len + len(entry) > room:
            break
        line.append(action.key(keys), "key")
        line.append(f" {action.title_in(situation)}   ")
    line.truncate(room)
    line.append(" " * max(0, width - line.cell_len - len(figure) - 1))
    line.append(figure, "figure")
    return line


def message_line(message: str, pending: str, width: int) -> Text:
    """Return what there is to say, and at the right end what no event has answered yet."""
    room = width - len(pending) - 2 if pending else width
    line = Text(f" {message}"[:room], "message", no_wrap=True, end="")
    if pending:
        line.append(" " * max(1, width - line.cell_len - len(pending) - 1))
        line.append(pending, "figure")
    return line


class Footer(Widget):
    """The last line of the cockpit."""

    DEFAULT_CSS = """
    Footer { height: 1; width: 1fr; color: $foreground-muted; }
    Footer > .footer--key { color: $accent; text-style: bold; }
    Footer > .footer--figure { color: $foreground-muted; }
    Footer > .footer--message { color: $warning; }
    Footer:light > .footer--key { color: $text-accent; }
    Footer:light > .footer--message { color: $text-warning; }
    """

    COMPONENT_CLASSES = {"footer--key", "footer--figure", "footer--message"}
    """
    | Class | Description |
    | :- | :- |
    | `footer--key` | A key. |
    | `footer--figure` | What is not answered yet, how many runs are queued, samples a second. |
    | `footer--message` | What there is to say about the key just pressed. |
    """

    _line: Text = Text()
    _message: str = ""
    _scene: Scene | None = None
    _timer: Timer | None = None

    def say(self, message: str) -> None:
        """Show a message in place of the keys for a few seconds."""
        self._message = message
        self._draw()
        if self._timer is not None:
            # said anew: what was said before takes nothing back
            self._timer.stop()
        self._timer = self.set_timer(MESSAGE_SECONDS, self._take_back, name="message")

    def show(self, scene: Scene) -> None:
        """Draw the keys that make sense now."""
        self._scene = scene
        self._draw()

    def _take_back(self) -> None:
        self._message = ""
        self._draw()

    def _draw(self) -> None:
        pending = self._scene.view.pending.text if self._scene else ""
        if self._message:
            line = message_line(self._message, pending, self.size.width)
        elif self._scene is None:
            return
        else:
            run = self._scene.run
            situation = situation_of(self._scene)
            speed = run.state.samples_per_second if run and run.state.status == "running" else None
            view = self._scene.view
            queued = f"{len(view.queue)} queued" if view.queue else ""
            figures = [pending, queued, f"{speed:,.0f} samples/s" if speed else ""]
            line = keys_line(situation, "   ".join(filter(None, figures)), self.size.width, view.keys)
        if line.plain != self._line.plain:
            self._line = line
            self.refresh()

    def render(self) -> Text:
        line = self._line.copy()
        line.spans = [
            span._replace(style=self.get_component_rich_style(f"footer--{span.style}", partial=True))
            for span in line.spans
        ]
        if isinstance(line.style, str) and line.style:
            line.style = self.get_component_rich_style(f"footer--{line.style}", partial=True)
        return line
