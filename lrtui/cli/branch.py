"""`lrtui branch`: a new run that begins where a stored one was at an epoch's end."""

from __future__ import annotations

import argparse

from lrtui.cli.headless import follow
from lrtui.cli.options import read_number
from lrtui.cli.printer import Printer
from lrtui.cli.runs.opened_store import folder_of
from lrtui.cli.train import add_output_options
from lrtui.engine.resume import describe_user_files, plan_branch
from lrtui.engine.session import Session

EPILOG = """\
the branch has the parent's weights, optimizer and data order from there on, and the schedule given in place of the
parent's: from base (the default: on the configured lr, over the epochs that remain), current or start. With lr*X or
lr=X the parent's schedule goes on, at another lr.

examples:
  lrtui branch last --at-epoch 4 "CosineAnnealingLR()"
  lrtui branch 12 --at-epoch 4 "OneCycleLR(max_lr=0.003) from base" --name rescue
  lrtui branch 12 --at-epoch 4 "lr*0.5"
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's words."""
    parser.add_argument("run", metavar="RUN", help="an id, a name, or last")
    words = "from there on, with from base|current|start if need be; or lr*X, lr=X"
    parser.add_argument("schedule", metavar="SCHEDULE", help=words)
    parser.add_argument("--at-epoch", metavar="N", required=True, help="the epoch after whose end the branch begins")
    parser.add_argument("--name", metavar="TEXT", help="a name for the branch")
    parser.add_argument("--store", metavar="DIR", help="where the run is kept (default: LRTUI_STORE, or .lrtui here)")
    add_output_options(parser)


def main(namespace: argparse.Namespace) -> int:
    """Branch off, and return the exit status."""
    epoch = int(read_number("--at-epoch", namespace.at_epoch, whole=True))
    plan = plan_branch(folder_of(namespace.store), namespace.run, epoch, namespace.schedule, namespace.name)
    printer = Printer(as_json=namespace.json, quiet=namespace.quiet, log_interval=plan.spec.log_interval)
    for line in describe_user_files(plan):
        printer.warn(line)
    printer.say(f"a branch of {plan.run.title} after epoch {epoch}, at step {plan.file.step:,}")
    return follow(lambda: Session().start(plan.spec, plan), printer, "lrtui branch")
