"""The states of this user's Slurm jobs, as `squeue` lists them."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from dataclasses import dataclass

WAITING = ("PENDING", "CONFIGURING", "REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED", "RESV_DEL_HOLD", "SPECIAL_EXIT")
RUNNING = ("RUNNING", "COMPLETING", "SUSPENDED", "STOPPED", "STAGE_OUT", "SIGNALING", "RESIZING")

ANSWER_SECONDS = 60.0
"""How long squeue may take."""


@dataclass(frozen=True, slots=True)
class JobState:
    """The state of a job.

    Args:
        name: as squeue writes it: `PENDING`, `RUNNING`, `TIMEOUT`; empty for a job that it does not list (any more).
        reason: why the job waits, or has ended.
    """

    name: str = ""
    reason: str = ""

    @property
    def is_waiting(self) -> bool:
        """Whether the job has not been started."""
        return self.name in WAITING

    @property
    def has_ended(self) -> bool:
        """Whether the job has ended; Slurm forgets it some minutes later."""
        return self.name not in (*WAITING, *RUNNING)

    def __str__(self) -> str:
        reason = "" if self.reason in ("", "None") else f" ({self.reason})"
        return (self.name or "no longer in the queue") + reason


class SlurmQueue:
    """Asks for the states of all jobs at once, and not often: the controller of a cluster has many users.

    `squeue` works on every cluster; `sacct`, which knows jobs of the past too, needs a database of accounts.

    Args:
        seconds: how old an answer may be.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._lock = threading.Lock()
        self._states: dict[str, JobState] = {}
        self._answered_at = self._asked_at = float("-inf")

    def state(self, job: str, submitted_at: float) -> JobState | None:
        """Return the state of a job, or None as long as it is not known.

        Args:
            job: its id.
            submitted_at: when it had been submitted, by `time.monotonic`.
        """
        # while one thread waits for an answer, the others go on with the last one
        if time.monotonic() >= self._asked_at + self._seconds and self._lock.acquire(blocking=False):
            try:
                self._ask()
            finally:
                self._lock.release()
        return self._states.get(job, JobState()) if self._answered_at > submitted_at else None

    def expect_change(self) -> None:
        """Ask at the next call, however old the last answer is."""
        self._asked_at = float("-inf")

    def _ask(self) -> None:
        self._asked_at = time.monotonic()
        command = ["squeue", "--noheader", "--states=all", f"--user={os.getuid()}", "--format=%i|%T|%r"]
        try:
            done = subprocess.run(
                command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=ANSWER_SECONDS, check=True
            )
        except (OSError, subprocess.SubprocessError):
            # Slurm's controller is busy or restarts, and is asked again later
            return
        lines = (line.split("|", 2) for line in done.stdout.splitlines())
        self._states = {parts[0]: JobState(*parts[1:]) for parts in lines if len(parts) == 3}
        self._answered_at = self._asked_at
