"""Shows a schedule as PyTorch code, and copies it to the clipboard."""

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

from lrtui.run.errors import LrtuiError, describe_exception
from lrtui.tui.panes.frame import Frame

KEYS = "y copy again   ↑ ↓ ← → scroll   esc back"


class CodeScreen(ModalScreen[None]):
    """Shows code and copies it.

    The clipboard is that of the user's terminal, also over SSH; it is set by the escape sequence OSC 52. Terminals
    don't report whether they accept it, and tmux passes it on only with `set-clipboard on`.

    Args:
        title: title of the page.
        write: returns the code; called in a thread.
        save: saves the code to a file and returns a message about it; called in that thread.
    """

    @dataclass
    class Ready(Message):
        """The code has been written, or has failed with an error."""

        code: str
        error: str = ""
        saved: str = ""

    CSS_PATH = "page.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "copy", "copy", show=False),
        Binding("escape,q", "dismiss", "back", show=False),
    ]

    def __init__(self, title: str, write: Callable[[], str], save: Callable[[str], str]) -> None:
        super().__init__()
        self._title, self._write_code, self._save = title, write, save
        self._code = self._saved = ""

    def compose(self) -> ComposeResult:
        yield Frame(self._title, classes="-current")
        with VerticalScroll():
            yield Static("…", id="code", markup=False)
        yield Static(KEYS, id="keys", markup=False)

    def on_mount(self) -> None:
        """Let the arrow keys scroll, and write the code in a thread."""
        self.query_one(VerticalScroll).focus()
        threading.Thread(target=self._write, name="code", daemon=True).start()

    def _write(self) -> None:
        try:
            code = self._write_code()
            ready = self.Ready(code, saved=self._save(code))
        except LrtuiError as error:
            ready = self.Ready("", str(error))
        except Exception as error:  # a user's own scheduler class can raise anything when it is simulated
            ready = self.Ready("", describe_exception(error))
        self.post_message(ready)

    def on_code_screen_ready(self, message: CodeScreen.Ready) -> None:
        self._code, self._saved = message.code, message.saved
        if not self._code:
            self.query_one("#code", Static).update(Text(f"✗ {message.error}"))
            self.query_one(Frame).show("no code")
            return
        text = Text(self._code.rstrip("\n"), no_wrap=True)
        text.highlight_regex(r"(?m)(?:^|  )\s*#.*$", "dim")
        self.query_one("#code", Static).update(text)
        self.action_copy()

    def action_copy(self) -> None:
        if self._code:
            self.app.copy_to_clipboard(self._code)
            # terminals don't report whether they take it
            self.query_one(Frame).show(f"sent to the terminal's clipboard; {self._saved}")
