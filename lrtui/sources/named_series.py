"""Names of the series of one log: printable, short, and no more than a run can show."""

from __future__ import annotations

import hashlib

from lrtui.text.format import printable

MOST_SERIES = 2_000
LONGEST_NAME = 200


class NamedSeries:
    """Gives the series of one log names that can be shown, and leaves out those above `MOST_SERIES`.

    Args:
        noun: what the format calls a series, for messages.
    """

    def __init__(self, noun: str = "series") -> None:
        self._names: dict[str, str] = {}
        self._taken: set[str] = set()
        self._noun = noun
        self._left_out = ""

    def name(self, logged: str) -> str | None:
        """Return the name to show for one in the log, the same for every call; None if the series is left out."""
        name = self._names.get(logged)
        if name is None and len(self._names) < MOST_SERIES:
            name = self._names[logged] = self._new_name(logged)
            self._taken.add(name)
        elif name is None:
            self._left_out = self._left_out or _short(logged)
        return name

    def _new_name(self, logged: str) -> str:
        name = printable(logged[:LONGEST_NAME]) or "(no name)"
        if len(logged) <= LONGEST_NAME and len(name) <= LONGEST_NAME and name not in self._taken:
            return name
        # the rest of it, or characters that can't be shown, may be what tells it from others
        digest = hashlib.blake2b(logged.encode("utf-8", "surrogatepass"), digest_size=4).hexdigest()
        return f"{name[: LONGEST_NAME - 9]}…{digest}"

    @property
    def trouble(self) -> str:
        """What is left out; empty if nothing is."""
        if not self._left_out:
            return ""
        return (
            f"It has more than {MOST_SERIES:,} {self._noun}: the further ones, such as {self._left_out}, are left out."
        )


def _short(logged: str) -> str:
    return printable(logged[:60]) + "…" * (len(logged) > 60)
