"""`lrtui code`: writes a schedule as PyTorch code."""

from __future__ import annotations

from typing import Any

import click

from lrtui.cli.command import Command
from lrtui.cli.options import (
    LENGTH_OPTIONS,
    check_task,
    length_option,
    load_settings,
    read_batches_per_epoch,
    read_spec,
    run_options,
    schedule_argument,
)
from lrtui.schedules.notation import parse_optimizer, parse_schedule
from lrtui.schedules.script import read_script

EPILOG = """\
Examples:
  lrtui code "StepLR(step_size=3, gamma=0.5)" > train.py
  lrtui code "OneCycleLR(max_lr=0.003)" --optimizer "AdamW(lr=0.003)" --epochs 30 --batches-per-epoch 500
  lrtui code "StepLR(3)" --at "epoch 4: CosineAnnealingLR() from current"
"""

OPTIONS = (*LENGTH_OPTIONS, "clip_grad_norm", "precision", "at")

MAX_STEPS_TRIED = 1_000_000
"""Maximum number of steps for which the schedule is simulated before its code is written; it takes a few seconds."""


@click.command(cls=Command, epilog=EPILOG)
@schedule_argument()
@length_option()
@run_options(OPTIONS)
def command(schedule: str, batches_per_epoch: str | None, **options: Any) -> int:
    """The code has the optimizer with its groups, the scheduler with all its arguments, step() at its place in a
    training loop, and the changes of --at. Put your own model and data where the comments say so. For a run that was
    trained, with its switches and nudges, use lrtui runs code RUN.
    """
    parsed = parse_schedule(schedule)
    spec = read_spec(options, schedule, load_settings().run)
    parse_optimizer(spec.optimizer)
    check_task(spec.task)
    batches = read_batches_per_epoch(batches_per_epoch, spec)
    read_script(spec.at, spec.epochs, batches)
    # the user's code is not executed for this
    is_users = any(part.user_path for part in parsed.walk())
    from lrtui.engine.run_code import code_of_spec

    tried = not is_users and spec.epochs * batches <= MAX_STEPS_TRIED
    print(code_of_spec(spec, batches, tried=tried), end="")
    return 0
