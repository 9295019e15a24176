"""The picker's one value, and its three views: a list, a form and a line of notation. Knows no widget."""

from __future__ import annotations

from dataclasses import dataclass, field

from lrtui.run.errors import NotationError
from lrtui.schedules.catalogue import CATALOGUE, SchedulerEntry
from lrtui.schedules.filling import fill_in
from lrtui.schedules.horizon import Horizon
from lrtui.schedules.notation import parse_optimizer, parse_schedule
from lrtui.schedules.parameter import Parameter
from lrtui.schedules.schedule import Schedule, value_words

PER = "per"
"""The field, beside the arguments, that says what `step()` is called after."""


@dataclass(frozen=True, slots=True)
class Field:
    """One field of the form.

    Args:
        name: of the argument, or `per`.
        text: what the user gave, in notation; empty where it is left out.
        hint: what holds when it is left out, and what is taken.
        help: what the argument does.
        error: what is wrong with the text.
    """

    name: str
    text: str
    hint: str
    help: str
    error: str = ""


@dataclass(slots=True)
class PickerModel:
    """A schedule that is being chosen.

    Args:
        text: notation to begin with.
        optimizer: notation; forms begin with lrs that fit it.
        horizon: the stretch that the schedule will cover, for the lengths that are filled in.
        recent: schedules chosen before, the latest first: they lead the list, with their arguments.
    """

    text: str
    optimizer: str
    horizon: Horizon
    recent: tuple[str, ...] = ()
    schedule: Schedule | None = None
    """The value, where the text has one."""
    error: NotationError | None = None
    """Why it has none."""
    _texts: dict[str, dict[str, str]] = field(default_factory=dict)
    """What the user gave each argument, by scheduler: kept, so that looking at another one loses nothing."""
    _name: str = ""

    def __post_init__(self) -> None:
        text = self.text
        for notation in reversed(self.recent):
            self.set_text(notation)
        self.set_text(text)

    # -- the list -----------------------------------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """The scheduler that is chosen; empty where the text names none."""
        return self._name

    def entries(self, words: str) -> list[SchedulerEntry]:
        """Return the schedulers whose name or summary has all the words in it.

        Those whose name begins with the first word come first, then those with all of them in their name; of equals
        those that were used last.
        """
        wanted = words.lower().split()
        found = [
            entry
            for entry in CATALOGUE.values()
            if all(word in f"{entry.name} {entry.summary} per {entry.unit}".lower() for word in wanted)
        ]

        used = [notation.partition("(")[0].strip() for notation in self.recent]

        def rank(entry: SchedulerEntry) -> tuple[int, int]:
            name = entry.name.lower()
            match = 0 if wanted and name.startswith(wanted[0]) else 1 if all(word in name for word in wanted) else 2
            return match, used.index(entry.name) if entry.name in used else len(used)

        return sorted(found, key=rank)

    def choose(self, name: str) -> None:
        """Take another scheduler, with the arguments it had last, or such as fit the optimizer."""
        if name == self._name and self.schedule is not None:
            return
        if name not in self._texts:
            self._texts[name] = self._first_texts(CATALOGUE[name])
        self._name = name
        self._compose()

    def _first_texts(self, entry: SchedulerEntry) -> dict[str, str]:
        texts = {argument: value_words(value) for argument, value in parse_schedule(entry.example).arguments.items()}
        lr = parse_optimizer(self.optimizer).lr
        for parameter in entry.parameters:
            if parameter.lr_share is not None and parameter.name in texts:
                texts[parameter.name] = f"{parameter.lr_share * lr:.6g}"
        return texts

    # -- the form -----------------------------------------------------------------------------------------------------

    @property
    def fields(self) -> list[Field]:
        """The form of the scheduler that is chosen: its arguments, and per."""
        entry = CATALOGUE.get(self._name)
        if entry is None:
            return []
        texts = self._texts.get(self._name, {})
        filled = self._filled_in()
        at_fault = self.error.field if self.error else None
        rows = [
            Field(
                parameter.name,
                texts.get(parameter.name, ""),
                _hint(parameter, filled.get(parameter.name)),
                f"{parameter.help} ({parameter.range_words})",
                str(self.error) if self.error and at_fault == parameter.name else "",
            )
            for parameter in entry.parameters
        ]
        if entry.name != "ReduceLROnPlateau":
            error = str(self.error) if self.error and at_fault == PER else ""
            words = 'what step() is called after: "batch" or "epoch"'
            rows.append(Field(PER, texts.get(PER, ""), f"{entry.unit}", words, error))
        return rows

    def set_field(self, name: str, text: str) -> None:
        """Give an argument another text; empty leaves it out."""
        texts = self._texts.setdefault(self._name, {})
        if text.strip():
            texts[name] = text.strip()
        else:
            texts.pop(name, None)
        self._compose()

    def _compose(self) -> None:
        """Make the notation from the form."""
        texts = self._texts[self._name]
        entry = CATALOGUE[self._name]
        arguments = [_argument(entry, p.name, texts[p.name]) for p in entry.parameters if p.name in texts]
        if PER in texts:
            arguments.append(f'per="{texts[PER].strip(chr(34))}"')
        self.text = f"{self._name}({', '.join(arguments)})"
        self._read()
        if self.schedule is not None:
            self.text = str(self.schedule)

    # -- the line -----------------------------------------------------------------------------------------------------

    def set_text(self, text: str) -> None:
        """Take a notation; list and form follow where it can be read."""
        self.text = text
        self._read()
        if self.schedule is not None and self.schedule.entry is not None:
            self._name = self.schedule.name
            texts = {argument: value_words(value) for argument, value in self.schedule.arguments.items()}
            if self.schedule.per_given:
                texts[PER] = self.schedule.per
            self._texts[self._name] = texts

    def _read(self) -> None:
        try:
            self.schedule, self.error = parse_schedule(self.text), None
        except NotationError as error:
            self.schedule, self.error = None, error

    # -- what follows from it -----------------------------------------------------------------------------------------

    @property
    def filled_in(self) -> str:
        """The notation with its lengths filled in, where that says more; else empty."""
        if self.schedule is None:
            return ""
        words = str(fill_in(self.schedule, self.horizon)[0])
        return words if words != str(self.schedule) else ""

    def _filled_in(self) -> dict[str, int]:
        return fill_in(self.schedule, self.horizon)[1] if self.schedule is not None else {}


def _argument(entry: SchedulerEntry, name: str, text: str) -> str:
    parameter = entry.parameter(name)
    if parameter and parameter.kind in ("choice", "expression") and text[:1] not in ("'", '"', "["):
        # quotes are the notation's affair, not the form's
        text = value_words(text)
    return f"{name}={text}"


def _hint(parameter: Parameter, filled: int | None) -> str:
    if filled is not None:
        return f"{filled:,} (filled in)"
    if parameter.is_required:
        return parameter.range_words
    return "left out" if parameter.default is None else value_words(parameter.default)
