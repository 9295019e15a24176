"""`lrtui resume`: a stored run goes on as if nothing had happened."""

from __future__ import annotations

import argparse

from lrtui.cli.headless import follow
from lrtui.cli.options import read_number
from lrtui.cli.printer import Printer
from lrtui.cli.runs.opened_store import folder_of
from lrtui.cli.train import add_output_options
from lrtui.engine.resume import describe_user_files, plan_resume
from lrtui.engine.session import Session
from lrtui.text.numbers import duration

EPILOG = """\
the run goes on from its last checkpoint under the same number, in mid-epoch, and ends bit-identical to one that was
never interrupted (on the same machine, with the same versions and threads). What it said after the checkpoint is put
aside; what it was told by hand after it is done again at the same steps.

examples:
  lrtui resume last
  lrtui resume 12 --epochs 20
  lrtui resume 12 --schedule "CosineAnnealingLR() from current"
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's words."""
    parser.add_argument("run", metavar="RUN", help="an id, a name, or last")
    parser.add_argument("--epochs", metavar="N", help="make the run longer: its epochs, those done included")
    parser.add_argument("--schedule", metavar="S", help="put another schedule in place, from base|current|start")
    parser.add_argument("--lr", metavar="X", help="set the lr; the rest of the schedule follows in proportion")
    parser.add_argument("--store", metavar="DIR", help="where the run is kept (default: LRTUI_STORE, or .lrtui here)")
    add_output_options(parser)


def main(namespace: argparse.Namespace) -> int:
    """Go on, and return the exit status."""
    lr = None if namespace.lr is None else read_number("--lr", namespace.lr)
    epochs = None if namespace.epochs is None else int(read_number("--epochs", namespace.epochs, whole=True))
    folder = folder_of(namespace.store)
    plan = plan_resume(folder, namespace.run, schedule=namespace.schedule, lr=lr, epochs=epochs)
    printer = Printer(as_json=namespace.json, quiet=namespace.quiet, log_interval=plan.spec.log_interval)
    for line in describe_user_files(plan):
        printer.warn(line)
    aside = max(0, plan.run.step - plan.file.step)
    printer.say(
        f"{plan.run.title} goes on at step {plan.file.step:,}"
        + (f" of {plan.run.total_steps:,}" if plan.run.total_steps else "")
        + f", {duration(plan.run.seconds)} into it"
        + (f"; {aside:,} steps after its checkpoint are done again" if aside else "")
    )
    for change in plan.commands:
        printer.say(f"instead of what it had: {change.text}")
    return follow(lambda: Session().start(plan.spec, plan), printer, "lrtui resume")
