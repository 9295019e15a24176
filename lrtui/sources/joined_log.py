"""Several logs that are one run, such as the folders of training and validation that Keras writes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from lrtui.sources.log import LogFacts, LogPart, LogReader, Points, Restart


class JoinedReader:
    """Reads several logs as one; the name of each series begins with that of its log.

    Args:
        openers: opens each log, by name.
    """

    def __init__(self, openers: Mapping[str, Callable[[], LogReader]]) -> None:
        self._openers = openers
        self._readers = {name: opener() for name, opener in openers.items()}
        self._facts: dict[str, LogFacts] = {}
        self.trouble = ""

    def has_news(self) -> bool:
        """Return whether one of the logs has something new."""
        return any([reader.has_news() for reader in self._readers.values()])

    def read(self, seconds: float) -> LogPart:
        """Return what is new in all logs; if one was rewritten, all are read again."""
        share = seconds / len(self._readers)
        parts = {name: reader.read(share) for name, reader in self._readers.items()}
        is_anew = any(part.from_start for part in parts.values())
        if is_anew and not all(part.from_start for part in parts.values()):
            self.close()
            self._readers = {name: opener() for name, opener in self._openers.items()}
            parts = {name: reader.read(share) for name, reader in self._readers.items()}
        return self._joined(parts, from_start=is_anew)

    def sample(self) -> LogPart | None:
        """Return samples of all logs; None if one has none."""
        parts = {name: part for name, reader in self._readers.items() if (part := reader.sample()) is not None}
        return self._joined(parts, from_start=False) if len(parts) == len(self._readers) else None

    def close(self) -> None:
        """Release what is open."""
        for reader in self._readers.values():
            reader.close()

    def _joined(self, parts: Mapping[str, LogPart], *, from_start: bool) -> LogPart:
        self.trouble = next((reader.trouble for reader in self._readers.values() if reader.trouble), "")
        items: list[Points | Restart] = []
        for name, part in parts.items():
            items += [
                replace(item, name=f"{name}/{item.name}") if isinstance(item, Points) else item for item in part.items
            ]
            if part.facts is not None:
                self._facts[name] = part.facts
        has_facts = any(part.facts is not None for part in parts.values())
        facts = next(iter(self._facts.values()), None) if has_facts else None
        return LogPart(items, facts, from_start, any(part.has_more for part in parts.values()))
