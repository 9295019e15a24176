"""Attached scripts with several processes: `lrtui.attached.shared_commands`, in real processes."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from contextlib import chdir
from itertools import groupby
from pathlib import Path

from process_server import FORKED_RANKS, ForkedProcess
from rank_processes import events_of
from waiting import SECONDS, wait_for

from lrtui.run.events import CommandRefused, Notice, RunFinished
from lrtui.schedules.command_notation import parse_command
from lrtui.store.inbox import send


def test_commands_act_at_the_same_step_under_torchrun_and_ddp(tmp_path: Path) -> None:
    shutil.copy(Path(__file__).with_name("rank_train.py"), tmp_path)
    arguments = ["--nproc-per-node", "2", "--standalone", "-m", "rank_train", str(tmp_path), "600", "0.02"]
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": "1",
        "LRTUI_STORE": str(tmp_path / ".lrtui"),
        FORKED_RANKS: str(tmp_path),
    }
    command = [sys.executable, "-m", "torch.distributed.run", *arguments]
    with chdir(tmp_path):
        process = ForkedProcess(command, stderr=subprocess.PIPE, env=environment, text=True)
    lrs = [tmp_path / f"lrs-{rank}" for rank in range(2)]
    try:
        wait_for(
            lambda: (lrs[0].exists() and lrs[0].read_text().count("\n") > 3) or process.poll() is not None,
            seconds=2 * SECONDS,
        )
        commands = ["lr*0.5", "evaluate", "pause", "resume", "CosineAnnealingLR(T_max=4)", "lr*1.5", "stop"]
        answers = [send(tmp_path / ".lrtui", 1, parse_command(command), seconds=SECONDS).text for command in commands]
        stderr = process.communicate(timeout=SECONDS)[1]
    finally:
        process.kill()
    assert process.returncode == 0, stderr
    assert answers[:3] == ["lr 0.1 -> 0.05 (user)", "evaluate", "paused"]
    assert lrs[0].read_text() == lrs[1].read_text()
    written = [lr for lr, _ in groupby(map(float, lrs[0].read_text().split()))]
    assert written[:2] == [0.1, 0.05]
    assert len(written) >= 4
    assert (tmp_path / "weights-0").read_text() == (tmp_path / "weights-1").read_text()
    events = events_of(tmp_path / ".lrtui")
    assert not [event for event in events if isinstance(event, (Notice, CommandRefused))]
    assert isinstance(events[-1], RunFinished)
    assert events[-1].outcome == "stopped"
    assert [line for line in stderr.splitlines() if "lrtui" in line and "recorded" not in line] == []
