from __future__ import annotations

import os
import re
import signal
import sys
import time
from pathlib import Path

import pytest
from supervised import BARE_PYTHON, items_of, stored_runs, supervise, wait_for_run
from waiting import SECONDS, wait_for

from lrtui.run.commands import Pause, Resume, ScaleLr, Stop
from lrtui.run.events import CommandRefused, EvalDone, Notice, Paused, Resumed, RunFinished, RunStarted
from lrtui.store.command_output import earlier_part
from lrtui.store.inbox import send
from lrtui.supervisor import supervisor as supervisor_module
from lrtui.supervisor.command_process import CommandNotStartedError, CommandProcess, Ended
from lrtui.supervisor.supervisor import Supervisor


def test_the_values_and_the_output_of_a_command_are_recorded(tmp_path: Path) -> None:
    text = (
        r"\033[31mEpoch 1\033[0m\nstep 1 loss 0.5 lr 0.1\nstep 2 loss 0.25 lr 0.05\n"
        r"Test set: Average loss: 0.1, Accuracy: 91/100 (91%%)\nno end of a line"
    )
    assert supervise(tmp_path, ["sh", "-c", f"printf '{text}'; [ -t 0 ] || [ ! -t 1 ] || printf ' no input'"]) == Ended(
        0
    )
    [run] = stored_runs(tmp_path)
    assert (run.state, run.step, run.loss, run.lr, run.best_accuracy) == ("done", 2, 0.25, 0.05, 0.91)
    assert run.spec.schedule == "script:lr()"
    assert run.spec.task == "script:sh"
    assert run.name is not None
    assert run.name.startswith("sh -c")
    events, steps, output = items_of(tmp_path, run.id)
    assert isinstance(events[0], RunStarted)
    assert not events[0].settings_known
    assert events[0].output == run.output
    assert [event.seq for event in events] == [0, 3, 4]
    assert [type(event) for event in events] == [RunStarted, EvalDone, RunFinished]
    assert [list(block.loss) for block in steps] == [[0.5, 0.25]]
    assert output == [
        "Epoch 1",
        "step 1 loss 0.5 lr 0.1",
        "step 2 loss 0.25 lr 0.05",
        "Test set: Average loss: 0.1, Accuracy: 91/100 (91%)",
        "no end of a line no input",
    ]


@pytest.mark.parametrize(
    ("script", "ended", "error"),
    [
        ("echo one; echo 'ValueError: two'; echo; exit 3", Ended(3), "exit status 3: ValueError: two"),
        ("exit 1", Ended(1), "exit status 1"),
        ("kill -9 $$", Ended(137, "SIGKILL"), "killed by SIGKILL"),
        ("kill -SEGV $$", Ended(139, "SIGSEGV"), "killed by SIGSEGV"),
    ],
)
def test_a_command_that_fails_is_a_failed_run_with_its_status(
    script: str, ended: Ended, error: str, tmp_path: Path
) -> None:
    assert supervise(tmp_path, ["sh", "-c", script]) == ended
    [run] = stored_runs(tmp_path)
    assert (run.state, run.error) == ("failed", error)


def test_a_command_that_can_not_be_started_leaves_no_run(tmp_path: Path) -> None:
    (script := tmp_path / "train.py").write_text("print()")
    (folder := tmp_path / "folder").mkdir()
    (binary := tmp_path / "binary").write_bytes(b"\x00\x01")
    binary.chmod(0o755)
    for name, status, message in (
        ("no-such-program", 127, "no-such-program: command not found"),
        (str(tmp_path / "missing"), 127, "command not found"),
        (str(script), 126, f"is not executable; try: lrtui run -- python {script}"),
        (str(folder), 126, "is a folder"),
        (str(binary), 126, "can't be started: Exec format error"),
    ):
        with pytest.raises(CommandNotStartedError, match=re.escape(message)) as caught:
            supervise(tmp_path / "store", [name])
        assert caught.value.status == status
    assert stored_runs(tmp_path / "store") == []


def test_any_bytes_are_taken(tmp_path: Path) -> None:
    assert supervise(tmp_path, ["sh", "-c", "head -c 300000 /dev/urandom; echo; echo end"]) == Ended(0)
    [run] = stored_runs(tmp_path)
    assert run.state == "done"
    assert items_of(tmp_path, run.id)[2][-1] == "end"


def test_a_hundred_thousand_updates_of_a_bar_are_bounded(tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "for i in range(1, 100_001):\n"
        "    sys.stdout.write(f'\\r{i}/100000 [00:01<00:09, 999it/s, loss={i}.5, lr=0.1]'); sys.stdout.flush()\n"
        "print()"
    )
    start = time.process_time()
    assert supervise(tmp_path, [*BARE_PYTHON, code]) == Ended(0)
    seconds = time.process_time() - start
    [run] = stored_runs(tmp_path)
    # what is overwritten before it is read counts as steps without a loss
    assert run.step == 100_000
    assert run.loss == 100_000.5
    assert seconds < 30
    assert run.output is not None
    output = tmp_path / run.output
    assert output.read_text() == "100000/100000 [00:01<00:09, 999it/s, loss=100000.5, lr=0.1]\n"
    assert not earlier_part(output).exists()


def test_a_process_that_a_command_leaves_behind_is_not_waited_for(tmp_path: Path) -> None:
    start = time.monotonic()
    script = "setsid sleep 60 >/dev/null 2>&1 & echo $!; nohup sleep 61 & echo $!; echo started"
    assert supervise(tmp_path, ["sh", "-c", script]) == Ended(0)
    assert time.monotonic() - start < 50
    [run] = stored_runs(tmp_path)
    pids = [int(line) for line in items_of(tmp_path, run.id)[2] if line.isdigit()]
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    assert len(pids) == 2


def test_a_command_that_closes_its_terminal_is_waited_for(tmp_path: Path) -> None:
    assert supervise(tmp_path, ["sh", "-c", "echo before; exec >/dev/null 2>&1; sleep 0.3; exit 4"]) == Ended(4)


def test_a_command_is_paused_resumed_and_stopped_and_refuses_other_changes(tmp_path: Path) -> None:
    code = (
        "import os, signal, time\n"
        # print is not reentrant
        "signal.signal(signal.SIGINT, lambda *_: (os.write(1, b'interrupted'), os._exit(5)))\n"
        "while True:\n    print('tick', flush=True); time.sleep(0.01)"
    )
    pauses: list[float] = []

    def control(supervisor: Supervisor) -> None:
        run = wait_for_run(tmp_path, lambda run: run.state == "running").id
        assert send(tmp_path, run, Pause(), SECONDS).obeyed
        paused = time.monotonic()
        output = next((tmp_path / "output").glob("*.log"))

        def stays() -> bool:
            before = output.stat().st_size
            time.sleep(0.3)
            return output.stat().st_size == before > 0

        # once what was written before is read, there is nothing more
        wait_for(stays)
        assert stays()
        assert wait_for_run(tmp_path, lambda run: run.state == "paused")
        refused = send(tmp_path, run, ScaleLr(0.5), SECONDS)
        assert refused.obeyed is False
        assert "lrtui.attach(optimizer, scheduler)" in refused.text
        pauses.append(time.monotonic() - paused)
        assert send(tmp_path, run, Resume(), SECONDS).obeyed
        # a stop of a paused command continues it first
        assert send(tmp_path, run, Pause(), SECONDS).obeyed
        stopped = send(tmp_path, run, Stop(), SECONDS)
        assert (stopped.obeyed, stopped.text) == (True, "the run is over: stopped")

    assert supervise(tmp_path, [*BARE_PYTHON, code], control) == Ended(5)
    [run] = stored_runs(tmp_path)
    assert (run.state, run.error) == ("stopped", None)
    events, _, output = items_of(tmp_path, run.id)
    assert [type(event) for event in events[1:]] == [Paused, CommandRefused, Resumed, Paused, Notice, RunFinished]
    # pauses are left out
    assert events[3].seconds - events[1].seconds < pauses[0] / 2
    assert output[-1].endswith("interrupted")


def test_the_second_stop_terminates_a_command_that_ignores_the_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor_module, "STOP_SECONDS", 0.2)
    monkeypatch.setattr(supervisor_module, "LOOK_SECONDS", 0.1)

    def control(supervisor: Supervisor) -> None:
        run = wait_for_run(tmp_path, lambda run: run.state == "running").id
        wait_for(lambda: "ready" in items_of(tmp_path, run)[2])
        first = send(tmp_path, run, Stop(), SECONDS)
        assert (first.obeyed, first.text) == (
            False,
            "the command still runs 0.2 s after the signal; another stop sends SIGTERM",
        )
        assert send(tmp_path, run, Stop(), SECONDS).obeyed

    command = ["sh", "-c", "trap '' INT; echo ready; while :; do sleep 0.05; done"]
    assert supervise(tmp_path, command, control) == Ended(143, "SIGTERM")
    [run] = stored_runs(tmp_path)
    assert run.state == "stopped"


ATTACHED = """
import sys
from pathlib import Path
from dataclasses import replace
from lrtui.engine.recording import Recording
from lrtui.run.events import RunFinished
from lrtui.run.source import run_started
from lrtui.run.spec import RunSpec
from lrtui.store.command_output import inherited_output
from lrtui.store.location import store_folder
print("loss: 9.5", flush=True)
folder = store_folder()
recording = Recording.of_new_run(folder, RunSpec(name="attached"), print, print, 100)
recording.publish(replace(run_started(), output=inherited_output(folder)))
print("loss: 0.5", flush=True)
recording.commit()
import time
time.sleep(float(sys.argv[1]))
recording.publish(RunFinished(seq=1, step=0, seconds=1.0, outcome="done"))
recording.finish()
recording.close()
"""


@pytest.mark.parametrize("seconds", ["0", "1.5"])
def test_an_attached_run_takes_the_place_of_that_of_its_command(seconds: str, tmp_path: Path) -> None:
    assert supervise(tmp_path, [sys.executable, "-c", ATTACHED, seconds]) == Ended(0)
    [run] = stored_runs(tmp_path)
    assert (run.name, run.state) == ("attached", "done")
    assert items_of(tmp_path, run.id)[2] == ["loss: 9.5", "loss: 0.5"]


def test_nothing_is_recorded_without_a_store(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert supervise(None, ["sh", "-c", 'echo "loss: 1.0$LRTUI_COMMAND_OUTPUT"; exit 3']) == Ended(3)
    assert list(tmp_path.iterdir()) == []


def test_an_error_in_the_search_for_values_does_not_end_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(text: str) -> None:
        raise RecursionError(text)

    monkeypatch.setattr("lrtui.supervisor.output_events.read_line", fail)
    assert supervise(tmp_path, ["sh", "-c", "echo loss: 1; sleep 0.1; echo loss: 2"]) == Ended(0)
    events, steps, output = items_of(tmp_path, 1)
    assert [event.text for event in events if isinstance(event, Notice)] == [
        "the output is not searched for values any more: RecursionError('loss: 1')"
    ]
    assert (steps, output) == ([], ["loss: 1", "loss: 2"])


def test_the_last_output_is_read_however_soon_the_end_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # the end is looked for after a request, without another look at the terminal
    def request(supervisor: Supervisor) -> None:
        supervisor.request(ScaleLr(0.5))

    poll = CommandProcess.poll

    def late_poll(process: CommandProcess) -> Ended | None:
        time.sleep(0.3)
        return poll(process)

    monkeypatch.setattr(CommandProcess, "poll", late_poll)
    assert supervise(tmp_path, ["sh", "-c", "sleep 0.1; echo last"], request) == Ended(0)
    assert items_of(tmp_path, 1)[2] == ["last"]
