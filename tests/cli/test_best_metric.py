"""The metric that a task names as best decides everywhere: in the state, lists, comparisons, races and checkpoints."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from command_line import CommandLine

from lrtui.analysis.advice.epoch_records import epoch_records, improved
from lrtui.engine.notification import end_notification
from lrtui.run.events import EvalDone, Event, Mode, RunStarted
from lrtui.run.state import RunState
from lrtui.store.source import StoreSource
from lrtui.tui.run_list.rows import best_title, sorted_runs, summary_of

NAME = 'a "u".c'
"""A name with characters that have a meaning in SQL and in JSON paths."""


def ranked_by(mode: Mode, *values: float, best: str = NAME) -> Callable[[Event], Event]:
    """Return a function that makes a task name a metric with these values as best; its accuracy rises all the time."""

    def edit(event: Event) -> Event:
        if isinstance(event, RunStarted):
            return replace(event, best=best, mode=mode)
        return replace(event, metrics={NAME: values[event.epoch - 1]}) if isinstance(event, EvalDone) else event

    return edit


@pytest.fixture
def lrtui(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> CommandLine:
    """Three runs of two epochs ranked by an error, one by a score, and one by its accuracy."""
    lrtui = CommandLine(tmp_path / "store", capsys)
    for values in ((0.1 + 0.2, 0.9), (0.2, 0.1), (math.nan, 0.5)):
        lrtui.record(100, epochs=2, outcome="done", edit=ranked_by("min", *values))
    lrtui.record(100, epochs=2, outcome="done", edit=ranked_by("max", 3.0, 2.0))
    lrtui.record(100, epochs=2, outcome="done")
    return lrtui


def states(lrtui: CommandLine) -> dict[int, RunState]:
    source = StoreSource(lrtui.folder)
    try:
        summaries = source.runs()
        found = {}
        for run in summaries:
            state = RunState()
            feed = source.feed(run.id.key)
            state.fold(feed.take())
            found[int(run.id.key)] = state
        return found
    finally:
        source.close()


def test_lists_have_the_best_value_and_its_epoch_exactly_and_sort_the_best_run_first(lrtui: CommandLine) -> None:
    records = {record["id"]: record for record in map(json.loads, lrtui("runs", "list", "--json").lines)}
    names = ("best_metric", "best_mode", "best_value", "best_epoch")
    accuracy = records[5]["best_accuracy"]
    assert [[records[run][name] for name in names] for run in (1, 2, 3, 4, 5)] == [
        [NAME, "min", 0.1 + 0.2, 1],
        [NAME, "min", 0.1, 2],
        [NAME, "min", 0.5, 2],
        [NAME, "max", 3.0, 1],
        [None, None, accuracy, 2],
    ]
    # other columns keep their meaning
    assert {records[run]["best_accuracy"] for run in records} == {accuracy}
    order = [json.loads(line)["id"] for line in lrtui("runs", "list", "--json", "--sort", "-best").lines]
    assert order == [5, 4, 2, 1, 3]
    heading, *rows = lrtui("runs", "list", "--sort", "-best").lines
    assert [row[heading.index("epochs") :].split()[1] for row in rows[1:]] == ["3.0000", "0.1000", "0.3000", "0.5000"]
    assert [json.loads(line)["id"] for line in lrtui("runs", "list", "--json", "best<0.4").lines] == [2, 1]


def test_the_cockpits_list_and_a_live_run_have_the_same_best(lrtui: CommandLine) -> None:
    source = StoreSource(lrtui.folder)
    stored = {int(run.id.key): run for run in source.runs()}
    source.close()
    assert list(sorted_runs(stored, "best")) == [5, 4, 2, 1, 3]
    assert best_title(list(stored.values())) == f"best acc or {NAME}"
    for number, state in states(lrtui).items():
        assert state.started is not None
        live = summary_of(SimpleNamespace(number=number, spec=state.started.spec, state=state), stored[number])
        assert live.best == stored[number].best
        for name in ("best_value", "best_metric", "best_mode", "best_epoch", "best_accuracy"):
            assert live.value(name) == stored[number].value(name), name


def test_pages_and_comparisons_mark_what_the_metric_says_is_best(lrtui: CommandLine) -> None:
    assert json.loads(lrtui("runs", "show", "1", "--json").out)["best"]["epoch"] == 1
    record = json.loads(lrtui("runs", "compare", "1", "2", "--json").out)
    assert record["by_epoch"][NAME]["1"] == {"values": [0.1 + 0.2, 0.2], "best": [1]}
    assert record["best_epochs"][NAME] == [1, 2]
    assert f"test {NAME}" in lrtui("runs", "compare", "1", "2").lines
    # one task wants it low and the other high: no value is the best
    mixed = json.loads(lrtui("runs", "compare", "1", "4", "--json").out)
    assert mixed["by_epoch"][NAME]["1"]["best"] == []
    assert NAME not in mixed["best"]


def test_advice_and_notifications_follow_the_metric(lrtui: CommandLine) -> None:
    found = states(lrtui)

    def has_improved(run: int) -> bool:
        # the accuracy rises in all runs; the losses are made equal
        first, last = (replace(each, result=replace(each.result, loss=1.0)) for each in epoch_records(found[run]))
        return improved([first], [last])

    assert [has_improved(run) for run in (1, 2, 4, 5)] == [False, True, False, True]
    assert f"{NAME} 0.9000" in end_notification(found[1], "1").message
