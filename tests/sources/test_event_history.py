from __future__ import annotations

from pathlib import Path

import pytest
from event_logs import event_bytes, read_all, restarts_in, series_in, write_events, write_records

from lrtui.sources.log import Points, Restart
from lrtui.sources.tensorboard import event_file
from lrtui.sources.tensorboard.log_format import TensorBoardReader

pytestmark = pytest.mark.xdist_group("libraries")

FIRST = "events.out.tfevents.1700000000.host.1.0"
SECOND = "events.out.tfevents.1700000100.host.2.0"
THIRD = "events.out.tfevents.1700000200.host.3.0"


def loss(first: int, stop: int) -> list[tuple[str, int, float]]:
    return [("loss", step, 1.0) for step in range(first, stop)]


def steps(items: object, tag: str = "loss") -> list[int]:
    return [step for step, _, _ in series_in(items).get(tag, [])]  # type: ignore[arg-type]


def test_each_resumed_file_starts_where_the_run_went_on(tmp_path: Path) -> None:
    write_events(tmp_path / THIRD, loss(15, 30), start=1.7e9 + 200)
    write_events(tmp_path / FIRST, loss(0, 10))
    write_events(tmp_path / SECOND, loss(8, 20), start=1.7e9 + 100)
    part, trouble = read_all(tmp_path)
    kinds = [item.step if isinstance(item, Restart) else len(item) for item in part.items]
    assert kinds == [10, 8, 12, 15, 15]
    assert not trouble


def test_sessions_in_one_file_start_again_at_their_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tensorboard.compat.proto.event_pb2 import Event, SessionLog

    def start(step: int) -> bytes:
        session = SessionLog(status=SessionLog.START)
        return Event(wall_time=1.7e9, step=step, session_log=session).SerializeToString()  # type: ignore[no-any-return]

    def events(first: int, stop: int) -> list[bytes]:
        return [event_bytes(tag, step, 1.0, 1.7e9) for step in range(first, stop) for tag in ("loss", "lr")]

    write_records(tmp_path / FIRST, [start(0), *events(0, 10), start(6), *events(6, 12), start(11), *events(11, 13)])
    expected = [(10, 0), (10, 0), 6, (6, 6), (6, 6), 11, (2, 11), (2, 11)]
    for block in 1 << 20, 500:
        monkeypatch.setattr(event_file, "BLOCK", block)
        part, trouble = read_all(tmp_path)
        items = [(len(item), item.steps[0]) if isinstance(item, Points) else item.step for item in part.items]
        assert items == expected
        assert not trouble


def test_of_two_writers_the_newer_one_counts_from_its_first_step_on(tmp_path: Path) -> None:
    older = write_events(tmp_path / FIRST, loss(0, 10))
    reader = TensorBoardReader(tmp_path)
    assert steps(reader.read(9).items) == list(range(10))
    newer = write_events(tmp_path / SECOND, loss(5, 8), start=1.7e9 + 100)
    part = reader.read(9)
    assert [type(item) for item in part.items] == [Restart, Points]
    assert steps(part.items) == [5, 6, 7]
    assert not reader.trouble

    write_records(older, [event_bytes("loss", step, 2.0, 1.7e9 + 102) for step in (4, 11)], "ab")
    write_records(newer, [event_bytes("loss", 8, 1.0, 1.7e9 + 102)], "ab")
    part = reader.read(9)
    assert not restarts_in(part.items)
    assert steps(part.items) == [4, 8]
    said = f"{tmp_path}: Two programs seem to write into it at the same time: from step 5 on, the values in {SECOND}"
    said += " are shown."
    assert reader.trouble == said
    # as a whole
    part, trouble = read_all(tmp_path)
    assert restarts_in(part.items) == [5]
    assert trouble == said


def test_two_writers_of_other_series_are_one_run(tmp_path: Path) -> None:
    older = write_events(tmp_path / FIRST, loss(0, 10))
    write_events(tmp_path / SECOND, [("accuracy", 0, 0.5)])
    reader = TensorBoardReader(tmp_path)
    reader.read(9)
    write_records(older, [event_bytes("loss", 10, 1.0, 1.7e9)], "ab")
    assert steps(reader.read(9).items) == [10]
    assert not reader.trouble


def test_a_clock_that_goes_backwards_changes_no_order(tmp_path: Path) -> None:
    write_records(tmp_path / FIRST, [event_bytes("loss", step, 1.0, 1.7e9 - step) for step in range(10)])
    part, trouble = read_all(tmp_path)
    assert steps(part.items) == list(range(10))
    assert not restarts_in(part.items)
    assert not trouble
