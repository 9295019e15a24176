"""One log: its series, what they mean, and what else it says about its run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np

from lrtui.run.spec import LOG, RunSpec
from lrtui.sources.epoch_length import epoch_length
from lrtui.sources.log import FoundLog, LogFacts, LogPart, LogReader
from lrtui.sources.meaning import Meaning, SeriesMapping, recognize
from lrtui.sources.recorded_series import RecordedSeries
from lrtui.sources.recorded_values import RecordedValues

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lrtui.run.minmax_pyramid import Floats

MOST_UNSHOWN = 2_000_000
"""Maximum number of points that are kept, while it is read, of a log that is not on screen."""

MAX_EPOCHS = 1_000_000
"""Maximum number of epochs that is believed of a log."""

_RECOGNIZE_AGAIN = 1.5
"""Growth of a log after which the meaning of its series is looked at again."""


class RecordedLog:
    """A log as it is read; used by one thread.

    Args:
        found: the log.
        open_reader: opens it.
        mapping: what the user says that its series mean.
    """

    def __init__(
        self, found: FoundLog, open_reader: Callable[[], LogReader], mapping: SeriesMapping | None = None
    ) -> None:
        self.found = found
        self.facts = LogFacts()
        self.revision = 0
        """Increases with every change."""
        self.generation = 0
        """Increases when the series are replaced by others."""
        self.is_read = False
        """Whether everything that was in the log has been read."""
        self.is_sample = False
        """Whether the series are a sample of the log, since it has not been read to its end yet."""
        self.keeps_all = True
        """Whether all points are kept, however many there are."""
        self.trouble = ""
        """What can't be read, as a sentence that names the file; empty if everything can."""
        self._open, self._mapping = open_reader, mapping
        self._reader: LogReader | None = None
        self._values = RecordedValues()
        self._incoming: RecordedValues | None = None
        """What will replace a sample, or the values of a log that was rewritten."""
        self._meaning: Meaning | None = None
        self._spec: RunSpec | None = None
        self._recognized_at = (0, 0)

    @property
    def series(self) -> Mapping[str, RecordedSeries]:
        """The series by name, in the order of the log."""
        return self._values.series

    @property
    def used(self) -> list[RecordedSeries]:
        """The series that have points."""
        return [series for series in self._values.series.values() if len(series)]

    @property
    def is_thin(self) -> bool:
        """Whether only some of the points are kept."""
        return self._values.is_thin or (self._incoming is not None and self._incoming.is_thin)

    @property
    def is_begun(self) -> bool:
        """Whether reading has begun and not come to the end."""
        values = self._values if self._incoming is None else self._incoming
        return not self.is_read and bool(values.series)

    @property
    def meaning(self) -> Meaning:
        """What the series mean."""
        if self._meaning is None:
            self._meaning = recognize(self._values.shapes, self._mapping)
        return self._meaning

    @property
    def epoch_length(self) -> int | None:
        """Steps per epoch that the log states, or that follow from the epochs it has logged; None if unknown."""
        if self.facts.batches_per_epoch:
            return self.facts.batches_per_epoch
        epochs = self.series.get(self.meaning.epoch or "")
        return None if epochs is None else epoch_length(epochs.steps, epochs.values)

    @property
    def spec(self) -> RunSpec:
        """The settings of the run, checked once as long as they stay the same."""
        epochs = max(1, min(self.facts.epochs or 1, MAX_EPOCHS))
        if self._spec is None or self._spec.epochs != epochs:
            self._spec = RunSpec(task=f"{LOG}:{self.found.path}", schedule="", epochs=epochs)
        return self._spec

    def count_of(self, name: str) -> int:
        """Return how many points a series has, those that are not kept included."""
        shape = self._values.shapes.get(name)
        return 0 if shape is None else shape.count

    def sample(self) -> bool:
        """Take a sample of the log, if it is large and its format has one; return whether there is one.

        `refresh` replaces it when the whole log is read.
        """
        if self.is_begun or self.is_read:
            return False
        part = self._opened().sample()
        if part is None:
            return False
        self._values, self._incoming, self.is_sample = RecordedValues(), RecordedValues(), True
        self._values.add(part.items)
        self.facts = part.facts or self.facts
        self._changed()
        return True

    def refresh(self, seconds: float) -> bool:
        """Read what is new, for about that many seconds; return whether anything has changed.

        An error of a reader is `trouble`, and the log is read from its start later.
        """
        try:
            if self.is_read and not self._opened().has_news():
                return False
            part = self._opened().read(seconds)
        except Exception as error:  # a format of another package can raise anything
            self.close()
            return self._failed(f"{self.found.path} can't be read: {type(error).__name__}: {error}")
        before = self.trouble
        has_changed = self._take(part) or part.facts is not None
        if has_changed:
            self._changed()
        own = self._values.trouble
        self.trouble = self._opened().trouble or (f"{self.found.path}: {own}" if own else "")
        return has_changed or self.trouble != before

    def thin(self) -> None:
        """Keep only some points of the series that have a meaning, and none of the others."""
        meaning = self.meaning
        roles = {meaning.loss, meaning.test_loss, meaning.accuracy, meaning.epoch, *meaning.lrs}
        kept = {name for name in self.series if name in roles}
        self._values.thin(kept or {series.name for series in sorted(self.used, key=len)[-1:]})
        self.revision += 1

    def lr_points(self) -> tuple[NDArray[np.int64], Floats]:
        """Return the steps at which an lr was logged, and the lrs, one column per parameter group.

        NaN where a group has none at this step.
        """
        groups = [self.series[name] for name in self.meaning.lrs if name in self.series]
        steps = np.unique(np.concatenate([np.empty(0, np.int64), *(series.steps for series in groups)]))
        lrs = np.full((len(steps), len(groups)), np.nan)
        for column, series in enumerate(groups):
            lrs[np.searchsorted(steps, series.steps), column] = series.values
        return steps, lrs

    def close(self) -> None:
        """Release what is open."""
        if self._reader is not None:
            reader, self._reader = self._reader, None
            reader.close()

    def _opened(self) -> LogReader:
        if self._reader is None:
            self._reader = self._open()
        return self._reader

    def _failed(self, trouble: str) -> bool:
        is_new = trouble != self.trouble
        self.trouble, self.is_read, self._incoming = trouble, True, RecordedValues()
        return is_new

    def _take(self, part: LogPart) -> bool:
        """Add what was read; return whether the series have changed."""
        if part.facts is not None:
            self.facts = part.facts
        if part.from_start:
            self._incoming = RecordedValues()
        values = self._values if self._incoming is None else self._incoming
        values.add(part.items)
        if not self.keeps_all and not values.is_thin and values.points > MOST_UNSHOWN:
            values.thin()
        self.is_read = not part.has_more
        if self._incoming is None:
            return bool(part.items)
        if not self.is_read:
            return False
        was_thin = self._values.is_thin
        self._values, self._incoming, self.is_sample = self._incoming, None, False
        self.generation += 1
        self._meaning = None
        if was_thin:
            self.thin()
        return True

    def _changed(self) -> None:
        self.revision += 1
        shapes = self._values.shapes
        count = sum(shape.count for shape in shapes.values())
        names, recognized = self._recognized_at
        if len(shapes) != names or count > _RECOGNIZE_AGAIN * recognized or count < recognized:
            self._meaning, self._recognized_at = None, (len(shapes), count)
