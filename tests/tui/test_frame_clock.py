"""When the screen is drawn."""

from __future__ import annotations

from cockpit_pilot import press, until
from played_session import PlayedApp, PlayedSession
from recorded_runs import recorded_run

from lrtui.tui.frame_clock import CHART_INTERVAL, MAX_BACKLOG, TEXT_INTERVAL, FrameClock


class FakeScreen:
    """Records when it is drawn, and whether the charts are drawn."""

    def __init__(self) -> None:
        self.now, self.backlog, self.has_news = 0.0, 0, True
        self.drawn: list[tuple[float, bool]] = []
        self.clock = FrameClock(lambda: self.now)

    def fold(self) -> None:
        if self.has_news:
            self.clock.note_change()

    def draw(self, charts: bool) -> None:
        self.clock.note_frame(charts)
        self.drawn.append((self.now, charts))

    def run(self, seconds: float) -> None:
        end = self.now + seconds
        while self.now < end:
            self.fold()
            due = self.clock.due(self.backlog)
            if due != "nothing":
                self.draw(charts=due == "all")
            self.now += TEXT_INTERVAL


def test_text_is_drawn_at_every_tick_and_charts_once_a_second() -> None:
    screen = FakeScreen()
    screen.run(4.0)
    assert len(screen.drawn) == 16
    assert [when for when, charts in screen.drawn if charts] == [0.0, CHART_INTERVAL, 2 * CHART_INTERVAL, 3.0]


def test_nothing_is_drawn_without_new_events() -> None:
    screen = FakeScreen()
    screen.run(1.0)
    screen.has_news = False
    screen.run(3.0)
    drawn = len(screen.drawn)
    screen.run(5.0)
    assert len(screen.drawn) == drawn


def test_the_last_events_reach_the_charts() -> None:
    screen = FakeScreen()
    screen.run(0.5)
    screen.has_news = False
    screen.run(2.0)
    assert screen.drawn[-1][1]


def test_frames_are_skipped_while_the_terminal_is_slow_and_drawn_later() -> None:
    screen = FakeScreen()
    screen.backlog = MAX_BACKLOG + 1
    screen.run(5.0)
    assert screen.drawn == []
    screen.backlog, screen.has_news = 0, False
    screen.run(0.25)
    assert len(screen.drawn) == 1


def test_a_frame_drawn_for_a_key_counts_as_drawn() -> None:
    screen = FakeScreen()
    screen.run(0.25)
    screen.fold()
    screen.draw(charts=True)
    assert screen.drawn[-1][1]
    screen.has_news = False
    screen.run(3.0)
    assert len(screen.drawn) == 2


def test_events_folded_for_a_key_reach_the_charts_too() -> None:
    screen = FakeScreen()
    screen.run(0.25)
    screen.fold()
    screen.has_news = False
    screen.draw(charts=False)
    screen.run(2.0)
    assert screen.drawn[-1][1]


async def test_the_panes_continue_below_a_dialog() -> None:
    so_far, more = recorded_run(120), recorded_run(300)
    app = PlayedApp(PlayedSession(so_far))
    async with app.run_test(size=(80, 24)) as pilot:
        await press(pilot, "x")

        def picture() -> str:
            strips = app.screen._compositor.render_strips()
            return "\n".join("".join(segment.text for segment in strip) for strip in strips)

        assert "Stop it?" in picture()
        app.session.last.say(*more[len(so_far) :])
        await until(pilot, lambda: "epoch 6/10" in picture())
        assert "Stop it?" in picture()
