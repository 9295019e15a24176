"""Counts in the wrong unit: batches where `step()` is called per epoch, epochs where it is called per batch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from lrtui.analysis.checks.context import Plan
from lrtui.analysis.checks.fitting import changed, fits
from lrtui.analysis.checks.part import Place, edit
from lrtui.analysis.checks.trap import Sighting, Trap
from lrtui.schedules.lr_curve import DEAD_SHARE
from lrtui.schedules.schedule import Schedule

COUNTS: Mapping[str, tuple[str, ...]] = {
    "StepLR": ("step_size",),
    "MultiStepLR": ("milestones",),
    "PolynomialLR": ("total_iters",),
    "LinearLR": ("total_iters",),
    "ConstantLR": ("total_iters",),
    "CosineAnnealingLR": ("T_max",),
    "CosineAnnealingWarmRestarts": ("T_0",),
    "OneCycleLR": ("total_steps",),
    "CyclicLR": ("step_size_up", "step_size_down"),
    "SWALR": ("anneal_epochs",),
    "SequentialLR": ("milestones",),
}
"""The arguments that count `step()` calls."""

SHORTEST_EPOCH = 20
"""Batches below which an epoch's length and a number of epochs can't be told apart."""

SMALL = 0.25
"""Share of an epoch below which a count of batches looks like one of epochs."""

FAR = 5
"""How many times the run's epochs the count of a warm-up is that can't be meant in epochs."""

LONGEST_WARM_UP = 50
"""Epochs that no warm-up takes: shorter ones may be meant for a longer run, of which this is a trial."""

FEW = 0.03
"""Share of the run's steps below which nothing that takes the lr down is through with it on purpose."""

SEVERAL = 3
"""How many times the run's epochs a count of batches is: what is less may be a run that was cut short."""

DECAYS: Mapping[str, float] = {
    "StepLR": 0.2,
    "MultiStepLR": 0.5,
    "PolynomialLR": 0.5,
    "LinearLR": 0.5,
    "CosineAnnealingLR": 0.5,
    "OneCycleLR": 0.5,
}
"""Schedulers that take the lr down, and the share of the run's steps that their longest count comes to at the least."""


def _given(plan: Plan, place: Place) -> dict[str, tuple[int, ...]]:
    """Return the counts that the user wrote, as they are."""
    written = plan.schedule
    for index in place.path:
        written = written.children[index]
    counts = {name: written.arguments.get(name) for name in COUNTS.get(place.name, ())}
    return {
        name: value if isinstance(value, tuple) else (value,) for name, value in counts.items() if value is not None
    }


def _accumulated(plan: Plan) -> Sighting | None:
    """Lengths in batches where several batches make a step."""
    if plan.schedule.per != "batch" or plan.accumulate < 2:
        return None
    for place in plan.places:
        for name, values in _given(plan, place).items():
            # an epoch's last step may have fewer batches than the others
            fewest = plan.calls * plan.accumulate - plan.horizon.epochs * (plan.accumulate - 1)
            if name == "milestones" or not plan.calls < fewest <= values[-1] <= plan.calls * plan.accumulate:
                continue
            right = None if name in ("T_max", "total_steps") else place.calls
            return Sighting(
                f"{name}={values[-1]:,} counts batches, and step() is called after every {plan.accumulate} of them: "
                f"the run has {plan.length_words}",
                [changed(plan, [place], **{name: right})],
            )
    return None


def _epochs_for_batches(plan: Plan) -> Sighting | None:
    length = plan.horizon.batches_per_epoch
    if plan.schedule.per != "batch" or length < SHORTEST_EPOCH:
        return None
    small = [
        (place, given)
        for place in plan.places
        if (given := _given(plan, place))
        and not _is_smooth(place)
        and all(0 < max(values) <= _most_epochs(plan, place) for values in given.values())
    ]
    if not small:
        return None
    name, values = next(iter(small[0][1].items()))
    words = f"{name}={list(values) if name == 'milestones' else values[0]}"
    return Sighting(
        f"{words} counts batches here, of which an epoch has {length:,}; epochs seem to be meant",
        _in_batches(plan, small, length),
    )


def _most_epochs(plan: Plan, place: Place) -> float:
    """Return the highest count of a schedule per batch that looks like one of epochs."""
    epochs, length = plan.horizon.epochs, plan.horizon.batches_per_epoch
    # a warm-up of an epoch is usual, and so is a cycle; a decay of that is over before anything is learnt
    share = FEW * epochs if place.is_last and _goes_down(place) else 0.0
    return min(epochs, max(SMALL, share) * length)


def _goes_down(place: Place) -> bool:
    """Say whether it takes the lr down over the length that it is given."""
    if place.name == "LinearLR":
        return bool(place.get("end_factor") < place.get("start_factor"))
    return place.name in DECAYS


def _is_smooth(place: Place) -> bool:
    """Say whether it is a StepLR of many small steps, which the run takes to its end."""
    if place.name != "StepLR" or not 0 < place.get("gamma") < 1:
        return False
    return bool(place.get("gamma") ** (place.calls / place.get("step_size")) > DEAD_SHARE)


def _in_batches(plan: Plan, small: list[tuple[Place, dict[str, tuple[int, ...]]]], length: int) -> Iterator[Schedule]:
    whole = plan.schedule
    for place, given in small:
        longer = {
            name: tuple(value * length for value in values) if name == "milestones" else values[0] * length
            for name, values in given.items()
        }
        whole = edit(whole, place.path, lambda schedule, longer=longer: schedule.with_arguments(**longer))  # type: ignore[misc]
    yield whole
    yield from fits(plan)


def _batches_for_epochs(plan: Plan) -> Sighting | None:
    length = plan.horizon.batches_per_epoch
    if plan.schedule.per != "epoch" or length < SHORTEST_EPOCH:
        return None
    for place in plan.places:
        for name, values in _given(plan, place).items():
            least = max(length, SEVERAL * plan.calls)
            if not all(least <= value <= 1.05 * plan.horizon.total_steps for value in values):
                continue
            # what goes down does so over a good part of the run
            if _goes_down(place) and max(values) < DECAYS[place.name] * plan.horizon.total_steps:
                continue
            words = f"{name}={list(values) if name == 'milestones' else values[0]}"
            return Sighting(
                f"{words} counts epochs here, of which the run has {plan.calls:,}; batches seem to be meant, "
                f"{length:,} an epoch",
                [replace(plan.schedule, per="batch", per_given=True), *fits(plan)],
            )
    return None


def warmed_in_batches(plan: Plan) -> Iterator[Schedule]:
    """Yield the schedule stepped after every batch, where the count of a warm-up has room in the run in no other way.

    That is for traps that see what becomes of such a count; `batches-for-epochs` takes those of an epoch and more.
    """
    if plan.schedule.per != "epoch" or plan.horizon.batches_per_epoch < SHORTEST_EPOCH:
        return
    counts = [
        value
        for place in plan.places
        if place.name == "SequentialLR" or (place.name in ("LinearLR", "ConstantLR") and not _goes_down(place))
        for values in _given(plan, place).values()
        for value in values
    ]
    least = max(FAR * plan.calls, LONGEST_WARM_UP)
    if any(least <= value < plan.horizon.steps for value in counts):
        yield replace(plan.schedule, per="batch", per_given=True)


UNITS = (
    Trap("accumulated", _accumulated),
    Trap("epochs-for-batches", _epochs_for_batches),
    Trap("batches-for-epochs", _batches_for_epochs),
)
