"""The command line: parses the words and opens the cockpit or a command."""

from __future__ import annotations

import argparse
import gc
import io
import os
import re
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any

from lrtui.cli.closed_stdout import give_up
from lrtui.cli.exit_codes import DONE, FAILED, INTERRUPTED, WRONG_WORDS
from lrtui.cli.options import add_run_options, check_words, read_spec
from lrtui.run.errors import LrtuiError, NotationError, UsageError

COMMANDS = {
    "train": "train without a screen, printing the tutorial's lines",
    "resume": "go on with a stored run, as if nothing had happened",
    "branch": "begin a new run where a stored one was at an epoch's end",
    "check": "look for what is wrong with a schedule, before any training",
    "preview": "draw the lr of every batch before training, exactly",
    "code": "write a schedule down as PyTorch code that runs by itself",
    "schedulers": "list every scheduler, or explain one",
    "race": "train schedules against each other, and say which differences are more than noise",
    "find": "find an lr by a range test: raise it until the loss leaves off",
    "suggest": "find a schedule for a task within a budget of runs",
    "runs": "list, show, compare, export, rename, annotate and delete the runs of a store",
    "send": "give a command to a run that goes on in another process",
    "keys": "list the cockpit's keys",
    "info": "say which versions, devices and data a run would find here",
}
"""The commands with what they do; each is a module of that name in lrtui.cli."""

DESCRIPTION = """\
A cockpit for learning rates: watch a model train in the terminal, see its schedule before and while it runs,
switch and nudge it from the keyboard.

  lrtui [SCHEDULE] [run options]    open the cockpit; with a SCHEDULE start training at once
  lrtui COMMAND ...                 one of the commands below (lrtui COMMAND --help says more)
"""

EPILOG = """\
examples:
  lrtui                                   the cockpit on the case study: r starts it
  lrtui "OneCycleLR(max_lr=0.003)"        the same, started at once
  lrtui train "ExponentialLR(gamma=0.1)"  without a screen
"""


class ShowVersion(argparse.Action):
    """Prints the version; looking it up takes 15 ms, which no other start waits for."""

    def __call__(self, *_: Any) -> None:
        from importlib.metadata import version

        print(f"lrtui {version('lrtui')}")
        sys.exit(0)


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, with exit status 2."""

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        # argparse takes the -- out of --epochs=-- and leaves an empty list as the value
        for word in sys.argv[1:] if args is None else args:
            if word == "--":
                break
            if re.fullmatch(r"--[\w-]+=--", word):
                self.error(f"argument {word[:-3]}: expected one argument")
        return super().parse_known_args(args, namespace)

    def error(self, message: str) -> None:  # type: ignore[override]
        raise UsageError(f"{message}\ntry {self.prog} --help")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status."""
    words = list(sys.argv[1:] if argv is None else argv)
    name = words[0] if words and words[0] in COMMANDS else None
    prog = f"lrtui {name}" if name else "lrtui"
    if isinstance(sys.stdout, io.TextIOWrapper):
        # a folder's name can have characters that the terminal has not
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        try:
            return _run_command(name, words[1:]) if name else _run_cockpit(words)
        finally:
            # what is still buffered fails here, where it can be answered, and not in the interpreter's last flush
            if sys.stdout is not None:
                sys.stdout.flush()
    except NotationError as error:
        print(
            f"{prog}: {error.explain()}" if error.position is None else f"{prog}:\n{error.explain()}", file=sys.stderr
        )
        return WRONG_WORDS
    except UsageError as error:
        print(f"{prog}: {error}", file=sys.stderr)
        return WRONG_WORDS
    except LrtuiError as error:
        print(f"{prog}: {error}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # whoever read has seen enough: `| head` is no failure
        give_up(sys.stdout)
        return DONE
    except OSError as error:
        give_up(sys.stdout)
        print(f"{prog}: can't go on: {error}", file=sys.stderr)
        return FAILED


def _run_command(name: str, words: Sequence[str]) -> int:
    # one command's module at a time: `lrtui --help` reads none of them
    module = import_module(f"lrtui.cli.{name}")
    parser = Parser(
        prog=f"lrtui {name}",
        description=f"{COMMANDS[name][:1].upper()}{COMMANDS[name][1:]}.",
        epilog=module.EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    module.add_arguments(parser)
    status: int = module.main(parser.parse_args(words))
    return status


def _run_cockpit(words: Sequence[str]) -> int:
    commands = "\n".join(f"  {name:<12} {about}" for name, about in COMMANDS.items())
    parser = Parser(
        prog="lrtui",
        usage="lrtui [SCHEDULE] [run options] | lrtui COMMAND ...",
        description=f"{DESCRIPTION}\ncommands:\n{commands}",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("schedule", metavar="SCHEDULE", nargs="?", help='as PyTorch writes it: "StepLR(step_size=3)"')
    add_run_options(parser)
    parser.add_argument(
        "--ascii", action="store_true", help="draw with ASCII alone (default: where the terminal has no more)"
    )
    parser.add_argument("--version", action=ShowVersion, nargs=0, help="say which version this is")
    namespace, rest = parser.parse_known_args(words)
    # the first word is looked at before what follows it: after a misspelt command all of that is unknown too
    if namespace.schedule is not None and re.fullmatch(r"[\w-]+", namespace.schedule):
        _refuse_lone_word(namespace.schedule)
    if rest:
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    # it imports platformdirs (4 ms), which Textual needs as well, and no other command does
    from lrtui.settings import read_settings

    settings = read_settings()
    spec = read_spec(namespace, namespace.schedule, settings.run)
    check_words(spec)
    _check_terminal()
    # until the first frame everything is made to last: looking for garbage would take a tenth of that time
    gc.disable()
    # Textual takes 0.2 s to import, and no command but the cockpit needs it
    from lrtui.tui.app import run_cockpit

    in_ascii = namespace.ascii or (settings.ascii if settings.ascii is not None else not _has_unicode())
    run_cockpit(spec, settings, start=namespace.schedule is not None, in_ascii=in_ascii)


def _refuse_lone_word(word: str) -> None:
    """Refuse a word that is no call: a command or a schedule was meant."""
    if word in COMMANDS:
        raise UsageError(f"a command comes first, its options after it: lrtui {word} ...")
    from lrtui.schedules.arguments import did_you_mean
    from lrtui.schedules.catalogue import CATALOGUE

    if word not in CATALOGUE:
        raise UsageError(
            f"{word[:60]!r} is neither a command nor a schedule{did_you_mean(word, [*COMMANDS, *CATALOGUE])}"
        )


def _check_terminal() -> None:
    """Refuse to draw where nothing could be seen or typed."""
    if os.environ.get("TERM", "") in ("dumb", ""):
        raise UsageError(
            "the cockpit needs a terminal that can place its cursor, and TERM says this one can't; "
            "lrtui train works anywhere"
        )
    if not (sys.__stdin__ and sys.__stdin__.isatty() and sys.__stderr__ and sys.__stderr__.isatty()):
        raise UsageError("the cockpit needs a terminal to draw on and to read keys from; lrtui train works anywhere")


def _has_unicode() -> bool:
    """Say whether the terminal takes what the cockpit draws with; else it is drawn in ASCII."""
    encoding = sys.__stderr__.encoding if sys.__stderr__ else ""
    return (encoding or "").lower().replace("-", "") == "utf8"


if __name__ == "__main__":
    sys.exit(main())
