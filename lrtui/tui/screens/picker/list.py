"""The picker's list of schedulers."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from lrtui.schedules.catalogue import SchedulerEntry

NAME_WIDTH = 27
"""Columns of the longest scheduler's name."""

NONE_LEFT = "nothing of that name; delete some of it"


class SchedulerList(OptionList):
    """Schedulers, the chosen one marked with a sign as well as with colour; the keys are the screen's."""

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self.can_focus = False
        self._entries: dict[str, SchedulerEntry] = {}
        self._chosen = ""
        self._narrow = False

    @property
    def names(self) -> list[str]:
        """The schedulers that are listed."""
        return list(self._entries)

    def fill(self, entries: Sequence[SchedulerEntry], chosen: str, *, narrow: bool) -> None:
        """List other schedulers.

        Args:
            chosen: name of the one that is chosen, whether it is among them or not.
            narrow: whether there is room for no more than the bare unit beside the name.
        """
        self._entries = {entry.name: entry for entry in entries}
        self._chosen, self._narrow = chosen, narrow
        with self.prevent(OptionList.OptionHighlighted):
            self.clear_options()
            self.add_options([Option(self._line(name), id=name) for name in self._entries])
            if not entries:
                self.add_option(Option(Text(NONE_LEFT), disabled=True))
            self._highlight()

    def point(self, chosen: str) -> None:
        """Mark another one as the chosen one."""
        before, self._chosen = self._chosen, chosen
        if before != chosen:
            for name in {before, chosen} & self._entries.keys():
                self.replace_option_prompt(name, self._line(name))
        self._highlight()

    def beside(self, by: int) -> str | None:
        """Return the scheduler so many lines below the chosen one; None where none is listed."""
        names = self.names
        if not names:
            return None
        at = names.index(self._chosen) if self._chosen in names else -1
        return names[min(max(at + by, 0), len(names) - 1)]

    def _highlight(self) -> None:
        if self._chosen in self._entries:
            with self.prevent(OptionList.OptionHighlighted):
                self.highlighted = self.names.index(self._chosen)

    def _line(self, name: str) -> Text:
        unit = self._entries[name].unit
        sign = "▸" if name == self._chosen else " "
        return Text(f"{sign} {name:<{NAME_WIDTH}} {unit if self._narrow else f'per {unit}'}", no_wrap=True)
