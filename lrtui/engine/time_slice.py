"""Time slices: how long a thread keeps its core before the kernel gives it to the next one.

Linux gives threads that compete for a core equal shares, in slices of 1 to 3 ms: while training uses all cores, a
response to a key that needs 10 ms of CPU time takes 20 ms. If the slice of the screen's thread is shorter than that of
training but as long as a frame, the shares stay the same and a frame is drawn immediately, in one piece.

A thread that spins for its whole slice keeps the core from one that has work: two runs at once then take up to eight
times as long as one (`benchmarks/contention.py`). Slices are therefore requested only where idle threads sleep soon.
"""

from __future__ import annotations

import ctypes
import os
import platform
import struct
import sys

from lrtui.engine.openmp import spins_briefly

SCREEN_SECONDS = 0.02
"""More CPU time than a frame takes."""
COMPUTING_SECONDS = 0.1
"""Longer than the screen's, so that the screen's thread preempts it when it wakes; the longest that Linux accepts."""

# from Linux's asm/unistd.h: sched_setattr and sched_getattr
_CALLS = {"x86_64": (314, 315), "aarch64": (274, 275)}
# from Linux's linux/sched/types.h: size, policy, flags, nice, priority, runtime (ns), deadline, period
_ATTRIBUTES = struct.Struct("=IIQiIQQQ")
_POLICY, _RUNTIME = 1, 5
_SHARING = (os.SCHED_OTHER, os.SCHED_BATCH) if sys.platform == "linux" else ()


def ask_for_slices(seconds: float) -> bool:
    """Request time slices of this length, in seconds, for the calling thread and threads that it starts later.

    Linux supports this from 6.12 on; older versions report success and ignore it. On other systems, and where the
    thread's policy is not one of equal shares, nothing is done; neither is it where idle threads spin for long.

    Returns:
        Whether the slices were requested.
    """
    calls = _CALLS.get(platform.machine()) if sys.platform == "linux" else None
    if calls is None or not spins_briefly():
        return False
    set_attributes, get_attributes = calls
    libc = ctypes.CDLL(None)
    held = ctypes.create_string_buffer(_ATTRIBUTES.size)
    if libc.syscall(get_attributes, 0, held, _ATTRIBUTES.size, 0):
        return False
    attributes = list(_ATTRIBUTES.unpack(held.raw))
    if attributes[_POLICY] not in _SHARING:
        return False
    attributes[_RUNTIME] = round(seconds * 1e9)
    return not libc.syscall(set_attributes, 0, _ATTRIBUTES.pack(*attributes), 0)
