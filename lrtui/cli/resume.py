"""`lrtui resume`: continues a stored run."""

from __future__ import annotations

import click

from lrtui.cli.command import Command, option
from lrtui.cli.headless import follow
from lrtui.cli.options import output_options, read_count, read_number
from lrtui.cli.printer import Printer
from lrtui.cli.stored_runs import folder_of, run_argument, store_option
from lrtui.engine.resume import describe_user_files, plan_resume
from lrtui.engine.session import Session
from lrtui.text.format import duration

EPILOG = """\
Examples:
  lrtui resume last
  lrtui resume 12 --epochs 20
  lrtui resume 12 --schedule "CosineAnnealingLR() from current"
"""


@click.command(cls=Command, epilog=EPILOG)
@run_argument()
@option("--epochs", metavar="N", help="extend the run to this number of epochs, those done included")
@option("--schedule", metavar="S", help="switch to another schedule, from base|current|start")
@option("--lr", metavar="X", help="set the lr; the rest of the schedule is scaled with it")
@store_option()
@output_options()
def command(
    run: str, epochs: str | None, schedule: str | None, lr: str | None, store: str | None, as_json: bool, quiet: bool
) -> int:
    """The run keeps its number and ends bit-identical to one that was never interrupted (on the same machine, with the
    same versions and number of threads). Events after the checkpoint are superseded; commands sent after it are applied
    again at the same steps.
    """
    new_lr = None if lr is None else read_number("--lr", lr)
    new_epochs = None if epochs is None else read_count("--epochs", epochs)
    plan = plan_resume(folder_of(store), run, schedule=schedule, lr=new_lr, epochs=new_epochs)
    printer = Printer(as_json=as_json, quiet=quiet, log_interval=plan.spec.log_interval)
    for line in describe_user_files(plan):
        printer.warn(line)
    repeated = max(0, plan.run.step - plan.file.step)
    printer.say(
        f"{plan.run.title} continues at step {plan.file.step:,}"
        + (f" of {plan.run.total_steps:,}" if plan.run.total_steps else "")
        + f", after {duration(plan.run.seconds)} of training"
        + (f"; {repeated:,} steps after its checkpoint are repeated" if repeated else "")
    )
    for change in plan.commands:
        printer.say(f"changed: {change.text}")
    return follow(lambda: Session().start(plan.spec, plan), printer, "lrtui resume")
