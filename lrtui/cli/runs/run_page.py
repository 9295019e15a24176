"""What `lrtui runs show` says of a run."""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Iterable, Mapping
from dataclasses import fields
from datetime import datetime
from itertools import zip_longest

from lrtui.cli.line_chart import SIGNS, print_chart
from lrtui.cli.runs.curves import curve_ticks, loss_curve, lr_curves, metric_curve, result_curve
from lrtui.cli.runs.run_story import RunStory
from lrtui.run.evaluations import epoch_means, epoch_results, metric_names, metric_of
from lrtui.run.event_lines import change_line, lr_words
from lrtui.run.events import Event, Notice
from lrtui.run.spec import RunSpec, is_list
from lrtui.run.state import RunState
from lrtui.run.status import GLYPHS
from lrtui.store.columns import epochs_done
from lrtui.store.reader import StoredRun
from lrtui.text.format import counted, figure, printable, printable_lines
from lrtui.text.numbers import duration
from lrtui.text.table import Heading, table_lines

WIDTH = 100
"""Of running text where there is no terminal."""


def page_lines(run: StoredRun, story: RunStory) -> list[str]:
    """Return all of it in words, but for the charts."""
    state = story.state
    lines = _head_lines(run)
    lines += ["", "settings", *_settings_lines(run, state)]
    lines += ["", "where it came from", *_pairs(_circumstances(run, story))]
    if results := _result_lines(state):
        lines += ["", "results on the test set", *results]
    if state.epochs:
        lines += ["", "lr at each epoch's end", *_epoch_lines(state)]
    for title, events in (
        ("changes in mid-run", state.changes),
        ("refused", state.refusals),
        ("warnings", story.notices),
    ):
        if events:
            lines += ["", title, *_event_lines(events)]
    return [*lines, ""]


def _head_lines(run: StoredRun) -> list[str]:
    done, of = epochs_done(run), run.spec.epochs
    steps = f"{run.step:,}" + (f" of {run.total_steps:,}" if run.total_steps else "")
    lines = [
        f"{printable(run.title)}: {GLYPHS[run.state]} {run.state}, {done} of {counted(of, 'epoch')}, {steps} steps, "
        f"{duration(run.seconds)}"
    ]
    if run.error:
        lines += [f"  {line}" for line in printable_lines(run.error)]
    if run.note:
        lines += [f"  {line}" for line in printable_lines(run.note)]
    return lines


def _settings_lines(run: StoredRun, state: RunState) -> list[str]:
    """Return the settings, those that differ from the defaults first."""
    # as the run has them, where it has started: with the schedule's lengths filled in
    spec = state.started.spec if state.started else run.spec
    rows, usual = [], []
    for item in fields(RunSpec):
        value = getattr(spec, item.name)
        if item.name == "name":
            continue
        if value == item.default and item.name != "schedule":
            if value not in (None, ()):
                usual.append(f"{item.name}={value}")
            continue
        words = "; ".join(value) if is_list(item) else str(value)
        if item.name == "schedule" and state.schedule not in ("", value):
            words += f"   (at last {state.schedule})"
        rows.append((item.name, printable(words)))
    text = printable(f"as by default: {', '.join(usual)}")
    return [*_pairs(rows), *textwrap.wrap(text, _columns() - 2, initial_indent="  ", subsequent_indent="    ")]


def _circumstances(run: StoredRun, story: RunStory) -> list[tuple[str, str]]:
    started = story.state.started
    data = run.data
    rows = [
        ("created", _date(run.created)),
        ("finished", _date(run.finished) if run.finished is not None else ""),
        ("data", f"{data['name']} from {data['source']}, {_samples(data)}" if data else ""),
        ("data at", str(data.get("where", "")) if data else ""),
        ("device", _device(run, story)),
        ("parameters", f"{started.parameter_count:,}" if started else ""),
        ("versions", ", ".join(f"{name} {version}" for name, version in run.versions.items())),
        ("git commit", run.git_commit or ""),
        ("command line", " ".join(run.command_line)),
        ("directory", run.directory),
        ("process", f"{run.process.pid} on {run.process.machine.split('|')[0]}"),
        ("parent", f"#{run.parent}, from step {run.first_step:,} on" if run.parent is not None else ""),
        ("branches", ", ".join(f"#{branch}" for branch in story.branches)),
    ]
    return [(name, printable(words)) for name, words in rows if words]


def _samples(data: Mapping[str, str | int]) -> str:
    return f"{data.get('train', 0):,} + {data.get('test', 0):,} samples"


def _device(run: StoredRun, story: RunStory) -> str:
    started = story.state.started
    threads = f", {counted(started.torch_threads, 'thread')}" if started and started.device == "cpu" else ""
    return f"{run.device}{threads}" if run.device else ""


def _date(seconds: float) -> str:
    return datetime.fromtimestamp(seconds).isoformat(" ", "seconds")


def _result_lines(state: RunState) -> list[str]:
    named = [("best", state.best), ("last", state.last_test), ("averaged model", state.last_averaged)]
    results = [(name, result) for name, result in named if result is not None]
    if not results:
        return []
    metrics = metric_names(state.evaluations)
    headings = [Heading(""), Heading("epoch", "."), Heading("step", ".")]
    headings += [Heading(printable(name), ".") for name in metrics]
    rows = [
        [name, str(result.epoch), f"{result.step:,}", *(figure(metric_of(result, metric)) for metric in metrics)]
        for name, result in results
    ]
    return [f"  {line}" for line in table_lines(headings, rows)]


def _epoch_lines(state: RunState) -> list[str]:
    names = state.started.group_names if state.started and len(state.lrs) > 1 else ()
    groups = len(state.epochs[0].lrs)
    headings = [Heading("epoch", ".")]
    headings += [
        Heading(f"lr {printable(name)}" if name else "lr", ".")
        for name, _ in zip_longest(names, range(groups), fillvalue="")
    ]
    metrics = metric_names(state.evaluations)
    headings += [Heading(f"test {printable(name)}", ".") for name in metrics]
    means = {name: epoch_means(state, name) for name in sorted(state.metrics)}
    headings += [Heading(f"mean {printable(name)}", ".") for name in means]
    tests = epoch_results(state)
    rows = [
        [
            str(done.epoch),
            *(lr_words((lr,)) for lr in done.lrs),
            *(figure(metric_of(tests.get(done.epoch), metric)) for metric in metrics),
            *(figure(of_epochs.get(done.epoch)) for of_epochs in means.values()),
        ]
        for done in state.epochs
    ]
    return [f"  {line}" for line in table_lines(headings, rows)]


def _event_lines(events: Iterable[Event]) -> list[str]:
    rows = []
    for event in events:
        words = f"{event.level}: {event.text}" if isinstance(event, Notice) else change_line(event) or ""
        rows.append((f"step {event.step:,}", printable(words)))
    return _pairs(rows)


def _pairs(rows: Iterable[tuple[str, str]]) -> list[str]:
    """Return lines of names and words, the words in one column."""
    rows = list(rows)
    width = max((len(name) for name, _ in rows), default=0)
    return [f"  {name:<{width}}  {words}" for name, words in rows]


def _columns() -> int:
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else WIDTH


# -- charts -----------------------------------------------------------------------------------------------------------


def print_charts(state: RunState) -> None:
    """Draw the lr, the losses and the metrics of the steps."""
    if not state.lrs or not len(state.loss):
        return
    ticks = curve_ticks(state)
    names = state.started.group_names if state.started else ()
    print("learning rate" + (f" of the groups {', '.join(map(printable, names))}" if len(state.lrs) > 1 else ""))
    print_chart(lr_curves(state), ticks, from_zero=True, rows=14)
    curves = [curve for curve in (loss_curve(state), result_curve(state)) if curve.epochs]
    if curves:
        print(f"{SIGNS['braille']} training loss (means)" + ("   o test loss" if len(curves) > 1 else ""))
        print_chart(curves, ticks, from_zero=False, rows=14)
    for name in sorted(state.metrics):
        if (curve := metric_curve(state, name)).epochs:
            print(f"{SIGNS['braille']} {printable(name)} (means)")
            print_chart([curve], ticks, from_zero=False, rows=14)
