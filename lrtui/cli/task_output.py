"""Keeps what a task prints out of standard output, which is for data."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from typing import TextIO


@contextmanager
def task_output_on_stderr() -> Iterator[TextIO]:
    """Redirect standard output to standard error within the block, also that of native code and child processes.

    Yields:
        A file that writes to standard output itself.
    """
    out = sys.stdout
    with redirect_stdout(sys.stderr):
        if not _is_descriptor_1(out):
            yield out
            return
        out.flush()
        copy = os.dup(1)
        try:
            # there may be no standard error
            with suppress(OSError):
                os.dup2(2, 1)
            file = open(copy, "w", encoding=out.encoding, errors=out.errors, closefd=False)  # noqa: SIM115
            try:
                yield file
            finally:
                # output that can't be written was reported where it was printed
                with suppress(OSError):
                    file.close()
        finally:
            os.dup2(copy, 1)
            os.close(copy)


def _is_descriptor_1(stream: TextIO | None) -> bool:
    try:
        return stream is not None and stream.fileno() == 1
    except OSError:
        # a stream in memory
        return False
