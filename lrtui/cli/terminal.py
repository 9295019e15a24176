"""The characters and the width of a terminal, and prose that is wrapped there between words."""

from __future__ import annotations

import codecs
import io
import os
import sys
from typing import TextIO

from lrtui.text.ascii_signs import with_ascii_signs
from lrtui.text.format import wrapped

SHOW_CURSOR = "\x1b[?25h"

COLUMNS = 80
"""Width of a terminal that does not report it."""


def has_unicode(stream: TextIO | None) -> bool:
    """Return whether what reads a stream has the characters that lrtui draws with, as locale and encoding say."""
    environ = os.environ
    # in the C locale, Python sets LC_CTYPE to C.UTF-8 and writes UTF-8 whatever the terminal shows
    chosen = "" if environ.get("LC_CTYPE") == "C.UTF-8" else environ.get("LC_CTYPE", "")
    locale = environ.get("LC_ALL") or chosen or environ.get("LANG", "")
    if stream is None or locale in ("C", "POSIX"):
        return False
    # the font of the Linux console has no Braille
    if environ.get("TERM") == "linux" and stream.isatty():
        return False
    return (stream.encoding or "").lower().replace("-", "") == "utf8"


def replace_signs(stream: TextIO | None) -> None:
    """Have the stream write ASCII in place of the signs that lrtui draws with, unless its reader has Unicode."""
    if not isinstance(stream, io.TextIOWrapper) or has_unicode(stream):
        return
    encoding, name = stream.encoding, f"lrtui-{stream.encoding}"

    def encode(error: UnicodeError) -> tuple[bytes, int]:
        assert isinstance(error, UnicodeEncodeError)
        text = with_ascii_signs(error.object[error.start : error.end])
        # bytes are written as they are: names and paths keep their characters
        return text.encode(encoding, "backslashreplace"), error.end

    codecs.register_error(name, encode)
    # the error handler sees all that is not ASCII
    stream.reconfigure(encoding="ascii", errors=name)


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


def why_no_cockpit() -> str:
    """Return why the cockpit can't be opened in this terminal; empty if it can."""
    if os.environ.get("TERM", "") in ("dumb", ""):
        return "the cockpit needs a terminal with cursor addressing, which this one lacks according to TERM"
    if not (sys.__stdin__ and sys.__stdin__.isatty() and sys.__stderr__ and sys.__stderr__.isatty()):
        return "the cockpit needs a terminal for input and output"
    return ""


def print_prose(text: str, stream: TextIO | None = None) -> None:
    """Print lines of text; on a terminal, wrap long ones between words, with their indent.

    Args:
        stream: None for standard output.
    """
    stream = stream or sys.stdout
    width = terminal_width(stream)
    for line in text.split("\n"):
        print("\n".join(wrapped(line, width)), file=stream, flush=True)
