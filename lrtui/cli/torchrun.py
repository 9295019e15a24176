"""Commands that torchrun starts as several processes: rank 0 speaks for all, the others only train."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from types import FrameType

from lrtui.cli.exit_codes import DONE, FAILED, REASONS, SIGNALS
from lrtui.distributed.torchrun import is_first_rank, torchrun_rank
from lrtui.run.errors import UsageError
from lrtui.text.format import counted

TRAINS_ALONE = ("race", "find", "suggest", "run", "watch")
"""Commands besides the cockpit that several processes can't carry out together; other commands do not train."""

POLL_SECONDS = 0.2


def check_command(name: str | None) -> None:
    """Check that torchrun may start the command as several processes.

    Args:
        name: of the command; None for the cockpit.

    Raises:
        UsageError: says how to use several processes with it.
    """
    if torchrun_rank() is None or (name is not None and name not in TRAINS_ALONE):
        return
    if name is None:
        raise UsageError(
            "torchrun can't open the cockpit: lrtui --nproc N opens it and starts N processes itself, and "
            "torchrun ... -m lrtui train needs no screen"
        )
    if name in ("race", "suggest"):
        raise UsageError(
            f"torchrun can't start a {name}: lrtui {name} --nproc N starts N processes for each run itself"
        )
    raise UsageError(
        "torchrun can start lrtui train, resume and branch: use this command without torchrun (lrtui train --nproc N "
        "starts N processes itself)"
    )


def check_processes(nproc: str | None) -> None:
    """Refuse a number of processes beside that of torchrun.

    Args:
        nproc: text of `--nproc`; None if it was not given.

    Raises:
        UsageError: if torchrun has started several processes.
    """
    rank = torchrun_rank()
    if rank is not None and nproc is not None:
        raise UsageError(
            f"--nproc is not allowed under torchrun, which has started {counted(rank.world_size, 'process')}: leave it "
            "out, or start lrtui without torchrun"
        )


WAIT_SECONDS = 10.0
"""Seconds that a process that fails leaves rank 0 to report why, since torchrun then ends all processes."""


def wait_for_rank_0(status: int) -> None:
    """Let rank 0 end first if this process fails.

    Args:
        status: exit status of this process.
    """
    if status != DONE and not is_first_rank():
        time.sleep(WAIT_SECONDS)


JOIN_SECONDS = 5.0
"""Seconds after a signal in which rank 0 can still begin and stop the run."""


@contextmanager
def silent_beside_rank_0() -> Iterator[None]:
    """Let only rank 0 print messages within the block; what the task prints elsewhere goes to standard error."""
    if is_first_rank():
        yield
        return
    with open(os.devnull, "w") as nothing, redirect_stdout(nothing), redirect_stderr(nothing):
        yield


def follow_rank_0() -> int:
    """Train as one of the processes besides rank 0, which has the settings, and return the exit code.

    A signal stops the run, at the same step in all processes. If rank 0 has ended before the run began, it ends this
    process.
    """
    from lrtui.engine.session import Session
    from lrtui.run.commands import Stop
    from lrtui.run.spec import RunSpec

    with suppress(OSError):
        # native code and child processes as well
        os.dup2(2, 1)
    with redirect_stdout(sys.__stderr__), redirect_stderr(sys.__stderr__):
        run = Session().start(RunSpec(store="none"))

        received: list[tuple[float, signal.Signals]] = []
        is_stopped = False

        def handle(number: int, _: FrameType | None) -> None:
            received.append((time.monotonic(), signal.Signals(number)))

        for number in SIGNALS:
            signal.signal(number, handle)
        while run.is_live:
            run.poll()
            run.join(POLL_SECONDS)
            if received:
                since, first = received[0]
                if not is_stopped:
                    is_stopped = run.send(Stop(REASONS.get(first, "")))
                if not run.has_begun and time.monotonic() - since > JOIN_SECONDS:
                    os._exit(SIGNALS[first])
        finished = run.state.outcome
        error = run.error or (None if finished is not None else "the training thread ended without a result")
        # rank 0 reports why a run has failed, but torchrun of another machine has only this process's status
        status = FAILED if error is not None or finished is None or finished.outcome == "failed" else DONE
        for number in SIGNALS:
            # nothing is left to save
            signal.signal(number, lambda *_: os._exit(status))
    if error is not None:
        print(f"lrtui: {error}", file=sys.__stderr__)
    # rank 0 reports how the run ended
    return status
