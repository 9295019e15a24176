"""`lrtui runs export`: every step at full precision, as CSV, JSON and TensorBoard files."""

from __future__ import annotations

import csv
import io
import json
import math
import resource
import sys
import tracemalloc
from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest
from command_line import CommandLine
from recorded_runs import recorded_run
from store_runs import ignore, new_recorder, store_events
from waiting import SECONDS

from lrtui.cli.printer import Printer
from lrtui.run.events import EvalDone, Event, StepDone
from lrtui.store.connection import open_for_reading
from lrtui.store.run_export import csv_lines, json_lines, stored_events
from lrtui.store.writer import Writer

ODD = (math.nan, math.inf, -math.inf, 1e308, 5e-324, 0.1 + 0.2)


@pytest.fixture
def lrtui(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> CommandLine:
    return CommandLine(tmp_path / "store", capsys)


def odd(event: Event) -> Event:
    if isinstance(event, StepDone):
        return replace(event, loss=ODD[event.step % len(ODD)], seconds=event.step / 3)
    return event


def columns(text: str) -> dict[str, list[str]]:
    rows = list(csv.reader(io.StringIO(text)))
    return dict(zip(rows[0], map(list, zip(*rows[1:], strict=True)), strict=True))


def test_the_csv_has_a_row_per_step_at_full_precision(lrtui: CommandLine) -> None:
    lrtui.record(120, edit=odd, nudge_at=30)
    answer = lrtui("runs", "export", "last")
    assert (answer.status, answer.err) == (0, "")
    table = columns(answer.out)
    assert list(table) == ["step", "epoch", "batch", "seconds", "loss", "lr"]
    assert table["step"] == [str(step) for step in range(120)]
    assert table["epoch"][49:51] == ["1", "2"]
    assert table["batch"][49:51] == ["49", "0"]
    assert [float(value) for value in table["seconds"]] == [step / 3 for step in range(120)]
    assert table["loss"][:6] == ["nan", "inf", "-inf", "1e+308", "5e-324", "0.30000000000000004"]
    assert table["lr"][29:31] == ["0.01", "0.0125"]


def test_each_parameter_group_has_an_lr_column(lrtui: CommandLine) -> None:
    lrtui.record(100, groups=2)
    table = columns(lrtui("runs", "export", "1", "--format", "csv").out)
    assert list(table)[5:] == ["lr_0", "lr_1"]
    assert table["lr_1"] == [repr(float(lr) * 0.1) for lr in table["lr_0"]]


@pytest.mark.parametrize("steps", [0, None])
def test_a_run_without_steps_has_only_the_header(steps: int | None, lrtui: CommandLine) -> None:
    store_events(lrtui.folder, [] if steps is None else recorded_run(0))
    assert lrtui("runs", "export", "1").out == "step,epoch,batch,seconds,loss,lr\n"


def test_the_json_is_exactly_what_train_printed(lrtui: CommandLine) -> None:
    events = [odd(event) for event in recorded_run(330, groups=2, nudge_at=130, outcome="failed")]
    out = io.StringIO()
    printer = Printer(as_json=True, quiet=True, log_interval=1, out=out, err=io.StringIO())
    for event in events:
        printer.print(event)
    store_events(lrtui.folder, events)
    assert lrtui("runs", "export", "1", "--format", "json").out == out.getvalue()


def test_a_file_is_written_whole_or_not_at_all(
    lrtui: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lrtui.record(100)
    out = tmp_path / "run.csv"
    assert lrtui("runs", "export", "1", "--out", str(out)).out == ""
    whole = out.read_text()
    assert whole == lrtui("runs", "export", "1").out
    monkeypatch.setattr("lrtui.cli.runs.export.csv_lines", lambda *_, **__: (1 / 0 for _ in "x"))
    with pytest.raises(ZeroDivisionError):
        lrtui("runs", "export", "1", "--out", str(out))
    assert out.read_text() == whole
    assert list(tmp_path.glob("*.part")) == []
    answer = lrtui("runs", "export", "1", "--out", str(tmp_path / "nowhere" / "run.csv"))
    assert answer.status == 1
    assert "can't be written" in answer.err


def test_superseded_events_are_not_exported(lrtui: CommandLine) -> None:
    events = recorded_run(100)
    writer = Writer(lrtui.folder, ignore)
    recorder = new_recorder(writer)
    for event in events:
        recorder.publish(event)
    assert recorder.commit(SECONDS)
    cut = next(event.seq for event in events if isinstance(event, StepDone) and event.step == 60)
    writer.call(lambda connection: connection.execute("UPDATE batches SET superseded = 1 WHERE seq >= ?", (cut,)))
    writer.call(lambda connection: connection.execute("UPDATE events SET superseded = 1 WHERE seq >= ?", (cut,)))
    assert writer.close(SECONDS)
    assert columns(lrtui("runs", "export", "1").out)["step"] == [str(step) for step in range(60)]
    last = json.loads(lrtui("runs", "export", "1", "--format", "json").lines[-1])
    assert (last["event"], last["step"]) == ("step_done", 59)


def test_a_long_run_streams(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lrtui.store.run_export.STEPS_AT_ONCE", 1000)
    writer = Writer(tmp_path, ignore)
    recorder = new_recorder(writer)
    events = recorded_run(0, groups=2)
    for event in events:
        recorder.publish(event)
    steps = 20_000
    for step in range(steps):
        recorder.publish(
            StepDone(
                seq=len(events) + step, step=step, seconds=step * 1e-3, epoch=1, batch=step, loss=0.5, lrs=(0.01, 0.001)
            )
        )
        if step % 5_000 == 0:
            assert recorder.commit(SECONDS)
    assert writer.close(SECONDS)
    connection = open_for_reading(tmp_path)
    for lines in (csv_lines, json_lines):
        tracemalloc.start()
        count = sum(1 for _ in islice(lines(stored_events(connection, recorder.run)), 12_000))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert count == 12_000
        # in pieces of a size that does not grow with the run
        assert peak < 4e6
    assert sum(1 for _ in csv_lines(stored_events(connection, recorder.run))) == steps + 1
    connection.close()


def test_a_live_run_is_exported_so_far(tmp_path: Path, lrtui: CommandLine) -> None:
    writer = Writer(lrtui.folder, ignore)
    recorder = new_recorder(writer)
    events = recorded_run(60)
    for event in events[:40]:
        recorder.publish(event)
    assert recorder.commit(SECONDS)
    connection = open_for_reading(lrtui.folder)
    story = stored_events(connection, recorder.run)
    first = next(story)
    for event in events[40:]:
        recorder.publish(event)
    assert recorder.commit(SECONDS)
    assert len([first, *story]) < len(events)
    connection.close()
    assert writer.close(SECONDS)


def test_tensorboard_reads_every_point_back(lrtui: CommandLine, tmp_path: Path) -> None:
    def with_metric(event: Event) -> Event:
        return replace(event, metrics={"top5": 0.5 + event.epoch / 100}) if isinstance(event, EvalDone) else event

    lrtui.record(120, edit=with_metric, nudge_at=70)
    created = json.loads(lrtui("runs", "list", "--json").out)["created"]
    out = tmp_path / "tb" / "1"
    answer = lrtui("runs", "export", "1", "--format", "tensorboard", "--out", str(out))
    assert answer.status == 0, answer.err
    assert answer.err == f"246 points in {out}\n"
    found = scalars(out)
    events = recorded_run(120, nudge_at=70)
    steps = [event for event in events if isinstance(event, StepDone)]
    tests = [event for event in events if isinstance(event, EvalDone)]
    assert set(found) == {"train/loss", "lr", "test/loss", "test/accuracy", "test/top5"}
    close(found["train/loss"], [(event.step, created + event.seconds, event.loss) for event in steps])
    close(found["lr"], [(event.step, created + event.seconds, event.lrs[0]) for event in steps])
    close(found["test/loss"], [(event.step, created + event.seconds, event.loss) for event in tests])
    close(found["test/accuracy"], [(event.step, created + event.seconds, event.accuracy or 0.0) for event in tests])
    close(found["test/top5"], [(event.step, created + event.seconds, 0.5 + event.epoch / 100) for event in tests])


def with_step_metrics(event: Event) -> Event:
    """Add a metric of every step, one of every tenth step and one without a finite value."""
    if not isinstance(event, StepDone):
        return event
    metrics = {"grad_norm": event.step / 3, "loss scale": math.nan}
    if event.step % 10 == 0:
        metrics["accuracy, of the batch"] = math.inf if event.step % 20 else 0.5
    return replace(event, metrics=metrics)


def test_step_metrics_have_columns_in_the_csv(lrtui: CommandLine) -> None:
    lrtui.record(60, groups=2, edit=with_step_metrics)
    table = columns(lrtui("runs", "export", "1").out)
    assert list(table)[5:] == ["lr_0", "lr_1", "accuracy, of the batch", "grad_norm"]
    assert [float(value) for value in table["grad_norm"]] == [step / 3 for step in range(60)]
    assert table["accuracy, of the batch"][:21:5] == ["0.5", "", "inf", "", "0.5"]


def test_step_metrics_are_in_the_json_exactly_as_train_prints_them(lrtui: CommandLine) -> None:
    events = [with_step_metrics(odd(event)) for event in recorded_run(120)]
    out = io.StringIO()
    printer = Printer(as_json=True, quiet=True, log_interval=1, out=out, err=io.StringIO())
    for event in events:
        printer.print(event)
    store_events(lrtui.folder, events)
    assert lrtui("runs", "export", "1", "--format", "json").out == out.getvalue()
    assert '"metrics": {"accuracy, of the batch": null, "grad_norm": ' in out.getvalue()


def test_tensorboard_has_the_step_metrics(lrtui: CommandLine, tmp_path: Path) -> None:
    lrtui.record(60, edit=with_step_metrics)
    assert lrtui("runs", "export", "1", "--format", "tensorboard", "--out", str(tmp_path / "tb")).status == 0
    found = scalars(tmp_path / "tb")
    assert [step for step, _, _ in found["train/grad_norm"]] == list(range(60))
    assert [step for step, _, _ in found["train/accuracy, of the batch"]] == list(range(0, 60, 10))
    assert found["train/grad_norm"][30][2] == pytest.approx(10.0)


def test_tensorboard_has_an_lr_per_group_and_separate_tags_for_the_averaged_model(
    lrtui: CommandLine, tmp_path: Path
) -> None:
    def averaged(event: Event) -> Event:
        if isinstance(event, EvalDone) and event.epoch == 2:
            return replace(event, averaged=True, accuracy=None, loss=math.nan)
        return event

    lrtui.record(100, groups=2, edit=averaged)
    assert lrtui("runs", "export", "1", "--format", "tensorboard", "--out", str(tmp_path / "tb")).status == 0
    found = scalars(tmp_path / "tb")
    assert set(found) == {"train/loss", "lr/default", "lr/fc*", "test/loss", "test/accuracy", "averaged/loss"}
    assert [step for step, _, _ in found["test/loss"]] == [50]
    assert math.isnan(found["averaged/loss"][0][2])


def test_a_folder_with_event_files_is_refused(lrtui: CommandLine, tmp_path: Path) -> None:
    lrtui.record(100)
    arguments = ["runs", "export", "1", "--format", "tensorboard", "--out", str(tmp_path / "tb")]
    assert lrtui(*arguments).status == 0
    answer = lrtui(*arguments)
    assert answer.status == 2
    assert "already has event files" in answer.err
    (tmp_path / "file").write_text("no folder")
    answer = lrtui(*arguments[:-1], str(tmp_path / "file" / "tb"))
    assert answer.status == 1
    assert "can't be written" in answer.err


def test_a_full_disk_is_reported_in_one_line_and_leaves_no_part_of_a_file(lrtui: CommandLine, tmp_path: Path) -> None:
    lrtui.record(3000)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    # writing more to a file fails, as on a full disk
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, limits[1]))
    try:
        answer = lrtui("runs", "export", "1", "--format", "tensorboard", "--out", str(tmp_path / "new" / "tb"))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert answer.status == 1
    assert answer.err.count("\n") == 1
    assert "tb can't be written: File too large" in answer.err
    assert not (tmp_path / "new").exists()


def test_event_files_need_a_folder(lrtui: CommandLine, tmp_path: Path) -> None:
    lrtui.record(100)
    (tmp_path / "file").write_text("kept")
    for path in ("/dev/full", str(tmp_path / "file")):
        answer = lrtui("runs", "export", "1", "--format", "tensorboard", "--out", path)
        assert answer.status == 2
        assert answer.err == f"lrtui runs: {path} is not a folder: choose one for the event files\n"
    assert (tmp_path / "file").read_text() == "kept"


@pytest.mark.parametrize("file_format", ["csv", "json"])
def test_an_export_to_a_full_device_is_reported_in_one_line(file_format: str, lrtui: CommandLine) -> None:
    lrtui.record(100)
    answer = lrtui("runs", "export", "1", "--format", file_format, "--out", "/dev/full")
    assert answer.status == 1
    assert answer.err == "lrtui runs: /dev/full can't be written: No space left on device\n"


def test_tensorboard_needs_a_folder_and_its_package(
    lrtui: CommandLine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    lrtui.record(100)
    answer = lrtui("runs", "export", "1", "--format", "tensorboard")
    assert answer.status == 2
    assert "--out PATH" in answer.err
    for name in ("tensorboard", "tensorboard.compat.proto.event_pb2"):
        monkeypatch.setitem(sys.modules, name, None)
    answer = lrtui("runs", "export", "1", "--format", "tensorboard", "--out", str(tmp_path / "tb"))
    assert answer.status == 2
    assert "pip install 'lrtui[tensorboard]'" in answer.err
    assert not (tmp_path / "tb").exists()


@pytest.mark.parametrize("arguments", [["unknown"], ["1", "--format", "xml"]])
def test_usage_errors_are_reported(arguments: list[str], lrtui: CommandLine) -> None:
    lrtui.record(10)
    assert lrtui("runs", "export", *arguments).status == 2


def scalars(folder: Path) -> dict[str, list[tuple[int, float, float]]]:
    """Return what TensorBoard reads from a folder: step, wall time and value by tag."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    accumulator = EventAccumulator(str(folder), size_guidance={"scalars": 0})
    accumulator.Reload()
    tags = accumulator.Tags()["scalars"]
    return {tag: [(point.step, point.wall_time, point.value) for point in accumulator.Scalars(tag)] for tag in tags}


def close(found: list[tuple[int, float, float]], expected: list[tuple[int, float, float]]) -> None:
    """Assert that points are the same, as far as TensorBoard's 32 bits go."""
    assert [step for step, _, _ in found] == [step for step, _, _ in expected]
    assert [wall for _, wall, _ in found] == pytest.approx([wall for _, wall, _ in expected], abs=1e-4)
    assert [value for _, _, value in found] == pytest.approx([value for _, _, value in expected], rel=1e-6)


@pytest.mark.parametrize(("file_format", "unit"), [("csv", "row"), ("json", "event")])
def test_an_export_to_a_file_reports_its_path_and_length(
    lrtui: CommandLine, tmp_path: Path, file_format: str, unit: str
) -> None:
    lrtui.record(120)
    out = tmp_path / "run"
    answer = lrtui("runs", "export", "1", "--format", file_format, "--out", str(out))
    length = 120 if file_format == "csv" else len(out.read_text().splitlines())
    assert (answer.out, answer.err) == ("", f"{length} {unit}s in {out}\n")
