"""The window on the x axis: zoomed, panned, following a run."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from lrtui.tui.x_axis import Viewport

WHOLE = (0.0, 10.0)


def test_zooming_keeps_the_cursor_where_it_is_on_screen() -> None:
    port = Viewport(cursor=2.5)
    port.zoom(True, WHOLE, 8.0, 0.1)
    low, high = port.shown(WHOLE, 8.0)
    assert (2.5 - low) / (high - low) == 0.25


def test_without_a_cursor_zooming_goes_to_now() -> None:
    port = Viewport()
    port.zoom(True, WHOLE, 8.0, 0.1)
    assert port.window == (4.0, 9.0)
    assert port.following


def test_a_window_on_the_newest_step_follows_it() -> None:
    port = Viewport()
    port.zoom(True, WHOLE, 4.0, 0.1)
    assert port.shown(WHOLE, 5.0) == port.window
    low, high = port.shown(WHOLE, 8.0)
    assert low < 8.0 < high
    assert high - low == 5.0


def test_a_window_into_the_past_stays() -> None:
    port = Viewport()
    port.zoom(True, WHOLE, 6.0, 0.1)
    port.zoom(True, WHOLE, 6.0, 0.1)
    for _ in range(3):
        port.pan(-0.5, WHOLE, 6.0)
    before = port.shown(WHOLE, 6.0)
    assert not port.following
    assert port.shown(WHOLE, 9.5) == before


def test_zooming_out_ends_at_the_whole_run() -> None:
    port = Viewport()
    port.zoom(True, WHOLE, None, 0.1)
    assert port.zoom(False, WHOLE, None, 0.1)
    assert port.window is None
    assert not port.zoom(False, WHOLE, None, 0.1)


def test_the_cursor_starts_at_now_and_moves_by_columns() -> None:
    port = Viewport()
    port.move_cursor(1, 10, WHOLE, 4.2)
    assert port.cursor == 4.5
    port.move_cursor(1, 10, WHOLE, 4.2)
    assert port.cursor == 5.5
    for _ in range(20):
        port.move_cursor(-1, 10, WHOLE, 4.2)
    assert port.cursor == 0.5


def test_the_window_follows_the_cursor() -> None:
    port = Viewport(window=(2.0, 4.0), cursor=3.9)
    port.move_cursor(1, 10, WHOLE, None)
    assert port.cursor is not None
    low, high = port.shown(WHOLE, None)
    assert high > 4.0
    assert low <= port.cursor <= high


@given(
    presses=st.lists(st.sampled_from("[]<>lr0"), max_size=40),
    end=st.sampled_from([1e-6, 1.0, 10.0, 1e7]),
    now=st.one_of(st.none(), st.floats(0, 1)),
    columns=st.integers(0, 200),
)
@settings(max_examples=200, deadline=None)
def test_no_key_moves_the_window_out_of_the_run(
    presses: list[str], end: float, now: float | None, columns: int
) -> None:
    port, whole = Viewport(), (0.0, end)
    place = None if now is None else now * end
    for key in presses:
        if key in "[]":
            port.zoom(key == "]", whole, place, end / 1000)
        elif key in "<>":
            port.pan(-0.25 if key == "<" else 0.25, whole, place)
        elif key in "lr":
            port.move_cursor(-1 if key == "l" else 1, columns, whole, place)
        else:
            port.show_whole()
        low, high = port.shown(whole, place)
        assert -1e-9 * end <= low < high <= end * (1 + 1e-9)
        assert port.cursor is None or 0 <= port.cursor <= end
