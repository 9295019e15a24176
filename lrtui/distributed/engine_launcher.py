"""The launcher of an engine, from its settings."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from lrtui.distributed.engine_settings import RAY, SLURM, EngineSettings
from lrtui.distributed.job_files import JobFiles
from lrtui.distributed.launcher import Launcher
from lrtui.distributed.local_launcher import LocalLauncher
from lrtui.run.spec import RunSpec
from lrtui.tasks.task import Say


@contextmanager
def engine_launcher(
    settings: EngineSettings,
    spec: RunSpec,
    store: Path,
    *,
    threads: int | None,
    output: Path,
    places: Iterable[str],
    say: Say,
) -> Iterator[Launcher | None]:
    """Yield the launcher that starts the workers of runs, and end what is left of them; None to train in this process.

    Args:
        settings: the engine and what each run gets.
        spec: settings that all runs share.
        store: folder of the store.
        threads: torch threads of each process.
        output: file for what workers of the local engine print; jobs of Slurm have files of their own in the store.
        places: where the user's code is: `FILE.py` or `package.module`.
        say: receives a message when something takes long or has to wait.

    Raises:
        LrtuiError: if the engine can't be used; says why.
    """
    if settings.is_this_process and threads is None:
        yield None
        return
    cpus = settings.cpus or spec.nproc
    gpus = settings.gpus if settings.gpus is not None else spec.nproc * (spec.device == "cuda")
    launcher: Launcher
    if settings.name == RAY:
        # an engine that is not used need not be installed
        from lrtui.distributed.ray_launcher import RayLauncher

        files = JobFiles.of_code(places, store)
        launcher = RayLauncher(
            settings.address, host=settings.host, cpus=cpus, gpus=gpus, threads=threads, files=files, say=say
        )
    elif settings.name == SLURM:
        from lrtui.distributed.slurm_launcher import SlurmLauncher

        launcher = SlurmLauncher(store / SLURM, settings, cpus, int(gpus), threads or 1)
    else:
        launcher = LocalLauncher(output, threads)
    try:
        yield launcher
    finally:
        launcher.close()
