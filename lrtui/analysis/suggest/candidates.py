"""The schedules that are worth a try once a range test has found an lr."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from lrtui.analysis.race.entrant import Entrant
from lrtui.analysis.suggest.finding import Finding
from lrtui.analysis.suggest.shortening import compressed, warm_up_then_cosine
from lrtui.run.spec import RunSpec
from lrtui.schedules.notation import parse_optimizer, parse_schedule
from lrtui.text.numbers import two_digits

OWN = "your own"
"""What the user's schedule is called among the candidates."""

HIGHER = 3.0
"""How much higher the second peak is where all rules suggest about the same."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A schedule that fits a run of any length.

    Args:
        name: that it is known by through all rounds.
        of_length: returns the entrant for a run of so many epochs; None where there is none.
    """

    name: str
    of_length: Callable[[int], Entrant | None]


def candidates(spec: RunSpec, finding: Finding) -> list[Candidate]:
    """Return them in the order in which they are dropped last: where the budget is small the first ones race.

    Args:
        spec: of the whole run; its schedule is one of them.
        finding: of the range test.
    """
    lr, batches = two_digits(finding.lr), finding.batches_per_epoch
    optimizer = parse_optimizer(spec.optimizer)
    # groups keep their own lr in proportion; a schedule on another lr says so by its optimizer
    share = lr / optimizer.lr if optimizer.lr else 1.0
    groups = tuple(
        (pattern, tuple((name, value * share if name == "lr" else value) for name, value in items))
        for pattern, items in optimizer.groups
    )
    moved = type(optimizer)(optimizer.name, optimizer.with_arguments(lr=lr).items, groups)
    on = None if str(moved) == str(optimizer) else str(moved)
    higher = two_digits(finding.highest if finding.highest > 1.5 * lr else HIGHER * lr)
    peaks = [
        [value * factor for value in moved.lrs] if moved.groups else [lr * factor] for factor in (1.0, higher / lr)
    ]
    own = f"{OWN} {parse_schedule(spec.schedule)}"
    return [
        Candidate(one_cycle := _one_cycle(peaks[0]), lambda _: Entrant(one_cycle)),
        Candidate(own, lambda epochs: compressed(spec, batches, epochs, own)),
        Candidate("cosine", lambda _: Entrant('CosineAnnealingLR(per="batch")', on)),
        Candidate(high := _one_cycle(peaks[1]), lambda _: Entrant(high)),
        Candidate(
            warm := Entrant(warm_up_then_cosine(spec.epochs, batches), on).label,
            # in a short run the warm-up is shorter, and its name that of the whole one
            lambda epochs: Entrant(warm_up_then_cosine(epochs, batches), on, title=warm),
        ),
    ]


def _one_cycle(peaks: list[float]) -> str:
    words = repr(two_digits(peaks[0])) if len(peaks) == 1 else f"[{', '.join(repr(two_digits(p)) for p in peaks)}]"
    return f"OneCycleLR(max_lr={words})"
