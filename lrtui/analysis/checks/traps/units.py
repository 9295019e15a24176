"""Lengths in the wrong unit: batches where `step()` is called per epoch, or epochs where it is called per batch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from lrtui.analysis.checks.context import Part, ScheduleContext
from lrtui.analysis.checks.fixes import change, change_part, fits, part_at, with_default_unit
from lrtui.analysis.checks.trap import Example, Problem, trap
from lrtui.schedules.lr_curve import DEAD_SHARE
from lrtui.schedules.parameter import Parameter
from lrtui.schedules.schedule import Schedule
from lrtui.schedules.step_count import is_share
from lrtui.text.format import counted

ORDER = 30

SHORTEST_EPOCH = 20
"""Batches per epoch below which a number of batches can't be distinguished from a number of epochs."""

SMALL = 0.25
"""Share of an epoch below which a number of batches looks like a number of epochs."""

SHORT = 0.03
"""A decay over a smaller share of the run's steps looks like a count of epochs."""

SEVERAL = 3
"""A length of up to this multiple of the run's epochs may be intended for a longer run."""

FAR = 5
"""A warm-up of this multiple of the run's epochs is not intended in epochs."""

LONGEST_WARM_UP = 50
"""Epochs of the longest plausible warm-up; a shorter one may be intended for a longer run."""

MIN_DECAY_SHARE = {"period": 0.2, "length": 0.5, "milestones": 0.5}
"""Minimum share of the run's steps that the longest count of a decay covers, by the kind of count."""

Counts = dict[str, tuple[int, ...]]
"""Arguments that count `step()` calls, by name; all values of a list."""


def _given_counts(context: ScheduleContext, part: Part) -> Counts:
    """Return the counts that the user wrote."""
    written = part_at(context.schedule, part.path).arguments
    given = {parameter.name: written.get(parameter.name) for parameter in part.entry.counts}
    # a share of the run has the right unit
    whole = {name: value for name, value in given.items() if value is not None and not is_share(value)}
    return {name: value if isinstance(value, tuple) else (value,) for name, value in whole.items()}


def _counts_text(part: Part, name: str, values: tuple[int, ...]) -> str:
    return f"{name}={list(values) if _parameter(part, name).kind == 'ints' else values[0]}"


def _parameter(part: Part, name: str) -> Parameter:
    return next(parameter for parameter in part.entry.counts if parameter.name == name)


@trap(
    "accumulated",
    "a length counts batches although several batches make one step",
    Example(
        "OneCycleLR(max_lr=0.003, total_steps=9380)",
        "OneCycleLR(max_lr=0.003)",
        "0.00012 0.00017 0.00031 0.00054 0.00084 0.0012 0.0016 0.0019 0.0023 0.0026 | 0.0028",
        "0.00012 0.00084 0.0023 0.003 0.0029 0.0024 0.0018 0.0012 0.00056 0.00015 | 1.2e-08",
        steps=235,
        accumulate=4,
    ),
)
def accumulated(context: ScheduleContext) -> Problem | None:
    """When the gradients of several batches are accumulated into one optimizer step, a schedule per batch is stepped
    once for all of them. A length that counts batches is too long by that factor, and the schedule never reaches its
    end.

    Threads: huggingface/accelerate#963, #1170; huggingface/diffusers#2632.
    """
    calls, batches = context.calls, context.accumulate
    if context.schedule.per != "batch" or batches < 2:
        return None
    # the last step of an epoch may have fewer batches than the others
    fewest = calls * batches - context.horizon.epochs * (batches - 1)
    for part in context.parts:
        for name, values in _given_counts(context, part).items():
            if _parameter(part, name).kind == "ints" or not calls < fewest <= values[-1] <= calls * batches:
                continue
            return Problem(
                f"{name}={values[-1]:,} counts batches, but step() is called once for every {batches} of them: the run "
                f"has {context.calls_text(calls)}",
                [change(context, [part], **{name: None if name in part.entry.fills else part.calls})],
            )
    return None


@trap(
    "epochs-for-batches",
    "a length counts epochs although step() is called per batch",
    Example(
        'CosineAnnealingLR(T_max=10, per="batch")',
        'CosineAnnealingLR(T_max=9380, per="batch")',
        "0.01 0.009 0.0065 0.0035 0.00095 0 0.00095 0.0035 0.0065 0.009 | 0.0098",
        "0.01 0.0098 0.009 0.0079 0.0065 0.005 0.0035 0.0021 0.00095 0.00024 | 2.8e-10",
    ),
)
def epochs_for_batches(context: ScheduleContext) -> Problem | None:
    """The length matches the number of epochs, but step() is called after every batch: the schedule ends within a
    fraction of an epoch, and a cosine then oscillates. Leave out per="batch", or give the length in batches.

    Thread: ScrollPrize/villa#1495: a number of epochs given to a cosine per batch made 140 cycles.
    """
    length = context.horizon.batches_per_epoch
    if context.schedule.per != "batch" or length < SHORTEST_EPOCH:
        return None
    small = [
        (part, counts)
        for part in context.parts
        if (counts := _given_counts(context, part))
        and not _has_small_drops(part)
        and all(0 < max(values) <= _most_epochs(context, part) for values in counts.values())
    ]
    if not small:
        return None
    part, counts = small[0]
    return Problem(
        f"{_counts_text(part, *next(iter(counts.items())))} counts batches, but looks like a number of epochs; an "
        f"epoch has {counted(length, 'batch')}",
        _in_batches(context, small),
    )


def _most_epochs(context: ScheduleContext, part: Part) -> float:
    """Return the highest count of a schedule per batch that looks like a number of epochs."""
    epochs, length = context.horizon.epochs, context.horizon.batches_per_epoch
    # a warm-up or a cycle of one epoch is usual; a decay of one epoch ends before anything is learned
    shortest_decay = SHORT * epochs if part.is_last and part.lowers else 0.0
    return min(epochs, max(SMALL, shortest_decay) * length)


def _has_small_drops(part: Part) -> bool:
    """Return whether a scheduler such as StepLR makes many small drops over the whole run."""
    size, gamma = part.get("step_size"), part.get("gamma")
    if size is None or gamma is None or not 0 < gamma < 1:
        return False
    return bool(gamma ** (part.calls / size) > DEAD_SHARE)


def _in_batches(context: ScheduleContext, small: list[tuple[Part, Counts]]) -> Iterator[Schedule]:
    length, whole = context.horizon.batches_per_epoch, context.schedule
    for part, counts in small:
        for name, values in counts.items():
            longer = tuple(value * length for value in values)
            is_list = _parameter(part, name).kind == "ints"
            whole = change_part(whole, part.path, **{name: longer if is_list else longer[0]})
    yield whole
    yield from fits(context)


def per_batch_in_batches(context: ScheduleContext) -> Iterator[Schedule]:
    """Yield a schedule that is stepped per epoch with its default unit, batches, and its counts in batches."""
    counted = [(part, counts) for part in context.parts if (counts := _given_counts(context, part))]
    if context.schedule.per == "epoch" and context.parts[0].entry.unit == "batch":
        yield with_default_unit(next(_in_batches(context, counted)))


@trap(
    "batches-for-epochs",
    "a length counts batches although step() is called per epoch",
    Example(
        "CosineAnnealingLR(T_max=9380)",
        'CosineAnnealingLR(T_max=9380, per="batch")',
        "0.01 0.01 0.01 0.01 0.01 0.01 0.01 0.01 0.01 0.01 | 0.01",
        "0.01 0.0098 0.009 0.0079 0.0065 0.005 0.0035 0.0021 0.00095 0.00024 | 2.8e-10",
    ),
)
def batches_for_epochs(context: ScheduleContext) -> Problem | None:
    """The length matches the number of batches, but step() is called once per epoch: the schedule advances by one step
    per epoch and hardly changes in the whole run. Write per="batch", or give the length in epochs.

    Threads: pytorch/pytorch#65417, Lightning-AI/pytorch-lightning#5631.
    """
    length, total = context.horizon.batches_per_epoch, context.horizon.total_steps
    if context.schedule.per != "epoch" or length < SHORTEST_EPOCH:
        return None
    least = max(length, SEVERAL * context.calls)
    for part in context.parts:
        for name, values in _given_counts(context, part).items():
            if not all(least <= value <= 1.05 * total for value in values):
                continue
            if part.lowers and max(values) < MIN_DECAY_SHARE[str(_parameter(part, name).count_role)] * total:
                continue
            return Problem(
                f"{_counts_text(part, name, values)} counts epochs, but looks like a number of batches; the run has "
                f"{counted(context.calls, 'epoch')} of {counted(length, 'batch')}",
                [replace(context.schedule, per="batch", per_given=True), *fits(context)],
            )
    return None


def warm_up_per_batch(context: ScheduleContext) -> Iterator[Schedule]:
    """Yield the schedule stepped per batch, where the length of a warm-up only fits the run in batches.

    This is for traps that detect the effect of a wrong unit; `batches-for-epochs` finds lengths of one epoch and more.
    """
    if context.schedule.per != "epoch" or context.horizon.batches_per_epoch < SHORTEST_EPOCH:
        return
    counts: list[int] = []
    for part in context.parts:
        given = _given_counts(context, part)
        if part.entry.composite == "sequence":
            counts += given.get("milestones", ())
        elif part.warm_up or not part.lowers:
            counts += given.get(str(part.entry.warm_up_argument), ())
    least = max(FAR * context.calls, LONGEST_WARM_UP)
    if any(least <= value < context.horizon.steps for value in counts):
        yield replace(context.schedule, per="batch", per_given=True)
