"""The widget of the list: a line for each run, of which only those on the screen are formatted and rendered."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

from rich.text import Text
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Region, Size
from textual.message import Message
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.style import Style
from textual.visual import visualize

FEW = 4
"""Number of changed lines up to which only these are repainted."""


def _no_line(number: int) -> Text:
    return Text()


class RunList(ScrollView, can_focus=True):
    """The lines of runs, each one row high, and the cursor.

    Args:
        empty: the text that is shown while there are no runs.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "move(-1)", show=False),
        Binding("down", "move(1)", show=False),
        Binding("pageup", "page(-1)", show=False),
        Binding("pagedown", "page(1)", show=False),
        Binding("home", "go_to(0)", show=False),
        Binding("end", "go_to(-1)", show=False),
        Binding("enter", "enter", show=False),
    ]

    DEFAULT_CSS = """
    RunList {
        height: 1fr; color: $foreground; background: $background; overflow-x: hidden;
        scrollbar-size-vertical: 1; scrollbar-background: $background;
        &.-empty { padding: 0 1; }
        & > .run-list--empty { color: $text-disabled; }
        &:focus { background-tint: $foreground 5%; }
        & > .run-list--cursor { color: $foreground; background: $block-cursor-blurred-background; }
        & > .run-list--hover { background: $block-hover-background; }
        &:focus > .run-list--cursor {
            color: $block-cursor-foreground; background: $block-cursor-background;
            text-style: $block-cursor-text-style;
        }
    }
    """

    COMPONENT_CLASSES: ClassVar[set[str]] = {"run-list--cursor", "run-list--empty", "run-list--hover"}
    """
    | Class | Description |
    | :- | :- |
    | `run-list--cursor` | The line at the cursor. |
    | `run-list--empty` | The text while there are no runs. |
    | `run-list--hover` | The line below the mouse. |
    """

    ALLOW_SELECT = False

    highlighted: reactive[int | None] = reactive(None, repaint=False)
    """Index of the line at the cursor, or None."""

    _hovered: reactive[int | None] = reactive(None, repaint=False)
    """Index of the line below the mouse, or None."""

    class Highlighted(Message):
        """The user moved the cursor to a run.

        Args:
            number: the run's number.
        """

        def __init__(self, number: int) -> None:
            super().__init__()
            self.number = number

    class Entered(Message):
        """The user pressed enter."""

    def __init__(self, empty: str) -> None:
        super().__init__(classes="-empty")
        self._empty = empty
        self._numbers: Sequence[int] = ()
        self._format: Callable[[int], Text] = _no_line
        self._painted: dict[int, Text] = {}
        """The lines that are on the screen as they were painted last, by index."""
        self._rendered: dict[tuple[int, Style], tuple[Text, Strip]] = {}
        """The rendered lines by the run's number and the style."""

    # -- lines --------------------------------------------------------------------------------------------------------

    @property
    def numbers(self) -> Sequence[int]:
        """The numbers of the runs in their order."""
        return self._numbers

    @property
    def lines(self) -> list[Text]:
        """All lines, also those that are not on the screen; the text for an empty list if there are none."""
        return [self._format(number) for number in self._numbers] or [Text(self._empty)]

    @property
    def number_at_cursor(self) -> int | None:
        """The number of the run at the cursor, or None."""
        return None if self.highlighted is None else self._numbers[self.highlighted]

    def show_runs(self, numbers: Sequence[int], line: Callable[[int], Text], move_to: int | None, empty: str) -> None:
        """Show the lines of these runs; only those on the screen that have changed are repainted.

        Args:
            numbers: the numbers of the runs in their order.
            line: returns the line of a run; the same object if it has not changed.
            move_to: the run that the cursor moves to; None, or a run that is not listed, to leave it at its run.
            empty: the text that is shown if there are none.
        """
        self._format, was_empty = line, self._empty
        self._empty = empty
        if numbers != self._numbers:
            self._set_numbers(numbers, move_to)
            return
        if not numbers and empty != was_empty:
            self._lay_out()
        if move_to in numbers:
            with self.prevent(self.Highlighted):
                self.highlighted = numbers.index(move_to)
        self._refresh_changed()

    def _set_numbers(self, numbers: Sequence[int], move_to: int | None) -> None:
        """Take other runs, or another order; the run at the cursor keeps its place on the screen."""
        at_cursor, before, top = self.number_at_cursor, self.highlighted, self.scroll_offset.y
        self._numbers = numbers
        self.set_class(not numbers, "-empty")
        self._painted.clear()
        self._rendered.clear()
        # not a move of the user's
        self.set_reactive(RunList.highlighted, None)
        self._lay_out()
        target = move_to if move_to in numbers else at_cursor
        if target in numbers:
            index = numbers.index(target)
            self.set_reactive(RunList.highlighted, index)
            if target == at_cursor and before is not None and top <= before < top + self._height:
                self.scroll_to(y=top + index - before, animate=False, force=True, immediate=True)
            self.scroll_to_cursor()

    def _refresh_changed(self) -> None:
        """Repaint the lines on the screen that have changed."""
        top = self.scroll_offset.y
        painted, self._painted = self._painted, {}
        changed = []
        for index in range(top, min(top + self._height, len(self._numbers))):
            line = self._painted[index] = self._format(self._numbers[index])
            # the same object is the same line
            if line is not painted.get(index) and line != painted.get(index):
                changed.append(index)
        if len(changed) > FEW:
            self.refresh()
        else:
            self._refresh_lines(*changed)

    def _refresh_lines(self, *indices: int | None) -> None:
        for index in indices:
            if index is not None:
                self.refresh(Region(0, index - self.scroll_offset.y, self.size.width, 1))

    @property
    def _height(self) -> int:
        return self.scrollable_content_region.height

    @property
    def _width(self) -> int:
        return self.scrollable_content_region.width

    def _empty_strips(self) -> list[Strip]:
        return self._strips(Text(self._empty), None, self.get_visual_style("run-list--empty"))

    def _strips(self, text: Text, height: int | None, style: Style) -> list[Strip]:
        """Return the lines of a text at the width of the list."""
        visual = visualize(self, text)
        strips = visual.to_strips(self, visual, self._width, height, style)
        return [strip.extend_cell_length(self._width, style.rich_style) for strip in strips]

    def _lay_out(self) -> None:
        """Set the height of all lines."""
        height = len(self._numbers) if self._numbers or not self._width else len(self._empty_strips())
        self.virtual_size = Size(self._width, height)
        self.refresh()

    def on_resize(self) -> None:
        """Render at the new width."""
        self._rendered.clear()
        self._lay_out()

    def notify_style_update(self) -> None:
        """Render in the new colours."""
        super().notify_style_update()
        self._rendered.clear()
        self.refresh()

    def render_line(self, y: int) -> Strip:
        """Return a line of the widget, with the background of the cursor or the mouse."""
        index = self.scroll_offset.y + y
        if not self._numbers:
            strips = self._empty_strips()
            return strips[index] if index < len(strips) else Strip.blank(self._width, self.rich_style)
        if index >= len(self._numbers):
            return Strip.blank(self._width, self.rich_style)
        number = self._numbers[index]
        line = self._painted[index] = self._format(number)
        name = "cursor" if index == self.highlighted else "hover" if index == self._hovered else ""
        style = self.get_visual_style(f"run-list--{name}") if name else self.visual_style
        if (known := self._rendered.get((number, style))) is None or known[0] is not line:
            known = line, self._strips(line, 1, style)[0]
            if len(self._rendered) > 4 * self._height:
                self._rendered.clear()
            self._rendered[number, style] = known
        return known[1]

    # -- the cursor ---------------------------------------------------------------------------------------------------

    def validate_highlighted(self, highlighted: int | None) -> int | None:
        """Return the nearest line that exists."""
        return None if highlighted is None or not self._numbers else min(max(highlighted, 0), len(self._numbers) - 1)

    def watch_highlighted(self, before: int | None, highlighted: int | None) -> None:
        """Repaint the line that the cursor has left and the one that it is at."""
        top = self.scroll_offset.y
        self.scroll_to_cursor()
        if self.scroll_offset.y != top:
            self.refresh()
        else:
            self._refresh_lines(before, highlighted)
        if (number := self.number_at_cursor) is not None:
            self.post_message(self.Highlighted(number))

    def watch__hovered(self, before: int | None, hovered: int | None) -> None:
        """Repaint the line that the mouse has left and the one that it is over."""
        self._refresh_lines(before, hovered)

    def scroll_to_cursor(self) -> None:
        """Bring the line at the cursor on the screen."""
        if self.highlighted is not None and self.is_mounted:
            line = Region(0, self.highlighted, self._width, 1)
            self.scroll_to_region(line, force=True, animate=False, immediate=True)

    def action_move(self, lines: int) -> None:
        """Move the cursor; at an end, to the other end."""
        if self._numbers:
            at = self.highlighted
            self.highlighted = (min(lines, 0) if at is None else at + lines) % len(self._numbers)

    def action_page(self, pages: int) -> None:
        """Move the cursor by the height of the list."""
        self.highlighted = (self.highlighted or 0) + pages * max(1, self._height)

    def action_go_to(self, index: int) -> None:
        """Move the cursor to the first line, or with -1 to the last."""
        self.highlighted = index % max(1, len(self._numbers))

    def action_enter(self) -> None:
        """Post the message."""
        self.post_message(self.Entered())

    def _index_below(self, event: events.MouseEvent) -> int | None:
        """Return the index of the line below the mouse, or None."""
        offset = event.get_content_offset(self)
        index = None if offset is None else offset.y + self.scroll_offset.y
        return index if index is not None and index < len(self._numbers) else None

    def on_click(self, event: events.Click) -> None:
        """Move the cursor to the line that was clicked."""
        if (index := self._index_below(event)) is not None:
            self.highlighted = index

    def on_mouse_move(self, event: events.MouseMove) -> None:
        """Mark the line below the mouse."""
        self._hovered = self._index_below(event)

    def on_leave(self) -> None:
        """Mark no line any more."""
        self._hovered = None
