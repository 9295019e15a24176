"""Keys that save a chart to files and copy a schedule as PyTorch code."""

from __future__ import annotations

import io
import re
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.segment import Segment, Segments

from lrtui.attached.snippets import SNIPPETS
from lrtui.plotting.chart_table import chart_csv
from lrtui.run.errors import LrtuiError
from lrtui.run.spec import RunSpec
from lrtui.run.state import RunState
from lrtui.tasks.registry import expected_batches_per_epoch
from lrtui.tui.panes.chart_pane import ChartPane
from lrtui.tui.panes.chart_view import ChartView
from lrtui.tui.run_list.source_runs import ShownRun, key_of
from lrtui.tui.view import Scene, preview_batches_per_epoch

if TYPE_CHECKING:
    from lrtui.tui.screens.cockpit import CockpitScreen


class ExportController:
    """Saves charts and shows code.

    Args:
        cockpit: the main screen.
    """

    def __init__(self, cockpit: CockpitScreen) -> None:
        self._cockpit = cockpit

    def save_chart(self) -> None:
        pane = self._cockpit.focused_chart
        if pane is not None:
            self._cockpit.say(save_chart(pane, self._cockpit.scene))

    def copy_code(self) -> None:
        """Show the code of the run on screen, or of the next run."""
        from lrtui.tui.screens.code import CodeScreen

        run, spec = self._cockpit.scene.run, self._cockpit.view.spec
        if run is None or run.state.started is None:
            screen = CodeScreen("Code of the next run", lambda: _code_of_next_run(spec), partial(save_code, "next run"))
        else:
            # the UI thread changes the state while the code is written in another thread
            shown, state = run, _copy(run.state)
            title, write = f"run {key_of(run)}", _code_of_script if run.spec.is_attached else _code_of_run
            screen = CodeScreen(f"Code of {title}", lambda: write(shown, state), partial(save_code, title))
        self._cockpit.app.push_screen(screen)


# -- charts -----------------------------------------------------------------------------------------------------------


def save_chart(pane: ChartPane, scene: Scene, folder: Path | None = None) -> str:
    """Save the pane's chart as SVG, text and CSV; return where, or why it can't be saved.

    Args:
        folder: where the files go; the working directory by default.
    """
    view = pane.query_one(ChartView)
    if view.chart is None or not pane.columns:
        return "there is nothing to save yet"
    name = f"run {key_of(scene.run)}" if scene.run else "next run"
    title = f"lrtui {name}: {pane.title}"
    contents = {
        ".svg": chart_svg(view, title),
        ".txt": f"{title}\n{view.text()}",
        ".csv": chart_csv(view.chart, pane.columns),
    }
    try:
        folder = folder or Path.cwd()
        stem = free_stem(folder, f"lrtui {name} {pane.id}", tuple(contents))
        for suffix, text in contents.items():
            # mode x: an existing file is never overwritten, even if it appeared a moment ago
            with (folder / f"{stem}{suffix}").open("x", encoding="utf-8", newline="") as file:
                file.write(text)
    except OSError as error:
        return f"not saved: {error.strerror or error}: {error.filename or folder or 'the working directory'}"
    return f"saved {stem}.svg, .txt and .csv in {folder}"


def free_stem(folder: Path, title: str, suffixes: tuple[str, ...]) -> str:
    """Return a file name without suffix that is not in use in the folder, numbered if necessary."""
    stem = re.sub(r"[^A-Za-z0-9_.]+", "-", title).strip("-.")
    for number in range(1, 10_000):
        name = stem if number == 1 else f"{stem}-{number}"
        if not any((folder / f"{name}{suffix}").exists() for suffix in suffixes):
            return name
    return stem


def chart_svg(view: ChartView, title: str) -> str:
    """Return the chart as an SVG image, in its colours on screen."""
    rows = view.segments()
    console = Console(
        record=True, width=max(1, view.size.width), height=len(rows), file=io.StringIO(), force_terminal=True,
        color_system="truecolor", legacy_windows=False, no_color=False,
    )  # fmt: skip
    for row in rows:
        console.print(Segments([*row, Segment.line()]), end="")
    # a fixed id, so that equal charts give equal files
    return console.export_svg(title=title, unique_id="lrtui")


# -- code -------------------------------------------------------------------------------------------------------------


def _code_of_next_run(spec: RunSpec) -> str:
    from lrtui.engine.run_code import code_of_spec

    is_known = expected_batches_per_epoch(spec) is not None
    notes = (
        ()
        if is_known
        else (f"The batches per epoch of {spec.task} are known only once a run has started: fill them in below.",)
    )
    return code_of_spec(spec, preview_batches_per_epoch(spec), notes=notes)


def _code_of_run(run: ShownRun, state: RunState) -> str:
    from lrtui.engine.run_code import code_of_run
    from lrtui.store.connection import open_for_reading
    from lrtui.store.store_feed import ancestors

    key = key_of(run)
    title = f"run {key}"
    if not state.first_step or run.store_folder is None or not isinstance(key, int):
        return code_of_run(title, state)
    with closing(open_for_reading(run.store_folder)) as connection:
        return code_of_run(title, state, ancestors(connection, key))


def _code_of_script(run: ShownRun, state: RunState) -> str:
    """Return the code of a script's run, if its schedule has one, and how a script is attached."""
    try:
        code = _code_of_run(run, state)
    except LrtuiError as error:
        code = f"# {error}\n"
    lines = "".join(f"# {line}".rstrip() + "\n" for line in SNIPPETS["plain"].splitlines())
    return f"{code}\n# These lines attach a script; lrtui attach-snippet has those for frameworks as well:\n#\n{lines}"


def save_code(title: str, code: str, folder: Path | None = None) -> str:
    """Save code to a Python file; return where, or why it can't be saved.

    Args:
        folder: where the file goes; the working directory by default.
    """
    folder = folder or Path.cwd()
    stem = re.sub(r"[^A-Za-z0-9_.]+", "-", f"lrtui {title}").strip("-.")
    try:
        for path in (folder / f"{stem}.py", *(folder / f"{stem}-{number}.py" for number in range(2, 10_000))):
            if path.exists():
                if path.is_file() and path.read_text(encoding="utf-8", errors="replace") == code:
                    return f"saved as {path.name}"
                continue
            with path.open("x", encoding="utf-8") as file:
                file.write(code)
            return f"saved as {path.name}"
    except OSError as error:
        return f"not saved: {error.strerror or error}"
    return f"not saved: {folder} has too many such files"


def _copy(state: RunState) -> RunState:
    return replace(
        state,
        changes=list(state.changes),
        commands=list(state.commands),
        evaluations=list(state.evaluations),
        epochs=list(state.epochs),
    )
