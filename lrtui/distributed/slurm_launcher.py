"""Starts workers as jobs of Slurm, through submitit; also on this machine, without Slurm."""

from __future__ import annotations

import logging
import math
import os
import re
import socket
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lrtui.distributed.engine_settings import LOCAL, SLURM, EngineSettings
from lrtui.distributed.launcher import LOOPBACK
from lrtui.distributed.slurm_job import WorkerJob
from lrtui.distributed.slurm_queue import JobState, SlurmQueue
from lrtui.run.errors import LrtuiError, StoreError, UsageError
from lrtui.text.format import printable

if TYPE_CHECKING:
    import submitit

DEFAULT_MINUTES = 60
"""Time limit of a job without `time`; submitit's is 5 minutes. A run that takes longer goes on in a further job."""

WARNING_SECONDS = 90
"""How long before its time limit a job is told to end, unless that is more than a quarter of the limit."""

CHECK_SECONDS = 1.0
"""How often a worker's job is looked at; the file system of a cluster is slow."""

QUEUE_SECONDS = 10.0
"""How old the states of the jobs may be; a job whose worker ends is noticed at once."""

CLOSE_SECONDS = 40.0
"""How long to wait for cancelled jobs; Slurm kills what does not end within 30 s (KillWait)."""

RESULT_SECONDS = 5.0
"""How long after the end of a job its result may become visible in the file system of a cluster."""

LINE_LENGTH = 300
"""Length of the longest line of a worker's output in a message."""

_NOT_OF_WORKER = ("submitit ", "srun: ", "slurmstepd")

_TIME = re.compile(r"(?:(?P<days>\d+)-)?(?P<first>\d+)(?::(?P<second>\d+))?(?::(?P<third>\d+))?")


class SlurmLauncher:
    """Starts one job for each worker.

    Args:
        folder: folder for what the jobs print; Slurm's nodes have to see it under the same path.
        settings: the options of sbatch, and the address of this machine.
        cpus: CPU cores of each job.
        gpus: GPUs of each job.
        threads: torch threads of each process of a job.

    Raises:
        UsageError: if Slurm's commands are missing, or for an option that has no meaning here.
        StoreError: if the folder can't be created.
    """

    name = SLURM
    shares_files = True

    def __init__(self, folder: Path, settings: EngineSettings, cpus: int, gpus: int, threads: int = 1) -> None:
        options: dict[str, Any] = {name: value for name, value in settings.slurm if name != "setup"}
        cluster = options.pop("cluster", SLURM)
        self.host = settings.host or (LOOPBACK if cluster == LOCAL else socket.gethostname())
        self._folder = folder
        self._lock = threading.Lock()
        self._queue = None if cluster == LOCAL else SlurmQueue(QUEUE_SECONDS)
        self._workers: list[SlurmWorker] = []
        self._minutes = minutes_of(str(options.pop("time", DEFAULT_MINUTES)))
        self._threads = threads
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"can't create the folder {folder}: {error.strerror or error}") from None
        self._executor = self._make_executor(cluster)
        setup = [str(value) for name, value in settings.slurm if name == "setup"]
        self._executor.update_parameters(
            timeout_min=self._minutes,
            cpus_per_task=cpus,
            gpus_per_node=gpus or None,
            stderr_to_stdout=True,
            slurm_signal_delay_s=min(WARNING_SECONDS, self._minutes * 60 // 4),
            slurm_setup=setup or None,
            local_setup=setup or None,
            # since Slurm 22.05 srun does not take it from sbatch
            slurm_srun_args=[f"--cpus-per-task={cpus}"],
            # a lost run is started again by the race, so Slurm must not do it too
            slurm_additional_parameters={"no-requeue": True, **options},
        )

    def _make_executor(self, cluster: str) -> submitit.AutoExecutor:
        # an extra, which takes 0.1 s to import
        import submitit

        # submitit writes its log to standard output, which has the results of a race
        logging.getLogger("submitit").handlers = [logging.NullHandler()]
        try:
            return submitit.AutoExecutor(self._folder, cluster)
        except RuntimeError:
            raise UsageError(
                "--engine slurm needs the commands srun and sbatch of Slurm, which this machine does not have; "
                "--slurm cluster=local starts the jobs on this machine"
            ) from None

    def start(self, arguments: Sequence[str], environment: Mapping[str, str], label: str) -> SlurmWorker:
        """Submit a job that runs a Python process, and return at once.

        Args:
            arguments: of the Python interpreter.
            environment: variables in addition to those of this process, which Slurm passes on.
            label: part of the job's name.

        Raises:
            LrtuiError: if Slurm refuses the job; says why.
        """
        # torch reads the number of threads when it is imported; results depend on that number
        environment = {"OMP_NUM_THREADS": str(self._threads), **environment}
        job = WorkerJob(tuple(arguments), environment, self._minutes)
        with self._lock, _environment_of_jobs():
            self._executor.update_parameters(name=f"lrtui-{label}")
            try:
                worker = SlurmWorker(self._executor.submit(job), self._queue)
            except (RuntimeError, OSError, subprocess.SubprocessError) as error:
                text = str(error).strip() or type(error).__name__
                raise LrtuiError(f"Slurm does not take the job of {label}: {text}") from None
            self._workers.append(worker)
            for link in self._folder.glob(".submission_file_*.sh"):
                link.unlink(missing_ok=True)
        return worker

    def close(self) -> None:
        """Cancel the jobs that have not ended, those in the queue included, and wait for them."""
        until = time.monotonic() + CLOSE_SECONDS
        left = [worker for worker in self._workers if worker.is_alive]
        for worker in left:
            worker.end()
        while any(worker.is_alive for worker in left) and time.monotonic() < until:
            if self._queue is not None:
                self._queue.expect_change()
            time.sleep(CHECK_SECONDS / 2)
        for worker in self._workers:
            worker.remove_files()
        self._workers.clear()


class SlurmWorker:
    """A job with a worker.

    Args:
        job: the submitted job.
        queue: knows the states of the jobs; None for a job on this machine.
    """

    def __init__(self, job: submitit.Job[str], queue: SlurmQueue | None) -> None:
        self._job, self._queue = job, queue
        self._submitted_at = time.monotonic()
        self._check_at = 0.0
        self._state: JobState | None = None
        self._ended_at = float("inf")
        self._failure: str | None = None
        """How the job ended; None until it has."""

    @property
    def is_alive(self) -> bool:
        """Whether the job is running, or waits to be started."""
        if self._failure is None and time.monotonic() >= self._check_at:
            if self._has_ended():
                self._failure = self._read_failure()
            self._check_at = time.monotonic() + CHECK_SECONDS
        return self._failure is None

    @property
    def waiting_for(self) -> str:
        """What it waits for, if it has not been started."""
        if not self.is_alive or self._queue is None or (self._state is not None and not self._state.is_waiting):
            return ""
        return f"Slurm job {self._job.job_id}" + (f" is {self._state}" if self._state is not None else "")

    def end(self) -> None:
        """Cancel the job."""
        if self.is_alive:
            with suppress(OSError):
                self._job.cancel(check=False)
            self._check_at = 0.0

    def failure(self) -> str:
        """Return why the job ended: the worker's exit status or the job's state, and the last line of its output."""
        return "" if self.is_alive else self._failure or ""

    def remove_files(self) -> None:
        """Remove the files by which submitit has started the job and returned its result; the log stays."""
        paths = self._job.paths
        for path in (paths.submission_file, paths.submitted_pickle, paths.result_pickle):
            with suppress(OSError):
                path.unlink(missing_ok=True)

    def _has_ended(self) -> bool:
        folder, result = self._job.paths.folder, self._job.paths.result_pickle
        if self._queue is None:
            return self._job.done()
        with suppress(OSError):
            # makes NFS read the folder again
            folder.chmod(0o700)
        if result.exists():
            return True
        self._state = self._queue.state(self._job.job_id, self._submitted_at)
        if self._state is None or not self._state.has_ended:
            self._ended_at = float("inf")
            return False
        # the result may become visible later than the end of the job
        self._ended_at = min(self._ended_at, time.monotonic())
        return time.monotonic() >= self._ended_at + RESULT_SECONDS or self._state.name.startswith("CANCELLED")

    def _read_failure(self) -> str:
        reason, path = str(self._state or "ended without a result"), self._job.paths.stdout
        if self._job.paths.result_pickle.exists():
            try:
                reason = self._job.result()
            except Exception:  # the log says more
                reason = "its process could not be started"
        if not reason:
            return ""
        title = f"Slurm job {self._job.job_id}"
        try:
            lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            return f"{title}: {reason}; there is no output in {path.parent}, which all nodes have to see"
        lines = [line.strip() for line in lines if line.strip() and not line.startswith(_NOT_OF_WORKER)]
        last = f": {printable(lines[-1])[:LINE_LENGTH]}" if lines else ""
        return f"{title}: {reason}{last}; see {path}"


def _environment_of_jobs() -> AbstractContextManager[None]:
    """Return a context without the variables of the job that this process runs in, which would limit further jobs."""
    if "SLURM_JOB_ID" not in os.environ:
        return nullcontext()
    from submitit.helpers import clean_env

    return clean_env()


def minutes_of(text: str) -> int:
    """Return the minutes of a time limit as sbatch takes it: `90`, `1:30:00`, `2-12`; seconds are rounded up.

    Raises:
        UsageError: for anything else, and for a limit of 0.
    """
    match = _TIME.fullmatch(text.strip())
    if match is not None:
        days, *rest = (int(part) if part else None for part in match.groups())
        first, second, third = (part or 0 for part in rest)
        if days is not None:
            minutes = days * 1440 + first * 60 + second + third / 60
        elif rest[2] is not None:
            minutes = first * 60 + second + third / 60
        else:
            minutes = first + second / 60
        if minutes > 0:
            return math.ceil(minutes)
    raise UsageError(
        f"--slurm time takes minutes, hours:minutes:seconds or days-hours:minutes:seconds, not {text[:40]!r}"
    )
