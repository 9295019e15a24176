from __future__ import annotations

import os
import random
import struct
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from event_logs import series_in

from lrtui.sources.log import Points
from lrtui.sources.tensorboard import event_file
from lrtui.sources.tensorboard.event_file import EventFile
from lrtui.sources.tensorboard.event_records import masked_crc
from lrtui.sources.tensorboard.log_format import TensorBoardReader

pytestmark = pytest.mark.xdist_group("libraries")

NAME = "events.out.tfevents.1700000000.host.1.0"

# seconds in which a file of 10 kB must be read, on a machine that does other things as well
SLOW = 5.0


def header(length: int) -> bytes:
    data = struct.pack("<Q", length)
    return data + struct.pack("<I", masked_crc(data))


@cache
def records() -> list[bytes]:
    """Return the records of an event file with events of all kinds."""
    from tensorboard.compat.proto.event_pb2 import Event, SessionLog
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.plugins.scalar.summary_v2 import scalar_pb
    from tensorboard.util.tensor_util import make_tensor_proto
    from torch.utils.tensorboard.summary import histogram, hparams, text

    events = [Event(wall_time=1.7e9, file_version="brain.Event:2")]
    for part in hparams({"lr": 0.1, "name": "adam"}, {"accuracy": 0.5}):
        events.append(Event(wall_time=1.7e9, summary=part))
    events.append(Event(step=3, session_log=SessionLog(status=SessionLog.START)))
    for step in range(0, 400, 7):
        one = Summary(value=[Summary.Value(tag="train/loss", simple_value=1 / (1 + step))])
        three = Summary(value=[Summary.Value(tag=tag, simple_value=step) for tag in ("a", "lr", "epoch")])
        for summary in one, three, scalar_pb("tensor", step / 3):
            events.append(Event(wall_time=1.7e9 + step, step=step, summary=summary))
        if step % 70 == 0:
            number = Summary.Value(tag="count", tensor=make_tensor_proto(np.int64(-step)))
            number.metadata.plugin_data.plugin_name = "scalars"
            for summary in Summary(value=[number]), histogram("weights", np.arange(9.0), "auto"), text("note", "hello"):
                events.append(Event(wall_time=1.7e9 + step, step=step, summary=summary))
    return [framed(event.SerializeToString()) for event in events]


def framed(data: bytes) -> bytes:
    return header(len(data)) + data + struct.pack("<I", masked_crc(data))


def flip(data: bytearray, chance: random.Random) -> None:
    for _ in range(chance.choice((1, 1, 2, 20, 200))):
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)


def cut(data: bytearray, chance: random.Random) -> None:
    start = chance.randrange(len(data))
    del data[start : start + chance.choice((1, 8, 50, 1000, len(data)))]


def insert(data: bytearray, chance: random.Random) -> None:
    start = chance.randrange(len(data))
    data[start:start] = chance.choice(
        (bytes(chance.choice((1, 12, 500))), chance.randbytes(chance.choice((1, 16, 300))), b"\xff" * 40, header(20))
    )


def repeat(data: bytearray, chance: random.Random) -> None:
    start = chance.randrange(len(data))
    part = data[start : start + chance.choice((1, 12, 100, 2000))]
    place = chance.randrange(len(data))
    data[place:place] = part


def announce(data: bytearray, chance: random.Random) -> None:
    """Give a record a huge length, with the right checksum or with a wrong one."""
    start = len(b"".join(records()[: chance.randrange(len(records()))]))
    length = chance.choice((2**63, 2**64 - 1, 10 << 30, 65535, 65536, 5_000_000, 0, chance.randrange(1, 5000)))
    data[start : start + 12] = header(length) if chance.random() < 0.8 else struct.pack("<QI", length, 0)


def lengthen_numbers(data: bytearray, chance: random.Random) -> None:
    """Replace an event by one with wrong or huge numbers in its wire format, and with right checksums."""
    event = bytearray(records()[chance.randrange(len(records()))][12:-4])
    for _ in range(chance.choice((1, 1, 3))):
        place = chance.randrange(len(event))
        number = chance.choice(
            (b"\xff" * 9 + b"\x01", b"\xff" * 30, b"\x80" * 9 + b"\x00", b"\x00", b"\x7f", b"\x2a\xff\xff\x7f")
        )
        event[place : place + chance.choice((0, 1, 2))] = number
    start = len(b"".join(records()[: chance.randrange(len(records()))]))
    data[start:start] = framed(bytes(event))


def nest(data: bytearray, chance: random.Random) -> None:
    """Put whole records into the data of a record."""
    inner = b"".join(records()[: chance.randrange(1, 30)])
    text = b"\x1a" + bytes([len(inner) & 0x7F | 0x80, len(inner) >> 7]) + inner
    data[0:0] = framed(text) if chance.random() < 0.5 else header(len(inner) + 100) + inner


MUTATIONS: list[Callable[[bytearray, random.Random], None]] = [
    flip,
    cut,
    insert,
    repeat,
    announce,
    lengthen_numbers,
    nest,
]


def mutated(seed: int) -> bytes:
    chance = random.Random(seed)
    data = bytearray(b"".join(records()))
    for _ in range(chance.choice((1, 1, 2, 5))):
        if data:
            chance.choice(MUTATIONS)(data, chance)
    return bytes(data)


def check(seed: int, path: Path) -> None:
    """Read a mutated file, first a part of it and then all, and see that nothing but values and trouble comes."""
    data = mutated(seed)
    size = random.Random(-seed).randrange(len(data) + 1)
    path.write_bytes(data[:size])
    reader = TensorBoardReader(path.parent)
    began = time.thread_time()
    EventFile(path).sample(5)
    parts = [reader.read(SLOW)]
    with path.open("ab") as file:
        file.write(data[size:])
    parts += [reader.read(SLOW), reader.read(SLOW)]
    assert time.thread_time() - began < SLOW, seed
    assert not any(part.from_start or part.has_more for part in parts), seed
    assert reader.trouble.isprintable(), seed
    items = [item for part in parts for item in part.items]
    for item in items:
        if isinstance(item, Points):
            assert len(item) == len(item.steps) == len(item.values) == len(item.times) > 0, seed
            assert (item.steps.dtype, item.values.dtype, item.times.dtype) == (np.int64, np.float64, np.float64), seed
            assert item.name.isprintable(), seed
            assert len(item.name) <= 200, seed
    assert sum(len(rows) for rows in series_in(items).values()) <= len(data) / 8, seed
    os.unlink(path)


@pytest.fixture(autouse=True)
def small_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let samples be made of small parts of these small files."""
    monkeypatch.setattr(event_file, "WINDOW", 200)
    monkeypatch.setattr(event_file, "LAST_WINDOW", 500)


def test_mutated_files_are_read_without_errors(tmp_path: Path) -> None:
    for seed in range(150):
        check(seed, tmp_path / NAME)


@pytest.mark.deep
def test_many_mutated_files_are_read_without_errors(tmp_path: Path) -> None:
    for seed in range(5_000):
        check(seed, tmp_path / NAME)


def test_what_is_cut_out_put_in_or_repeated_makes_no_new_values(tmp_path: Path) -> None:
    path = tmp_path / NAME
    path.write_bytes(b"".join(records()))
    original = {name: set(rows) for name, rows in series_in(TensorBoardReader(tmp_path).read(9).items).items()}
    assert sum(map(len, original.values())) > 250
    for seed in range(100):
        chance = random.Random(seed)
        data = bytearray(b"".join(records()))
        for _ in range(chance.choice((1, 3))):
            if data:
                chance.choice((cut, insert, repeat))(data, chance)
        path.write_bytes(data)
        reader = TensorBoardReader(tmp_path)
        read = series_in(reader.read(9).items)
        assert all(set(rows) <= original.get(name, set()) for name, rows in read.items()), seed
