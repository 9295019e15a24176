"""Scripts that end during a run: the run is stopped and saved, and the exit status is the script's own."""

from __future__ import annotations

import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from lrtui.engine import interpreter_exit
from lrtui.store.connection import open_for_reading
from lrtui.store.reader import all_runs, has_checkpoint

ENDS = {
    "pass": 0,
    "raise ValueError('mine')": 1,
    "sys.exit(3)": 3,
    "os.kill(os.getpid(), signal.SIGINT); run.result()": -signal.SIGINT,
}
"""How a script ends, and its exit status; that of Ctrl-C is 130 in a shell."""


def test_a_script_that_ends_stops_its_run_saves_it_and_keeps_its_exit_status(tmp_path: Path) -> None:
    script = f"""
import os, signal, sys
import torch
sys.path.insert(0, {str(Path(__file__).parents[1])!r})
import lrtui.training.train
from tiny_task import Slow
from lrtui import Run, RunSpec, StepDone

# imports torch._dynamo, which takes seconds
torch.optim.SGD([torch.zeros(1, requires_grad=True)])

children = []
for number, end in enumerate({list(ENDS)!r}):
    # a forked process ends as any other, and does not import torch again
    children.append(os.fork())
    if not children[-1]:
        run = Run(RunSpec(schedule="StepLR(1)", batch_size=16, epochs=100_000, store=str(number)), Slow()).start()
        next(event for event in run if isinstance(event, StepDone))
        exec(end)
        sys.exit()
print([os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children])
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=600)
    assert done.stdout == f"{list(ENDS.values())}\n", done.stderr
    assert done.stderr.count("Traceback") == 2, done.stderr
    for number in range(len(ENDS)):
        with closing(open_for_reading(tmp_path / str(number))) as connection:
            [run] = all_runs(connection)
        assert run.state == "stopped"
        assert has_checkpoint(tmp_path / str(number), run.id)


class Stuck:
    """A computation whose current step takes long."""

    title = "run #1"

    def __init__(self) -> None:
        self.calls: list[str] = []

    def request_stop(self, because: str) -> None:
        self.calls.append(because)

    def join(self, seconds: float | None = None) -> bool:
        self.calls.append(f"join {seconds}")
        return seconds is None


def test_a_long_last_step_is_waited_for_with_a_message(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(interpreter_exit, "_started", [])
    stuck = Stuck()
    interpreter_exit.stop_at_exit(stuck)
    interpreter_exit._stop_all()
    assert stuck.calls == ["join 0", "the script ended", "join 2.0", "join None"]
    assert "waiting for run #1 to stop (Ctrl-C leaves at once)" in capsys.readouterr().err
    interpreter_exit._stop_all()
    assert len(stuck.calls) == 4, "it is stopped once"
