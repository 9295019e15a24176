"""What the command palette offers: every action that makes sense now, every scheduler, every run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from textual.command import DiscoveryHit, Hit, Hits, Provider

from lrtui.actions import ACTIONS
from lrtui.run.status import GLYPHS
from lrtui.schedules.catalogue import CATALOGUE

if TYPE_CHECKING:
    from lrtui.tui.screens.cockpit import CockpitScreen


@dataclass(frozen=True, slots=True)
class Offer:
    """One line of the palette.

    Args:
        words: what is looked through.
        help: what it does.
        do: does it.
        at_once: whether it is there before anything is typed.
    """

    words: str
    help: str
    do: Callable[[], None]
    at_once: bool = False


class CockpitOffers(Provider):
    """What the cockpit can do now."""

    async def discover(self) -> Hits:
        """Yield the actions, while nothing is typed."""
        for offer in self._offers():
            if offer.at_once:
                yield DiscoveryHit(offer.words, offer.do, help=offer.help)

    async def search(self, query: str) -> Hits:
        """Yield what fits the words."""
        matcher = self.matcher(query)
        for offer in self._offers():
            if (score := matcher.match(offer.words)) > 0:
                yield Hit(score, matcher.highlight(offer.words), offer.do, help=offer.help)

    def _offers(self) -> Iterator[Offer]:
        from lrtui.tui.screens.cockpit import CockpitScreen

        screen = self.screen
        if isinstance(screen, CockpitScreen):
            yield from action_offers(screen)
            yield from scheduler_offers(screen)
            yield from run_offers(screen)
            yield Offer("theme", "change the colours", screen.app.action_change_theme)


def action_offers(screen: CockpitScreen) -> Iterator[Offer]:
    """Yield the actions that make sense now."""
    situation = screen.situation
    for action in ACTIONS:
        if action.refusal(situation) is None:
            words = f"{action.title_in(situation)} ({action.key(screen.keys)})"
            yield Offer(words, action.help, partial(screen.action_act, action.name), at_once=True)


def scheduler_offers(screen: CockpitScreen) -> Iterator[Offer]:
    """Yield every scheduler; one that is chosen opens the picker on it."""
    for name, entry in CATALOGUE.items():
        yield Offer(name, entry.summary, partial(screen.pick, name))


def run_offers(screen: CockpitScreen) -> Iterator[Offer]:
    """Yield every run, the newest first; one that is chosen comes on screen."""
    for run in reversed(screen.scene.runs):
        state = run.state
        words = f"run #{run.number} {run.spec.name or ''} {state.schedule or run.spec.schedule}"
        yield Offer(words, f"{GLYPHS[state.status]} {state.status}", partial(screen.put_on, run.number))
