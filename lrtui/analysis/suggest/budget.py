"""How a budget is spent: short races that halve the field, and the winner in full."""

from __future__ import annotations

from dataclasses import dataclass

FINALISTS = 2


@dataclass(frozen=True, slots=True)
class Round:
    """A short race.

    Args:
        candidates: how many race.
        epochs: of each run.
        seeds: of each candidate.
    """

    candidates: int
    epochs: int
    seeds: int = 1

    @property
    def cost(self) -> int:
        """Epochs that it takes."""
        return self.candidates * self.epochs * self.seeds


@dataclass(frozen=True, slots=True)
class Spending:
    """What a budget buys.

    Args:
        rounds: one after the other, each with the best of the one before.
        in_full: whether the winner is run over its whole length at last.
    """

    rounds: tuple[Round, ...]
    in_full: bool


def plan_spending(left: float, epochs: int, candidates: int) -> Spending:
    """Return how what is left of a budget is spent, by successive halving (Jamieson and Talwalkar 2016).

    The winner's whole run comes first: a suggestion that was never seen to work is worth little. Of the rest half goes
    to a race of all candidates, half to one of the best two, longer, and with more seeds once it is half a run long.

    Args:
        left: epochs that may be spent.
        epochs: of the whole run.
        candidates: how many there are.
    """
    in_full = left >= epochs
    room = int(left - epochs if in_full else left)
    count = min(candidates, room)
    if count < 2:
        return Spending((), in_full)
    # a run as long as the whole one is no short race any more
    longest = max(1, epochs // 2)
    first = Round(count, min(longest, max(1, room // 2 // count)))
    rest = room - first.cost
    length = min(longest, rest // FINALISTS)
    if count <= FINALISTS or length <= first.epochs:
        # no longer race is to be had: the first one has it all
        seeds = max(1, room // (count * first.epochs))
        return Spending((Round(count, first.epochs, seeds),), in_full)
    return Spending((first, Round(FINALISTS, length, rest // (FINALISTS * length))), in_full)
