"""What a run leaves behind in the process of the script that calls it: nothing; and in lrtui's own: its tuning."""

from __future__ import annotations

import gc
import logging
import os
import random
import signal
import sys
import threading
import time
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_task import Tiny
from waiting import SECONDS

from lrtui import Run, RunSpec
from lrtui.engine import own_process as module
from lrtui.engine.own_process import import_torch, own_process, tune_memory, tune_thread
from lrtui.engine.range_test import RangeTestThread
from lrtui.run.range_feed import Sweep

SPEC: dict[str, Any] = {"schedule": "StepLR(1)", "batch_size": 16, "epochs": 2, "seed": 5}


def process_state() -> dict[str, object]:
    """Return what a library may change in its process, in a form that can be compared."""
    numpy_state = np.random.get_state(legacy=False)
    return {
        "environment": dict(os.environ),
        "sys.path": list(sys.path),
        "hooks": (sys.excepthook, sys.displayhook, threading.excepthook, sys.unraisablehook, sys.gettrace()),
        "streams": (sys.stdin, sys.stdout, sys.stderr),
        "working directory": os.getcwd(),
        "switch interval": sys.getswitchinterval(),
        "recursion limit": sys.getrecursionlimit(),
        "garbage collection": (gc.isenabled(), gc.get_threshold(), gc.get_debug()),
        "signal handlers": [signal.getsignal(number) for number in signal.valid_signals()],
        "warning filters": list(warnings.filters),
        "logging": (logging.root.level, list(logging.root.handlers), logging.root.manager.disable),
        "random": random.getstate(),
        "numpy": (numpy_state["state"]["key"].tolist(), numpy_state["state"]["pos"], numpy_state["gauss"]),  # type: ignore[call-overload,index]
        "numpy errors": np.geterr(),
        "torch": torch.get_rng_state().tolist(),
        "torch seed": torch.initial_seed(),
        "torch threads": (torch.get_num_threads(), torch.get_num_interop_threads()),
        "torch defaults": (torch.get_default_dtype(), torch.get_default_device(), torch.is_grad_enabled()),
        "torch settings": (
            torch.are_deterministic_algorithms_enabled(),
            torch.get_float32_matmul_precision(),
            torch.backends.cudnn.benchmark,
            torch.backends.cudnn.deterministic,
            torch.is_autocast_enabled("cpu"),
            torch.is_anomaly_enabled(),
        ),
        "scheduling": (os.sched_getscheduler(0), os.sched_getaffinity(0), os.getpriority(os.PRIO_PROCESS, 0))
        if sys.platform == "linux"
        else (),
        "threads": sorted(thread.name for thread in threading.enumerate()),
    }


def state_after_a_run(before: dict[str, object] | None = None) -> dict[str, object]:
    """Return the state once the threads of a run have ended, or after `SECONDS`.

    Threads of earlier tests may end meanwhile, so that only those that were not there before count.
    """
    until = time.monotonic() + SECONDS
    while time.monotonic() < until:
        state = process_state()
        names: Any = state["threads"]
        if before is None and "signs-of-life" not in names:
            break
        if before is not None and not Counter(names) - Counter(before["threads"]):  # type: ignore[call-overload]
            state["threads"] = before["threads"]
            break
        time.sleep(0.01)
    return state


def test_a_run_leaves_the_process_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tuned: list[object] = []
    monkeypatch.setenv("GOMP_SPINCOUNT", "0")
    monkeypatch.setattr(module, "ask_for_slices", tuned.append)
    monkeypatch.setattr("lrtui.training.device.keep_freed_memory", lambda: tuned.append("memory"))
    # PyTorch's first optimizer step imports modules that set an environment variable and a filter of warnings
    Run(RunSpec(**SPEC), Tiny()).start().result()
    torch.manual_seed(11)
    np.random.seed(12)
    random.seed(13)
    before, frozen = state_after_a_run(), gc.get_freeze_count()
    with Run(RunSpec(store=str(tmp_path), **SPEC), Tiny()) as run:
        assert run.result().status == "done"
    after = state_after_a_run(before)
    assert [name for name in before if before[name] != after[name]] == []
    assert RangeTestThread(RunSpec(**SPEC), Sweep(steps=20), Tiny()).start().result().shown
    after = state_after_a_run(before)
    assert [name for name in before if before[name] != after[name]] == []
    # objects that the tests have frozen may be freed
    assert gc.get_freeze_count() <= frozen
    assert tuned == []


def test_lrtui_tunes_a_process_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    tuned: list[object] = []
    monkeypatch.setenv("GOMP_SPINCOUNT", "0")
    monkeypatch.setattr(module, "ask_for_slices", tuned.append)
    monkeypatch.setattr("lrtui.training.device.keep_freed_memory", lambda: tuned.append("memory"))
    monkeypatch.setattr(gc, "freeze", lambda: tuned.append("freeze"))
    for _ in range(2):
        import_torch()
        tune_memory()
        tune_thread(0.1)
        assert tuned == []
    with own_process(), own_process():
        import_torch()
        tune_memory()
        tune_thread(0.1)
    assert tuned == ["freeze", "memory", 0.1]


def drawn() -> list[float]:
    """Return numbers from the three global generators."""
    return [float(torch.rand(())), float(np.random.rand()), random.random()]


def test_draws_between_steps_and_while_paused_change_neither_the_run_nor_the_caller() -> None:
    torch.manual_seed(1)
    np.random.seed(2)
    random.seed(3)
    expected = [drawn() for _ in range(6)]
    alone = Run(RunSpec(**SPEC), Tiny()).start().result().loss.values.tolist()

    torch.manual_seed(1)
    np.random.seed(2)
    random.seed(3)
    found = [drawn()]
    run = Run(RunSpec(**SPEC), Tiny())
    run.send("pause")
    run.start()
    while run.state.status != "paused":
        run.poll()
    # the run waits before its first step, with its seeded states put aside
    with run.between_steps():
        found.append(drawn())
    run.send("resume")
    for _ in range(3):
        with run.between_steps() as model:
            weights = [parameter.clone() for parameter in model.parameters()]
            found.append(drawn())
            time.sleep(0.01)
            assert all(map(torch.equal, weights, model.parameters()))
    assert run.result().loss.values.tolist() == alone
    found.append(drawn())
    assert found == expected
