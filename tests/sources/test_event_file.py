from __future__ import annotations

import math
import os
import struct
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import pytest
from event_logs import event_bytes, read_all, same, series_in, tensorboard_reads, write_events, write_records

from lrtui.sources.tensorboard import event_file
from lrtui.sources.tensorboard.event_records import masked_crc
from lrtui.sources.tensorboard.log_format import TensorBoardReader

pytestmark = pytest.mark.xdist_group("libraries")

NAME = "events.out.tfevents.1700000000.host.1.0"
LATER = "events.out.tfevents.1700000100.host.2.0"

EVENTS = [(tag, step, step + 0.5) for step in range(0, 1000, 10) for tag in ("train/loss", "lr", "accuracy")]


def record(data: bytes, length: int | None = None) -> bytes:
    """Return a record with the right checksums, whose length may be another one than that of its data."""
    header = struct.pack("<Q", len(data) if length is None else length)
    return header + struct.pack("<I", masked_crc(header)) + data + struct.pack("<I", masked_crc(data))


def ends_of_records(data: bytes) -> list[int]:
    ends, at = [], 0
    while at < len(data):
        at += struct.unpack_from("<Q", data, at)[0] + 16
        ends.append(at)
    return ends


def steps_of(folder: Path, tag: str = "train/loss") -> list[int]:
    return [step for step, _, _ in series_in(read_all(folder)[0].items).get(tag, [])]


def test_a_file_cut_off_at_any_byte_has_the_events_before_it(tmp_path: Path) -> None:
    data = write_events(tmp_path / "all" / NAME, EVENTS[:9]).read_bytes()
    ends = ends_of_records(data)
    path = tmp_path / "cut" / NAME
    path.parent.mkdir()
    for size in range(len(data)):
        path.write_bytes(data[:size])
        part, trouble = read_all(path.parent)
        assert not trouble
        expected: dict[str, list[tuple[int, float, float]]] = {}
        for at, (tag, step, value) in enumerate(EVENTS[: sum(end <= size for end in ends)]):
            expected.setdefault(tag, []).append((step, value, 1.7e9 + 0.01 * at))
        assert series_in(part.items) == expected


@pytest.mark.parametrize("step", [1, 7, 64, 1000])
def test_a_growing_file_is_read_from_where_it_ended(tmp_path: Path, step: int) -> None:
    data = write_events(tmp_path / "all" / NAME, EVENTS[:30]).read_bytes()
    path = tmp_path / "growing" / NAME
    path.parent.mkdir()
    path.write_bytes(b"")
    reader = TensorBoardReader(path.parent)
    items = list(reader.read(9).items)
    for at in range(0, len(data), step):
        with path.open("ab") as file:
            file.write(data[at : at + step])
        assert reader.has_news()
        part = reader.read(9)
        assert not part.from_start
        items += part.items
    assert not reader.has_news()
    assert not reader.trouble
    assert same(series_in(items), tensorboard_reads(tmp_path / "all"))


def test_reading_in_short_turns_is_reading_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_events(tmp_path / NAME, EVENTS)
    monkeypatch.setattr(event_file, "BLOCK", 1000)
    reader, items, turns = TensorBoardReader(tmp_path), [], 0
    while True:
        part = reader.read(0)
        items += part.items
        turns += 1
        if not part.has_more:
            break
        assert reader.has_news()
    assert turns > 10
    assert same(series_in(items), tensorboard_reads(tmp_path))


def replaced(reader: TensorBoardReader) -> list[int]:
    """Return the steps that are read after everything before was dropped."""
    assert reader.has_news()
    part = reader.read(9)
    assert part.from_start
    return [step for step, _, _ in series_in(part.items)["loss"]]


def test_a_replaced_file_is_read_from_the_start(tmp_path: Path) -> None:
    def events(first: int, count: int) -> Sequence[tuple[str, int, float]]:
        return [("loss", first + step, 1.0) for step in range(count)]

    path = write_events(tmp_path / NAME, events(0, 10))
    reader = TensorBoardReader(tmp_path)
    reader.read(9)
    # as rsync does it: another file is renamed to its name
    os.replace(write_events(tmp_path / ".events.tmp", events(100, 20)), path)
    assert replaced(reader) == list(range(100, 120))
    # shorter
    write_events(path, events(200, 5))
    assert replaced(reader) == list(range(200, 205))
    # rewritten in place, and longer
    write_events(path, events(300, 30), start=1.6e9)
    assert replaced(reader) == list(range(300, 330))
    # one that was created earlier appears
    write_events(tmp_path / "events.out.tfevents.1600000000.host.1.0", events(0, 3))
    assert replaced(reader)[:4] == [0, 1, 2, 300]
    # only its time is another one
    os.utime(path)
    assert not reader.read(9).from_start
    path.unlink()
    assert replaced(reader) == [0, 1, 2]


def test_a_folder_without_its_files_keeps_what_was_read(tmp_path: Path) -> None:
    path = write_events(tmp_path / NAME, EVENTS)
    reader = TensorBoardReader(tmp_path)
    reader.read(9)
    path.unlink()
    part = reader.read(9)
    assert not part.from_start
    assert not part.items
    assert reader.trouble == f"{tmp_path} has no event files any more, or can't be read."


def test_an_unreadable_file_is_said_and_read_as_soon_as_it_can_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_events(tmp_path / NAME, EVENTS)
    reader = TensorBoardReader(tmp_path)
    with monkeypatch.context() as patched:

        def refuse(*args: object, **options: object) -> None:
            raise PermissionError(13, "Permission denied")

        patched.setattr(os, "open", refuse)
        assert not reader.read(9).items
        assert reader.trouble == f"{tmp_path}: {NAME} can't be read: Permission denied."
        assert reader.sample() is None
    assert reader.has_news()
    assert len(reader.read(9).items) == 3
    assert not reader.trouble


def test_damage_is_left_out_and_told_by_its_place(tmp_path: Path) -> None:
    path = write_events(tmp_path / NAME, EVENTS)
    data = path.read_bytes()
    ends = [0, *ends_of_records(data)]
    for at, place in enumerate(["length", "checksum of the length", "wire type"]):
        start = ends[30]
        changed = bytearray(data)
        changed[start + (0, 9, 12)[at]] ^= 0xFF
        path.write_bytes(changed)
        part, trouble = read_all(tmp_path)
        size = ends[31] - ends[30]
        assert trouble == f"{tmp_path}: {NAME}: {size} bytes from byte {start:,} on are damaged and left out.", place
        assert sum(map(len, series_in(part.items).values())) == len(EVENTS) - 1

    # a hole of zeros, as a full or interrupted disk leaves it
    path.write_bytes(data[: ends[20] + 5] + bytes(ends[60] - ends[20]) + data[ends[60] + 5 :])
    part, trouble = read_all(tmp_path)
    assert f"{ends[61] - ends[20]:,} bytes from byte {ends[20]:,} on are damaged" in trouble
    assert sum(map(len, series_in(part.items).values())) == len(EVENTS) - 41

    # a part is missing
    path.write_bytes(data[: ends[20] + 25] + data[ends[60] + 5 :])
    part, trouble = read_all(tmp_path)
    assert f"from byte {ends[20]:,} on are damaged" in trouble
    assert sum(map(len, series_in(part.items).values())) == len(EVENTS) - 41

    changed = bytearray(data)
    for event in 10, 20, 30:
        changed[ends[event] + 12] ^= 0xFF
    path.write_bytes(changed)
    assert f"bytes in 3 places are damaged and left out, the first at byte {ends[10]:,}." in read_all(tmp_path)[1]


def test_a_wrong_bit_in_a_tag_makes_no_series_and_one_in_a_step_no_restart(tmp_path: Path) -> None:
    path = write_events(tmp_path / NAME, EVENTS)
    data = path.read_bytes()
    start = [0, *ends_of_records(data)][150]
    for place in data.index(b"train", start), data.index(b"\x10", start + 21) + 2:
        changed = bytearray(data)
        changed[place] ^= 0x02
        path.write_bytes(changed)
        part, trouble = read_all(tmp_path)
        assert set(series_in(part.items)) == {"train/loss", "lr", "accuracy"}
        assert steps_of(tmp_path) == [step for step in range(0, 1000, 10) if step != 500]
        assert f"from byte {start:,} on" in trouble


def test_a_half_written_end_is_waited_for_until_something_follows_it(tmp_path: Path) -> None:
    path = write_events(tmp_path / NAME, EVENTS[:30])
    half = record(event_bytes("lr", 99, 1.0, 1.7e9))[:-20]
    reader = TensorBoardReader(tmp_path)
    reader.read(9)
    with path.open("ab") as file:
        file.write(half)
    assert not reader.read(9).items
    assert not reader.trouble
    assert not reader.has_news()
    # a program that died, and another one that appends
    start = path.stat().st_size - len(half)
    write_records(path, [event_bytes("lr", 100, 1.0, 1.7e9)], "ab")
    assert series_in(reader.read(9).items) == {"lr": [(100, 1.0, 1.7e9)]}
    assert reader.trouble == f"{tmp_path}: {NAME}: {len(half)} bytes from byte {start:,} on are damaged and left out."


def test_zeros_at_the_end_are_waited_for(tmp_path: Path) -> None:
    path = write_events(tmp_path / NAME, EVENTS[:30])
    size = path.stat().st_size
    reader = TensorBoardReader(tmp_path)
    reader.read(9)
    with path.open("ab") as file:
        file.write(bytes(200))
    reader.read(9)
    assert reader.trouble == f"{tmp_path}: {NAME}: no record starts at byte {size:,} or after it."
    # a network file system had not written them yet
    more = record(event_bytes("lr", 100, 1.0, 1.7e9))
    with path.open("r+b") as file:
        file.seek(size)
        file.write(more)
        file.truncate()
    assert series_in(reader.read(9).items) == {"lr": [(100, 1.0, 1.7e9)]}
    assert not reader.trouble


def test_enormous_records_are_skipped_without_reading_them(tmp_path: Path) -> None:
    path = tmp_path / NAME
    first = record(event_bytes("lr", 1, 1.0, 1.7e9))
    with path.open("wb") as file:
        file.write(first)
        header = record(b"", 3 << 30)[:12]
        file.write(header)
        file.seek((3 << 30) + 4, os.SEEK_CUR)
        file.write(record(event_bytes("lr", 2, 1.0, 1.7e9)))
    assert steps_of(tmp_path, "lr") == [1, 2]

    for length in 10 << 30, 1 << 63, (1 << 64) - 1:
        announced = first + record(b"x" * 5000, length)
        path.write_bytes(announced)
        part, trouble = read_all(tmp_path)
        assert "says that it has" in trouble
        path.write_bytes(announced + first)
        part, trouble = read_all(tmp_path)
        assert len(series_in(part.items)["lr"]) == 2
        assert f"from byte {len(first):,} on are damaged" in trouble


def test_large_records_are_read_for_their_scalars(tmp_path: Path) -> None:
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary

    image = Summary.Value(tag="image", image=Summary.Image(encoded_image_string=os.urandom(1_200_000)))
    both = Summary(value=[image, Summary.Value(tag="loss", simple_value=0.5)])
    write_records(tmp_path / NAME, [Event(step=step, summary=both).SerializeToString() for step in range(2)])
    assert steps_of(tmp_path, "loss") == [0, 1]
    # several in a block, among small ones
    image.image.encoded_image_string = os.urandom(70_000)
    both = Summary(value=[image, Summary.Value(tag="loss", simple_value=0.5)])
    records = [Event(step=step, summary=both).SerializeToString() for step in range(0, 10, 2)]
    records = [
        data for step, large in enumerate(records) for data in (large, event_bytes("loss", 2 * step + 1, 1.0, 1.0))
    ]
    data = write_records(tmp_path / NAME, records).read_bytes()
    assert steps_of(tmp_path, "loss") == list(range(10))
    (tmp_path / NAME).write_bytes(data[:100_000] + data[100_010:])
    # after damage, it goes on at the next small record
    assert steps_of(tmp_path, "loss") == [0, 1, *range(5, 10)]
    assert "are damaged" in read_all(tmp_path)[1]


def test_many_unreadable_files_are_told_in_few_words(tmp_path: Path) -> None:
    for at in range(8):
        (tmp_path / f"events.out.tfevents.{at}").write_bytes(b"x" * 50)
    trouble = read_all(tmp_path)[1]
    assert trouble.count("is not an event file") == 3
    assert trouble.endswith("5 further files can't be read as a whole.")


def test_files_of_another_kind_are_said_to_be_none(tmp_path: Path) -> None:
    path = tmp_path / NAME
    for content in b"step,loss\n" * 500_000, os.urandom(300_000), bytes(3_000_000), record(b"\xff" * 40):
        path.write_bytes(content)
        part, trouble = read_all(tmp_path)
        assert not part.items
        assert trouble == f"{tmp_path}: {NAME} is not an event file, or its start is damaged."
    path.write_bytes(b"")
    assert read_all(tmp_path)[1] == ""
    path.unlink()
    path.mkdir()
    assert read_all(tmp_path)[1] == f"{tmp_path}: {NAME} can't be read: it is not a file."


def test_a_sample_covers_the_whole_of_a_large_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_events(tmp_path / NAME, [(tag, step, float(step)) for step in range(20_000) for tag in ("loss", "lr")])
    reader = TensorBoardReader(tmp_path)
    assert reader.sample() is None
    monkeypatch.setattr("lrtui.sources.tensorboard.log_format.SAMPLED_FROM", 1_000_000)
    monkeypatch.setattr("lrtui.sources.tensorboard.log_format.WINDOWS", 40)
    monkeypatch.setattr("lrtui.sources.tensorboard.event_file.WINDOW", 1_000)
    part = reader.sample()
    assert part is not None
    assert part.has_more
    loss = series_in(part.items)["loss"]
    steps = [step for step, _, _ in loss]
    assert steps == sorted(set(steps))
    assert all(value == step for step, value, _ in loss)
    assert steps[0] == 0
    assert steps[-1] == 19_999
    assert len(steps) < 3_000
    assert max(after - before for before, after in pairwise(steps)) < 800
    assert len(series_in(reader.read(9).items)["loss"]) == 20_000


def test_times_that_are_no_dates_are_not_known(tmp_path: Path) -> None:
    times = [1.7e9, 0.0, -5.0, 1e300, float("inf"), float("nan")]
    write_records(tmp_path / NAME, [event_bytes("loss", step, 1.0, time) for step, time in enumerate(times)])
    read = [time for _, _, time in series_in(read_all(tmp_path)[0].items)["loss"]]
    assert read[0] == 1.7e9
    assert all(map(math.isnan, read[1:]))


def test_hostile_values_are_read_within_limits(tmp_path: Path) -> None:
    steps = [0, -1, 2**62, -(2**63), 2**63 - 1, 5]
    records = [event_bytes("loss", step, 1.0, 1.7e9) for step in steps]
    write_records(tmp_path / "steps" / NAME, records)
    assert steps_of(tmp_path / "steps", "loss") == steps

    write_events(tmp_path / "tags" / NAME, [(f"tag {at:05}", 0, float(at)) for at in range(10_000)])
    part, trouble = read_all(tmp_path / "tags")
    assert len(part.items) == 2_000
    text = "It has more than 2,000 series: the further ones, such as tag 02000, are left out."
    assert trouble == f"{tmp_path / 'tags'}: {text}"

    long = ["x" * 200_000 + str(at) for at in range(3)]
    write_events(tmp_path / "long" / NAME, [(tag, 0, 1.0) for tag in [*long, "y" * 500 + "\n", "a\x1b[31m", ""]])
    names = list(series_in(read_all(tmp_path / "long")[0].items))
    assert len(set(names)) == 6
    assert max(map(len, names)) == 200
    assert all(name.isprintable() for name in names)
    assert "a\\x1b[31m" in names

    deep = b""
    for _ in range(20_000):
        deep = b"\x0a" + _varint(len(deep)) + deep if len(deep) < 60_000 else deep
    groups = b"\x0b" * 30_000
    many = b"\x2a" + _varint(60_000) + b"\x0a\x00" * 30_000
    write_records(
        tmp_path / "deep" / NAME, [b"\x2a" + _varint(len(deep)) + deep, groups, many, records[0], b"\xff" * 12]
    )
    part, trouble = read_all(tmp_path / "deep")
    assert len(series_in(part.items)["loss"]) == 1
    assert trouble == f"{tmp_path / 'deep'}: {NAME}: 2 records of another kind are left out."


def _varint(value: int) -> bytes:
    data = b""
    while value >= 0x80:
        data, value = data + bytes([value & 0x7F | 0x80]), value >> 7
    return data + bytes([value])
