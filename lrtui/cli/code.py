"""`lrtui code` writes a schedule as PyTorch code, and `lrtui runs code` that of a stored run."""

from __future__ import annotations

from typing import Any

import click

from lrtui.cli.command import Command
from lrtui.cli.optimizer_options import joined_schedule, schedule_by_optimizer_option, with_task_optimizer
from lrtui.cli.options import (
    LENGTH_OPTIONS,
    MAX_BATCHES,
    check_task,
    length_option,
    load_settings,
    read_batches_per_epoch,
    read_spec,
    run_options,
    schedule_argument,
)
from lrtui.cli.stored_runs import find, folder_of, reading, run_argument, store_option
from lrtui.run.errors import UsageError
from lrtui.schedules.horizon import Horizon
from lrtui.schedules.notation import parse_optimizer, parse_schedule
from lrtui.schedules.optimizer_build import check_flags
from lrtui.schedules.script import read_script
from lrtui.text.format import counted

CODE_EPILOG = """\
Examples:
  lrtui code "StepLR(step_size=3, gamma=0.5)" > train.py
  lrtui code "OneCycleLR(max_lr=0.003)" --optimizer "AdamW(lr=0.003)" --epochs 30 --batches-per-epoch 500
  lrtui code "StepLR(3)" --at "epoch 4: CosineAnnealingLR() from current"
"""

OPTIONS = (*LENGTH_OPTIONS, "clip_grad_norm", "precision", "at")

MAX_STEPS_TRIED = 1_000_000
"""Maximum number of steps for which the schedule is simulated before its code is written; it takes a few seconds."""


@click.command(cls=Command, epilog=CODE_EPILOG)
@schedule_argument(required=False)
@schedule_by_optimizer_option()
@length_option()
@run_options(OPTIONS)
def code(schedule: str | None, batches_per_epoch: str | None, **options: Any) -> int:
    """The code has the optimizer with its groups, the scheduler with all its arguments, step() at its place in a
    training loop, and the changes of --at. Put your own model and data where the comments say so. For a run that was
    trained, with its switches and nudges, use lrtui runs code RUN.
    """
    schedule = joined_schedule(schedule, options)
    spec = read_spec(options, schedule, load_settings().run)
    parsed = parse_schedule(spec.schedule)
    # as if for CUDA, since the code may run on another device; a comment in it names the flags that need CUDA
    optimizer = parse_optimizer(spec.optimizer)
    check_flags(optimizer, "cuda")
    check_task(spec.task)
    batches = read_batches_per_epoch(batches_per_epoch, spec)
    horizon = Horizon.of(spec, batches)
    read_script(spec.at, horizon.epochs, batches, max_steps=horizon.max_steps)
    if spec.at and horizon.total_steps > MAX_BATCHES:
        raise UsageError(
            f"{counted(horizon.total_steps, 'step')} are too many to simulate, as --at needs; at most {MAX_BATCHES:,}"
        )
    from lrtui.engine.run_code import code_of_spec

    spec = with_task_optimizer(spec)
    has_user_class = bool(optimizer.path) or any(part.user_path for part in parsed.walk())
    # a trial would execute the user's code
    tried = not has_user_class and horizon.total_steps <= MAX_STEPS_TRIED
    print(code_of_spec(spec, batches, tried=tried), end="")
    return 0


CODE_OF_RUN_EPILOG = """\
Examples:
  lrtui runs code last > train.py
  lrtui runs code "long warm-up"
"""


@click.command(cls=Command, epilog=CODE_OF_RUN_EPILOG)
@run_argument()
@store_option()
def code_of_run(run: str, store: str | None) -> int:
    """The code has exactly the run's lr at every step, with the changes made during the run, those of the runs it
    branched from, and those still scheduled by --at. No code of yours is run to write it. Put your own model and data
    where the comments say so.
    """
    # numpy takes 60 ms to import, and --help does not need it
    from lrtui.engine.run_code import code_of_stored

    with reading(folder_of(store)) as connection:
        code = code_of_stored(connection, find(connection, run))
    print(code, end="")
    return 0
