"""`lrtui branch`: starts a new run from the end of a stored run's epoch."""

from __future__ import annotations

import click

from lrtui.cli.command import Command, option
from lrtui.cli.headless import follow
from lrtui.cli.options import output_options, read_count, schedule_argument
from lrtui.cli.printer import Printer
from lrtui.cli.stored_runs import folder_of, run_argument, store_option
from lrtui.engine.resume import describe_user_files, plan_branch
from lrtui.engine.session import Session

EPILOG = """\
Examples:
  lrtui branch last --at-epoch 4 "CosineAnnealingLR()"
  lrtui branch 12 --at-epoch 4 "OneCycleLR(max_lr=0.003) from base" --name rescue
  lrtui branch 12 --at-epoch 4 "lr*0.5"
"""


@click.command(cls=Command, epilog=EPILOG)
@run_argument()
@schedule_argument(help_text="The schedule of the branch, with from base|current|start if needed; or lr*X, lr=X.")
@option("--at-epoch", metavar="N", required=True, help="branch at the end of this epoch")
@option("--name", metavar="TEXT", help="a name for the branch")
@store_option()
@output_options()
def command(
    run: str, schedule: str, at_epoch: str, name: str | None, store: str | None, as_json: bool, quiet: bool
) -> int:
    """The branch has the parent's weights, optimizer state and data order at that point. Its schedule replaces the
    parent's: from base (default: from the configured lr, over the remaining epochs), current or start. With lr*X or
    lr=X the parent's schedule continues at another lr.
    """
    epoch = read_count("--at-epoch", at_epoch)
    plan = plan_branch(folder_of(store), run, epoch, schedule, name)
    printer = Printer(as_json=as_json, quiet=quiet, log_interval=plan.spec.log_interval)
    for line in describe_user_files(plan):
        printer.warn(line)
    printer.say(f"a branch of {plan.run.title} after epoch {epoch}, at step {plan.file.step:,}")
    return follow(lambda: Session().start(plan.spec, plan), printer, "lrtui branch")
