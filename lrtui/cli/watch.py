"""`lrtui watch`: shows logs of other programs, in the cockpit or once as text."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from lrtui.cli.command import OPENER, Command, option
from lrtui.cli.log_options import all_items, log_arguments, no_logs, read_all, sources_opener
from lrtui.cli.stored_runs import store_option
from lrtui.cli.terminal import print_prose, terminal_width, why_no_cockpit
from lrtui.opening import Opening, WatchedLogs
from lrtui.run.evaluations import ACCURACY, LOSS, shown_loss
from lrtui.run.events import GLYPHS, Notice
from lrtui.run.source import LogDescription, RunSummary
from lrtui.text.format import MISSING, duration, figure, four_digits, printable, wrapped
from lrtui.text.table import Heading, table_lines

if TYPE_CHECKING:
    from lrtui.analysis.advice.advice import Advice
    from lrtui.run.state import RunState
    from lrtui.sources.source import LogSource

EPILOG = """\
Formats: TensorBoard event files, CSV files of Lightning and others, JSON lines, trainer_state.json of transformers,
files of wandb, and exports of lrtui.

Exit status without the cockpit: 1 if no log is found, 2 if no PATH exists.

Examples:
  lrtui watch runs/
  lrtui watch runs/ --map loss=train/nll --map accuracy=-
  lrtui watch lightning_logs/version_3 --only "grad* !*bias"
  lrtui watch runs/ --json | jq -r .advice[].text
"""


@click.command(cls=Command, epilog=EPILOG)
@log_arguments()
@option(
    "--only",
    multiple=True,
    metavar="PATTERN",
    help="show only metrics whose names match, such as grad*, and not !grad*; can be repeated",
)
@option("--headless", is_flag=True, help="print the runs once instead of opening the cockpit")
@option("--json", "as_json", is_flag=True, help="print a JSON object per run instead of opening the cockpit")
@store_option()
def command(
    paths: tuple[str, ...],
    mappings: tuple[str, ...],
    only: tuple[str, ...],
    headless: bool,
    as_json: bool,
    store: str | None,
) -> int:
    """The cockpit lists the runs whose logs are under PATH beside those of the store, and follows them while they grow.
    Nothing is written to the logs, and their runs take no commands. Which series is the training loss, the test loss,
    the accuracy, the lr and the epoch is recognized, shown, and set by --map. Without a terminal, or with --headless,
    the runs are printed once, with their results and advice.
    """
    open_sources, pattern = sources_opener(paths, mappings), " ".join(only)
    if not (headless or as_json or why_no_cockpit() or not sys.stdout.isatty()):
        opener: Callable[[Opening, str | None], int] = click.get_current_context().meta[OPENER]
        return opener(Opening(watched=WatchedLogs(paths, open_sources, pattern)), store)
    found = [_read(source, run) for source, run in read_all(open_sources())]
    if not found:
        print_prose(f"lrtui watch: {no_logs(paths)}", sys.stderr)
        return 1
    if as_json:
        for run in found:
            print(json.dumps(_record(run, pattern), allow_nan=False, default=str))
        return 0
    _print_table(found)
    for run in found:
        print()
        for line in _lines(run, pattern):
            print(line)
    return 0


@dataclass(frozen=True, slots=True)
class _ReadRun:
    summary: RunSummary
    state: RunState
    notices: Sequence[str]
    advice: Sequence[Advice]
    trouble: str

    @property
    def log(self) -> LogDescription:
        assert self.summary.log is not None
        return self.summary.log


def _read(source: LogSource, run: RunSummary) -> _ReadRun:
    from lrtui.analysis.advice.recorded_advice import advice_on
    from lrtui.run.state import RunState

    state, notices = RunState(), list[str]()
    for item in all_items(source, run):
        state.fold([item])
        if isinstance(item, Notice):
            notices.append(item.text)
    return _ReadRun(run, state, notices, advice_on(state, is_over=not run.is_live), source.log(run.id.key).trouble)


MAX_METRICS = 12
"""Maximum number of metrics, and of settings, that are named in the text; `--json` has all."""

SPEED = ("_runtime", "_per_second", "_time", "_steps_per_sec", "_samples_per_sec")
"""Ends of names of values that say how long a test took: they are no results."""

HEADINGS = (
    Heading("run"),
    Heading("format"),
    Heading("state"),
    Heading("steps", ","),
    Heading("loss", "."),
    Heading("test_loss", "."),
    Heading("best_acc", "."),
    Heading("lr", "."),
    Heading("time", " "),
)


def _print_table(runs: Iterable[_ReadRun]) -> None:
    rows = [
        [
            printable(str(run.summary.id)),
            run.log.format,
            f"{GLYPHS[run.summary.state]} {run.summary.state}",
            f"{run.state.step:,}",
            figure(_shown(run.state.last_loss)),
            figure(run.state.last_test.loss if run.state.last_test else None),
            figure(run.summary.best_accuracy),
            _lr(run.state),
            duration(run.state.elapsed) if run.state.elapsed else MISSING,
        ]
        for run in runs
    ]
    for line in table_lines(HEADINGS, rows, terminal_width(), {"run": 12}, ("time", "format", "test_loss", "lr")):
        print(line)


def _known(value: float) -> float | None:
    return None if value != value else value


def _shown(loss: float) -> float | None:
    return None if loss != loss else shown_loss(loss, is_log=True)


def _lr(state: RunState) -> str:
    lrs = [lr for lr in state.current_lrs if lr == lr]
    return four_digits(lrs[0]) if lrs else MISSING


def _lines(run: _ReadRun, pattern: str) -> list[str]:
    """Return what is known of a run, one fact per line."""
    state, summary, log = run.state, run.summary, run.log
    title = printable(f"{summary.id} · {summary.name}" if summary.name else str(summary.id))
    rows = [("path", log.path)]
    for found in log.recognized:
        reason = f": {found.reason}" if found.reason else ""
        rows.append((found.meaning.replace("_", " "), f"{found.name}{reason}"))
    metrics = _metrics(state, pattern)
    more = [f"{len(metrics) - MAX_METRICS:,} more"] if len(metrics) > MAX_METRICS else []
    rows.append(("metrics", ", ".join([*metrics[:MAX_METRICS], *more])))
    settings = [f"{name} {value}" for name, value in log.settings.items() if isinstance(value, (str, int, float))]
    left_out = len(log.settings) - len(settings[:MAX_METRICS])
    more = [f"{left_out:,} more"] if left_out else []
    rows.append(("settings", ", ".join([*settings[:MAX_METRICS], *more])))
    for name, test in (("best", state.best), ("last test", state.last_test)):
        if test is not None:
            values = test.all_metrics
            first = [metric for metric in (ACCURACY, LOSS) if metric in values]
            results = [metric for metric in values if not metric.endswith(SPEED)]
            texts = [f"{metric} {four_digits(values[metric])}" for metric in dict.fromkeys([*first, *results])]
            rows.append((name, f"{', '.join(texts[:MAX_METRICS])}, at step {test.step:,}"))
    rows += [("notice", text) for text in run.notices]
    rows.append(("unreadable", run.trouble))
    rows = [(name, printable(text)) for name, text in rows if text]
    lines = [f"  {name:<10}  {text}" for name, text in rows]
    lines += [f"  {each.headless_line(state.started.spec, None)}" for each in run.advice if state.started]
    width = terminal_width()
    return [title, *(part for line in lines for part in wrapped(line, width, 14))]


def _metrics(state: RunState, pattern: str) -> list[str]:
    """Return the names of the metrics of steps and tests that match the pattern."""
    from lrtui.run.name_pattern import name_matches

    names = dict.fromkeys(sorted({*state.metrics, *(name for test in state.evaluations for name in test.metrics)}))
    return [name for name in names if name_matches(pattern, name)]


def _record(run: _ReadRun, pattern: str) -> dict[str, Any]:
    """Return what is known of a run as plain JSON values."""
    from lrtui.run.event_json import event_to_json, plain

    state, summary = run.state, run.summary
    return {
        "run": str(summary.id),
        "name": summary.name,
        **plain(run.log),
        "state": summary.state,
        "created": plain(summary.created),
        "seconds": plain(state.elapsed),
        "step": state.step,
        "total_steps": state.total_steps or None,
        "epochs_done": summary.epochs_done,
        "loss": plain(_known(state.last_loss)),
        "lrs": plain(list(state.current_lrs)),
        "best": event_to_json(state.best) if state.best else None,
        "last": event_to_json(state.last_test) if state.last_test else None,
        "metrics": {
            name: plain(_known(state.metrics[name].last_known)) if name in state.metrics else None
            for name in _metrics(state, pattern)
        },
        "advice": [
            {"code": each.code, "title": each.title, "text": each.text, "effect": each.effect} for each in run.advice
        ],
        "notices": list(run.notices),
        "trouble": run.trouble or None,
    }
