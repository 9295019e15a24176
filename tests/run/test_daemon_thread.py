"""A thread that is waited for, with and without Ctrl-C."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from lrtui.run.daemon_thread import DaemonThread
from lrtui.run.interrupts import interrupts_deferred


@pytest.fixture(autouse=True)
def interrupts_raise() -> Iterator[None]:
    """Let SIGINT raise a KeyboardInterrupt: the command line, which other tests call, leaves its own handler."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@contextmanager
def interrupted_after(seconds: float) -> Iterator[None]:
    """Send this process a SIGINT, as Ctrl-C does."""
    timer = threading.Timer(seconds, lambda: os.kill(os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        yield
    timer.join()


def test_an_interrupted_wait_can_be_repeated() -> None:
    end = threading.Event()
    thread = DaemonThread(end.wait, "test")
    assert (thread.was_started, thread.is_alive, thread.join(0)) == (False, False, True)
    thread.start()
    with interrupted_after(0.05):
        thread.join(60.0)
    assert thread.is_alive
    assert not thread.join(0.01)
    end.set()
    assert thread.join(60.0)
    assert (thread.was_started, thread.is_alive) == (True, False)


def test_a_thread_that_raises_has_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threading, "excepthook", lambda _: None)
    thread = DaemonThread(lambda: 1 / 0, "test")
    thread.start()
    assert thread.join(60.0)


def test_an_interrupt_waits_until_the_end_of_the_block() -> None:
    before, steps = signal.getsignal(signal.SIGINT), []

    def work() -> None:
        with interrupts_deferred():
            signal.raise_signal(signal.SIGINT)
            steps.append("completed")

    with pytest.raises(KeyboardInterrupt):
        work()
    assert steps == ["completed"]
    assert signal.getsignal(signal.SIGINT) is before


def test_nothing_is_deferred_in_other_threads() -> None:
    handlers = []

    def look() -> None:
        with interrupts_deferred():
            handlers.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert handlers == [signal.getsignal(signal.SIGINT)]
