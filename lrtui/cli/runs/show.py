"""`lrtui runs show`: shows the details of a run, as text or as JSON."""

from __future__ import annotations

import json
import sqlite3
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

import click

from lrtui.cli.charts import (
    SIGNS,
    coloured,
    loss_curve,
    lr_curves,
    metric_curve,
    print_chart,
    result_curve,
    run_label,
    run_ticks,
)
from lrtui.cli.command import Command, option
from lrtui.cli.stored_runs import find, folder_of, reading, run_argument, store_option
from lrtui.cli.terminal import terminal_width
from lrtui.run.comparison import noun_of_epochs, time_after
from lrtui.run.evaluations import epoch_means, epoch_results, metric_names, metric_of
from lrtui.run.event_json import event_to_json, plain
from lrtui.run.events import GLYPHS, Event, Notice
from lrtui.run.log import change_line, computed_on, rounded_lrs
from lrtui.run.source import LogDescription, RecognizedSeries
from lrtui.run.spec import RunSpec, is_list
from lrtui.run.state import RunState
from lrtui.store.columns import epochs_done, epochs_of, record_of
from lrtui.store.reader import StoredRun
from lrtui.store.store_feed import StoreFeed
from lrtui.text.format import MISSING, counted, figure, printable, printable_lines, wrapped
from lrtui.text.table import Heading, table_lines

EPILOG = """\
Examples:
  lrtui runs show last
  lrtui runs show 3 --json
"""


@click.command(cls=Command, epilog=EPILOG)
@run_argument()
@option("--json", "as_json", is_flag=True, help="print one JSON object, without the charts")
@store_option()
def command(run: str, as_json: bool, store: str | None) -> int:
    with reading(folder_of(store)) as connection:
        stored = find(connection, run)
        details = read_details(connection, stored)
    if as_json:
        print(json.dumps(details_record(stored, details), allow_nan=False))
        return 0
    for line in page_lines(stored, details):
        print(line)
    print_charts(details.state)
    return 0


MAX_METRICS = 6
"""Maximum number of metrics of the steps in the tables and charts; a log may have hundreds."""

WIDTH = 100
"""Width of paragraphs if standard output is not a terminal."""


@dataclass(frozen=True, slots=True)
class RunDetails:
    """The state of a run, with details that the state does not contain.

    Args:
        state: the fold of its events.
        notices: warnings and errors, in their order.
        branches: ids of the runs that branched from it.
    """

    state: RunState
    notices: tuple[Notice, ...]
    branches: tuple[int, ...]


def read_details(connection: sqlite3.Connection, run: StoredRun) -> RunDetails:
    """Return the details of a run so far.

    Raises:
        sqlite3.Error: if the store can't be read.
    """
    events = StoreFeed(connection, run.id).take()
    state = RunState()
    state.fold(events)
    # the state's log has only the newest lines
    notices = tuple(event for event in events if isinstance(event, Notice) and event.level != "info")
    branches = connection.execute("SELECT id FROM runs WHERE parent = ? ORDER BY id", (run.id,)).fetchall()
    return RunDetails(state, notices, tuple(run_id for (run_id,) in branches))


def details_record(run: StoredRun, details: RunDetails) -> dict[str, Any]:
    """Return plain JSON values: the columns of `runs list`, then the details."""
    state = details.state
    started = state.started
    return {
        **record_of(run),
        "branches": list(details.branches),
        "groups": group_names(state),
        "parameter_count": started.parameter_count if started else None,
        "batches_per_epoch": started.batches_per_epoch if started else None,
        "best": event_to_json(state.best) if state.best else None,
        "last": event_to_json(state.last_test) if state.last_test else None,
        "averaged": event_to_json(state.last_averaged) if state.last_averaged else None,
        "lr_of_epochs": [{"epoch": done.epoch, "lrs": plain(done.lrs)} for done in state.epochs],
        "step_metrics_of_epochs": {
            name: [{"epoch": epoch, "mean": mean} for epoch, mean in epoch_means(state, name).items()]
            for name in sorted(state.metrics)
        },
        "evaluations": [event_to_json(result) for result in state.evaluations],
        "changes": [event_to_json(change) for change in state.changes],
        "refusals": [event_to_json(refusal) for refusal in state.refusals],
        "notices": [event_to_json(notice) for notice in details.notices],
    }


def page_lines(run: StoredRun, details: RunDetails) -> list[str]:
    """Return the details as text, without the charts."""
    state = details.state
    lines = _head_lines(run)
    if run.log is not None:
        lines += ["", "log", *_pairs(_log_rows(run.log))]
    if settings := _settings_lines(run, state):
        lines += ["", "settings", *settings]
    lines += ["", "environment", *_pairs(_environment(run, details))]
    if results := _result_lines(state):
        lines += ["", "results on the test set", *results]
    if state.epochs:
        at_each = "at each epoch's end" if noun_of_epochs([state]) == "epoch" else "at each test"
        lines += ["", f"lr {at_each}", *_epoch_lines(state)]
    for title, events in (
        ("changes during the run", state.changes),
        ("refused", state.refusals),
        ("warnings", details.notices),
    ):
        if events:
            lines += ["", title, *_event_lines(events)]
    return [*lines, ""]


def _head_lines(run: StoredRun) -> list[str]:
    done = epochs_done(run)
    known = epochs_of(run)
    epochs = f"{done} of {'? epochs' if known is None else counted(known, 'epoch')}, "
    if run.spec.is_log and known is None:
        # a log may not know of epochs
        epochs = f"{counted(done, 'epoch')}, " if done else ""
    steps = f"{run.step:,} of {counted(run.total_steps, 'step')}" if run.total_steps else counted(run.step, "step")
    time = time_after(run.seconds, is_log=run.spec.is_log)
    lines = wrapped(f"{printable(run.title)}: {GLYPHS[run.state]} {run.state}, {epochs}{steps}{time}", terminal_width())
    if run.error:
        lines += [f"  {line}" for line in printable_lines(run.error)]
    if run.note:
        lines += [f"  {line}" for line in printable_lines(run.note)]
    return lines


def _settings_lines(run: StoredRun, state: RunState) -> list[str]:
    """Return the settings that differ from the defaults, then the others in one paragraph."""
    # a run that has started has the filled-in lengths of its schedule
    spec = state.started.spec if state.started else run.spec
    rows, defaults = [], []
    # the task of a log is its path
    shown = ("schedule",) if spec.is_log else ("schedule", "task", "optimizer")
    known = [name for name in shown if name in spec.known] + (["epochs"] if epochs_of(run) is not None else [])
    for item in fields(RunSpec):
        value = getattr(spec, item.name)
        # of a script only what it has told lrtui is known
        if item.name == "name" or (spec.is_attached and item.name not in known):
            continue
        if value == item.default and item.name != "schedule" and not spec.is_attached:
            if value not in (None, ()):
                defaults.append(f"{item.name}={value}")
            continue
        text = "; ".join(value) if is_list(item) else str(value)
        if item.name == "schedule" and state.schedule not in ("", value):
            text += f"   (now {state.schedule})"
        rows.append((item.name, printable(text)))
    if not defaults:
        return _pairs(rows)
    paragraph = printable(f"defaults: {', '.join(defaults)}")
    return [*_pairs(rows), *textwrap.wrap(paragraph, _columns() - 2, initial_indent="  ", subsequent_indent="    ")]


def _log_rows(log: LogDescription) -> list[tuple[str, str]]:
    rows = [("format", log.format), ("path", log.path)]
    rows += [(found.meaning.replace("_", " "), _recognized(found)) for found in log.recognized]
    rows += [("settings", ", ".join(f"{name} {value}" for name, value in log.settings.items()))]
    return [(name, printable(text)) for name, text in rows if text]


def _recognized(found: RecognizedSeries) -> str:
    return f"{found.name}: {found.reason}" if found.reason else found.name


def _environment(run: StoredRun, details: RunDetails) -> list[tuple[str, str]]:
    started = details.state.started
    data = run.data
    rows = [
        ("created", _date(run.created)),
        ("finished", _date(run.finished) if run.finished is not None else ""),
        ("data", f"{data['name']} from {data['source']}, {_samples(data)}" if "name" in data else ""),
        ("data at", str(data.get("where", "")) if data else ""),
        ("device", _device(run, details)),
        ("parameters", f"{started.parameter_count:,}" if started and not run.spec.is_log else ""),
        ("versions", ", ".join(f"{name} {version}" for name, version in run.versions.items())),
        ("git commit", run.git_commit or ""),
        ("command line", " ".join(run.command_line)),
        ("directory", run.directory),
        ("output", run.output or ""),
        # a run that was imported has none
        ("process", f"{run.process.pid} on {run.process.machine.split('|')[0]}" if run.process.pid else ""),
        ("parent", f"#{run.parent}, from step {run.first_step:,}" if run.parent is not None else ""),
        ("branches", ", ".join(f"#{branch}" for branch in details.branches)),
    ]
    return [(name, printable(text)) for name, text in rows if text]


def _samples(data: Mapping[str, str | int]) -> str:
    test = counted(int(data.get("test", 0)), "test sample")
    return f"{data.get('train', 0):,} training and {test}"


def _device(run: StoredRun, details: RunDetails) -> str:
    started = details.state.started
    return (computed_on(started) if started else run.device) if run.device else ""


def _date(seconds: float) -> str:
    return datetime.fromtimestamp(seconds).isoformat(" ", "seconds")


def _result_lines(state: RunState) -> list[str]:
    moment = noun_of_epochs([state])
    named = [("best", state.best), ("last", state.last_test), ("averaged model", state.last_averaged)]
    results = [(name, result) for name, result in named if result is not None]
    if not results:
        return []
    metrics = metric_names(state.evaluations)
    headings = [Heading(""), Heading(moment, "."), Heading("step", ".")]
    headings += [Heading(printable(name), ".") for name in metrics]
    rows = [
        [name, str(result.epoch), f"{result.step:,}", *(figure(metric_of(result, metric)) for metric in metrics)]
        for name, result in results
    ]
    return _indented_table(headings, rows)


def _epoch_lines(state: RunState) -> list[str]:
    groups = max(len(done.lrs) for done in state.epochs)
    names = group_names(state)[:groups]
    headings = [Heading(noun_of_epochs([state]), ".")]
    headings += [Heading(f"lr {printable(name)}", ".") for name in names] if groups > 1 else [Heading("lr", ".")]
    metrics = metric_names(state.evaluations)
    headings += [Heading(f"test {printable(name)}", ".") for name in metrics]
    means = {name: epoch_means(state, name) for name in sorted(state.metrics)[:MAX_METRICS]}
    headings += [Heading(f"mean {printable(name)}", ".") for name in means]
    tests = epoch_results(state)
    rows = [
        [
            str(done.epoch),
            *(rounded_lrs((done.lrs[group],)) if group < len(done.lrs) else MISSING for group in range(groups)),
            *(figure(metric_of(tests.get(done.epoch), metric)) for metric in metrics),
            *(figure(by_epoch.get(done.epoch)) for by_epoch in means.values()),
        ]
        for done in state.epochs
    ]
    return _indented_table(headings, rows)


def _indented_table(headings: Sequence[Heading], rows: Sequence[Sequence[str]]) -> list[str]:
    width = terminal_width()
    return [f"  {line}" for line in table_lines(headings, rows, None if width is None else width - 2)]


def _event_lines(events: Iterable[Event]) -> list[str]:
    rows = []
    for event in events:
        text = f"{event.level}: {event.text}" if isinstance(event, Notice) else change_line(event) or ""
        rows.append((f"step {event.step:,}", printable(text)))
    return _pairs(rows)


def _pairs(rows: Iterable[tuple[str, str]]) -> list[str]:
    """Return lines of names and texts, the texts in one column."""
    rows = list(rows)
    width = max((len(name) for name, _ in rows), default=0)
    lines = [f"  {name:<{width}}  {text}" for name, text in rows]
    return [part for line in lines for part in wrapped(line, terminal_width(), width + 2)]


def _columns() -> int:
    return terminal_width() or WIDTH


def group_names(state: RunState) -> list[str]:
    """Return the names of the run's parameter groups, those that were added during the run included."""
    count = max(len(state.lrs), len(state.started.group_names) if state.started else 0)
    return [state.name_of_group(group) for group in range(count)]


# -- charts -----------------------------------------------------------------------------------------------------------


def print_charts(state: RunState) -> None:
    """Draw the lr, the losses and the metrics of the steps."""
    if not state.lrs or not len(state.loss):
        return
    ticks = run_ticks(state)
    label = run_label(state)
    names = group_names(state)
    print("learning rate" + (f" of the groups {', '.join(map(printable, names))}" if len(names) > 1 else ""))
    print_chart(lr_curves(state), ticks, from_zero=True, rows=14, x_label=label)
    curves = [curve for curve in (loss_curve(state), result_curve(state)) if curve.epochs]
    if curves:
        test = f"   {coloured('o', 1)} test loss" if len(curves) > 1 else ""
        print(f"{coloured(SIGNS['braille'], 0)} training loss (means){test}")
        print_chart(curves, ticks, from_zero=False, rows=14, x_label=label)
    for name in sorted(state.metrics)[:MAX_METRICS]:
        if (curve := metric_curve(state, name)).epochs:
            print(f"{SIGNS['braille']} {printable(name)} (means)")
            print_chart([curve], ticks, from_zero=False, rows=14, x_label=label)
    if len(state.metrics) > MAX_METRICS:
        print(f"{counted(len(state.metrics) - MAX_METRICS, 'more metric')} of the steps: --json has them")
