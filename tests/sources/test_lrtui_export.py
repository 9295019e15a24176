from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable
from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest
from recorded_runs import recorded_run
from store_runs import store_events
from text_logs import read, reader_of

from lrtui.plugins import BUILT_IN, LOG_FORMATS
from lrtui.run.event_json import event_to_json
from lrtui.run.events import EvalDone, Event, RunFinished, RunStarted, StepDone
from lrtui.run.feed import FeedItem
from lrtui.run.series import Series
from lrtui.run.state import RunState
from lrtui.sources.log import FoundLog
from lrtui.sources.text.lrtui_export import ExportFeed, LrtuiExport
from lrtui.store.connection import open_for_reading
from lrtui.store.run_export import csv_lines, group_count, json_lines, metric_columns, stored_events
from lrtui.store.store_feed import StoreFeed


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run.jsonl"


def with_metrics(event: Event) -> Event:
    if isinstance(event, StepDone) and event.step % 3 == 0:
        return replace(event, metrics={"grad norm": event.step / 7, "odd": math.nan})
    return event


def resumed() -> list[Event]:
    """Return the events of a run that was resumed, as the store has them: superseded ones are left out."""
    events = recorded_run(130)
    started = next(event for event in events if isinstance(event, RunStarted))
    kept = [event for event in events if event.step < 100 or not isinstance(event, StepDone)][:-1]
    last = kept[-1].seq
    again = replace(started, seq=last + 40, step=100, seconds=4.0, resumed_from=100, resumed_seq=last)
    rest = [event for event in events if isinstance(event, StepDone) and event.step >= 100]
    return [*kept, again, *(replace(event, seq=again.seq + 1 + index) for index, event in enumerate(rest))]


RUNS: dict[str, Callable[[], Iterable[Event]]] = {
    "switched": lambda: recorded_run(500, switch_at=120, nudge_at=200, outcome="done"),
    "live": lambda: recorded_run(77),
    "groups": lambda: recorded_run(200, groups=2),
    "metrics": lambda: map(with_metrics, recorded_run(120)),
    "resumed": resumed,
}


def lines_of(events: Iterable[Event]) -> str:
    return "".join(json.dumps(event_to_json(event)) + "\n" for event in events)


def folded(items: Iterable[FeedItem]) -> RunState:
    state = RunState()
    state.fold(items)
    return state


def take_all(feed: ExportFeed, state: RunState | None = None) -> RunState:
    state = RunState() if state is None else state
    while items := feed.take(100):
        assert len(items) <= 100
        state.fold(items)
    return state


def assert_equal(state: RunState, other: RunState) -> None:
    assert _fields(state) == _fields(other)


def _fields(state: RunState) -> dict[str, object]:
    names = [name for name in RunState.__dataclass_fields__ if name not in ("version", "_smoothed")]
    # NaN equals itself as text
    return {name: repr(_plain(getattr(state, name))) for name in names} | {"log": repr(state.log.lines)}


def _plain(value: object) -> object:
    if isinstance(value, Series):
        return [value[index] for index in range(len(value))]
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return {key: _plain(item) for key, item in value.items()} if isinstance(value, dict) else value


@pytest.mark.parametrize("kind", RUNS)
def test_the_state_of_an_export_is_that_of_the_stored_run(kind: str, path: Path, tmp_path: Path) -> None:
    run = store_events(tmp_path / "store", RUNS[kind]())
    connection = open_for_reading(tmp_path / "store")
    path.write_text("".join(json_lines(stored_events(connection, run))))
    expected = folded(StoreFeed(connection, run, in_full=None).take())
    connection.close()
    log = FoundLog("lrtui", path)
    assert LrtuiExport().find(path.parent, [path.name]) == [log]
    feed = LrtuiExport().feed(log)
    assert isinstance(feed, ExportFeed)
    assert_equal(take_all(feed), expected)
    assert feed.trouble == ""


def test_a_table_has_the_series_of_the_run(path: Path, tmp_path: Path) -> None:
    events = [with_metrics(event) for event in recorded_run(120, groups=2)]
    run = store_events(tmp_path / "store", events)
    connection = open_for_reading(tmp_path / "store")
    path = path.with_suffix(".csv")
    names, groups = metric_columns(connection, run), group_count(connection, run)
    path.write_text("".join(csv_lines(stored_events(connection, run), names, groups)))
    connection.close()
    assert LrtuiExport().find(path.parent, [path.name]) == [FoundLog("lrtui", path)]
    assert LrtuiExport().feed(FoundLog("lrtui", path)) is None
    found = read(LrtuiExport, path)
    steps = [event for event in events if isinstance(event, StepDone)]
    assert found == {
        "epoch": [(step.step, float(step.epoch)) for step in steps],
        "loss": [(step.step, step.loss) for step in steps],
        "lr_0": [(step.step, step.lrs[0]) for step in steps],
        "lr_1": [(step.step, step.lrs[1]) for step in steps],
        "grad norm": [(step.step, step.step / 7) for step in steps if step.step % 3 == 0],
    }


def test_the_values_of_events_are_series_as_well(path: Path) -> None:
    events = recorded_run(120, outcome="stopped")
    path.write_text("lrtui: a message\n" + lines_of(events))
    found = read(LrtuiExport, path)
    steps = [event for event in events if isinstance(event, StepDone)]
    tests = [event for event in events if isinstance(event, EvalDone)]
    assert found["loss"] == [(step.step, step.loss) for step in steps]
    assert found["lr"] == [(step.step, step.lrs[0]) for step in steps]
    assert found["test/accuracy"] == [(test.step, test.accuracy) for test in tests]
    facts = reader_of(LrtuiExport, path).read(1.0).facts
    assert facts is not None
    assert (facts.total_steps, facts.epochs, facts.batches_per_epoch, facts.is_finished) == (500, 10, 50, True)


def test_events_follow_as_they_are_written(path: Path) -> None:
    text = lines_of(recorded_run(60, outcome="done")).encode()
    path.write_bytes(b"")
    feed, state = ExportFeed(path), RunState()
    with path.open("ab") as file:
        for start in range(0, len(text), 101):
            file.write(text[start : start + 101])
            file.flush()
            take_all(feed, state)
    assert_equal(state, folded(recorded_run(60, outcome="done")))


def test_a_last_line_without_a_line_break_is_an_event(path: Path) -> None:
    path.write_text(lines_of(recorded_run(5)).rstrip("\n"))
    assert take_all(ExportFeed(path)).step == 5


def test_a_file_that_is_replaced_drops_what_was_there(path: Path) -> None:
    path.write_text(lines_of(recorded_run(200, outcome="done")))
    feed, state = ExportFeed(path), RunState()
    take_all(feed, state)
    path.unlink()
    path.write_text(lines_of(recorded_run(30)))
    take_all(feed, state)
    assert_equal(state, folded(recorded_run(30)))


def test_a_run_that_is_appended_to_another_one_replaces_it(path: Path) -> None:
    path.write_text(lines_of(recorded_run(200, outcome="done")) + lines_of(recorded_run(30)))
    state = take_all(ExportFeed(path))
    assert state.step == 30
    assert len(state.loss) == 30
    assert not state.evaluations
    assert [step for step, _ in read(LrtuiExport, path)["loss"]] == list(range(30))


def test_a_part_of_a_resumed_run_is_read_by_itself(path: Path) -> None:
    events = resumed()
    start = next(index for index, event in enumerate(events) if getattr(event, "resumed_from", None) == 100)
    path.write_text(lines_of(events[start:]))
    state = take_all(ExportFeed(path))
    assert (state.first_step, state.step, len(state.loss)) == (100, 130, 30)


def test_missing_steps_are_not_known_and_the_others_stay_in_place(path: Path) -> None:
    lines = lines_of(recorded_run(20)).splitlines(keepends=True)
    path.write_text("".join([*lines[:8], lines[8][:20] + "\n", *lines[9:]]))
    state, feed = RunState(), ExportFeed(path)
    take_all(feed, state)
    expected = folded(recorded_run(20))
    assert state.step == 20
    assert [index for index in range(20) if state.loss[index] != expected.loss[index]] == [5]
    assert feed.trouble.startswith(f"{path}, line 9 is left out: ")


BAD = [
    '{"event": "step_done"}',
    '{"event": "step_done", "seq": 9, "step": 9, "seconds": 1, "epoch": 1, "batch": 0, "loss": "x", "lrs": [1]}',
    '{"event": "step_done", "seq": 9, "step": 9, "seconds": 1, "epoch": 1, "batch": 0, "loss": 1, "lrs": []}',
    '{"event": "step_done", "seq": 9, "step": 9, "seconds": null, "epoch": 1, "batch": 0, "loss": 1, "lrs": [1]}',
    '{"event": "step_done", "seq": 9, "step": 7, "seconds": 1, "epoch": 1, "batch": 0, "loss": 1, "lrs": [1], '
    '"metrics": 3}',
    '{"event": "step_done", "seq": 9, "step": 99999, "seconds": 1, "epoch": 1, "batch": 0, "loss": 1, "lrs": [1]}',
    '{"event": "step_done", "seq": 1e300, "step": true, "seconds": 1, "epoch": 1, "batch": 0, "loss": 1, "lrs": [1]}',
    '{"event": "unheard_of", "seq": 9, "step": 9, "seconds": 1}',
    '{"event": "notice", "seq": 9, "step": 7, "seconds": 1, "level": "loud", "code": "x", "text": "y"}',
    '{"event": "notice", "seq": 9, "step": 7, "seconds": 1, "level": "info", "code": "x", "text": 5}',
    '{"event": "notice", "seq": 9, "step": -7, "seconds": 1, "level": "info", "code": "x", "text": "y"}',
    '{"event": "notice", "seq": 9, "step": 7, "seconds": Infinity, "level": "info", "code": "x", "text": "y"}',
    '{"event": "extended", "seq": 9, "step": 7, "seconds": 1, "epochs": 99999999999, "total_steps": 5}',
    '{"event": "epoch_done", "seq": 9, "step": 7, "seconds": 1, "epoch": 1, "lrs": [1], "samples_per_second": 1, '
    '"dead_layer": {"name": "x", "dead": "y", "units": 1}}',
    '{"event": "run_started", "seq": 0, "step": 0, "seconds": 0, "spec": 5}',
    '{"event": "run_started", "seq": 0, "step": 0, "seconds": 0, "spec": {"epochs": -1}, "device": "cpu"}',
    '{"event": [], "seq": 9}',
    '{"event": {"a":',
    '{"event": "step_done", "seq": 9,',
]  # fmt: skip


@pytest.mark.parametrize("line", BAD)
def test_a_bad_line_is_named_and_left_out(path: Path, line: str) -> None:
    text = lines_of(islice(recorded_run(500), 8))
    path.write_text(text + line + "\n")
    feed = ExportFeed(path)
    assert_equal(take_all(feed), folded(islice(recorded_run(500), 8)))
    assert feed.trouble.startswith(f"{path}, line 9 is left out: ")
    assert read(LrtuiExport, path)["loss"]


def test_files_of_other_programs_are_not_claimed(path: Path) -> None:
    for text in (
        '{"event": "step", "seq": 1}\n',
        '{"step": 1, "loss": 0.5}\n',
        "",
        '{"event": "notice"}\n',
        "step,epoch\n",
    ):
        path.write_text(text)
        assert LrtuiExport().find(path.parent, [path.name]) == []


def test_lrtui_is_asked_before_the_general_formats() -> None:
    order = list(BUILT_IN[LOG_FORMATS])
    assert order.index("lrtui") < min(order.index("jsonl"), order.index("csv"))


def test_a_run_that_has_ended_is_finished_until_it_is_resumed(path: Path) -> None:
    events = recorded_run(20, outcome="stopped")
    path.write_text(lines_of(events))
    reader = reader_of(LrtuiExport, path)
    facts = reader.read(1.0).facts
    assert facts is not None
    assert facts.is_finished
    assert isinstance(events[-1], RunFinished)
    started = next(event for event in events if isinstance(event, RunStarted))
    again = replace(started, seq=events[-1].seq + 1, step=20, resumed_from=20, resumed_seq=events[-1].seq)
    with path.open("a") as file:
        file.write(lines_of([again]))
    facts = reader.read(1.0).facts
    assert facts is not None
    assert facts.is_finished is None
