"""Which parameters of a model belong to a group: by patterns of their names, or by their number of dimensions."""

from __future__ import annotations

import re
from collections.abc import Iterable
from fnmatch import fnmatchcase

Patterns = str | tuple[str, ...]
"""A pattern of parameter names (`fc*`), a rule (`ndim<2`), or several of these, of which one must match."""

_RULE = re.compile(r"ndim\s*(<=|>=|==|<|>)\s*(\d{1,2})")
_MOST_DIMENSIONS = 100


def matches(patterns: Patterns, name: str, dimensions: int) -> bool:
    """Return whether a parameter belongs to the group.

    Args:
        patterns: the key of the group.
        name: name of the parameter, as in `model.named_parameters()`.
        dimensions: number of its dimensions.
    """
    each = (patterns,) if isinstance(patterns, str) else patterns
    return any(_obeys(pattern, dimensions) if is_rule(pattern) else fnmatchcase(name, pattern) for pattern in each)


def is_rule(pattern: str) -> bool:
    """Return whether a pattern is a rule about the number of dimensions."""
    return _RULE.fullmatch(pattern) is not None


def patterns_text(patterns: Patterns) -> str:
    """Return the name of the group."""
    return patterns if isinstance(patterns, str) else ", ".join(patterns)


def covers_all(groups: Iterable[Patterns]) -> bool:
    """Return whether these groups have every parameter of any model, as those of `ndim<2` and `ndim>=2`."""
    each = [pattern for patterns in groups for pattern in ((patterns,) if isinstance(patterns, str) else patterns)]
    rules = [pattern for pattern in each if is_rule(pattern)]
    return "*" in each or (
        bool(rules) and all(any(_obeys(rule, count) for rule in rules) for count in range(_MOST_DIMENSIONS + 1))
    )


def rule_as_python(pattern: str, variable: str) -> str | None:
    """Return the rule as a condition on a parameter: `parameter.ndim < 2`; None for a pattern of names."""
    rule = _RULE.fullmatch(pattern)
    return f"{variable}.ndim {rule[1]} {int(rule[2])}" if rule else None


def _obeys(rule: str, dimensions: int) -> bool:
    found = _RULE.fullmatch(rule)
    if found is None:
        return False
    limit = int(found[2])
    return {
        "<": dimensions < limit,
        "<=": dimensions <= limit,
        "==": dimensions == limit,
        ">=": dimensions >= limit,
        ">": dimensions > limit,
    }[found[1]]
