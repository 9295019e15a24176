"""Candidate schedules for a suggestion, and how each is shortened to fewer epochs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from lrtui.analysis.race.plan import Entrant
from lrtui.analysis.suggest.range_test import RangeTestResult
from lrtui.run.spec import RunSpec
from lrtui.schedules.horizon import Horizon
from lrtui.schedules.notation import parse_optimizer, parse_schedule
from lrtui.text.format import two_digits

USER_SCHEDULE = "your own"
"""Label of the user's schedule among the candidates."""

WARMUP_COSINE = "WarmupCosine(warmup=0.05)"
WSD = "WSD(warmup=0.05, decay=0.2)"

HIGHER_PEAK = 3.0
"""Factor of the second peak if all rules suggest about the same lr."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A schedule that can be adapted to a run of any length.

    Args:
        name: its label in all rounds.
        of_length: returns the entrant for a number of epochs, or None if there is none.
    """

    name: str
    of_length: Callable[[int], Entrant | None]


def candidates(spec: RunSpec, range_test: RangeTestResult) -> list[Candidate]:
    """Return the candidates; with a small budget only the first ones race.

    Args:
        spec: spec of the whole run; its schedule is one of the candidates.
        range_test: result of the range test.
    """
    lr, batches = two_digits(range_test.lr), range_test.batches_per_epoch
    optimizer = parse_optimizer(spec.optimizer)
    # the lrs of the groups keep their proportions
    in_use = next((value for value in optimizer.lrs if value > 0), 0.0)

    def moved_lr(value: float) -> float:
        # a group at 0 is frozen, and stays so
        return lr if value == in_use else value * (lr / in_use) if in_use else value

    moved = optimizer.with_lrs(moved_lr) if in_use or optimizer.parts else optimizer.with_arguments(lr=lr)
    # a candidate with another lr names its optimizer
    on = None if str(moved) == str(optimizer) else str(moved)
    higher = two_digits(range_test.highest if range_test.highest > 1.5 * lr else HIGHER_PEAK * lr)
    peaks = [
        [value * factor for value in moved.lrs] if len(moved.lrs) > 1 else [lr * factor]
        for factor in (1.0, higher / lr)
    ]
    user = f"{USER_SCHEDULE} {parse_schedule(spec.schedule)}"
    all_candidates = [
        Candidate(one_cycle := _one_cycle(peaks[0]), lambda _: Entrant(one_cycle)),
        Candidate(user, lambda epochs: shorten(spec, batches, epochs, user)),
        Candidate(WARMUP_COSINE, lambda _: Entrant(WARMUP_COSINE, on)),
        Candidate(high := _one_cycle(peaks[1]), lambda _: Entrant(high)),
        Candidate(WSD, lambda _: Entrant(WSD, on)),
    ]
    # a peak must be above 0, so one cycle can't keep a frozen group
    return [candidate for candidate in all_candidates if all(peaks[0]) or candidate.name not in (one_cycle, high)]


def _one_cycle(peaks: list[float]) -> str:
    text = repr(two_digits(peaks[0])) if len(peaks) == 1 else f"[{', '.join(repr(two_digits(p)) for p in peaks)}]"
    return f"OneCycleLR(max_lr={text})"


MAX_PIECES = {"batch": 100, "epoch": 1_000}
"""Maximum number of pieces of a shortened schedule, by its unit; a plan lists the lr of each for every entrant."""

MAX_CALLS = 1_000_000
"""Maximum number of `step()` calls for which a schedule is simulated to be shortened; they take 5 s."""

CONSTANT = "ConstantLR(factor=1.0, total_iters=1)"
"""A schedule that leaves the lr to the `--at` commands."""


def shorten(spec: RunSpec, batches_per_epoch: int, epochs: int, title: str) -> Entrant | None:
    """Return an entrant that runs the whole schedule in fewer epochs, or None if it can't be simulated in advance.

    A schedule whose length follows from the run is used as it is. For any other the lr of the whole run is simulated
    and set piece by piece at the corresponding steps; cycled momentum stays as configured.

    Args:
        spec: spec of the whole run.
        batches_per_epoch: optimizer steps per epoch.
        epochs: epochs of the short run.
        title: title of the entrant.
    """
    schedule = parse_schedule(spec.schedule)
    if epochs >= spec.epochs:
        return Entrant(spec.schedule, title=title)
    if spec.at or any(each.metric for each in schedule.walk()):
        return None
    entry = schedule.entry
    if entry is not None and schedule.per == "batch" and entry.fills and not entry.fills.keys() & schedule.arguments:
        lengths = {"epochs", "steps_per_epoch"} & schedule.arguments.keys()
        if not lengths:
            return Entrant(spec.schedule, title=title)
    # the lr of a schedule per epoch is the same in all batches of an epoch
    whole = Horizon.of(spec, batches_per_epoch)
    if schedule.per == "epoch":
        whole = Horizon(whole.epochs, 1)
    if whole.total_steps > MAX_CALLS:
        return None
    # imports torch, since the real scheduler is stepped
    from lrtui.schedules.simulate import simulate

    lrs = simulate(schedule, parse_optimizer(spec.optimizer), whole)
    short = replace(spec, epochs=epochs).total_steps(batches_per_epoch)
    pieces = min(short, whole.total_steps, MAX_PIECES[schedule.per])
    lines, before = [], None
    for piece in range(pieces):
        # the lr in the middle of the steps that the piece stands for
        row = lrs[(2 * piece + 1) * whole.total_steps // (2 * pieces)].tolist()
        if row != before:
            step, groups = piece * short // pieces, len(row) > 1
            lines += [f"step {step}: lr={lr!r}" + (f" group={index}" if groups else "") for index, lr in enumerate(row)]
        before = row
    return Entrant(CONSTANT, at=tuple(lines), title=title)
