"""Lengths that a schedule's notation leaves out, or gives as a share of the run, as numbers of steps."""

from __future__ import annotations

from lrtui.run.errors import NotationError, UsageError
from lrtui.schedules.catalogue import SchedulerEntry
from lrtui.schedules.horizon import Horizon
from lrtui.schedules.schedule import Schedule
from lrtui.schedules.step_count import is_share, steps_of
from lrtui.schedules.user_module import load_user_scheduler, open_arguments


def fill_in(schedule: Schedule, horizon: Horizon, *, imports: bool = True) -> tuple[Schedule, dict[str, int]]:
    """Return the schedule with the lengths that were left out, and these lengths by name.

    Lengths given as a share of the run become numbers of steps.

    Lengths of nested schedules are named `schedulers[1].T_max`.

    Args:
        imports: whether to import users' classes and functions, for the lengths that these take.
    """
    lengths = _Lengths(imports)
    return lengths.fill(schedule, horizon.calls(schedule.per), horizon, ""), lengths.filled


def check_lengths_given(schedule: Schedule, horizon: Horizon, *, imports: bool = True) -> None:
    """Check that a schedule needs no length of a run whose length is unknown.

    Args:
        horizon: any length.
        imports: whether to import users' classes and functions, for the lengths that these take.

    Raises:
        UsageError: names the lengths that are missing.
    """
    _, lengths = fill_in(schedule, horizon, imports=imports)
    if lengths:
        raise UsageError(
            f"the length of the run is unknown: give {', '.join(lengths)}, or pass epochs= and batches_per_epoch= to "
            "lrtui.attach"
        )


def horizon_inside(schedule: Schedule, horizon: Horizon) -> Horizon:
    """Return the horizon of the schedule inside a Warmup, without steps if the warmup takes the whole run.

    Args:
        schedule: a Warmup, its share of the run as a number of steps.
        horizon: the steps that it covers.
    """
    return horizon.after(schedule.arguments["steps"], schedule.per)


class _Lengths:
    """The lengths that are filled in, by name."""

    def __init__(self, imports: bool) -> None:
        self.filled: dict[str, int] = {}
        self._imports = imports

    def fill(self, schedule: Schedule, calls: int, horizon: Horizon, path: str) -> Schedule:
        """Return a schedule, or a part of it, with its lengths.

        Args:
            calls: its `step()` calls.
            horizon: the steps that it covers; for the children of a composite, those of the composite.
            path: where it is, for the names.
        """
        entry = schedule.entry
        if schedule.is_per_optimizer:
            return schedule.with_children(
                [
                    self.fill(child, horizon.calls(child.per), horizon, f"{name}." if name else "")
                    for name, child in schedule.items
                ]
            )
        if entry is None:
            return self._users(schedule, max(1, calls), path) if self._imports else schedule
        if entry.composite == "warmup":
            return self._warmup(schedule, horizon, path)
        if entry.has_given_length(schedule.arguments):
            return self._whole_steps(schedule, entry, path)
        if schedule.children:
            spans = zip(schedule.children, schedule.child_spans(calls), strict=True)
            children = [
                self.fill(child, end - start, horizon, f"{path}schedulers[{index}].")
                for index, (child, (start, end)) in enumerate(spans)
            ]
            return schedule.with_children(children)
        for name in entry.fills:
            # at least 1, since a child that the run never reaches must still be built
            self.filled[path + name] = max(1, calls)
            schedule = schedule.with_arguments(**{name: max(1, calls)})
        return self._whole_steps(schedule, entry, path)

    def _warmup(self, schedule: Schedule, horizon: Horizon, path: str) -> Schedule:
        if is_share(share := schedule.arguments["steps"]):
            self.filled[f"{path}steps"] = steps_of("steps", share, horizon.calls(schedule.per))
            schedule = schedule.with_arguments(steps=self.filled[f"{path}steps"])
        (child,), rest = schedule.children, horizon_inside(schedule, horizon)
        return schedule.with_children([self.fill(child, rest.calls(child.per), rest, f"{path}scheduler.")])

    def _users(self, schedule: Schedule, calls: int, path: str) -> Schedule:
        try:
            found = load_user_scheduler(str(schedule.user_path), schedule.name, str(schedule))
        except NotationError:
            # building it fails with the same error
            return schedule
        for name in open_arguments(found, len(schedule.positional), schedule.arguments):
            if name == "t_in_epochs":
                # timm counts epochs by default
                if schedule.per == "batch":
                    schedule = schedule.with_arguments(t_in_epochs=False)
                continue
            self.filled[path + name] = calls
            schedule = schedule.with_arguments(**{name: calls})
        return schedule

    def _whole_steps(self, schedule: Schedule, entry: SchedulerEntry, path: str) -> Schedule:
        """Return the schedule with the lengths that are shares of the run as numbers of steps."""
        for name, share in schedule.items:
            parameter = entry.parameter(name)
            if parameter is not None and parameter.kind == "steps" and is_share(share):
                total = next(schedule.arguments[length] for length in entry.fills)
                self.filled[path + name] = steps_of(name, share, total)
                schedule = schedule.with_arguments(**{name: self.filled[path + name]})
        return schedule
