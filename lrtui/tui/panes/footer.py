"""The last line: the keys that matter now, or what there is to say about the key just pressed."""

from __future__ import annotations

from collections.abc import Mapping

from rich.text import Text
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


class Footer(Widget):
    """The last line of the cockpit."""

    DEFAULT_CSS = """
    Footer { height: 1; width: 1fr; color: $foreground-muted; }
    Footer > .footer--key { color: $accent; text-style: bold; }
    Footer > .footer--figure { color: $foreground-muted; }
    Footer > .footer--message { color: $warning; }
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

    def say(self, message: str) -> None:
        """Show a message in place of the keys for a few seconds."""
        self._message = message
        self._draw()
        self.set_timer(MESSAGE_SECONDS, lambda: self._take_back(message), name="message")

    def show(self, scene: Scene) -> None:
        """Draw the keys that make sense now."""
        self._scene = scene
        self._draw()

    def _take_back(self, message: str) -> None:
        if message == self._message:
            self._message = ""
            self._draw()

    def _draw(self) -> None:
        if self._message:
            line = Text(f" {self._message}"[: self.size.width], "message", no_wrap=True, end="")
        elif self._scene is None:
            return
        else:
            run = self._scene.run
            situation = situation_of(self._scene)
            speed = run.state.samples_per_second if run and run.state.is_live else None
            view = self._scene.view
            queued = f"{len(view.queue)} queued" if view.queue else ""
            figures = [view.pending.words, queued, f"{speed:,.0f} samples/s" if speed else ""]
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
