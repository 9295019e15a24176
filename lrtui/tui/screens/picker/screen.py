"""The picker: a schedule as a list, a form, a line and a curve, all of one value."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.events import Resize
from textual.screen import ModalScreen
from textual.widgets import Input, Label, OptionList, Static

from lrtui.schedules.catalogue import CATALOGUE
from lrtui.schedules.notation import parse_optimizer
from lrtui.tui.forecast import Answer, Question
from lrtui.tui.screens.picker.choice import PickerChoice, PickerContext, RaceChoice
from lrtui.tui.screens.picker.field_row import FieldRow
from lrtui.tui.screens.picker.form import ArgumentForm
from lrtui.tui.screens.picker.lines import PickerLines
from lrtui.tui.screens.picker.list import SchedulerList
from lrtui.tui.screens.picker.picture import Picture
from lrtui.tui.screens.picker.state import PickerState
from lrtui.tui.screens.picker.words import keys_of, title_of

SLOT = "picker"
"""The forecaster's slot of the schedule that is being chosen; a candidate's has its letter after it."""


class PickerScreen(ModalScreen[PickerChoice | RaceChoice | None]):
    """Chooses a schedule.

    Args:
        context: what it is for.
        ask: takes a slot and a question; the answer comes to `take_forecast`.
    """

    CSS_PATH = "screen.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "back", show=False),
        Binding("enter", "apply", "apply", show=False, priority=True),
        Binding("ctrl+r", "restart", "restart with it", show=False, priority=True),
        Binding("ctrl+o", "anchor", "anchor", show=False, priority=True),
        Binding("ctrl+f", "fix", "take the corrected notation", show=False, priority=True),
        Binding("ctrl+k", "keep", "keep as candidate", show=False, priority=True),
        Binding("ctrl+n", "next", "next candidate", show=False, priority=True),
        Binding("ctrl+t", "race", "race the candidates", show=False, priority=True),
        Binding("f1", "help", "help", show=False, priority=True),
        Binding("down", "move(1)", "down", show=False),
        Binding("up", "move(-1)", "up", show=False),
        Binding("pagedown", "move(5)", "down", show=False),
        Binding("pageup", "move(-5)", "up", show=False),
    ]

    def __init__(self, context: PickerContext, ask: Callable[[str, Question], None]) -> None:
        super().__init__()
        self._purpose, self._ask = context, ask
        self._state = PickerState(context)
        self._model = self._state.model
        self._asked: Question | None = None

    # -- what is on screen --------------------------------------------------------------------------------------------

    def compose(self) -> ComposeResult:
        with Vertical(id="picker"):
            with Horizontal(id="top"):
                with Vertical(id="choice"):
                    with Horizontal(id="filter-row"):
                        yield Label("filter", classes="caption")
                        yield Input(placeholder="type a name or what it does", id="filter")
                    yield SchedulerList(id="list")
                    yield Static(id="summary")
                    yield ArgumentForm(id="form")
                yield Picture(id="picture")
            base_lr = parse_optimizer(self._purpose.optimizer).lrs[0]
            yield PickerLines(self._model.text, keys_of(self._purpose), base_lr, id="bottom")

    async def on_mount(self) -> None:
        """Show what there is to choose from, and begin with the filter."""
        self.query_one("#picker").border_title = title_of(self._purpose)
        self._fill_list()
        self.query_one("#filter").focus()
        await self._show()
        for letter, question in self._state.ask_for_candidates().items():
            self._ask(f"{SLOT} {letter}", question)

    def on_resize(self, event: Resize) -> None:
        """Leave out what a small screen has no room for."""
        self.set_class(event.size.width < 100 or event.size.height < 30, "-small")
        self.set_class(event.size.width < 60, "-tiny")
        self.set_class(event.size.height < 20, "-short")
        self._fill_list()

    @property
    def _lines(self) -> PickerLines:
        return self.query_one(PickerLines)

    @property
    def _list(self) -> SchedulerList:
        return self.query_one(SchedulerList)

    def _fill_list(self) -> None:
        entries = self._model.entries(self.query_one("#filter", Input).value)
        self._list.fill(entries, self._model.name, narrow=self.has_class("-small"))

    async def _show(self, *, typing_too: bool = False) -> None:
        """Make every view follow the model, and ask for the curve.

        Args:
            typing_too: whether what the user is typing into follows as well.
        """
        model = self._model
        self._list.point(model.name)
        await self.query_one(ArgumentForm).show(model, typing_too=typing_too)
        self._lines.show_notation(model.text, typing_too=typing_too)
        entry = CATALOGUE.get(model.name)
        self.query_one("#summary", Static).update(Text(entry.summary if entry else "a class of your own"))
        self._show_words()
        self._show_field_help()
        self.query_one(Picture).show_anchor(self._state)
        if (question := self._state.question) not in (None, self._asked):
            self._asked = question
            self._ask(SLOT, question)

    def _show_words(self) -> None:
        self.set_class(self._state.verdict.error is not None, "-stale")
        self._lines.show(self._state)

    def _draw(self) -> None:
        self._show_words()
        self.query_one(Picture).draw(self._state)

    def take_forecast(self, slot: str, answer: Answer) -> None:
        """Draw a curve that has come, if it is still one that is wanted."""
        if slot.startswith(SLOT) and self._state.take(answer):
            self._draw()

    def on_descendant_focus(self) -> None:
        """Say what the focused field is for."""
        self._show_field_help()

    def _show_field_help(self) -> None:
        focused = self.focused
        row = focused.parent.parent if focused is not None and focused.parent is not None else None
        self._lines.say(row.field.help if isinstance(row, FieldRow) else "")

    # -- what the user does -------------------------------------------------------------------------------------------

    @on(Input.Changed, "#filter")
    async def _filter(self, event: Input.Changed) -> None:
        self._fill_list()
        if event.value and (names := self._list.names):
            # the best match is what the words were typed for
            self._model.choose(names[0])
        await self._show()

    @on(Input.Changed, "#notation")
    async def _type_notation(self, event: Input.Changed) -> None:
        self._model.set_text(event.value)
        await self._show()

    @on(Input.Changed, ".field Input")
    async def _type_field(self, event: Input.Changed) -> None:
        if event.input.id and event.input.has_focus:
            self._model.set_field(event.input.id.removeprefix("field-"), event.value)
            await self._show()

    @on(OptionList.OptionHighlighted, "#list")
    async def _point(self, event: OptionList.OptionHighlighted) -> None:
        if event.option_id:
            self._model.choose(event.option_id)
            await self._show()

    async def action_move(self, by: int) -> None:
        """Go up or down the list, from wherever the focus is."""
        if name := self._list.beside(by):
            self._model.choose(name)
            await self._show()

    async def action_anchor(self) -> None:
        """Take the next anchor."""
        if self._state.next_anchor():
            await self._show()

    async def _take(self, notation: str) -> None:
        self._model.set_text(notation)
        self.query_one("#notation").focus()
        await self._show(typing_too=True)

    async def action_fix(self) -> None:
        """Take the corrected notation of the finding that is shown."""
        if (fix := self._state.verdict.fix) is None:
            self._lines.say("there is no correction to take", refused=True)
        else:
            await self._take(fix)

    # -- candidates ---------------------------------------------------------------------------------------------------

    def action_keep(self) -> None:
        """Keep the curve as a candidate, or take away the candidate that it is."""
        words, done = self._state.keep()
        self._draw()
        self._lines.say(words, refused=not done)

    async def action_next(self) -> None:
        """Go to the next candidate."""
        candidate = self._state.candidates.after(self._state.candidate)
        if candidate is None:
            self._lines.say("no candidate is kept yet: ctrl+k keeps one", refused=True)
        else:
            self._state.anchor = candidate.anchor
            await self._take(candidate.schedule)

    def action_race(self) -> None:
        """Ask with how many seeds the candidates race, and leave with that."""
        from lrtui.tui.screens.race import RaceScreen

        if refusal := self._state.race_refusal:
            self._lines.say(refusal, refused=True)
            return
        racers = self._state.racers

        def answered(seeds: int | None) -> None:
            if seeds is not None:
                self.dismiss(RaceChoice(racers, seeds))

        self.app.push_screen(RaceScreen(racers, self._purpose.epochs, self._state.context.race), answered)

    def action_help(self) -> None:
        """Show the findings in full, the keys, and what the table means."""
        from lrtui.tui.screens.picker.help import PickerHelpScreen

        self.app.push_screen(PickerHelpScreen(self._model.text, self._state.verdict.findings))

    # -- leaving ------------------------------------------------------------------------------------------------------

    def action_apply(self) -> None:
        """Leave with the schedule, where there is one."""
        self._leave_with(restart=False)

    def action_restart(self) -> None:
        """Leave with the schedule and start a run anew."""
        # a branch is started by enter, and has nothing to restart
        self._leave_with(restart=self._purpose.branch_epoch is None)

    def _leave_with(self, *, restart: bool) -> None:
        choice = self._state.choice(restart=restart)
        if choice is None:
            self.app.bell()
        else:
            self.dismiss(choice)

    def action_leave(self) -> None:
        """Leave everything as it was."""
        self.dismiss(None)
