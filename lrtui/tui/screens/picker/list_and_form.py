"""The picker's left side: the list of schedulers, and a form with the arguments of the selected one."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.widgets import Input, Label, OptionList, Static
from textual.widgets.option_list import Option

from lrtui.schedules.catalogue import SchedulerEntry
from lrtui.tui.screens.picker.model import FormField, PickerModel
from lrtui.tui.screens.picker.shapes import Shapes

NAME_WIDTH = 27
"""Columns of the longest scheduler name."""

MIN_SHAPE_WIDTH, MAX_SHAPE_WIDTH = 5, 10
"""Columns of the shape of a scheduler's curve."""

NO_MATCH = "No scheduler matches the filter."


class SchedulerList(OptionList):
    """The schedulers that match the filter, the selected one marked ▸; the screen handles the keys."""

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self.can_focus = False
        self._entries: dict[str, SchedulerEntry] = {}
        self._selected = ""
        self._shapes = Shapes()

    @property
    def names(self) -> list[str]:
        """The schedulers in the list."""
        return list(self._entries)

    def fill(self, entries: Sequence[SchedulerEntry], selected: str, shapes: Shapes) -> None:
        """Replace the schedulers in the list."""
        self._entries = {entry.name: entry for entry in entries}
        self._selected, self._shapes = selected, shapes
        with self.prevent(OptionList.OptionHighlighted):
            self.clear_options()
            self.add_options([Option(self._line(name), id=name) for name in self._entries])
            if not entries:
                self.add_option(Option(Text(NO_MATCH), disabled=True))
            self._highlight()

    def select(self, name: str) -> None:
        """Mark another scheduler as the selected one."""
        before, self._selected = self._selected, name
        if before != name:
            for changed in {before, name} & self._entries.keys():
                self.replace_option_prompt(changed, self._line(changed))
        self._highlight()

    def show_shapes(self) -> None:
        """Draw the shapes that have become known."""
        for name in self._entries:
            self.replace_option_prompt(name, self._line(name))

    def name_at(self, offset: int) -> str | None:
        """Return the scheduler this number of lines below the selected one; None if the list is empty."""
        names = self.names
        if not names:
            return None
        index = names.index(self._selected) if self._selected in names else -1
        return names[min(max(index + offset, 0), len(names) - 1)]

    def _highlight(self) -> None:
        if self._selected in self._entries:
            with self.prevent(OptionList.OptionHighlighted):
                self.highlighted = self.names.index(self._selected)

    def _line(self, name: str) -> Text:
        mark = "▸" if name == self._selected else " "
        width = min(MAX_SHAPE_WIDTH, max(MIN_SHAPE_WIDTH, self.scrollable_content_region.width - NAME_WIDTH - 4))
        return Text(f"{mark} {name:<{NAME_WIDTH}} ", no_wrap=True).append(self._shapes.line(name, width))


class FieldRow(Vertical):
    """A field of the form: its name, its text, and an error message."""

    def __init__(self, field: FormField) -> None:
        super().__init__(classes="field")
        self.field = field

    def compose(self) -> ComposeResult:
        with Horizontal(classes="field-line"):
            yield Label(self.field.name, classes="field-name")
            yield Input(self.field.text, placeholder=self.field.hint, id=f"field-{self.field.name}")
        yield Static("", classes="field-error")

    def show(self, field: FormField, *, overwrite_focused: bool = False) -> None:
        """Show the field; with `overwrite_focused`, even while the user is editing it."""
        self.field = field
        box = self.query_one(Input)
        box.placeholder = field.hint
        set_text(box, field.text, overwrite_focused=overwrite_focused)
        self.set_class(bool(field.error), "-wrong")
        self.query_one(".field-error", Static).update(Text(field.error))


def set_text(box: Input, text: str, *, overwrite_focused: bool) -> None:
    """Set an input's text without a `Changed` message; with `overwrite_focused`, even while the user is editing it."""
    if (overwrite_focused or not box.has_focus) and box.value != text:
        with box.prevent(Input.Changed):
            box.value = text


class ArgumentForm(VerticalScroll):
    """A field for each argument of the selected scheduler; the screen handles what is typed."""

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id, can_focus=False)
        self._shown = ""

    async def show(self, model: PickerModel, *, overwrite_focused: bool = False) -> None:
        fields = model.fields
        if self._shown != model.name:
            self._shown = model.name
            await self.remove_children()
            await self.mount_all([FieldRow(field) for field in fields])
        for row, field in zip(self.query(FieldRow), fields, strict=True):
            row.show(field, overwrite_focused=overwrite_focused)
