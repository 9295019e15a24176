"""`lrtui run`: starts any command in a pseudo-terminal, and shows its output and the values in it."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, TextIO

import click

from lrtui.cli.command import MAX_WIDTH, OPENER, Command, argument, option
from lrtui.cli.exit_codes import SIGNALS
from lrtui.cli.stored_runs import store_option
from lrtui.cli.terminal import print_prose, why_no_cockpit
from lrtui.opening import Opening
from lrtui.panes import log_columns
from lrtui.run.errors import UsageError
from lrtui.run.spec import RunSpec
from lrtui.store.location import store_folder
from lrtui.store.location import store_option as option_of_store
from lrtui.supervisor.command_process import SIZE, CommandNotStartedError, check_command, title_of
from lrtui.text.format import printable

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

EPILOG = """\
Exit status without the cockpit: that of the command, 128 plus the number of the signal that killed it, 127 if it is
not found and 126 if it can't be started.

Examples:
  lrtui run -- python train.py --epochs 10
  lrtui run --name baseline -- torchrun --nproc-per-node 2 train.py
  lrtui run --headless -- make train > train.log
"""


def complete_files(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete files."""
    from click.shell_completion import CompletionItem

    return [CompletionItem(incomplete, type="file")]


@click.command(
    cls=Command,
    epilog=EPILOG,
    context_settings={
        "help_option_names": ["-h", "--help"],
        "max_content_width": MAX_WIDTH,
        # the options of the command are not those of lrtui run
        "allow_interspersed_args": False,
    },
)
@argument(
    "words",
    metavar="COMMAND...",
    nargs=-1,
    required=True,
    type=click.UNPROCESSED,
    help="The command and its arguments, after -- if it has options.",
    shell_complete=complete_files,
)
@option("--name", metavar="TEXT", help="a name for the run (default: the command)")
@option("--headless", is_flag=True, help="pass the output on instead of opening the cockpit")
@store_option()
def command(words: tuple[str, ...], name: str | None, headless: bool, store: str | None) -> int:
    """The command gets a terminal of its own, whose output the cockpit shows in the log pane. A script that calls
    lrtui.attach appears with all it has; of any other command the cockpit shows loss, lr and test results that its
    output names. Leaving the cockpit leaves the command running, and lrtui shows it again. Without a terminal, or with
    --headless, the output goes to standard output.
    """
    folder = store_folder(store)
    # a bad name is refused before anything is started
    RunSpec(name=name)
    try:
        check_command(words)
        if headless or why_no_cockpit() or not sys.stdout.isatty():
            return run_headless(words, folder, name)
        if folder is None:
            raise UsageError("the cockpit finds the command in the store; with --store none, add --headless")
        return start_and_show(words, folder, name)
    except CommandNotStartedError as error:
        print_prose(f"lrtui run: {printable(str(error))}", sys.stderr)
        return error.status


def start_and_show(words: Sequence[str], folder: Path, name: str | None) -> int:
    """Start the command in the background and open the cockpit on its run; the process ends with the cockpit."""
    from lrtui.supervisor.process import start_in_background

    columns, rows = terminal_size(sys.__stderr__)
    started = start_in_background(words, folder, name, (rows, log_columns(columns, rows)))
    opener: Callable[[Opening, str | None], int] = click.get_current_context().meta[OPENER]
    return opener(Opening(command=started), str(folder))


def run_headless(words: Sequence[str], folder: Path | None, name: str | None) -> int:
    """Run the command, pass on its output and signals, and return its exit status."""
    from lrtui.supervisor.command_run import spec_of
    from lrtui.supervisor.supervisor import Supervisor

    columns, rows = terminal_size(sys.stdout) if sys.stdout.isatty() else (SIZE[1], SIZE[0])

    def echo(chunk: bytes) -> None:
        sys.stdout.buffer.write(chunk)
        sys.stdout.buffer.flush()

    supervisor = Supervisor(words, folder, spec_of(words, name), size=(rows, columns), echo=echo, say=say)
    shows = "" if folder is None else option_of_store(folder)
    if supervisor.run is not None:
        say(f"run {supervisor.run.number}: {title_of(words)}; lrtui{shows} shows it in another terminal")

    def pass_on(number: int, _: FrameType | None) -> None:
        supervisor.request(signal.Signals(number))

    def resize(*_: object) -> None:
        columns, rows = terminal_size(sys.stdout)
        supervisor.resize(rows, columns)

    # under nohup SIGHUP is ignored, and must stay ignored
    handlers = {number: pass_on for number in SIGNALS if signal.getsignal(number) is not signal.SIG_IGN}
    previous = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    if sys.stdout.isatty():
        previous[signal.SIGWINCH] = signal.signal(signal.SIGWINCH, resize)
    try:
        ended = supervisor.supervise()
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
    if supervisor.run is not None:
        run = supervisor.run.attached[0] if supervisor.run.attached else supervisor.run.number
        say(f"run {run}: {ended.text}; lrtui runs show {run}{shows} shows it")
    return ended.status


def say(text: str) -> None:
    """Print a message on standard error."""
    # a terminal that is closed must not end the command
    with suppress(OSError, ValueError):
        print_prose(printable(text), sys.stderr)


def terminal_size(stream: TextIO | None) -> tuple[int, int]:
    """Return the columns and rows of the terminal that a stream writes to."""
    try:
        size = os.get_terminal_size(stream.fileno()) if stream is not None else os.terminal_size((0, 0))
    except (OSError, ValueError):
        size = os.terminal_size((0, 0))
    return size.columns or SIZE[1], size.lines or SIZE[0]
