from __future__ import annotations

import math
import warnings
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
import torch
from event_logs import (
    Series,
    event_bytes,
    read_all,
    restarts_in,
    same,
    series_in,
    tensorboard_reads,
    write_events,
    write_records,
)
from torch.utils.tensorboard import SummaryWriter

from lrtui.plugins import LOG_FORMATS, load_plugin
from lrtui.sources.log import FoundLog, Points, Restart
from lrtui.sources.tensorboard.log_format import TensorBoardFormat, TensorBoardReader

pytestmark = pytest.mark.xdist_group("libraries")

NAME = "events.out.tfevents.1700000000.host.1.0"
LATER = "events.out.tfevents.1700000100.host.2.0"


def found(root: Path) -> set[Path]:
    """Return the folders that are runs."""
    folders = [folder for folder in (root, *root.rglob("*")) if folder.is_dir()]
    names = {folder: [path.name for path in folder.iterdir() if path.is_file()] for folder in folders}
    return {log.path for folder in folders for log in TensorBoardFormat().find(folder, names[folder])}


def test_scalars_of_pytorch_are_read_as_tensorboard_reads_them(tmp_path: Path) -> None:
    writer = SummaryWriter(str(tmp_path))
    values = [0.1, 1e-45, math.inf, -math.inf, math.nan, 3e38, -0.0]
    for step, value in enumerate(values * 40):
        writer.add_scalar("train/loss", value, step)
        writer.add_scalar("new", value, step, new_style=True)
        writer.add_scalar("new/double", value, step * 1000, new_style=True, double_precision=True)
    writer.add_scalar("no step", 1.0)
    writer.add_scalar("negative", 1.0, -1)
    writer.add_scalar("größe 📈", 1.0, 2**40)
    writer.add_text("text", "hello", 1)
    writer.add_histogram("weights", np.arange(100), 1)
    writer.add_histogram("weights", np.arange(50), 2)
    writer.add_image("image", np.zeros((3, 200, 300)), 1)
    writer.add_tensor("tensor", torch.tensor([1.0, 2.0]), 1)
    writer.add_pr_curve("precision", np.array([0, 1]), np.array([0.5, 0.6]), 1)
    writer.add_scalar("train/loss", 0.5, 300)
    writer.close()

    part, trouble = read_all(tmp_path)
    assert not trouble
    assert not restarts_in(part.items)
    read = series_in(part.items)
    assert set(read) == {"train/loss", "new", "new/double", "no step", "negative", "größe 📈"}
    assert len(read["train/loss"]) == 281
    assert same(read, tensorboard_reads(tmp_path))


def test_scalars_of_other_writers_are_read_as_tensorboard_reads_them(tmp_path: Path) -> None:
    import tensorboardX
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.compat.proto.tensor_pb2 import TensorProto
    from tensorboard.plugins.scalar.summary_v2 import scalar_pb
    from tensorboard.summary.writer.event_file_writer import EventFileWriter
    from tensorboard.util.tensor_util import make_tensor_proto

    writer = EventFileWriter(str(tmp_path / "own"))
    for step in range(200):
        summaries = [scalar_pb("float32", step / 3)]
        for kind in "float64", "float16", "int32", "int64", "uint8", "bool":
            number = np.array(step % 100 / 7 - (0 if kind in ("uint8", "bool") else 5)).astype(kind)
            one = make_tensor_proto(number)
            as_bytes = TensorProto(dtype=one.dtype, tensor_content=number.tobytes())
            for tag, tensor in (kind, one), (f"{kind} as bytes", as_bytes):
                metadata = scalar_pb("any", 0.0).value[0].metadata
                summaries.append(Summary(value=[Summary.Value(tag=tag, tensor=tensor, metadata=metadata)]))
        several = Summary(value=[Summary.Value(tag=f"of {name}", simple_value=step) for name in ("a", "bb", "a b")])
        for summary in (*summaries, several):
            if step and summary is not several:
                # as TensorFlow's writer does after the first event of a tag
                summary.value[0].ClearField("metadata")
            writer.add_event(Event(wall_time=1.7e9 + step, step=step, summary=summary))
    writer.close()
    with tensorboardX.SummaryWriter(str(tmp_path / "x")) as x:
        for step in range(200):
            x.add_scalar("train/loss", 1 / (1 + step), step)
            x.add_scalar("lr", 0.1, step, display_name="learning rate", summary_description="of all groups")

    for name, tags in ("own", 16), ("x", 2):
        part, trouble = read_all(tmp_path / name)
        assert not trouble
        read = series_in(part.items)
        assert len(read) == tags
        assert same(read, tensorboard_reads(tmp_path / name))


def test_lightning_writes_a_run_with_hyperparameters(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from lightning.pytorch.loggers import TensorBoardLogger

        logger = TensorBoardLogger(str(tmp_path), name="net")
        logger.log_hyperparams({"lr": 0.1, "model": {"depth": 2, "name": "small"}, "wide": True})
        for step in range(0, 100, 10):
            logger.log_metrics({"train_loss": 1 / (1 + step), "lr-Adam": 0.1, "epoch": step // 50}, step)
        logger.finalize("success")
    assert found(tmp_path) == {tmp_path / "net" / "version_0"}
    part, trouble = read_all(tmp_path / "net" / "version_0")
    assert not trouble
    assert same(series_in(part.items), tensorboard_reads(tmp_path / "net" / "version_0"))
    assert part.facts is not None
    assert part.facts.settings == {"lr": 0.1, "model/depth": 2.0, "model/name": "small", "wide": 1.0}


@pytest.mark.parametrize("library", ["torch.utils.tensorboard", "tensorboardX"])
def test_subfolders_of_add_hparams_and_add_scalars_belong_to_their_run(tmp_path: Path, library: str) -> None:
    run = tmp_path / "run"
    writer = pytest.importorskip(library).SummaryWriter(str(run))
    for step in range(3):
        writer.add_scalar("lr", 0.1, step)
        writer.add_scalars("loss/all", {"train": 1.0 + step, "val": 2.0 + step}, step)
    writer.add_hparams({"batch": 32, "name": "adam"}, {"hparam/accuracy": 0.9})
    writer.close()
    assert found(tmp_path) == {run}
    reader = TensorBoardReader(run)
    part = reader.read(60)
    assert not reader.trouble
    read = series_in(part.items)
    assert {name: [value for _, value, _ in rows] for name, rows in read.items() if name != "lr"} == {
        "loss/all/train": [1.0, 2.0, 3.0],
        "loss/all/val": [2.0, 3.0, 4.0],
    }
    assert len(read["lr"]) == 3
    assert part.facts is not None
    assert part.facts.settings == {"batch": 32.0, "name": "adam"}


def test_train_and_validation_folders_of_keras_are_one_run(tmp_path: Path) -> None:
    write_events(tmp_path / "a" / "train" / NAME, [("epoch_loss", step, 1.0) for step in range(3)])
    write_events(tmp_path / "a" / "validation" / NAME, [("epoch_loss", step, 2.0) for step in range(3)])
    write_events(tmp_path / "b" / "train" / NAME, [("epoch_loss", step, 3.0) for step in range(3)])
    assert found(tmp_path) == {tmp_path / "a", tmp_path / "b" / "train"}
    read = series_in(read_all(tmp_path / "a")[0].items)
    assert {name: rows[0][1] for name, rows in read.items()} == {"train/epoch_loss": 1.0, "validation/epoch_loss": 2.0}


def test_purge_step_of_pytorch_is_a_restart_at_that_step(tmp_path: Path) -> None:
    for purge_step in None, 5:
        with SummaryWriter(str(tmp_path), purge_step=purge_step) as writer:
            for step in range(purge_step or 0, 10):
                writer.add_scalar("loss", step, step)
    part, trouble = read_all(tmp_path)
    assert not trouble
    assert restarts_in(part.items) == [5]
    assert same(remaining(part.items), tensorboard_reads(tmp_path, purged=True))


def remaining(items: Iterable[Points | Restart]) -> Series:
    """Return the values that no restart has superseded."""
    series: Series = {}
    for item in items:
        if isinstance(item, Restart):
            series = {name: [row for row in rows if row[0] < item.step] for name, rows in series.items()}
        else:
            for name, rows in series_in([item]).items():
                series.setdefault(name, []).extend(rows)
    return series


def test_curves_of_add_scalars_are_read_as_soon_as_they_have_values(tmp_path: Path) -> None:
    writer = SummaryWriter(str(tmp_path))
    writer.add_scalar("lr", 0.1, 0)
    writer.flush()
    reader = TensorBoardReader(tmp_path)
    assert list(series_in(reader.read(9).items)) == ["lr"]
    # the file of a curve is created two minutes before its first values are written
    path = write_records(tmp_path / "loss_train" / NAME, [b"\x1a\rbrain.Event:2"])
    assert found(tmp_path) == {tmp_path}
    assert not reader.read(9).items
    write_records(path, [event_bytes("loss", step, 1.0, 1.7e9) for step in range(3)], "ab")
    assert reader.has_news()
    assert len(series_in(reader.read(9).items)["loss/train"]) == 3
    write_records(path, [event_bytes("loss", 3, 1.0, 1.7e9)], "ab")
    assert reader.has_news()
    assert series_in(reader.read(9).items) == {"loss/train": [(3, 1.0, 1.7e9)]}
    assert found(tmp_path) == {tmp_path}
    writer.close()


def test_a_new_file_that_starts_at_an_earlier_step_is_a_restart(tmp_path: Path) -> None:
    rows = [(tag, step, 1.0) for step in range(10) for tag in ("lr", "loss")]
    # a value that every start writes at step 0 says nothing about where the run goes on
    write_events(tmp_path / NAME, [("hp_metric", 0, -1.0), *rows])
    write_events(tmp_path / LATER, [("hp_metric", 0, -1.0), *rows[14:]], start=1.7e9 + 100)
    part, trouble = read_all(tmp_path)
    assert restarts_in(part.items) == [7]
    assert not trouble

    write_events(tmp_path / LATER, [("loss", step, 1.0) for step in range(10, 20)], start=1.7e9 + 100)
    part, trouble = read_all(tmp_path)
    assert not restarts_in(part.items)
    assert not trouble


def test_files_of_one_run_with_other_series_are_no_restarts(tmp_path: Path) -> None:
    write_events(tmp_path / NAME, [("loss", step, 1.0) for step in range(10)])
    write_events(tmp_path / LATER, [("validation", step, 1.0) for step in range(0, 10, 5)])
    part, trouble = read_all(tmp_path)
    assert not restarts_in(part.items)
    assert not trouble


def test_a_run_that_goes_on_while_its_curves_are_watched_is_read_in_order(tmp_path: Path) -> None:
    write_events(tmp_path / NAME, [("lr", step, 0.1) for step in range(10)])
    write_events(tmp_path / "loss_train" / NAME, [("loss", step, 1.0) for step in range(10)])
    reader = TensorBoardReader(tmp_path)
    reader.read(9)
    # the program was resumed at step 5, and writes the values of a curve before those of the run
    write_events(tmp_path / "loss_train" / LATER, [("loss", step, 2.0) for step in (5, 6)], start=1.7e9 + 100)
    assert not reader.read(9).from_start
    write_events(tmp_path / LATER, [("lr", step, 0.2) for step in (5, 6)], start=1.7e9 + 100)
    part = reader.read(9)
    assert part.from_start
    assert [row[:2] for row in remaining(part.items)["loss/train"][-2:]] == [(5, 2.0), (6, 2.0)]
    assert not reader.read(9).from_start


def test_the_bits_of_a_signaling_nan_are_read_without_a_warning(tmp_path: Path) -> None:
    data = bytearray(event_bytes("loss", 1, 1.0, 1.7e9))
    data[-4:] = b"\x01\x00\x80\x7f"
    write_records(tmp_path / NAME, [bytes(data)])
    assert math.isnan(series_in(read_all(tmp_path)[0].items)["loss"][0][1])


def test_the_format_is_registered() -> None:
    assert load_plugin(LOG_FORMATS, "tensorboard") is TensorBoardFormat
    assert not TensorBoardFormat().find(Path("x"), ["model.pt", ".events.out.tfevents.17.host.a8df6"])
    assert TensorBoardFormat().feed(FoundLog("tensorboard", Path("x"))) is None
