"""Whether the process behind a run is still there: across processes, containers, machines and reboots."""

from __future__ import annotations

import os
import platform
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path

HEARTBEAT_SECONDS = 2.0
"""Between two signs of life."""

LOST_SECONDS = 10.0
"""Without a sign of life, after which a run elsewhere is taken for lost."""


@dataclass(frozen=True, slots=True)
class ProcessIdentity:
    """A process, told apart from any that has its number later.

    Args:
        machine: host, boot and container.
        pid: its number there.
        started: when it began, in the kernel's words; "" where that can't be told.
    """

    machine: str
    pid: int
    started: str


@cache
def machine() -> str:
    """Return this host, this boot of it, and the container that process numbers count in."""

    def read(path: str) -> str:
        try:
            return Path(path).read_text().strip()
        except OSError:
            return ""

    try:
        namespace = os.readlink("/proc/self/ns/pid")
    except OSError:
        namespace = ""
    return "|".join((platform.node(), read("/proc/sys/kernel/random/boot_id"), namespace))


def started(pid: int) -> str | None:
    """Return when the process began, "" where that can't be told; None where there is no such process."""
    try:
        # its name, in brackets, may have blanks and brackets in it; field 22 is the start (proc(5))
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return None if fields[0] in "ZX" else fields[19]
    except OSError:
        if Path("/proc/self/stat").exists():
            return None
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except OSError:
        pass
    return ""


def this_process() -> ProcessIdentity:
    """Return this process."""
    return ProcessIdentity(machine(), os.getpid(), started(os.getpid()) or "")


def is_alive(process: ProcessIdentity, heartbeat: float, now: float | None = None) -> bool:
    """Say whether the process is still there.

    One of this machine and boot is looked for among the processes; of another the heartbeat is all there is to see.

    Args:
        heartbeat: its latest sign of life, in seconds since 1970.
        now: in seconds since 1970.
    """
    if process.machine == machine():
        return started(process.pid) == process.started
    mine, theirs = machine().split("|"), process.machine.split("|")
    if mine[0] == theirs[0] and mine[1] != theirs[1]:
        return False  # this machine has been booted since
    return (time.time() if now is None else now) - heartbeat < LOST_SECONDS
