"""What is suggested, what it is based on, and how sure it is."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from lrtui.analysis.race.entrant import Entrant
from lrtui.analysis.race.results import CellResult
from lrtui.analysis.race.standing import Placing, Standing
from lrtui.analysis.suggest.candidates import OWN
from lrtui.analysis.suggest.finding import Finding
from lrtui.analysis.suggest.significance import chance_words
from lrtui.run.spec import RunSpec
from lrtui.text.format import counted


@dataclass(frozen=True, slots=True)
class Suggestion:
    """The outcome of `suggest`.

    Args:
        spec: of the run that a schedule was looked for.
        winner: for a run of that length.
        finding: of the range test.
        rounds: how each short race stands, in their order.
        in_full: the winner's whole run; None where the budget had none for it.
        budget: that was given, in whole runs.
        spent: of it.
    """

    spec: RunSpec
    winner: Entrant
    finding: Finding
    rounds: tuple[Standing, ...]
    in_full: CellResult | None
    budget: float
    spent: float

    @property
    def line(self) -> str:
        """The recommended notation, with the optimizer where that is another."""
        if self.winner.optimizer is None:
            return self.winner.schedule
        return f"{self.winner.schedule} --optimizer {shlex.quote(self.winner.optimizer)}"

    @property
    def command(self) -> str:
        """How it is trained, as a shell takes it."""
        words = ["lrtui", "train", self.winner.schedule]
        words += ["--optimizer", self.winner.optimizer] if self.winner.optimizer else []
        return shlex.join(words)

    @property
    def sureness(self) -> str:
        """`good` where it was seen to work and to beat the user's own schedule beyond noise over several seeds, `fair`
        where it was seen to work and to beat it by more than the test set's chance with one seed, or is that schedule;
        else `poor`.
        """
        seen = self.in_full is not None and self.in_full.is_done
        race = self._race_with_own
        if not seen or race is None:
            return "poor"
        stands, winner, own = race
        if winner is own:
            return "fair"
        if not chance_words(stands, winner, own)[1]:
            return "poor"
        return "good" if len(stands.seeds) > 1 and self.finding.rules_agree else "fair"

    @property
    def sureness_words(self) -> str:
        """What it is made of."""
        race = self._race_with_own
        full = "was seen to work in full" if self.in_full and self.in_full.is_done else "was not seen to work in full"
        rules = f"the rules {'agree' if self.finding.rules_agree else 'do not agree'} on the lr"
        if race is None:
            return f"it {full}; it was not raced against yours; {rules}"
        stands, winner, own = race
        seeds = counted(len(stands.seeds), "seed")
        if winner is own:
            return f"it is your own schedule and {full}; nothing that was tried beat it, with {seeds}"
        beyond = "more" if chance_words(stands, winner, own)[1] else "no more"
        return f"it {full}; short runs put it ahead of yours by {beyond} than chance, with {seeds}; {rules}"

    @property
    def _race_with_own(self) -> tuple[Standing, Placing, Placing] | None:
        """The last race that the user's own schedule was ranked in, and the places of the winner and of it there."""
        for stands in reversed(self.rounds):
            own = place_of_own(stands)
            if own is not None:
                winner = next((each for each in stands.placings if each.label == self.winner.label), own)
                return stands, winner, own
        return None


def place_of_own(stands: Standing) -> Placing | None:
    """Return how the user's own schedule was placed; None where it was not in the race, or is not ranked."""
    return next((placing for placing in stands.placings if placing.label.startswith(OWN)), None)
