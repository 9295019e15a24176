"""The lines below the settings: how busy the machine is."""

from __future__ import annotations

from rich.text import Text
from textual.widget import Widget

from lrtui.engine.machine_load import MachineLoad

GIGABYTE = 10**9
NAME_WIDTH = 10


def load_lines(load: MachineLoad) -> list[str]:
    """Return a line for CPU and memory, and one for the GPU if there is one."""
    lines = [_line("machine", "CPU", load.cpu, "RAM", load.memory, load.total_memory)]
    if load.gpu_memory is not None:
        lines.append(_line("", "GPU", load.gpu, "mem", load.gpu_memory, load.total_gpu_memory))
    return lines


def _line(name: str, unit: str, share: float | None, memory: str, used: int, total: int) -> str:
    load = f"{unit} {'?' if share is None else f'{share:.0f}'} %"
    # the parts don't move when a number gets longer
    return f"{name:<{NAME_WIDTH}}{load:<{len('CPU 100 %')}}  {memory} {_used(used, total)}"


def _used(used: int, total: int) -> str:
    digits = 1 if total < 100 * GIGABYTE else 0
    return f"{used / GIGABYTE:.{digits}f}/{total / GIGABYTE:.{digits}f} GB"


class MachineLine(Widget):
    """Shows the load of the machine; hidden while there is none to show."""

    DEFAULT_CSS = """
    MachineLine { height: auto; padding: 0 1; color: $foreground-muted; display: none; }
    MachineLine.-visible { display: block; }
    """

    _lines: list[str] = []

    def show(self, load: MachineLoad | None) -> None:
        """Show a sample, or nothing for None."""
        lines = load_lines(load) if load is not None else []
        if lines != self._lines:
            grown = len(lines) != len(self._lines)
            self._lines = lines
            self.set_class(bool(lines), "-visible")
            self.refresh(layout=grown)

    def render(self) -> Text:
        return Text("\n".join(self._lines), no_wrap=True)
