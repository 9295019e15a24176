"""The progress bar of `lrtui race` and `lrtui find`."""

from __future__ import annotations

import sys
import time

import pytest

from lrtui.cli.progress import Progress
from lrtui.cli.terminal import SHOW_CURSOR
from lrtui.training.clock import ProcessTime


def test_a_terminal_shows_a_bar_with_the_time_left(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now)
    with Progress("race 1") as progress:
        progress.update(0.5)
        now += 100
        # nothing was done since: the model was set up
        progress.update(0.5)
        now += 30
        # half of what was left
        progress.update(0.75)
        progress.say("a message")
    printed = capsys.readouterr().err
    assert "race 1" in printed
    assert "50%" in printed
    assert "00:00:30" in printed
    assert "\x1b[Ka message\n" in printed
    assert printed.endswith(SHOW_CURSOR)


@pytest.mark.parametrize(("is_terminal", "is_shown"), [(False, True), (True, False)])
def test_there_is_no_bar_in_a_pipe_or_if_the_command_is_quiet(
    is_terminal: bool, is_shown: bool, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: is_terminal)
    with Progress("race 1", is_shown=is_shown) as progress:
        progress.update(0.5)
        progress.say("a message")
        progress.update(0.75)
    assert capsys.readouterr().err == "a message\n"


def test_the_time_in_which_the_process_was_stopped_does_not_count(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    now, stopped = time.time(), 5.0
    monkeypatch.setattr(time, "time", lambda: now)
    monkeypatch.setattr(ProcessTime, "stopped_seconds", property(lambda _: stopped))
    with Progress("race 1") as progress:
        progress.update(0.0)
        # ctrl+z for 1,000 of 1,030 seconds
        now, stopped = now + 1030, stopped + 1000
        progress.update(0.5)
    assert "00:00:30" in capsys.readouterr().err
