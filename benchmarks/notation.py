"""Measures how long the parser takes to refuse hostile input, beside Python's own parser on the same text.

    python benchmarks/notation.py [--times 5]

Prints, for each kind of input, the median and the maximum over all cases, each case being a median of several runs, the
ratio to `ast.parse`, and the number of cases that take more than 50 ms; then the slowest cases. The cases are those of
the tests, tests/schedules/hostile.py. torch is not imported.
"""

from __future__ import annotations

import argparse
import ast
import statistics
import sys
import time
import warnings
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "schedules"))

import hostile

from lrtui.run.errors import UsageError
from lrtui.run.spec import RunSpec, read_option
from lrtui.schedules.notation import parse_optimizer, parse_schedule
from lrtui.schedules.script import read_script

LIMIT = 0.05
"""Seconds."""

SETTINGS = {item.name.replace("_", "-"): item for item in fields(RunSpec)}


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds of one case, and of Python's parser with the same text."""

    case: hostile.Case
    seconds: float
    python: float


def parse_at(text: str) -> None:
    """Read a script of one line."""
    read_script([text], 10)


def parser_of(case: hostile.Case) -> Callable[[str], Any] | None:
    """Return the parser of such text without the command line around it, or None."""

    def read_setting(text: str) -> None:
        item = SETTINGS[case.option]
        RunSpec(**{item.name: read_option(item, text)})

    if case.kind == "option":
        return read_setting if case.option in SETTINGS else None
    return {"schedule": parse_schedule, "optimizer": parse_optimizer, "at": parse_at}.get(case.kind)


def seconds(parse: Callable[[str], Any], text: str, times: int) -> float:
    """Return the median seconds to parse the text or refuse it."""
    found = []
    for _ in range(times):
        start = time.perf_counter()
        with suppress(UsageError, SyntaxError, ValueError, MemoryError, RecursionError):
            parse(text)
        found.append(time.perf_counter() - start)
    return statistics.median(found)


def python_parse(text: str) -> ast.expr:
    """Parse the text with Python's parser."""
    return ast.parse(text.strip(), mode="eval").body


def print_row(name: str, timings: list[Timing]) -> None:
    """Print one row of the table."""
    taken = [timing.seconds * 1000 for timing in timings]
    python = [timing.python * 1000 for timing in timings]
    ratio = statistics.median(timing.seconds / timing.python for timing in timings)
    over = sum(timing.seconds > LIMIT for timing in timings)
    print(
        f"{name:<10} {len(timings):>6,} {statistics.median(taken):>9.3f} {max(taken):>9.1f}"
        f" {statistics.median(python):>12.3f} {max(python):>9.1f} {ratio:>8.2f} {over:>8}"
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=5)
    options = parser.parse_args()
    # Python's parser warns about suspicious code on standard error
    warnings.simplefilter("ignore")
    timings: dict[str, list[Timing]] = {}
    for case in hostile.cases():
        if parse := parser_of(case):
            taken = Timing(
                case, seconds(parse, case.text, options.times), seconds(python_parse, case.text, options.times)
            )
            timings.setdefault(case.kind, []).append(taken)
    print("in ms            parse_*, RunSpec               ast.parse    median  cases over")
    print(f"{'':<10} {'cases':>6} {'median':>9} {'maximum':>9} {'median':>12} {'maximum':>9} {'ratio':>8} {'50 ms':>8}")
    for kind, found in timings.items():
        print_row(kind, found)
    together = [timing for found in timings.values() for timing in found]
    print_row("all", together)
    print("\nthe slowest:")
    for timing in sorted(together, key=lambda timing: timing.seconds, reverse=True)[:8]:
        text = timing.case.text
        shown = ascii(text if len(text) <= 60 else text[:60])[1:-1]
        ratio = timing.seconds / timing.python
        print(f"{timing.seconds * 1000:>8.1f} ms, {ratio:>5.1f} times ast.parse: {len(text):>7,} characters, {shown}")
    print(f"\ntorch imported: {'torch' in sys.modules}")


if __name__ == "__main__":
    main()
