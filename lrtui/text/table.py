"""Aligned text tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lrtui.text.format import cut, width_of

GAP = "  "


@dataclass(frozen=True, slots=True)
class Heading:
    """The heading of a column.

    Args:
        text: the heading.
        at: character to align the cells at, such as the decimal point; "" aligns them left.
    """

    text: str
    at: str = ""


def table_lines(
    headings: Sequence[Heading],
    rows: Sequence[Sequence[str]],
    width: int | None = None,
    min_widths: Mapping[str, int] | None = None,
    removable: Sequence[str] = (),
) -> list[str]:
    """Return the lines of a table, headings first.

    Args:
        width: maximum width of the lines; None for no limit.
        min_widths: the columns that may be cut to fit the width, in this order, with their minimum widths.
        removable: the columns that are left out if that does not suffice, the first ones first.
    """
    if width is not None:
        headings, rows = _without_removable(headings, rows, width, min_widths or {}, removable)
    columns = [_aligned([row[index] for row in rows], heading) for index, heading in enumerate(headings)]
    if width is not None:
        _fit(columns, [heading.text for heading in headings], width, min_widths or {})
    lines = [GAP.join(cells).rstrip() for cells in zip(*columns, strict=True)]
    return lines if width is None else [cut(line, width) for line in lines]


def _aligned(cells: Sequence[str], heading: Heading) -> list[str]:
    """Return the heading and the cells, padded to one width."""
    if heading.at:
        parts = [cell.partition(heading.at) for cell in cells]
        before = max((width_of(left) for left, _, _ in parts), default=0)
        after = max((width_of(sign + right) for _, sign, right in parts), default=0)
        cells = [_left(_right(left, before) + sign + right, before + after) for left, sign, right in parts]
    column = max(map(width_of, [heading.text, *cells]))
    pad = _right if heading.at else _left
    return [pad(cell, column) for cell in (heading.text, *cells)]


def _left(text: str, width: int) -> str:
    return text + " " * (width - width_of(text))


def _right(text: str, width: int) -> str:
    return " " * (width - width_of(text)) + text


def _without_removable(
    headings: Sequence[Heading],
    rows: Sequence[Sequence[str]],
    width: int,
    min_widths: Mapping[str, int],
    removable: Sequence[str],
) -> tuple[Sequence[Heading], Sequence[Sequence[str]]]:
    """Return the table without the columns for which there is no room."""
    for name in removable:
        columns = [_aligned([row[index] for row in rows], heading) for index, heading in enumerate(headings)]
        least = [
            min(width_of(cells[0]), min_widths.get(heading.text, width))
            for cells, heading in zip(columns, headings, strict=True)
        ]
        if sum(least) + len(GAP) * (len(least) - 1) <= width:
            break
        kept = [index for index, heading in enumerate(headings) if heading.text != name]
        headings = [headings[index] for index in kept]
        rows = [[row[index] for index in kept] for row in rows]
    return headings, rows


def _fit(columns: list[list[str]], names: list[str], width: int, min_widths: Mapping[str, int]) -> None:
    """Cut the columns that may be cut until the table fits the width."""
    for name, smallest in min_widths.items():
        taken = sum(width_of(cells[0]) for cells in columns) + len(GAP) * (len(columns) - 1)
        if taken <= width:
            return
        index = names.index(name)
        room = max(smallest, width_of(columns[index][0]) - (taken - width))
        columns[index] = [_left(cut(cell.rstrip(), room), room) for cell in columns[index]]
