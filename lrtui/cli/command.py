"""Subclasses of click's commands and options: lazy subcommands, help in sections, strict option values."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Mapping
from functools import partial
from importlib import import_module
from itertools import takewhile
from typing import Any

import click

from lrtui.text.format import wrapped

OPENER = "lrtui.open_cockpit"
"""Key in click's context of the function that opens the cockpit, which no command may import.

It takes an `Opening` and the folder of the store or None, and does not return.
"""

MAX_WIDTH = 120
"""Maximum width of the help; that of the terminal if it is less."""

DESCRIBED = re.compile(r" +\S+(?: \S+)* {2,}(?=\S)")
"""A term and the spaces before its description."""

OPTION = re.compile(r"-(?!\d*\.?\d+\Z).")
"""The start of an option; a negative number is none."""


class Option(click.Option):
    """An option that rejects values that look like options, so that `--name --json` is a usage error.

    Args:
        section: the heading under which the help lists it.
    """

    def __init__(self, *args: Any, section: str = "Options", **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.section = section

    def type_cast_value(self, ctx: click.Context, value: Any) -> Any:
        """Reject a value that looks like an option, then convert it."""
        if any(isinstance(text, str) and text.startswith("--") for text in (value if self.multiple else [value])):
            raise click.BadOptionUsage(self.opts[0], f"Option '{self.opts[0]}' requires an argument.", ctx)
        return super().type_cast_value(ctx, value)


class Command(click.Command):
    """A command whose help keeps the examples of its epilog as they are and lists the options in sections."""

    def __init__(self, *args: Any, **settings: Any) -> None:
        context = {"help_option_names": ["-h", "--help"], "max_content_width": MAX_WIDTH}
        super().__init__(*args, **{"context_settings": context, **settings})

    def get_help_option(self, ctx: click.Context) -> click.Option | None:
        """Return click's --help, described like the other options."""
        found = super().get_help_option(ctx)
        if found is not None:
            found.help = "show this message and exit"
        return found

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options in sections."""
        sections: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            if isinstance(parameter, click.Option) and (record := parameter.get_help_record(ctx)):
                sections.setdefault(getattr(parameter, "section", "Options"), []).append(record)
        for title, rows in sections.items():
            with formatter.section(title):
                formatter.write_dl(rows)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the epilog, its paragraphs and descriptions wrapped."""
        if self.epilog:
            formatter.write("\n" + "".join(f"{line}\n" for line in epilog_lines(self.epilog, formatter.width)))


def epilog_lines(epilog: str, width: int) -> Iterator[str]:
    """Yield an epilog's lines, wrapped; indented lines are examples, or terms with a description after two spaces."""
    kept: list[str] = []
    start_of_text = 0
    for line in epilog.splitlines():
        text = line.lstrip()
        start = len(line) - len(text)
        if kept and text and start == start_of_text:
            kept.append(text)
            continue
        yield from _joined(kept, width, start_of_text)
        kept = []
        described = DESCRIBED.match(line)
        if not text or (start and not described):
            yield line
        else:
            # further lines of a description stand below it, those of a paragraph at the margin
            kept, start_of_text = [line], described.end() if described else 0
    yield from _joined(kept, width, start_of_text)


def _joined(lines: list[str], width: int, start_of_text: int) -> list[str]:
    text = " ".join(lines)
    return wrapped(text, width, start_of_text - (len(text) - len(text.lstrip()))) if lines else []


class TextCommand(Command):
    """A command whose arguments are text that may be a negative number: `runs note 3 -5`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse and refuse unknown options here, because click must ignore them to accept -5 as a value."""
        options = [parameter for parameter in self.get_params(ctx) if isinstance(parameter, click.Option)]
        names = {name for parameter in options for name in parameter.opts}
        before = ""
        for word in takewhile(lambda word: word != "--", args):
            name = word.partition("=")[0]
            is_value = any(before in parameter.opts and not parameter.is_flag for parameter in options)
            if OPTION.match(word) and name not in names and not is_value:
                raise click.NoSuchOption(name, possibilities=sorted(names), ctx=ctx)
            before = word
        ctx.ignore_unknown_options = True
        return super().parse_args(ctx, args)


class LazyGroup(Command, click.Group):
    """Commands that are imported when they are used: `lrtui --help` imports none.

    Args:
        commands: by name, the import path of each command as `module:object`, and its summary.
    """

    def __init__(self, *args: Any, commands: Mapping[str, tuple[str, str]], **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.places = {name: place for name, (place, _) in commands.items()}
        self.summaries = {name: summary for name, (_, summary) in commands.items()}

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command that the arguments start with, or fail and name similar ones."""
        if args and not args[0].startswith("-") and args[0] not in self.summaries and not ctx.resilient_parsing:
            from lrtui.schedules.arguments import did_you_mean

            ctx.fail(f"No such command {args[0][:60]!r}{did_you_mean(args[0], self.summaries)}")
        return super().resolve_command(ctx, args)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of declaration."""
        return list(self.summaries)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command's module."""
        if cmd_name not in self.summaries:
            return None
        module, _, name = self.places[cmd_name].partition(":")
        command: click.Command = getattr(import_module(module), name)
        description = inspect.cleandoc(command.callback.__doc__ or "")
        command.help = f"{self.summaries[cmd_name]}\n\n{description}"
        return command

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands, then the options."""
        with formatter.section("Commands"):
            formatter.write_dl(list(self.summaries.items()))
        super().format_options(ctx, formatter)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[Any]:
        """Complete names of commands and options."""
        from click.shell_completion import CompletionItem

        names = [
            CompletionItem(name, help=summary)
            for name, summary in self.summaries.items()
            if name.startswith(incomplete)
        ]
        return names + click.Command.shell_complete(self, ctx, incomplete)


option = partial(click.option, cls=Option)
argument = click.argument
