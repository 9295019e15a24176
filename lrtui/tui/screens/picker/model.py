"""The schedule being chosen, and its three views: list, form and notation. Knows no widget."""

from __future__ import annotations

from dataclasses import dataclass, field

from lrtui.run.errors import NotationError
from lrtui.run.spec import trained_lr
from lrtui.schedules.catalogue import CATALOGUE, SchedulerEntry
from lrtui.schedules.horizon import Horizon
from lrtui.schedules.lengths import fill_in
from lrtui.schedules.notation import parse_optimizer, parse_schedule
from lrtui.schedules.parameter import Parameter
from lrtui.schedules.schedule import Schedule, value_text

PER = "per"
"""The form field, in addition to the arguments, for the unit after which `step()` is called."""


@dataclass(frozen=True, slots=True)
class FormField:
    """One field of the form.

    Args:
        name: name of the argument, or `per`.
        text: what the user gave, in notation; empty if left out.
        hint: the default value, or the accepted values.
        help: what the argument does.
        error: the error in the text; empty if it is valid.
    """

    name: str
    text: str
    hint: str
    help: str
    error: str = ""


@dataclass(slots=True)
class PickerModel:
    """A schedule being chosen.

    Args:
        text: initial notation.
        optimizer: notation; its lr is the initial value of lr arguments.
        horizon: the steps that the schedule covers; lengths left out are filled in from it.
        recent: schedules chosen before, latest first; they are at the top of the list, with their arguments.
    """

    text: str
    optimizer: str
    horizon: Horizon
    recent: tuple[str, ...] = ()
    schedule: Schedule | None = None
    """None while the text is not a valid notation."""
    error: NotationError | None = None
    """Why the text is not valid."""
    name: str = ""
    """The selected scheduler; empty if no valid notation has named one yet."""
    _texts: dict[str, dict[str, str]] = field(default_factory=dict)
    """Arguments as text, by scheduler, so that they are kept while another scheduler is selected."""

    def __post_init__(self) -> None:
        text = self.text
        for notation in reversed(self.recent):
            self.set_text(notation)
        self.set_text(text)

    # -- list ---------------------------------------------------------------------------------------------------------

    def entries(self, query: str) -> list[SchedulerEntry]:
        """Return the schedulers whose name or summary contains every word of the query.

        Names that start with the first word come first, then names that contain every word; among equals, the most
        recently used.
        """
        words = query.lower().split()
        found = [
            entry
            for entry in CATALOGUE.values()
            if all(word in f"{entry.name} {entry.summary} per {entry.unit}".lower() for word in words)
        ]
        used = [notation.partition("(")[0].strip() for notation in self.recent]

        def rank(entry: SchedulerEntry) -> tuple[int, int]:
            name = entry.name.lower()
            match = 0 if words and name.startswith(words[0]) else 1 if all(word in name for word in words) else 2
            return match, used.index(entry.name) if entry.name in used else len(used)

        return sorted(found, key=rank)

    def choose(self, name: str) -> None:
        """Select a scheduler, with its last arguments or with defaults that suit the optimizer."""
        if name == self.name and self.schedule is not None:
            return
        if name not in self._texts:
            self._texts[name] = self._default_texts(CATALOGUE[name])
        self.name = name
        self._write_notation()

    def _default_texts(self, entry: SchedulerEntry) -> dict[str, str]:
        example = parse_schedule(entry.example)
        calls = self.horizon.calls(example.per)
        is_cyclic = entry.family == "curve" and any(each.count_role == "period" for each in entry.counts)
        if is_cyclic and entry.fit is not None and calls > 1:
            # whole cycles, so that check has no finding on what the form proposes
            example = example.with_arguments(**(entry.fit(entry.values(example.arguments), calls) or {}))
        texts = {argument: example.argument_text(argument) for argument in example.arguments}
        lr = trained_lr(parse_optimizer(self.optimizer).lrs)
        for parameter in entry.parameters:
            # with all groups frozen, the example's own value stays
            if lr and parameter.lr_share is not None and parameter.name in texts:
                texts[parameter.name] = f"{parameter.lr_share * lr:.6g}"
        return texts

    # -- form ---------------------------------------------------------------------------------------------------------

    @property
    def fields(self) -> list[FormField]:
        """A field for each argument of the selected scheduler, and `per`; empty for a user's own class."""
        entry = CATALOGUE.get(self.name)
        if entry is None:
            return []
        texts = self._texts.get(self.name, {})
        filled = fill_in(self.schedule, self.horizon, imports=False)[1] if self.schedule is not None else {}
        fields = [
            FormField(
                parameter.name,
                texts.get(parameter.name, ""),
                _hint(parameter, filled.get(parameter.name)),
                f"{parameter.help} ({parameter.range_text})",
                self._error_of(parameter.name),
            )
            for parameter in entry.parameters
        ]
        if not entry.follows_metric:
            help_text = 'what step() is called after: "batch" or "epoch"'
            fields.append(FormField(PER, texts.get(PER, ""), entry.unit, help_text, self._error_of(PER)))
        return fields

    def _error_of(self, name: str) -> str:
        return str(self.error) if self.error is not None and self.error.field == name else ""

    def set_field(self, name: str, text: str) -> None:
        """Change the text of an argument; empty leaves the argument out."""
        texts = self._texts.setdefault(self.name, {})
        if text.strip():
            texts[name] = text.strip()
        else:
            texts.pop(name, None)
        self._write_notation()

    def _write_notation(self) -> None:
        texts = self._texts[self.name]
        parameters = CATALOGUE[self.name].parameters
        arguments = [_argument(parameter, texts[parameter.name]) for parameter in parameters if parameter.name in texts]
        if PER in texts:
            arguments.append(f'per="{texts[PER].strip(chr(34))}"')
        self.text = f"{self.name}({', '.join(arguments)})"
        self._parse()
        if self.schedule is not None:
            self.text = str(self.schedule)

    # -- notation -----------------------------------------------------------------------------------------------------

    def set_text(self, text: str) -> None:
        """Take a notation; list and form follow if it is valid."""
        self.text = text
        self._parse()
        if self.schedule is not None and self.schedule.entry is not None:
            self.name = self.schedule.name
            texts = {argument: self.schedule.argument_text(argument) for argument in self.schedule.arguments}
            if self.schedule.per_given:
                texts[PER] = self.schedule.per
            self._texts[self.name] = texts

    def _parse(self) -> None:
        try:
            self.schedule, self.error = parse_schedule(self.text), None
        except NotationError as error:
            self.schedule, self.error = None, error

    @property
    def filled_in(self) -> str:
        """The notation with the lengths that were left out; empty if none were."""
        if self.schedule is None:
            return ""
        text = str(fill_in(self.schedule, self.horizon, imports=False)[0])
        return text if text != str(self.schedule) else ""


def _argument(parameter: Parameter, text: str) -> str:
    if parameter.kind in ("choice", "expression") and text[:1] not in ("'", '"', "["):
        # the form needs no quotes, the notation does
        text = value_text(text)
    return f"{parameter.name}={text}"


def _hint(parameter: Parameter, filled: int | None) -> str:
    if filled is not None:
        return f"{filled:,} (filled in)"
    if parameter.is_required:
        return parameter.range_text
    return "optional" if parameter.default is None else value_text(parameter.default)
