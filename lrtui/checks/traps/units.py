"""Counts in the wrong unit: batches where `step()` is called per epoch, epochs where it is called per batch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from lrtui.checks.fitting import changed, fits
from lrtui.checks.place import Place, edit
from lrtui.checks.plan import Plan
from lrtui.checks.trap import Sighting, Trap
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
                f"the run has {plan.calls:,} steps",
                [changed(plan, [place], **{name: right})],
            )
    return None


def _epochs_for_batches(plan: Plan) -> Sighting | None:
    length = plan.horizon.batches_per_epoch
    if plan.schedule.per != "batch" or length < SHORTEST_EPOCH:
        return None
    most = min(plan.horizon.epochs, SMALL * length)
    small = [
        (place, given)
        for place in plan.places
        if (given := _given(plan, place)) and all(0 < max(values) <= most for values in given.values())
    ]
    if not small:
        return None
    name, values = next(iter(small[0][1].items()))
    words = f"{name}={list(values) if name == 'milestones' else values[0]}"
    return Sighting(
        f"{words} counts batches here, of which an epoch has {length:,}; epochs seem to be meant",
        _in_batches(plan, small, length),
    )


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
            if not all(length <= value <= 1.05 * plan.horizon.total_steps and value > plan.calls for value in values):
                continue
            words = f"{name}={list(values) if name == 'milestones' else values[0]}"
            return Sighting(
                f"{words} counts epochs here, of which the run has {plan.calls:,}; batches seem to be meant, "
                f"{length:,} an epoch",
                [replace(plan.schedule, per="batch", per_given=True), *fits(plan)],
            )
    return None


UNITS = (
    Trap("accumulated", _accumulated),
    Trap("epochs-for-batches", _epochs_for_batches),
    Trap("batches-for-epochs", _batches_for_epochs),
)
