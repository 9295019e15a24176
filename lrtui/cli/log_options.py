"""The arguments of commands that read logs of other programs, and the sources that they name."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lrtui.cli.command import argument, option
from lrtui.cli.options import Decorator
from lrtui.cli.terminal import print_prose
from lrtui.run.errors import UsageError
from lrtui.sources.meaning import ROLE_LIST, ROLES, read_mapping
from lrtui.text.format import printable

if TYPE_CHECKING:
    import click
    from click.shell_completion import CompletionItem

    from lrtui.run.feed import FeedItem
    from lrtui.run.source import RunSummary
    from lrtui.sources.source import LogSource

ITEMS_AT_ONCE = 20_000
"""Events of a run that are read at once."""


def log_arguments() -> Decorator:
    """Add the PATH argument and the option `--map`."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        mapping = option(
            "--map",
            "mappings",
            multiple=True,
            metavar="NAME=SERIES",
            help=f"which series is which, by name: {ROLE_LIST}; - for none; can be "
            "repeated (default: recognized by name and values)",
            shell_complete=_complete_mapping,
        )(function)
        return argument(
            "paths",
            metavar="PATH...",
            nargs=-1,
            required=True,
            help="A folder, which is searched with all its subfolders, or a file.",
            shell_complete=_complete_path,
        )(mapping)

    return decorate


def _complete_mapping(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    from click.shell_completion import CompletionItem

    return [CompletionItem(f"{name}=") for name in ROLES if f"{name}=".startswith(incomplete)]


def _complete_path(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    from click.shell_completion import CompletionItem

    return [CompletionItem(incomplete, type="file")]


def sources_opener(paths: Sequence[str], mappings: Sequence[str]) -> Callable[[], list[LogSource]]:
    """Return the function that opens the sources of these paths.

    Args:
        mappings: the values of `--map`.

    Raises:
        UsageError: if none of the paths exists, or a mapping can't be read.
    """
    if not any(Path(path).exists() for path in paths):
        missing = ", ".join(printable(path) for path in paths)
        raise UsageError(f"there is no {missing}" if len(paths) == 1 else f"none of these exists: {missing}")
    mapping = read_mapping(mappings)

    def open_sources() -> list[LogSource]:
        # imports numpy and the formats, which no first frame waits for
        from lrtui.sources.source import open_logs

        return open_logs([Path(path) for path in paths], mapping)

    return open_sources


def read_all(sources: Sequence[LogSource]) -> list[tuple[LogSource, RunSummary]]:
    """Return the runs of the sources, oldest first, after everything in their files has been read.

    Prints what can't be read on standard error.
    """
    runs = [(source, run) for source in sources for run in source.read_all()]
    for source in sources:
        for trouble in source.troubles:
            print_prose(printable(trouble), sys.stderr)
    return sorted(runs, key=lambda pair: pair[1].created)


def all_items(source: LogSource, run: RunSummary, **options: Any) -> Iterator[FeedItem]:
    """Yield all events of a run.

    Args:
        options: passed to `LogSource.feed`.
    """
    key = run.id.key
    feed = source.feed(key, **options)
    # a source keeps the values of those runs only that are looked at, and reads the others again
    while not source.log(key).is_read:
        source.runs()
    while items := feed.take(ITEMS_AT_ONCE):
        yield from items


def no_logs(paths: Sequence[str]) -> str:
    """Return the message for paths under which there are no logs."""
    return f"no logs were found in {', '.join(map(printable, paths))}; docs/watch.md lists the formats that are read"
