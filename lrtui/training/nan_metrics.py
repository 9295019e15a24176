"""Warns of test results that are NaN, and of a schedule that cuts the lr because of them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from lrtui.schedules.schedule import Schedule
from lrtui.text.format import counted
from lrtui.training.reporter import Reporter

CODE = "nan-metric"
"""Code of the notices."""


class NanMetrics:
    """Warns once of each metric that is NaN.

    PyTorch's ReduceLROnPlateau compares a NaN as no improvement, and cuts the lr after enough of them. So do runs,
    previews and exported code; the warnings say so.

    Args:
        earlier: the results of a resumed run so far, of which it has warned.
    """

    def __init__(self, reporter: Reporter, earlier: Iterable[Mapping[str, float]] = ()) -> None:
        self._reporter = reporter
        self._said = {name for result in earlier for name, value in result.items() if math.isnan(value)}

    def check(self, result: Mapping[str, float], schedule: Schedule) -> None:
        """Warn of the metrics of a test that are NaN for the first time.

        Args:
            result: the results of the test, by name.
            schedule: the current one.
        """
        for name in [name for name, value in result.items() if math.isnan(value) and name not in self._said]:
            self._said.add(name)
            cause = (
                "the model's outputs may not be finite"
                if name == "loss"
                else "it may be undefined on this test set, for example without samples of a class, or the model's "
                "outputs may not be finite"
            )
            text = f"the test's {name} is NaN: {cause}. A NaN is never the best result"
            followers = [part for part in schedule.walk() if part.metric == name]
            if followers:
                text += f", and {followers[0].name} counts it as no improvement, as PyTorch does"
            self._reporter.notice(CODE, text, level="warning")

    def check_step(self, results: Sequence[Mapping[str, float]], schedule: Schedule, *, cut: bool) -> None:
        """Warn if the schedule's step after a test was not what its metric alone would have made of it.

        Args:
            results: results of the tests that ended epochs, the latest last.
            cut: whether the schedule cut the lr.
        """
        for part in schedule.walk():
            if part.metric is None:
                continue
            if part.metric not in results[-1]:
                text = f"this test has no {part.metric}, which {part.name} follows: it was not stepped"
                self._reporter.notice(CODE, text, level="warning")
                continue
            values = [result.get(part.metric, 0.0) for result in results[-1 - int(part.get("patience") or 0) :]]
            if cut and (missing := sum(map(math.isnan, values))):
                text = (
                    f"{part.name} cut the lr although the test's {part.metric} was NaN in {missing} of the last "
                    f"{counted(len(values), 'epoch')}, which count as no improvement"
                )
                self._reporter.notice(CODE, text, level="warning")
