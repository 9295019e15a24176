"""The messages between the process that a run was started from and its worker: JSON, and columns of numbers.

Nothing is pickled: a message can do nothing in the process that decodes it.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

_LENGTH = struct.Struct("<I")

_TYPES = ("<i8", "<f8", "|u1")
"""The types of columns: whole numbers, numbers, bytes."""


class MessageError(ValueError):
    """Bytes that are no message."""


@dataclass(frozen=True, slots=True)
class Message:
    """A message.

    Args:
        kind: what it is about.
        body: JSON values, numbers that are not finite included.
        columns: arrays of whole numbers, numbers or bytes, of one dimension.
        size: number of bytes that it was decoded from, which the columns keep in memory; 0 if it was made here.
    """

    kind: str
    body: Mapping[str, Any] = field(default_factory=dict)
    columns: tuple[NDArray[Any], ...] = ()
    size: int = field(default=0, compare=False)

    def to_bytes(self) -> bytes:
        """Return the message as bytes."""
        columns = [column.astype(column.dtype.newbyteorder("<"), copy=False) for column in self.columns]
        sizes = [(column.dtype.str, len(column)) for column in columns]
        text = json.dumps([self.kind, self.body, sizes], separators=(",", ":")).encode()
        return b"".join([_LENGTH.pack(len(text)), text, *(column.tobytes() for column in columns)])

    @classmethod
    def of_bytes(cls, data: bytes) -> Message:
        """Return the message that `to_bytes` made the bytes from.

        Raises:
            MessageError: if they are no message.
        """
        try:
            (length,) = _LENGTH.unpack_from(data)
            offset = _LENGTH.size + length
            kind, body, sizes = json.loads(data[_LENGTH.size : offset])
            columns = []
            for type_name, size in sizes:
                if type_name not in _TYPES:
                    raise MessageError(f"a column of type {type_name!r:.20}")
                columns.append(np.frombuffer(data, type_name, size, offset))
                offset += columns[-1].nbytes
        except MessageError:
            raise
        except (struct.error, ValueError, TypeError) as error:
            raise MessageError(f"not a message: {error}") from None
        if not isinstance(kind, str) or not isinstance(body, dict) or offset != len(data):
            raise MessageError("not a message")
        return cls(kind, body, tuple(columns), len(data))
