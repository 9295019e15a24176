"""Writes `.wandb` files with any records, also those that wandb never writes."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Iterable, Mapping
from typing import Any

HEADER = b":W&B\xe1\xbe\x00"
BLOCK = 32_768


def varint(value: int) -> bytes:
    """Return a number in the protobuf wire format."""
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def message(number: int, content: bytes) -> bytes:
    """Return a field that is a message, a text or bytes."""
    return varint(number << 3 | 2) + varint(len(content)) + content


def item(name: str | tuple[str, ...], value: Any) -> bytes:
    """Return an item; a tuple names a value in a mapping."""
    keys = message(1, name.encode()) if isinstance(name, str) else b"".join(message(2, key.encode()) for key in name)
    text = value if isinstance(value, bytes) else json.dumps(value).encode()
    return message(1, keys + message(16, text))


def history(step: int | None = None, **values: Any) -> bytes:
    """Return a record of one call of `log`; "__" in a name stands for "/"."""
    return history_of({name.replace("__", "/"): value for name, value in values.items()}, step)


def history_of(values: Mapping[str | tuple[str, ...], Any], step: int | None = None) -> bytes:
    """Return a record of one call of `log`."""
    steps = {} if step is None else {"_step": step, "_timestamp": 1.5e9 + step}
    return message(2, b"".join(item(name, value) for name, value in ({**values, **steps}).items()))


def metric(step_name: str, name: str = "*") -> bytes:
    """Return a record of a call of `define_metric`."""
    return message(12, message(2, name.encode()) + message(4, step_name.encode()))


def run(name: str, **config: Any) -> bytes:
    """Return the record of a run."""
    update = b"".join(item(key, value) for key, value in config.items())
    return message(17, message(1, b"id") + message(4, update) + message(8, name.encode()))


EXIT = message(18, b"\x08\x00")


def chunk(kind: int, content: bytes) -> bytes:
    """Return a part of a record with its checksum."""
    return struct.pack("<IHB", zlib.crc32(bytes([kind]) + content), len(content), kind) + content


def framed(records: Iterable[bytes]) -> bytes:
    """Return a file with these records."""
    out = bytearray(HEADER)
    for record in records:
        is_first, rest = True, record
        while True:
            left = BLOCK - len(out) % BLOCK
            if left < 7:
                out += bytes(left)
                continue
            part, rest = rest[: left - 7], rest[left - 7 :]
            out += chunk((1 if is_first else 4) if not rest else (2 if is_first else 3), part)
            if not rest:
                break
            is_first = False
    return bytes(out)
