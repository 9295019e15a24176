"""The widget of the list: a line for each run, of which only those that have changed are rendered again."""

from __future__ import annotations

from collections.abc import Mapping

from rich.text import Text
from textual.binding import Binding
from textual.message import Message
from textual.reactive import reactive
from textual.widgets import OptionList
from textual.widgets.option_list import Option

FEW = 4
"""Number of changed lines up to which only these are repainted."""


class RunList(OptionList):
    """The list widget; enter does not select, since the run at the cursor is already on screen.

    Args:
        empty: the text that is shown before there are lines.
    """

    BINDINGS = [Binding("enter", "enter", show=False)]

    # Textual's would render all lines when the cursor moves
    highlighted: reactive[int | None] = reactive(None, repaint=False)

    _painted: int | None = None
    """Index of the line that the cursor was last at."""

    class Entered(Message):
        """The user pressed enter."""

    def __init__(self, empty: str) -> None:
        super().__init__(Option(Text(empty), id="empty", disabled=True), classes="-empty")
        self._shown: dict[int, Text] = {}

    def action_enter(self) -> None:
        """Post the message."""
        self.post_message(self.Entered())

    def watch_highlighted(self, highlighted: int | None) -> None:
        """Repaint the line that the cursor has left and the one that it is at."""
        before, self._painted = self._painted, highlighted
        top = self.scroll_offset.y
        super().watch_highlighted(highlighted)
        if self.scroll_offset.y != top:
            self.refresh()
            return
        for index in (before, highlighted):
            if index is not None:
                self.refresh_lines(index)

    def show_lines(self, lines: Mapping[int, Text], empty: str) -> bool:
        """Show these lines, each one row high, by the number of the run; return whether there are other runs.

        Then no line is highlighted any more.

        Args:
            lines: the lines in their order.
            empty: the text that is shown if there are none.
        """
        before, self._shown = self._shown, dict(lines)
        if not lines:
            self.set_options([Option(Text(empty), id="empty", disabled=True)])
            return True
        if list(lines) != list(before):
            self.set_options([Option(line, id=str(number)) for number, line in lines.items()])
            return True
        # the same object is the same line
        changed = {number for number, line in lines.items() if line is not before[number] and line != before[number]}
        if changed:
            self._replace(changed)
        return False

    def _replace(self, changed: set[int]) -> None:
        """Replace lines; Textual's own way would measure and render all lines again for each of them."""
        options = [self.get_option(str(number)) for number in changed]
        for number, option in zip(changed, options, strict=True):
            option._set_prompt(self._shown[number])
        # private to Textual: the cache of rendered lines, by option and style
        rendered = self._option_render_cache
        for key in filter(lambda key: key[0] in options, list(rendered.keys())):
            rendered.discard(key)
        if len(changed) > FEW:
            self.refresh()
            return
        for number in changed:
            self.refresh_lines(self.get_option_index(str(number)))
