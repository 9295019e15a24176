"""Files of wandb are read as far as they are written, with the steps that the script counts in."""

from __future__ import annotations

import os
import random
from pathlib import Path
from typing import Any

import pytest
from example_counts import examples
from read_logs import ReadLog, Series, as_text, mutated
from wandb_files import EXIT, HEADER, framed, history, history_of, metric, run

from lrtui.sources.source import open_logs
from lrtui.sources.wandb import records as wandb_records
from lrtui.sources.wandb.log_format import WandbFile, WandbReader

NAN, INF = float("nan"), float("inf")


def rows(count: int, start: int = 0) -> list[bytes]:
    return [history(step, loss=1.0 / (step + 1), lr=0.1) for step in range(start, start + count)]


def losses(count: int) -> list[tuple[int, float]]:
    return [(step, 1.0 / (step + 1)) for step in range(count)]


def folder_of(parent: Path, run_id: str, date: str = "20260101_000000", prefix: str = "offline-run") -> Path:
    folder = parent / "wandb" / f"{prefix}-{date}-{run_id}"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return folder_of(tmp_path, "abc") / "run-abc.wandb"


def opened(path: Path) -> ReadLog:
    (found,) = WandbFile().find(path.parent, [path.name])
    return ReadLog(WandbFile().open(found))


def read(path: Path, records: list[bytes]) -> ReadLog:
    path.write_bytes(framed(records))
    log = opened(path)
    log.read()
    return log


def test_values_settings_and_the_end_of_a_run_are_read(path):
    log = read(
        path, [run("my run", lr=0.1, model={"depth": 3, "sizes": [1, 2]}, _wandb={}, none=None), *rows(50), EXIT]
    )
    assert log.series["loss"] == losses(50)
    assert set(log.series) == {"loss", "lr"}
    assert log.facts.settings == {"lr": 0.1, "model.depth": 3, "model.sizes": "[1, 2]"}
    assert (log.facts.name, log.facts.is_finished) == ("my run", True)
    assert (log.reader.trouble, log.reader.has_news()) == ("", False)


@pytest.mark.parametrize(("value", "epochs"), [(90, 90), (3.0, 3), (0.5, None), (-1, None), ("x", None), (NAN, None)])
def test_the_number_of_epochs_is_a_setting(path, value, epochs):
    assert read(path, [run("r", num_train_epochs=value)]).facts.epochs == epochs


def test_the_time_of_each_value_is_read(path):
    path.write_bytes(framed(rows(2)))
    (points, _) = opened(path).reader.read(60).items
    assert points.times.tolist() == [1.5e9, 1.5e9 + 1]


@pytest.mark.parametrize(
    ("value", "expected"),
    [(NAN, NAN), (b'"NaN"', NAN), (b'"Infinity"', INF), (-INF, -INF), (3, 3.0), (b"1e999", INF),
     (True, None), (None, None), ("text", None), ([1, 2], None), ({}, None), (b"", None)],
)  # fmt: skip
def test_numbers_are_values_and_all_else_is_not(path, value, expected):
    log = read(path, [history(0, x=value, y=1.0)])
    assert as_text(log.series) == as_text({"y": [(0, 1.0)]} | ({} if expected is None else {"x": [(0, expected)]}))


def test_values_in_mappings_are_named_with_dots(path):
    log = read(path, [history_of({("train", "loss"): 1.0, "val/loss": 2.0}, 0)])
    assert set(log.series) == {"train.loss", "val/loss"}


def test_numbers_that_describe_an_image_are_no_values(path):
    image = {("sample", "_type"): "image-file", ("sample", "width"): 32, ("sample", "size"): 1_000}
    assert set(read(path, [history_of(image | {"samples": 1.0}, 0)]).series) == {"samples"}


def test_the_steps_are_those_that_define_metric_names(path):
    calls = [{"loss": 1.0, "my_step": 10}, {"loss": 2.0, "my_step": 20}, {"val_loss": 3.0}]
    log = read(path, [metric("my_step"), *(history_of(call, step) for step, call in enumerate(calls))])
    assert log.series == {"loss": [(10, 1.0), (20, 2.0)], "val_loss": [(20, 3.0)]}


def test_metrics_defined_over_epochs_stay_at_their_steps(path):
    log = read(path, [metric("epoch", "val/*"), history(70, val__loss=1.0, epoch=1)])
    assert log.series == {"val/loss": [(70, 1.0)], "epoch": [(70, 1.0)]}


def test_the_steps_are_those_that_the_script_logs(path):
    log = read(path, [history(call, **{"iter": call * 2_000, "train__loss": 1.0}) for call in range(3)])
    assert log.series == {"train/loss": [(0, 1.0), (2_000, 1.0), (4_000, 1.0)]}


def test_steps_that_appear_late_are_used_for_all_values(path):
    path.write_bytes(framed([history(0, loss=1.0)]))
    log = opened(path)
    assert log.read() == {"loss": [(0, 1.0)]}
    path.write_bytes(framed([history(0, loss=1.0), history(1, loss=2.0, global_step=50)]))
    assert log.read() == {"loss": [(0, 1.0), (50, 2.0)]}
    assert log.from_starts == 1


@pytest.mark.parametrize(
    "steps", [[0, 1, 2, 0, 1, 2], [0.5, 1.5, 2.5, 3.5, 4.5, 5.5], [-1] * 6, [NAN] * 6, [1e300] * 6]
)
def test_steps_that_are_none_are_not_used(path, steps):
    log = read(path, [history(call, loss=1.0, iter=step) for call, step in enumerate(steps)])
    assert log.series["loss"] == [(call, 1.0) for call in range(6)]
    assert len(log.series["iter"]) == 6


def test_rows_without_a_step_are_at_the_step_before(path):
    log = read(path, [history(None, loss=3.0), history(5, loss=2.0), history(None, loss=1.0), history(-1, loss=0.0)])
    assert log.series["loss"] == [(0, 3.0), (5, 2.0), (5, 1.0), (5, 0.0)]


def test_a_growing_file_gives_each_value_once(path):
    data = framed([run("r"), *rows(900), EXIT])
    assert len(data) > 2 * 32_768
    log = None
    for end in [0, 3, 7, 8, 13, 14, 15, 100, *range(30_000, len(data), 1_111), *range(32_760, 32_790), len(data)]:
        end = min(end, len(data))
        with path.open("ab") as file:
            file.write(data[path.stat().st_size : end])
        log = log or opened(path)
        log.read()
        assert log.reader.trouble == ""
        assert not log.reader.has_news()
    assert log is not None
    assert log.series["loss"] == losses(900)
    assert log.from_starts == 0


def test_records_of_all_sizes_around_the_end_of_a_block_are_read(path):
    for length in range(32_768 - 7 - 200, 32_768 - 7):
        filler = history_of({"text": "x" * length}, 0)
        log = read(path, [filler, *rows(3)])
        assert log.series["loss"] == losses(3)
        assert log.reader.trouble == ""


def test_a_damaged_record_is_left_out_and_said(path):
    data = bytearray(framed(rows(900)))
    place = data.index(b"0.02")
    data[place] ^= 1
    path.write_bytes(data)
    log = opened(path)
    log.read()
    missing = set(losses(900)) - set(log.series["loss"])
    assert len(missing) == 1
    assert log.reader.trouble.startswith(f"{path} is damaged from byte ")
    assert log.reader.trouble.endswith(" on, in 1 place; the values there are left out.")


def test_a_damaged_length_loses_the_rest_of_its_block_only(path):
    data = bytearray(framed(rows(900)))
    data[HEADER.__len__() + 4] ^= 0xFF
    path.write_bytes(data)
    log = opened(path)
    log.read()
    kept = [step for step, _ in log.series["loss"]]
    assert kept == list(range(kept[0], 900))
    assert 300 < kept[0] < 600
    assert "in 1 place" in log.reader.trouble


def test_a_record_that_stays_half_written_is_said(path):
    data = framed(rows(20))
    place = data.rindex(b"\x12") - 7
    path.write_bytes(data[:-5])
    log = opened(path)
    log.read()
    assert (log.reader.trouble, log.reader.has_news()) == ("", False)
    os.utime(path, (1_000, 1_000))
    assert log.reader.has_news()
    assert log.read()["loss"] == losses(19)
    assert log.reader.trouble == f"{path} is cut off: it ends within the record at byte {place:,}."
    assert not log.reader.has_news()


def test_damage_in_the_last_block_is_read_when_it_turns_out_to_be_half_written(path):
    data = framed(rows(20))
    # a file system may show the length of a file before its content
    path.write_bytes(data[:500] + bytes(len(data) - 500))
    log = opened(path)
    log.read()
    assert log.reader.trouble.startswith(f"{path} can't be read beyond byte ")
    path.write_bytes(data)
    os.utime(path, (1_000, 1_000))
    assert log.read()["loss"] == losses(20)
    assert (log.reader.trouble, log.from_starts) == ("", 0)


def test_a_file_that_is_replaced_is_read_again(path):
    log = read(path, rows(50))
    other = path.with_name("other")
    other.write_bytes(framed([history(step, loss=7.0) for step in range(40)]))
    other.replace(path)
    assert log.reader.has_news()
    assert log.read()["loss"] == [(step, 7.0) for step in range(40)]
    assert (log.from_starts, "lr" in log.series) == (1, False)


def test_a_file_that_is_truncated_is_read_again(path):
    log = read(path, rows(50))
    path.write_bytes(framed(rows(10)))
    assert log.read()["loss"] == losses(10)


def test_a_file_that_is_deleted_keeps_its_values(path):
    log = read(path, rows(10))
    path.unlink()
    assert log.reader.has_news()
    log.read()
    assert log.series["loss"] == losses(10)
    assert log.reader.trouble == f"{path} can't be read: No such file or directory."
    assert not log.reader.has_news()


def test_values_are_read_in_parts_when_time_is_short(path):
    path.write_bytes(framed(rows(9_000)))
    log = opened(path)
    log.read(0.0)
    assert log.parts >= 3
    assert log.series["loss"] == losses(9_000)


def test_a_resumed_run_is_one_run(tmp_path):
    first = folder_of(tmp_path, "abc", "20260101_000000", "run") / "run-abc.wandb"
    log = read(first, [run("r"), *rows(10), EXIT])
    assert log.facts.is_finished
    second = folder_of(tmp_path, "abc", "20260102_000000", "run") / "run-abc.wandb"
    second.write_bytes(framed([run("r"), *rows(10, 8)]))
    other = folder_of(tmp_path, "xyz") / "run-xyz.wandb"
    other.write_bytes(framed(rows(5)))
    assert log.reader.has_news()
    assert log.read()["loss"] == losses(18)
    assert not log.facts.is_finished
    found = {log for file in (first, second, other) for log in WandbFile().find(file.parent, [file.name, "x.txt"])}
    assert {log.path for log in found} == {first.parent, other.parent}
    assert opened(second).read()["loss"] == losses(18)


def test_a_run_started_again_under_its_name_supersedes_the_first(tmp_path):
    for date, value in (("20260101_000000", 1.0), ("20260102_000000", 2.0)):
        path = folder_of(tmp_path, "abc", date) / "run-abc.wandb"
        path.write_bytes(framed([history(step, loss=value) for step in range(int(10 / value))]))
    assert opened(path).read()["loss"] == [(step, 2.0) for step in range(5)]


def test_the_link_to_the_latest_run_is_that_run(path):
    path.write_bytes(framed(rows(1)))
    link = path.parent.parent / "latest-run"
    link.symlink_to(path.parent.name)
    assert WandbFile().find(link, [path.name]) == WandbFile().find(path.parent, [path.name])
    link.unlink()
    link.symlink_to(path.parent)
    assert WandbFile().find(link, [path.name]) == WandbFile().find(path.parent, [path.name])


def test_what_wandb_keeps_beside_a_file_is_no_run(path):
    path.write_bytes(framed(rows(1)))
    for folder in (path.parent / "files", path.parent / "logs"):
        folder.mkdir()
        (folder / "output.log").write_text('{"loss": 1.0, "step": 1}\n' * 3)
    (source,) = open_logs([path.parent.parent])
    assert [run.id.key for run in source.read_all()] == [path.parent.name]
    source.close()


def test_files_outside_of_wandbs_folders_are_runs_of_their_own(tmp_path):
    found = WandbFile().find(tmp_path, ["run-a.wandb", "run-b.wandb", "run-a.wandb.synced", "notes.txt"])
    assert [log.path for log in found] == [tmp_path / "run-a.wandb", tmp_path / "run-b.wandb"]


FOREIGN = {
    "another format": b"\x00" * 100,
    "text": b"hello",
    "a newer version": HEADER[:-1] + b"\x01" + bytes(100),
    "short": b"ab",
}


@pytest.mark.parametrize("sort", FOREIGN)
def test_a_file_that_is_something_else_is_said(path, sort):
    path.write_bytes(FOREIGN[sort])
    log = opened(path)
    assert log.read() == {}
    assert log.reader.trouble == f"{path} can't be read: it is no .wandb file, or one of a newer format."


def test_a_pipe_does_not_block(path):
    os.mkfifo(path)
    log = opened(path)
    assert log.read() == {}
    assert log.reader.trouble == f"{path} can't be read: it is not a file."


def test_records_that_are_too_large_are_skipped(path, monkeypatch):
    monkeypatch.setattr(wandb_records, "_LARGEST_RECORD", 100_000)
    log = read(path, [*rows(1), history_of({"text": "x" * 200_000}, 1), history(2, loss=0.5)])
    assert log.series["loss"] == [(0, 1.0), (2, 0.5)]
    assert "1 record above" in log.reader.trouble


def test_records_that_are_no_messages_are_counted(path):
    log = read(path, [*rows(1), b"\xff" * 20, b"\x12\x05\x0a", history(1, loss=0.5)])
    assert log.series["loss"] == losses(2)
    assert log.reader.trouble == f"{path}: 2 records left out, unreadable."


def test_a_run_with_too_many_series_is_read_in_part(path):
    log = read(path, [history_of({f"m{number}": 1.0 for number in range(2_500)}, 0)])
    assert len(log.series) == 2_000
    assert log.reader.trouble.startswith(f"{path}: It has more than 2,000 series: the further ones, such as m2000,")


def test_hostile_settings_are_bounded(path):
    deep: Any = b"[" * 50_000
    many = {f"s{number}": number for number in range(3_000)}
    log = read(path, [run("x" * 5_000, deep=deep, long="y" * 5_000, huge=b'"' + b"z" * 100_000 + b'"', **many)])
    assert len(log.facts.settings) == 1_000
    assert len(log.facts.settings["long"]) == len(log.facts.name or "") == 1_000
    assert "deep" not in log.facts.settings


def texts(series: Series) -> set[str]:
    return {f"{name} {point!r}" for name, points in series.items() for point in points}


def test_damaged_files_are_values_or_trouble(path):
    records = [
        run("r", lr=0.1),
        metric("global_step"),
        *rows(400),
        history_of({("a", "b"): NAN, "text": "x" * 40_000}, 400),
    ]
    whole = read(path, records).series
    for number, damaged in enumerate(mutated(framed(records), examples(100, deep=5_000), seed=1)):
        path.write_bytes(damaged)
        os.utime(path, (1_000, 1_000))
        log = ReadLog(WandbReader(path))
        log.read()
        # checksums let no wrong value through
        assert texts(log.series) <= texts(whole), number
        assert log.series or log.reader.trouble or len(damaged) < 15, number


def test_damaged_records_with_right_checksums_are_values_or_trouble(path):
    generator = random.Random(2)
    records = [run("r", lr=0.1), metric("iter"), *rows(20), history_of({("a", "b"): NAN, "iter": 3}, 400), EXIT]
    for _ in range(examples(100, deep=5_000)):
        copies = [next(mutated(record, 1, generator.randrange(10**9))) for record in records]
        path.write_bytes(
            framed(generator.choice((damaged, record)) for damaged, record in zip(copies, records, strict=True))
        )
        log = ReadLog(WandbReader(path))
        log.read()
        assert log.series
