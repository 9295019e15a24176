"""A whole run, from loading the data to its last event: what the training thread does."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch

from lrtui.distributed.process_group import ALONE, ProcessGroup
from lrtui.run.commands import Stop
from lrtui.run.errors import LrtuiError, StoreError, describe_exception
from lrtui.run.inbox import Inbox
from lrtui.run.spec import RunSpec
from lrtui.tasks.task import Task
from lrtui.training.checkpoint.files import ResumePoint
from lrtui.training.checkpoint.policy import Checkpoints
from lrtui.training.checkpoint.resume import read_resume_point
from lrtui.training.command_handler import StopRequested
from lrtui.training.loop import Loop
from lrtui.training.loss_buffer import Diverged
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
    take_model: Callable[[torch.nn.Module], object] | None = None,
    group: ProcessGroup = ALONE,
) -> LrtuiError | None:
    """Train as the spec says; everything that happens, failure included, is published through the reporter.

    Args:
        task: replaces the one that the spec names.
        checkpoints: checkpoints of the run; None makes none.
        resume_point: where the run resumes or branches; None for a new run. If that is impossible, the run fails
            before RunStarted.
        take_model: receives the model when it is built.
        group: the processes that train the run together: all call this, and the settings, the resume point and the
            commands are those that rank 0 has. Only rank 0 has a feed that is read, and checkpoints.

    Returns:
        The error of the user's settings, data or task that ended the run, or None.
    """
    checkpoints = checkpoints or Checkpoints()
    loop: Loop | None = None
    failure: BaseException | None = None

    def say(text: str) -> None:
        reporter.notice("data", text)
        # ends a download; once the loop runs it handles Stop itself
        if loop is None:
            _stop_if_asked(inbox, group)

    try:
        group.begin_run(lambda because: inbox.send(Stop(because)))
        resumed = None
        if resume_point is not None and group.is_first:
            resumed = read_resume_point(resume_point)
            resumed.check_changes()
        spec, resumed = group.broadcast((spec, resumed))
        if resumed is not None:
            reporter.resume_at(resumed.checkpoint.step, resumed.checkpoint.seconds)
            if not resumed.is_branch:
                checkpoints.resume_from(resumed.checkpoint)
        setup = set_up(spec, say, task, group)
        if resumed is not None:
            setup = resumed.resumed_setup(setup)
        _stop_if_asked(inbox, group)
        loop = Loop(setup, inbox, reporter, checkpoints, resumed)
        # frees the memory of the checkpoint, which is as large as the model and its optimizer
        del resumed
        if take_model is not None:
            take_model(setup.model)
        loop.run()
    except StopRequested as stop:
        try:
            checkpoints.check_owner()
        except StoreError as error:
            failure = error
            finish_run(inbox, reporter, "failed", str(error), command_id=stop.command_id)
            return error
        finish_run(inbox, reporter, "stopped", command_id=stop.command_id)
    except Diverged:
        reporter.notice("not-finite", _describe_divergence(reporter.step - 1, setup.optimizer), level="error")
        finish_run(inbox, reporter, "diverged")
    except (Exception, SystemExit, KeyboardInterrupt) as error:
        # a model, a data set or a device can raise anything; it ends this run and is shown
        failure = group.explained(error)
        if isinstance(failure, LrtuiError):
            finish_run(inbox, reporter, "failed", str(failure))
            # the other processes leave it to rank 0 to report it, if it is still there
            return failure if group.is_first or group.is_first_lost else None
        finish_run(inbox, reporter, "failed", describe_exception(failure))
    else:
        finish_run(inbox, reporter, "done")
    finally:
        group.end_run(failure)
    return None


def _describe_divergence(step: int, optimizer: torch.optim.Optimizer) -> str:
    """Return the message for a loss that is not finite; the lr may have been the cause."""
    lrs = [float(group["lr"]) for group in optimizer.param_groups]
    if all(math.isfinite(lr) for lr in lrs):
        return f"the loss is not finite at step {step:,}: the run ends here. Restart with a lower lr."
    return (
        f"neither the loss nor the lr ({', '.join(map(repr, lrs))}) is finite at step {step:,}: the run ends here. "
        "The cause is the schedule: run lrtui preview to see where."
    )


def _stop_if_asked(inbox: Inbox, group: ProcessGroup) -> None:
    """Leave if the user stopped the run while its data was being loaded; other commands stay in the inbox."""
    stop = inbox.find(Stop) if group.is_first else None
    if stop is not None or not group.is_first:
        # torchrun stops the processes when one of them has failed
        group.check()
    if stop is not None:
        raise StopRequested(stop.id)
