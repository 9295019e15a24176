"""The picker: a schedule as a list, a form, a line and a curve, all of one value."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.events import Resize
from textual.screen import ModalScreen
from textual.widgets import Input, Label, OptionList, Static
from textual.widgets.option_list import Option

from lrtui.schedules.anchors import ANCHORS
from lrtui.schedules.catalogue import CATALOGUE
from lrtui.schedules.horizon import Horizon
from lrtui.tui.charts.chart_view import ChartView
from lrtui.tui.forecast import Answer, Question
from lrtui.tui.panes.frame import Frame
from lrtui.tui.screens.field_row import FieldRow
from lrtui.tui.screens.picker_anchor import anchor_lines
from lrtui.tui.screens.picker_chart import candidate_chart, candidate_figure
from lrtui.tui.screens.picker_choice import PickerChoice, PickerContext
from lrtui.tui.screens.picker_model import PickerModel

SLOT = "picker"
"""The forecaster's slot of the candidate."""


class PickerScreen(ModalScreen[PickerChoice | None]):
    """Chooses a schedule.

    Args:
        context: what it is for.
        ask: asks for a curve; the answer comes to `take_forecast`.
    """

    CSS_PATH = "picker.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "back", show=False),
        Binding("enter", "apply", "apply", show=False, priority=True),
        Binding("ctrl+r", "restart", "restart with it", show=False, priority=True),
        Binding("ctrl+o", "anchor", "anchor", show=False, priority=True),
        Binding("down", "move(1)", "down", show=False),
        Binding("up", "move(-1)", "up", show=False),
        Binding("pagedown", "move(5)", "down", show=False),
        Binding("pageup", "move(-5)", "up", show=False),
    ]

    def __init__(self, context: PickerContext, ask: Callable[[Question], None]) -> None:
        super().__init__()
        self._purpose, self._ask = context, ask
        self._start = context.live.step if context.live else 0
        horizon = Horizon(context.epochs, context.batches_per_epoch, self._start)
        self._model = PickerModel(context.schedule, context.optimizer, horizon)
        if context.scheduler is not None:
            self._model.choose(context.scheduler)
        self._anchor = next(iter(ANCHORS))
        self._asked: Question | None = None
        self._answer: Answer | None = None
        self._form_of = ""
        self._listed: list[str] = []

    # -- what is on screen --------------------------------------------------------------------------------------------

    def compose(self) -> ComposeResult:
        with Vertical(id="picker"):
            with Horizontal(id="top"):
                with Vertical(id="choice"):
                    with Horizontal(id="filter-row"):
                        yield Label("filter", classes="caption")
                        yield Input(placeholder="type a name or what it does", id="filter")
                    yield OptionList(id="list")
                    yield Static(id="summary")
                    yield VerticalScroll(id="form", can_focus=False)
                with Vertical(id="picture"):
                    yield Frame("lr")
                    yield ChartView()
                    yield Static(id="anchor")
            with Vertical(id="bottom"):
                with Horizontal(id="notation-row"):
                    yield Label("notation", classes="caption")
                    yield Input(self._model.text, id="notation")
                yield Static(id="verdict")
                yield Static(id="help")
                yield Static(id="keys")

    async def on_mount(self) -> None:
        """Show what there is to choose from, and begin with the filter."""
        box = self.query_one("#picker")
        live = self._purpose.live
        if (after := self._purpose.branch_epoch) is not None:
            box.border_title = f"Branch from run #{self._purpose.number} after epoch {after}, step {self._start:,}"
        elif live is not None:
            box.border_title = (
                f"Switch the schedule of run #{self._purpose.number} at step {self._start:,} (epoch {live.epoch})"
            )
        else:
            box.border_title = "Schedule of the next run"
        self.query_one("#anchor").display = live is not None
        self.query_one("#list", OptionList).can_focus = False
        keys = "enter apply   tab fields   ↑ ↓ schedulers   ctrl+r start with it   esc back"
        if live is not None:
            keys = "enter switch now   tab fields   ctrl+o anchor   ctrl+r restart   esc back"
        if self._purpose.branch_epoch is not None:
            keys = "enter start the branch   tab fields   ctrl+o anchor   esc back"
        self.query_one("#keys", Static).update(keys)
        self.query_one(Frame).show("importing PyTorch …")
        self._fill_list("")
        self.query_one("#filter").focus()
        await self._show()

    def on_resize(self, event: Resize) -> None:
        """Leave out what a small screen has no room for."""
        self.set_class(event.size.width < 100 or event.size.height < 30, "-small")

    def _fill_list(self, words: str) -> None:
        options = self.query_one("#list", OptionList)
        entries = self._model.entries(words)
        self._listed = [entry.name for entry in entries]
        with self.prevent(OptionList.OptionHighlighted):
            options.clear_options()
            options.add_options(
                [Option(Text(f"{entry.name:<27} {entry.unit}", no_wrap=True), id=entry.name) for entry in entries]
            )
            if not entries:
                options.add_option(Option(Text("nothing of that name; delete some of it"), disabled=True))
            self._highlight()

    def _highlight(self) -> None:
        if self._model.name in self._listed:
            with self.prevent(OptionList.OptionHighlighted):
                self.query_one("#list", OptionList).highlighted = self._listed.index(self._model.name)

    async def _show(self) -> None:
        """Make every view follow the model, and ask for the curve."""
        model = self._model
        self._highlight()
        await self._show_form()
        notation = self.query_one("#notation", Input)
        if not notation.has_focus and notation.value != model.text:
            with self.prevent(Input.Changed):
                notation.value = model.text
        entry = CATALOGUE.get(model.name)
        self.query_one("#summary", Static).update(Text(entry.summary if entry else "a class of your own"))
        self._show_verdict()
        self._show_anchor()
        if model.schedule is not None:
            self._ask_for_curve(str(model.schedule))

    async def _show_form(self) -> None:
        form = self.query_one("#form", VerticalScroll)
        fields = self._model.fields
        if self._form_of != self._model.name:
            self._form_of = self._model.name
            await form.remove_children()
            await form.mount_all([FieldRow(field) for field in fields])
        for row, field in zip(form.query(FieldRow), fields, strict=True):
            row.show(field)

    def _show_verdict(self) -> None:
        verdict = self.query_one("#verdict", Static)
        error = self._model.error or (self._answer.error if self._answer and self._asked_for(self._answer) else None)
        verdict.set_class(error is not None, "-wrong")
        self.set_class(error is not None, "-stale")
        if error is not None:
            verdict.update(Text(f"✗ {error}"))
        else:
            filled = self._model.filled_in
            verdict.update(Text(f"✓ {filled}" if filled else "✓ ready"))

    def _show_anchor(self) -> None:
        live = self._purpose.live
        if live is not None:
            line = anchor_lines(self._anchor, self._model.schedule, live.current_lrs)
            self.query_one("#anchor", Static).update(line)

    # -- the curve ----------------------------------------------------------------------------------------------------

    def _ask_for_curve(self, schedule: str) -> None:
        context, live = self._purpose, self._purpose.live
        question = Question(schedule, context.optimizer, context.epochs, context.batches_per_epoch)
        if live is not None:
            question = Question(
                schedule,
                context.optimizer,
                context.epochs,
                context.batches_per_epoch,
                self._start,
                self._anchor,
                live.current_lrs,
            )
        if question != self._asked:
            self._asked = question
            self._ask(question)

    def _asked_for(self, answer: Answer) -> bool:
        return answer.question == self._asked

    def take_forecast(self, slot: str, answer: Answer) -> None:
        """Draw a curve that has come, if it is still the one that is wanted."""
        if slot != SLOT or not self._asked_for(answer):
            return
        self._answer = answer
        self._show_verdict()
        if answer.lrs is not None:
            live = self._purpose.live
            self.query_one(Frame).show(candidate_figure(answer.lrs))
            self.query_one(ChartView).show(candidate_chart(answer, live))

    # -- what the user does -------------------------------------------------------------------------------------------

    @on(Input.Changed, "#filter")
    async def _filter(self, event: Input.Changed) -> None:
        self._fill_list(event.value)
        if event.value and self._listed:
            # the best match is what the words were typed for
            self._model.choose(self._listed[0])
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
        if not self._listed:
            return
        at = self._listed.index(self._model.name) if self._model.name in self._listed else -1
        self._model.choose(self._listed[min(max(at + by, 0), len(self._listed) - 1)])
        await self._show()

    async def action_anchor(self) -> None:
        """Take the next anchor."""
        if self._purpose.live is not None:
            names = list(ANCHORS)
            self._anchor = names[(names.index(self._anchor) + 1) % len(names)]
            await self._show()

    def on_descendant_focus(self) -> None:
        """Say what the focused field is for."""
        focused = self.focused
        row = focused.parent.parent if focused is not None and focused.parent is not None else None
        words = row.field.help if isinstance(row, FieldRow) else ""
        self.query_one("#help", Static).update(Text(words))

    def action_apply(self) -> None:
        """Leave with the schedule, where there is one."""
        self._leave_with(restart=False)

    def action_restart(self) -> None:
        """Leave with the schedule and start a run anew."""
        # a branch is started by enter, and has nothing to restart
        self._leave_with(restart=self._purpose.branch_epoch is None)

    def _leave_with(self, *, restart: bool) -> None:
        refused = self._answer is not None and self._asked_for(self._answer) and self._answer.error is not None
        if self._model.schedule is None or refused:
            self.app.bell()
            return
        self.dismiss(PickerChoice(str(self._model.schedule), self._anchor, restart))

    def action_leave(self) -> None:
        """Leave everything as it was."""
        self.dismiss(None)
