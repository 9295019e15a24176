"""Charts as text: points, lines, bands and axes, for any data and size."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lrtui.plotting.chart import Chart
from lrtui.plotting.chart_table import chart_csv
from lrtui.plotting.layers import Curve, Flag, Label, Layer, Line, Marks, Rule, Sign
from lrtui.plotting.scale import AxisName, LinearScale, LogScale, round_step, scale_for
from lrtui.run.series import Series
from lrtui.run.smoothing import Smoothed


def rows(chart: Chart, width: int, height: int) -> list[str]:
    return ["".join(text for text, _ in row) for row in chart.draw(width, height)]


def curve(values: list[float] | np.ndarray, per_unit: float = 1.0, **more: object) -> Curve:
    return Curve(Series(values), 0.0, per_unit, "chart--line-1", **more)  # type: ignore[arg-type]


def lit(line: str) -> int:
    return sum(0x2800 < ord(character) <= 0x28FF for character in line)


def test_a_rising_line_rises_from_left_to_right() -> None:
    picture = rows(Chart([curve([0.0, 1.0, 2.0, 3.0, 4.0])], 0.0, 4.0, label_width=2), 12, 4)
    places = [[index for index, c in enumerate(line) if 0x2800 < ord(c) <= 0x28FF] for line in picture]
    assert all(places)
    assert places[0][0] > places[1][0] > places[2][0] > places[3][0]


def test_every_row_has_the_requested_width_and_labels_align() -> None:
    picture = rows(Chart([curve([0.0, 0.01])], 0.0, 1.0, x_label="epoch"), 40, 10)
    assert {len(line) for line in picture} == {40}
    assert all(line[8] in "┤│└ " for line in picture)
    assert picture[-1].split() == ["epoch", "0", "1"]


def test_past_is_solid_and_future_has_gaps() -> None:
    solid = rows(Chart([curve([1.0] * 100, 10)], 0.0, 10.0), 60, 5)
    dotted = rows(Chart([curve([1.0] * 100, 10, form="dotted")], 0.0, 10.0), 60, 5)
    dashed = rows(Chart([curve([1.0] * 100, 10, form="dashed")], 0.0, 10.0), 60, 5)
    counts = [max(lit(line) for line in picture) for picture in (solid, dashed, dotted)]
    assert counts[0] > counts[1] > counts[2] > 0


def test_a_line_replaces_the_dots_of_a_band() -> None:
    values = np.tile([0.0, 1.0], 500)
    mean = Curve(Series(np.full(1000, 0.5)), 0.0, 100.0, "chart--line-1")
    band = Curve(Series(values), 0.0, 100.0, "chart--band-1", "band")
    drawn = Chart([band, mean], 0.0, 10.0).draw(40, 8)
    styles = [{style for _, style in row} for row in drawn]
    assert any("chart--line-1" in names for names in styles)
    middle = next(row for row in drawn if any(style == "chart--line-1" for _, style in row))
    text = "".join(part for part, style in middle if style == "chart--line-1")
    # the cells of the line have no dots of the band above or below it
    assert all(bin(ord(character) - 0x2800).count("1") <= 2 for character in text if character != " ")


@pytest.mark.parametrize("place", [0, 1, 4321, 500_000, 999_998, 999_999])
def test_a_single_spike_in_a_million_is_the_highest_dot_of_its_column(place: int) -> None:
    values = np.zeros(1_000_000)
    values[place] = 1.0
    picture = rows(Chart([curve(values, 100_000)], 0.0, 10.0), 82, 17)
    top = [index for line in picture[:2] for index, c in enumerate(line) if 0x2800 < ord(c) <= 0x28FF]
    assert top
    assert abs(top[0] - (9 + place / 1_000_000 * 72)) <= 1.2


def test_non_finite_values_are_a_gap() -> None:
    values = [1.0] * 40 + [math.nan] * 20 + [1.0] * 40
    line = max(rows(Chart([curve(values, 10)], 0.0, 10.0), 59, 3), key=lit)
    drawn = [0x2800 < ord(character) <= 0x28FF for character in line[9:]]
    assert drawn[5]
    assert not any(drawn[22:28])
    assert drawn[45]


def test_marks_rules_and_flags_are_drawn_at_their_x() -> None:
    layers: list[Layer] = [
        Line([1.0, 9.0], [0.0, 1.0], "chart--line-1"),
        Marks([1.0, 9.0], [0.0, 1.0], "chart--line-1", "A"),
        Rule(5.0),
        Flag(3.0),
    ]
    picture = rows(Chart(layers, 0.0, 10.0, x_label="epoch"), 60, 12)
    assert [line.find("A") for line in picture[:10] if "A" in line] == [54, 14]
    assert sum(line[9 + 25] == "│" for line in picture[:10]) >= 8
    assert picture[-2][9 + 15] == "▲"


def test_a_logarithmic_axis_leaves_out_values_that_are_not_positive() -> None:
    picture = rows(Chart([curve([1.0, 0.1, 0.0, -1.0, 0.001], 1)], 0.0, 5.0, logarithmic=True), 60, 10)
    labels = [line[:8].strip() for line in picture if line[:8].strip()]
    assert labels == ["1", "0.1", "0.01", "0.001"]


def test_extreme_peaks_are_cropped_and_reach_the_top() -> None:
    values = np.full(1000, 0.5)
    values[:5] = 50.0
    picture = rows(Chart([curve(values, 100)], 0.0, 10.0, crops_peaks=True), 60, 8)
    assert lit(picture[0]) > 0
    assert not any("50" in line[:8] for line in picture)


@pytest.mark.parametrize(
    ("low", "high", "most", "labels"),
    [
        (0.0, 1.0, 5, ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]),
        (0.0, 0.0101, 4, ["0.000", "0.005", "0.010"]),
        (0.83, 0.94, 4, ["0.85", "0.90"]),
        (-3.0, 3.0, 3, ["-2", "0", "2"]),
        (0.0, 2e-7, 2, ["0", "1e-07", "2e-07"]),
        (0.0, 5e8, 2, ["0", "5e+08"]),
    ],
)
def test_ticks_are_round_numbers(low: float, high: float, most: int, labels: list[str]) -> None:
    assert [tick.label for tick in LinearScale(low, high).ticks(most)] == labels


def test_logarithmic_ticks_are_decades_or_finer_if_there_are_few() -> None:
    assert [tick.label for tick in LogScale(1e-6, 1.0).ticks(3)] == ["1e-06", "1e-04", "1e-02", "1e+00"]
    assert [tick.label for tick in LogScale(0.05, 0.6).ticks(6)] == ["0.05", "0.1", "0.2", "0.5"]


@given(span=st.floats(1e-12, 1e12), most=st.integers(1, 20))
@settings(max_examples=100, deadline=None)
def test_a_round_step_is_one_two_or_five(span: float, most: int) -> None:
    step = round_step(span, most)
    assert span / step <= most * (1 + 1e-6)
    digit = step / 10 ** math.floor(math.log10(step) + 1e-9)
    assert min(abs(digit - wanted) for wanted in (1, 2, 5)) < 1e-6


VALUES = st.one_of(
    st.floats(allow_nan=True, allow_infinity=True),
    st.sampled_from([0.0, -0.0, 1e308, -1e308, 1e-320, math.inf, -math.inf, math.nan]),
)


@given(
    values=st.lists(VALUES, max_size=40),
    width=st.integers(0, 90),
    height=st.integers(0, 30),
    logarithmic=st.booleans(),
    form=st.sampled_from(["line", "band", "dotted", "dashed"]),
    window=st.sampled_from(
        [(0.0, 0.0), (0.0, 1.0), (0.0, 10.0), (0.0, 1e6), (2.25, 2.5), (7.0, 7.0 + 1e-9), (-5.0, 3.0), (1e5, 1e6)]
    ),
    axis=st.sampled_from(["epoch", "step", "time"]),
    cursor=st.floats(-1.0, 20.0),
    ascii_only=st.booleans(),
)
@settings(max_examples=300, deadline=None)
def test_any_layers_can_be_drawn_at_any_size(
    values: list[float],
    width: int,
    height: int,
    logarithmic: bool,
    form: str,
    window: tuple[float, float],
    axis: AxisName,
    cursor: float,
    ascii_only: bool,
) -> None:
    seconds = Series(np.cumsum(np.full(len(values), 0.7)))
    layers: list[Layer] = [
        Rule(cursor, "chart--cursor", "┊"),
        Flag(cursor, "chart--cursor", "┼"),
        curve(values, 3.0, form=form, name="a"),
        curve(values, 1.0, form=form, xs=seconds, name="b"),
        Sign(2.0, "chart--line-1"),
        Line([float(i) for i in range(len(values))], values, "chart--line-2"),
        Marks([float(i) for i in range(len(values))], values, "chart--line-2"),
        Rule(1.0),
        Flag(0.5),
    ]
    for from_zero in (False, True):
        chart = Chart(
            layers, *window, logarithmic, from_zero, crops_peaks=True, x_label=axis, axis=axis, ascii=ascii_only
        )
        drawn = chart.draw(width, height)
        assert len(drawn) == height
        assert all(sum(len(text) for text, _ in row) == width for row in drawn)
        assert not ascii_only or all(text.isascii() for row in drawn for text, _ in row)
        assert chart_csv(chart, chart.columns(width)).count("\n") >= 1


def test_a_scale_without_values_is_from_0_to_1() -> None:
    assert scale_for(math.nan, math.nan, logarithmic=False) == LinearScale(-0.05, 1.05)


def test_each_layer_has_its_own_character_in_ascii() -> None:
    layers: list[Layer] = [
        Rule(2.5, "chart--cursor", "┊"),
        curve([1.0] * 50, 10),
        Curve(Series([1.0] * 50), 5.0, 10, "chart--future", "dotted"),
        Marks([2.0], [0.5], "chart--line-1"),
        Rule(5.0),
        Flag(3.0),
        Sign(9.0, "chart--line-1"),
    ]
    picture = rows(Chart(layers, 0.0, 10.0, x_label="epoch", from_zero=True, ascii=True), 60, 10)
    text = "\n".join(picture)
    assert text.isascii()
    assert all(sign in text for sign in "*.:o^!|+-")
    assert any("*****" in line and "." in line for line in picture)


def test_a_zoomed_line_continues_to_both_edges() -> None:
    line = max(rows(Chart([curve([1.0] * 11)], 2.4, 2.6), 60, 5), key=lit)
    assert lit(line) == 50


def test_zooming_shows_the_same_curve() -> None:
    noise = np.random.default_rng(1).normal(1.0, 0.2, 20_000)
    mean = Curve(Smoothed(Series(noise), 100).series, 0.0, 1000.0, "chart--line-1")
    whole_low, whole_high = mean.columns(0.0, 20.0, 160)
    for first in (0, 40, 100):
        # one column of the whole covers ten of the window
        low, high = mean.columns(first / 8, first / 8 + 2.0, 160)
        assert low.reshape(-1, 10).min(axis=1) == pytest.approx(whole_low[first : first + 16], rel=0.05)
        assert high.reshape(-1, 10).max(axis=1) == pytest.approx(whole_high[first : first + 16], rel=0.05)


def test_on_a_time_axis_a_value_is_drawn_at_its_second() -> None:
    seconds = Series([1.0, 2.0, 3.0, 9.0])
    by_time = Curve(Series([0.0, 0.0, 5.0, 0.0]), 0.0, 1.0, "chart--line-1", "line", seconds)
    _, high = by_time.columns(0.0, 10.0, 100)
    assert int(np.nanargmax(high)) == 30
    assert np.isnan(high[:10]).all()
    assert np.isnan(high[91:]).all()


def test_a_mark_outside_the_window_does_not_stretch_the_axis() -> None:
    picture = rows(Chart([Marks([1.0, 9.0], [0.5, 500.0], "chart--line-1")], 0.0, 5.0), 60, 8)
    assert not any("500" in line for line in picture)


def test_a_diverged_run_has_its_sign_at_the_top() -> None:
    picture = rows(Chart([curve([1.0] * 50, 10), Sign(5.0, "chart--line-1")], 0.0, 10.0), 60, 8)
    assert picture[0][9 + 25] == "!"


def test_the_table_of_a_chart_has_the_drawn_numbers() -> None:
    layers: list[Layer] = [
        curve([1.0, 3.0, math.nan, 5.0], 2.0, name="loss"),
        Marks([1.0, 7.0], [0.25, 0.5], "chart--line-1", name="test"),
    ]
    table = chart_csv(Chart(layers, 0.0, 4.0), 4).splitlines()
    assert table == [
        "epoch,loss low,loss mean,loss high,test",
        "0.0,1.0,2.0,3.0,",
        "1.0,5.0,5.0,5.0,",
        "1.0,,,,0.25",
    ]


def test_a_curve_from_its_middle_is_drawn_like_its_second_half() -> None:
    values = np.random.default_rng(0).normal(size=1000)
    half = Curve(Series(values[400:] * 0.5), 4.0, 100.0, "")
    of_whole = Curve(Series(values), 0.0, 100.0, "", first=400, factor=0.5)
    for low, high in ((0.0, 10.0), (3.9, 4.2), (3.995, 4.005)):
        for mine, expected in zip(of_whole.columns(low, high, 60), half.columns(low, high, 60), strict=True):
            assert mine == pytest.approx(expected, nan_ok=True)
        whole, part = of_whole.summary(low, high, 60), half.summary(low, high, 60)
        assert whole.mean == pytest.approx(part.mean, nan_ok=True)
        assert whole.high == pytest.approx(part.high, nan_ok=True)


def flat(value: float, style: str, count: int = 100) -> Curve:
    return Curve(Series([value] * count), 0.0, 10.0, style)


def test_two_lines_at_the_same_place_take_turns_in_their_own_colours() -> None:
    layers = [flat(1.0, "chart--line-1"), flat(1.0, "chart--line-2")]
    row = max(Chart(layers, 0.0, 10.0).draw(60, 5), key=lambda row: lit("".join(text for text, _ in row)))
    widths = {style: 0 for _, style in row}
    for text, style in row:
        widths[style] += lit(text)
    assert widths["chart--line-1"] == widths["chart--line-2"] == 25


def test_dots_have_the_colour_of_their_own_line() -> None:
    # in one character cell, but on different dots of it
    layers = [flat(0.0, "chart--line-1"), flat(1.0, "chart--line-2"), flat(2.0, "chart--line-3")]
    dots: dict[str, set[int]] = {}
    for row in Chart(layers, 0.0, 10.0, from_zero=True).draw(60, 2):
        for text, style in row:
            if style.startswith("chart--line"):
                dots.setdefault(style, set()).update(ord(character) for character in text if character != " ")
    assert set(dots) == {layer.style for layer in layers}
    assert not set.intersection(*dots.values())


def test_a_letter_at_the_place_of_another_run_s_letter_is_beside_it() -> None:
    layers: list[Layer] = [
        Marks([5.0, 10.0], [1.0, 1.0], "chart--line-1", "A"),
        Marks([5.0, 10.0], [1.0, 1.0], "chart--line-2", "B"),
    ]
    picture = rows(Chart(layers, 0.0, 10.0), 60, 5)
    line = next(line for line in picture if "A" in line)
    assert line[9 + 25 : 9 + 27] == "AB"
    assert line.rstrip().endswith("BA")


def test_a_label_is_beside_its_x_and_covers_no_curve() -> None:
    rising = curve(list(range(11)))
    labels: list[Layer] = [Label(2.0, "x1.25"), Label(2.0, "undo"), Label(9.9, "OneCycle")]
    without, picture = (rows(Chart(layers, 0.0, 10.0), 60, 12) for layers in ([rising], [rising, *labels]))
    assert picture[0][9 + 10 :].startswith("▾x1.25")
    assert picture[1][9 + 10 :].startswith("▾undo")
    assert any("OneCycle▾" in line for line in picture)
    for before, after in zip(without, picture, strict=True):
        assert all(b == a for b, a in zip(before, after, strict=True) if 0x2800 < ord(b) <= 0x28FF)


def test_a_label_without_a_free_place_is_left_out() -> None:
    full = Curve(Series(np.tile([0.0, 1.0], 500)), 0.0, 100.0, "chart--line-1", "band")
    assert not any("x2" in line for line in rows(Chart([full, Label(5.0, "x2")], 0.0, 10.0), 60, 5))


def test_a_clipped_spike_is_marked_with_its_value() -> None:
    values = np.full(1000, 0.5)
    values[300:303] = 50.25
    picture = rows(Chart([curve(values, 100)], 0.0, 10.0, crops_peaks=True), 60, 8)
    assert "↑50.25" in picture[0]
    assert abs(picture[0].index("↑") - (9 + 15 + 1)) <= 1
    assert not any("↑" in line for line in rows(Chart([curve(values, 100)], 0.0, 10.0), 60, 8))


def test_a_ghost_is_below_the_line_that_replaced_it() -> None:
    ghost = Curve(Series([1.0] * 100), 0.0, 10.0, "chart--line-1 faded", "ghost")
    picture = Chart([flat(1.0, "chart--line-1"), ghost], 0.0, 10.0).draw(60, 5)
    assert not any(style == "chart--line-1 faded" for row in picture for _, style in row)


def test_ticks_are_as_dense_as_two_lines_allow() -> None:
    picture = rows(Chart([curve([0.0, 0.003])], 0.0, 1.0, from_zero=True), 60, 7)
    places = [(index, line[:8].strip()) for index, line in enumerate(picture) if line[:8].strip()]
    assert [label for _, label in places] == ["0.003", "0.002", "0.001", "0.000"]
    assert {below - above for (above, _), (below, _) in pairwise(places)} == {2}


@pytest.mark.parametrize("lines", [7, 10, 16, 20, 33])
@pytest.mark.parametrize(("low", "high"), [(1e-11, 1e-2), (1e-5, 1e-2), (1e-7, 0.3), (0.0, 0.003), (0.0, 0.0125)])
def test_ticks_are_at_even_distances(low: float, high: float, lines: int) -> None:
    values = np.geomspace(high, low, 200) if low > 0 else np.linspace(high, low, 200)
    drawn = Chart([curve(values, 20)], 0.0, 10.0, from_zero=True, logarithmic=low > 0)
    places = [index for index, line in enumerate(rows(drawn, 60, lines)) if line[:8].strip()]
    assert len(places) >= 2
    assert len({below - above for above, below in pairwise(places)}) == 1


def test_a_ghost_within_a_cell_of_the_plan_is_left_out() -> None:
    planned = replace(flat(1.0, "chart--line-1"), form="dotted")
    near = Curve(Series([1.01] * 100), 0.0, 10.0, "chart--ghost", "ghost")
    far = replace(near, factor=2.0)
    for ghost, visible in ((near, False), (far, True)):
        picture = Chart([planned, ghost], 0.0, 10.0, from_zero=True).draw(60, 5)
        assert any(style == "chart--ghost" for row in picture for _, style in row) == visible


def test_a_line_through_every_tenth_value_is_joined_also_beyond_the_window() -> None:
    values = np.full(200, np.nan)
    values[9::10] = np.arange(20)
    joined, gaps = curve(values, joins_gaps=True), curve(values)
    low, high = joined.columns(42.0, 47.0, 10)
    # from value 3 at 39 to value 4 at 49, at the middles of the columns
    assert np.allclose(low, 3.0 + (np.arange(42.25, 47.0, 0.5) - 39.0) / 10)
    assert np.array_equal(low, high)
    assert np.isnan(gaps.columns(42.0, 47.0, 10)[0]).all()
    # no line before the first value and after the last one
    whole = joined.columns(0.0, 300.0, 300)[0]
    assert np.isfinite(whole[9:199]).all()
    assert np.isnan([*whole[:9], *whole[200:]]).all()
