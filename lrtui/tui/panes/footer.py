"""The last line: the keys that are most useful now, or a message about the key just pressed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.text import Text
from textual.events import Click
from textual.timer import Timer

from lrtui.actions import FooterEntry, footer_entries
from lrtui.requirements import Situation
from lrtui.tui.panes.repaint import CachedStyles
from lrtui.tui.view import Scene

MESSAGE_SECONDS = 5.0
"""Seconds for which a message is shown."""

GAP = "  "
"""Between two keys."""

MIN_SPEED_WIDTH = 100
"""Minimum width, in columns, at which the speed is shown even if not all keys fit."""


def keys_line(situation: Situation, status: str, width: int, keys: Mapping[str, str], speed: str = "") -> Text:
    """Return the available keys with their titles, the most important first, as many as fit, and a value on the right.

    Args:
        status: the value on the right; it takes room from the keys.
        speed: shown after it; on a narrow screen only if all keys fit.
    """
    line = Text(" ", no_wrap=True, end="")
    entries = footer_entries(situation, keys)
    length = len(f" {GAP.join(f'{entry.key} {entry.title}' for entry in entries)}")
    with_speed = "   ".join(filter(None, (status, speed)))
    if width >= MIN_SPEED_WIDTH or length + len(with_speed) + 2 <= width:
        status = with_speed
    # a blank at the end, and as much before the value as between two keys
    room = width - len(status) - (1 + len(GAP) if status else 1)
    for entry in entries:
        if line.cell_len + len(f"{entry.key} {entry.title}") > room:
            break
        line.append(entry.key, "key")
        line.append(f" {entry.title}{GAP}")
    line.truncate(room)
    line.append(" " * max(0, width - line.cell_len - len(status) - 1))
    line.append(status, "figure")
    return line


def action_at(entries: Sequence[FooterEntry], x: int) -> str:
    """Return the name of the action whose key or title is in a column of the line; empty if none is."""
    start = 1
    for entry in entries:
        names = list(entry.keys)
        for name, key in entry.keys.items():
            if start <= x < start + len(key):
                return name
            start += len(key) + len(entry.separator)
        # a blank instead of a separator after the last key
        start += 1 - len(entry.separator)
        if start - 1 <= x < start + len(entry.title):
            return names[0]
        start += len(entry.title) + len(GAP)
    return ""


def message_line(message: str, pending: str, width: int) -> Text:
    """Return the message, and on the right the commands without an answer."""
    room = width - len(pending) - 2 if pending else width
    line = Text(f" {message}"[:room], "message", no_wrap=True, end="")
    if pending:
        line.append(" " * max(1, width - line.cell_len - len(pending) - 1))
        line.append(pending, "figure")
    return line


def _states(scene: Scene) -> tuple[object, ...]:
    """Return the runs that messages are about, with their status; a message is outdated when this changes."""
    return tuple((run.number, run.state.status) for run in (scene.run, scene.command_target) if run)


class Footer(CachedStyles):
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
    | `footer--figure` | Pending commands, number of queued runs, samples per second. |
    | `footer--message` | A message about the key just pressed. |
    """

    _line: Text = Text()
    _message: str = ""
    _said_in: tuple[object, ...] | None = None
    _scene: Scene | None = None
    _timer: Timer | None = None

    def say(self, message: str) -> None:
        """Show a message in place of the keys for a few seconds, or until the state of a run on screen changes."""
        self._message, self._said_in = message, None
        self._draw()
        if self._timer is not None:
            # the timer of an earlier message must not end this one
            self._timer.stop()
        self._timer = self.set_timer(MESSAGE_SECONDS, self._end_message, name="message")

    def show(self, scene: Scene) -> None:
        """Draw the available keys."""
        self._scene = scene
        now = _states(scene)
        if self._said_in not in (None, now):
            self._message = ""
        self._said_in = now
        self._draw()

    async def on_click(self, event: Click) -> None:
        """Do what the clicked key does; a message makes room for the keys."""
        event.stop()
        if self._message:
            # the first click only brings the keys back
            self._end_message()
            return
        if self._scene is None or self._line.plain[event.x : event.x + len(GAP)].isspace():
            return
        entries = footer_entries(self._scene.situation, self._scene.view.keys)
        shown = [entry for entry in entries if f"{entry.key} {entry.title}" in self._line.plain]
        if name := action_at(shown, event.x):
            await self.run_action(f"screen.do('{name}')")

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
            status = "   ".join(filter(None, (pending, queued)))
            samples = f"{speed:,.0f} samples/s" if speed else ""
            line = keys_line(self._scene.situation, status, self.size.width, view.keys, samples)
        if line.plain != self._line.plain:
            self._line = line
            self.refresh()

    def render(self) -> Text:
        line = self._line.copy()
        line.spans = [span._replace(style=self.component_style(f"footer--{span.style}")) for span in line.spans]
        if isinstance(line.style, str) and line.style:
            line.style = self.component_style(f"footer--{line.style}")
        return line
