"""Runs of scripts in the store: losses that were not logged, tests without a loss, groups that were added later."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from attached_runs import SCRIPT_SPEC, UNKNOWN_LENGTH, attached_run
from store_runs import folded, store_events, stored

from lrtui.run.event_json import event_from_json, event_to_json
from lrtui.run.events import EvalDone, StepDone
from lrtui.run.log import evaluation_line
from lrtui.run.minmax_pyramid import BLOCK
from lrtui.run.state import RunState
from lrtui.store.columns import epochs_done, epochs_of
from lrtui.store.connection import open_for_reading
from lrtui.store.inbox import why_no_commands
from lrtui.store.reader import all_runs, reload
from lrtui.store.run_export import csv_lines, group_count, json_lines, metric_columns, stored_events
from lrtui.store.tensorboard_export import _points


@pytest.mark.parametrize("in_full", [None, 10**6])
@pytest.mark.parametrize("more", [{}, {"group_from": 130}, {"log_every": 7, "tests": "accuracy", "has_length": False}])
def test_the_stored_run_of_a_script_equals_the_live_one(tmp_path: Path, in_full: int | None, more: dict) -> None:
    events = attached_run(230, **more)
    run = store_events(tmp_path, events)
    mine, theirs = stored(tmp_path, run, in_full), folded(events)
    for name in RunState.__dataclass_fields__:
        assert repr(getattr(mine, name)) == repr(getattr(theirs, name)), name
    assert (mine.loss, mine.lrs, mine.metrics) == (theirs.loss, theirs.lrs, theirs.metrics)


def test_a_group_that_is_added_later_has_no_lr_before(tmp_path: Path) -> None:
    events = attached_run(3 * BLOCK, group_from=BLOCK + 5)
    for state in (folded(events), stored(tmp_path, store_events(tmp_path, events))):
        assert [len(series) for series in state.lrs] == [3 * BLOCK, 3 * BLOCK]
        assert np.isnan(state.lrs[1].values).sum() == BLOCK + 5
        assert state.current_lrs[1] == state.scale[1] / 10 == 0.1
        assert [state.name_of_group(group) for group in (0, 1)] == ["default", "group 1"]
    summarized = stored(tmp_path, 1, in_full=1)
    assert summarized.lrs[1].known_from == 2 * BLOCK
    assert summarized.lrs[1].blocks.count.tolist() == [0, BLOCK - 5]
    assert summarized.lrs[1].last == 0.1


def test_a_group_may_be_added_after_the_summarized_steps(tmp_path: Path) -> None:
    events = attached_run(3 * BLOCK, group_from=3 * BLOCK - 2)
    store_events(tmp_path, events)
    state = stored(tmp_path, 1, in_full=1)
    assert state.lrs[1].known_from == 2 * BLOCK
    assert np.isfinite(state.lrs[1].values).sum() == 2


def test_the_run_list_has_the_latest_loss_that_was_logged(tmp_path: Path) -> None:
    events = attached_run(235)
    store_events(tmp_path, events)
    with_loss = [event.loss for event in events if isinstance(event, StepDone) and not math.isnan(event.loss)]
    (run,) = all_runs(open_for_reading(tmp_path))
    assert run.loss == folded(events).last_loss == with_loss[-1]


@pytest.fixture
def exported(tmp_path: Path) -> Iterator[list[str]]:
    """The CSV lines of a run whose second group was added at step 12."""
    run = store_events(tmp_path, attached_run(20, group_from=12))
    connection = open_for_reading(tmp_path)
    items = stored_events(connection, run)
    yield list(csv_lines(items, metric_columns(connection, run), group_count(connection, run)))
    connection.close()


def test_csv_leaves_out_what_was_not_logged(exported: list[str]) -> None:
    assert exported[0] == "step,epoch,batch,seconds,loss,lr_0,lr_1,grad_norm\n"
    assert exported[1] == "0,1,0,0.0,,0.01,,\n"
    assert exported[10].startswith("9,1,9,0.36,")
    assert exported[10].endswith(",0.01,,3.0\n")
    assert exported[20].endswith(",0.01,0.1,6.0\n")


def test_json_has_the_groups_that_a_step_had(tmp_path: Path) -> None:
    events = attached_run(20, group_from=12)
    run = store_events(tmp_path, events)
    lines = [json.loads(line) for line in json_lines(stored_events(open_for_reading(tmp_path), run))]
    assert lines == [event_to_json(event) for event in events]


def test_tensorboard_gets_no_points_for_what_was_not_logged(tmp_path: Path) -> None:
    run = store_events(tmp_path, attached_run(20, group_from=12))
    points = [values for _, _, values in _points(stored_events(open_for_reading(tmp_path), run))]
    assert points[0] == {"lr": 0.01}
    assert sorted(points[19]) == ["lr", "lr/group 1", "train/grad_norm", "train/loss"]


def test_a_test_without_a_loss_has_none_in_the_store_and_in_the_log(tmp_path: Path) -> None:
    events = attached_run(100, tests="accuracy")
    run = store_events(tmp_path, events)
    state = stored(tmp_path, run)
    (first, last) = [event for event in events if isinstance(event, EvalDone)]
    assert state.evaluations == [first, last]
    assert last.loss is None
    assert event_from_json(event_to_json(last)) == last
    assert "loss" not in event_to_json(last)
    assert evaluation_line(last) == "Test set: Accuracy: 0.5990"
    assert state.objective.metric == "accuracy"
    assert state.best == last
    (row,) = all_runs(open_for_reading(tmp_path))
    assert (row.test_loss, row.accuracy, row.best_accuracy) == (None, last.accuracy, last.accuracy)


def test_a_test_loss_of_nan_is_not_a_missing_one() -> None:
    result = EvalDone(seq=1, step=1, seconds=0.0, epoch=1, loss=math.nan, accuracy=None, seconds_taken=0.0)
    for exact in (True, False):
        again = event_from_json(event_to_json(result, exact=exact))
        assert isinstance(again, EvalDone)
        assert again.loss is not None
        assert math.isnan(again.loss)
    assert evaluation_line(result) == "Test set: Average loss: nan"


def test_the_number_of_epochs_is_unknown_where_the_script_does_not_say_it(tmp_path: Path) -> None:
    ended = store_events(tmp_path, attached_run(3, UNKNOWN_LENGTH, has_length=False, outcome="done"), UNKNOWN_LENGTH)
    known = store_events(tmp_path, attached_run(230), SCRIPT_SPEC)
    with open_for_reading(tmp_path) as connection:
        runs = {run.id: run for run in all_runs(connection)}
    assert (epochs_of(runs[ended]), epochs_done(runs[ended])) == (None, 3)
    assert (epochs_of(runs[known]), epochs_done(runs[known])) == (10, 4)


def test_a_script_that_has_ended_is_not_resumed_but_started_again(tmp_path: Path) -> None:
    run = store_events(tmp_path, attached_run(3, outcome="stopped"), SCRIPT_SPEC)
    with open_for_reading(tmp_path) as connection:
        refusal = why_no_commands(tmp_path, reload(connection, run), run)
    assert refusal == "#1 is stopped and takes no commands; only its script can continue it: start that again"


def test_a_table_has_each_column_once_also_if_a_script_logs_its_lr_and_epoch() -> None:
    header = next(iter(csv_lines([], ["epoch", "grad_norm", "lr"])))
    assert header == "step,epoch,batch,seconds,loss,lr,logged epoch,grad_norm,logged lr\n"
