"""Patterns that choose metrics by their names, as the user types them: `grad* !*bias`."""

from __future__ import annotations

from fnmatch import fnmatchcase


def name_matches(pattern: str, name: str) -> bool:
    """Return whether a name matches a pattern; upper and lower case are the same.

    Args:
        pattern: words separated by blanks. A name matches if it matches one of the words, or there are none, and none
            of those after a `!`. A word without `*`, `?` and `[` matches all names that contain it.
    """
    words = pattern.lower().split()
    name = name.lower()
    wanted = [word for word in words if not word.startswith("!")]
    unwanted = [word.removeprefix("!") for word in words if word.startswith("!") and word != "!"]
    return (not wanted or any(_matches(word, name) for word in wanted)) and not any(
        _matches(word, name) for word in unwanted
    )


def _matches(word: str, name: str) -> bool:
    has_wildcard = any(sign in word for sign in "*?[")
    return fnmatchcase(name, word) if has_wildcard else word in name
