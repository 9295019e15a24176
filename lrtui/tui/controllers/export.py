"""A chart saved as files: as a picture, as text, and its numbers."""

from __future__ import annotations

import io
import re
from pathlib import Path

from rich.console import Console
from rich.segment import Segment, Segments

from lrtui.plotting.chart_table import chart_csv
from lrtui.tui.panes.chart_pane import ChartPane
from lrtui.tui.panes.chart_view import ChartView
from lrtui.tui.view import Scene


def export(pane: ChartPane, scene: Scene, folder: Path | None = None) -> str:
    """Save the pane's chart as SVG, text and CSV, and say where; or say why that cannot be.

    Args:
        folder: where to; the working directory where none is given.
    """
    view = pane.query_one(ChartView)
    if view.chart is None or not pane.columns:
        return "nothing is drawn yet"
    name = f"run {scene.run.number}" if scene.run else "next run"
    title = f"lrtui {name}: {pane.title}"
    contents = {
        ".svg": chart_svg(view, title),
        ".txt": f"{title}\n{view.text()}",
        ".csv": chart_csv(view.chart, pane.columns),
    }
    try:
        folder = folder or Path.cwd()
        stem = free_stem(folder, f"lrtui {name} {pane.id}", tuple(contents))
        for ending, text in contents.items():
            # files of others are never written over, not even those that came between
            with (folder / f"{stem}{ending}").open("x", encoding="utf-8", newline="") as file:
                file.write(text)
    except OSError as error:
        return f"not saved: {error.strerror or error}: {error.filename or folder or 'the working directory'}"
    return f"saved {stem}.svg, .txt and .csv in {folder}"


def free_stem(folder: Path, words: str, endings: tuple[str, ...]) -> str:
    """Return a file name without ending that no file there has yet, with a number behind it where need be."""
    stem = re.sub(r"[^A-Za-z0-9_.]+", "-", words).strip("-.")
    for number in range(1, 10_000):
        name = stem if number == 1 else f"{stem}-{number}"
        if not any((folder / f"{name}{ending}").exists() for ending in endings):
            return name
    return stem


def chart_svg(view: ChartView, title: str) -> str:
    """Return the chart as a picture, in the colours that it has on screen."""
    rows = view.segments()
    console = Console(
        record=True, width=max(1, view.size.width), height=len(rows), file=io.StringIO(), force_terminal=True,
        color_system="truecolor", legacy_windows=False, no_color=False,
    )  # fmt: skip
    for row in rows:
        console.print(Segments([*row, Segment.line()]), end="")
    # named, so that the same chart gives the same file
    return console.export_svg(title=title, unique_id="lrtui")
