"""Colours and letters of the runs that are drawn."""

from __future__ import annotations

from lrtui.run.spec import RunSpec
from lrtui.tui.charts.layers import LINE_COLOURS
from lrtui.tui.view import View


def drawn(*numbers: int) -> View:
    view = View(RunSpec())
    for number in numbers:
        view.toggle_mark(number)
    return view


def test_two_runs_that_are_drawn_never_share_a_colour() -> None:
    view = drawn(1, 9, 17, 2)
    assert [view.place_of(number) for number in (1, 9, 17, 2)] == [0, 1, 2, 3]


def test_a_run_keeps_its_colour_when_another_goes() -> None:
    view = drawn(1, 9)
    view.toggle_mark(1)
    assert view.place_of(9) == 1
    view.toggle_mark(1)
    assert view.place_of(1) == 0


def test_more_runs_than_colours_have_letters_of_their_own() -> None:
    view = drawn(*range(1, LINE_COLOURS + 4))
    assert len(set(view.places.values())) == LINE_COLOURS + 3


def test_a_run_on_screen_that_is_marked_too_has_one_place() -> None:
    view = drawn(3)
    view.select(3)
    assert view.places == {3: 2}
