"""`lrtui resume` continues a stored run, and `lrtui branch` starts a new one from the end of one of its epochs."""

from __future__ import annotations

import click

from lrtui.cli.command import Command, option
from lrtui.cli.headless import follow, headless_notifier
from lrtui.cli.options import (
    Decorator,
    load_settings,
    max_of_setting,
    notify_options,
    output_options,
    read_count,
    read_number,
    schedule_argument,
)
from lrtui.cli.printer import Printer
from lrtui.cli.run_findings import course_lines
from lrtui.cli.stored_runs import folder_of, run_argument, store_option
from lrtui.cli.torchrun import check_processes, follow_rank_0
from lrtui.distributed.torchrun import is_first_rank
from lrtui.engine.resume import describe_user_files, plan_branch, plan_resume
from lrtui.engine.session import Session
from lrtui.text.format import counted, duration


def nproc_option() -> Decorator:
    """Add the option for another number of processes than the stored run has."""
    return option("--nproc", metavar="N", help="train with this number of processes (default: that of the stored run)")


def _processes(nproc: str | None) -> int | None:
    return None if nproc is None else read_count("--nproc", nproc, maximum=max_of_setting("nproc"))


RESUME_EPILOG = """\
Examples:
  lrtui resume last
  lrtui resume 12 --epochs 20
  lrtui resume 12 --schedule "CosineAnnealingLR() from current"
"""


@click.command(cls=Command, epilog=RESUME_EPILOG)
@run_argument()
@option("--epochs", metavar="N", help="extend the run to this number of epochs, those done included")
@option("--schedule", metavar="S", help="switch to another schedule, from base|current|start")
@option("--lr", metavar="X", help="set the lr; the rest of the schedule is scaled with it")
@option("--from-step", metavar="N", help="resume from the checkpoint of this step instead of the newest")
@nproc_option()
@store_option()
@output_options()
@notify_options()
def resume(
    run: str,
    epochs: str | None,
    schedule: str | None,
    lr: str | None,
    from_step: str | None,
    nproc: str | None,
    store: str | None,
    as_json: bool,
    quiet: bool,
    notify: str | None,
    notify_terminal: bool,
) -> int:
    """The run keeps its number and ends bit-identical to one that was never interrupted (on the same machine, with the
    same versions and number of threads). Events after the checkpoint are superseded; commands sent after it are applied
    again at the same steps. With another number of processes it continues the same order of the data, and its losses
    differ by rounding.
    """
    check_processes(nproc)
    new_lr = None if lr is None else read_number("--lr", lr)
    new_epochs = None if epochs is None else read_count("--epochs", epochs, maximum=max_of_setting("epochs"))
    step = None if from_step is None else read_count("--from-step", from_step)
    processes = _processes(nproc)
    if not is_first_rank():
        return follow_rank_0()
    plan = plan_resume(
        folder_of(store), run, schedule=schedule, lr=new_lr, epochs=new_epochs, step=step, nproc=processes
    )
    printer = Printer(as_json=as_json, quiet=quiet, log_interval=plan.spec.log_interval)
    settings = load_settings()
    notifier = headless_notifier(notify or settings.notify, notify_terminal or settings.notify_terminal, printer.warn)
    for line in describe_user_files(plan):
        printer.warn(line)
    repeated = max(0, plan.run.step - plan.file.step)
    printer.say(
        f"{plan.run.title} continues at step {plan.file.step:,}"
        + (f" of {plan.run.total_steps:,}" if plan.run.total_steps else "")
        + f", after {duration(plan.run.seconds)} of training"
        + (f"; {counted(repeated, 'step')} after its checkpoint will be repeated" if repeated else "")
    )
    for change in plan.commands:
        printer.say(f"changed: {change.text}")
    for line in course_lines(plan.course, plan.spec.accumulate):
        printer.warn(line)
    return follow(lambda: Session().start(plan.spec, plan), printer, "lrtui resume", notifier)


BRANCH_EPILOG = """\
Examples:
  lrtui branch last --at-epoch 4 "CosineAnnealingLR()"
  lrtui branch 12 --at-epoch 4 "OneCycleLR(max_lr=0.003) from base" --name rescue
  lrtui branch 12 --at-epoch 4 "lr*0.5"
"""


@click.command(cls=Command, epilog=BRANCH_EPILOG)
@run_argument()
@schedule_argument(help_text="The schedule of the branch, with from base|current|start if needed; or lr*X, lr=X.")
@option("--at-epoch", metavar="N", required=True, help="branch at the end of this epoch")
@option("--name", metavar="TEXT", help="a name for the branch")
@nproc_option()
@store_option()
@output_options()
@notify_options()
def branch(
    run: str,
    schedule: str,
    at_epoch: str,
    name: str | None,
    nproc: str | None,
    store: str | None,
    as_json: bool,
    quiet: bool,
    notify: str | None,
    notify_terminal: bool,
) -> int:
    """The branch has the parent's weights, optimizer state and data order at that point. Its schedule replaces the
    parent's: from base (default: from the configured lr, over the remaining epochs), current or start. With lr*X or
    lr=X the parent's schedule continues at another lr.
    """
    check_processes(nproc)
    epoch = read_count("--at-epoch", at_epoch, maximum=max_of_setting("epochs"))
    processes = _processes(nproc)
    if not is_first_rank():
        return follow_rank_0()
    plan = plan_branch(folder_of(store), run, epoch, schedule, name, processes)
    printer = Printer(as_json=as_json, quiet=quiet, log_interval=plan.spec.log_interval)
    settings = load_settings()
    notifier = headless_notifier(notify or settings.notify, notify_terminal or settings.notify_terminal, printer.warn)
    for line in describe_user_files(plan):
        printer.warn(line)
    printer.say(f"a branch of {plan.run.title} after epoch {epoch}, at step {plan.file.step:,}")
    for line in course_lines(plan.course, plan.spec.accumulate):
        printer.warn(line)
    return follow(lambda: Session().start(plan.spec, plan), printer, "lrtui branch", notifier)
