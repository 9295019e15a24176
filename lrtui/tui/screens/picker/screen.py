"""The schedule picker, with a list, a form, the notation and a preview."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.events import Resize
from textual.screen import ModalScreen
from textual.widgets import Input, Label, OptionList, Static

from lrtui.run.spec import trained_lr
from lrtui.schedules.catalogue import CATALOGUE
from lrtui.schedules.horizon import Horizon
from lrtui.schedules.notation import parse_optimizer
from lrtui.tui.forecast import CurveRequest, CurveResult
from lrtui.tui.screens.dialogs import POLL_SECONDS
from lrtui.tui.screens.picker.candidates import table_text
from lrtui.tui.screens.picker.captions import picker_keys, picker_title
from lrtui.tui.screens.picker.findings import PickerHelpScreen, findings_text
from lrtui.tui.screens.picker.list_and_form import ArgumentForm, FieldRow, SchedulerList, set_text
from lrtui.tui.screens.picker.preview import Preview
from lrtui.tui.screens.picker.shapes import SLOT as SHAPE_SLOT
from lrtui.tui.screens.picker.shapes import Shapes
from lrtui.tui.screens.picker.state import PickerChoice, PickerContext, PickerState, RaceChoice

SLOT = "picker"
"""The forecaster's slot for the schedule being chosen; a candidate's slot has its letter after it."""


class PickerScreen(ModalScreen[PickerChoice | RaceChoice | None]):
    """Chooses a schedule.

    Args:
        context: the run that the schedule is for.
        ask: takes a slot and a request; the answer comes to `take_forecast`.
    """

    CSS_PATH = "screen.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss", "back", show=False),
        Binding("enter", "apply", "apply", show=False, priority=True),
        Binding("ctrl+r", "restart", "start a run with it", show=False, priority=True),
        Binding("ctrl+o", "anchor", "anchor", show=False, priority=True),
        Binding("ctrl+f", "fix", "apply the fix", show=False, priority=True),
        Binding("ctrl+k", "keep", "keep as candidate", show=False, priority=True),
        Binding("ctrl+n", "next", "next candidate", show=False, priority=True),
        Binding("ctrl+t", "race", "race the candidates", show=False, priority=True),
        Binding("f1", "help", "help", show=False, priority=True),
        Binding("down", "move(1)", "down", show=False),
        Binding("up", "move(-1)", "up", show=False),
        Binding("pagedown", "move(5)", "down", show=False),
        Binding("pageup", "move(-5)", "up", show=False),
    ]

    def __init__(self, context: PickerContext, ask: Callable[[str, CurveRequest], None]) -> None:
        super().__init__()
        self._ask = ask
        self._state = PickerState(context)
        self._model = self._state.model
        self._shapes = context.view.shapes = context.view.shapes or Shapes()
        self._asked: CurveRequest | None = None
        self._base_lr = trained_lr(parse_optimizer(context.spec.optimizer).lrs)

    # -- what is on screen --------------------------------------------------------------------------------------------

    def compose(self) -> ComposeResult:
        with Vertical(id="picker") as box:
            box.border_title = picker_title(self._state)
            with Horizontal(id="top"):
                with Vertical(id="choice"):
                    with Horizontal(id="filter-row"):
                        yield Label("filter", classes="caption")
                        yield Input(placeholder="name or description", id="filter")
                    yield SchedulerList(id="list")
                    yield Static(id="summary")
                    yield ArgumentForm(id="form")
                yield Preview(id="preview")
            with Vertical(id="bottom"):
                yield Static(id="table")
                with Horizontal(id="notation-row"):
                    yield Label("notation", classes="caption")
                    yield Input(self._model.text, id="notation")
                yield Static(id="findings")
                yield Static(id="hint")
                yield Static(Text(picker_keys(self._state.context), no_wrap=True, overflow="ellipsis"), id="keys")

    async def on_mount(self) -> None:
        self._fill_list()
        self.query_one("#filter").focus()
        await self._show()
        for letter, request in self._state.candidate_requests().items():
            self._ask(f"{SLOT} {letter}", request)
        self.set_interval(POLL_SECONDS, self._follow_the_run)
        self._show_hint(self._state.context.reason)
        self._shapes.choose(self._state.context.spec)
        self._ask_for_shape()

    def _follow_the_run(self) -> None:
        """Say that the run has ended, and what the keys do from then on."""
        context = self._state.context
        if context.live is not None and context.branch_epoch is None and not context.live.is_live:
            self._state.context = replace(context, live=None, reason="")
            self._state.start_step = 0
            self.query_one("#picker").border_title = f"Run {context.key} has ended: schedule of the next run"
            self.query_one("#keys", Static).update(Text(picker_keys(self._state.context), no_wrap=True))
            self.query_one(Preview).show_anchor(self._state)
            self._draw()

    def _ask_for_shape(self) -> None:
        # one after the other, so that the curve of a schedule being typed does not wait for all shapes
        if (request := self._shapes.next_request()) is not None:
            self._ask(SHAPE_SLOT, request)
        self.query_one(SchedulerList).show_shapes()

    def on_resize(self, event: Resize) -> None:
        self.set_class(event.size.width < 100 or event.size.height < 30, "-small")
        self.set_class(event.size.width < 60, "-tiny")
        self.set_class(event.size.height < 20, "-short")
        self._fill_list()
        # drawn after the classes are set, which determine the sizes
        self.call_after_refresh(self._show_findings)
        self.call_after_refresh(self.query_one(Preview).show_anchor, self._state)

    def _fill_list(self) -> None:
        entries = self._model.entries(self.query_one("#filter", Input).value)
        self.query_one(SchedulerList).fill(entries, self._model.name, self._shapes)

    async def _show(self, *, overwrite_focused: bool = False) -> None:
        """Update every view from the model, and ask for the curve.

        Args:
            overwrite_focused: whether to replace the text that the user is editing.
        """
        model = self._model
        self.query_one(SchedulerList).select(model.name)
        await self.query_one(ArgumentForm).show(model, overwrite_focused=overwrite_focused)
        set_text(self.query_one("#notation", Input), model.text, overwrite_focused=overwrite_focused)
        entry = CATALOGUE.get(model.name)
        self.query_one("#summary", Static).update(Text(entry.summary if entry else "your own scheduler class"))
        self._show_results()
        self._show_field_help()
        self.query_one(Preview).show_anchor(self._state)
        if (request := self._state.request) not in (None, self._asked):
            self._asked = request
            self._ask(SLOT, request)

    def _show_results(self) -> None:
        state, table = self._state, self.query_one("#table", Static)
        self.set_class(state.error is not None, "-stale")
        table.display = len(state.candidates) > 0
        selected = state.candidate or state.request
        table.update(table_text(state.candidates, selected, state.current_answer, self._base_lr, self._text_width))
        self._show_findings()

    def _show_findings(self) -> None:
        state, box = self._state, self.query_one("#findings", Static)
        box.set_class(state.error is not None, "-wrong")
        box.set_class(bool(state.findings), "-found")
        box.update(findings_text(state, self._text_width, max(1, box.size.height)))

    @property
    def _text_width(self) -> int:
        # the width is 0 before the first layout
        return self.query_one("#bottom").content_size.width or 76

    def _draw(self) -> None:
        self._show_results()
        self.query_one(Preview).draw(self._state)

    def take_forecast(self, slot: str, answer: CurveResult) -> None:
        """Draw a curve, unless it is outdated."""
        if slot == SHAPE_SLOT:
            self._shapes.take(answer)
            self._ask_for_shape()
        elif slot.startswith(SLOT) and self._state.take(answer):
            self._draw()

    def on_descendant_focus(self) -> None:
        self._show_field_help()

    def _show_field_help(self) -> None:
        focused = self.focused
        row = focused.parent.parent if focused is not None and focused.parent is not None else None
        self._show_hint(row.field.help if isinstance(row, FieldRow) else self._state.context.reason)

    def _show_hint(self, text: str, *, refused: bool = False) -> None:
        """Show a line of text: help on the focused field, or why a key had no effect."""
        line = self.query_one("#hint", Static)
        line.set_class(refused, "-refused")
        line.update(Text(text, no_wrap=True, overflow="ellipsis"))
        if refused:
            self.app.bell()

    # -- choosing -----------------------------------------------------------------------------------------------------

    @on(Input.Changed, "#filter")
    async def _filter_changed(self, event: Input.Changed) -> None:
        self._fill_list()
        if event.value and (names := self.query_one(SchedulerList).names):
            # the best match is selected
            self._model.choose(names[0])
        await self._show()

    @on(Input.Changed, "#notation")
    async def _notation_changed(self, event: Input.Changed) -> None:
        self._model.set_text(event.value)
        await self._show()

    @on(Input.Changed, ".field Input")
    async def _field_changed(self, event: Input.Changed) -> None:
        if event.input.id and event.input.has_focus:
            self._model.set_field(event.input.id.removeprefix("field-"), event.value)
            await self._show()

    @on(OptionList.OptionHighlighted, "#list")
    async def _scheduler_highlighted(self, event: OptionList.OptionHighlighted) -> None:
        if event.option_id:
            self._model.choose(event.option_id)
            await self._show()

    async def action_move(self, offset: int) -> None:
        """Select the previous or next scheduler, whichever field has the focus."""
        if name := self.query_one(SchedulerList).name_at(offset):
            self._model.choose(name)
            await self._show()

    async def action_anchor(self) -> None:
        if self._state.next_anchor():
            await self._show()

    async def _replace_notation(self, notation: str) -> None:
        self._model.set_text(notation)
        self.query_one("#notation").focus()
        await self._show(overwrite_focused=True)

    async def action_fix(self) -> None:
        if (fix := self._state.fix) is None:
            self._show_hint("There is no fix to apply.", refused=True)
        else:
            await self._replace_notation(fix)

    # -- candidates ---------------------------------------------------------------------------------------------------

    def action_keep(self) -> None:
        message, changed = self._state.toggle_candidate()
        self._draw()
        self._show_hint(message, refused=not changed)

    async def action_next(self) -> None:
        candidate = self._state.candidates.after(self._state.candidate)
        if candidate is None:
            self._show_hint("No candidates yet. Press ctrl+k to keep one.", refused=True)
        else:
            self._state.anchor = candidate.anchor
            await self._replace_notation(candidate.schedule)

    def action_race(self) -> None:
        """Ask for the number of seeds, and close with the race."""
        from lrtui.tui.screens.race import RaceScreen

        if refusal := self._state.race_refusal:
            self._show_hint(refusal, refused=True)
            return
        racers = self._state.racers

        def on_seeds(seeds: int | None) -> None:
            if seeds is not None:
                self.dismiss(RaceChoice(racers, seeds))

        context = self._state.context
        epochs = Horizon.of(context.spec, context.batches_per_epoch).epochs
        self.app.push_screen(RaceScreen(racers, epochs, context.race), on_seeds)

    def action_help(self) -> None:
        self.app.push_screen(PickerHelpScreen(self._model.text, self._state.findings))

    # -- closing ------------------------------------------------------------------------------------------------------

    def action_restart(self) -> None:
        # a branch is started with enter; there is nothing to restart
        self.action_apply(restart=self._state.context.branch_epoch is None)

    def action_apply(self, *, restart: bool = False) -> None:
        choice = self._state.choice(restart=restart)
        if choice is None:
            self.app.bell()
        else:
            self.dismiss(choice)
