"""The lines below the settings: how busy the machine is."""

from __future__ import annotations

from rich.text import Text
from textual.widget import Widget

from lrtui.engine.machine_load import MachineLoad

GIGABYTE = 10**9
NAME_WIDTH = 10


def load_lines(load: MachineLoad) -> list[str]:
    """Return a line for CPU and memory, and one for the GPU if there is one."""
    lines = [f"{'machine':<{NAME_WIDTH}}CPU {load.cpu:3.0f} % RAM {_used(load.memory, load.total_memory)}"]
    if load.gpu_memory is not None:
        share = "  ? %" if load.gpu is None else f"{load.gpu:3.0f} %"
        lines.append(f"{'':<{NAME_WIDTH}}GPU {share} mem {_used(load.gpu_memory, load.total_gpu_memory)}")
    return lines


def _used(used: int, total: int) -> str:
    return f"{used / GIGABYTE:5.1f}/{total / GIGABYTE:.1f} GB"


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
