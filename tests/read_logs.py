"""What the reader of a log has returned, put together as a user of it does."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator

from lrtui.sources.log import LogFacts, LogReader, Restart

Series = dict[str, list[tuple[int, float]]]


class ReadLog:
    """Puts together what a reader returns.

    Args:
        reader: the reader.
    """

    def __init__(self, reader: LogReader) -> None:
        self.reader = reader
        self.series: Series = {}
        self.facts = LogFacts()
        self.parts = 0
        self.from_starts = 0

    def read(self, seconds: float = 60.0) -> Series:
        """Return the steps and values of all series, after reading what there is."""
        while True:
            part = self.reader.read(seconds)
            self.parts += 1
            if part.from_start:
                self.from_starts += 1
                self.series = {}
            for item in part.items:
                if isinstance(item, Restart):
                    self.series = {
                        name: [point for point in points if point[0] < item.step]
                        for name, points in self.series.items()
                    }
                else:
                    assert len(item.steps) == len(item.values) == len(item.times)
                    points = zip(item.steps.tolist(), item.values.tolist(), strict=True)
                    self.series.setdefault(item.name, []).extend(points)
            self.facts = part.facts or self.facts
            if not part.has_more:
                return self.series


def as_text(series: Series) -> dict[str, str]:
    """Return series that can be compared although NaN is not equal to itself."""
    return {name: repr(points) for name, points in series.items() if points}


def mutated(data: bytes, times: int, seed: int) -> Iterator[bytes]:
    """Yield damaged copies: bytes changed, cut, repeated, removed, inserted, or cut off at the end."""
    generator = random.Random(seed)
    for _ in range(times):
        copy = bytearray(data)
        for _ in range(generator.choice((1, 1, 2, 5, 30))):
            at = generator.randrange(len(copy) or 1)
            length = int(math.exp(generator.uniform(0, math.log(len(data)))))
            match generator.randrange(7):
                case 0:
                    copy[at : at + 1] = bytes([generator.randrange(256)])
                case 1:
                    copy[at : at + 1] = bytes([copy[at] ^ 1 << generator.randrange(8)]) if copy else b""
                case 2:
                    del copy[at:]
                case 3:
                    del copy[at : at + length]
                case 4:
                    copy[at:at] = copy[at : at + min(length, 5_000)]
                case 5:
                    copy[at:at] = generator.randbytes(min(length, 100))
                case 6:
                    copy[at : at + length] = bytes(len(copy[at : at + length]))
        yield bytes(copy)
