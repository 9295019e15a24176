"""A range test on a fresh model, run in a thread.

Imports neither Textual nor torch, like `lrtui.engine.run`: the thread imports torch when it starts.
"""

from __future__ import annotations

import gc
from dataclasses import replace
from typing import TYPE_CHECKING

from lrtui.engine.interpreter_exit import stop_at_exit
from lrtui.engine.lock import exclusive
from lrtui.engine.own_process import import_torch, tune_memory, tune_thread
from lrtui.engine.time_slice import COMPUTING_SECONDS
from lrtui.run.daemon_thread import DaemonThread
from lrtui.run.errors import LrtuiError, UsageError
from lrtui.run.range_curve import RangeCurve
from lrtui.run.range_feed import RangeEnd, RangeFeed, Sweep
from lrtui.run.spec import RunSpec

if TYPE_CHECKING:
    from lrtui.tasks.task import Task

NO_SCHEDULE = 'LambdaLR("1")'
"""Replaces the schedule: the lr and the momentum stay as configured."""


class RangeTestThread:
    """A range test on the model, data and optimizer that a run of these settings would start with.

    ```
    test = RangeTestThread(RunSpec(optimizer="SGD(lr=0.1, momentum=0.9)")).start()
    print(test.result().suggest().suggested)
    ```

    Its points are read from `feed`, which can also stop it. The settings' schedule and script are not used, and nothing
    is stored.

    Args:
        spec: the settings as the user gave them.
        sweep: the lrs to go through.
        task: what is trained, in place of the one that the settings name.
    """

    def __init__(self, spec: RunSpec, sweep: Sweep | None = None, task: Task | None = None) -> None:
        self.spec = replace(spec, schedule=NO_SCHEDULE, at=())
        self.sweep = sweep or Sweep()
        self.feed = RangeFeed()
        self.title = "a range test"
        self.messages: list[str] = []
        """Messages so far: which data, from where, on which device."""
        self._task = task
        # not a Textual worker, which is tied to a widget: leaving the screen must not wait for a batch to end
        self._thread = DaemonThread(self._work, "range-test")

    def start(self) -> RangeTestThread:
        """Start in a thread, and return the test immediately.

        Raises:
            UsageError: if it was started before.
            LrtuiError: while a run or another range test of this process is running.
        """
        if self._thread.was_started:
            raise UsageError("this range test was started before; create a new one")
        with exclusive(self):
            self._thread.start()
        return self

    def join(self, seconds: float | None = None) -> bool:
        """Wait for the thread to end, at most `seconds`; return whether it has ended."""
        return self._thread.join(seconds)

    def request_stop(self, because: str = "") -> None:
        """Ask the thread to stop after the current step; returns immediately."""
        self.feed.stop()

    def result(self) -> RangeCurve:
        """Wait for the end, and return the curve, which is partial if the test was stopped.

        Raises:
            LrtuiError: if it failed; says why.
        """
        self.feed.wait()
        # until it has ended, the random states are its own
        self.join()
        end = self.feed.end
        if end is not None and end.error is not None:
            raise end.error
        curve = RangeCurve(self.sweep)
        for lr, loss in self.feed.take():
            curve.add(lr, loss)
        return curve

    def _say(self, text: str) -> None:
        self.messages.append(text)
        self.feed.waiting_for = text
        # aborts a download, or the counting of a loader's batches
        if self.feed.is_stopped:
            raise _Stopped

    def _work(self) -> None:
        tune_thread(COMPUTING_SECONDS)
        try:
            self.feed.waiting_for = "importing PyTorch"
            import_torch()
            stop_at_exit(self)
            self._test()
        except _Stopped:
            self.feed.close(RangeEnd("stopped"))
        except LrtuiError as error:
            self.feed.close(RangeEnd("failed", error))
        except (Exception, SystemExit) as error:  # a user's task, and a broken installation, can raise anything
            from lrtui.run.errors import describe_exception

            self.feed.close(RangeEnd("failed", LrtuiError(describe_exception(error))))

    def _test(self) -> None:
        from lrtui.training.device import describe_device, release_device_memory
        from lrtui.training.random_state import own_random_states
        from lrtui.training.range_test import range_test
        from lrtui.training.run_setup import set_up

        tune_memory()
        with own_random_states():
            setup = set_up(self.spec, self._say, self._task)
            device = setup.device
            self._say(f"device: {describe_device(device)}")
            try:
                range_test(setup, self.sweep, self.feed)
            finally:
                del setup
                gc.collect()
                # for the next run
                release_device_memory(device)


class _Stopped(BaseException):
    """Aborts the loading of data; not an Exception, so that a task that catches every Exception does not swallow it."""
