"""Numbers of processes that do not fit the machine or the batches of a run."""

from __future__ import annotations

import os

import torch

from lrtui.distributed.process_group import ProcessGroup
from lrtui.run.core_count import core_count
from lrtui.run.spec import RunSpec
from lrtui.text.format import counted


def process_warnings(spec: RunSpec, group: ProcessGroup, device: torch.device) -> list[str]:
    """Return what makes the processes of a run wait for each other or have nothing to do; one sentence each."""
    found: list[str] = []
    if group.world_size == 1:
        return found
    here = int(os.environ.get("LOCAL_WORLD_SIZE") or group.world_size)
    cores = core_count()
    if device.type == "cpu" and here > cores:
        found.append(
            f"{counted(here, 'process')} share the {counted(cores, 'core')} of this machine, which makes the run "
            f"slower than with --nproc {cores}"
        )
    if spec.batch_size < group.world_size:
        found.append(
            f"a batch of {counted(spec.batch_size, 'sample')} leaves some of the "
            f"{counted(group.world_size, 'process')} without any: use a larger --batch-size, "
            f"or --nproc {spec.batch_size}"
        )
    return found
