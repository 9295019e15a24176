"""Charts on standard output."""

from __future__ import annotations

import math
import re
import sys

import pytest

from lrtui.cli.charts import Curve, coloured, print_chart

RISING, FALLING = [0.0, 0.5, 1.0], [0.0, 0.5, 0.0]


def drawn(capsys: pytest.CaptureFixture[str]) -> str:
    """Return a chart of two curves that are equal in the first half."""
    curves = [Curve([0, 1, 2], values, index, "ox"[index]) for index, values in enumerate((RISING, FALLING))]
    print_chart(curves, [0, 1, 2], from_zero=True)
    return capsys.readouterr().out


def test_curves_that_lie_on_each_other_can_be_told_apart_without_colours(capsys: pytest.CaptureFixture[str]) -> None:
    text = drawn(capsys)
    assert "\x1b" not in text
    left = "".join(line[10:40] for line in text.splitlines()[12:20])
    assert left.count("o") > 5
    assert left.count("x") > 5


@pytest.mark.parametrize(
    ("environment", "has_colour"),
    [({}, True), ({"NO_COLOR": "1"}, False), ({"NO_COLOR": ""}, True), ({"TERM": "dumb"}, False)],
)
def test_curves_are_coloured_where_there_is_colour(
    environment: dict[str, str],
    has_colour: bool,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    codes = set(re.findall(r"\x1b\[[\d;]*m", drawn(capsys)))
    assert (len(codes) > 2) == has_colour
    assert (coloured("o", 0) != "o") == has_colour


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


@pytest.mark.parametrize("odd", [math.inf, -math.inf, math.nan])
def test_a_value_that_is_not_finite_leaves_the_axis_to_the_others(
    odd: float, capsys: pytest.CaptureFixture[str]
) -> None:
    print_chart([Curve([1, 2, 3], [0.5, odd, 0.6], marker="o")], [1, 2, 3], from_zero=False)
    labels = y_labels(capsys.readouterr().out)
    assert (min(labels), max(labels)) == (0.5, 0.6)
