from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from lrtui.store import liveness
from lrtui.store.liveness import ProcessIdentity, is_alive, started, this_process


def test_this_process_is_alive_however_old_its_heartbeat() -> None:
    assert is_alive(this_process(), heartbeat=0.0)


def test_an_ended_process_and_a_zombie_are_dead_at_once() -> None:
    now = 100.0
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        identity = ProcessIdentity(liveness.machine(), child.pid, started(child.pid) or "")
        assert is_alive(identity, heartbeat=now, now=now)
        child.kill()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert not is_alive(identity, heartbeat=now, now=now)
    assert not is_alive(identity, heartbeat=now, now=now)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="lrtui 0.1 read the start from /proc only on Linux")
def test_a_start_in_clock_ticks_as_lrtui_0_1_stored_it_is_understood() -> None:
    ticks = Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19]
    assert is_alive(replace(this_process(), started=ticks), heartbeat=0.0, now=0.0)
    assert not is_alive(replace(this_process(), started=str(int(ticks) - 10_000)), heartbeat=0.0, now=0.0)


def test_another_process_with_the_same_pid_is_not_it() -> None:
    assert not is_alive(replace(this_process(), started="1"), heartbeat=0.0, now=0.0)


@pytest.mark.parametrize(("age", "alive"), [(1.0, True), (9.0, True), (11.0, False)])
def test_one_on_another_machine_is_known_by_its_heartbeat(age: float, alive: bool) -> None:
    identity = ProcessIdentity("elsewhere|1234|pid:[1]", 1, "1")
    assert is_alive(identity, heartbeat=1000.0, now=1000.0 + age) is alive


def test_one_in_another_container_of_this_machine_is_known_by_its_heartbeat() -> None:
    host, boot, _ = liveness.machine().split("|")
    identity = ProcessIdentity(f"{host}|{boot}|pid:[1]", os.getpid(), "1")
    assert is_alive(identity, heartbeat=1000.0, now=1001.0)
    assert not is_alive(identity, heartbeat=1000.0, now=1011.0)


def test_after_a_reboot_it_is_dead_at_once() -> None:
    host, _, namespace = liveness.machine().split("|")
    identity = ProcessIdentity(f"{host}|an earlier boot|{namespace}", os.getpid(), "1")
    assert not is_alive(identity, heartbeat=1000.0, now=1000.0)
