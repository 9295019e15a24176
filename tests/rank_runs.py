"""Runs trained by several processes: starts the processes, follows the events of each, and kills one.

`python -m rank_runs FOLDER` is one of the processes.
"""

from __future__ import annotations

import os
import pickle
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import process_server
from free_port import free_port
from training_runs import ScriptedInbox, tiny_spec
from waiting import wait_for

from lrtui.run.commands import Command
from lrtui.run.events import Event, RunFinished, StepDone
from lrtui.run.spec import RunSpec

SECONDS = 240
"""How long a test waits for what it expects."""


@dataclass(frozen=True)
class Request:
    """What each process is asked to do: one run after the other."""

    specs: Sequence[RunSpec]
    script: Mapping[int, Sequence[Command]]
    meets_tests: bool
    task: str
    checkpoints: Path | None
    resume_point: Any
    limit: float


class RankRun:
    """One run, trained by processes that this class starts.

    Args:
        folder: an empty folder.
        world_size: number of processes.
        script: commands that rank 0 gets, by the step before which they are sent; those of -1 before the run.
        meets_tests: as for `ScriptedInbox`.
        task: name of a task in tests/distributed/rank_tasks.py.
        checkpoints: folder for the checkpoints.
        limit: seconds that a rank waits for another.
        also: settings of further runs, by the same processes.
        settings: others than those of `tiny_spec`.
    """

    def __init__(
        self,
        folder: Path,
        world_size: int,
        script: Mapping[int, Sequence[Command]] | None = None,
        *,
        meets_tests: bool = False,
        task: str = "Meeting",
        checkpoints: Path | None = None,
        resume_point: Any = None,
        limit: float = SECONDS,
        also: Sequence[Mapping[str, Any]] = (),
        **settings: Any,
    ) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        specs = [tiny_spec(**settings), *(tiny_spec(**more) for more in also)]
        request = Request(specs, script or {}, meets_tests, task, checkpoints, resume_point, limit)
        (folder / "request").write_bytes(pickle.dumps(request))
        port = str(free_port())
        self.processes = [
            process_server.ForkedProcess(
                [sys.executable, "-m", "rank_runs", str(folder)],
                env={
                    **os.environ,
                    "MASTER_ADDR": "127.0.0.1",
                    "MASTER_PORT": port,
                    "RANK": str(rank),
                    "LOCAL_RANK": str(rank),
                    "WORLD_SIZE": str(world_size),
                    "LOCAL_WORLD_SIZE": str(world_size),
                },
            )
            for rank in range(world_size)
        ]

    def events(self, rank: int = 0, run: int = 0) -> list[Event]:
        """Return the events of a run so far, as one of the processes publishes them."""
        events = []
        path = self.folder / f"events-{rank}-{run}"
        if path.exists():
            with path.open("rb") as file:
                while True:
                    try:
                        events.append(pickle.load(file))
                    except (EOFError, pickle.UnpicklingError):
                        break
        return events

    def until(self, condition: Callable[[list[Event]], bool]) -> list[Event]:
        """Wait until the events of rank 0 fulfill a condition, and return them."""

        def is_met() -> bool:
            has_ended = self.processes[0].poll() is not None
            is_met = condition(self.events())
            assert is_met or not has_ended, self.events()[-5:]
            return is_met

        wait_for(is_met, lambda: self.events()[-5:], seconds=SECONDS)
        return self.events()

    def finished(self) -> RunFinished:
        """Wait until all processes have ended; return the last event of rank 0."""
        for process in self.processes:
            process.wait(SECONDS)
        last = self.events()[-1]
        assert isinstance(last, RunFinished), last
        return last

    def kill(self, rank: int) -> None:
        """Kill a process."""
        self.processes[rank].kill()

    def close(self) -> None:
        """Kill what still runs."""
        for process in self.processes:
            process.kill()


def lrs(events: Sequence[Event]) -> dict[int, tuple[float, ...]]:
    """Return the lrs by step."""
    return {event.step: event.lrs for event in events if isinstance(event, StepDone)}


def losses(events: Sequence[Event]) -> dict[int, float]:
    """Return the losses by step."""
    return {event.step: event.loss for event in events if isinstance(event, StepDone)}


def _main(folder: Path) -> None:
    import torch

    sys.path.append(str(Path(__file__).parent / "distributed"))
    import rank_tasks

    from lrtui.distributed.process_group import ProcessGroup
    from lrtui.run.feed import LiveFeed
    from lrtui.training.checkpoint.policy import Checkpoints
    from lrtui.training.reporter import Reporter
    from lrtui.training.train import train

    torch.set_num_threads(1)
    request: Request = pickle.loads((folder / "request").read_bytes())
    rank = int(os.environ["RANK"])
    group = ProcessGroup.of_environment(timedelta(seconds=request.limit))
    task = getattr(rank_tasks, request.task)(rank)
    for number, spec in enumerate(request.specs):
        feed = LiveFeed()
        reporter = Reporter(feed)
        script = {step: commands for step, commands in request.script.items() if step >= 0 and rank == 0}
        inbox = ScriptedInbox(script, meets_tests=request.meets_tests)
        inbox.reporter = reporter
        if rank == 0:
            for command in request.script.get(-1, ()):
                inbox.send(command)
        with (folder / f"events-{rank}-{number}").open("wb", buffering=0) as file:
            feed.listener = lambda event, file=file: file.write(pickle.dumps(event))
            train(
                # only rank 0's settings count
                spec if rank == 0 else tiny_spec(schedule="StepLR(77)", epochs=1, seed=5),
                inbox,
                reporter,
                task,
                checkpoints=None if request.checkpoints is None or rank else Checkpoints(request.checkpoints),
                resume_point=None if rank else request.resume_point,
                group=group,
            )
    group.close()


if __name__ == "__main__":
    _main(Path(sys.argv[1]))
