"""`lrtui train`: a run without a screen."""

from __future__ import annotations

import argparse

from lrtui.cli.headless import follow
from lrtui.cli.options import add_run_options, check_words, read_spec, told_settings
from lrtui.cli.printer import Printer
from lrtui.engine.session import Session

EPILOG = """\
standard output has, and is, the tutorial's lines (or JSON objects); everything else goes to standard error.

exit status: 0 done, 1 failed, 2 the words are off, 3 the loss diverged, 130 interrupted (Ctrl-C: after the batch
under way; a second one: at once), 143 terminated, 129 hung up (under nohup a run goes on); a run that is kept in a
store is saved by all three, and lrtui resume goes on with it

examples:
  lrtui train "ExponentialLR(gamma=0.1)"
  lrtui train "OneCycleLR(max_lr=0.003)" --precision bf16
  lrtui train "StepLR(step_size=3, gamma=0.5)" --optimizer "SGD(lr=0.1, momentum=0.9)" --json > run.jsonl
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's words."""
    parser.add_argument("schedule", metavar="SCHEDULE", help='as PyTorch writes it: "StepLR(step_size=3)"')
    add_run_options(parser)
    add_output_options(parser)


def add_output_options(parser: argparse.ArgumentParser) -> None:
    """Add what says how a run is printed."""
    parser.add_argument("--json", action="store_true", help="print every event as a JSON object, one a line")
    parser.add_argument(
        "--quiet", action="store_true", help="print test results, the data's source, warnings and errors only"
    )


def main(namespace: argparse.Namespace) -> int:
    """Train, and return the exit status."""
    spec = read_spec(namespace, namespace.schedule, told_settings().run)
    check_words(spec)
    printer = Printer(as_json=namespace.json, quiet=namespace.quiet, log_interval=spec.log_interval)
    return follow(lambda: Session().start(spec), printer, "lrtui train")
