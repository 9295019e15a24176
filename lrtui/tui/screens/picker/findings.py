"""The checks' findings on the schedule being chosen: briefly under its notation, in full on the picker's help page."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static

from lrtui.text.format import cut, printable
from lrtui.tui.screens.picker.candidates import TABLE_HELP
from lrtui.tui.screens.picker.state import PickerState

if TYPE_CHECKING:
    from lrtui.analysis.checks import Finding

KEY_HELP: tuple[tuple[str, str], ...] = (
    ("enter", "use it for the next run, or switch the current run to it now"),
    ("ctrl+r", "start a new run with it; asks first if a run is in progress"),
    ("ctrl+o", "change the anchor: which lr a switch of the current run starts from"),
    ("tab", "go to the next field; ↑ ↓ select a scheduler"),
    ("ctrl+f", "apply the fix shown beside a finding"),
    ("ctrl+k", "keep it as a candidate (A to D), or remove the candidate"),
    ("ctrl+n", "go to the next candidate"),
    ("ctrl+t", "race the candidates and this schedule"),
    ("f1", "this page"),
    ("esc", "go back without changes"),
)

KEY_WIDTH = 9


def findings_text(state: PickerState, width: int, height: int) -> Text:
    """Return the lines under the notation: the error, the most severe finding, or the filled-in notation.

    Args:
        state: has the error and the findings.
        width: width in columns.
        height: height in lines.
    """
    findings, error = state.findings, state.error
    if findings:
        more = f"   {len(findings) - 1} more" if len(findings) > 1 else ""
        # the fix is last: it may be cut
        keys = f"f1 explains{more}" + (f"   ctrl+f applies {printable(state.fix)}" if state.fix is not None else "")
        if height < 2:
            return Text(cut(f"! {keys}", width))
        message = f"✗ {error}" if error is not None else f"! {findings[0].message}"
        return Text("\n".join([*_wrap(message, width, height - 1), cut(f"  {keys}", width)]))
    if error is not None:
        return Text("\n".join(_wrap(f"✗ {error}", width, height)))
    mark, ending = ("…", " · checking") if findings is None else ("✓", " · no findings")
    return Text(cut(f"{mark} {state.model.filled_in or 'valid'}", max(8, width - len(ending))) + ending)


def _wrap(text: str, width: int, height: int) -> list[str]:
    lines = textwrap.wrap(printable(text), max(8, width), subsequent_indent="  ")
    if len(lines) <= height:
        return lines
    return [*lines[: height - 1], cut(f"{lines[height - 1]} {lines[height].strip()}", width)]


def picker_help(schedule: str, findings: tuple[Finding, ...] | None) -> Text:
    """Return the help page: the findings in full, the keys, and the table's columns.

    Args:
        schedule: notation that the findings are about.
        findings: most severe first; None if not known yet.
    """
    text = Text()
    text.append(f"{printable(schedule)}\n", "bold")
    if findings is None:
        text.append("Not checked yet.\n")
    elif not findings:
        text.append("✓ No findings: none of the known problems apply.\n")
    for finding in findings or ():
        text.append("\n").append_text(_finding_text(finding))
    text.append("\nKeys\n", "bold")
    for key, help_text in KEY_HELP:
        text.append(f"{key:<{KEY_WIDTH}}", "bold").append(f"{help_text}\n")
    text.append("\nCandidates\n", "bold")
    return text.append(TABLE_HELP)


def _finding_text(finding: Finding) -> Text:
    from lrtui.analysis.checks.check import explain

    text = Text(f"! {finding.code}", "bold")
    text.append(f"  {printable(finding.message)}\n", "not bold")
    if finding.fix is not None:
        text.append("fix  ", "bold").append(f"{printable(finding.fix)}\n", "not bold")
    return text.append(f"{explain(finding.code).strip()}\n", "not bold")


class PickerHelpScreen(ModalScreen[None]):
    """Shows the help page.

    Args:
        schedule: notation that the findings are about.
        findings: most severe first; None if not known yet.
    """

    CSS_PATH = "../help.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,f1,q", "dismiss", "back", show=False)]

    def __init__(self, schedule: str, findings: tuple[Finding, ...] | None) -> None:
        super().__init__()
        self._schedule, self._findings = schedule, findings

    def compose(self) -> ComposeResult:
        with VerticalScroll(classes="help-page") as page:
            page.border_title = "Schedule picker"
            page.border_subtitle = "↑ ↓ scroll   esc back"
            yield Static(picker_help(self._schedule, self._findings))

    def on_mount(self) -> None:
        self.query_one(".help-page").focus()
