"""Commands from other processes: accepted from the owner only, each answered once."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from store_runs import new_recorder
from waiting import SECONDS, wait_for

from lrtui.run import commands
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
from lrtui.run.errors import StoreError
from lrtui.run.events import (
    CheckpointSaved,
    CommandAnswer,
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
from lrtui.store.command_files import Answer
from lrtui.store.inbox import POLL_SECONDS, answer_of, send
from lrtui.store.location import DATABASE
from lrtui.store.recorder import Recorder
from lrtui.store.writer import INTERVAL, Writer

AT = {"seq": 0, "step": 3, "seconds": 1.0}
LR = {"lrs_before": (0.1,), "lrs_after": (0.05,), "scale": (0.5,)}

SWITCH = {"schedule": "StepLR(step_size=1)", "anchor": "base", "lrs": (0.1,), "lrs_before": (0.1,)}

ANSWERED_BY: list[tuple[Command, CommandAnswer]] = [
    (Pause(), Paused(**AT)),
    (Resume(), Resumed(**AT)),
    (Stop(), RunFinished(**AT, outcome="stopped")),
    (SwitchSchedule("StepLR(1)"), ScheduleSwitched(**AT, **SWITCH, command="StepLR(1) from base")),
    (SetLr(0.05), LrSet(**AT, **LR, by="user", command="lr=0.05")),
    (ScaleLr(0.5), LrSet(**AT, **LR, by="user", command="lr*0.5")),
    (UndoLr(), LrSet(**AT, **LR, by="undo", command="undo")),
    (EvaluateNow(), EvaluationStarted(**AT, epoch=1, command="evaluate")),
    (SaveCheckpoint(), CheckpointSaved(**AT, path="x.pt", reason="command")),
    (Extend(2), Extended(**AT, epochs=12, total_steps=120, command="extend 2")),
]  # fmt: skip


PAIRS = [(command, replace(event, command_id=command.id)) for command, event in ANSWERED_BY]


def test_every_command_has_an_answer() -> None:
    every = {kind for kind in vars(commands).values() if isinstance(kind, type) and issubclass(kind, Command)}
    # these can be requested only in this process: a range test is answered through its feed, a hold through its gate
    assert {type(command) for command, _ in PAIRS} == every - {Command, commands.RangeTest, commands.Hold}


@pytest.mark.parametrize(("command", "event"), PAIRS, ids=lambda value: type(value).__name__)
def test_only_the_event_of_a_command_answers_it(command: Command, event: Event) -> None:
    for other, said in PAIRS:
        answer = answer_of(command, said)
        assert (answer is not None) == (other is command), said
    assert answer_of(command, event).obeyed  # type: ignore[union-attr]
    refused = CommandRefused(**AT, command=command.text, reason="not now", command_id=command.id)
    assert answer_of(command, refused) == Answer(False, "not now")
    assert answer_of(command, replace(refused, command_id="another")) is None


class Trainer:
    """Takes commands as a training thread does, and answers each with its event, or with a refusal."""

    def __init__(self, writer: Writer) -> None:
        self.taken: list[Command] = []
        self._seq = 0
        self._recorder: Recorder = new_recorder(writer, receive=self._obey)

    @property
    def run(self) -> int:
        return self._recorder.run

    def say(self, event: Event) -> None:
        values = {name: getattr(event, name) for name in event.__dataclass_fields__} | {"seq": self._seq}
        self._seq += 1
        self._recorder.publish(type(event)(**values))

    def _obey(self, command: Command) -> None:
        self.taken.append(command)
        reason = "the schedule's lr is 0 at this point"
        if isinstance(command, SetLr):
            self.say(CommandRefused(**AT, command=command.text, reason=reason, command_id=command.id))
        elif isinstance(command, SwitchSchedule):  # answers another one
            self.say(next(event for known, event in PAIRS if isinstance(known, SwitchSchedule)))
        elif not isinstance(command, EvaluateNow):  # which takes its time
            answer = next(event for known, event in PAIRS if type(known) is type(command))
            self.say(replace(answer, command_id=command.id))


@pytest.fixture
def trainer(tmp_path: Path) -> Iterator[Trainer]:
    tmp_path.chmod(0o700)
    writer = Writer(tmp_path, print)
    yield Trainer(writer)
    # its thread would look for commands until the end of all tests
    writer.close(SECONDS)


@pytest.fixture(params=["local", "network"])
def any_file_system(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Send commands as on a local file system, and as on a network file system."""
    monkeypatch.setattr("lrtui.store.inbox.is_on_network", lambda folder: request.param == "network")


@pytest.mark.usefixtures("any_file_system")
def test_a_command_is_answered_within_a_second(tmp_path: Path, trainer: Trainer) -> None:
    # the run looks for commands, and the sender for answers, as often as this
    assert INTERVAL + POLL_SECONDS < 1.0
    for command, obeyed in ((Pause(), True), (ScaleLr(0.5), True), (SetLr(0.25), False), (Stop(), True)):
        answer = send(tmp_path, trainer.run, command, SECONDS)
        assert answer.obeyed is obeyed, answer
    assert [type(command) for command in trainer.taken] == [Pause, ScaleLr, SetLr, Stop]


@pytest.mark.usefixtures("any_file_system")
def test_a_command_arrives_unchanged(tmp_path: Path, trainer: Trainer) -> None:
    command = SwitchSchedule('LambdaLR("0.1 + 0.2 * epoch")', "current")
    for seconds in (0.5, 5.0, 50.0):
        answer = send(tmp_path, trainer.run, command, seconds)
        # on a busy machine, the command may be withdrawn before the run looks for it
        if trainer.taken:
            break
    assert trainer.taken == [command]
    # an event of another schedule is not the answer to this command
    assert answer.obeyed is None


@pytest.mark.usefixtures("any_file_system")
def test_unanswered_commands_are_refused_when_the_run_ends(tmp_path: Path, trainer: Trainer) -> None:
    def end() -> None:
        wait_for(lambda: trainer.taken)
        trainer.say(RunFinished(**AT, outcome="done"))

    threading.Thread(target=end).start()
    assert send(tmp_path, trainer.run, EvaluateNow(), SECONDS) == Answer(False, "the run is over: done")


def test_a_run_that_dies_is_reported_and_the_command_is_deleted(tmp_path: Path, trainer: Trainer) -> None:
    connection = sqlite3.connect(tmp_path / DATABASE, isolation_level=None)
    connection.execute("UPDATE runs SET pid_started = '1.0'")
    answer = send(tmp_path, trainer.run, Pause(), 5)
    died = f"#{trainer.run} is lost: its process died; it has no checkpoint to be resumed from"
    assert answer in (Answer(None, died), Answer(True, "paused"))
    assert connection.execute("SELECT count(*) FROM inbox WHERE taken IS NULL").fetchone() == (0,)
    connection.close()


def test_only_the_owner_can_send_commands(tmp_path: Path, trainer: Trainer) -> None:
    (tmp_path / DATABASE).chmod(0o666)
    with pytest.raises(StoreError, match="other users can write to"):
        send(tmp_path, trainer.run, Pause(), 5)
    # a command that is written to the database directly is not taken either
    connection = sqlite3.connect(tmp_path / DATABASE, isolation_level=None)
    connection.execute("INSERT INTO inbox (run, sent, command) VALUES (?, 0, 'stop')", (trainer.run,))
    obeyed, answer = wait_for(
        lambda: connection.execute("SELECT obeyed, answer FROM inbox WHERE answer NOT NULL").fetchone()
    )
    connection.close()
    assert obeyed == 0
    assert "other users can write to" in answer
    assert trainer.taken == []


@pytest.mark.parametrize("words", ["nonsense", "StepLr(1)", "lr*", "", "__import__('os').system('true')", "é" * 5000])
def test_text_that_is_not_a_command_is_refused_with_a_message(tmp_path: Path, trainer: Trainer, words: str) -> None:
    connection = sqlite3.connect(tmp_path / DATABASE, isolation_level=None)
    connection.execute("INSERT INTO inbox (run, sent, command) VALUES (?, 0, ?)", (trainer.run, words))
    wait_for(lambda: connection.execute("SELECT obeyed FROM inbox").fetchone() == (0,))
    connection.close()
    assert trainer.taken == []
