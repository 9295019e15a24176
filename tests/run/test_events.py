"""Events as JSON, and the live feed."""

from __future__ import annotations

import json
import math

import pytest

from lrtui.run.event_json import EVENT_CLASSES, event_from_json, event_to_json
from lrtui.run.events import DeadLayer, EpochDone, EvalDone, Event, Notice, RunStarted, StepDone
from lrtui.run.feed import LiveFeed, StepBlock
from lrtui.run.spec import RunSpec
from lrtui.run.step_blocks import block_of

DESIGN = {
    "run_started", "step_done", "eval_done", "epoch_done",
        "extended", "schedule_switched", "lr_set", "paused", "resumed",
    "checkpoint_saved", "evaluation_started", "notice", "command_refused", "run_finished",
}  # fmt: skip


def started() -> RunStarted:
    return RunStarted(
        seq=0, step=0, seconds=0.0, spec=RunSpec(epochs=2), device="cpu", torch_threads=1,
        data={"name": "tiny", "source": "made up", "where": "nowhere", "train": 96, "test": 32}, parameter_count=9,
        batches_per_epoch=6, total_steps=12, group_names=("default",), group_lrs=(0.01,),
    )  # fmt: skip


def test_the_kinds_of_events_are_those_documented() -> None:
    assert set(EVENT_CLASSES) == DESIGN


def test_a_step_is_written_in_the_documented_format() -> None:
    event = StepDone(seq=14, step=12, seconds=1.9, epoch=1, batch=12, loss=0.61, lrs=(0.01,))
    assert json.dumps(event_to_json(event)) == (
        '{"event": "step_done", "seq": 14, "step": 12, "seconds": 1.9, "epoch": 1, "batch": 12, "loss": 0.61, '
        '"lrs": [0.01]}'
    )


def test_step_metrics_are_written_by_name_and_omitted_if_empty() -> None:
    event = StepDone(
        seq=14, step=12, seconds=1.9, epoch=1, batch=12, loss=0.61, lrs=(0.01,),
        metrics={"grad_norm": 2.5, "perplexity": math.inf, "skipped": math.nan},
    )  # fmt: skip
    record = event_to_json(event)
    assert list(record)[-1] == "metrics"
    assert record["metrics"] == {"grad_norm": 2.5, "perplexity": None}
    assert event_to_json(event, exact=True)["metrics"] == {"grad_norm": 2.5, "perplexity": "Infinity"}


@pytest.mark.parametrize(
    "event",
    [
        started(),
        StepDone(seq=1, step=0, seconds=0.1, epoch=1, batch=0, loss=0.1 + 0.2, lrs=(0.01, 1e-300)),
        StepDone(seq=1, step=0, seconds=0.1, epoch=1, batch=0, loss=0.1, lrs=(0.01,), metrics={"grad_norm": 0.1 + 0.2}),
        EvalDone(seq=2, step=6, seconds=0.2, epoch=1, loss=0.5, accuracy=None, seconds_taken=0.1),
        EpochDone(seq=2, step=6, seconds=0.2, epoch=1, lrs=(0.1,), samples_per_second=9.5),
        EpochDone(
            seq=2, step=6, seconds=0.2, epoch=1, lrs=(0.1,), samples_per_second=9.5, dead_layer=DeadLayer("0", 7, 8)
        ),
        Notice(seq=3, step=6, seconds=0.2, level="info", code="data", text="öß\n"),
    ],
)
def test_an_event_survives_a_round_trip_through_json(event: Event) -> None:
    assert event_from_json(json.loads(json.dumps(event_to_json(event), allow_nan=False))) == event


def test_non_finite_numbers_are_null_in_json() -> None:
    event = StepDone(seq=1, step=0, seconds=0.1, epoch=1, batch=0, loss=math.inf, lrs=(math.nan,))
    record = event_to_json(event)
    assert record["loss"] is None
    assert record["lrs"] == [None]
    back = event_from_json(record)
    assert isinstance(back, StepDone)
    assert math.isnan(back.loss)


def test_an_unknown_kind_of_event_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="moon_landing"):
        event_from_json({"event": "moon_landing"})


def test_a_feed_returns_events_in_order_up_to_the_limit() -> None:
    feed = LiveFeed()
    events = [Notice(seq=i, step=0, seconds=0.0, level="info", code="x", text="") for i in range(5)]
    for event in events:
        feed.publish(event)
    assert feed.take(2) == events[:2]
    assert feed.take(10) == events[2:]
    assert feed.take(10) == []


def test_a_feed_returns_the_steps_of_blocks_one_by_one() -> None:
    steps = [
        StepDone(
            seq=7 + i,
            step=5 + i,
            seconds=0.1 * i,
            epoch=1 + i // 4,
            batch=i % 4,
            loss=math.inf if i == 2 else 1.0 / (1 + i),
            lrs=(0.01, 0.5 * i) if i >= 3 else (0.01,),
            metrics={"norm": float(i)} if i % 2 else {},
        )
        for i in range(9)
    ]
    blocks = [block_of(steps[:3]), block_of(steps[3:])]
    last = Notice(seq=16, step=14, seconds=1.0, level="info", code="x", text="")
    for size in (1, 2, 4, 100):
        feed, heard = LiveFeed(), []
        feed.listener = heard.append
        for item in (*blocks, last):
            feed.publish(item)
        assert heard == [*blocks, last]
        taken = []
        while part := feed.take(size):
            assert len(part) <= size
            taken += part
        assert taken == [*steps, last]
        assert len(feed) == 0
    whole = StepBlock(
        **{name: getattr(blocks[1], name) for name in ("first_step", "seqs", "epochs", "batches", "seconds", "loss")},
        lrs=blocks[1].lrs,
        metrics=blocks[1].metrics,
        added={1: 2},
    )
    assert [len(step.lrs) for step in whole.steps()] == [1, 1, 2, 2, 2, 2]
    assert list(whole.steps()) == [whole.step(index) for index in range(len(whole))]
