"""Time slices: how long a thread keeps its core before the kernel gives it to the next one.

Linux gives threads that want the same core equal shares of it, in slices of a millisecond or three: an answer to a key
that takes 10 ms of CPU then takes 20 beside training on all cores. Separate slices for each thread, shorter for
the screen than for training but long enough for a frame, leave the shares unchanged and give the screen its share in
one piece, at once.
"""

from __future__ import annotations

import ctypes
import os
import platform
import struct
import sys

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
    """Ask for slices of so many seconds for the calling thread, and those it starts from now on.

    Linux supports this from 6.12 on; older versions report success and ignore it. On other systems, and where the
    thread's policy is not one of equal shares, nothing is done.

    Returns:
        Whether the slices were requested.
    """
    calls = _CALLS.get(platform.machine()) if sys.platform == "linux" else None
    if calls is None:
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
