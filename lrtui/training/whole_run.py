"""A whole run, from the import of torch to its last event: what the training thread does."""

from __future__ import annotations

from lrtui.run.commands import Stop
from lrtui.run.errors import LrtuiError
from lrtui.run.events import CommandRefused, Outcome, RunFinished
from lrtui.run.inbox import Inbox
from lrtui.run.spec import RunSpec
from lrtui.tasks.fault import describe_exception
from lrtui.tasks.task import Task
from lrtui.training.command_desk import StopRequested
from lrtui.training.loop import Loop
from lrtui.training.loss_buffer import Diverged
from lrtui.training.memory import keep_freed_memory
from lrtui.training.reporter import Reporter
from lrtui.training.run_setup import set_up


def train(spec: RunSpec, inbox: Inbox, reporter: Reporter, task: Task | None = None) -> LrtuiError | None:
    """Train as the spec says; everything that happens, failure included, is told through the reporter.

    Args:
        task: what is trained, in place of the one that the spec names.

    Returns:
        The error of the user's words, data or task that ended the run, or None.
    """
    keep_freed_memory()
    try:
        setup = set_up(spec, lambda text: _tell(text, inbox, reporter), task)
        _stop_if_asked(inbox)
        Loop(setup, inbox, reporter).run()
    except StopRequested:
        _finish(inbox, reporter, "stopped")
    except Diverged:
        reporter.notice(
            "not-finite",
            f"the loss is not finite at step {reporter.step - 1:,}: the run ends here. Restart with a lower lr.",
            level="error",
        )
        _finish(inbox, reporter, "diverged")
    except LrtuiError as error:
        _finish(inbox, reporter, "failed", str(error))
        return error
    except Exception as error:  # whatever a model, a data set or a device can raise ends this run, and is shown
        _finish(inbox, reporter, "failed", describe_exception(error))
    else:
        _finish(inbox, reporter, "done")
    return None


def _tell(text: str, inbox: Inbox, reporter: Reporter) -> None:
    """Pass a line of narration on; a download is left here, where the user has stopped the run."""
    reporter.notice("data", text)
    _stop_if_asked(inbox)


def _stop_if_asked(inbox: Inbox) -> None:
    """Leave before the first batch where the user has stopped the run while its data was being loaded."""
    waiting = [command for command in iter(inbox.take, None)]
    if any(isinstance(command, Stop) for command in waiting):
        raise StopRequested
    for command in waiting:
        inbox.send(command)


def _finish(inbox: Inbox, reporter: Reporter, outcome: Outcome, error: str | None = None) -> None:
    while (command := inbox.take()) is not None:
        if not isinstance(command, Stop):
            reporter.say(CommandRefused, command=command.words, reason=f"the run is over: {outcome}")
    reporter.say(RunFinished, outcome=outcome, error=error)
