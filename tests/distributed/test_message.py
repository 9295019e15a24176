"""Messages and commands between a driver and its workers, as bytes and back."""

from __future__ import annotations

import json
import math
import pickle
import struct

import numpy as np
import pytest

from lrtui.distributed.message import Message, MessageError
from lrtui.run.command_json import command_from_json, command_to_json
from lrtui.run.commands import (
    Command,
    EvaluateNow,
    Extend,
    Hold,
    Pause,
    SaveCheckpoint,
    ScaleLr,
    SetLr,
    Stop,
    SwitchSchedule,
    UndoLr,
)
from lrtui.run.gate import Gate


def test_a_message_comes_back_exactly() -> None:
    numbers = np.array([0.1 + 0.2, math.nan, math.inf, -math.inf, 5e-324, -0.0])
    columns = (np.arange(5) << 40, numbers, np.frombuffer(b"\x00\xff", "|u1"), np.array([]), numbers[::2])
    message = Message("events", {"ä": [1, None, "\n"], "x": 1e-310, "y": math.inf}, columns)
    back = Message.of_bytes(message.to_bytes())
    assert (back.kind, back.body) == (message.kind, message.body)
    assert [column.tobytes() for column in back.columns] == [np.array(column).tobytes() for column in columns]
    assert Message.of_bytes(Message("leave").to_bytes()) == Message("leave")


def framed(text: bytes, rest: bytes = b"") -> bytes:
    return struct.pack("<I", len(text)) + text + rest


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"GET / HTTP/1.1\r\n\r\n",
        framed(b"{}"),
        framed(b"[1, {}, []]"),
        framed(b'["a", [], []]'),
        framed(b'["a", {}, []]', b"more"),
        framed(b'["a", {}, [["<f8", 2]]]', b"\0" * 8),
        framed(b'["a", {}, [["|O", 1]]]', b"\0" * 8),
        framed(b'["a", {}, [["<f8", -1]]]', b"\0" * 7),
        framed(pickle.dumps([1])),
        b"\xff\xff\xff\xff[]",
    ],
)
def test_other_bytes_are_no_message(data: bytes) -> None:
    with pytest.raises(MessageError):
        Message.of_bytes(data)


def test_every_command_comes_back_with_its_id() -> None:
    commands: list[Command] = [
        Pause(),
        Stop("it's over"),
        SwitchSchedule("StepLR(3)", "current"),
        SetLr(0.1 + 0.2, 1),
        SetLr(1e-300),
        ScaleLr(0.5),
        UndoLr(),
        EvaluateNow(),
        SaveCheckpoint(),
        Extend(3),
    ]
    for command in commands:
        back = command_from_json(json.loads(json.dumps(command_to_json(command))))
        assert (back, back.id) == (command, command.id)
    with pytest.raises(ValueError, match="can't be sent"):
        command_to_json(Hold(Gate()))
    with pytest.raises(ValueError, match="unknown command 'hold'"):
        command_from_json({"command": "hold"})
