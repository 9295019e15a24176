"""Starts workers as jobs of Slurm, through submitit; also on this machine, without Slurm."""

from __future__ import annotations

import logging
import math
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lrtui.distributed.engine_settings import LOCAL, SLURM, EngineSettings
from lrtui.distributed.launcher import LOOPBACK
from lrtui.run.errors import LrtuiError, StoreError, UsageError

if TYPE_CHECKING:
    import submitit

DEFAULT_MINUTES = 60
"""Time limit of a job without `time`; submitit's is 5 minutes. A run that takes longer goes on in a further job."""

WARNING_SECONDS = 90
"""How long before its time limit a job is told to end."""

SAVE_SECONDS = 60.0
"""How long a worker that is told to end may take to save its run."""

INTERRUPT_SECONDS = 0.5
"""The same for a job on this machine that is cancelled, which submitit kills after one second."""

CHECK_SECONDS = 1.0
"""How often a worker's job is looked at; the file system of a cluster is slow."""

QUEUE_SECONDS = 20
"""How often Slurm is asked for the states of all jobs at most; a job that ends by itself is noticed at once."""

CLOSE_SECONDS = 40.0
"""How long to wait for cancelled jobs; Slurm kills what does not end within 30 s (KillWait)."""

QUEUED = ("PENDING", "CONFIGURING", "REQUEUED", "UNKNOWN")

_TIME = re.compile(r"(?:(?P<days>\d+)-)?(?P<first>\d+)(?::(?P<second>\d+))?(?::(?P<third>\d+))?")


class SlurmLauncher:
    """Starts one job for each worker.

    Args:
        folder: folder for what the jobs print; Slurm's nodes have to see it under the same path.
        settings: the options of sbatch, and the address of this machine.
        cpus: CPU cores of each job.
        gpus: GPUs of each job.

    Raises:
        UsageError: if Slurm's commands are missing, or for an option that has no meaning here.
        StoreError: if the folder can't be created.
    """

    name = SLURM
    shares_files = True

    def __init__(self, folder: Path, settings: EngineSettings, cpus: int, gpus: int) -> None:
        options: dict[str, Any] = {name: value for name, value in settings.slurm if name != "setup"}
        cluster = options.pop("cluster", SLURM)
        self.host = settings.host or (LOOPBACK if cluster == LOCAL else socket.gethostname())
        self._folder = folder
        self._submitting, self._asking = threading.Lock(), threading.Lock()
        self._workers: list[SlurmWorker] = []
        self._minutes = minutes_of(str(options.pop("time", DEFAULT_MINUTES)))
        self._threads = cpus
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
            slurm_signal_delay_s=WARNING_SECONDS,
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
        from submitit.slurm.slurm import SlurmInfoWatcher, SlurmJob

        # submitit writes its log to standard output, which has the results of a race
        logging.getLogger("submitit").handlers = [logging.NullHandler()]
        SlurmJob.watcher = SlurmInfoWatcher(delay_s=QUEUE_SECONDS)
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
        threads = {} if "OMP_NUM_THREADS" in os.environ else {"OMP_NUM_THREADS": str(self._threads)}
        job = WorkerJob(tuple(arguments), threads | dict(environment), self._minutes)
        with self._submitting, _environment_of_jobs():
            self._executor.update_parameters(name=f"lrtui-{label}")
            try:
                worker = SlurmWorker(self._executor.submit(job), self._asking)
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
            time.sleep(0.1)
        for worker in self._workers:
            worker.remove_pickles()
        self._workers.clear()


class SlurmWorker:
    """A job with a worker.

    Args:
        job: the submitted job.
        asking: held by the thread that asks Slurm for the states of the jobs.
    """

    def __init__(self, job: submitit.Job[str], asking: threading.Lock) -> None:
        self._job, self._asking = job, asking
        self._is_alive, self._state, self._check_at = True, "UNKNOWN", 0.0

    @property
    def is_alive(self) -> bool:
        """Whether the job is running, or waits to be started."""
        # another thread that asks does so for all jobs, and may take seconds
        if self._is_alive and time.monotonic() >= self._check_at and self._asking.acquire(blocking=False):
            try:
                self._is_alive = not self._job.done()
                self._state = self._job.state
            finally:
                self._asking.release()
            self._check_at = time.monotonic() + CHECK_SECONDS
        return self._is_alive

    @property
    def waiting_for(self) -> str:
        """What it waits for, if it has not been started."""
        if not self.is_alive or self._state not in QUEUED:
            return ""
        return f"Slurm job {self._job.job_id} is {'queued' if self._state == 'UNKNOWN' else self._state}"

    def end(self) -> None:
        """Cancel the job."""
        if self.is_alive:
            with suppress(OSError):
                self._job.cancel(check=False)

    def failure(self) -> str:
        """Return why the job ended: its state, the worker's exit status and the last line that it printed."""
        if self.is_alive:
            return ""
        reason, path = self._state, self._job.paths.stdout
        if self._job.paths.result_pickle.exists():
            try:
                reason = self._job.result()
            except Exception as error:  # the log has the traceback
                reason = str(error).strip().splitlines()[0]
        if not reason:
            return ""
        try:
            lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            lines = []
            reason += f"; it has left no output in {path.parent}: do all nodes see this folder?"
        lines = [line.strip() for line in lines if line.strip() and not line.startswith("submitit ")]
        last = f": {lines[-1]}" if lines else ""
        return f"Slurm job {self._job.job_id}: {reason}{last} (output: {path})"

    def remove_pickles(self) -> None:
        """Remove the files in which submitit has passed the arguments and the result on; the log stays."""
        for path in (self._job.paths.submitted_pickle, self._job.paths.result_pickle):
            with suppress(OSError):
                path.unlink(missing_ok=True)


class WorkerJob:
    """What a job runs: the worker as a child process, which gets time to save its run if the job has to end.

    Args:
        arguments: of the Python interpreter.
        environment: variables in addition to those of the job.
        minutes: time limit of the job.
    """

    def __init__(self, arguments: tuple[str, ...], environment: Mapping[str, str], minutes: int) -> None:
        self._arguments, self._environment, self._minutes = arguments, environment, minutes

    def __call__(self) -> str:
        """Run the worker, and return how it ended; an empty string if it ended well."""
        from submitit.core.utils import UncompletedJobError

        process = subprocess.Popen([sys.executable, *self._arguments], env={**os.environ, **self._environment})
        try:
            status = process.wait()
        except UncompletedJobError:
            # raised by submitit's signal handler
            _end(process, SAVE_SECONDS)
            return f"it was preempted, or reached its time limit of {self._minutes} minutes"
        except KeyboardInterrupt:
            _end(process, INTERRUPT_SECONDS)
            return "it was cancelled"
        if status < 0:
            return f"its worker was ended by {signal.Signals(-status).name}"
        return f"its worker ended with status {status}" if status else ""

    def checkpoint(self) -> None:
        """Tell submitit not to queue the job again: the race continues the run in a new job."""


def _end(process: subprocess.Popen[bytes], seconds: float) -> None:
    """Let a process end, and kill it if it takes longer."""
    process.terminate()
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


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
