"""A schedule as a value: what its notation says, and over which steps it runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

from lrtui.run.errors import UsageError
from lrtui.run.spec import SCRIPT
from lrtui.schedules.catalogue import CATALOGUE, Per, SchedulerEntry
from lrtui.schedules.parameter import LrRole
from lrtui.schedules.user_module import LENGTHS, check_not_of_script

STEPPED_PER_BATCH = ("transformers", "diffusers")
"""Packages whose functions make schedulers that are stepped per batch."""

PER_OPTIMIZER = "PerOptimizer"
"""Name of a schedule for each of several optimizers: `PerOptimizer(muon=StepLR(3), adamw=CosineAnnealingLR())`."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """A scheduler's class and its arguments.

    Args:
        name: class name.
        items: (argument, value) pairs in PyTorch's order, only those given; positional arguments of a user's class
            have the name "". Values are numbers, bools, None, text, and tuples of these or of schedules.
        per: the unit after which `step()` is called; for a nested schedule it is that of the outermost one, unless it
            is inside a Warmup.
        per_given: whether the notation has `per=`.
        user_path: module or file of a user's class; SCRIPT for a scheduler that only a script has, None for a class of
            the catalogue.
        metric: the metric that it follows; None for a schedule that follows none.
        continues: for a schedule per optimizer, those that were in place before it: the optimizer's name, the run's
            step at which its schedule started, and the lrs of its groups there.
    """

    name: str
    items: tuple[tuple[str, Any], ...] = ()
    per: Per = "epoch"
    per_given: bool = False
    user_path: str | None = None
    metric: str | None = None
    continues: tuple[tuple[str, tuple[float, ...]], ...] = ()

    @property
    def arguments(self) -> Mapping[str, Any]:
        """The arguments given, by name."""
        return {name: value for name, value in self.items if name}

    @property
    def positional(self) -> tuple[Any, ...]:
        """Arguments of a user's class that are given without a name."""
        return tuple(value for name, value in self.items if not name)

    @property
    def entry(self) -> SchedulerEntry | None:
        """The catalogue's entry; None for a user's class, and for a schedule per optimizer."""
        return None if self.user_path or self.is_per_optimizer else CATALOGUE[self.name]

    @property
    def is_per_optimizer(self) -> bool:
        """Whether it has a schedule for each of several optimizers by its name, or "" for all others."""
        return self.name == PER_OPTIMIZER and self.user_path is None

    def for_optimizer(self, name: str, first_group: int, groups: int, all_groups: int) -> Schedule:
        """Return the schedule of one of several optimizers.

        A list with an item for each group of all optimizers gets those of this one.

        Args:
            name: name of the optimizer.
            first_group: index of its first parameter group among those of all.
            groups: how many it has.
            all_groups: how many there are.

        Raises:
            KeyError: if there is no schedule for it.
        """
        if self.is_per_optimizer and name in self.arguments:
            found = self.arguments[name]
            return found if isinstance(found, Schedule) else self
        shared = dict(self.items)[""] if self.is_per_optimizer else self
        return shared._sliced(first_group, groups, all_groups)

    def _sliced(self, first: int, groups: int, all_groups: int) -> Schedule:
        changed: dict[str, Any] = {}
        for name, value in self.arguments.items():
            parameter = self.entry.parameter(name) if self.entry else None
            if (
                parameter is not None
                and parameter.kind in ("floats", "expression")
                and isinstance(value, tuple)
                and len(value) == all_groups
            ):
                changed[name] = value[first : first + groups]
        sliced = self.with_arguments(**changed) if changed else self
        children = [child._sliced(first, groups, all_groups) for child in self.children]
        return sliced.with_children(children) if children else sliced

    @property
    def default_per(self) -> Per:
        """The unit after which `step()` is called unless `per=` says otherwise."""
        if self.entry is not None:
            return self.entry.unit
        package = str(self.user_path).partition(".")[0].partition(":")[0]
        if package == "timm" and self.arguments.get("t_in_epochs") is False:
            return "batch"
        return "batch" if package in STEPPED_PER_BATCH else "epoch"

    @property
    def has_fixed_length(self) -> bool:
        """Whether it has a length that would otherwise be filled in from the run."""
        if self.entry is not None:
            return self.entry.has_given_length(self.arguments)
        return self.user_path is not None and any(name in self.arguments for name in LENGTHS)

    def get(self, argument: str) -> Any:
        """Return the argument's value or its default; None if it has neither."""
        values = self.entry.values(self.arguments) if self.entry else self.arguments
        return values.get(argument)

    @property
    def length(self) -> int | None:
        """The `step()` calls after which its curve ends; None if it has no end, or its length is not filled in yet."""
        return self.entry.length(self.arguments) if self.entry else None

    @property
    def children(self) -> tuple[Schedule, ...]:
        """The schedules it is made of."""
        if self.is_per_optimizer:
            return tuple(value for _, value in self.items)
        composite = self.entry.composite if self.entry else None
        if composite == "warmup":
            return (self.arguments["scheduler"],)
        return tuple(self.arguments.get("schedulers", ())) if composite else ()

    def with_children(self, children: Sequence[Schedule]) -> Schedule:
        """Return the schedule made of other schedules."""
        if self.is_per_optimizer:
            named = zip((name for name, _ in self.items), children, strict=True)
            return replace(self, items=tuple(named))
        if self.entry and self.entry.composite == "warmup":
            return self.with_arguments(scheduler=children[0])
        return self.with_arguments(schedulers=tuple(children))

    @property
    def units(self) -> tuple[Per, ...]:
        """The units after which it makes a step: a warmup per batch around a schedule per epoch has both."""
        return tuple(dict.fromkeys(part.per for part in self.walk()))

    def child_spans(self, calls: int) -> list[tuple[int, int]]:
        """Return when each child is active: its first `step()` call and the one at which the next takes over.

        Args:
            calls: `step()` calls of the whole schedule; a milestone beyond them is returned as it is.
        """
        if self.entry and self.entry.composite == "sequence":
            return list(pairwise((0, *self.arguments["milestones"], calls)))
        if self.entry and self.entry.composite == "warmup":
            return [(self.arguments["steps"], calls)]
        return [(0, calls)] * len(self.children)

    def walk(self) -> Iterator[Schedule]:
        """Yield the schedule and all those inside it."""
        yield self
        for child in self.children:
            yield from child.walk()

    @property
    def is_users_own(self) -> bool:
        """Whether it is, or contains, a user's class."""
        return any(part.user_path is not None for part in self.walk())

    @property
    def is_of_script(self) -> bool:
        """Whether it is, or contains, a scheduler that only a script has: its lr is known from records alone."""
        return any(part.user_path == SCRIPT for part in self.walk())

    @property
    def follows_metric(self) -> bool:
        """Whether it, or a schedule inside it, follows the results of tests."""
        return any(part.metric is not None for part in self.walk())

    @property
    def only_multiplies(self) -> bool:
        """Whether every lr is a multiple of the lr that it starts from, so that an lr of 0 stays 0.

        False for a user's class, of which this is not known.
        """
        return all(part._only_multiplies for part in self.walk() if not part.is_per_optimizer)

    @property
    def _only_multiplies(self) -> bool:
        entry = self.entry
        if entry is None or entry.absolute:
            return False
        # a scheduler that follows a metric never raises the lr, not even from 0 to its floor
        roles: tuple[LrRole, ...] = ("end", "peak", "low") if entry.follows_metric else ("end", "peak", "low", "floor")
        return not any(self.get(lr.name) for lr in entry.lrs(*roles))

    def never_cuts_on(self, results: Mapping[str, float]) -> bool:
        """Return whether it can't cut the lr, since its threshold is relative and its metric negative in these results.

        A relative threshold then lies on the wrong side of the best value: an equal result counts as an improvement.
        """
        return self.metric is not None and self.get("threshold_mode") == "rel" and results.get(self.metric, 0.0) < 0

    @property
    def averages_from(self) -> int | None:
        """The `step()` call from which weights are averaged; None if they are not averaged."""
        if self.entry and self.entry.averages_weights:
            return 0
        starts = [
            start + inside
            # 0 calls, since only the starts are used
            for child, (start, _) in zip(self.children, self.child_spans(0), strict=True)
            if (inside := child.averages_from) is not None
        ]
        return min(starts, default=None)

    def with_arguments(self, **arguments: Any) -> Schedule:
        """Return the schedule with these arguments set; None removes an argument.

        A metric that was not given is derived again from the new arguments.
        """
        merged = {**self.arguments, **arguments}
        order = [parameter.name for parameter in self.entry.parameters] if self.entry else list(merged)
        items = tuple((name, merged[name]) for name in order if merged.get(name) is not None)
        changed = replace(self, items=(*(item for item in self.items if not item[0]), *items))
        return replace(changed, metric=default_metric(changed)) if self.metric == default_metric(self) else changed

    def __str__(self) -> str:
        return self.notation()

    def argument_text(self, name: str) -> str:
        """Return a given argument's value as the notation writes it."""
        value = self.arguments[name]
        # inside a Warmup a schedule can have a unit of its own
        return value.notation() if isinstance(value, Schedule) else value_text(value)

    def notation(self, outermost: bool = True) -> str:
        """Return the schedule as PyTorch writes it, with `per=` if it was given."""
        parts = [f"{name}={self.argument_text(name)}" if name else value_text(value) for name, value in self.items]
        entry = self.entry
        if entry and entry.composite == "warmup":
            # Warmup(200, CosineAnnealingLR())
            parts[:2] = [self.argument_text(name) for name in ("steps", "scheduler")]
        if entry and self.items and entry.parameters[0].kind in ("schedules", "ints", "expression"):
            # these are written without a name: SequentialLR([...]), MultiStepLR([...]), LambdaLR("...")
            first, value = self.items[0]
            if first == entry.parameters[0].name:
                parts[0] = value_text(value)
        if self.metric is not None and self.metric != default_metric(self):
            parts.append(f"metric={value_text(self.metric)}")
        if self.is_per_optimizer:
            parts = [f"{name}={part.notation()}" if name else part.notation() for name, part in self.items]
            if self.continues:
                parts.append(f"continues={value_text(dict(self.continues))}")
        if self.per_given and outermost:
            parts.append(f"per={value_text(self.per)}")
        prefix = f"{self.user_path}:" if self.user_path else ""
        return f"{prefix}{self.name}({', '.join(parts)})"


def check_trainable(schedule: Schedule) -> None:
    """Check that a run can be trained with the schedule.

    Raises:
        NotationError: if only a script has it, or a part of it.
    """
    for part in schedule.walk():
        check_not_of_script(part.user_path, part.name, str(schedule))


def check_no_fixed_length(schedule: Schedule, remedy: str) -> None:
    """Check that a run can be extended: a schedule with a fixed number of steps is undefined after them.

    Args:
        remedy: what to do instead, as the end of a sentence.

    Raises:
        UsageError: names the schedule.
    """
    for part in schedule.walk():
        if part.has_fixed_length:
            raise UsageError(f"{part} has a fixed length; {remedy}")


def default_metric(schedule: Schedule) -> str | None:
    """Return the metric that a schedule follows when the notation does not name one; None if it follows none."""
    entry = schedule.entry
    if entry and entry.composite == "warmup":
        return schedule.children[0].metric
    return entry.metric(entry.values(schedule.arguments)) if entry and entry.metric else None


def value_text(value: Any) -> str:
    """Return a value as the notation writes it."""
    if isinstance(value, Schedule):
        return value.notation(outermost=False)
    if isinstance(value, (tuple, list)):
        return f"[{', '.join(value_text(item) for item in value)}]"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{value_text(k)}: {value_text(v)}" for k, v in value.items()) + "}"
    if isinstance(value, str):
        # double quotes, as people write them, unless the text contains some
        return f'"{value}"' if '"' not in value and "\\" not in value and value.isprintable() else repr(value)
    return repr(value)
