"""`lrtui send`: commands for a run of another process, and its answers."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from command_line import CommandLine
from recorded_runs import recorded_run
from store_runs import ignore, new_recorder
from waiting import SECONDS

from lrtui.cli.send import read_command
from lrtui.run.commands import (
    Command,
    EvaluateNow,
    Extend,
    Pause,
    Resume,
    SaveCheckpoint,
    ScaleLr,
    SetLr,
    Stop,
    SwitchSchedule,
    UndoLr,
)
from lrtui.run.errors import NotationError
from lrtui.run.events import (
    CheckpointSaved,
    CommandRefused,
    EvaluationStarted,
    Event,
    Extended,
    LrSet,
    Paused,
    Resumed,
    RunFinished,
    ScheduleSwitched,
)
from lrtui.store.connection import open_for_reading
from lrtui.store.reader import checkpoint_folder
from lrtui.store.writer import Writer


class LiveRun:
    """A run in this process that obeys commands in another thread, like a training thread."""

    def __init__(self, folder: Path) -> None:
        self.given: list[Command] = []
        self.answers = True
        self.writer = Writer(folder, ignore)
        self.recorder = new_recorder(self.writer, receive=self.receive)
        events = recorded_run(30)
        for event in events:
            self.recorder.publish(event)
        self._seq = len(events)
        assert self.recorder.commit(SECONDS)

    def receive(self, command: Command) -> None:
        self.given.append(command)
        if self.answers:
            threading.Thread(target=self._obey, args=(command,)).start()

    def _obey(self, command: Command) -> None:
        arguments, answer = command.text, partial(self.say, command_id=command.id)
        lrs = (0.01,)
        match command:
            case SetLr(lr=lr):
                answer(LrSet, lrs_before=lrs, lrs_after=(lr,), scale=(1.0,), by="user", command=arguments)
            case ScaleLr(factor=factor):
                after = (0.01 * factor,)
                answer(LrSet, lrs_before=lrs, lrs_after=after, scale=(factor,), by="user", command=arguments)
            case SwitchSchedule():
                answer(
                    ScheduleSwitched,
                    schedule=command.schedule,
                    anchor=command.anchor,
                    lrs=lrs,
                    lrs_before=lrs,
                    command=arguments,
                )
            case UndoLr():
                answer(CommandRefused, command=arguments, reason="nothing to undo\x1b[2J")
            case Pause():
                answer(Paused)
            case Resume():
                answer(Resumed)
            case EvaluateNow():
                answer(EvaluationStarted, epoch=1, command=arguments)
            case SaveCheckpoint():
                answer(CheckpointSaved, path="a.pt", reason="command")
            case Extend():
                answer(Extended, epochs=15, total_steps=750, command=arguments)
            case Stop():
                answer(RunFinished, outcome="stopped")

    def say(self, event_class: Callable[..., Event], **fields: Any) -> None:
        self.recorder.publish(event_class(seq=self._seq, step=30, seconds=1.2, **fields))
        self._seq += 1


@pytest.fixture
def lrtui(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> CommandLine:
    return CommandLine(tmp_path / "store", capsys)


@pytest.fixture
def live(lrtui: CommandLine) -> Iterator[LiveRun]:
    run = LiveRun(lrtui.folder)
    yield run
    assert run.writer.close(SECONDS)


def inbox(lrtui: CommandLine) -> int:
    connection = open_for_reading(lrtui.folder)
    count: int = connection.execute("SELECT count(*) FROM inbox").fetchone()[0]
    connection.close()
    return count


@pytest.mark.parametrize(
    ("arguments", "command", "expected"),
    [
        (["pause"], Pause(), "paused"),
        (["resume"], Resume(), "resumed"),
        (["stop"], Stop(), "the run is over: stopped"),
        (["evaluate"], EvaluateNow(), "evaluate"),
        (["checkpoint"], SaveCheckpoint(), "checkpoint saved (command): a.pt"),
        (["lr*0.5"], ScaleLr(0.5), "lr 0.01 -> 0.005 (user)"),
        (["lr=0.002"], SetLr(0.002), "lr 0.01 -> 0.002 (user)"),
        (["lr", "0.002"], SetLr(0.002), "lr 0.01 -> 0.002 (user)"),
        (["lr 2e-3"], SetLr(0.002), "lr 0.01 -> 0.002 (user)"),
        (
            ["StepLR(3)"],
            SwitchSchedule("StepLR(3)", "base"),
            "switched to StepLR(3) from base: lr 0.01",
        ),
        (
            ["switch", "StepLR(3)", "from", "current"],
            SwitchSchedule("StepLR(3)", "current"),
            "switched to StepLR(3) from current: lr 0.01",
        ),
        (
            ["switch  StepLR(3) from start"],
            SwitchSchedule("StepLR(3)", "start"),
            "switched to StepLR(3) from start: lr 0.01",
        ),
    ],
)
def test_the_answer_of_a_live_run_is_printed(
    arguments: list[str], command: Command, expected: str, lrtui: CommandLine, live: LiveRun
) -> None:
    answer = lrtui("send", "last", *arguments)
    assert (answer.status, answer.out, answer.err) == (0, f"{expected}\n", "")
    assert live.given == [command]


def test_an_extension_is_checked_over_the_new_length_before_it_is_sent(lrtui: CommandLine, live: LiveRun) -> None:
    answer = lrtui("send", "last", "extend", "5")
    assert (answer.status, answer.out) == (0, "the run has 15 epochs now\n")
    assert "check: dead-tail: from epoch 11 on" in answer.err
    assert live.given == [Extend(5)]


def test_a_refusal_is_printed_with_its_reason_and_no_control_characters(lrtui: CommandLine, live: LiveRun) -> None:
    answer = lrtui("send", "1", "undo")
    assert (answer.status, answer.out) == (1, "refused: nothing to undo\\x1b[2J\n")


def test_a_timeout_is_reported(lrtui: CommandLine, live: LiveRun) -> None:
    live.answers = False
    answer = lrtui("send", "1", "--wait", "0.6", "pause")
    assert answer.status == 1
    assert answer.out == ""
    assert "no answer in 0.6 s" in answer.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["lr=-1"], "lr=X takes a finite number of at least 0"),
        (["lr", "fast"], "^ lr=X takes a finite number"),
        (["StepLR(step_sise=3)"], "       ^ StepLR has no argument step_sise"),
        (["StepLR(3)", "from", "now"], "unknown anchor 'now'"),
        (["switch"], "unknown command switch"),
        (["paus"], "did you mean pause"),
        (["lr/2"], "write lr*0.5 to halve the lr"),
        (["pause", "--wait", "soon"], "--wait takes a number of seconds"),
        (["pause", "--wait", "-1"], "--wait takes a number of seconds"),
        (["pause", "--wait", "nan"], "--wait takes a number of seconds"),
        ([], "COMMAND"),
        (["\udcff"], "^ not a Python call"),
    ],
)
def test_a_usage_error_sends_nothing(arguments: list[str], message: str, lrtui: CommandLine, live: LiveRun) -> None:
    answer = lrtui("send", "last", *arguments)
    assert answer.status == 2
    assert message in answer.err
    assert answer.out == ""
    assert inbox(lrtui) == 0


@pytest.mark.parametrize("words", ["stop", "lr*0.5", "StepLR(3)", "undo", "extend 2"])
def test_a_run_of_a_race_is_not_changed(words: str, lrtui: CommandLine, live: LiveRun) -> None:
    assert lrtui("runs", "rename", "1", "race 3: StepLR(3) seed 0").status == 0
    answer = lrtui("send", "1", words)
    assert answer.status == 1
    assert "belongs to race 3, which compares unchanged schedules" in answer.err
    assert inbox(lrtui) == 0
    assert lrtui("send", "1", "pause").status == 0


def test_an_unknown_run_is_refused(lrtui: CommandLine, live: LiveRun) -> None:
    answer = lrtui("send", "unknown", "pause")
    assert answer.status == 2
    assert "there is no run 'unknown'" in answer.err


def save_checkpoint(lrtui: CommandLine, run: int) -> None:
    """Put a file into the folder of the run's checkpoints."""
    where = checkpoint_folder(lrtui.folder, run)
    where.mkdir(parents=True, exist_ok=True)
    (where / "0000000010-step-10.pt").touch()


@pytest.mark.parametrize(
    ("outcome", "message"),
    [
        ("done", "#1 is done and takes no commands; lrtui resume 1 --epochs N --store {folder} extends it"),
        (
            "stopped",
            "#1 is stopped and takes no commands; lrtui resume 1 --store {folder} continues it from its last",
        ),
        (
            "failed",
            "#1 is failed and takes no commands; lrtui resume 1 --store {folder} continues it from its last",
        ),
        (
            "diverged",
            "#1 is diverged and takes no commands; lrtui resume 1 --lr X --store {folder} continues it from its last",
        ),
    ],
)
def test_a_finished_run_takes_no_commands(outcome: str, message: str, lrtui: CommandLine) -> None:
    save_checkpoint(lrtui, lrtui.record(10, outcome=outcome))
    answer = lrtui("send", "last", "pause")
    assert answer.status == 1
    assert message.format(folder=lrtui.folder) in answer.err
    assert inbox(lrtui) == 0


@pytest.mark.parametrize("outcome", ["done", "stopped", "failed", "diverged"])
def test_a_finished_run_without_a_checkpoint_is_not_said_to_be_resumable(outcome: str, lrtui: CommandLine) -> None:
    lrtui.record(10, outcome=outcome)
    answer = lrtui("send", "last", "pause")
    assert answer.status == 1
    assert f"#1 is {outcome} and takes no commands; it has no checkpoint to be resumed from" in answer.err


def test_a_lost_run_takes_no_commands(lrtui: CommandLine, live: LiveRun) -> None:
    save_checkpoint(lrtui, 1)
    live.writer.call(lambda connection: connection.execute("UPDATE runs SET pid_started = '1'"))
    answer = lrtui("send", "last", "pause")
    assert answer.status == 1
    assert f"#1 is lost: its process died; lrtui resume 1 --store {lrtui.folder} continues" in answer.err
    assert inbox(lrtui) == 0


def test_a_run_that_dies_during_the_wait_is_reported_at_once(lrtui: CommandLine, live: LiveRun) -> None:
    live.answers = False

    def die(_: Command) -> None:
        threading.Thread(
            target=lambda: live.writer.call(lambda connection: connection.execute("UPDATE runs SET pid_started = '1'"))
        ).start()

    live.recorder.receive = die
    answer = lrtui("send", "last", "pause", "--wait", "60")
    assert answer.status == 1
    assert answer.out == ""
    assert "its process died" in answer.err


def test_a_store_that_others_can_write_is_not_used(lrtui: CommandLine, live: LiveRun) -> None:
    lrtui.folder.chmod(0o777)
    answer = lrtui("send", "last", "pause")
    assert answer.status == 1
    assert "other users can write to" in answer.err
    assert inbox(lrtui) == 0
    lrtui.folder.chmod(0o700)


def test_a_missing_store_is_not_created(lrtui: CommandLine) -> None:
    assert lrtui("send", "last", "pause").status == 1
    assert not lrtui.folder.exists()


def test_many_blanks_are_parsed_in_linear_time() -> None:
    for text in (f"lr{' ' * 200_000}x", f"switch{' ' * 200_000}", " " * 200_000):
        with pytest.raises(NotationError):
            read_command(text)
