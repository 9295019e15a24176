"""The IDX format of the MNIST family: a header of sizes, then bytes.

Source: Y. LeCun, C. Cortes, C. Burges, "The MNIST database", section "The IDX file format".
"""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lrtui.run.errors import DataError
from lrtui.text.format import counted

UNSIGNED_BYTE = 0x08


def read_idx(path: Path) -> NDArray[np.uint8]:
    """Return the array of a gzipped IDX file of bytes.

    Verifies gzip's checksum and length, and the sizes in the header.

    Raises:
        DataError: for a truncated or corrupt file; names it and what is wrong.
    """
    try:
        content = gzip.decompress(path.read_bytes())
    except FileNotFoundError:
        raise DataError(f"{path} is missing") from None
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DataError(f"{path} is truncated or corrupt: {error}") from None
    except OSError as error:
        raise DataError(f"{path} can't be read: {error.strerror}") from None
    if len(content) < 4 or content[:2] != b"\0\0" or content[2] != UNSIGNED_BYTE:
        raise DataError(f"{path} is not an IDX file of bytes")
    dimensions = content[3]
    start = 4 + 4 * dimensions
    if len(content) < start:
        raise DataError(f"{path} ends within its header")
    shape = struct.unpack(f">{dimensions}I", content[4:start])
    if len(content) - start != math.prod(shape):
        raise DataError(
            f"{path} has {counted(len(content) - start, 'byte')} of data where its header says {math.prod(shape):,}"
        )
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)


def write_idx(path: Path, array: NDArray[np.uint8]) -> None:
    """Write the array as a gzipped IDX file, the same bytes for the same array."""
    header = struct.pack(f">BBBB{array.ndim}I", 0, 0, UNSIGNED_BYTE, array.ndim, *array.shape)
    path.write_bytes(gzip.compress(header + array.tobytes(), compresslevel=9, mtime=0))
