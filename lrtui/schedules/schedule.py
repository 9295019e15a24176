"""A schedule as a value: what its notation says, nothing of PyTorch in it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

from lrtui.schedules.catalogue import CATALOGUE, Per, SchedulerEntry


@dataclass(frozen=True, slots=True)
class Schedule:
    """A scheduler's class and its arguments.

    Args:
        name: class name.
        items: (argument, value) pairs in PyTorch's order, those given only; an own class's positional arguments
            have the name "". Values are numbers, bools, None, text, and tuples of these or of schedules.
        per: what `step()` is called after; for a schedule inside another it is the outermost one's.
        per_given: whether the notation says it.
        own: module or file of a user's own class; None for PyTorch's.
        metric: what a ReduceLROnPlateau watches; None for the others.
    """

    name: str
    items: tuple[tuple[str, Any], ...] = ()
    per: Per = "epoch"
    per_given: bool = False
    own: str | None = None
    metric: str | None = None

    @property
    def arguments(self) -> Mapping[str, Any]:
        """The arguments given, by name."""
        return {name: value for name, value in self.items if name}

    @property
    def positional(self) -> tuple[Any, ...]:
        """An own class's arguments without a name."""
        return tuple(value for name, value in self.items if not name)

    @property
    def entry(self) -> SchedulerEntry | None:
        """The catalogue's entry; None for a user's own class."""
        return None if self.own else CATALOGUE[self.name]

    def get(self, argument: str) -> Any:
        """Return the argument's value, its default where it is not given; None where it has neither."""
        values = self.entry.values(self.arguments) if self.entry else self.arguments
        return values.get(argument)

    @property
    def length(self) -> int | None:
        """The `step()` calls after which its curve ends; None without an end, or where that is not filled in yet."""
        return self.entry.length(self.arguments) if self.entry else None

    @property
    def children(self) -> tuple[Schedule, ...]:
        """The schedules it is made of."""
        return tuple(self.arguments.get("schedulers", ())) if self.entry and self.entry.composite else ()

    def child_spans(self, calls: int) -> list[tuple[int, int]]:
        """Return when each child is in force: its first `step()` call and the one at which the next takes over.

        Args:
            calls: `step()` calls of the whole; a milestone beyond them is returned as it is.
        """
        if self.entry and self.entry.composite == "sequence":
            return list(pairwise((0, *self.arguments["milestones"], calls)))
        return [(0, calls)] * len(self.children)

    def walk(self) -> Iterator[Schedule]:
        """Yield the schedule and all those inside it."""
        yield self
        for child in self.children:
            yield from child.walk()

    @property
    def averages_from(self) -> int | None:
        """After how many `step()` calls weights are averaged: where a SWALR begins; None where there is none."""
        if self.entry and self.entry.averages_weights:
            return 0
        starts = [
            start + inside
            for child, (start, _) in zip(self.children, self.child_spans(0), strict=True)
            if (inside := child.averages_from) is not None
        ]
        return min(starts, default=None)

    def with_arguments(self, **arguments: Any) -> Schedule:
        """Return the schedule with these arguments set; None takes an argument away.

        A metric that is the default one follows `mode`.
        """
        merged = {**self.arguments, **arguments}
        order = [parameter.name for parameter in self.entry.parameters] if self.entry else list(merged)
        items = tuple((name, merged[name]) for name in order if merged.get(name) is not None)
        changed = replace(self, items=(*(item for item in self.items if not item[0]), *items))
        return replace(changed, metric=default_metric(changed)) if self.metric == default_metric(self) else changed

    def __str__(self) -> str:
        return self.notation()

    def notation(self, outermost: bool = True) -> str:
        """Return the schedule as PyTorch writes it, with `per=` where it was given."""
        parts = [value_words(value) if not name else f"{name}={value_words(value)}" for name, value in self.items]
        entry = self.entry
        if entry and self.items and entry.parameters[0].kind in ("schedules", "ints", "expression"):
            # what nobody writes with its name: SequentialLR([...]), MultiStepLR([...]), LambdaLR("...")
            first, value = self.items[0]
            if first == entry.parameters[0].name:
                parts[0] = value_words(value)
        if self.metric is not None and self.metric != default_metric(self):
            parts.append(f"metric={value_words(self.metric)}")
        if self.per_given and outermost:
            parts.append(f"per={value_words(self.per)}")
        prefix = f"{self.own}:" if self.own else ""
        return f"{prefix}{self.name}({', '.join(parts)})"


def default_metric(schedule: Schedule) -> str | None:
    """Return what a ReduceLROnPlateau watches when the notation does not say; None for the others."""
    entry = schedule.entry
    return entry.metric(entry.values(schedule.arguments)) if entry and entry.metric else None


def value_words(value: Any) -> str:
    """Return a value as the notation writes it."""
    if isinstance(value, Schedule):
        return value.notation(outermost=False)
    if isinstance(value, (tuple, list)):
        return f"[{', '.join(value_words(item) for item in value)}]"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{value_words(k)}: {value_words(v)}" for k, v in value.items()) + "}"
    if isinstance(value, str):
        # double quotes, as people write them, unless the text has some
        return f'"{value}"' if '"' not in value and "\\" not in value and value.isprintable() else repr(value)
    return repr(value)
