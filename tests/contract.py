"""Collects what users of lrtui rely on, from the installed code; `contract.json` holds what release 0.1 offered.

python tests/contract.py            prints the contract of the code that Python finds
python tests/contract.py --write    writes contract.json; only for a release, never to make a failing test pass
"""

from __future__ import annotations

import contextlib
import inspect
import io
import json
import os
import re
import shutil
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

HERE = Path(__file__).parent
RECORDED = HERE / "contract.json"
STORE = HERE / "contract_store"
"""A store written by release 0.1: run 1 was stopped and resumed, run 2 branched from it, run 3 was stopped."""

TINY = ["--task", "tiny_task:Tiny", "--batch-size", "16"]

COMMANDS: dict[str, list[str]] = {
    "": [],
    "train": ["StepLR(3)"],
    "attach-snippet": [],
    "run": [],
    "resume": ["1"],
    "branch": ["1", "StepLR(3)", "--at-epoch", "1"],
    "check": ["StepLR(3)"],
    "preview": ["StepLR(3)"],
    "code": ["StepLR(3)"],
    "schedulers": [],
    "race": ["StepLR(3)", "StepLR(4)"],
    "find": [],
    "suggest": [],
    "runs list": [],
    "runs show": ["1"],
    "runs compare": ["1", "2"],
    "runs export": ["1"],
    "runs code": ["1"],
    "runs rename": ["1", "x"],
    "runs note": ["1", "x"],
    "runs delete": ["1"],
    "runs gc": [],
    "send": ["1", "pause"],
    "keys": [],
    "info": [],
}
"""Every command with arguments that it takes."""

UNKNOWN = "--xyzzy"
"""An option that no command has."""

INVOCATIONS: tuple[tuple[str, ...], ...] = (
    ("tran",),
    ("xyzzy",),
    ("StepLR",),
    ("StepLR()",),
    ("StepLR(3)", "x"),
    ("--xyzzy",),
    ("--epochs",),
    ("--epochs", "3", "train", "StepLR(3)"),
    ("--epochs", "--ascii"),
    ("--epochs=0",),
    ("--epochs=--",),
    ("--task", "nowhere"),
    ("--help",),
    ("--version",),
    ("train",),
    ("train", "--help"),
    ("train", "StepLR(3)", "x"),
    ("train", "StepLR(3", "--epochs", "2"),
    ("train", "StepLR(3)", "--epochs", "x"),
    ("train", "StepLR(3)", "--epochs", "-1"),
    ("train", "StepLR(3)", "--epoch", "3"),
    ("train", "StepLR(3)", "--quiet=1"),
    ("train", "StepLR(3)", "--device", "tpu"),
    ("train", "StepLR(3)", "--precision", "fp64"),
    ("train", "StepLR(3)", "--task", "tiny_task:Breaks"),
    ("train", "StepLR(3)", "--task", "tiny_task:NotATask"),
    ("train", "StepLR(3)", "--task", "nowhere.py:X"),
    ("train", "StepLR(1)", *TINY, "--epochs", "1", "--quiet"),
    ("train", "StepLR(1)", *TINY, "--epochs", "2", "--at", "step 9: stop"),
    ("train", "--quiet", *TINY, "--", "StepLR(1)"),
    ("train", 'LambdaLR("1")', *TINY, "--optimizer", "SGD(lr=1e30)"),
    ("resume",),
    ("resume", "xyzzy"),
    ("resume", "1", "2"),
    ("branch", "1", "StepLR(3)"),
    ("branch", "1", "StepLR(3)", "--at-epoch", "99"),
    ("branch", "1", "StepLR(3)", "--at-epoch", "x"),
    ("check",),
    ("check", "StepLR(3)"),
    ("check", "OneCycleLR(max_lr=0.003)"),
    ("check", "--explain"),
    ("check", "--explain", "xyzzy"),
    ("check", "--explain", "dead-tail"),
    ("preview",),
    ("preview", "StepLR(3)", "StepLR(4)", "--epochs", "2", "--batches-per-epoch", "2", "--csv"),
    ("preview", "StepLR(3)", "--epochs", "2", "--batches-per-epoch", "2"),
    ("preview", "StepLR(3)", "--csv", "--json"),
    ("preview", "StepLR(3)", "--run", "1"),
    ("preview", "StepLR(3)", "--metrics", "nowhere.csv"),
    ("code",),
    ("code", "StepLR(3)", "--epochs", "2", "--batches-per-epoch", "2"),
    ("code", "StepLR(3)", "StepLR(4)"),
    ("schedulers",),
    ("schedulers", "StepLR"),
    ("schedulers", "StepLr"),
    ("race",),
    ("race", "StepLR(3)"),
    ("race", "--resume"),
    ("race", "--report", "99"),
    ("race", "StepLR(3)", "StepLR(4)", "--new", "--resume"),
    ("find", "--from", "x"),
    ("find", *TINY, "--steps", "20", "--linear", "--to", "0.1", "--quiet"),
    ("suggest", "--budget", "0"),
    ("suggest", "StepLR(3)", "StepLR(4)"),
    ("runs",),
    ("runs", "--help"),
    ("runs", "xyzzy"),
    ("runs", "--xyzzy"),
    ("runs", "list"),
    ("runs", "list", "state=done", "--sort", "-seconds", "schedule~Exp"),
    ("runs", "list", "--sort", "xyzzy"),
    ("runs", "list", "xyzzy=1"),
    ("runs", "list", "--store", "nowhere"),
    ("runs", "show"),
    ("runs", "show", "last"),
    ("runs", "show", "xyzzy"),
    ("runs", "show", "1", "--json"),
    ("runs", "compare", "1"),
    ("runs", "compare", "1", "2", "3"),
    ("runs", "export", "1", "--format", "csv"),
    ("runs", "export", "1", "--format", "json"),
    ("runs", "export", "1", "--format", "tensorboard"),
    ("runs", "export", "1", "--format", "xml"),
    ("runs", "code", "1"),
    ("runs", "code", "1", "2"),
    ("runs", "rename", "1", "a", "new", "name"),
    ("runs", "rename", "1", "7"),
    ("runs", "rename", "1"),
    ("runs", "note", "1", "several", "words"),
    ("runs", "note", "1", ""),
    ("runs", "delete", "1"),
    ("runs", "delete", "2", "--yes"),
    ("runs", "gc", "--dry-run"),
    ("send", "1"),
    ("send", "1", "pause"),
    ("send", "1", "lr", "*0.5", "--wait", "0"),
    ("send", "1", "xyzzy"),
    ("send", "1", "pause", "--wait", "x"),
    ("keys",),
    ("keys", "--markdown"),
    ("keys", "x"),
    ("info", "x"),
)
"""Command lines, valid and invalid, each run with a copy of the store; their exit statuses are part of the contract.

Signals (130, 143, 129) end a process: tests/cli/test_train.py, tests/cli/test_find.py and tests/tui/test_terminal.py.
"""

CHECKED = (
    "ExponentialLR(gamma=0.1)",
    "StepLR(step_size=30)",
    "CosineAnnealingLR(T_max=3)",
    "OneCycleLR(max_lr=0.003, total_steps=100)",
    "OneCycleLR(max_lr=3)",
    "LambdaLR('0.1 * epoch')",
    "MultiStepLR(milestones=[20])",
    "PolynomialLR(total_iters=2)",
    "ReduceLROnPlateau(patience=20)",
    "CyclicLR(base_lr=0.001, max_lr=0.01, step_size_up=5000)",
)


@dataclass(frozen=True)
class Answer:
    """The output and exit status of a command."""

    status: int
    out: str
    err: str

    @property
    def records(self) -> list[Any]:
        return [json.loads(line) for line in self.out.splitlines()]


def invoke(*arguments: str) -> Answer:
    """Run the command line in this process."""
    from lrtui.__main__ import main

    out, err = io.StringIO(), io.StringIO()
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    handlers = {number: signal.getsignal(number) for number in numbers}
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                status = main(list(arguments))
            except SystemExit as error:
                status = error.code if isinstance(error.code, int) else int(error.code is not None)
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    return Answer(status, out.getvalue(), err.getvalue())


@contextlib.contextmanager
def in_project() -> Iterator[Path]:
    """Work in an empty folder with a copy of the store as its `.lrtui`, without a terminal or any settings."""
    with TemporaryDirectory() as name, contextlib.chdir(name), contextlib.ExitStack() as stack:
        environment = {"TERM": "dumb", "COLUMNS": "100", "XDG_CONFIG_HOME": f"{name}/config", "LRTUI_STORE": ""}
        before = dict(os.environ)
        stack.callback(lambda: (os.environ.clear(), os.environ.update(before)))
        os.environ.update(environment)
        if STORE.exists():
            shutil.copytree(STORE, ".lrtui")
            # a store that the group can write is not trusted, and a checkout may be one
            for path in [Path(".lrtui"), *Path(".lrtui").rglob("*")]:
                path.chmod(0o700 if path.is_dir() else 0o600)
        yield Path(name)


def shape(value: Any) -> Any:
    """Return the JSON types within a value: an object by its keys, a list by its first element."""
    match value:
        case dict():
            return {key: shape(part) for key, part in value.items()}
        case list():
            return [shape(value[0])] if value else []
        case bool():
            return "boolean"
        case int() | float():
            return "number"
        case str():
            return "string"
    return "null"


def losses(recorded: Any, found: Any, path: str = "") -> list[str]:
    """Return what the recorded contract has and the found one lacks; additions are allowed."""
    if "null" in (recorded, found):
        # a field that may be null was null in one of the two
        return []
    if isinstance(recorded, Mapping):
        if not isinstance(found, Mapping):
            return [f"{path}: was an object, is {found!r:.80}"]
        return [
            line
            for key, part in recorded.items()
            for line in (losses(part, found[key], f"{path}/{key}") if key in found else [f"{path}/{key} is missing"])
        ]
    if isinstance(recorded, list):
        if not isinstance(found, list):
            return [f"{path}: was a list, is {found!r:.80}"]
        if all(isinstance(part, str) for part in recorded):
            return [f"{path}: {part!r} is missing" for part in recorded if part not in found]
        if len(found) < len(recorded):
            return [f"{path}: had {len(recorded)} elements, has {len(found)}"]
        return [
            line
            for index, (a, b) in enumerate(zip(recorded, found, strict=False))
            for line in losses(a, b, f"{path}/{index}")
        ]
    return [] if recorded == found else [f"{path}: was {recorded!r:.80}, is {found!r:.80}"]


# -- the command line -------------------------------------------------------------------------------------------------


def option_kind(command: str, option: str) -> str:
    """Return how a command takes an option, tested with and without a value in front of an unknown option."""

    def is_taken(*arguments: str) -> bool:
        answer = invoke(*command.split(), *COMMANDS[command], *arguments, UNKNOWN)
        first = next(iter(answer.err.splitlines()), "")
        return answer.status == 2 and UNKNOWN in first and option not in first.replace(UNKNOWN, "")

    kinds = {(True, False): "flag", (False, True): "value", (True, True): "optional value"}
    # --format takes no number
    return kinds.get((is_taken(option), is_taken(f"{option}=1") or is_taken(f"{option}=json")), "refused")


def command_options() -> dict[str, dict[str, str]]:
    """Return the options that the help of each command lists, with how they are taken."""
    found = {}
    for command in COMMANDS:
        text = invoke(*command.split(), "--help").out
        listed = re.findall(r"^ +(-{1,2}[a-z][\w-]*)(?:, (--[a-z][\w-]*))?", text, flags=re.MULTILINE)
        options = {option for pair in listed for option in pair if option}
        printing = {"-h", "--help", "--version"}
        found[command] = {
            option: "prints" if option in printing else option_kind(command, option) for option in sorted(options)
        }
    return found


def exit_statuses() -> dict[str, int]:
    """Return the exit status of each invocation."""
    statuses = {}
    for arguments in INVOCATIONS:
        with in_project():
            statuses[" | ".join(arguments)] = invoke(*arguments).status
    return statuses


def keys() -> list[str]:
    """Return the keys of the cockpit."""
    rows = invoke("keys", "--markdown").out.splitlines()[2:]
    return [key for row in rows for key in re.findall(r"`(.+?)`", row.rsplit("| ", 1)[0])]


# -- formats ----------------------------------------------------------------------------------------------------------


@cache
def trained(*options: str) -> Answer:
    """Return what a short seeded run prints."""
    with in_project():
        return invoke("train", "ExponentialLR(gamma=0.5)", *TINY, "--epochs", "3", "--log-interval", "2", *options)


LOSSES = r"(?<=oss: )[\d.]+|(?<=Accuracy: )[\d.]+"

SCRIPT = (
    *("--at", "step 3: lr*0.5", "--at", "step 4: undo", "--at", "step 5: undo"),
    *("--at", "step 7: StepLR(1) from current", "--at", "step 8: evaluate", "--at", "step 9: extend 1"),
    *("--at", "step 10: checkpoint", "--at", "test 2: lr=0.001"),
)


def formats() -> dict[str, Any]:
    """Return the shape of everything that is printed as JSON."""
    events: dict[str, Any] = {}
    for event in trained(*SCRIPT, "--json").records:
        events.setdefault(event["event"], shape(event))
    commands: dict[str, tuple[str, ...]] = {
        "preview": ("preview", "OneCycleLR(max_lr=0.1)", "--epochs", "2", "--batches-per-epoch", "3", "--json"),
        "check": ("check", "ExponentialLR(gamma=0.1)", "--json"),
        "schedulers": ("schedulers", "OneCycleLR", "--json"),
        "runs list": ("runs", "list", "--json"),
        "runs show": ("runs", "show", "2", "--json"),
        "runs compare": ("runs", "compare", "1", "2", "--json"),
        "runs export": ("runs", "export", "1", "--format", "json"),
        "find": ("find", *TINY, "--steps", "30", "--json"),
        "race": ("race", "StepLR(1)", "ExponentialLR(0.9)", *TINY, "--epochs", "2", "--seeds", "2", "--json"),
        "suggest": ("suggest", *TINY, "--epochs", "4", "--budget", "4", "--json"),
    }
    found: dict[str, Any] = {"events": events}
    for name, arguments in commands.items():
        with in_project():
            shapes = [shape(record) for record in invoke(*arguments).records]
        found[name] = list({tuple(each): each for each in shapes}.values())
    with in_project():
        # only the last digits of losses differ between machines
        found["train"] = re.sub(LOSSES, lambda match: re.sub(r"\d", "0", match[0]), trained().out)
        found["csv"] = invoke("runs", "export", "1").out.splitlines()[0]
        found["preview csv"] = invoke("preview", "StepLR(3)", "--batches-per-epoch", "2", "--csv").out.splitlines()[0]
    return found


def findings() -> dict[str, list[list[str | None]]]:
    """Return codes and corrections that `check` finds for schedules."""
    found = {}
    for schedule in CHECKED:
        found[schedule] = [[record["code"], record["fix"]] for record in invoke("check", schedule, "--json").records]
    return found


def schedulers() -> dict[str, Any]:
    """Return each scheduler's unit and arguments."""
    return {
        record["name"]: {
            "per": record["per"],
            "parameters": {each["name"]: [each["required"], each["default"]] for each in record["parameters"]},
            "filled in": sorted(record["filled_in"]),
        }
        for record in invoke("schedulers", "--json").records
    }


def public_api() -> dict[str, Any]:
    """Return the public names; of classes and functions the parameters with their defaults."""
    import lrtui

    def parameters(found: Callable[..., Any]) -> dict[str, str]:
        try:
            signature = inspect.signature(found)
        except ValueError:
            return {}
        return {
            name: "required" if part.default is part.empty else repr(part.default)
            for name, part in signature.parameters.items()
            if part.kind not in (part.VAR_POSITIONAL, part.VAR_KEYWORD) and name not in internal
        }

    # only isinstance and the parsers' return values
    opaque = {"Task", "Schedule", "OptimizerSpec", "RunState"}
    # how a run is resumed is internal
    internal = {"continuation"}
    return {
        name: {} if name in opaque or name.endswith("Error") else parameters(getattr(lrtui, name))
        for name in sorted(lrtui.__all__)
    }


def stored() -> dict[str, Any]:
    """Return the runs in the store of 0.1, and the results of resuming its stopped run and of a branch."""
    fields = ("id", "name", "note", "state", "schedule", "epochs_done", "step", "parent", "best_accuracy", "test_loss")
    with in_project():
        listed = [{key: record.get(key) for key in fields} for record in invoke("runs", "list", "--json").records]
        statuses = {
            "resume": invoke("resume", "3", "--quiet").status,
            "branch": invoke("branch", "1", "--at-epoch", "1", "lr*0.5", "--quiet").status,
        }
        rows = {
            run: [line.split(",") for line in invoke("runs", "export", run).out.splitlines()[1:]]
            for run in ("1", "2", "3", "4")
        }
        lrs = {run: [[float(row[0]), float(f"{float(row[5]):.12g}")] for row in table] for run, table in rows.items()}
    return {"listed": listed, **statuses, "lrs": lrs}


PARTS: dict[str, Callable[[], Any]] = {
    "options": command_options,
    "exit statuses": exit_statuses,
    "keys": keys,
    "formats": formats,
    "findings": findings,
    "schedulers": schedulers,
    "public API": public_api,
    "store": stored,
}
"""The parts of the contract by name; each function collects one from the installed code."""


def main() -> None:
    found = {name: collect() for name, collect in PARTS.items()}
    text = json.dumps(found, indent=1, sort_keys=True)
    if "--write" in sys.argv:
        RECORDED.write_text(text + "\n", encoding="utf-8")
    else:
        print(text)


if __name__ == "__main__":
    main()
