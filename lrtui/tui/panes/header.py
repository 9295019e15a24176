"""The lines at the top: the run on screen, its status, its progress and its latest figures."""

from __future__ import annotations

import math

from rich.text import Span, Text

from lrtui.actions import ACTIONS_BY_NAME
from lrtui.run.evaluations import ACCURACY, LOSS, metric_of
from lrtui.run.events import GLYPHS
from lrtui.run.spec import RunSpec, trained_lr
from lrtui.run.state import RunState
from lrtui.text.format import counted, cut, cut_start, duration, four_digits, printable, width_of
from lrtui.tui.panes.metrics import latest_loss
from lrtui.tui.panes.repaint import CachedStyles, changed_part
from lrtui.tui.run_list.source_runs import label_of, log_of, names_epochs
from lrtui.tui.view import Scene, waiting_for_logs

MIN_SCHEDULE_WIDTH = 24
"""Minimum width of the schedule, in columns; first the text after it is cut."""


def title_line(label: str, spec: RunSpec, state: RunState | None, width: int, log: str = "") -> Text:
    """Return the first line: number and settings on the left, status on the right; a long schedule is cut.

    Args:
        log: what is known of the log of a run that is known from it alone.
    """
    status = status_text(state)
    if spec.is_log:
        room = max(0, width - len(status) - len(" lrtui  ") - 3)
        kept = f" · {log}" if log and width_of(log) + 20 <= room else ""
        if spec.name and spec.name != label:
            label = f"{label} {spec.name}"
        # the end of a path tells it from others
        return _line_with_status(f"{cut_start(printable(label), room - width_of(kept))}{kept}", status, width)
    started = state.started if state else None
    schedule = state.schedule if state and state.schedule else spec.schedule
    before, after = f"{label} " if label else "", ""
    if width >= 100:
        device = started.device if started else spec.device
        precision = [spec.precision] if spec.precision != "fp32" else []
        if not started or started.settings_known or spec.is_attached:
            # of a task in the user's file only the name; the settings pane shows the path
            before += f"{spec.task.rpartition(':')[2]} · "
            optimizer = (state.as_trained(spec) if state else spec).optimizer
            if optimizer.startswith("task:"):
                # takes 20 ms to import, which the first frame must not wait for
                from lrtui.schedules.notation import parse_optimizer

                # the settings pane has their arguments
                made = parse_optimizer(optimizer)
                optimizer = " + ".join(part.name for _, part in made.parts) or made.name
            processes = started.processes if started else spec.nproc
            together = [counted(processes, "process")] if processes > 1 else []
            parts = [optimizer, *([device] if device else []), *together, *precision, f"seed {spec.seed}"]
            if started and spec.is_attached:
                # neither is known of the user's own script, and of one that is not attached not even the optimizer
                parts = parts[:-1] if started.parameter_count else []
            after = "".join(f" · {part}" for part in parts)
    room = width - len(status) - len(" lrtui  ") - 3
    schedule = cut(schedule, max(MIN_SCHEDULE_WIDTH, room - len(before) - len(after)))
    return _line_with_status(cut(f"{before}{schedule}{after}", max(0, room)), status, width)


def _line_with_status(left: str, status: str, width: int) -> Text:
    line = Text(no_wrap=True, end="")
    line.append(" lrtui  ", "bold")
    line.append(left)
    line.append(" " * max(1, width - line.cell_len - len(status) - 1))
    line.append(status, "bold")
    return line


def status_text(state: RunState | None) -> str:
    """Return the run's status as glyph and word; `testing` while it is evaluated."""
    if state is None:
        return "no run yet"
    if state.status == "running" and state.evaluating:
        return f"{GLYPHS['running']} testing"
    return f"{GLYPHS[state.status]} {state.status}"


def progress_line(spec: RunSpec, state: RunState | None, width: int, *, has_epochs: bool = True) -> Text:
    """Return the second line: epoch, a progress bar over the whole run, steps, and the remaining time.

    Args:
        has_epochs: whether the run itself counts epochs.
    """
    if state is None:
        hint = f" Press r to train {spec.length} of {spec.task}, s to choose another schedule."
        short_hint = f" Press r to train {spec.length}."
        return Text(hint if len(hint) <= width else short_hint[:width], no_wrap=True, end="")
    is_before_first_batch = state.step == state.first_step and state.status == "running"
    if state.started is None or state.status == "waiting" or is_before_first_batch:
        error = state.outcome.error if state.outcome else None
        ended = f" {error.splitlines()[0]}" if error else " The run ended before its first batch."
        status = f" waiting: {state.waiting_for} …" if state.is_live else ended
        return Text(cut(status, width), no_wrap=True, end="")
    # a log may have no times
    time = f" in {duration(state.elapsed)}" if state.elapsed or not spec.is_log else ""
    if not state.total_steps:
        # of unknown length
        epoch = f"epoch {state.epoch}   " if has_epochs else ""
        text = f" {epoch}{counted(state.step, 'step')}{time}"
        return Text(cut(text, width), no_wrap=True, end="")
    # a log can grow past the total that it announced
    share = min(1.0, state.step / state.total_steps)
    epoch = f" epoch {state.epoch}/{state.started.spec.epochs} "
    left = state.seconds_left
    time = f"ETA {duration(left)}" if left is not None and state.is_live else time.strip()
    steps = f"{state.step:,}/{state.total_steps:,}   " if width >= 100 else ""
    tail = f" {share * 100:3.0f} %   {steps}{time:<11} "
    room = max(4, width - len(epoch) - len(tail))
    done = share * room
    full = int(done)
    line = Text(epoch, no_wrap=True, end="")
    line.append("━" * full, "progress")
    half = done - full >= 0.5 and full < room
    line.append("╸" if half else "", "progress")
    line.append("─" * (room - full - half), "rest")
    line.append(tail)
    return line


def figures_line(scene: Scene, width: int) -> str:
    """Return the third line: lr, losses, and accuracy or the task's `best` with its change in the last epoch.

    Before a run, it is the finding.
    """
    run = scene.run
    if run is None:
        finding = scene.finding
        key = ACTIONS_BY_NAME["schedule"].key(scene.view.keys)
        if finding is None:
            return ""
        line = f" ! press {key} for another schedule: {finding.message}"
        if len(line) > width:
            line = f" ! {finding.short or finding.message}: press {key} for another schedule"
        return line if len(line) <= width else cut(line.removesuffix(" for another schedule"), width)
    state, parts = run.state, []
    if state.current_lrs and not (math.isnan(trained_lr(state.current_lrs)) and run.spec.is_attached):
        parts.append(f"lr {four_digits(trained_lr(state.current_lrs)):<9}")
    if (loss := latest_loss(scene, state)) is not None:
        # the same value as in the loss pane
        parts.append(f"train loss {four_digits(loss):<7}")
    tests = [result for result in state.evaluations if not result.averaged]
    if (loss := metric_of(state.last_test, LOSS)) is not None:
        parts.append(f"test loss {four_digits(loss):<7}")
    metric = state.objective.metric
    values = [value for test in tests if metric != LOSS and (value := metric_of(test, metric)) is not None]
    if values:
        difference = values[-1] - values[-2] if len(values) > 1 else math.nan
        change = f" {difference:+.4f}" if math.isfinite(difference) else ""
        latest = f"{values[-1]:.4f}" if metric == ACCURACY else four_digits(values[-1])
        parts.append(f"{printable(metric)} {latest}{change}")
    line = f" {'   '.join(parts)}"
    if len(line) > width:
        line = " " + "  ".join(parts).replace("train loss", "train").replace("test loss", "test").replace(
            "accuracy", "acc"
        )
    return cut(line.rstrip(), width) if parts else ""


class Header(CachedStyles):
    """The lines at the top of the cockpit; only what changes in them is repainted."""

    DEFAULT_CSS = """
    Header { height: 3; width: 1fr; color: $foreground; }
    Header > .header--progress { color: $accent; }
    Header > .header--finding { color: $warning; }
    Header > .header--rest { color: $foreground-disabled; }
    """

    COMPONENT_CLASSES = {"header--progress", "header--rest", "header--finding"}
    """
    | Class | Description |
    | :- | :- |
    | `header--progress` | The completed part of the bar. |
    | `header--rest` | The remaining part. |
    | `header--finding` | The finding on the next run's schedule. |
    """

    _shown: tuple[str, ...] = ()
    _lines: Text = Text()

    def show(self, scene: Scene) -> None:
        """Draw the run on screen, or the settings of the next run."""
        run = scene.run
        spec, state = (run.spec, run.state) if run else (scene.view.spec, None)
        width = self.size.width
        log = log_of(run) if run else None
        about_log = f"{log.format} log, read-only" if log else ""
        progress = progress_line(spec, state, width, has_epochs=run is None or names_epochs(run))
        if run is None and scene.view.watched:
            progress = Text(cut(f" {waiting_for_logs(scene.view)}", width), no_wrap=True, end="")
        lines = [title_line(label_of(run) if run else "", spec, state, width, about_log), progress]
        style = "bold" if run else "finding"
        lines.append(Text(figures_line(scene, width), no_wrap=True, end="", spans=[Span(0, width, style)]))
        before, plain = self._shown, tuple(line.plain for line in lines)
        if plain == before:
            return
        self._shown = plain
        names = ("progress", "rest", "finding")
        styles = {name: self.component_style(f"header--{name}") for name in names}
        for span_line in lines:
            span_line.spans = [span._replace(style=styles.get(str(span.style), span.style)) for span in span_line.spans]
        self._lines = Text("\n").join(lines)
        changed = [line for line, text in enumerate(plain) if not before or text != before[line]]
        parts = [changed_part(before[line], plain[line], line) if before else [] for line in changed]
        # one region for each line, or the whole header
        self.refresh(*([region for part in parts for region in part] if all(parts) else []))

    def notify_style_update(self) -> None:
        """Draw in the colours of the new theme."""
        super().notify_style_update()
        self._shown = ()

    def render(self) -> Text:
        return self._lines
