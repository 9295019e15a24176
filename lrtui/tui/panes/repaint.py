"""The part of a line that has to be repainted, so that few bytes are written to the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len
from textual.geometry import Region


def changed_region(before: Sequence[object], after: Sequence[object], line: int) -> Region | None:
    """Return the region from the first to the last cell that differ; None if all are equal."""
    changed = [column for column, (old, new) in enumerate(zip(before, after, strict=False)) if old != new]
    return Region(changed[0], line, changed[-1] - changed[0] + 1, 1) if changed else None


def changed_part(before: str, after: str, line: int) -> list[Region]:
    """Return the region from the first to the last cell that differ, for `refresh`.

    Args:
        before: the line as it was painted.
        after: the line as it will be painted.
        line: its number in the widget, from 0.

    Returns:
        One region; none if the whole widget has to be repainted, since columns of the two lines do not correspond.
    """
    if not len(before) == len(after) == cell_len(before) == cell_len(after):
        return []
    region = changed_region(before, after, line)
    return [region] if region else []
