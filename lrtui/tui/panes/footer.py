"""The last line: the keys that are most useful now, or a message about the key just pressed."""

from __future__ import annotations

from collections.abc import Mapping

from rich.text import Text
from textual.timer import Timer
from textual.widget import Widget

from lrtui.actions import Situation, footer_actions
from lrtui.tui.view import Scene

MESSAGE_SECONDS = 5.0
"""Seconds for which a message is shown."""


def keys_line(situation: Situation, figure: str, width: int, keys: Mapping[str, str]) -> Text:
    """Return the available keys of the highest rank with their titles, as many as fit, and a value on the right."""
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
    """Return the message, and on the right the commands without an answer."""
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
    | `footer--figure` | Pending commands, number of queued runs, samples per second. |
    | `footer--message` | A message about the key just pressed. |
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
            # the timer of an earlier message must not end this one
            self._timer.stop()
        self._timer = self.set_timer(MESSAGE_SECONDS, self._end_message, name="message")

    def show(self, scene: Scene) -> None:
        """Draw the available keys."""
        self._scene = scene
        self._draw()

    def _end_message(self) -> None:
        self._message = ""
        self._draw()

    def _draw(self) -> None:
        pending = self._scene.view.pending.text if self._scene else ""
        if self._message:
            line = message_line(self._message, pending, self.size.width)
        elif self._scene is None:
            return
        else:
            run, view = self._scene.run, self._scene.view
            speed = run.state.samples_per_second if run and run.state.status == "running" else None
            queued = f"{len(view.queue)} queued" if view.queue else ""
            figures = [pending, queued, f"{speed:,.0f} samples/s" if speed else ""]
            figure = "   ".join(filter(None, figures))
            line = keys_line(self._scene.situation, figure, self.size.width, view.keys)
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
