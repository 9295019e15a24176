"""Ctrl-C while a run is waited for: the run goes on, and no event is lost."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tiny_task import Slow, Tiny
from waiting import SECONDS

from lrtui import Event, Run, RunSpec, StepDone
from lrtui.run.feed import FeedItem


@pytest.fixture(autouse=True)
def interrupts_raise() -> Iterator[None]:
    """Let SIGINT raise a KeyboardInterrupt: the command line, which other tests call, leaves its own handler."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def interrupt_after(seconds: float, wait: Callable[[], object]) -> None:
    """Wait, and send this process a SIGINT meanwhile, as Ctrl-C does."""
    timer = threading.Timer(seconds, lambda: os.kill(os.getpid(), signal.SIGINT))
    timer.start()
    wait()


def test_a_run_goes_on_after_ctrl_c_and_can_be_waited_for_again() -> None:
    run = Run(RunSpec(schedule="StepLR(1)", batch_size=16, epochs=1000), Slow()).start()
    waits: list[Callable[[], Any]] = [run.result, lambda: [None for _ in run], lambda: run.join(SECONDS)]
    for wait in waits:
        with pytest.raises(KeyboardInterrupt):
            interrupt_after(0.3, wait)
        assert run.is_live
        assert not run.join(0)
    before = run.state.step
    for event in run:
        if isinstance(event, StepDone) and event.step > before:
            break
    run.send("stop")
    assert run.result().status == "stopped"
    assert len(run.state.loss) == run.state.step > before


def test_ctrl_c_while_events_are_folded_loses_none_of_them() -> None:
    run = Run(RunSpec(schedule="StepLR(1)", batch_size=16, epochs=1), Tiny()).start()
    assert run.join(SECONDS)
    fold = run.state.fold

    def interrupted(items: Any) -> None:
        taken: list[FeedItem] = list(items)
        fold(taken[:2])
        if taken:
            signal.raise_signal(signal.SIGINT)
        fold(taken[2:])

    seen: list[Event] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(run.state), "fold", lambda state, items: interrupted(items))
        with pytest.raises(KeyboardInterrupt):
            seen += run.poll()
    assert not seen
    assert run.is_live
    seen += run.poll()
    assert run.state.version == len(seen) > 6
    assert run.result().status == "done"
