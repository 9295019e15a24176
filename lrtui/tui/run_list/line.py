"""A run as one line of a list, in columns that fit the room."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.text import Text

from lrtui.run.events import GLYPHS
from lrtui.store.columns import epochs_done
from lrtui.text.format import cut, duration, figure, printable, width_of
from lrtui.tui.run_list.row import RunRow

WORD_FROM, TIME_FROM = 76, 50
"""Columns from which on a state's word, and the time, have room."""

LEAST = 12
"""Columns that a schedule has at least; before it gets fewer, the progress is left out."""

STATES = max(map(len, GLYPHS))


@dataclass(frozen=True, slots=True)
class Widths:
    """How wide the columns are; 0 where one is left out."""

    number: int
    word: int
    schedule: int
    progress: int
    best: int
    time: int


def progress_words(row: RunRow) -> str:
    """Return how many epochs of how many are done."""
    run = row.listed.run
    return f"{epochs_done(run)}/{run.spec.epochs}"


def best_words(row: RunRow) -> str:
    """Return the best accuracy, or loss; nothing before the first test."""
    return "" if row.best is None else figure(row.best)


def widths_for(rows: Sequence[RunRow], width: int) -> Widths:
    """Return the widths of columns that all the rows have in common."""

    def widest(texts: list[str]) -> int:
        return max(map(len, texts), default=0)

    number = widest([f"#{row.number}" for row in rows])
    best = widest([best_words(row) for row in rows])
    progress = widest([progress_words(row) for row in rows])
    word = STATES if width >= WORD_FROM else 0
    time = 6 if width >= TIME_FROM else 0
    # mark, glyph, number; each column has a blank, or two, before it, and the last one a blank behind it
    taken = 4 + number + 2 + sum(column + 2 for column in (best, time) if column) + (word and word + 1)
    if width - taken - progress - 2 < LEAST:
        progress = 0
    schedule = max(1, width - taken - (progress and progress + 2))
    return Widths(number, word, schedule, progress, best, time)


def run_line(row: RunRow, marked: bool, widths: Widths) -> Text:
    """Return mark, glyph, number, name and schedule cut to what is left, progress, best and time."""
    run = row.listed.run
    words = f"{printable(run.name)} · {run.schedule}" if run.name else run.schedule
    words = cut(printable(words), widths.schedule)
    line = f"{'m' if marked else ' '} {GLYPHS[run.state]} "
    line += f"{run.state:<{widths.word}} " if widths.word else ""
    line += f"{f'#{row.number}':>{widths.number}} {words}{' ' * (widths.schedule - width_of(words))}"
    line += f"  {progress_words(row):>{widths.progress}}" if widths.progress else ""
    line += f"  {best_words(row):>{widths.best}}" if widths.best else ""
    line += f"  {duration(run.seconds):>{widths.time}}" if widths.time else ""
    return Text(line, no_wrap=True)


def figure_title(rows: Sequence[RunRow]) -> str:
    """Return what the figures of the rows are."""
    accuracy = any(row.listed.run.best_accuracy is not None for row in rows)
    loss = any(row.best_loss is not None for row in rows)
    return "best acc or loss" if accuracy and loss else "best loss" if loss else "best acc"
