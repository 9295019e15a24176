"""Schedules kept in the picker for comparison, and the table that compares them. Knows no widget."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from rich.text import Text

from lrtui.schedules.lr_curve import curve_statistics, percent_text, trained_lrs
from lrtui.text.format import cut, four_digits, printable, width_of
from lrtui.tui.forecast import CurveRequest, CurveResult

LETTERS = "ABCD"
"""Names of the candidates, which also limit their number."""

COLUMNS = {"peak": 10, "last lr": 11, "area": 9, "<1 %": 9}
"""Titles and widths of the columns with statistics."""

MARK_WIDTH = 3

TABLE_HELP = (
    "The table compares the candidates over the steps in the chart: the highest lr; the last lr; the area, which is "
    "the sum of the lr relative to a constant lr equal to the optimizer's; and the share of steps whose lr is below "
    "1 % of the peak, where little is learned. With several parameter groups, the figures are for the first."
)


@dataclass(frozen=True, slots=True)
class PickerCandidate:
    """A schedule kept for comparison.

    Args:
        letter: its name.
        anchor: the anchor of a switch to it.
        answer: its curve; an answer without lrs while that is being computed.
    """

    letter: str
    anchor: str
    answer: CurveResult

    @property
    def schedule(self) -> str:
        """The notation."""
        return self.answer.request.schedule

    @property
    def index(self) -> int:
        """Index of the letter; the candidate keeps its color when others are removed."""
        return LETTERS.index(self.letter)


@dataclass(slots=True)
class PickerCandidates:
    """The candidates, in the order of their letters; kept while the cockpit is open."""

    _by_letter: dict[str, PickerCandidate] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self._by_letter)

    def __iter__(self) -> Iterator[PickerCandidate]:
        return iter(sorted(self._by_letter.values(), key=lambda candidate: candidate.letter))

    def find(self, schedule: str, anchor: str) -> PickerCandidate | None:
        """Return the candidate with that schedule and anchor, or None."""
        return next((found for found in self if (found.schedule, found.anchor) == (schedule, anchor)), None)

    def toggle(self, answer: CurveResult, anchor: str) -> str:
        """Add a schedule by its curve, or remove it if it is a candidate already; return a message."""
        schedule = answer.request.schedule
        if (existing := self.find(schedule, anchor)) is not None:
            del self._by_letter[existing.letter]
            return f"Candidate {existing.letter} removed."
        free = [letter for letter in LETTERS if letter not in self._by_letter]
        if not free:
            return f"At most {len(LETTERS)} candidates: go to one with ctrl+n and remove it with ctrl+k first."
        self._by_letter[free[0]] = PickerCandidate(free[0], anchor, answer)
        return f"Kept as candidate {free[0]}. Press ctrl+k again to remove it."

    def after(self, candidate: PickerCandidate | None) -> PickerCandidate | None:
        """Return the next candidate, wrapping around; the first one for None. None if there are no candidates."""
        candidates = list(self)
        if not candidates:
            return None
        index = candidates.index(candidate) if candidate is not None else -1
        return candidates[(index + 1) % len(candidates)]

    def discard_outdated(self, request_of: Callable[[PickerCandidate], CurveRequest]) -> dict[str, CurveRequest]:
        """Discard outdated curves; return the requests to ask, by letter."""
        requests = {}
        for candidate in self:
            request = request_of(candidate)
            if request != candidate.answer.request:
                self._by_letter[candidate.letter] = replace(candidate, answer=CurveResult(request))
                requests[candidate.letter] = request
        return requests

    def take(self, answer: CurveResult) -> bool:
        """Store a curve with the candidates it belongs to; return whether there are any."""
        # if no run is switched, candidates that differ only in their anchor have the same curve
        matching = [candidate for candidate in self if candidate.answer.request == answer.request]
        for candidate in matching:
            self._by_letter[candidate.letter] = replace(candidate, answer=answer)
        return bool(matching)


def table_text(
    candidates: PickerCandidates,
    selected: PickerCandidate | CurveRequest | None,
    answer: CurveResult | None,
    base_lr: float,
    width: int,
) -> Text:
    """Return the table of candidates; empty if there are none.

    Args:
        selected: the candidate being chosen, marked ▸, or the request for a schedule that is no candidate, which gets
            a row of its own; None if the notation is not valid.
        answer: the curve of that schedule; None while it is being computed.
        base_lr: the optimizer's lr, of the first parameter group that is not frozen.
        width: width in columns.
    """
    if not len(candidates):
        return Text()
    name_width = max(8, width - MARK_WIDTH - sum(COLUMNS.values()))
    text = Text(no_wrap=True, overflow="crop")
    text.append(_row("", "schedule", tuple(COLUMNS), name_width), "dim")
    for candidate in candidates:
        is_selected = candidate is selected
        mark = f"{'▸' if is_selected else ' '}{candidate.letter}"
        row = _row(mark, _name(candidate.answer.request), _figures(candidate.answer, base_lr), name_width)
        text.append("\n" + row, "bold" if is_selected else "")
    if not isinstance(selected, PickerCandidate):
        name = _name(selected) if selected is not None else "…"
        text.append("\n" + _row("▸", name, _figures(answer, base_lr), name_width), "bold")
    return text


def _name(request: CurveRequest) -> str:
    anchor = f" from {request.anchor}" if request.start_step and request.anchor != "base" else ""
    return printable(f"{request.schedule}{anchor}")


def _figures(answer: CurveResult | None, base_lr: float) -> tuple[str, ...]:
    if answer is None or answer.lrs is None:
        return ("…",) * len(COLUMNS)
    facts = curve_statistics(trained_lrs(answer.lrs), base_lr)
    return four_digits(facts.peak), four_digits(facts.last), percent_text(facts.area), percent_text(facts.low)


def _row(mark: str, name: str, figures: tuple[str, ...], name_width: int) -> str:
    name = cut(name, name_width - 1)
    name += " " * (name_width - width_of(name))
    columns = "".join(f"{figure:>{width}}" for figure, width in zip(figures, COLUMNS.values(), strict=True))
    return f"{mark:<{MARK_WIDTH}}{name}{columns}"
