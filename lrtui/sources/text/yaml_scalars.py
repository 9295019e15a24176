"""The simple settings in a YAML file: numbers and text by name, without tags, lists and nested settings."""

from __future__ import annotations

import json
import re

MAX_TEXT = 1_000
MAX_SETTINGS = 1_000

_LINE = re.compile(r"([A-Za-z_][\w./-]{0,199}):[ \t]+(\S.*)")
_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]{0,18})")
_FLOAT = re.compile(r"[-+]?([0-9]+\.[0-9]*|\.[0-9]+|[0-9]+)([eE][-+]?[0-9]{1,4})?")
_WORDS: dict[str, bool | float | None] = {
    **dict.fromkeys(("true", "yes", "on"), True),
    **dict.fromkeys(("false", "no", "off"), False),
    **dict.fromkeys(("null", "~"), None),
    ".inf": float("inf"),
    "-.inf": float("-inf"),
    ".nan": float("nan"),
}

Scalar = str | int | float | bool | None


def yaml_scalars(text: str) -> dict[str, Scalar]:
    """Return the settings at the top of a YAML document that are on a line of their own; others are left out."""
    settings: dict[str, Scalar] = {}
    lines = text.split("\n")
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        match = _LINE.fullmatch(line.rstrip())
        # an indented line continues the value
        if match is None or following.startswith((" ", "\t")) or len(settings) >= MAX_SETTINGS:
            continue
        value = match[2]
        # a tag, an anchor, a list, a block of text
        if value[0] not in "!&*[{|>@`%" and len(value) <= MAX_TEXT:
            settings[match[1]] = _scalar(value)
    return settings


def _scalar(text: str) -> Scalar:
    if text[0] == "'" and text[-1] == "'" and len(text) > 1:
        return text[1:-1].replace("''", "'")
    if text[0] == '"':
        try:
            return str(json.loads(text))
        except ValueError:
            return text
    text = text.split(" #")[0].rstrip()
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    if _INTEGER.fullmatch(text):
        return int(text)
    return float(text) if _FLOAT.fullmatch(text) else text
