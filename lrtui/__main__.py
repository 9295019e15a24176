"""The entry point: runs the cockpit or a command, and turns errors into messages and exit codes."""

from __future__ import annotations

import errno
import gc
import io
import os
import re
import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NoReturn

import click

from lrtui.cli.command import OPENER, LazyGroup, argument, option
from lrtui.cli.exit_codes import DONE, FAILED, INTERRUPTED, USAGE
from lrtui.cli.optimizer_options import joined_schedule, schedule_by_optimizer_option
from lrtui.cli.options import check_notation, complete_schedulers, notify_options, read_spec, run_options
from lrtui.cli.terminal import has_unicode, print_prose, replace_signs, why_no_cockpit
from lrtui.cli.torchrun import check_command, silent_beside_rank_0, wait_for_rank_0
from lrtui.engine.own_process import own_process
from lrtui.opening import Opening
from lrtui.run.errors import LrtuiError, NotationError, UsageError
from lrtui.text.streams import discard

# takes 20 ms to import
if TYPE_CHECKING:
    from lrtui.run.spec import RunSpec
    from lrtui.settings import UserSettings

COMMANDS = {
    "train": ("lrtui.cli.train:command", "Train without a screen and print the tutorial's lines."),
    "attach-snippet": ("lrtui.cli.attach_snippet:command", "Print the lines that attach a training script."),
    "run": ("lrtui.cli.run:command", "Start any command, and show its output and the values in it."),
    "watch": ("lrtui.cli.watch:command", "Show logs of other programs, live, beside the stored runs."),
    "import": ("lrtui.cli.import_logs:command", "Store the runs in logs of other programs."),
    "resume": ("lrtui.cli.resume:resume", "Continue a stored run from its last checkpoint."),
    "branch": ("lrtui.cli.resume:branch", "Start a new run from the end of a stored run's epoch."),
    "check": ("lrtui.cli.check:command", "Look for mistakes in a schedule before training."),
    "preview": ("lrtui.cli.preview:command", "Draw the lr of every batch before training."),
    "code": ("lrtui.cli.code:code", "Write a schedule as PyTorch code."),
    "schedulers": ("lrtui.cli.schedulers:command", "List the schedulers, or explain one."),
    "race": ("lrtui.cli.race:command", "Train with several schedules and compare them, with confidence intervals."),
    "find": ("lrtui.cli.find:command", "Find an lr by a range test: raise it until the loss diverges."),
    "suggest": ("lrtui.cli.suggest:command", "Suggest a schedule for a task within a budget of runs."),
    "runs": ("lrtui.cli.runs:command", "List, show, compare, export, rename, annotate and delete stored runs."),
    "send": ("lrtui.cli.send:command", "Send a command to a run in another process."),
    "keys": ("lrtui.cli.keys:command", "List the cockpit's keys."),
    "info": ("lrtui.cli.info:command", "Show versions, devices, data and settings."),
}
"""Import path of each command's click object, and its summary."""

HELP = """\
A cockpit for learning rates: watch a model train in the terminal, see its schedule before and during the run, and
change it from the keyboard.

Without a command the cockpit opens; with a SCHEDULE it starts training immediately.
"""

EPILOG = """\
Examples:
  lrtui                                   the cockpit with the case study; press r to start it
  lrtui "OneCycleLR(max_lr=0.003)"        the same, started immediately
  lrtui train "ExponentialLR(gamma=0.1)"  without a screen

Shell completion: add the line for your shell to its start-up file.
  bash  eval "$(_LRTUI_COMPLETE=bash_source lrtui)"
  zsh   eval "$(_LRTUI_COMPLETE=zsh_source lrtui)"
  fish  _LRTUI_COMPLETE=fish_source lrtui | source
"""

COMPLETION = "_LRTUI_COMPLETE"
"""The environment variable by which a shell asks for completions."""


WRITE_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
"""Errors of writing: a full disk, an exhausted quota, a file that is too large, a device that fails."""


DATA_COMMANDS = ("train", "attach-snippet", "run", "resume", "branch", "code", "runs code", "runs export")
"""Commands whose standard output is for other programs, which get its characters as they are."""


class CockpitGroup(LazyGroup):
    """The group of all commands; if the first argument is not a command, the arguments belong to the cockpit."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the cockpit's arguments, or leave them to the command."""
        ctx.obj = bool(args) and args[0] in COMMANDS
        if ctx.obj:
            return super().parse_args(ctx, args)
        ctx.allow_extra_args, ctx.allow_interspersed_args = False, True
        try:
            return super().parse_args(ctx, list(args))
        except click.UsageError:
            # the options of a misspelt command are unknown as well: report the command instead
            check_schedule_argument(ctx, None, args[0] if args else None)
            raise

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """Return the cockpit's parameters, or none if there is a command."""
        return [] if ctx.obj else super().get_params(ctx)

    def format_usage(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the usage with and without a command."""
        formatter.write_usage("lrtui", "[SCHEDULE] [OPTIONS]")
        formatter.write_usage("lrtui", "COMMAND ...", prefix="       ")


def check_schedule_argument(ctx: click.Context, parameter: click.Parameter | None, word: str | None) -> str | None:
    """Refuse a first argument that is neither a command nor a schedule."""
    if word is None or ctx.resilient_parsing or not re.fullmatch(r"\w[\w-]*", word):
        return word
    if word in COMMANDS:
        raise UsageError(f"the command comes before its options: lrtui {word} ...")
    from lrtui.schedules.arguments import did_you_mean
    from lrtui.schedules.catalogue import CATALOGUE

    if word not in CATALOGUE:
        raise UsageError(
            f"{word[:60]!r} is neither a command nor a schedule{did_you_mean(word, [*COMMANDS, *CATALOGUE])}"
        )
    return word


def complete_first_argument(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[Any]:
    """Complete commands and schedulers."""
    return LazyGroup.shell_complete(cockpit, ctx, incomplete) + complete_schedulers(ctx, parameter, incomplete)


def print_version(ctx: click.Context, parameter: click.Parameter, value: bool) -> None:
    """Print the version and exit."""
    if value and not ctx.resilient_parsing:
        # reading the metadata takes 15 ms
        from importlib.metadata import version

        print(f"lrtui {version('lrtui')}")
        ctx.exit()


@click.command(
    cls=CockpitGroup,
    commands=COMMANDS,
    help=HELP,
    epilog=EPILOG,
    invoke_without_command=True,
    no_args_is_help=False,
)
@argument(
    "schedule",
    metavar="[SCHEDULE]",
    required=False,
    help='A schedule as PyTorch writes it: "StepLR(step_size=3)".',
    callback=check_schedule_argument,
    shell_complete=complete_first_argument,
)
@option("--ascii", "in_ascii", is_flag=True, help="draw with ASCII only (default: if the terminal has no Unicode)")
@option("--version", is_flag=True, is_eager=True, expose_value=False, callback=print_version, help="print the version")
@schedule_by_optimizer_option()
@notify_options()
@run_options()
@click.pass_context
def cockpit(
    ctx: click.Context,
    /,
    schedule: str | None = None,
    in_ascii: bool = False,
    notify: str | None = None,
    notify_terminal: bool = False,
    **options: Any,
) -> None:
    check_command(ctx.invoked_subcommand)
    if ctx.invoked_subcommand is not None:
        ctx.meta[OPENER] = open_by_command
        return
    # imports platformdirs (4 ms), which --help and --version do not need
    from lrtui.settings import read_settings

    settings = read_settings()
    settings = replace(
        settings,
        notify=notify or settings.notify,
        notify_terminal=notify_terminal or settings.notify_terminal,
    )
    schedule = joined_schedule(schedule, options, needed=False)
    spec = read_spec(options, schedule, settings.run)
    check_notation(spec)
    check_terminal()
    open_cockpit(spec, settings, Opening(starts=schedule is not None), in_ascii=in_ascii)


def open_by_command(opening: Opening, store: str | None) -> NoReturn:
    """Open the cockpit for a command, with the user's settings.

    Args:
        store: folder of the store; None for the usual one.
    """
    from lrtui.settings import read_settings

    settings = read_settings()
    open_cockpit(read_spec({"store": store}, None, settings.run), settings, opening, in_ascii=False)


def open_cockpit(spec: RunSpec, settings: UserSettings, opening: Opening, *, in_ascii: bool) -> NoReturn:
    """Open the cockpit; the process ends with it.

    Args:
        in_ascii: whether to draw with ASCII only, whatever the settings say.
    """
    # no garbage collection before the first frame: it would take a tenth of the start-up time
    gc.disable()
    watcher = None
    if opening.watched is not None:
        # logs are found, and a sample of them is read, while Textual is imported
        from lrtui.tui.run_list.watcher import SourceWatcher

        watcher = SourceWatcher(opening.watched.open)
        watcher.start()
    # Textual takes 0.2 s to import, and no command needs it
    from lrtui.tui.app import run_cockpit

    in_ascii = in_ascii or (settings.ascii if settings.ascii is not None else not has_unicode(sys.__stderr__))
    run_cockpit(spec, settings, opening, in_ascii=in_ascii, watcher=watcher)


def check_terminal() -> None:
    """Refuse to open the cockpit without a usable terminal.

    Raises:
        UsageError: says why.
    """
    if reason := why_no_cockpit():
        raise UsageError(f"{reason}; lrtui train works anywhere")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code."""
    with own_process(), silent_beside_rank_0():
        status = run_main(argv)
        wait_for_rank_0(status)
        return status


def run_main(argv: Sequence[str] | None) -> int:
    """Run the command line in a process of its own, and return the exit code."""
    args = list(sys.argv[1:] if argv is None else argv)
    prog = f"lrtui {args[0]}" if args and args[0] in COMMANDS else "lrtui"
    if isinstance(sys.stdout, io.TextIOWrapper):
        # a folder's name can have characters that the terminal's encoding lacks
        sys.stdout.reconfigure(errors="backslashreplace")
    if args and args[0] in COMMANDS:
        # the cockpit replaces its signs itself, and by the user's settings
        for stream in (sys.stderr,) if prints_data(args) else (sys.stdout, sys.stderr):
            replace_signs(stream)
    try:
        try:
            return run_command(args, prog)
        finally:
            # flushed here, so that an error is handled before the interpreter's last flush
            if sys.stdout is not None:
                sys.stdout.flush()
    except NotationError as error:
        separator = " " if error.position is None else "\n"
        print(f"{prog}:{separator}{error.explain()}", file=sys.stderr)
        return USAGE
    except UsageError as error:
        print_error(f"{prog}: {error}")
        return USAGE
    except LrtuiError as error:
        print_error(f"{prog}: {error}")
        return FAILED
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # a closed pipe, as with `| head`, is not a failure
        discard(sys.stdout)
        return DONE
    except OSError as error:
        text = error.strerror or str(error)
        if error.filename:
            text = f"{text} ({error.filename})"
        elif error.errno in WRITE_ERRORS:
            # commands name the file themselves if another one can't be written
            text = f"standard output can't be written: {text}"
        discard(sys.stdout)
        print_error(f"{prog}: {text}")
        return FAILED


def prints_data(args: Sequence[str]) -> bool:
    """Return whether the standard output of a command is for other programs."""
    return any(f"{' '.join(args[:2])} ".startswith(f"{name} ") for name in DATA_COMMANDS)


def print_error(text: str) -> None:
    """Print a message on standard error."""
    print_prose(text, sys.stderr)


def run_command(args: list[str], prog: str) -> int:
    """Run a command, or answer a shell's request for completions; return the exit code."""
    if instruction := os.environ.get(COMPLETION):
        from click.shell_completion import shell_complete

        return shell_complete(cockpit, {}, "lrtui", COMPLETION, instruction)
    try:
        with cockpit.make_context("lrtui", args) as ctx:
            status: int | None = cockpit.invoke(ctx)
            return status or DONE
    except click.exceptions.Exit as end:
        return end.exit_code
    except click.UsageError as error:
        from lrtui.text.format import printable

        path = error.ctx.command_path if error.ctx else prog
        print_error(f"{path}: {printable(error.format_message())}\nTry {path} --help.")
        return USAGE


if __name__ == "__main__":
    sys.exit(main())
