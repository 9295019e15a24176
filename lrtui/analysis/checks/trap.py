"""A trap: how it is found in a schedule, and its page for `lrtui check --explain`."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from lrtui.analysis.checks.context import ScheduleContext
from lrtui.analysis.checks.lr_context import LrContext
from lrtui.schedules.schedule import Schedule
from lrtui.text.format import counted


@dataclass(frozen=True, slots=True)
class Problem:
    """What a trap's function returns if the schedule has the trap; `check_schedule` turns it into a Finding.

    Args:
        message: what will happen, one sentence with its figures.
        fixes: candidate schedules without the problem, the best first; `check` tries each before it suggests one.
        short: the message in a few words, for a narrow line; the trap's title when empty.
    """

    message: str
    fixes: Iterable[Schedule] = ()
    short: str = ""


@dataclass(frozen=True, slots=True)
class Example:
    """A schedule in which `check` finds the trap and nothing else, and the fix that it suggests.

    Args:
        schedule: notation.
        fix: notation of the suggested schedule, in which nothing is found.
        lrs: lr at the start of each epoch, a bar, and the lr of the last step; empty if there is no such lr.
        fix_lrs: the same for the suggested schedule.
        optimizer: notation.
        epochs: length of the run.
        steps: optimizer steps per epoch.
        accumulate: batches per optimizer step.
    """

    schedule: str
    fix: str
    lrs: str = ""
    fix_lrs: str = ""
    optimizer: str = "Adam(lr=0.01)"
    epochs: int = 10
    steps: int = 938
    accumulate: int = 1

    def __str__(self) -> str:
        batches = f" of {counted(self.accumulate, 'batch')} each" if self.accumulate > 1 else ""
        lines = [
            f"For example, with {self.optimizer} in {counted(self.epochs, 'epoch')} of {counted(self.steps, 'step')}"
            f"{batches} (lr at the start of each epoch | lr of the last step):",
            f"  {self.schedule}",
            f"  lr {self.lrs}",
            "Better:",
            f"  {self.fix}",
            f"  lr {self.fix_lrs}",
        ]
        return "\n".join(line for line in lines if line != "  lr ")


@dataclass(frozen=True, slots=True)
class Trap:
    """A mistake that can be found in a schedule before training.

    Args:
        code: identifies it.
        title: one line, without a full stop.
        find: returns the problem in a schedule, or None; its docstring is the text of the page.
        example: shown at the end of the page.
        on_failure: whether it applies only to schedules that can't be stepped to the end of the run; others apply
            only to schedules that can.
        find_in_lrs: the same function as `find`, if it looks at the lrs alone, wherever they come from; else None.
        needs_end: whether it says nothing about lrs that end before the run does.
        fixes: returns candidate schedules without the problem, after those of the problem itself.
    """

    code: str
    title: str
    find: Callable[[ScheduleContext], Problem | None]
    example: Example
    on_failure: bool = False
    find_in_lrs: Callable[[LrContext], Problem | None] | None = None
    needs_end: bool = True
    fixes: Callable[[ScheduleContext], Iterable[Schedule]] | None = None

    @property
    def page(self) -> str:
        """The text of the page, one line per paragraph; indented lines are notation and figures."""
        paragraphs = inspect.cleandoc(self.find.__doc__ or "").split("\n\n")
        return "\n".join([*(" ".join(paragraph.split()) for paragraph in paragraphs), str(self.example)])

    def find_in(self, context: ScheduleContext) -> Problem | None:
        """Return the problem in a schedule; None if there is none or the trap does not apply."""
        return self.find(context) if self.on_failure == (context.error is not None) else None

    def candidates(self, problem: Problem, context: ScheduleContext) -> Iterator[Schedule]:
        """Yield schedules that may not have the problem, the best first."""
        yield from problem.fixes
        if self.fixes is not None:
            yield from self.fixes(context)


def trap(
    code: str, title: str, example: Example, *, on_failure: bool = False
) -> Callable[[Callable[[ScheduleContext], Problem | None]], Trap]:
    """Make a trap of the function that finds it; the function's docstring is the text of the page."""

    def decorate(find: Callable[[ScheduleContext], Problem | None]) -> Trap:
        return Trap(code, title, find, example, on_failure)

    return decorate


def lr_trap(
    code: str,
    title: str,
    example: Example,
    *,
    fixes: Callable[[ScheduleContext], Iterable[Schedule]],
    needs_end: bool = True,
) -> Callable[[Callable[[LrContext], Problem | None]], Trap]:
    """Make a trap of a function that looks at the lrs alone, and so finds it in a recorded run as well.

    Args:
        fixes: returns candidate schedules without the problem, the best first.
        needs_end: whether it needs the lrs up to the end of the run.
    """

    def decorate(find: Callable[[LrContext], Problem | None]) -> Trap:
        return Trap(code, title, find, example, find_in_lrs=find, needs_end=needs_end, fixes=fixes)

    return decorate
