"""The values that are kept of a log."""

from __future__ import annotations

from memory_log import points

from lrtui.sources.recorded_values import RecordedValues


def test_of_a_log_that_is_not_on_screen_series_that_appear_later_are_kept() -> None:
    values = RecordedValues()
    # a writer creates its file before it writes a value
    values.thin(set())
    values.add([points("loss", range(3), [3.0, 2.0, 1.0]), points("norm", range(3), [1.0] * 3)])
    assert values.series["loss"].values.tolist() == [3.0, 2.0, 1.0]

    values.thin({"loss"})
    values.add([points("eval_accuracy", [2], [0.9]), points("norm", [3], [1.0])])
    assert values.series["eval_accuracy"].values.tolist() == [0.9]
    assert len(values.series["norm"]) == 0
