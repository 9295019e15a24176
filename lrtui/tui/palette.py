"""The command palette: every available action, every scheduler, every run, every theme."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from textual.command import CommandPalette, DiscoveryHit, Hit, Hits, Provider

from lrtui.actions import ACTIONS
from lrtui.run.events import GLYPHS
from lrtui.schedules.catalogue import CATALOGUE
from lrtui.tui.run_list.rows import listed_runs, sorted_runs

if TYPE_CHECKING:
    from lrtui.tui.screens.cockpit import CockpitScreen


class CockpitPalette(CommandPalette):
    """The palette, drawn like the cockpit's other dialogs."""

    DEFAULT_CSS = """
    CockpitPalette { align-horizontal: center; }
    CockpitPalette > Vertical { width: 100%; max-width: 88; margin-top: 2; background: $background; }
    CockpitPalette #--input { border: round $foreground-disabled; background: $background; }
    CockpitPalette #--input.--list-visible { border-bottom: none; }
    CockpitPalette #--input { border-title-color: $accent; }
    CockpitPalette SearchIcon { display: none; }
    CockpitPalette CommandInput, CockpitPalette CommandInput:focus { border: none; height: 1; padding: 0 1; }
    CockpitPalette #--results { background: $background; }
    CockpitPalette CommandList {
        border: round $foreground-disabled;
        border-top: none;
        background: $background;
        max-height: 24;
        scrollbar-size-vertical: 1;
        scrollbar-background: $background;
    }
    CockpitPalette CommandList > .option-list--option { padding: 0 1; text-style: none; }
    CockpitPalette > .command-palette--highlight { color: $accent; }
    CockpitPalette LoadingIndicator { display: none; }
    """

    def __init__(self) -> None:
        # Textual recognises an open palette by this id
        super().__init__(id="--command-palette", placeholder="name of an action, scheduler, run or theme")

    def on_mount(self) -> None:
        """Name the palette in its border."""
        box = self.query_one("#--input")
        box.border_title = "Go to"


@dataclass(frozen=True, slots=True)
class PaletteCommand:
    """One line of the palette.

    Args:
        text: the text that is searched.
        help: what it does.
        run: carries it out.
        is_default: whether it is listed before anything is typed.
    """

    text: str
    help: str
    run: Callable[[], None]
    is_default: bool = False


class CockpitCommands(Provider):
    """Provides the cockpit's commands."""

    async def discover(self) -> Hits:
        """Yield the actions, while nothing is typed."""
        for command in self._commands():
            if command.is_default:
                yield DiscoveryHit(command.text, command.run, help=command.help)

    async def search(self, query: str) -> Hits:
        """Yield the commands that match."""
        matcher = self.matcher(query)
        for command in self._commands():
            if (score := matcher.match(command.text)) > 0:
                yield Hit(score, matcher.highlight(command.text), command.run, help=command.help)

    def _commands(self) -> Iterator[PaletteCommand]:
        from lrtui.tui.screens.cockpit import CockpitScreen

        cockpit = self.screen
        if isinstance(cockpit, CockpitScreen):
            yield from action_commands(cockpit)
            yield from scheduler_commands(cockpit)
            yield from run_commands(cockpit)
            yield PaletteCommand("theme", "choose the colours from a list", cockpit.app.action_change_theme)
            yield from theme_commands(cockpit)


def action_commands(cockpit: CockpitScreen) -> Iterator[PaletteCommand]:
    """Yield the available actions."""
    situation = cockpit.scene.situation
    for action in ACTIONS:
        if action.requirement(situation) is None:
            text = f"{action.title_in(situation)} ({action.key(cockpit.view.keys)})"
            yield PaletteCommand(text, action.help, partial(cockpit.action_do, action.name), is_default=True)


def scheduler_commands(cockpit: CockpitScreen) -> Iterator[PaletteCommand]:
    """Yield the schedulers; each opens the picker."""
    for name, entry in CATALOGUE.items():
        yield PaletteCommand(name, entry.summary, partial(cockpit.controllers.picker.open, name))


def run_commands(cockpit: CockpitScreen) -> Iterator[PaletteCommand]:
    """Yield the runs, newest first; each puts the run on screen."""
    for number, run in sorted_runs(listed_runs(cockpit.scene), "newest").items():
        text = " ".join(filter(None, ("run", str(run.id), run.name, run.schedule)))
        yield PaletteCommand(text, f"{GLYPHS[run.state]} {run.state}", partial(cockpit.show_run, number))


def theme_commands(cockpit: CockpitScreen) -> Iterator[PaletteCommand]:
    """Yield the themes; each is used at once."""
    app = cockpit.app
    for name, theme in sorted(app.available_themes.items()):
        kind = "dark" if theme.dark else "light"
        yield PaletteCommand(f"theme {name}", f"use these {kind} colours", partial(setattr, app, "theme", name))
