"""Charts on standard output."""

from __future__ import annotations

import re

import pytest

from lrtui.cli.charts import Curve, print_chart


def y_labels(text: str) -> list[float]:
    return [float(match[1]) for match in re.finditer(r"^ *(-?[\d.e+-]+)┤", text, re.MULTILINE)]


@pytest.mark.parametrize("accuracy", [0.816, 1.0, 0.0])
def test_a_single_accuracy_is_drawn_on_a_short_axis(accuracy: float, capsys: pytest.CaptureFixture[str]) -> None:
    print_chart([Curve([1], [accuracy], marker="o")], [1], from_zero=False, is_share=True)
    labels = y_labels(capsys.readouterr().out)
    assert min(labels) <= accuracy <= max(labels)
    assert max(labels) <= 1.0
    assert max(labels) - min(labels) <= 1.0


def test_a_single_accuracy_in_percent_is_drawn_around_it(capsys: pytest.CaptureFixture[str]) -> None:
    print_chart([Curve([1], [81.6], marker="o")], [1], from_zero=False, is_share=True)
    labels = y_labels(capsys.readouterr().out)
    assert 70 < min(labels) < 81.6 < max(labels) < 90
