"""Runs as the lines of a list, in columns that fit the width."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, get_args

from rich.style import Style
from rich.text import Text

from lrtui.run.evaluations import ACCURACY, LOSS, Objective, is_finite, metric_of
from lrtui.run.events import GLYPHS
from lrtui.run.source import RunId, RunSummary
from lrtui.run.spec import RunSpec
from lrtui.text.format import cut, cut_start, duration, figure, printable, width_of
from lrtui.tui.run_list.source_runs import ShownRun

if TYPE_CHECKING:
    from lrtui.tui.view import Scene

Order = Literal["newest", "best", "name"]

ORDERS: tuple[Order, ...] = get_args(Order)
"""The sort orders, through which the key cycles."""

STATUS_WIDTH, TIME_WIDTH = 76, 50
"""Minimum width, in columns, at which the status word and the time are shown."""

MIN_SCHEDULE_WIDTH = 12
"""Minimum width, in columns, of the schedule; the progress column is left out to keep it."""

MIN_CURVE_WIDTH, MAX_CURVE_WIDTH = 5, 10
"""Width, in columns, of the curve of the lr."""

LONG_NAME = 14
"""A curve is drawn only if names of up to this many columns stay whole beside it."""

LONGEST_STATUS = max(map(len, GLYPHS))

MAX_METRICS_NAMED = 3
"""Number of metrics from which on the title of the column with the best values names none."""

MAX_LABEL = 16
"""Maximum width, in columns, of a run's label."""


def summary_of(run: ShownRun, recorded: RunSummary | None = None) -> RunSummary:
    """Return the summary of a run that this process trains.

    Args:
        recorded: the store's summary, which also has values that only the store knows, such as the run's name.
    """
    state = run.state
    started, best, last = state.started, state.best, state.last_test
    tests = [result for result in state.evaluations if not result.averaged]
    best_accuracy, best_loss = Objective(ACCURACY, True).best(tests), Objective(LOSS, False).best(tests)
    spec = started.spec if started else run.spec
    before = recorded or RunSummary(id=RunId("", run.number), name=run.spec.name, created=time.time())
    epochs_done = state.step // started.batches_per_epoch if started else 0
    summary = replace(
        before,
        state=state.status,
        spec=spec,
        schedule=state.schedule or run.spec.schedule,
        epochs_done=epochs_done,
        epochs=0 if spec.epochs_follow else spec.epochs,
        step=state.step,
        seconds=state.elapsed,
        best_accuracy=best_accuracy.accuracy if best_accuracy else None,
        best_loss=best_loss.loss if best_loss and best_accuracy is None else None,
        best_metric=started.best if started else None,
        best_mode=started.mode if started else None,
        best_value=metric_of(best, started.best) if started and started.best else None,
        read_only="",
    )
    columns = {
        **before.columns,
        **{item.name: getattr(spec, item.name) for item in fields(RunSpec)},
        **{name: getattr(summary, name) for name in _COLUMNS},
        "id": run.number,
        "device": started.device if started else spec.device,
        "total_steps": started.total_steps if started else None,
        "first_step": state.first_step,
        "best_epoch": best.epoch if best else None,
        "best_value": summary.best_value if summary.best_metric else summary.best_accuracy,
        "accuracy": last.accuracy if last else None,
        "test_loss": last.loss if last else None,
        "loss": state.last_loss if len(state.loss) else None,
        "lr": state.current_lrs[0] if state.current_lrs else None,
        "error": state.outcome.error if state.outcome else None,
    }
    return replace(summary, columns=columns)


_COLUMNS = (
    "name",
    "state",
    "schedule",
    "epochs",
    "epochs_done",
    "step",
    "seconds",
    "best_accuracy",
    "best_metric",
    "best_mode",
    "created",
)
"""Columns that are fields of the summary."""


def listed_runs(scene: Scene) -> dict[int, RunSummary]:
    """Return the summaries of all runs by number; those of this process's runs are current."""
    recorded = scene.source_runs.summaries
    return {**recorded, **{run.number: summary_of(run, recorded.get(run.number)) for run in scene.session.runs}}


def layout_facts(run: RunSummary) -> tuple[object, ...]:
    """Return what the order of the runs and the widths of the columns depend on."""
    return (
        *(run.id, run.name, run.created, run.schedule, run.spec, run.log is None, run.epochs_done, run.epochs),
        *(run.best_accuracy, run.best_loss, run.best_metric, run.best_mode, run.best_value),
    )


def sorted_runs(runs: Mapping[int, RunSummary], order: Order) -> dict[int, RunSummary]:
    """Return the runs in this order, the newer of two equal ones first."""
    # the runs of a race stay together, where the race's newest run belongs
    newest: dict[tuple[str, int], float] = {}
    for run in runs.values():
        group = (run.id.source, run.race)
        newest[group] = max(newest.get(group, 0.0), run.created)

    def age(row: tuple[int, RunSummary]) -> tuple[float, ...]:
        number, run = row
        of_group = newest[run.id.source, run.race] if run.race else run.created
        return -of_group, -run.race, -run.created, -number

    rows = sorted(runs.items(), key=age)
    match order:
        case "best":
            rows.sort(key=lambda row: _merit(row[1]))
        case "name":
            rows.sort(key=lambda row: (row[1].name or row[1].schedule).lower())
    return dict(rows)


def _merit(run: RunSummary) -> tuple[int, str, float]:
    """Return a key that sorts the best first: accuracies, then metrics that tasks name, then losses, then the rest."""
    best, metric = run.best, _best_metric(run)
    if not is_finite(best):
        return 3, "", 0.0
    return {ACCURACY: 0, LOSS: 2}.get(metric, 1), metric, Objective(metric, _is_high(run)).order(best)


def _best_metric(run: RunSummary) -> str:
    """Return the name of the metric that the run's best value is of."""
    return run.best_metric or (ACCURACY if run.best_accuracy is not None else LOSS)


def _is_high(run: RunSummary) -> bool:
    return run.best_mode == "max" if run.best_metric is not None else run.best_accuracy is not None


@dataclass(frozen=True, slots=True)
class ColumnWidths:
    """The widths of the columns; 0 for one that is left out."""

    label: int
    status: int
    schedule: int
    curve: int
    progress: int
    best: int
    time: int


def _label(run: RunSummary) -> str:
    return cut(printable(str(run.id)), MAX_LABEL)


def _shown_name(run: RunSummary) -> str:
    """Return the run's name; of a race's run, whose name contains its schedule, only race and seed."""
    if not run.race or run.spec is None:
        return printable(run.name or "")
    return f"race {run.race} s{run.spec.seed}"


def _progress(run: RunSummary) -> str:
    return f"{run.epochs_done}/{run.epochs}" if run.epochs else ""


def _best(run: RunSummary) -> str:
    return "" if run.best is None else figure(run.best)


def _name(run: RunSummary, schedule: str) -> str:
    """Return the run's name and its schedule."""
    return printable(" · ".join(part for part in (_shown_name(run), schedule) if part))


def column_widths(
    runs: Sequence[RunSummary],
    width: int,
    schedules: Mapping[str, str] = MappingProxyType({}),
    logs: Mapping[RunId, str] = MappingProxyType({}),
    *,
    curves: bool = False,
) -> ColumnWidths:
    """Return the widths that all the lines share.

    Args:
        width: width of a line.
        schedules: the schedules in short; others are written in full.
        logs: labels of the runs that are known from their logs, which stand in the columns of label and schedule.
        curves: whether the curve of the lr is drawn if there is room; it also shows the progress, which has to make way
            for it in a narrow list.
    """
    label = max((width_of(_label(run)) for run in runs if run.id not in logs), default=0)
    best = max((len(_best(run)) for run in runs), default=0)
    progress = max((len(_progress(run)) for run in runs), default=0)
    name = max(
        (width_of(_name(run, schedules.get(run.schedule, run.schedule))) for run in runs if run.id not in logs),
        default=0,
    )
    name = max(name, max(map(width_of, logs.values()), default=0) - label - 1)
    status = LONGEST_STATUS if width >= STATUS_WIDTH else 0
    time_width = 6 if width >= TIME_WIDTH else 0
    # pin, letter, glyph and label; two blanks before each further column and one after the last
    taken = 5 + label + 2 + sum(column + 2 for column in (best, time_width) if column) + (status and status + 1)
    room, needed = width - taken, max(MIN_SCHEDULE_WIDTH, min(name, LONG_NAME))
    curve = MIN_CURVE_WIDTH if curves and room - MIN_CURVE_WIDTH - 2 >= needed else 0
    room -= curve and curve + 2
    if room - progress - 2 < (needed if curve else MIN_SCHEDULE_WIDTH):
        progress = 0
    room -= progress and progress + 2
    wider = min(max(0, room - name), MAX_CURVE_WIDTH - curve) if curve else 0
    return ColumnWidths(label, status, max(1, room - wider), curve + wider, progress, best, time_width)


def run_line(
    run: RunSummary,
    pinned: bool,
    widths: ColumnWidths,
    schedule: str = "",
    letter: tuple[str, Style] | None = None,
    curve: str = "",
    log: str = "",
) -> Text:
    """Return the line of a run: pin, letter, glyph, label, name and schedule, lr, progress, best value, time.

    Args:
        run: the run.
        pinned: whether it is always drawn.
        widths: the widths of the columns.
        schedule: its schedule, perhaps in short.
        letter: the run's letter in the charts and its colour, if several runs are drawn.
        curve: its lr as a curve.
        log: its label, if it is known from its log.
    """
    line = f" {GLYPHS[run.state]} "
    line += f"{run.state:<{widths.status}} " if widths.status else ""
    line += _padded(run, widths, schedule, log)
    line += f"  {curve:<{widths.curve}}" if widths.curve else ""
    line += f"  {_progress(run):>{widths.progress}}" if widths.progress else ""
    line += f"  {_best(run):>{widths.best}}" if widths.best else ""
    # a log may have no times
    time_taken = duration(run.seconds) if run.seconds or run.log is None else ""
    line += f"  {time_taken:>{widths.time}}" if widths.time else ""
    text = Text("m" if pinned else " ", no_wrap=True)
    sign, style = letter or (" ", Style())
    return text.append(sign, style).append(line)


def _padded(run: RunSummary, widths: ColumnWidths, schedule: str, log: str) -> str:
    """Return label, name and schedule, padded to the width of their columns."""
    label, width = _label(run), widths.label + 1 + widths.schedule
    if log:
        parts = [log, _shown_name(run), schedule]
        text = cut(" · ".join(printable(part) for part in parts if part), width)
    else:
        # the name of a run that was imported is a path
        shorten = cut if run.log is None else cut_start
        text = f"{' ' * (widths.label - width_of(label))}{label} {shorten(_name(run, schedule), widths.schedule)}"
    return text + " " * (width - width_of(text))


def best_title(runs: Sequence[RunSummary]) -> str:
    """Return the title of the column with the best values."""
    metrics = dict.fromkeys(_best_metric(run) for run in runs if run.best is not None)
    names = ["acc" if name == ACCURACY else printable(name) for name in sorted(metrics, key=_place_of_metric)]
    return f"best {' or '.join(names) or 'acc'}" if len(names) < MAX_METRICS_NAMED else "best"


def _place_of_metric(name: str) -> tuple[bool, str]:
    return name != ACCURACY, name
