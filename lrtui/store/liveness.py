"""Whether the process behind a run is still alive: across processes, containers, machines and reboots."""

from __future__ import annotations

import os
import platform
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path

HEARTBEAT_SECONDS = 2.0
"""Seconds between two heartbeats."""

LOST_SECONDS = 10.0
"""Seconds without a heartbeat after which a process on another machine counts as dead."""

SAME_START_SECONDS = 2.0
"""How far two readings of one process's start may differ: the kernel derives it from the wall clock."""


@dataclass(frozen=True, slots=True)
class ProcessIdentity:
    """A process, distinguished from any that reuses its pid later.

    Args:
        machine: host, boot and container.
        pid: its id on that machine.
        started: seconds since 1970, as text; clock ticks since the boot in a store of lrtui 0.1; "" if unknown.
    """

    machine: str
    pid: int
    started: str


@cache
def machine() -> str:
    """Return this host, its current boot, and the container that pids belong to."""

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
    """Return when the process started, "" if that is unknown; None if there is no such process."""
    # takes 25 ms to import, and commands that read no store do not need it
    import psutil

    try:
        process = psutil.Process(pid)
        if process.status() in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD):
            return None
        return repr(process.create_time())
    except psutil.NoSuchProcess:
        return None
    except psutil.AccessDenied:
        return ""


def this_process() -> ProcessIdentity:
    """Return this process."""
    return ProcessIdentity(machine(), os.getpid(), started(os.getpid()) or "")


def is_alive(
    process: ProcessIdentity,
    heartbeat: float,
    now: float | None = None,
    found: dict[ProcessIdentity, bool] | None = None,
) -> bool:
    """Return whether the process is still alive.

    A process of this machine and boot is looked up; of any other process only the heartbeat is known.

    Args:
        heartbeat: time of the latest heartbeat, in seconds since 1970.
        now: current time, in seconds since 1970.
        found: processes of this machine that were looked up before; a thousand runs may have the same.
    """
    if process.machine == machine():
        found = {} if found is None else found
        if process not in found:
            start = started(process.pid)
            found[process] = start is not None and _is_same_start(process.started, start)
        return found[process]
    mine, theirs = machine().split("|"), process.machine.split("|")
    if mine[0] == theirs[0] and mine[1] != theirs[1]:
        return False  # this machine was rebooted since
    return (time.time() if now is None else now) - heartbeat < LOST_SECONDS


def _is_same_start(stored: str, found: str) -> bool:
    if not stored or not found:
        return stored == found
    if stored.isdigit():
        import psutil

        seconds = float(psutil.boot_time()) + int(stored) / os.sysconf("SC_CLK_TCK")
    else:
        try:
            seconds = float(stored)
        except ValueError:  # not written by lrtui
            return False
    return abs(seconds - float(found)) < SAME_START_SECONDS
