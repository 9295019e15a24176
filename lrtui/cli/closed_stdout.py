"""Standard output and error where whoever reads them has gone, or their disk is full."""

from __future__ import annotations

import os
from typing import TextIO


def give_up(stream: TextIO) -> None:
    """Let what is still buffered go nowhere, or the interpreter's own last flush fails of it, with exit status 120."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
