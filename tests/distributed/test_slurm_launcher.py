"""Workers as jobs of Slurm: through submitit's local executor, and with commands that stand for those of Slurm."""

from __future__ import annotations

import os
import signal
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from waiting import wait_for

from lrtui.distributed.engine_settings import EngineSettings
from lrtui.distributed.slurm_launcher import SlurmLauncher, SlurmWorker, minutes_of
from lrtui.run.errors import LrtuiError, UsageError

LOCAL = ("cluster", "local")

pytestmark = pytest.mark.xdist_group("slurm")


def make_launcher(folder: Path, *options: tuple[str, str | bool], cpus: int = 1, gpus: int = 0) -> SlurmLauncher:
    return SlurmLauncher(folder / "slurm", EngineSettings("slurm", slurm=options), cpus, gpus)


@pytest.fixture
def launcher(tmp_path: Path) -> Iterator[SlurmLauncher]:
    launcher = make_launcher(tmp_path, LOCAL)
    yield launcher
    launcher.close()


def ended(worker: SlurmWorker) -> str:
    wait_for(lambda: not worker.is_alive)
    return worker.failure()


def test_a_job_runs_a_python_process_with_its_arguments_and_environment(tmp_path: Path) -> None:
    launcher = SlurmLauncher(tmp_path / "slurm", EngineSettings("slurm", slurm=(LOCAL,)), 6, 0, threads=3)
    code = "import os, sys; print(sys.argv[1:], os.environ['LRTUI_WORKER_X'], os.environ['OMP_NUM_THREADS'])"
    worker = launcher.start(["-c", code, "a", "b c"], {"LRTUI_WORKER_X": "secret"}, "run-1")
    assert worker.is_alive
    assert worker.failure() == ""
    assert ended(worker) == ""
    assert worker.waiting_for == ""
    launcher.close()
    (log,) = (tmp_path / "slurm").iterdir()
    assert "['a', 'b c'] secret 3" in log.read_text()
    assert stat.S_IMODE(log.parent.stat().st_mode) == 0o700


def test_a_worker_that_fails_is_reported_with_the_end_of_its_output(launcher: SlurmLauncher, tmp_path: Path) -> None:
    failed = launcher.start(["-c", "raise SystemExit('no such task')"], {}, "run-1")
    killed, cancelled = (
        launcher.start(["-c", f"import os; os.kill(os.getpid(), {number})"], {}, f"run-{number}") for number in (9, 15)
    )
    text = ended(failed)
    assert "its process ended with status 1: no such task; see " in text
    assert str(tmp_path / "slurm") in text
    assert "its process was killed by SIGKILL" in ended(killed)
    assert "it was cancelled or preempted" in ended(cancelled)


SAVES_WHEN_TERMINATED = """
import signal, sys, time
from pathlib import Path
def save(*_):
    Path(sys.argv[1]).write_text("saved")
    sys.exit(1)
signal.signal(signal.SIGTERM, save)
print("ready", flush=True)
time.sleep(600)
"""


IGNORES_REQUESTS = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("ready", flush=True)
time.sleep(600)
"""


def job_processes(pid: int) -> list[psutil.Process]:
    """Return the process of submitit that runs the job, and the worker."""
    return [process for process in psutil.Process(pid).children(recursive=True) if process.is_running()]


def test_a_job_that_is_preempted_lets_its_worker_save(launcher: SlurmLauncher, tmp_path: Path) -> None:
    worker = launcher.start(["-c", SAVES_WHEN_TERMINATED, str(tmp_path / "state")], {}, "run-1")
    controller = int(worker._job.job_id)
    log = worker._job.paths.stdout
    wait_for(lambda: log.exists() and "ready" in log.read_text())
    # as Slurm does before it preempts a job, and before the time limit
    job_processes(controller)[0].send_signal(signal.SIGUSR2)
    assert "it was preempted, or reached its time limit of 60 minutes" in ended(worker)
    assert (tmp_path / "state").read_text() == "saved"
    assert list((tmp_path / "slurm").glob("*_submitted.pkl")), "the job is not queued again"


def test_closing_ends_the_jobs_and_their_workers(launcher: SlurmLauncher) -> None:
    workers = [launcher.start(["-c", IGNORES_REQUESTS], {}, f"run-{n}") for n in range(2)]
    logs = [worker._job.paths.stdout for worker in workers]
    wait_for(lambda: all(log.exists() and "ready" in log.read_text() for log in logs))
    processes = [process for worker in workers for process in job_processes(int(worker._job.job_id))]
    assert len(processes) == 4
    launcher.close()
    wait_for(lambda: not any(process.is_running() for process in processes))
    assert not any(worker.is_alive for worker in workers)


# -- commands that stand for Slurm's ----------------------------------------------------------------------------------

SBATCH = """#!/bin/sh
cp "$1" "$FAKE_SLURM/script"
env > "$FAKE_SLURM/environment"
if [ -e "$FAKE_SLURM/refuses" ]; then echo "sbatch: error: invalid partition specified: gpu" >&2; exit 1; fi
echo "Submitted batch job 4711"
"""

SQUEUE = """#!/bin/sh
if [ -e "$FAKE_SLURM/busy" ]; then echo "slurm_load_jobs error: Unable to contact slurm controller" >&2; exit 1; fi
echo "12|RUNNING|None"
cat "$FAKE_SLURM/state"
"""

SCANCEL = """#!/bin/sh
echo "$@" >> "$FAKE_SLURM/cancelled"
echo "4711|CANCELLED|None" > "$FAKE_SLURM/state"
"""


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of commands that stand for Slurm's, and of what they were given."""
    folder = tmp_path / "commands"
    folder.mkdir()
    for name, text in {"sbatch": SBATCH, "srun": "", "squeue": SQUEUE, "scancel": SCANCEL}.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    (folder / "state").write_text("4711|PENDING|Resources\n")
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("FAKE_SLURM", str(folder))
    return folder


def test_a_job_asks_slurm_for_what_the_options_say(slurm: Path, tmp_path: Path) -> None:
    options = (("partition", "gpu"), ("time", "1-0"), ("exclusive", True), ("setup", "module load cuda"))
    launcher = make_launcher(tmp_path, *options, cpus=4, gpus=2)
    launcher.start(["-m", "worker"], {}, "run-7")
    script = (slurm / "script").read_text()
    for flag in (
        "partition=gpu",
        "time=1440",
        "exclusive",
        "cpus-per-task=4",
        "gpus-per-node=2",
        "job-name=lrtui-run-7",
        "no-requeue",
        "signal=USR2@90",
    ):
        assert f"#SBATCH --{flag}\n" in script
    assert "\nmodule load cuda\n" in script
    assert "srun" in script
    assert "--cpus-per-task=4 " + sys.executable in script
    launcher.close()


def test_a_short_job_is_not_told_to_end_right_after_its_start(slurm: Path, tmp_path: Path) -> None:
    launcher = make_launcher(tmp_path, ("time", "2"))
    launcher.start(["-m", "worker"], {}, "run-1")
    assert "#SBATCH --signal=USR2@30\n" in (slurm / "script").read_text()
    launcher.close()


def test_a_queued_job_waits_and_is_cancelled_at_the_end(slurm: Path, tmp_path: Path) -> None:
    launcher = make_launcher(tmp_path)
    worker = launcher.start(["-m", "worker"], {}, "run-1")
    wait_for(lambda: worker.waiting_for == "Slurm job 4711 is PENDING (Resources)")
    assert worker.is_alive
    assert worker.failure() == ""
    launcher.close()
    assert (slurm / "cancelled").read_text() == "4711\n"
    assert not worker.is_alive
    assert "Slurm job 4711: CANCELLED; there is no output in" in worker.failure()


@pytest.mark.parametrize(
    ("line", "state"), [("4711|NODE_FAIL|NodeDown", "NODE_FAIL (NodeDown)"), ("", "no longer in the queue")]
)
def test_a_job_that_ends_without_a_result_is_reported(
    slurm: Path, tmp_path: Path, line: str, state: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lrtui.distributed.slurm_launcher.RESULT_SECONDS", 0.1)
    launcher = make_launcher(tmp_path)
    worker = launcher.start(["-m", "worker"], {}, "run-1")
    (slurm / "state").write_text(line)
    (tmp_path / "slurm" / "4711_0_log.out").write_text("submitit INFO - Starting\nEpoch 3\nslurmstepd: error: gone\n")
    assert f"Slurm job 4711: {state}: Epoch 3; see " in ended(worker)
    launcher.close()
    assert not (slurm / "cancelled").exists()


def test_a_job_stays_alive_while_slurm_does_not_answer(slurm: Path, tmp_path: Path) -> None:
    (slurm / "busy").touch()
    launcher = make_launcher(tmp_path)
    worker = launcher.start(["-m", "worker"], {}, "run-1")
    assert worker.is_alive
    assert worker.waiting_for == "Slurm job 4711"
    (slurm / "busy").unlink()
    launcher.close()
    assert (slurm / "cancelled").read_text() == "4711\n"


def test_the_reason_why_slurm_refuses_a_job_is_reported(slurm: Path, tmp_path: Path) -> None:
    (slurm / "refuses").touch()
    launcher = make_launcher(tmp_path, ("partition", "gpu"))
    with pytest.raises(LrtuiError, match=r"does not take the job of run-1: .*invalid partition specified: gpu"):
        launcher.start(["-m", "worker"], {}, "run-1")


def test_a_job_does_not_inherit_the_limits_of_the_job_that_submits_it(
    slurm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "1")
    monkeypatch.setenv("SLURM_MEM_PER_NODE", "1000")
    launcher = make_launcher(tmp_path)
    launcher.start(["-m", "worker"], {}, "run-1")
    assert "SLURM_MEM_PER_NODE" not in (slurm / "environment").read_text()
    assert os.environ["SLURM_MEM_PER_NODE"] == "1000"
    launcher.close()


def test_the_workers_of_a_cluster_connect_to_the_host_name_or_the_given_address(slurm: Path, tmp_path: Path) -> None:
    import socket

    assert make_launcher(tmp_path).host == socket.gethostname()
    assert SlurmLauncher(tmp_path / "slurm", EngineSettings("slurm", host="login1-ib"), 1, 0).host == "login1-ib"
    assert make_launcher(tmp_path, LOCAL).host == "127.0.0.1"


def test_without_slurm_the_error_names_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UsageError, match="srun and sbatch of Slurm, which this machine does not have; --slurm cluster"):
        make_launcher(tmp_path)


@pytest.mark.parametrize(
    ("text", "minutes"),
    [("90", 90), ("0:30", 1), ("10:00", 10), ("1:30:00", 90), ("1:00:01", 61), ("2-12", 3600), ("1-0:30", 1470)],
)
def test_a_time_limit_is_read_as_sbatch_reads_it(text: str, minutes: int) -> None:
    assert minutes_of(text) == minutes


@pytest.mark.parametrize("text", ["", "0", "2h", "1:2:3:4", "-5", "infinite"])
def test_another_time_limit_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--slurm time takes"):
        minutes_of(text)
