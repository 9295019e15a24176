"""Runs the scripts of examples/attached in this process: with their lines for lrtui, or without them."""

from __future__ import annotations

import gc
import io
import re
import runpy
import sys
import threading
from collections.abc import Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from other_process import rows
from torch._dynamo.utils import counters
from torch.optim.optimizer import register_optimizer_step_pre_hook
from waiting import SECONDS, wait_for

from lrtui.attached.attach import _runs
from lrtui.schedules.command_notation import parse_command
from lrtui.store.command_files import Answer
from lrtui.store.inbox import send

EXAMPLES = Path(__file__).parents[2] / "examples" / "attached"

LINE_FOR_LRTUI = re.compile(r"\s*(import lrtui$|run = lrtui\.attach\(|run\.log(_eval)?\()")


@dataclass
class ScriptRun:
    """What a run of a script has done.

    Args:
        printed: its standard output.
        weights: what it saved at its end.
        lrs: lr of each parameter group of all optimizers, in each optimizer step.
        error: the exception that ended it.
        answers: to the commands, in order.
        graphs: how many graphs torch.compile has compiled.
    """

    printed: str
    weights: Any
    lrs: list[tuple[float, ...]]
    error: BaseException | None = None
    answers: list[Answer] = field(default_factory=list)
    graphs: int = 0

    @property
    def printed_steps(self) -> list[str]:
        """The lines of the optimizer steps."""
        lines = [line for line in self.printed.splitlines() if re.search(r"\b(lr|LR)\b", line)]
        return [line for line in lines if "skipped" not in line]


def script_without_lrtui(name: str, folder: Path) -> Path:
    """Return a copy of the script without its lines for lrtui."""
    lines = (EXAMPLES / f"{name}.py").read_text().splitlines(keepends=True)
    kept = [line for line in lines if not LINE_FOR_LRTUI.match(line)]
    assert len(lines) - len(kept) >= 3
    # the functions of the MNIST example take the run as an argument
    text = re.sub(r", run\)", ")", "".join(kept))
    assert "lrtui" not in text.split('"""')[2]
    path = folder / f"{name}.py"
    path.write_text(text)
    return path


def run_script(path: Path, *arguments: str, store: Path, commands: Mapping[int, str] | None = None) -> ScriptRun:
    """Run a script in this process.

    Args:
        store: receives its run.
        commands: commands of another terminal by the optimizer step before which they arrive, counted from 0.
    """
    torch._dynamo.reset()
    counters.clear()
    weights, printed = store.parent / "weights.pt", io.StringIO()
    run = ScriptRun("", None, [])
    before = Steps(run, store, dict(commands or {}))
    handle = register_optimizer_step_pre_hook(before)
    argv = [str(path), *arguments, "--save-model", str(weights)]
    weights.unlink(missing_ok=True)
    try:
        with (
            redirect_stdout(printed),
            mock.patch.dict("os.environ", {"LRTUI_STORE": str(store)}),
            mock.patch.object(sys, "argv", argv),
        ):
            runpy.run_path(str(path), run_name="__main__")
    except BaseException as error:
        # the traceback holds the script's objects
        run.error = error.with_traceback(None)
    finally:
        handle.remove()
    before.wait_for_answers()
    run.graphs = counters["stats"]["unique_graphs"]
    del before
    torch._dynamo.reset()
    gc.collect()
    # compiled code may still refer to the optimizer
    for reference in _runs:
        if (attached := reference()) is not None:
            attached.finish()
    run.printed = printed.getvalue()
    if weights.exists():
        run.weights = torch.load(weights, weights_only=True)
    return run


class Steps:
    """Notes the lr of each step, and sends commands as another terminal does."""

    def __init__(self, run: ScriptRun, store: Path, commands: dict[int, str]) -> None:
        self._run, self._store, self._commands = run, store, commands
        self._first: Any = None
        self._seen: set[int] = set()
        self._answering: list[threading.Thread] = []

    def __call__(self, optimizer: Any, args: Any, kwargs: Any) -> None:
        if id(optimizer) not in self._seen:
            self._seen.add(id(optimizer))
            # after the hooks of lrtui, which was attached before
            optimizer.register_step_pre_hook(self._note_lrs)
            self._first = self._first or optimizer
        if optimizer is self._first and (command := self._commands.pop(len(self._run.lrs), None)):
            self._send(command)

    def _note_lrs(self, optimizer: Any, args: Any, kwargs: Any) -> None:
        if bool(getattr(optimizer, "found_inf", False)):
            return  # a fused optimizer skips the step
        lrs = tuple(float(group["lr"]) for group in optimizer.param_groups)
        if optimizer is self._first:
            self._run.lrs.append(lrs)
        else:
            self._run.lrs[-1] += lrs

    def _send(self, command: str) -> None:
        """Send a command, and wait until it has reached the run."""

        run, sent = newest_run(self._store), len(self._answering) + 1

        def work() -> None:
            self._run.answers.append(send(self._store, run, parse_command(command), SECONDS))

        self._answering.append(threading.Thread(target=work, daemon=True))
        self._answering[-1].start()
        query = "SELECT count(*) FROM inbox WHERE run = ? AND taken NOT NULL"
        wait_for(lambda: rows(self._store, query, [run]) == [(sent,)])

    def wait_for_answers(self) -> None:
        """Wait until every command is answered."""
        for thread in self._answering:
            thread.join(SECONDS)


def newest_run(store: Path) -> int:
    return int(rows(store, "SELECT max(id) FROM runs")[0][0])


def stored_losses(store: Path) -> list[float]:
    """Return the loss of each step of the newest run."""
    return [
        loss for (loss,) in rows(store, "SELECT loss FROM batches WHERE run = ? ORDER BY step", [newest_run(store)])
    ]


def stored_lrs(store: Path) -> list[tuple[float, ...]]:
    """Return the lrs of each step of the newest run."""
    run = newest_run(store)
    first = rows(store, "SELECT seq, lr FROM batches WHERE run = ? ORDER BY step", [run])
    more: dict[int, list[float]] = {}
    for seq, lr in rows(store, "SELECT seq, lr FROM group_lrs WHERE run = ? ORDER BY seq, parameter_group", [run]):
        more.setdefault(seq, []).append(lr)
    return [(lr, *more.get(seq, [])) for seq, lr in first]


def event_steps(store: Path, kind: str) -> list[int]:
    """Return the steps at which the newest run has published an event of this kind."""
    query = "SELECT step FROM events WHERE run = ? AND kind = ? ORDER BY seq"
    return [step for (step,) in rows(store, query, [newest_run(store), kind])]
