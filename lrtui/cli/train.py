"""`lrtui train`: trains without the cockpit."""

from __future__ import annotations

from typing import Any

import click

from lrtui.cli.command import Command
from lrtui.cli.headless import follow, headless_notifier
from lrtui.cli.optimizer_options import joined_schedule, schedule_by_optimizer_option
from lrtui.cli.options import (
    check_notation,
    load_settings,
    notify_options,
    output_options,
    read_spec,
    run_options,
    schedule_argument,
)
from lrtui.cli.printer import Printer
from lrtui.cli.torchrun import check_processes, follow_rank_0
from lrtui.distributed.torchrun import is_first_rank
from lrtui.engine.session import Session
from lrtui.run.errors import UsageError
from lrtui.tasks.registry import find_task

EPILOG = """\
Exit status: 0 done, 1 failed, 2 usage error, 3 the loss diverged, 130 interrupted (Ctrl-C: after the batch in
progress; a second one: immediately), 143 terminated, 129 terminal closed (under nohup the run continues). An
interrupted run that is stored is saved first; lrtui resume continues it.

SCHEDULE can be left out if the task has a schedule of its own.

Examples:
  lrtui train "ExponentialLR(gamma=0.1)"
  lrtui train "OneCycleLR(max_lr=0.003)" --precision bf16
  lrtui train "StepLR(step_size=3, gamma=0.5)" --optimizer "SGD(lr=0.1, momentum=0.9)" --json > run.jsonl
"""


@click.command(cls=Command, epilog=EPILOG)
@schedule_argument(required=False)
@schedule_by_optimizer_option()
@output_options()
@notify_options()
@run_options()
def command(
    schedule: str | None, as_json: bool, quiet: bool, notify: str | None, notify_terminal: bool, **options: Any
) -> int:
    """The tutorial's lines, or JSON objects, go to standard output and everything else to standard error."""
    check_processes(options["nproc"])
    settings = load_settings()
    # a task may have a schedule of its own
    named = joined_schedule(schedule, options, needed=not options.get("task"))
    spec = read_spec(options, named, settings.run)
    if named is None and getattr(find_task(spec.task), "schedule", None) is None:
        raise UsageError(f"a schedule is needed: the argument SCHEDULE; {spec.task} has none of its own")
    check_notation(spec)
    if not is_first_rank():
        return follow_rank_0()
    printer = Printer(as_json=as_json, quiet=quiet, log_interval=spec.log_interval)
    notifier = headless_notifier(notify or settings.notify, notify_terminal or settings.notify_terminal, printer.warn)
    return follow(lambda: Session().start(spec), printer, "lrtui train", notifier)
