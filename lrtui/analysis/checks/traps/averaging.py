"""SWALR: weight averaging that starts too early or too late, or at too high an lr."""

from __future__ import annotations

from collections.abc import Iterator

from lrtui.analysis.checks.context import Part, ScheduleContext
from lrtui.analysis.checks.fixes import change, fits
from lrtui.analysis.checks.trap import Example, Problem, trap
from lrtui.schedules.schedule import Schedule
from lrtui.text.format import two_digits

ORDER = 70

MIN_WEIGHTS = 2
"""Smallest number of weights in a useful average."""

START = 0.75
"""Share of the run before averaging starts, as in the paper (P. Izmailov et al., "Averaging Weights Leads to Wider
Optima and Better Generalization", 2018)."""


def _averaging_parts(context: ScheduleContext) -> list[tuple[Part, str, str]]:
    """Return the parts that average weights, each with its length argument and the argument of the lr it ends at."""
    return [
        (part, part.entry.length_argument, end.name)
        for part in context.parts
        if part.entry.averages_weights and part.entry.length_argument
        for end in part.entry.lrs("end")
    ]


@trap(
    "swa-lr-high",
    "weights are averaged at a higher lr than they were trained with",
    Example(
        "SequentialLR([CosineAnnealingLR(eta_min=0.002), SWALR(swa_lr=0.05, anneal_epochs=1)], milestones=[7])",
        "SequentialLR([CosineAnnealingLR(eta_min=0.002), SWALR(swa_lr=0.005, anneal_epochs=1)], milestones=[7])",
        "0.01 0.0096 0.0085 0.0069 0.0051 0.0035 0.0024 0.0024 0.05 0.05 | 0.05",
        "0.01 0.0096 0.0085 0.0069 0.0051 0.0035 0.0024 0.0024 0.005 0.005 | 0.005",
    ),
)
def swa_lr_high(context: ScheduleContext) -> Problem | None:
    """SWALR anneals to swa_lr and holds it. If swa_lr is above the optimizer's lr, the lr rises at the end of the run,
    where it should be low and constant.
    """
    base = max(context.base_lrs)
    for part, _, end in _averaging_parts(context):
        given = part.get(end)
        highest = max(given) if isinstance(given, tuple) else given
        if not 0 < base < highest or part.calls < 1:
            continue
        return Problem(
            f"{end}={highest:g} is above the optimizer's lr, {base:g}: the lr rises while the weights are averaged",
            [change(context, [part], **{end: two_digits(base / 2)})],
        )
    return None


@trap(
    "swa-early",
    "weights are averaged from the start of the run",
    Example(
        "SWALR(swa_lr=0.002, anneal_epochs=3)",
        "SequentialLR([ConstantLR(factor=1.0, total_iters=7), SWALR(swa_lr=0.002, anneal_epochs=1)], milestones=[7])",
        "0.01 0.008 0.004 0.002 0.002 0.002 0.002 0.002 0.002 0.002 | 0.002",
        "0.01 0.01 0.01 0.01 0.01 0.01 0.01 0.01 0.002 0.002 | 0.002",
    ),
)
def swa_early(context: ScheduleContext) -> Problem | None:
    """Weights are averaged from where SWALR starts. At the start of the run they are almost random, and spoil the
    average. Start after about 75 % of the run, with SequentialLR (P. Izmailov et al., "Averaging Weights Leads to Wider
    Optima and Better Generalization", 2018).
    """
    schedule, calls = context.schedule, context.calls
    outermost = context.parts[0]
    length = outermost.entry.length_argument
    if not outermost.entry.averages_weights or length is None or calls < 4 or context.horizon.start_step:
        return None
    start = int(START * calls)
    anneal = max(1, min(outermost.get(length), (calls - start) // 2))
    before = Schedule("ConstantLR", (("factor", 1.0), ("total_iters", start)), schedule.per)
    items = (("schedulers", (before, schedule.with_arguments(**{length: anneal}))), ("milestones", (start,)))
    return Problem(
        "the weights are averaged from the first steps of the run on, so the average includes weights of an almost "
        "untrained model",
        [Schedule("SequentialLR", items, schedule.per, schedule.per == "batch")],
    )


@trap(
    "swa-late",
    "averaging starts too late",
    Example(
        "SequentialLR([CosineAnnealingLR(eta_min=0.002), SWALR(swa_lr=0.002)], milestones=[9])",
        "SequentialLR([CosineAnnealingLR(eta_min=0.002), SWALR(swa_lr=0.002, anneal_epochs=1)], milestones=[7])",
        "0.01 0.0098 0.0091 0.008 0.0067 0.0053 0.004 0.0029 0.0022 0.0022 | 0.0022",
        "0.01 0.0096 0.0085 0.0069 0.0051 0.0035 0.0024 0.0024 0.002 0.002 | 0.002",
    ),
)
def swa_late(context: ScheduleContext) -> Problem | None:
    """Averaging starts so late, or annealing takes so long, that the run ends before several weights were averaged."""
    for part, length, end in _averaging_parts(context):
        anneal = part.get(length)
        if part.calls < 1 or (part.calls >= MIN_WEIGHTS and anneal < part.calls):
            continue
        if anneal >= part.calls:
            message = (
                f"{end} is reached after {context.calls_text(anneal)} ({length}), but {part.name} runs for "
                f"{part.calls:,}: the weights are averaged while the lr still changes"
            )
        else:
            message = (
                f"averaging starts with {context.calls_text(part.calls)} left: it averages the weights of too few steps"
            )
        return Problem(message, _earlier(context, part, length))
    return None


def _earlier(context: ScheduleContext, part: Part, length: str) -> Iterator[Schedule]:
    yield change(context, [part], **{length: max(0, part.calls // 2)})
    if context.parts[0].entry.composite == "sequence" and len(part.path) == 1 and context.calls >= 2 * MIN_WEIGHTS:
        milestones = list(context.schedule.arguments["milestones"])
        previous = milestones[-2] if len(milestones) > 1 else 0
        milestones[-1] = max(previous + 1, min(int(START * context.calls), context.calls - MIN_WEIGHTS))
        moved = context.with_schedule(context.schedule.with_arguments(milestones=tuple(milestones)))
        if moved is not None:
            last = moved.parts[-1]
            yield change(moved, [last], **{length: max(0, last.calls // 2)})
    yield from fits(context)
