"""A range test while it is made, and the lr that is chosen from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import ModalScreen
from textual.widgets import Static

from lrtui.plotting.range_chart import range_chart
from lrtui.run.lr_rules import RULES, SIGNS, Suggestions, lr_words
from lrtui.run.range_curve import RangeCurve
from lrtui.run.range_feed import RangeFeed
from lrtui.run.range_summary import ending_words, own_lr_words
from lrtui.run.sweep import Sweep
from lrtui.text.numbers import four_digits
from lrtui.tui.panes.chart_view import ChartView
from lrtui.tui.panes.frame import Frame

LOOK_SECONDS = 0.25
"""Between two looks at what has come."""

GLYPHS = {"done": "✓ done", "diverged": "✓ done", "stopped": "■ stopped", "failed": "✗ failed"}
"""The state of a range test that has ended; one whose loss leaves off has found what it looked for."""


@dataclass(frozen=True, slots=True)
class Quest:
    """What is shown, and what becomes of the choice.

    Args:
        feed: where the points come from; stops the test.
        sweep: the lrs it goes through.
        own_lr: the lr in use.
        subject: what is tested, in words.
        where: what the choice becomes, in words.
        ascii: whether to draw with ASCII alone.
    """

    feed: RangeFeed
    sweep: Sweep
    own_lr: float
    subject: str
    where: str
    ascii: bool = False


def rules_text(suggestions: Suggestions, chosen: str | None) -> Text:
    """Return the rules with their lrs, in the order of these, the chosen one set off."""
    text = Text()
    found = suggestions.found
    for name in (*sorted(found, key=lambda name: found[name]), *(name for name in RULES if name not in found)):
        sign, words = "▸" if name == chosen else " ", f"{SIGNS[name]} {name} {lr_words(suggestions.lrs[name])}"
        text.append(sign).append(words, "bold reverse" if name == chosen else "").append("  ")
    text.rstrip()
    return text


class RangeTestScreen(ModalScreen[float | None]):
    """Shows how the curve grows; returns the lr that is chosen, or None.

    Args:
        quest: what is shown.
    """

    CSS_PATH = "range_test.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "stop, or back", show=False),
        Binding("left", "choose(-1)", "lower", show=False),
        Binding("right", "choose(1)", "higher", show=False),
        Binding("enter", "take", "take it", show=False),
    ]

    def __init__(self, quest: Quest) -> None:
        super().__init__()
        self._quest = quest
        self._curve = RangeCurve(quest.sweep)
        self._suggestions = Suggestions()
        self._chosen: str | None = None
        self._has_ended = False

    def compose(self) -> ComposeResult:
        yield Frame(f"Range test · {self._quest.subject}", classes="-current")
        yield ChartView()
        yield Static(id="rules")
        yield Static(id="words")
        yield Static(id="keys")

    def on_mount(self) -> None:
        """Draw what comes, as it comes."""
        self.set_interval(LOOK_SECONDS, self._look)
        self.call_after_refresh(self._draw)

    def _look(self) -> None:
        if self._has_ended:
            return
        # looked at before the points: whatever came before the end is among them
        end = self._quest.feed.end
        for lr, loss in self._quest.feed.take():
            self._curve.add(lr, loss)
        if end is not None:
            self._has_ended = True
            self._suggestions = self._curve.suggest()
            self._chosen = self._suggestions.suggested_by or next(iter(self._by_lr), None)
        self._draw()

    @property
    def _by_lr(self) -> list[str]:
        found = self._suggestions.found
        return sorted(found, key=lambda name: found[name])

    @property
    def _own_lr(self) -> float:
        return self._quest.own_lr

    # -- drawing ------------------------------------------------------------------------------------------------------

    def _draw(self) -> None:
        self.query_one(Frame).show(self._figure())
        self.query_one(ChartView).show(
            range_chart(self._curve, self._suggestions.found, self._chosen, self._own_lr, ascii_only=self._quest.ascii)
        )
        self.query_one("#rules", Static).update(self._rules())
        self.query_one("#words", Static).update(Text(self._words()))
        self.query_one("#keys", Static).update(Text(self._keys(), no_wrap=True))

    def _figure(self) -> str:
        feed, steps = self._quest.feed, self._quest.sweep.steps
        if self._has_ended and feed.end is not None:
            return GLYPHS[feed.end.outcome]
        if not len(self._curve):
            return "… stopping" if feed.is_stopped else "… waiting"
        lr, loss = four_digits(self._curve.lrs.last), four_digits(self._curve.smoothed.last)
        word = "stopping" if feed.is_stopped else "running"
        return f"lr {lr:>9}  loss {loss:>6}  ● {word} {len(self._curve):>4}/{steps}"

    def _rules(self) -> Text:
        if self._has_ended and len(self._curve):
            return rules_text(self._suggestions, self._chosen)
        names = "  ".join(f"{SIGNS[name]} {name}" for name in RULES)
        return Text(f"  {names}", "dim")

    def _words(self) -> str:
        end = self._quest.feed.end
        if not self._has_ended or end is None:
            if not len(self._curve):
                return f"waits for {self._quest.feed.waits_for}"
            return "a step at each lr, then everything is put back as it was"
        if end.error is not None:
            return str(end.error)
        own = f"▲ {own_lr_words(self._own_lr, self._suggestions)}"
        if not len(self._curve):
            return ending_words(self._curve, end)
        return f"{self._suggestions.agreement}\n{own}\n{ending_words(self._curve, end)}"

    def _keys(self) -> str:
        if not self._has_ended:
            return "esc stops it"
        if self._chosen is None:
            return "esc back"
        lr = lr_words(self._suggestions.found[self._chosen])
        return f"enter makes {self._quest.where} {lr}   ←/→ choose   esc back"

    # -- keys ---------------------------------------------------------------------------------------------------------

    def action_choose(self, by: int) -> None:
        """Go to the next lower or higher suggestion."""
        names = self._by_lr
        if self._chosen is not None:
            self._chosen = names[min(max(names.index(self._chosen) + by, 0), len(names) - 1)]
            self._draw()

    def action_take(self) -> None:
        """Leave with the lr that is chosen, where there is one."""
        if self._chosen is not None:
            # as it is shown
            self.dismiss(float(lr_words(self._suggestions.found[self._chosen])))

    def action_leave(self) -> None:
        """Stop it; leave where it is over, or was told to stop before."""
        feed = self._quest.feed
        if self._has_ended or feed.is_stopped:
            self.dismiss(None)
            return
        feed.stop()
        self._draw()
