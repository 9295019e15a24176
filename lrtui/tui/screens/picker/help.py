"""The picker's help: the findings in full, its keys, and what its table means."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static

from lrtui.text.format import printable
from lrtui.tui.screens.picker.table import MEANING
from lrtui.tui.screens.picker.words import KEYS

if TYPE_CHECKING:
    from lrtui.analysis.checks.finding import Finding

KEY_WIDTH = 9


def picker_help(schedule: str, findings: tuple[Finding, ...] | None) -> Text:
    """Return the page.

    Args:
        schedule: notation that the findings are of.
        findings: the most severe first; None where they are not known yet.
    """
    text = Text()
    text.append(f"{printable(schedule)}\n", "bold")
    if findings is None:
        text.append("It has not been looked at yet.\n")
    elif not findings:
        text.append("✓ no findings: it is in none of the traps that can be known before training.\n")
    for finding in findings or ():
        text.append("\n")
        text.append_text(_finding(finding))
    text.append("\nKeys\n", "bold")
    for key, words in KEYS:
        text.append(f"{key:<{KEY_WIDTH}}", "bold")
        text.append(f"{words}\n")
    text.append("\nCandidates\n", "bold")
    return text.append(MEANING)


def _finding(finding: Finding) -> Text:
    from lrtui.analysis.checks.explain import explain

    text = Text(f"! {finding.code}", "bold")
    text.append(f"  {printable(finding.message)}\n", "not bold")
    if finding.fix is not None:
        text.append("better  ", "bold")
        text.append(f"{printable(finding.fix)}\n", "not bold")
    return text.append(f"{explain(finding.code).strip()}\n", "not bold")


class PickerHelpScreen(ModalScreen[None]):
    """Shows the page until a key closes it.

    Args:
        schedule: notation that the findings are of.
        findings: the most severe first; None where they are not known yet.
    """

    CSS_PATH = "help.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,f1,q", "leave", "back", show=False)]

    def __init__(self, schedule: str, findings: tuple[Finding, ...] | None) -> None:
        super().__init__()
        self._schedule, self._findings = schedule, findings

    def compose(self) -> ComposeResult:
        with VerticalScroll(id="picker-help") as box:
            box.border_title = "Choosing a schedule"
            box.border_subtitle = "↑ ↓ scroll   esc closes"
            yield Static(picker_help(self._schedule, self._findings))

    def on_mount(self) -> None:
        """Let the arrow keys scroll the page."""
        self.query_one("#picker-help").focus()

    def action_leave(self) -> None:
        """Close."""
        self.dismiss(None)
