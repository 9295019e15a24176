from __future__ import annotations

import random
import struct

import numpy as np
import pytest

from lrtui.sources.tensorboard.event_table import EventTable, decode_events

pytestmark = pytest.mark.xdist_group("libraries")

Values = dict[bytes, list[tuple[int, int, bytes, bytes]]]


def decoded(events: list[bytes]) -> EventTable:
    lengths = np.array([len(event) for event in events], np.int64)
    starts = np.cumsum(lengths) - lengths
    return decode_events(np.frombuffer(b"".join(events), np.uint8), starts, lengths)


def values(table: EventTable, first: int = 0) -> Values:
    """Return the numbers of the events, steps, values and times of each tag."""
    found: Values = {}
    for tag, column in table.columns.items():
        rows = zip(column.events.tolist(), column.steps.tolist(), column.values, column.times, strict=True)
        found[tag] = [(first + event, step, value.tobytes(), time.tobytes()) for event, step, value, time in rows]
    return found


def one_by_one(events: list[bytes]) -> tuple[Values, list[int]]:
    """Return the values in events that are decoded each by itself, and which are malformed."""
    found: Values = {}
    malformed = []
    for index, event in enumerate(events):
        table = decoded([event])
        malformed += [index] * len(table.malformed)
        for tag, rows in values(table, index).items():
            found.setdefault(tag, []).extend(rows)
    return found, malformed


def some_events(chance: random.Random) -> list[bytes]:
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.plugins.scalar.summary_v2 import scalar_pb
    from tensorboard.util.tensor_util import make_tensor_proto

    events = []
    for _ in range(40):
        number = np.float32(chance.choice((0.0, 1.5, -2.0, float("nan"))))
        kind = chance.choice(("float64", "float16", "int32", "int64", "bool", "uint8"))
        tensor = make_tensor_proto(np.array(chance.randrange(100)).astype(kind))
        summary = chance.choice(
            (
                scalar_pb(chance.choice("ab"), number),
                Summary(value=[Summary.Value(tag=tag, simple_value=number) for tag in ("lr", chance.choice("cde"))]),
                Summary(value=[Summary.Value(tag=chance.choice(("t", "uu")), tensor=tensor)]),
            )
        )
        step = chance.choice((0, 5, 100, 200, 300, 20_000, -1))
        events.append(Event(wall_time=1.7e9 + chance.random(), step=step, summary=summary).SerializeToString())
    return events


@pytest.mark.parametrize("seed", range(40))
def test_events_decoded_together_are_those_decoded_one_by_one(seed: int) -> None:
    chance = random.Random(seed)
    events = some_events(chance)
    for _ in range(40):
        # events that nearly have the layout of another one: of the same length, with other bytes
        event = bytearray(chance.choice(events))
        for _ in range(chance.choice((1, 1, 2, 5))):
            event[chance.randrange(len(event))] = chance.choice((0x00, 0x01, 0x7F, 0x80, 0xFF, chance.randrange(256)))
        events.append(bytes(event))
    chance.shuffle(events)
    table = decoded(events)
    found, malformed = one_by_one(events)
    assert values(table) == found
    assert table.malformed == malformed


def test_events_that_protobuf_can_read_have_its_values() -> None:
    from google.protobuf.message import DecodeError
    from tensorboard.compat.proto.event_pb2 import Event

    chance = random.Random(0)
    originals = some_events(chance)
    compared = 0
    for _ in range(1_500):
        event = bytearray(chance.choice(originals))
        event[chance.randrange(len(event))] ^= 1 << chance.randrange(8)
        try:
            read = Event.FromString(bytes(event))
        except DecodeError:
            continue
        expected = [
            (value.tag.encode(), read.step, struct.pack("<d", value.simple_value))
            for value in read.summary.value
            if value.WhichOneof("value") == "simple_value"
        ]
        simple = {tag for tag, _, _ in expected}
        found = [
            (tag, step, value)
            for tag, rows in values(decoded([bytes(event)])).items()
            for _, step, value, _ in rows
            if tag in simple
        ]
        assert sorted(found) == sorted(expected), bytes(event)
        compared += len(expected)
    assert compared > 300


def test_a_text_does_not_hide_a_scalar_of_the_same_length() -> None:
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.compat.proto.tensor_pb2 import TensorProto

    tensors = TensorProto(dtype=7, string_val=[b"text"]), TensorProto(dtype=1, tensor_content=b"\0\0\x80?")
    events = [
        Event(step=5, summary=Summary(value=[Summary.Value(tag="ab", tensor=tensor)])).SerializeToString()
        for tensor in tensors
    ]
    assert len(events[0]) == len(events[1])
    assert [column.values.tolist() for column in decoded(events).columns.values()] == [[1.0]]


def test_hundreds_of_tags_of_one_length_are_told_apart() -> None:
    from event_logs import event_bytes

    tags = [f"layer {index:03}" for index in range(300)] * 3
    table = decoded([event_bytes(tag, index, float(index), 1.7e9) for index, tag in enumerate(tags)])
    assert len(table.columns) == 300
    assert table.columns[b"layer 017"].steps.tolist() == [17, 317, 617]
