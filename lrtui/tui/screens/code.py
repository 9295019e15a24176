"""A schedule as PyTorch code: on the clipboard, and on screen where a terminal has none."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.message import Message
from textual.screen import ModalScreen
from textual.widgets import Static

from lrtui.run.errors import LrtuiError
from lrtui.run.user_error import describe_exception
from lrtui.tui.panes.frame import Frame

KEYS = "y copies it again   ↑ ↓ ← → scroll   esc back"


@dataclass
class Written(Message):
    """The code has come from its thread, or why there is none."""

    code: str
    fault: str = ""


def code_text(code: str) -> Text:
    """Return the code with its comments held back."""
    text = Text(code.rstrip("\n"), no_wrap=True)
    text.highlight_regex(r"(?m)(?:^|  )\s*#.*$", "dim")
    return text


class CodeScreen(ModalScreen[None]):
    """Shows code, having copied it.

    OSC 52 takes it to the clipboard of the terminal that the user sits at, over SSH too. No terminal says whether it
    did so, and tmux passes it on only with `set-clipboard on`.

    Args:
        title: whose code it is.
        write: writes it; called in a thread.
    """

    CSS_PATH = "code.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "copy", "copy", show=False),
        Binding("escape,q", "leave", "back", show=False),
    ]

    def __init__(self, title: str, write: Callable[[], str]) -> None:
        super().__init__()
        self._title, self._writer = title, write
        self._code = ""

    def compose(self) -> ComposeResult:
        yield Frame(self._title, classes="-current")
        with VerticalScroll():
            yield Static("…", id="code", markup=False)
        yield Static(KEYS, id="keys", markup=False)

    def on_mount(self) -> None:
        """Let the arrow keys scroll, and write the code where no key waits for it."""
        self.query_one(VerticalScroll).focus()
        threading.Thread(target=self._write, name="code", daemon=True).start()

    def _write(self) -> None:
        try:
            written = Written(self._writer())
        except LrtuiError as error:
            written = Written("", str(error))
        except Exception as error:  # a user's own scheduler class can raise anything where a script is played
            written = Written("", describe_exception(error))
        self.post_message(written)

    def on_written(self, message: Written) -> None:
        """Show the code and copy it, or say why there is none."""
        self._code = message.code
        self.query_one("#code", Static).update(code_text(self._code) if self._code else Text(f"✗ {message.fault}"))
        if self._code:
            self.action_copy()
        else:
            self.query_one(Frame).show("there is none")

    def action_copy(self) -> None:
        """Put the code on the clipboard."""
        if self._code:
            self.app.copy_to_clipboard(self._code)
            self.query_one(Frame).show(f"{len(self._code.splitlines())} lines, copied")

    def action_leave(self) -> None:
        """Close."""
        self.dismiss(None)
