"""Numbers as text, text that is safe to print, and widths in terminal columns."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Mapping

MISSING = "—"


def printable(text: str) -> str:
    """Return the text with control characters escaped, as `\\x1b`, since names, notes and errors may contain any."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def printable_lines(text: str) -> list[str]:
    """Return the lines of a text with control characters escaped."""
    return [printable(line) for line in text.split("\n")]


def width_of(text: str) -> int:
    """Return the width of the text in terminal columns."""
    return len(text) if text.isascii() else sum(map(_columns, text))


def _columns(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def cut(text: str, width: int) -> str:
    """Return the text cut to a width in columns, with an ellipsis at its end if it was cut."""
    if width_of(text) <= width:
        return text
    start, room = "", max(0, width - 1)
    for character in text:
        room -= _columns(character)
        if room < 0:
            break
        start += character
    return f"{start}…"[:width]


def cut_start(text: str, width: int) -> str:
    """Return the end of the text that fits a width in columns, with an ellipsis at its start if it was cut."""
    return cut(text[::-1], width)[::-1]


def wrapped(text: str, width: int | None, indent: int = 2) -> list[str]:
    """Return a line of prose as lines of at most a width, broken between words only; [""] for an empty one.

    Args:
        width: None for no limit.
        indent: columns by which the lines after the first are indented further.
    """
    if width is None or width_of(text) <= width:
        return [text]
    # takes 5 ms to import, and most commands print no long line
    import textwrap

    start = text[: len(text) - len(text.lstrip())]
    return textwrap.wrap(
        text.lstrip(),
        max(width, len(start) + indent + 10),
        initial_indent=start,
        subsequent_indent=start + " " * indent,
        break_long_words=False,
        break_on_hyphens=False,
    ) or [""]


def figure(value: float | None) -> str:
    """Return a metric with four decimals, or with four significant digits if it is very large."""
    if value is None:
        return MISSING
    return f"{value:.4f}" if not math.isfinite(value) or abs(value) < 1e5 else f"{value:.4g}"


def format_size(size: int) -> str:
    """Return a size in bytes as text: `512 B`, `3.4 MB`."""
    if size < 1000:
        return f"{size} B"
    power = min(3, int(math.log10(size)) // 3)
    return f"{size / 1000**power:,.1f} {('kB', 'MB', 'GB')[power - 1]}"


def sample_counts(data: Mapping[str, str | int]) -> str:
    """Return the numbers of samples in a run's data: `60,000 training and 10,000 test samples`."""
    if not data["test"]:
        return f"{counted(int(data['train']), 'training sample')}, no test data"
    return f"{data['train']:,} training and {counted(int(data['test']), 'test sample')}"


def counted(count: float, noun: str) -> str:
    """Return the count with its noun: `1 run`, `1,200 runs`, `2.5 runs`, `3 batches`."""
    ending = "" if count == 1 else "es" if noun.endswith(("ss", "tch")) else "s"
    return f"{f'{count:,.0f}' if float(count).is_integer() else four_digits(count)} {noun}{ending}"


def four_digits(value: float) -> str:
    """Return a number with four significant digits: `0.002413`, `1e-05`."""
    return f"{value:.4g}" if math.isfinite(value) else "not finite"


def duration(seconds: float) -> str:
    """Return a duration in seconds as text: `8s`, `1m08s`, `2h05m`, `3d04h`."""
    whole = max(0, round(seconds)) if math.isfinite(seconds) else 0
    minutes, rest = divmod(whole, 60)
    hours, minutes_rest = divmod(minutes, 60)
    if hours >= 24:
        return f"{hours // 24}d{hours % 24:02}h"
    if hours:
        return f"{hours}h{minutes_rest:02}m"
    return f"{minutes}m{rest:02}s" if minutes else f"{rest}s"


def two_digits(value: float) -> float:
    """Return a number rounded to two significant digits, as for a value chosen by hand."""
    return float(f"{value:.2g}")
