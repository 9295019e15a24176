"""Other programs that show or read logs, each in a virtual environment of its own; `watch.py` measures them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

from terminal import Screen

EVENT_ACCUMULATOR = """
import sys
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from pathlib import Path
for folder in sorted({path.parent for path in Path(sys.argv[1]).rglob("*tfevents*")}):
    accumulator = EventAccumulator(str(folder), size_guidance={"scalars": 0})
    accumulator.Reload()
    print(sum(len(accumulator.Scalars(tag)) for tag in accumulator.Tags()["scalars"]))
"""

TBPARSE = """
import sys
from tbparse import SummaryReader
print(len(SummaryReader(sys.argv[1]).scalars))
"""

START_WANDB = """
import sys, wandb
settings = wandb.Settings(silent=True, x_disable_stats=True, x_disable_meta=True, console="off")
run = wandb.init(project="benchmark", mode="offline", dir=sys.argv[1], settings=settings)
run.log({"loss": 1.0})
run.finish()
"""


class Measured(NamedTuple):
    """What was measured of one program.

    Args:
        seconds: from the command until the whole log is on the screen, or is read; None if it took too long.
        paint: from the command until something is on the screen; None for a program without a screen.
        memory: the most resident memory, in MB.
    """

    seconds: float | None
    paint: float | None
    memory: float


@dataclass(frozen=True)
class Other:
    """Another program.

    Args:
        name: name in the table.
        environment: name of its virtual environment.
        packages: what pip installs into it.
        reads: which of the logs it reads.
        command: its command after the folder of its programs, without the log.
        script: Python code that reads the log given as its argument and prints the points, instead of a command.
        last_label: the label of an axis that is there only when the last part has been read; "" if the x axis is
            labelled with the last step.
    """

    name: str
    environment: str
    packages: tuple[str, ...]
    reads: Literal["events", "csv", "wandb"]
    command: tuple[str, ...] = ()
    script: str = ""
    last_label: str = ""


OTHERS = (
    # plotext 6 has no clear_figure, which both of the first two call
    Other("terminalboard", "terminalboard", ("terminalboard", "plotext<6"), "events", ("terminalboard",)),
    Other("lightning-metrics-tui", "ltui", ("lightning-metrics-tui", "plotext<6"), "csv", ("ltui",)),
    # the y axis of wandb leet ends a tenth above the highest spike
    Other("wandb leet", "wandb", ("wandb",), "wandb", ("wandb", "leet"), last_label="107│"),
    Other("EventAccumulator", "tensorboard", ("tensorboard",), "events", script=EVENT_ACCUMULATOR),
    Other("tbparse", "tbparse", ("tbparse",), "events", script=TBPARSE),
)


class Environments:
    """The virtual environments, one for each program, in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def programs(self, other: Other) -> Path:
        """Return the folder of the programs of its environment."""
        return self.folder / other.environment / "bin"

    def install(self, other: Other) -> None:
        """Create its environment; one that exists is kept."""
        if self.is_installed(other):
            return
        target = self.folder / other.environment
        print(f"installing {' '.join(other.packages)} into {target}", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", str(target)], check=True)
        pip = [str(target / "bin" / "python"), "-m", "pip", "install", "--quiet", *other.packages]
        if subprocess.run(pip, check=False).returncode == 0:
            self._mark(other).touch()

    def is_installed(self, other: Other) -> bool:
        """Return whether all its packages were installed."""
        return self._mark(other).exists()

    def _mark(self, other: Other) -> Path:
        return self.folder / other.environment / ".installed"

    def version(self, other: Other) -> str:
        """Return the version of its first package."""
        code = f"from importlib.metadata import version; print(version({other.packages[0]!r}))"
        python = self.programs(other) / "python"
        return subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout.strip()

    def start_wandb(self, folder: Path) -> Path | None:
        """Let wandb write a run of one step; return its file, or None if wandb is not installed."""
        wandb = next(other for other in OTHERS if other.reads == "wandb")
        if not self.is_installed(wandb):
            return None
        folder.mkdir(parents=True)
        subprocess.run([self.programs(wandb) / "python", "-c", START_WANDB, str(folder)], check=True, env=quiet(folder))
        return next(folder.glob("wandb/offline-run-*/*.wandb"))


def quiet(home: Path) -> dict[str, str]:
    """Return environment variables with another home, in which programs may keep their state."""
    return {**os.environ, "HOME": str(home), "XDG_CONFIG_HOME": str(home), "XDG_CACHE_HOME": str(home)}


NUMBER = re.compile(r"(?<![\w.])(\d[\d,]*(?:\.\d+)?)([kM]?)(?![\w.])")
FACTORS = {"": 1.0, "k": 1e3, "M": 1e6}


def numbers(row: str) -> list[float]:
    """Return the numbers in a row of a screen, such as the labels of an axis."""
    return [float(digits.replace(",", "")) * FACTORS[unit] for digits, unit in NUMBER.findall(row)]


def has_axis_to(rows: Sequence[str], last: float) -> bool:
    """Return whether an axis is labelled up to the last value, or nearly."""
    return any(len(found := numbers(row)) >= 3 and 0.98 * last <= max(found) <= 1.05 * last for row in rows)


def curve_columns(rows: Sequence[str]) -> int:
    """Return the number of columns next to each other in which a curve of Braille dots is drawn, at most."""
    longest = here = 0
    # a row with a wide character has one fewer
    for column in zip(*rows, strict=False):
        here = here + 1 if any("⠀" < character <= "⣿" for character in column) else 0
        longest = max(longest, here)
    return longest


def shows_whole_curve(other: Other, last: float) -> Callable[[Sequence[str]], bool]:
    """Return the condition that a curve is drawn up to the last step."""

    def is_there(rows: Sequence[str]) -> bool:
        label = other.last_label
        return (any(label in row for row in rows) if label else has_axis_to(rows, last)) and curve_columns(rows) >= 25

    return is_there


def measure(other: Other, environments: Environments, log: Path, last: float, home: Path, limit: float) -> Measured:
    """Return how long the program takes until the whole log is on its screen, or is read."""
    home.mkdir(exist_ok=True)
    if other.script:
        return measure_script([str(environments.programs(other) / "python"), "-c", other.script, str(log)], home, limit)
    program, *rest = other.command
    screen = Screen([str(environments.programs(other) / program), *rest, str(log)], environment=quiet(home))
    paint = screen.wait(lambda rows: sum(bool(row.strip()) for row in rows) >= 2, limit)
    whole = screen.wait(shows_whole_curve(other, last), limit)
    memory = screen.memory().peak
    screen.kill()
    return Measured(whole and whole - screen.start, paint and paint - screen.start, memory)


def measure_script(command: list[str], home: Path, limit: float) -> Measured:
    """Return how long a script takes, its start and imports included."""
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=quiet(home))
    while True:
        pid, status, usage = os.wait4(process.pid, os.WNOHANG)
        taken = time.perf_counter() - start
        if pid:
            process.returncode = os.waitstatus_to_exitcode(status)
            if process.returncode:
                raise RuntimeError(f"{' '.join(command[:1])} exited with {process.returncode}")
            return Measured(taken, None, usage.ru_maxrss * 1024 / 1e6)
        if taken > limit:
            process.kill()
            _, _, usage = os.wait4(process.pid, 0)
            process.returncode = -9
            return Measured(None, None, usage.ru_maxrss * 1024 / 1e6)
        time.sleep(0.01)
