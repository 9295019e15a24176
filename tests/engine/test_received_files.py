"""Checkpoints that are sent in parts: complete ones have their name, and nothing is left of the others."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from training_runs import tiny_spec

from lrtui.distributed.channel import ChannelError
from lrtui.distributed.message import Message
from lrtui.engine.received_files import ReceivedFiles
from lrtui.engine.worker import Worker
from lrtui.engine.worker_request import WorkerRequest
from lrtui.run.checkpoint_name import checkpoint_name
from lrtui.training.checkpoint.files import ResumePoint


def part(name: str, data: bytes, *, is_last: bool = False) -> Message:
    return Message("file", {"name": name, "last": is_last}, (np.frombuffer(data, "|u1"),))


def test_a_file_has_its_name_when_it_is_complete(tmp_path: Path) -> None:
    first, second = checkpoint_name(1, 2), checkpoint_name(3, 4)
    files = ReceivedFiles(tmp_path / "checkpoints")
    files.take(part(first, b"ab"))
    assert not (files.folder / first).exists()
    files.take(part(first, b"c", is_last=True))
    files.take(part(second, b"d"))
    files.close()
    assert {path.name: path.read_bytes() for path in files.folder.iterdir()} == {first: b"abc"}


def test_a_part_of_a_file_is_dropped_when_another_file_follows(tmp_path: Path) -> None:
    first, second = checkpoint_name(1, 2), checkpoint_name(3, 4)
    files = ReceivedFiles(tmp_path / "checkpoints")
    files.take(part(first, b"ab"))
    files.take(part(second, b"cd", is_last=True))
    assert {path.name: path.read_bytes() for path in files.folder.iterdir()} == {second: b"cd"}


class EndingChannel:
    """Ends after the given messages."""

    def __init__(self, *messages: Message) -> None:
        self._messages = list(messages)

    def receive(self) -> Message:
        if not self._messages:
            raise ChannelError("the connection was closed")
        return self._messages.pop(0)


def test_a_worker_leaves_nothing_of_a_checkpoint_that_it_receives_in_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    name = checkpoint_name(1, 2)
    request = WorkerRequest(tiny_spec(), 1, resume_point=ResumePoint(Path("/far") / name), sends_files=True)
    channel = EndingChannel(Message("request", request.to_json()), part(name, b"ab"))
    with pytest.raises(ChannelError):
        Worker(cast(Any, channel))
    assert list(tmp_path.iterdir()) == []
