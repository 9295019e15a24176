"""Logs of one curve as other tools write them: TensorBoard event files, CSV and `.wandb`, written fast.

Every value can be computed from its step, so that a log can grow later. TensorBoard's own writer takes half a minute
for a million steps; the records here are the same bytes, built as columns of an array.
"""

from __future__ import annotations

import json
import math
import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float64]

LOSS, LR = "train/loss_step", "lr-AdamW"
"""Tags, as a LightningModule and Lightning's LearningRateMonitor write them."""

CHUNK = 100_000
"""Steps that are built at a time."""


@dataclass(frozen=True)
class Log:
    """The values of one log.

    Args:
        steps: number of steps.
        start: time of the first step, in seconds since 1970.
        floor: the loss that the curve approaches.
        peak_lr: the lr after the warmup.
        spikes: the loss at the only steps that are not on the curve.
    """

    steps: int
    start: float
    floor: float = 0.3
    peak_lr: float = 0.0625
    spikes: Mapping[int, float] = field(default_factory=dict)

    def loss(self, steps: NDArray[np.int64]) -> Floats:
        """Return the loss at each step: a noisy fall, the same whenever it is asked for."""
        noise = np.sin(steps * 12.9898) * 43758.5453 % 1.0
        loss = 2.0 * np.exp(-5.0 * steps / self.steps) + self.floor + 0.1 * noise
        for step, value in self.spikes.items():
            loss = np.where(steps == step, value, loss)
        return np.asarray(loss)

    def lr(self, steps: NDArray[np.int64]) -> Floats:
        """Return the lr at each step: a linear warmup over a tenth of the steps, then a cosine."""
        done = steps / self.steps
        cosine = 0.5 * (1.0 + np.cos(np.pi * np.clip((done - 0.1) / 0.9, 0.0, 1.0)))
        return np.asarray(self.peak_lr * np.minimum(done / 0.1, cosine))

    def times(self, steps: NDArray[np.int64]) -> Floats:
        """Return when each step was logged."""
        return self.start + steps * 1e-3


def crc_table() -> NDArray[np.uint32]:
    """Return the 256 values of CRC-32C."""
    table = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        table = np.where(table & 1, (table >> 1) ^ np.uint32(0x82F63B78), table >> 1).astype(np.uint32)
    return table


CRC = crc_table()


def masked_crc(rows: Bytes) -> Bytes:
    """Return TensorBoard's masked CRC-32C of each row, as rows of 4 bytes."""
    crc = np.full(len(rows), 0xFFFFFFFF, np.uint32)
    for column in rows.T:
        crc = CRC[(crc ^ column) & 0xFF] ^ (crc >> 8)
    crc = ~crc
    masked = ((crc >> 15) | (crc << 17)) + np.uint32(0xA282EAD8)
    return masked.astype("<u4").view(np.uint8).reshape(-1, 4)


def framed(rows: Bytes) -> Bytes:
    """Return each row as a record: its length and the length's checksum, the row, and its checksum."""
    length = np.frombuffer(struct.pack("<Q", rows.shape[1]), np.uint8)[None]
    head = np.repeat(np.hstack([length, masked_crc(length)]), len(rows), axis=0)
    return np.hstack([head, rows, masked_crc(rows)])


def scalar_records(tag: str, steps: NDArray[np.int64], times: Floats, values: Floats) -> Bytes:
    """Return one record per step; the steps are written with the same number of bytes, and 0 with none."""
    count = len(steps)

    def every(content: bytes) -> Bytes:
        return np.repeat(np.frombuffer(content, np.uint8)[None], count, axis=0)

    width = math.ceil(int(steps[-1]).bit_length() / 7)
    varint = [(steps >> 7 * index & 0x7F | (0x80 if index < width - 1 else 0)) for index in range(width)]
    name = tag.encode()
    value = len(name) + 2 + 5
    return framed(
        np.hstack(
            [
                every(b"\x09"),
                times.astype("<f8").view(np.uint8).reshape(-1, 8),
                every(b"\x10" if width else b""),
                *(column.astype(np.uint8)[:, None] for column in varint),
                every(bytes([0x2A, value + 2, 0x0A, value, 0x0A, len(name)]) + name + b"\x15"),
                values.astype("<f4").view(np.uint8).reshape(-1, 4),
            ]
        )
    )


def event_chunks(log: Log, first: int, end: int) -> Iterator[bytes]:
    """Yield the records of loss and lr of the steps from the first to before the end."""
    edges = {first, end, *range(first, end, CHUNK), *(edge for edge in (1, *(1 << 7 * n for n in range(1, 9))))}
    edges = {edge for edge in edges if first <= edge <= end}
    for low, high in zip(sorted(edges), sorted(edges)[1:], strict=False):
        steps = np.arange(low, high)
        times = log.times(steps)
        both = [scalar_records(LOSS, steps, times, log.loss(steps)), scalar_records(LR, steps, times, log.lr(steps))]
        yield np.hstack(both).tobytes()


def write_event_file(folder: Path, log: Log) -> Path:
    """Write the log into a folder as an event file; return the file."""
    folder.mkdir(parents=True)
    path = folder / f"events.out.tfevents.{int(log.start)}.host.1.0"
    version = b"brain.Event:2"
    head = b"\x09" + struct.pack("<d", log.start) + bytes([0x1A, len(version)]) + version
    with path.open("wb") as file:
        file.write(framed(np.frombuffer(head, np.uint8)[None]).tobytes())
        file.writelines(event_chunks(log, 0, log.steps))
    return path


def start_in_name(path: Path) -> float:
    """Return the time of the first step that an event file's name contains."""
    return float(path.name.split(".")[3])


def append_events(path: Path, log: Log, count: int) -> None:
    """Append that many steps after the last one, as a run that goes on does."""
    with path.open("ab") as file:
        file.writelines(event_chunks(log, log.steps, log.steps + count))


def write_csv(folder: Path, log: Log) -> Path:
    """Write the log as Lightning's CSVLogger does; return the file."""
    folder.mkdir(parents=True)
    path = folder / "metrics.csv"
    with path.open("w") as file:
        file.write(f"epoch,{LR},step,{LOSS}\n")
        for low in range(0, log.steps, CHUNK):
            steps = np.arange(low, min(low + CHUNK, log.steps))
            rows = zip(log.lr(steps).tolist(), steps.tolist(), log.loss(steps).tolist(), strict=True)
            file.writelines(f"{step // 10_000},{lr:.9f},{step},{loss:.9f}\n" for lr, step, loss in rows)
    return path


def varint(number: int) -> bytes:
    """Return a number in protobuf's encoding."""
    found = bytearray()
    while number > 0x7F:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*found, number])


def delimited(tag: bytes, content: bytes) -> bytes:
    """Return a length-delimited field."""
    return tag + varint(len(content)) + content


class WandbWriter:
    """Appends records to a `.wandb` file: LevelDB's log format, in blocks of 32 KB."""

    BLOCK = 32768
    FULL, FIRST, MIDDLE, LAST = 1, 2, 3, 4

    def __init__(self, head: bytes) -> None:
        self.content = bytearray(head)
        self._seeds = {kind: zlib.crc32(bytes([kind])) for kind in (1, 2, 3, 4)}

    def add(self, record: bytes) -> None:
        """Append a record, in parts if it crosses the end of a block."""
        start = 0
        while True:
            room = self.BLOCK - len(self.content) % self.BLOCK
            if room < 7:
                self.content += bytes(room)
                continue
            part = record[start : start + room - 7]
            ends = start + len(part) == len(record)
            kind = (self.LAST if ends else self.MIDDLE) if start else (self.FULL if ends else self.FIRST)
            self.content += struct.pack("<IHB", zlib.crc32(part, self._seeds[kind]), len(part), kind) + part
            start += len(part)
            if ends:
                return


def write_wandb(folder: Path, log: Log, started: Path) -> Path:
    """Write the log as wandb's offline mode does; return the file.

    Args:
        folder: the new folder.
        log: the values.
        started: the file of a short run that wandb itself wrote, whose head is taken.
    """
    run_folder = folder / started.parent.name
    run_folder.mkdir(parents=True)
    path = run_folder / started.name
    writer = WandbWriter(before_first_step(started.read_bytes()))
    with path.open("wb") as file:
        for low in range(0, log.steps, CHUNK):
            steps = np.arange(low, min(low + CHUNK, log.steps))
            columns = (steps.tolist(), log.times(steps).tolist(), log.lr(steps).tolist(), log.loss(steps).tolist())
            for step, when, lr, loss in zip(*columns, strict=True):
                values = {LR: lr, "_timestamp": when, "_runtime": when - log.start, "_step": step, LOSS: loss}
                items = []
                for name, value in values.items():
                    texts = delimited(b"\x12", name.encode()) + delimited(b"\x82\x01", json.dumps(value).encode())
                    items.append(delimited(b"\x0a", texts))
                items.append(delimited(b"\x12", b"\x08" + varint(step) if step else b""))
                writer.add(b"\x08" + varint(step + 100) + delimited(b"\x12", b"".join(items)))
            # whole blocks, so that the place in the last one stays known
            full = len(writer.content) // writer.BLOCK * writer.BLOCK
            file.write(writer.content[:full])
            del writer.content[:full]
        file.write(writer.content)
    return path


def before_first_step(content: bytes) -> bytes:
    """Return the part of a short `.wandb` file that precedes the first values, without the end of the run."""
    position = 7
    while True:
        length, kind = struct.unpack_from("<HB", content, position + 4)
        record = content[position + 7 : position + 7 + length]
        # a record's number, then one field: 2 for values, 3 for their summary, 18 for the end of the run
        tag = record[2 if record[1] < 0x80 else 3 :][:2]
        if kind != WandbWriter.FULL or tag[0] in (0x12, 0x1A) or tag == b"\x92\x01":
            return content[:position]
        position += 7 + length
