"""Commands and answers in files, as on network file systems."""

from __future__ import annotations

import json
import multiprocessing
import os
import threading
from pathlib import Path

import pytest
from store_runs import new_recorder
from waiting import SECONDS, wait_for

from lrtui.run.commands import Command, Pause, ScaleLr
from lrtui.run.errors import StoreError
from lrtui.run.events import LrSet
from lrtui.store import run_rows
from lrtui.store.command_files import Answer, CommandFiles, SentCommand
from lrtui.store.inbox import send
from lrtui.store.location import prepare_folder
from lrtui.store.reader import checkpoint_folder
from lrtui.store.writer import Writer


@pytest.fixture
def store(tmp_path: Path) -> Path:
    prepare_folder(tmp_path / "store")
    return tmp_path / "store"


def sent(folder: Path, text: str = "pause") -> SentCommand:
    return SentCommand(folder, 1, text, 1.0)


def texts(files: CommandFiles) -> list[str]:
    return [text for _, text in files.waiting()]


def answer_to(command: SentCommand) -> Answer:
    return wait_for(command.answer)


def only_file(store: Path, pattern: str = "commands-*") -> Path:
    (path,) = checkpoint_folder(store, 1).glob(pattern)
    return path


def test_commands_are_read_in_the_order_in_which_they_were_sent(store: Path) -> None:
    for text, at in (("lr*0.5", 2.0), ("undo", 3.0), ("pause", 1.0)):
        SentCommand(store, 1, text, at)
    assert texts(CommandFiles(store, 1)) == ["pause", "lr*0.5", "undo"]
    assert texts(CommandFiles(store, 2)) == []


def test_a_sender_gets_the_answer_to_its_own_command(store: Path) -> None:
    first, second, files = sent(store), sent(store, "undo"), CommandFiles(store, 1)
    keys = {text: key for key, text in files.waiting()}
    assert first.answer() is None
    files.answer([(keys["undo"], False, "there is nothing to undo")])
    assert (first.answer(), second.answer()) == (None, Answer(False, "there is nothing to undo"))
    # another process of the run, such as after a resume, has a file of its own
    CommandFiles(store, 1).answer([(keys["pause"], True, "paused")])
    assert first.answer() == Answer(True, "paused")
    assert len(list(checkpoint_folder(store, 1).glob("answers-*"))) == 2


def test_only_the_owner_can_read_the_files(store: Path) -> None:
    sent(store)
    CommandFiles(store, 1).answer([("x", True, "done")])
    modes = {path.name[:7]: path.stat().st_mode & 0o777 for path in checkpoint_folder(store, 1).iterdir()}
    assert modes == {"command": 0o600, "answers": 0o600}
    assert checkpoint_folder(store, 1).stat().st_mode & 0o777 == 0o700


def test_a_half_written_line_counts_once_it_is_complete(store: Path) -> None:
    sent(store)
    path, files = only_file(store), CommandFiles(store, 1)
    line = json.dumps({"id": "b", "sent": 2.0, "command": "lr*0.5"}) + "\n"
    with path.open("a") as file:
        file.write(line[:20])
        file.flush()
        assert texts(files) == ["pause"]
        file.write(line[20:])
    assert texts(files) == ["pause", "lr*0.5"]


def test_an_answer_after_a_half_written_one_is_a_line_of_its_own(store: Path) -> None:
    command, files = sent(store), CommandFiles(store, 1)
    files.answer([("x", True, "done")])
    with only_file(store, "answers-*").open("a") as file:
        file.write('{"id": "y", "ob')
    files.answer([(files.waiting()[0][0], True, "paused")])
    assert command.answer() == Answer(True, "paused")


@pytest.mark.parametrize(
    "line", ["nonsense", "[1, 2]", '{"id": 1}', '{"id": "a", "sent": "x", "command": "stop"}', "{}"]
)
def test_a_line_that_is_no_command_is_passed_over(store: Path, line: str) -> None:
    sent(store)
    path = only_file(store)
    path.write_text(f"{line}\n{path.read_text()}")
    assert texts(CommandFiles(store, 1)) == ["pause"]


def test_a_file_that_others_can_write_is_not_read(store: Path) -> None:
    sent(store)
    path, files = only_file(store), CommandFiles(store, 1)
    path.chmod(0o620)
    assert texts(files) == []
    path.chmod(0o600)
    assert texts(files) == ["pause"]
    path.parent.chmod(0o770)
    assert texts(files) == []


def test_a_link_and_a_file_of_another_user_are_not_read(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sent(store)
    path, files = only_file(store), CommandFiles(store, 1)
    target = path.rename(store / "elsewhere.jsonl")
    path.symlink_to(target)
    assert texts(files) == []
    path.unlink()
    target.rename(path)
    assert texts(files) == ["pause"]
    monkeypatch.setattr(os, "geteuid", lambda: path.stat().st_uid + 1)
    assert texts(files) == []


def test_a_store_that_others_can_write_is_refused(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run, taken, writer = _run(store)
    monkeypatch.setattr("lrtui.store.inbox.is_on_network", lambda folder: True)
    store.chmod(0o770)
    with pytest.raises(StoreError, match="other users can write to"):
        send(store, run, Pause(), 1)
    command = SentCommand(store, run, "stop", 1.0)
    answer = answer_to(command)
    assert not answer.obeyed
    assert "other users can write to" in answer.text
    assert taken == []
    writer.close()


def test_a_file_that_is_replaced_carries_out_no_command_twice(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run, taken, writer = _run(store)
    command = SentCommand(store, run, "lr*0.5", 1.0)
    assert answer_to(command).obeyed
    (path,) = checkpoint_folder(store, run).glob("commands-*")
    text = path.read_text()
    path.unlink()
    path.write_text(text)
    path.chmod(0o600)
    monkeypatch.setattr("lrtui.store.inbox.is_on_network", lambda folder: True)
    assert send(store, run, ScaleLr(2.0), SECONDS).obeyed
    assert [each.text for each in taken] == ["lr*0.5", "lr*2.0"]
    assert path.exists()
    writer.close()


def test_a_command_that_was_not_answered_is_withdrawn(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run, _, writer = _run(store, answers=False)
    monkeypatch.setattr("lrtui.store.inbox.is_on_network", lambda folder: True)
    assert send(store, run, Pause(), 0.1).obeyed is None
    assert not list(checkpoint_folder(store, run).glob("commands-*"))
    writer.close()


def test_a_resumed_run_takes_no_commands_of_its_earlier_process(store: Path) -> None:
    run, _, writer = _run(store)
    assert writer.close(SECONDS)
    SentCommand(store, run, "stop", 1.0)
    writer = Writer(store, print)
    writer.call(lambda connection: connection.execute("UPDATE runs SET state = 'stopped'"))
    writer.call(lambda connection: run_rows.claim_run(connection, run, "", "me"))
    assert CommandFiles(store, run).waiting() == []
    writer.close()


def _send_some(store: Path, name: str) -> None:
    for number in range(20):
        SentCommand(store, 1, f"lr*{name}{number + 1}", float(number))


def test_two_processes_that_send_at_once_lose_nothing(store: Path) -> None:
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=_send_some, args=(store, name)) for name in "12"]
    for process in processes:
        process.start()
    files, seen = CommandFiles(store, 1), set()
    while any(process.is_alive() for process in processes):
        seen |= set(texts(files))
    for process in processes:
        process.join()
    expected = {f"lr*{name}{number + 1}" for name in "12" for number in range(20)}
    assert seen <= expected
    assert set(texts(files)) == expected


def _run(store: Path, *, answers: bool = True) -> tuple[int, list[Command], Writer]:
    """Return a run that answers every command, what it has taken, and its writer."""
    taken: list[Command] = []
    writer = Writer(store, print)
    seqs = iter(range(1000))
    lock = threading.Lock()

    def obey(command: Command) -> None:
        taken.append(command)
        if answers:
            with lock:
                recorder.publish(
                    LrSet(
                        seq=next(seqs), step=1, seconds=1.0, lrs_before=(0.1,), lrs_after=(0.05,), scale=(0.5,),
                        by="user", command=command.text, command_id=command.id,
                    )
                )  # fmt: skip

    recorder = new_recorder(writer, receive=obey)
    return recorder.run, taken, writer
