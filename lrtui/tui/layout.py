"""Which panes are on screen at which size."""

from __future__ import annotations

from typing import Literal

PaneName = Literal["lr", "loss", "accuracy", "log", "runs"]

PANES: tuple[PaneName, ...] = ("lr", "loss", "accuracy", "log", "runs")
"""In the order of their keys, 1 to 5."""

TITLES: dict[PaneName, str] = {
    "lr": "learning rate",
    "loss": "loss",
    "accuracy": "accuracy",
    "log": "log",
    "runs": "runs",
}

CHART_PANES: tuple[PaneName, ...] = ("lr", "loss", "accuracy")

WIDE_ENOUGH, HIGH_ENOUGH = 100, 30
"""Columns and lines from which on all panes stand side by side."""


def shows_all(width: int, height: int) -> bool:
    """Say whether all panes fit; else they come one at a time, under tabs."""
    return width >= WIDE_ENOUGH and height >= HIGH_ENOUGH


def next_pane(current: PaneName) -> PaneName:
    """Return the pane after this one, the first after the last."""
    return PANES[(PANES.index(current) + 1) % len(PANES)]
