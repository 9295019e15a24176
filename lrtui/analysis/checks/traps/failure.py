"""Schedules that can't be stepped to the end of the run."""

from __future__ import annotations

from collections.abc import Iterator

from lrtui.analysis.checks.context import ScheduleContext
from lrtui.analysis.checks.fixes import change, counted_from_one, fits, with_default_unit
from lrtui.analysis.checks.trap import Example, Problem, trap
from lrtui.analysis.checks.traps.lr_values import without_growth
from lrtui.schedules.schedule import Schedule
from lrtui.text.format import counted

ORDER = 10


@trap(
    "no-momentum",
    "the schedule cycles the momentum, but the optimizer has none",
    Example(
        "OneCycleLR(max_lr=0.1)",
        "OneCycleLR(max_lr=0.1, cycle_momentum=False)",
        fix_lrs="0.004 0.028 0.076 0.1 0.095 0.081 0.061 0.039 0.019 0.0049 | 4e-07",
        optimizer="Adagrad(lr=0.01)",
    ),
    on_failure=True,
)
def no_momentum(context: ScheduleContext) -> Problem | None:
    """CyclicLR and OneCycleLR lower the momentum while they raise the lr. If the optimizer has neither momentum nor
    betas, PyTorch raises ValueError when the scheduler is created.

    Write cycle_momentum=False, or use an optimizer that has a momentum: SGD(momentum=0.9), Adam.

    Threads: pytorch/pytorch#73910, #19003.
    """
    cycles = [part for part in context.parts if part.entry.cycles_momentum and part.get("cycle_momentum")]
    if not cycles or context.optimizer.momentum_argument is not None:
        return None
    return Problem(
        f"{cycles[0].name} cycles the momentum, and {context.optimizer.name} has none: PyTorch raises ValueError",
        [change(context, cycles, cycle_momentum=False)],
    )


@trap(
    "pct-start",
    "the warm-up of OneCycleLR has only one step",
    Example(
        'OneCycleLR(max_lr=0.003, pct_start=0.1, per="epoch")',
        "OneCycleLR(max_lr=0.003)",
        fix_lrs="0.00012 0.00084 0.0023 0.003 0.0029 0.0024 0.0018 0.0012 0.00056 0.00015 | 1.2e-08",
    ),
    on_failure=True,
)
def pct_start(context: ScheduleContext) -> Problem | None:
    """OneCycleLR raises the lr during pct_start of total_steps. If that is exactly one step, PyTorch divides by zero:
    its warm-up then ends at step 0, where it starts.

    Choose pct_start so that the warm-up has two steps or more.
    """
    for part in context.parts_with("pct_start"):
        steps, share = part.schedule.length or 0, part.get("pct_start")
        if float(share * steps) == 1.0:
            default = change(context, [part], pct_start=None)
            return Problem(
                f"pct_start={share:g} of {counted(steps, 'step')} is a warm-up of 1 step, for which PyTorch divides by "
                "zero",
                [
                    with_default_unit(default),
                    default,
                    change(context, [part], pct_start=0.5),
                    change(context, [part], pct_start=None, total_steps=None, epochs=None, steps_per_epoch=None),
                ],
            )
    return None


@trap(
    "group-count",
    "a list does not match the parameter groups",
    Example(
        "OneCycleLR(max_lr=[0.003, 0.001])",
        "OneCycleLR(max_lr=0.003)",
        fix_lrs="0.00012 0.00084 0.0023 0.003 0.0029 0.0024 0.0018 0.0012 0.00056 0.00015 | 1.2e-08",
    ),
    on_failure=True,
)
def group_count(context: ScheduleContext) -> Problem | None:
    """A list of lrs, factors or functions needs one entry for each parameter group of the optimizer: first the default
    group, then the patterns in the order in which they are written.
    """
    groups = len(context.base_lrs)
    for part in context.parts:
        for name, value in part.schedule.arguments.items():
            parameter = part.entry.parameter(name)
            if parameter is None or parameter.kind not in ("floats", "expression") or not isinstance(value, tuple):
                continue
            if len(value) != groups:
                return Problem(
                    f"{name} of {part.name} has {counted(len(value), 'value')}, but the optimizer has "
                    f"{counted(groups, 'parameter group')}: PyTorch raises an error",
                    [change(context, [part], **{name: value[0]})] if value else (),
                )
    return None


@trap(
    "cannot-run",
    "PyTorch refuses the schedule, or fails during the run",
    Example(
        'LambdaLR("1 / epoch")',
        'LambdaLR("1 / (epoch + 1)")',
        fix_lrs="0.01 0.005 0.0033 0.0025 0.002 0.0017 0.0014 0.0013 0.0011 0.001 | 0.001",
    ),
    on_failure=True,
)
def cannot_run(context: ScheduleContext) -> Problem | None:
    """The schedule was created and stepped through the whole run, as in training, and an exception was raised. The
    message is PyTorch's, or that of your class.
    """
    return Problem(" ".join(str(context.error).split()), _repaired(context))


def _repaired(context: ScheduleContext) -> Iterator[Schedule]:
    yield from without_growth(context)
    yield from counted_from_one(context)
    yield from fits(context)
