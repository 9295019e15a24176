"""`lrtui runs`: lists, shows, compares, exports and edits stored runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from lrtui.cli.command import LazyGroup

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

SUBCOMMANDS = {
    "list": ("lrtui.cli.runs.list:command", "List the runs, filtered and sorted by any column."),
    "show": ("lrtui.cli.runs.show:command", "Show settings, results, changes and charts of a run."),
    "compare": (
        "lrtui.cli.runs.compare:command",
        "Compare runs: differing settings, results at equal epochs and at equal times.",
    ),
    "export": ("lrtui.cli.runs.export:command", "Export a run as CSV, as JSON events, or for TensorBoard."),
    "code": ("lrtui.cli.code:code_of_run", "Write a run's schedule, with its switches and nudges, as PyTorch code."),
    "rename": ("lrtui.cli.runs.rename:rename", "Name a run, or remove its name."),
    "note": ("lrtui.cli.runs.rename:note", "Write a note on a run, or remove it."),
    "delete": ("lrtui.cli.runs.delete:delete", "Delete runs with their checkpoints."),
    "gc": ("lrtui.cli.runs.delete:gc", "Remove data that no run needs any more."),
}
"""Import path of each subcommand's click object, and its summary."""

EPILOG = """\
RUN is an id, a name, or last (the newest run). Data goes to standard output, everything else to standard error.

Examples:
  lrtui runs
  lrtui runs list "accuracy>0.9 schedule~Cosine" --sort -best_accuracy
  lrtui runs show last
  lrtui runs compare 3 5 "long warm-up"
  lrtui runs export 3 --format tensorboard --out tb/3
"""


class RunsGroup(LazyGroup):
    """The subcommands; without one, the options are those of `runs list`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the subcommand, or put `list` before options."""
        is_option = bool(args) and args[0].startswith("-") and args[0] not in ctx.help_option_names
        # a shell that asks for the completions of the first word wants the subcommands
        if is_option or not (args or ctx.resilient_parsing):
            args = ["list", *args]
        return super().parse_args(ctx, args)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete subcommands, and the options of `runs list`."""
        listing = self.get_command(ctx, "list")
        if listing is None or not incomplete.startswith("-"):
            return super().shell_complete(ctx, incomplete)
        with listing.make_context("list", [], ctx, resilient_parsing=True) as list_context:
            return listing.shell_complete(list_context, incomplete)


@click.command(cls=RunsGroup, commands=SUBCOMMANDS, epilog=EPILOG, no_args_is_help=False)
def command() -> None:
    """Without a subcommand, the runs are listed, with the options of lrtui runs list."""
