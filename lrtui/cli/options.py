"""Options and arguments that several commands have; those of a run are derived from its settings."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Collection, Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import click

from lrtui.cli.command import argument, option
from lrtui.run.errors import UsageError
from lrtui.run.spec import (
    MAX_COUNT,
    RunSpec,
    check_option,
    is_list,
    is_whole_number,
    named_optimizer,
    named_schedule,
    option_name,
    read_option,
)

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from lrtui.settings import UserSettings

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

LENGTH_OPTIONS = ("task", "optimizer", "epochs", "max_steps", "batch_size", "accumulate", "train_samples")
"""The run options that the length of a schedule depends on."""

MAX_BATCHES = 10_000_000
"""Maximum number of batches in an epoch, and in a run that is listed or simulated batch by batch."""


# -- declarations -----------------------------------------------------------------------------------------------------


def schedule_argument(name: str = "schedule", help_text: str = "", **settings: Any) -> Decorator:
    """Add the SCHEDULE argument."""
    help_text = help_text or 'A schedule as PyTorch writes it: "StepLR(step_size=3)".'
    metavar = "SCHEDULE" if settings.get("nargs", 1) == 1 else "SCHEDULE..."
    return argument(
        name,
        metavar=metavar if settings.get("required", True) else f"[{metavar}]",
        help=help_text,
        shell_complete=complete_schedulers,
        **settings,
    )


def complete_schedulers(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Return the schedulers whose name starts with the incomplete word."""
    from click.shell_completion import CompletionItem

    from lrtui.schedules.catalogue import CATALOGUE

    return [
        CompletionItem(name, help=entry.summary)
        for name, entry in CATALOGUE.items()
        if name.lower().startswith(incomplete.lower())
    ]


def run_options(only: Collection[str] | None = None) -> Decorator:
    """Add an option for each setting of a run but the schedule.

    Args:
        only: names of the settings to add; None for all.
    """

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        for item in reversed(fields(RunSpec)):
            if item.name == "schedule" or (only is not None and item.name not in only):
                continue
            text = item.metadata["help"]
            if item.default not in (None, ()):
                text += f" (default: {item.default})"
            if is_list(item):
                text += " (can be repeated)"
            choices = item.metadata.get("choices", ())
            metavar = item.metadata.get("metavar") or "|".join(choices) or item.name.upper()
            function = option(
                option_name(item.name),
                item.name,
                # no type: read_spec validates the text, as the settings form does
                multiple=is_list(item),
                metavar="N" if is_whole_number(item) else metavar,
                section="Run options",
                help=text,
                shell_complete=_complete_setting,
            )(function)
        return function

    return decorate


def _complete_setting(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete the value of a run option: a choice, a task or a folder."""
    from click.shell_completion import CompletionItem

    if parameter.name in ("store", "data_dir"):
        return [CompletionItem(incomplete, type="dir")]
    if parameter.name == "task":
        from lrtui.plugins import plugin_names
        from lrtui.tasks.registry import GROUP

        names = plugin_names(GROUP)
    else:
        names = next(item.metadata.get("choices", ()) for item in fields(RunSpec) if item.name == parameter.name)
    return [CompletionItem(name) for name in names if name.startswith(incomplete)]


def length_option() -> Decorator:
    """Add the option that overrides the length of the task's epochs."""
    return option("--batches-per-epoch", metavar="N", help="length of an epoch, instead of the task's")


def output_options() -> Decorator:
    """Add the options for the output of a run."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        quiet = option("--quiet", is_flag=True, help="print only test results, the data's source, warnings and errors")
        return option("--json", "as_json", is_flag=True, help="print every event as a JSON object, one per line")(
            quiet(function)
        )

    return decorate


def notify_options(when: str = "at the end of a run and with new advice") -> Decorator:
    """Add the options for notifications.

    Args:
        when: when they are sent, for the help.
    """

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        terminal = option(
            "--notify-terminal",
            is_flag=True,
            help=f"show a notification of the terminal (OSC 9, OSC 777) {when}",
        )
        return option(
            "--notify",
            metavar="COMMAND",
            help=f"run COMMAND {when}, with the message as its last argument",
        )(terminal(function))

    return decorate


# -- values -----------------------------------------------------------------------------------------------------------


def read_spec(options: Mapping[str, Any], schedule: str | None, defaults: Mapping[str, Any] | None = None) -> RunSpec:
    """Return the settings that the options give, the rest at their defaults.

    Args:
        options: texts by the name of a setting; None if an option was not given. Other names are ignored.
        defaults: defaults from the settings file.

    Raises:
        UsageError: for a value out of its range.
    """
    values: dict[str, Any] = dict(defaults or {})
    for given, other in (("max_steps", "epochs"), ("epochs", "max_steps")):
        # an option is not limited by a default of the other
        if options.get(given) is not None and options.get(other) is None:
            values.pop(other, None)
    task = options.get("task") or values.get("task") or RunSpec().task
    if schedule is not None:
        values["schedule"] = named_schedule(schedule, task)
    for item in fields(RunSpec):
        text = options.get(item.name)
        if item.name == "schedule" or text in (None, ()):
            continue
        if is_list(item):
            values[item.name] = tuple(text)
            check_option(item, values[item.name])
        else:
            values[item.name] = read_option(item, text)
    if options.get("optimizer") is not None:
        values["optimizer"] = named_optimizer(values["optimizer"], task)
    return RunSpec(**values)


def read_number(name: str, text: str, *, minimum: float = 0) -> float:
    """Return the number given for an option.

    Args:
        minimum: 0, or -math.inf for any finite number.

    Raises:
        UsageError: for anything else.
    """
    value = parse_number(text)
    if minimum == -math.inf and not math.isfinite(value):
        raise UsageError(f"{name} takes a finite number, not {text[:40]!r}")
    if not (math.isfinite(value) and value >= minimum):
        raise UsageError(f"{name} takes a finite number of at least 0, not {text[:40]!r}")
    return value


def read_count(name: str, text: str | None, default: int = 1, maximum: int = MAX_COUNT) -> int:
    """Return the whole number given for an option, or the default.

    Raises:
        UsageError: for anything but a whole number from 1 to the maximum.
    """
    if text is None:
        return default
    value = parse_number(text)
    if not (math.isfinite(value) and value == int(value) and value >= 1):
        raise UsageError(f"{name} takes a whole number of at least 1, not {text[:40]!r}")
    if value > maximum:
        raise UsageError(f"{name} takes a whole number of at most {maximum:,}, not {text[:40]}")
    return int(value)


def parse_number(text: str) -> float:
    """Return the number that a text stands for; NaN if it is none."""
    try:
        return float(text) if len(text) <= 40 else math.nan
    except ValueError:
        return math.nan


def max_of_setting(name: str) -> int:
    """Return the largest value of a run's setting that is a whole number."""
    return next(int(item.metadata["maximum"]) for item in fields(RunSpec) if item.name == name)


def read_batches_per_epoch(text: str | None, spec: RunSpec) -> int:
    """Return the optimizer steps of an epoch.

    Args:
        text: text of `--batches-per-epoch`.
        spec: names the task, whose length is used if the text is None.

    Raises:
        UsageError: for anything but a number, or a task whose length is not known before it runs.
    """
    if text is not None:
        try:
            batches = int(text)
        except ValueError:
            batches = 0
        if not 1 <= batches <= MAX_BATCHES:
            raise UsageError(f"--batches-per-epoch takes a whole number from 1 to {MAX_BATCHES:,}, not {text[:40]!r}")
        return batches
    # imported late: it reads the sizes of data sets
    from lrtui.tasks.registry import expected_batches_per_epoch

    expected = expected_batches_per_epoch(spec)
    if expected is None:
        raise UsageError(f"the length of an epoch of {spec.task} is known only during a run; set --batches-per-epoch N")
    return expected


def check_at_most_one(**given: object) -> None:
    """Refuse options that exclude each other.

    Raises:
        UsageError: if more than one is set.
    """
    names = [option_name(name) for name, value in given.items() if value]
    if len(names) > 1:
        raise UsageError(f"{names[0]} is not allowed with {names[1]}")


def load_settings() -> UserSettings:
    """Return the user's settings, and print the errors in the settings file on standard error."""
    # imports platformdirs, which commands without run options do not need
    from lrtui.settings import read_settings

    settings = read_settings()
    for fault in settings.faults:
        print(fault, file=sys.stderr)
    return settings


def check_notation(spec: RunSpec) -> None:
    """Refuse, before torch is imported, a schedule or optimizer that can't be parsed or trained and an unknown task.

    Raises:
        NotationError: with the position of the error.
        UsageError: for an unknown task; names the available ones.
    """
    default = RunSpec()
    # the defaults parse; importing the parser takes 20 ms, which the cockpit's first frame does not wait for
    if (spec.schedule, spec.optimizer, spec.at) != (default.schedule, default.optimizer, default.at):
        from lrtui.schedules.notation import parse_optimizer, parse_schedule
        from lrtui.schedules.schedule import check_trainable
        from lrtui.schedules.script import read_script

        check_trainable(parse_schedule(spec.schedule))
        parse_optimizer(spec.optimizer)
        read_script(spec.at, spec.epochs)
    if spec.task != default.task:
        check_task(spec.task)


def check_task(task: str) -> None:
    """Refuse an unknown task; a user's file or module is not run to find out.

    Raises:
        UsageError: names the available tasks.
    """
    from lrtui.plugins import is_plugin
    from lrtui.tasks.registry import GROUP, find_task

    if ":" not in task and not is_plugin(GROUP, task):
        find_task(task)
