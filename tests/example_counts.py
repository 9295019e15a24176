"""How many random examples a property test tries: fewer in the default run than in the deep one."""

from __future__ import annotations

IS_DEEP = False
"""Whether deep tests are selected; set by conftest.py before the tests are imported."""


def examples(default: int, *, deep: int) -> int:
    """Return the number of examples of this run."""
    return deep if IS_DEEP else default
