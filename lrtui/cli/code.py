"""`lrtui code`: a schedule as PyTorch code that runs by itself."""

from __future__ import annotations

import argparse

from lrtui.cli.epoch_length import OPTIONS as LENGTH_OPTIONS
from lrtui.cli.epoch_length import add_length_option, read_batches_per_epoch
from lrtui.cli.options import add_run_options, check_task, read_spec, told_settings
from lrtui.schedules.notation import parse_optimizer, parse_schedule
from lrtui.schedules.script import Script

EPILOG = """\
optimizer with its groups, scheduler with its lengths written out, and step() in its place in a training loop; what
--at does in mid-run is in it as well. Put your own model and data where the script says so. The code of a run that was
trained, with its switches and nudges, is that of lrtui runs code RUN.

examples:
  lrtui code "StepLR(step_size=3, gamma=0.5)" > train.py
  lrtui code "OneCycleLR(max_lr=0.003)" --optimizer "AdamW(lr=0.003)" --epochs 30 --batches-per-epoch 500
  lrtui code "StepLR(3)" --at "epoch 4: CosineAnnealingLR() from current"
"""

OPTIONS = (*LENGTH_OPTIONS, "clip_grad_norm", "precision", "at")

MOST_CALLS_TRIED = 1_000_000
"""Steps of a run whose schedule is tried before its code is written: some seconds."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's words."""
    parser.add_argument("schedule", metavar="SCHEDULE", help='as PyTorch writes it: "StepLR(step_size=3)"')
    add_run_options(parser, OPTIONS)
    add_length_option(parser)


def main(namespace: argparse.Namespace) -> int:
    """Print, and return the exit status."""
    schedule = parse_schedule(namespace.schedule)
    spec = read_spec(namespace, namespace.schedule, told_settings().run)
    parse_optimizer(spec.optimizer)
    check_task(spec.task)
    batches_per_epoch = read_batches_per_epoch(namespace.batches_per_epoch, spec)
    Script(spec.at, spec.epochs, batches_per_epoch)
    # a user's own file is run only where there is no way round it
    own = any(part.user_path for part in schedule.walk())
    from lrtui.engine.run_code import code_of_spec

    tried = not own and spec.epochs * batches_per_epoch <= MOST_CALLS_TRIED
    print(code_of_spec(spec, batches_per_epoch, tried=tried), end="")
    return 0
