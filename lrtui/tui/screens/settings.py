"""A form with the settings of the next run, derived from the fields of `RunSpec`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import Field, dataclass, fields
from typing import Any, ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.events import Resize
from textual.screen import ModalScreen
from textual.widgets import Input, Label, Static

from lrtui.run.errors import LrtuiError
from lrtui.run.spec import RunSpec, option_name, option_text, read_option
from lrtui.schedules.notation import parse_optimizer, parse_schedule
from lrtui.schedules.script import parse_script_line
from lrtui.store.location import default_store
from lrtui.tui.screens.dialogs import POLL_SECONDS

APPLIED_TO_RUN = {
    "schedule": "also switches the current run",
    "epochs": "more epochs also extend the current run",
}
"""Settings that also apply to the current run, with a description."""


ROWS_AROUND = 6
"""Rows of the form besides those of the settings: its border, the help and the keys."""


@dataclass(frozen=True, slots=True)
class SettingsChoice:
    """The settings, and whether to start a run with them."""

    spec: RunSpec
    restart: bool


def read_setting(item: Field[Any], text: str) -> Any:
    """Return the value of a setting.

    Raises:
        LrtuiError: for invalid text.
    """
    value = read_option(item, text)
    if item.name == "schedule":
        parse_schedule(text)
    elif item.name == "optimizer":
        parse_optimizer(text)
    elif item.name == "at":
        for line in value:
            parse_script_line(line)
    return value


class SettingRow(Vertical):
    """A row of the form: the name of a setting, its value, and an error message."""

    def __init__(self, item: Field[Any], text: str) -> None:
        super().__init__(classes="row")
        self.item, self._text = item, text

    @property
    def _caption(self) -> str:
        return self.item.name.replace("_", " ")

    def compose(self) -> ComposeResult:
        with Horizontal(classes="row-line"):
            yield Label(self._caption, classes="row-name")
            empty = default_store() if self.item.name == "store" else self.item.metadata.get("empty", "none")
            yield Input(self._text, placeholder=empty, id=self.item.name)
        yield Static("", classes="row-error")

    def check(self) -> Any:
        """Return the value, or show an error message.

        Raises:
            LrtuiError: for invalid text.
        """
        wrong = self.query_one(".row-error", Static)
        try:
            value = read_setting(self.item, self.query_one(Input).value)
        except LrtuiError as error:
            # the message names the command-line option
            wrong.update(Text(str(error).replace(option_name(self.item.name), self._caption)))
            self.add_class("-wrong")
            raise
        self.remove_class("-wrong")
        return value


class SettingsScreen(ModalScreen[SettingsChoice | None]):
    """Edits the settings of the next run.

    Args:
        spec: the current settings.
        is_live: whether a run is in progress, asked again while the form is open; some settings apply to it
            immediately.
    """

    CSS_PATH = "settings.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss", "back", show=False),
        Binding("enter", "save", "save", show=False, priority=True),
        Binding("ctrl+r", "restart", "restart", show=False, priority=True),
        Binding("ctrl+o", "cycle", "next option", show=False, priority=True),
        Binding("down", "app.focus_next", "down", show=False),
        Binding("up", "app.focus_previous", "up", show=False),
    ]

    def __init__(self, spec: RunSpec, is_live: Callable[[], bool]) -> None:
        super().__init__()
        self._spec, self._is_live = spec, is_live
        self._live = is_live()

    def compose(self) -> ComposeResult:
        with Vertical(id="settings-box") as box:
            box.border_title = "Settings of the next run"
            with VerticalScroll(id="rows", can_focus=False):
                for item in fields(RunSpec):
                    yield SettingRow(item, option_text(item, getattr(self._spec, item.name)))
            yield Static(id="about")
            box.border_subtitle = self._subtitle
            yield Static("enter save   ctrl+r save and start a run   esc back", id="keys")

    @property
    def _subtitle(self) -> str:
        return f"{' and '.join(APPLIED_TO_RUN)} apply to the current run, the rest to the next" if self._live else ""

    def on_mount(self) -> None:
        self.query(Input).first().focus()
        self._show_help()
        self.set_interval(POLL_SECONDS, self._follow_the_run)

    def on_resize(self, event: Resize) -> None:
        """Leave room for the help of the focused setting and for the keys; the rows scroll."""
        self.query_one("#rows").styles.max_height = max(1, event.size.height - ROWS_AROUND)

    def _follow_the_run(self) -> None:
        """Update what the form says when the current run ends or another one starts."""
        if self._is_live() != self._live:
            self._live = not self._live
            self.query_one("#settings-box").border_subtitle = self._subtitle
            self._show_help()

    def on_descendant_focus(self) -> None:
        self._show_help()

    def _show_help(self) -> None:
        row = self._focused_row()
        if row is not None:
            text = str(row.item.metadata["help"])
            if choices := row.item.metadata.get("choices"):
                text += f" ({', '.join(choices)}; ctrl+o selects the next)"
            if self._live:
                text += f" · {APPLIED_TO_RUN.get(row.item.name, 'applies to the next run: ctrl+r starts it')}"
            self.query_one("#about", Static).update(Text(text))

    def _focused_row(self) -> SettingRow | None:
        focused = self.focused
        row = focused.parent.parent if focused is not None and focused.parent is not None else None
        return row if isinstance(row, SettingRow) else None

    @on(Input.Changed)
    def _check(self, event: Input.Changed) -> None:
        row = event.input.parent.parent if event.input.parent is not None else None
        if isinstance(row, SettingRow) and row.is_mounted:
            try:
                row.check()
            except LrtuiError:
                return  # the row shows the error

    def action_cycle(self) -> None:
        row = self._focused_row()
        choices = row.item.metadata.get("choices") if row is not None else None
        if row is not None and choices:
            box = row.query_one(Input)
            index = choices.index(box.value) if box.value in choices else -1
            box.value = choices[(index + 1) % len(choices)]

    def action_restart(self) -> None:
        self.action_save(restart=True)

    def action_save(self, *, restart: bool = False) -> None:
        values: dict[str, Any] = {}
        for row in self.query(SettingRow):
            try:
                values[row.item.name] = row.check()
            except LrtuiError:
                row.query_one(Input).focus()
                return
        self.dismiss(SettingsChoice(RunSpec(**values), restart))
