"""Dicts that Python printed, such as `{'loss': 0.5, 'epoch': 1.0}`, which is what Hugging Face's Trainer prints."""

from __future__ import annotations

import re
from typing import Any

_ITEM = re.compile(r"\s*'([^'\\]*)'\s*:\s*(?:'([^'\\]*)'|([^\s,{}\[\]()'\"]+))\s*([,}])")


def printed_dict(text: str) -> dict[str, Any] | None:
    """Return the numbers in a dict of numbers and text, those in quotes included; None for other text.

    Args:
        text: starts with "{" and ends with "}".
    """
    numbers: dict[str, Any] = {}
    place, end = 1, "{"
    while end != "}":
        match = _ITEM.match(text, place)
        if match is None:
            return None
        name, quoted, bare, end = match.groups()
        place = match.end()
        if bare in ("None", "True", "False"):
            continue
        try:
            numbers[name] = float(bare if quoted is None else quoted)
        except ValueError:
            if quoted is None:
                return None
    return numbers if place == len(text) else None
