"""Shows a range test while it runs; the user chooses one of the suggested lrs."""

from __future__ import annotations

from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import ModalScreen
from textual.widgets import Static

from lrtui.plotting.range_chart import range_chart
from lrtui.run.lr_rules import RULES, SIGNS, Suggestions, format_lr
from lrtui.run.range_curve import RangeCurve, compare_lr, outcome_line
from lrtui.run.range_feed import RangeFeed, Sweep
from lrtui.text.format import cut, four_digits
from lrtui.tui.panes.chart_view import ChartView
from lrtui.tui.panes.frame import Frame

POLL_SECONDS = 0.25

OUTCOMES = {"done": "✓ done", "diverged": "✓ done", "stopped": "■ stopped", "failed": "✗ failed"}
"""The glyph and state shown for each outcome; a diverging loss is the expected end."""


class RangeTestScreen(ModalScreen[float | None]):
    """Shows the curve as it grows; returns the chosen lr, or None.

    Args:
        feed: yields the points; can stop the test.
        sweep: the lrs of the test.
        current_lr: the lr in use.
        subject: the model that is tested, for the title.
        target: what the chosen lr is applied to, for the line of keys.
        ascii_only: whether to draw with ASCII characters.
    """

    CSS_PATH = "page.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "stop_or_close", "stop, or back", show=False),
        Binding("left", "choose(-1)", "lower", show=False),
        Binding("right", "choose(1)", "higher", show=False),
        Binding("enter", "apply", "use it", show=False),
    ]

    def __init__(
        self, feed: RangeFeed, sweep: Sweep, current_lr: float, subject: str, target: str, *, ascii_only: bool
    ) -> None:
        super().__init__()
        self._feed, self._current_lr, self._subject, self._target = feed, current_lr, subject, target
        self._ascii_only = ascii_only
        self._curve = RangeCurve(sweep)
        self._suggestions = Suggestions()
        self._chosen: str | None = None
        self._has_ended = False

    def compose(self) -> ComposeResult:
        yield Frame(f"Range test · {self._subject}", classes="-current")
        yield ChartView()
        yield Static(id="rules")
        yield Static(id="summary")
        yield Static(id="keys")

    def on_mount(self) -> None:
        """Poll the feed."""
        self.set_interval(POLL_SECONDS, self._poll)
        self.call_after_refresh(self._draw)

    def _poll(self) -> None:
        if self._has_ended:
            return
        # read before the points, so that no point before the end is missed
        end = self._feed.end
        for lr, loss in self._feed.take():
            self._curve.add(lr, loss)
        if end is not None:
            self._has_ended = True
            self._suggestions = self._curve.suggest(end.outcome)
            self._chosen = self._suggestions.suggested_by
        self._draw()

    @property
    def _rules_by_lr(self) -> list[str]:
        """The rules that suggest an lr, ordered by their lrs."""
        found = self._suggestions.found
        return sorted(found, key=lambda name: found[name])

    # -- drawing ------------------------------------------------------------------------------------------------------

    def _draw(self) -> None:
        found = self._suggestions.found
        chart = range_chart(self._curve, found, self._chosen, self._current_lr, ascii_only=self._ascii_only)
        status = self._status()
        # the title is cut if both don't fit on the line
        title = cut(f"Range test · {self._subject}", self.size.width - len(status) - 7)
        self.query_one(Frame).show(status, title)
        self.query_one(ChartView).show(chart)
        self.query_one("#rules", Static).update(self._rules())
        self.query_one("#summary", Static).update(Text(self._summary()))
        self.query_one("#keys", Static).update(Text(self._keys(), no_wrap=True))

    def _status(self) -> str:
        feed, curve = self._feed, self._curve
        if self._has_ended and feed.end is not None:
            return OUTCOMES[feed.end.outcome]
        if not len(curve):
            return "… stopping" if feed.is_stopped else "… waiting"
        lr, loss = four_digits(curve.lrs.last), four_digits(curve.smoothed.last)
        status = "stopping" if feed.is_stopped else "running"
        return f"lr {lr:>9}  loss {loss:>6}  ● {status} {len(curve):>{len(str(curve.sweep.steps))}}/{curve.sweep.steps}"

    def _rules(self) -> Text:
        """The rules with their lrs, ordered by lr, the chosen one highlighted; before the end, their names only."""
        if not self._has_ended or not len(self._curve):
            names = "  ".join(f"{SIGNS[name]} {name}" for name in RULES)
            return Text(f"  {names}", "dim")
        text = Text()
        for name in dict.fromkeys([*self._rules_by_lr, *RULES]):
            is_chosen = name == self._chosen
            label = f"{SIGNS[name]} {name} {format_lr(self._suggestions.lrs[name])}"
            text.append("▸" if is_chosen else " ").append(label, "bold reverse" if is_chosen else "").append("  ")
        text.rstrip()
        return text

    def _summary(self) -> str:
        end = self._feed.end
        if not self._has_ended or end is None:
            if not len(self._curve):
                return f"Waiting for {self._feed.waiting_for}"
            return "One step at each lr; the model and the optimizer are restored afterwards."
        if end.error is not None:
            return str(end.error)
        if not len(self._curve):
            return outcome_line(self._curve, end)
        current = f"▲ {compare_lr(self._current_lr, self._suggestions)}"
        return f"{self._suggestions.agreement}\n{current}\n{outcome_line(self._curve, end)}"

    def _keys(self) -> str:
        if not self._has_ended:
            return "esc stop"
        if self._chosen is None:
            return "esc back"
        lr = format_lr(self._suggestions.found[self._chosen])
        return f"enter set {self._target} to {lr}   ←/→ choose   esc back"

    # -- keys ---------------------------------------------------------------------------------------------------------

    def action_choose(self, offset: int) -> None:
        """Choose the next lower or higher suggestion."""
        names = self._rules_by_lr
        if self._chosen is not None:
            self._chosen = names[min(max(names.index(self._chosen) + offset, 0), len(names) - 1)]
            self._draw()

    def action_apply(self) -> None:
        """Close with the chosen lr, rounded as on screen."""
        if self._chosen is not None:
            self.dismiss(float(format_lr(self._suggestions.found[self._chosen])))

    def action_stop_or_close(self) -> None:
        """Stop the test; close if it is over or already stopping."""
        if self._has_ended or self._feed.is_stopped:
            self.dismiss(None)
            return
        self._feed.stop()
        self._draw()
