"""Runs a training loop in the test's own thread, giving commands at exact steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lrtui.run.commands import Command
from lrtui.run.events import Event
from lrtui.run.feed import LiveFeed
from lrtui.run.inbox import Inbox
from lrtui.run.spec import RunSpec
from lrtui.training.checkpoint.files import ResumePoint
from lrtui.training.checkpoint.policy import Checkpoints
from lrtui.training.reporter import Reporter
from lrtui.training.train import train

TINY = f"{Path(__file__).parent / 'tiny_task.py'}:Tiny"


class ScriptedInbox(Inbox):
    """Sends each command before the step it is scripted for, as counted by `reporter.step`.

    Args:
        meets_tests: whether commands at the end of an epoch arrive during its evaluation; otherwise after it.
        look: how many times the evaluation polls the inbox before they arrive.
    """

    def __init__(self, script: Mapping[int, Sequence[Command]], *, meets_tests: bool = False, look: int = 0) -> None:
        super().__init__()
        self._meets_tests = meets_tests
        self._polls_left = look
        self._script = {step: list(commands) for step, commands in script.items()}
        self.reporter: Reporter | None = None

    def _send_due(self) -> None:
        assert self.reporter is not None
        for step in [step for step in self._script if step <= self.reporter.step]:
            for command in self._script.pop(step):
                self.send(command)

    def take(self) -> Command | None:
        if self._meets_tests and self.reporter is not None and any(step <= self.reporter.step for step in self._script):
            if self._polls_left == 0:
                self._send_due()
            self._polls_left = max(0, self._polls_left - 1)
        return super().take()

    def __len__(self) -> int:
        if self.reporter is not None:
            self._send_due()
        return super().__len__()


def tiny_spec(**settings: Any) -> RunSpec:
    """Return the settings of a run with 6 steps per epoch."""
    return RunSpec(**{"task": TINY, "batch_size": 16, "epochs": 4, "log_interval": 2, **settings})


def run_events(
    spec: RunSpec,
    script: Mapping[int, Sequence[Command]] | None = None,
    *,
    meets_tests: bool = False,
    look: int = 0,
    task: Any = None,
    checkpoints: Checkpoints | None = None,
    resume_point: ResumePoint | None = None,
    next_seq: int = 0,
) -> list[Event]:
    """Return all events of a run with these settings.

    Args:
        script: commands by the step before which they are sent.
        meets_tests: as for `ScriptedInbox`.
        look: as for `ScriptedInbox`.
        task: used instead of the spec's.
        checkpoints: where the run saves its checkpoints; None to save none.
        resume_point: where it resumes; None for a new run.
        next_seq: sequence number of the first event.
    """
    feed = LiveFeed()
    reporter = Reporter(feed, next_seq=next_seq)
    inbox = ScriptedInbox(script or {}, meets_tests=meets_tests, look=look)
    inbox.reporter = reporter
    train(spec, inbox, reporter, task, checkpoints=checkpoints, resume_point=resume_point)
    return feed.take(10**9)
