"""The picker's form: a field for each argument of the scheduler that is chosen."""

from __future__ import annotations

from textual.containers import VerticalScroll

from lrtui.tui.screens.picker.field_row import FieldRow
from lrtui.tui.screens.picker.model import PickerModel


class ArgumentForm(VerticalScroll):
    """The fields; what is typed into them is the screen's affair."""

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id, can_focus=False)
        self._shown = ""

    async def show(self, model: PickerModel, *, typing_too: bool = False) -> None:
        """Follow the model: other fields for another scheduler, else other texts in them.

        Args:
            typing_too: whether the field that the user is typing into follows as well.
        """
        fields = model.fields
        if self._shown != model.name:
            self._shown = model.name
            await self.remove_children()
            await self.mount_all([FieldRow(field) for field in fields])
        for row, field in zip(self.query(FieldRow), fields, strict=True):
            row.show(field, typing_too=typing_too)
