"""Starts the processes that train one run for a driver: `python -m lrtui.engine.worker_ranks N`.

The agent of `torch.distributed.run` starts N workers on this machine, of which rank 0 connects to the driver. This
process connects only if one of them dies: it tells the driver which, and of what.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import MutableMapping

from lrtui.distributed.channel import ChannelError, connect
from lrtui.distributed.message import Message
from lrtui.engine.openmp import limit_spinning
from lrtui.run.core_count import core_count
from lrtui.run.signal_name import signal_name

RANKS = "ranks"
"""The role of this process in its channel to the driver."""


def divide_threads(processes: int, environment: MutableMapping[str, str] = os.environ) -> None:
    """Give each process its share of this machine's cores, unless the user has set the number of threads.

    Without it `torch.distributed.run` gives each of them a single thread.
    """
    environment.setdefault("OMP_NUM_THREADS", str(max(1, core_count() // processes)))


def main(processes: int) -> int:
    """Start the processes, wait for their end, and return the exit status."""
    divide_threads(processes)
    limit_spinning()
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.run import parse_args, run

    # what it logs about the end of a process is reported to the driver
    logging.disable(logging.ERROR)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        arguments = ["--standalone", "--nproc-per-node", str(processes), "-m", "lrtui.engine.worker"]
        run(parse_args(arguments))  # type: ignore[no-untyped-call]
    except ChildFailedError as error:
        statuses = {rank: failure.exitcode for rank, failure in error.failures.items()}
        first = next((rank for rank, status in statuses.items() if status == -signal.SIGKILL), None)
        rank, failure = error.get_first_failure() if first is None else (first, error.failures[first])
        status, is_killed = failure.exitcode, failure.exitcode < 0
        how = f"was killed by {signal_name(-status)}" if is_killed else f"ended with status {status}"
        _report(f"rank {rank} (process {failure.pid}) {how}", is_killed=is_killed)
        return 1
    except SignalException as error:
        return 128 + int(error.sigval)
    return 0


def _report(text: str, *, is_killed: bool) -> None:
    try:
        channel = connect(os.environ, RANKS)
        channel.send(Message("failure", {"text": text, "is_killed": is_killed}))
        # the driver's answer: a connection that is closed before could discard the message
        channel.receive()
    except ChannelError:
        # a driver that knows it shows it itself, next to this output
        print(f"lrtui: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
