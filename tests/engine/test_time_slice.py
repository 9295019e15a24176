"""A thread gets the requested slices, and nothing else about it changes."""

import os
import platform
import sys
import threading
from collections.abc import Callable

import pytest

from lrtui.engine.time_slice import COMPUTING_SECONDS, SCREEN_SECONDS, ask_for_slices

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has slices of a thread's own")


@pytest.fixture(autouse=True)
def brief_spinning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOMP_SPINCOUNT", "0")


def in_a_thread(work: Callable[[], object]) -> list[object]:
    found: list[object] = []
    thread = threading.Thread(target=lambda: found.append(work()))
    thread.start()
    thread.join()
    return found


def told_slice() -> float:
    """Return the calling thread's slice in milliseconds, as the kernel reports it."""
    with open(f"/proc/self/task/{threading.get_native_id()}/sched") as lines:
        return next(float(line.split(":")[1]) / 1e6 for line in lines if line.startswith("se.slice"))


def test_a_thread_gets_the_requested_slices() -> None:
    major, minor = platform.release().split(".")[:2]
    if (int(major), int(minor)) < (6, 12):
        pytest.skip("the kernel gives all threads the same slices")
    try:
        before = told_slice()
    except (OSError, StopIteration):
        pytest.skip("the kernel does not tell a thread's slice")

    def asked() -> tuple[bool, float]:
        return ask_for_slices(COMPUTING_SECONDS), told_slice()

    assert in_a_thread(asked) == [(True, COMPUTING_SECONDS * 1000)]
    assert told_slice() == before, "of the thread that asked, and no other"


def test_policy_and_priority_are_unchanged() -> None:
    def change() -> tuple[int, int]:
        os.setpriority(os.PRIO_PROCESS, 0, 5)
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
        ask_for_slices(SCREEN_SECONDS)
        return os.sched_getscheduler(0), os.getpriority(os.PRIO_PROCESS, 0)

    assert in_a_thread(change) == [(os.SCHED_BATCH, 5)]


def test_other_scheduling_policies_are_unchanged() -> None:
    def change() -> tuple[bool, int]:
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
        return ask_for_slices(SCREEN_SECONDS), os.sched_getscheduler(0)

    assert in_a_thread(change) == [(False, os.SCHED_IDLE)]


def test_unknown_machines_are_unchanged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: "vax")
    assert not ask_for_slices(SCREEN_SECONDS)


def test_no_slices_are_requested_where_idle_threads_spin_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOMP_SPINCOUNT", "300000")
    assert in_a_thread(lambda: ask_for_slices(COMPUTING_SECONDS)) == [False]
