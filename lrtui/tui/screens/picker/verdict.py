"""What there is to say of the schedule that is being chosen, in the lines under its notation."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.text import Text

from lrtui.run.errors import LrtuiError
from lrtui.text.format import cut, printable

if TYPE_CHECKING:
    from lrtui.analysis.checks.finding import Finding


@dataclass(frozen=True, slots=True)
class Verdict:
    """What there is to say.

    Args:
        error: why the notation is no schedule, or has no curve; None where it is one.
        filled_in: the notation with its lengths filled in, where that says more.
        findings: the most severe first; None where they are not known yet.
    """

    error: LrtuiError | None = None
    filled_in: str = ""
    findings: tuple[Finding, ...] | None = None

    @property
    def fix(self) -> str | None:
        """The corrected notation that a key applies: that of the finding which is shown."""
        return self.findings[0].fix if self.findings else None

    def lines(self, width: int, height: int) -> Text:
        """Return the lines.

        Args:
            width: columns that there are.
            height: lines that there are.
        """
        if self.findings is not None and self.findings and height > 1:
            return Text("\n".join([*self._message(width, height - 1), cut(f"  {self._keys}", width)]))
        if self.findings:
            return Text(cut(f"! {self._keys}", width))
        if self.error is not None:
            return Text("\n".join(_wrapped(f"✗ {self.error}", width, height)))
        words = f"✓ {self.filled_in or 'ready'}"
        ending = "" if self.findings is None else " · no findings"
        return Text(cut(words, max(8, width - len(ending))) + ending)

    def _message(self, width: int, height: int) -> list[str]:
        findings = self.findings or ()
        if self.error is not None:
            return _wrapped(f"✗ {self.error}", width, height)
        return _wrapped(f"! {findings[0].message}", width, height)

    @property
    def _keys(self) -> str:
        findings = self.findings or ()
        more = f"   and {len(findings) - 1} more" if len(findings) > 1 else ""
        if self.fix is None:
            return f"f1 explains{more}"
        # the notation comes last: it is what may be cut
        return f"f1 explains{more}   ctrl+f takes {printable(self.fix)}"


def _wrapped(words: str, width: int, height: int) -> list[str]:
    """Return the words in so many lines at most, an ellipsis at the end where some of them are left out."""
    lines = textwrap.wrap(printable(words), max(8, width), subsequent_indent="  ")
    if len(lines) <= height:
        return lines
    return [*lines[: height - 1], cut(f"{lines[height - 1]} {lines[height].strip()}", width)]
