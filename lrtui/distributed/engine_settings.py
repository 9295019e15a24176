"""Which engine starts the workers of several runs, and what each worker gets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lrtui.run.core_count import core_count

LOCAL, RAY, SLURM = "local", "ray", "slurm"

ENGINES = (LOCAL, RAY, SLURM)
"""The engines, by their names on the command line."""


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """An engine and its settings; those that are None are the engine's to choose.

    Args:
        name: one of `ENGINES`.
        jobs: number of runs at the same time.
        address: of the Ray cluster.
        host: name or address by which workers on other machines reach this process.
        cpus: CPU cores of each run.
        gpus: GPUs of each run; Ray divides a GPU among the runs that ask for a fraction of it.
        slurm: options of sbatch by name, without the hyphens; True for one without a value. `cluster` is `slurm`, or
            `local` for jobs on this machine; `setup` is a line of the shell to run before the worker.
    """

    name: str = LOCAL
    jobs: int = 1
    address: str | None = None
    host: str | None = None
    cpus: int | None = None
    gpus: float | None = None
    slurm: tuple[tuple[str, str | bool], ...] = ()

    @property
    def is_this_process(self) -> bool:
        """Whether the runs train in this process, one after the other."""
        return self.name == LOCAL and self.jobs == 1

    def threads(self, processes: int) -> int | None:
        """Return the torch threads of each process of a run, which its results depend on; None for torch's default.

        Args:
            processes: number of processes that train a run together.
        """
        if self.is_this_process:
            return None
        cores = (self.cpus or processes) if self.name != LOCAL else core_count() // self.jobs
        return max(1, cores // processes)

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> EngineSettings:
        """Return the settings of a JSON record."""
        values = {name: record[name] for name in cls.__slots__ if name in record}
        return cls(**values | {"slurm": tuple((name, value) for name, value in record.get("slurm", ()))})


THIS_PROCESS = EngineSettings()
"""Runs train in this process, one after the other."""
