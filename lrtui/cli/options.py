"""The run options, derived from the settings of a run: the same for every command that takes them."""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Collection, Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from lrtui.run.errors import UsageError
from lrtui.run.spec import RunSpec, is_list, is_whole_number, option_words

if TYPE_CHECKING:
    from lrtui.settings import UserSettings


def add_run_options(parser: argparse.ArgumentParser, only: Collection[str] | None = None) -> None:
    """Add an option for each setting but the schedule.

    Args:
        parser: takes them.
        only: names of the settings to add; None for all.
    """
    group = parser.add_argument_group("run options")
    for item in fields(RunSpec):
        if item.name == "schedule" or (only is not None and item.name not in only):
            continue
        about = item.metadata["help"]
        if item.default not in (None, ()):
            about += f" (default: {item.default})"
        if is_list(item):
            about += " (may be given again and again)"
        choices = item.metadata.get("choices")
        metavar = item.metadata.get("metavar") or ("|".join(choices) if choices else item.name.upper())
        group.add_argument(
            option_words(item.name),
            dest=item.name,
            # the text is read by the settings' own rules, so that the form and the command line agree
            type=str,
            action="append" if is_list(item) else "store",
            metavar="N" if is_whole_number(item) else metavar,
            help=about.replace("%", "%%"),
        )


def read_spec(
    namespace: argparse.Namespace, schedule: str | None, defaults: Mapping[str, Any] | None = None
) -> RunSpec:
    """Return the settings that the words give, the rest at their defaults.

    Args:
        defaults: the user's own.

    Raises:
        UsageError: for a value that can't be.
    """
    from lrtui.run.spec import check_option, read_option

    values: dict[str, Any] = dict(defaults or {})
    if schedule is not None:
        values["schedule"] = schedule
    for item in fields(RunSpec):
        text = getattr(namespace, item.name, None)
        if item.name == "schedule" or text is None:
            continue
        if is_list(item):
            values[item.name] = tuple(text)
            check_option(item, values[item.name])
        else:
            values[item.name] = read_option(item, text)
    return RunSpec(**values)


def read_number(option: str, text: str, *, whole: bool = False) -> float:
    """Return the number that an option has.

    Args:
        whole: whether it has to be a count of at least 1.

    Raises:
        UsageError: for anything else.
    """
    try:
        value = float(text) if len(text) <= 40 else math.nan
    except ValueError:
        value = math.nan
    if whole and not (math.isfinite(value) and value == int(value) and value >= 1):
        raise UsageError(f"{option} takes a whole number of at least 1, not {text[:40]!r}")
    if not (math.isfinite(value) and value >= 0):
        raise UsageError(f"{option} takes a finite number of at least 0, not {text[:40]!r}")
    return value


def told_settings() -> UserSettings:
    """Return what the user's settings file says, having told on stderr what is wrong with it."""
    # it imports platformdirs, which most commands have no need of
    from lrtui.settings import read_settings

    settings = read_settings()
    for fault in settings.faults:
        print(fault, file=sys.stderr)
    return settings


def check_words(spec: RunSpec) -> None:
    """Refuse, before torch is imported, a schedule or optimizer that can't be read and a task that nobody registered.

    Raises:
        NotationError: with the place of the fault.
        UsageError: for the task; names those there are.
    """
    default = RunSpec()
    # the defaults can be read; what reads them takes 20 ms to import, which the cockpit's first frame does not wait for
    if (spec.schedule, spec.optimizer, spec.at) != (default.schedule, default.optimizer, default.at):
        from lrtui.schedules.notation import parse_optimizer, parse_schedule
        from lrtui.schedules.script import Script

        parse_schedule(spec.schedule)
        parse_optimizer(spec.optimizer)
        Script(spec.at, spec.epochs)
    if spec.task != default.task:
        check_task(spec.task)


def check_task(words: str) -> None:
    """Refuse a task's name that nobody registered; a user's own file or module is not run to find out.

    Raises:
        UsageError: names the tasks there are.
    """
    from lrtui.plugins import is_plugin
    from lrtui.tasks.find import GROUP, find_task

    if ":" not in words and not is_plugin(GROUP, words):
        find_task(words)
