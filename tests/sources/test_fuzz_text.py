"""Damaged files of the text formats: values, trouble or both, and the same while they grow."""

from __future__ import annotations

import json
import math
import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from recorded_runs import recorded_run
from text_logs import Series, SeriesSoFar, make_old, read_while_it_grows, reader_of

from lrtui.run.event_json import event_to_json
from lrtui.run.state import RunState
from lrtui.sources.log import LogFormat
from lrtui.sources.text.csv_log import CsvLogs
from lrtui.sources.text.jsonl import JsonLines
from lrtui.sources.text.lightning_csv import LightningCsv
from lrtui.sources.text.lrtui_export import ExportFeed, LrtuiExport

MOST_SECONDS = 5.0


def json_log() -> bytes:
    records: list[dict[str, object]] = []
    for index in range(40):
        records.append(
            {"epoch": index // 10, "iter": index % 10, "loss": 1 / (index + 1), "lr": [0.1], "time": 1.7e9 + index}
        )
        if index % 10 == 9:
            records.append({"mode": "val", "epoch": index // 10, "eval": {"loss": math.nan, "acc": 0.5}, "best": True})
    printed = [str({"loss": 1.5, "epoch": index}) for index in range(3)]
    return "".join(line + "\n" for line in (*map(json.dumps, records), *printed)).encode()


def csv_log() -> bytes:
    rows = [f"{index % 25},{index // 5},{1 / (index + 1)},{'' if index % 3 else 0.5},train" for index in range(40)]
    rows.insert(25, "step,epoch,loss,val_loss,phase")
    return ("step,epoch,loss,val_loss,phase\n" + "\n".join(rows) + "\n").encode()


def lightning_log() -> bytes:
    rows = [f",{index // 10},0.1,{index},0.5," if index % 2 else f",,,{index},,{index}" for index in range(40)]
    return ("acc,epoch,lr-Adam,step,train_loss_step,val_loss\r\n" + "\r\n".join(rows) + "\r\n").encode()


def export() -> bytes:
    events = recorded_run(60, switch_at=20, nudge_at=30, outcome="done")
    return "".join(json.dumps(event_to_json(event)) + "\n" for event in events).encode()


FORMATS: dict[str, tuple[type[LogFormat], Callable[[], bytes], str]] = {
    "jsonl": (JsonLines, json_log, "metrics.jsonl"),
    "csv": (CsvLogs, csv_log, "progress.csv"),
    "lightning": (LightningCsv, lightning_log, "metrics.csv"),
    "lrtui": (LrtuiExport, export, "run.jsonl"),
}

INSERTED = [
    b"\0" * 9, b"\n", b"\r\n", b"\r", b'"', b"{", b"}", b"[" * 50, b",", b";", b"\xff\xfe", b"\xef\xbb\xbf", b"NaN",
    b"-Infinity", b"1e999", b"9" * 30, b"9" * 400, b"-", b"null", b"true", b'{"step": 3}', b"step,loss\n",
    b"1,2,3,4,5\n", b"# x\n",
    b'{"step": -5, "loss": 1}\n', b'{"global_step": 9007199254740993, "loss": 2}\n', b"\\ud800",
    b'"event":', b"'", b"\t",
]  # fmt: skip


def mutated(data: bytes, dice: random.Random) -> bytes:
    """Return the data with a few damages."""
    for _ in range(dice.randint(1, 6)):
        place, length = dice.randrange(len(data) + 1), dice.randint(1, 1 + len(data) // 3)
        part = data[place : place + length]
        kind = dice.randrange(7)
        if kind == 0:
            data = data[:place] + bytes([dice.randrange(256)]) + data[place + 1 :]
        elif kind == 1:
            data = data[:place] + data[place + length :]
        elif kind == 2:
            data = data[:place] + part + data[place:]
        elif kind == 3:
            data = data[:place] + dice.choice(INSERTED) + data[place:]
        elif kind == 4:
            lines = data.split(b"\n")
            dice.shuffle(lines)
            data = b"\n".join(lines)
        elif kind == 5:
            old, new = dice.choice([(b",", b";"), (b"0", b"-9"), (b"\n", b"\r\n"), (b"1", b""), (b"loss", b"step")])
            data = data.replace(old, new, dice.randint(1, 40))
        elif len(data) > 100:
            data = data[:place]
    return data[:100_000]


def check(kind: str, folder: Path, seed: int) -> None:
    """Read one damaged file at once and while it grows."""
    log_format, make, name = FORMATS[kind]
    dice = random.Random(seed)
    data = mutated(make(), dice)
    path = folder / name
    path.write_bytes(data)
    make_old(path)
    log_format().find(folder, [name])
    log_format().find_file(path)
    start = time.thread_time()
    log_path = folder if kind == "lightning" else path
    reader = reader_of(log_format, log_path)
    at_once: Series = SeriesSoFar().read_all(reader)
    assert isinstance(reader.trouble, str)
    assert time.thread_time() - start < MOST_SECONDS
    assert all(math.isfinite(step) and name.isprintable() for name, points in at_once.items() for step, _ in points)
    if kind == "lrtui":
        state, feed = RunState(), ExportFeed(path)
        while items := feed.take(7):
            state.fold(items)
        assert len(state.loss) == len(state.seconds) == state.step - state.first_step
    sizes = sorted(dice.randrange(len(data) + 1) for _ in range(3))
    grown = read_while_it_grows(log_format, path, data, sizes, log_path)
    assert grown == at_once, sizes


@pytest.mark.parametrize("kind", FORMATS)
def test_damaged_files_are_read_without_an_exception(kind: str, tmp_path: Path) -> None:
    for seed in range(100):
        check(kind, tmp_path, seed)


@pytest.mark.deep
@pytest.mark.parametrize("kind", FORMATS)
def test_many_damaged_files_are_read_without_an_exception(kind: str, tmp_path: Path) -> None:
    for seed in range(100, 5_100):
        check(kind, tmp_path, seed)
