"""When the screen is drawn."""

from __future__ import annotations

from lrtui.tui.pump import BACKLOG, CHART_INTERVAL, TEXT_INTERVAL, Pump


class Screen:
    """A screen that writes down when it was drawn, charts and all."""

    def __init__(self) -> None:
        self.now, self.waiting, self.news = 0.0, 0, True
        self.drawn: list[tuple[float, bool]] = []
        self.pump = Pump(
            lambda: self.news,
            lambda charts: self.drawn.append((self.now, charts)),
            lambda: self.now,
            lambda: self.waiting,
        )

    def run(self, seconds: float) -> None:
        end = self.now + seconds
        while self.now < end:
            self.pump.tick()
            self.now += TEXT_INTERVAL


def test_text_is_drawn_at_every_tick_and_charts_once_a_second() -> None:
    screen = Screen()
    screen.run(4.0)
    assert len(screen.drawn) == 16
    assert [when for when, charts in screen.drawn if charts] == [0.0, CHART_INTERVAL, 2 * CHART_INTERVAL, 3.0]


def test_nothing_is_drawn_while_nothing_is_said() -> None:
    screen = Screen()
    screen.run(1.0)
    screen.news = False
    screen.run(3.0)
    drawn = len(screen.drawn)
    screen.run(5.0)
    assert len(screen.drawn) == drawn


def test_the_last_news_reaches_the_charts() -> None:
    screen = Screen()
    screen.run(0.5)
    screen.news = False
    screen.run(2.0)
    assert screen.drawn[-1][1]


def test_frames_are_left_out_while_the_terminal_is_slow_and_made_up_for_after() -> None:
    screen = Screen()
    screen.waiting = BACKLOG + 1
    screen.run(5.0)
    assert screen.drawn == []
    screen.waiting, screen.news = 0, False
    screen.run(0.25)
    assert len(screen.drawn) == 1


def test_what_the_user_does_is_drawn_at_once() -> None:
    screen = Screen()
    screen.run(0.25)
    screen.pump.at_once()
    assert screen.drawn[-1][1]


def test_news_that_a_key_has_folded_reach_the_charts_too() -> None:
    screen = Screen()
    screen.run(0.25)
    screen.pump.fold()
    screen.news = False
    screen.pump.at_once(charts=False)
    screen.run(2.0)
    assert screen.drawn[-1][1]
