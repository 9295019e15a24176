"""A whole run, from the import of torch to its last event: what the training thread does."""

from __future__ import annotations

import math

import torch

from lrtui.run.commands import Stop
from lrtui.run.errors import LrtuiError
from lrtui.run.inbox import Inbox
from lrtui.run.spec import RunSpec
from lrtui.run.user_error import describe_exception
from lrtui.tasks.task import Task
from lrtui.training.checkpoint.files import ResumePoint
from lrtui.training.checkpoint.policy import Checkpoints
from lrtui.training.checkpoint.resume import ResumedRun
from lrtui.training.command_handler import StopRequested
from lrtui.training.loop import Loop
from lrtui.training.loss_buffer import Diverged
from lrtui.training.memory import keep_freed_memory
from lrtui.training.reporter import Reporter, finish_run
from lrtui.training.run_setup import set_up


def train(
    spec: RunSpec,
    inbox: Inbox,
    reporter: Reporter,
    task: Task | None = None,
    *,
    checkpoints: Checkpoints | None = None,
    resume_point: ResumePoint | None = None,
) -> LrtuiError | None:
    """Train as the spec says; everything that happens, failure included, is told through the reporter.

    Args:
        task: what is trained, in place of the one that the spec names.
        checkpoints: where the run's checkpoints are kept; None where nothing is.
        resume_point: what the run goes on from; None for its beginning. What can't be is refused before RunStarted.

    Returns:
        The error of the user's words, data or task that ended the run, or None.
    """
    keep_freed_memory()
    loop: Loop | None = None

    def say(text: str) -> None:
        reporter.notice("data", text)
        # a download is left here, where the user has stopped the run; the loop has places of its own for that
        if loop is None:
            _stop_if_asked(inbox)

    try:
        resumption = None if resume_point is None else _go_on_from(resume_point, reporter, checkpoints)
        setup = set_up(spec, say, task)
        if resumption is not None:
            setup = resumption.fit(setup)
        _stop_if_asked(inbox)
        loop = Loop(setup, inbox, reporter, checkpoints, resumption)
        # the checkpoint is as large as the model and its optimizer
        del resumption
        loop.run()
    except StopRequested as stop:
        finish_run(inbox, reporter, "stopped", command_id=stop.command_id)
    except Diverged:
        reporter.notice("not-finite", _why_not_finite(reporter.step - 1, setup.optimizer), level="error")
        finish_run(inbox, reporter, "diverged")
    except LrtuiError as error:
        finish_run(inbox, reporter, "failed", str(error))
        return error
    except (Exception, SystemExit, KeyboardInterrupt) as error:
        # whatever a model, a data set or a device can raise ends this run, and is shown
        finish_run(inbox, reporter, "failed", describe_exception(error))
    else:
        finish_run(inbox, reporter, "done")
    return None


def _go_on_from(resume_point: ResumePoint, reporter: Reporter, checkpoints: Checkpoints | None) -> ResumedRun:
    resumption = ResumedRun.read(resume_point)
    saved = resumption.checkpoint
    reporter.go_on_from(saved.step, saved.seconds)
    if checkpoints is not None and not resumption.is_branch:
        checkpoints.go_on_from(saved)
    return resumption


def _why_not_finite(step: int, optimizer: torch.optim.Optimizer) -> str:
    """Return what is told of a loss that is not finite, and what to do; the lr may be what was not finite first."""
    lrs = [float(group["lr"]) for group in optimizer.param_groups]
    if all(math.isfinite(lr) for lr in lrs):
        return f"the loss is not finite at step {step:,}: the run ends here. Restart with a lower lr."
    told = ", ".join(map(repr, lrs))
    return (
        f"the loss is not finite at step {step:,}, and nor is the lr ({told}): the run ends here. "
        "The schedule is at fault: lrtui preview shows where."
    )


def _stop_if_asked(inbox: Inbox) -> None:
    """Leave if the user has stopped the run while its data was being loaded; other commands stay where they are."""
    if (stop := inbox.find(Stop)) is not None:
        raise StopRequested(stop.id)
