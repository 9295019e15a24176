"""A range test in its thread, and during a run: started, watched, stopped."""

from __future__ import annotations

import pytest
from training_runs import TINY, tiny_spec
from waiting import SECONDS, wait_for

from lrtui.engine.range_test import RangeTestThread
from lrtui.engine.run import Run
from lrtui.engine.session import Session
from lrtui.run.commands import RangeTest, Stop
from lrtui.run.errors import LrtuiError, TaskError, UsageError
from lrtui.run.range_feed import RangeFeed, Sweep

SLOW = TINY.replace(":Tiny", ":Slow")


def test_the_curve_ignores_schedule_and_script() -> None:
    spec = tiny_spec(schedule="OneCycleLR(max_lr=5.0)", optimizer="SGD(lr=0.1, momentum=0.9)", at=("step 2: stop",))
    test = RangeTestThread(spec, Sweep(1e-5, 1.0, 40)).start()
    curve = test.result()
    assert test.join(SECONDS)
    assert test.feed.current_lr == 0.1
    assert len(curve) == 40
    assert any(line.startswith("data: ") for line in test.messages)
    # the same settings, the same curve
    again = RangeTestThread(tiny_spec(optimizer="SGD(lr=0.1, momentum=0.9)"), Sweep(1e-5, 1.0, 40)).start()
    assert again.result().losses == curve.losses
    assert again.join(SECONDS)
    with pytest.raises(UsageError, match="started before"):
        again.start()


def test_an_error_in_the_task_is_raised() -> None:
    test = RangeTestThread(tiny_spec(task=TINY.replace(":Tiny", ":Breaks"))).start()
    with pytest.raises(TaskError, match="this loss is broken"):
        test.result()
    assert test.join(SECONDS)


def test_a_range_test_can_be_stopped_and_excludes_other_computations() -> None:
    session = Session()
    test = session.start_range_test(tiny_spec(task=SLOW), Sweep(steps=5000))
    wait_for(lambda: len(test.feed.take()))
    with pytest.raises(LrtuiError, match="a range test is still running"):
        Run(tiny_spec()).start()
    with pytest.raises(LrtuiError, match="a range test is still running"):
        session.start_range_test(tiny_spec(), Sweep())
    # leaving ends it
    assert session.close(SECONDS)
    assert test.feed.end is not None
    assert test.feed.end.outcome == "stopped"
    Run(tiny_spec(epochs=1)).start().result()


def test_during_a_run_only_that_run_can_start_a_range_test() -> None:
    run = Run(tiny_spec(task=SLOW, epochs=1000)).start()
    with pytest.raises(LrtuiError, match="run #1 is still running"):
        RangeTestThread(tiny_spec()).start()
    feed = RangeFeed()
    assert run.send(RangeTest(Sweep(steps=30), feed))
    assert feed.wait(SECONDS)
    assert feed.end is not None
    assert feed.end.error is None
    assert len(feed.take()) > 10
    run.send(Stop())
    assert run.join(SECONDS)


def test_a_range_test_sent_after_the_run_fails_with_a_message() -> None:
    run = Run(tiny_spec(epochs=1)).start()
    run.result()
    run.join()
    late = RangeFeed()
    assert not run.send(RangeTest(Sweep(), late))
    assert late.end is not None
    assert "run #1 ended before the range test started" in str(late.end.error)


def test_a_range_test_that_the_run_never_reached_fails_with_a_message() -> None:
    run, feed = Run(tiny_spec(task=SLOW, epochs=1000)), RangeFeed()
    # both wait for the first step: the run ends before it
    run.send(Stop())
    run.send(RangeTest(Sweep(), feed))
    run.start()
    assert feed.wait(SECONDS)
    assert feed.end is not None
    assert "ended before the range test started" in str(feed.end.error)
    assert run.join(SECONDS)
