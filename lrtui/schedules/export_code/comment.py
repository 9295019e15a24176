"""Words as a comment: on one line, whatever is in them."""

from __future__ import annotations

from lrtui.text.format import printable

LONGEST = 200


def comment(words: str) -> str:
    """Return the words as a comment behind a line of code; nothing for none."""
    return f"  {comment_line(words)}" if words else ""


def comment_line(words: str) -> str:
    """Return the words as a comment on a line of its own."""
    line = printable(" ".join(words.split()))
    return f"# {line if len(line) <= LONGEST else line[: LONGEST - 1] + '…'}"
