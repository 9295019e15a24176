"""The width of a terminal, and prose that is wrapped there between words."""

from __future__ import annotations

import os
import sys
from typing import TextIO

from lrtui.text.format import wrapped

SHOW_CURSOR = "\x1b[?25h"

COLUMNS = 80
"""Width of a terminal that does not report it."""


def terminal_width(stream: TextIO | None = None) -> int | None:
    """Return the columns of the terminal that a stream writes to; None if it writes to something else.

    Args:
        stream: None for standard output.
    """
    stream = stream or sys.stdout
    if not stream.isatty():
        return None
    chosen = os.environ.get("COLUMNS", "")
    if chosen.isdecimal() and len(chosen) < 6 and int(chosen):
        return int(chosen)
    try:
        return os.get_terminal_size(stream.fileno()).columns or COLUMNS
    except (OSError, ValueError):
        return COLUMNS


def print_prose(text: str, stream: TextIO | None = None) -> None:
    """Print lines of text; on a terminal, wrap long ones between words, with their indent.

    Args:
        stream: None for standard output.
    """
    stream = stream or sys.stdout
    width = terminal_width(stream)
    for line in text.split("\n"):
        print("\n".join(wrapped(line, width)), file=stream, flush=True)
