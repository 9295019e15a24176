"""Tables written by Lightning's own CSVLogger."""

from __future__ import annotations

import csv
import os
from pathlib import Path

import pytest
from text_logs import Series, SeriesSoFar, make_old, read, read_text, reader_of

from lrtui.sources.log import FoundLog
from lrtui.sources.text.csv_log import CsvLogs
from lrtui.sources.text.lightning_csv import LightningCsv

pytestmark = pytest.mark.xdist_group("libraries")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "version_0"
    folder.mkdir()
    return folder


def as_lightning_reads(folder: Path) -> Series:
    """Return the series in the table as csv.DictReader gives them."""
    series: Series = {}
    with (folder / "metrics.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            for name, cell in row.items():
                if cell and name != "step":
                    series.setdefault(name, []).append((int(row["step"]), float(cell)))
    return series


def test_a_run_of_lightning_is_read_while_it_is_written(tmp_path: Path) -> None:
    from lightning.pytorch.loggers import CSVLogger

    logger = CSVLogger(tmp_path, name="exp", version=0)
    folder = Path(logger.log_dir)
    logger.log_hyperparams({"lr": 0.01, "model": "cnn", "layers": [1, 2], "momentum": None})
    reader, so_far = reader_of(LightningCsv, folder), SeriesSoFar()
    for epoch in range(3):
        for batch in range(4):
            step = 4 * epoch + batch
            logger.log_metrics({"train_loss_step": 1 / (step + 3), "epoch": epoch}, step)
            logger.log_metrics({"lr-Adam": 0.01 / (epoch + 1)}, step)
        logger.save()
        so_far.read_all(reader)
        # a column appears, so that the file is rewritten
        logger.log_metrics({"val_loss": 0.5, "train_loss_epoch": 0.25, f"late_{epoch}": 1.0, "epoch": epoch}, step)
        logger.save()
        assert so_far.read_all(reader) == as_lightning_reads(folder)
    assert LightningCsv().find(folder, os.listdir(folder)) == [FoundLog("lightning_csv", folder)]
    assert CsvLogs().find(folder, os.listdir(folder)) == []
    assert so_far.series["val_loss"] == [(3, 0.5), (7, 0.5), (11, 0.5)]
    assert [step for step, _ in so_far.series["train_loss_step"]] == list(range(12))
    facts = reader_of(LightningCsv, folder).read(1.0).facts
    assert facts is not None
    assert facts.settings == {"lr": 0.01, "model": "cnn", "momentum": None}


def test_the_step_counts_over_the_run_whatever_else_is_logged(folder: Path) -> None:
    (folder / "metrics.csv").write_text("epoch,global_step,iteration,loss,step\n0,1,5,1.0,100\n1,2,0,2.0,40\n")
    assert read(LightningCsv, folder)["loss"] == [(40, 2.0)]
    assert read(LightningCsv, folder)["iteration"] == [(40, 0.0)]


def test_the_table_of_another_program_is_not_claimed(folder: Path) -> None:
    (folder / "metrics.csv").write_text("step,loss,epoch\n1,1.0,0\n")
    assert LightningCsv().find(folder, ["metrics.csv"]) == []
    assert len(CsvLogs().find(folder, ["metrics.csv"])) == 1


def test_the_summary_of_timm_is_read(tmp_path: Path) -> None:
    from timm.utils import update_summary

    path = tmp_path / "summary.csv"
    for epoch in range(3):
        update_summary(epoch, {"loss": 1 / (epoch + 1)}, {"loss": 0.5, "top1": 10.0 * epoch}, path, lr=0.1)
    assert [log.path for log in CsvLogs().find(tmp_path, ["summary.csv"])] == [path]
    make_old(path)
    found = read(CsvLogs, path)
    assert found["train_loss"] == [(epoch, 1 / (epoch + 1)) for epoch in range(3)]
    assert found["eval_top1"] == [(0, 0.0), (1, 10.0), (2, 20.0)]
    assert found["lr"] == [(0, 0.1), (1, 0.1), (2, 0.1)]
    # resumed: the header is not written again, and epochs follow that were there already
    update_summary(1, {"loss": 7.0}, {"loss": 0.5, "top1": 1.0}, path, lr=0.1)
    assert read(CsvLogs, path)["train_loss"] == [(0, 1.0), (1, 7.0)]


def test_a_rewritten_table_with_a_longer_header_replaces_the_series(folder: Path) -> None:
    path = folder / "metrics.csv"
    path.write_text("loss,step\n1.0,1\n")
    reader, so_far = reader_of(LightningCsv, folder), SeriesSoFar()
    so_far.read_all(reader)
    path.write_text("acc,loss,step\n,1.0,1\n0.5,,2\n")
    part = reader.read(1.0)
    assert part.from_start
    so_far.add(part)
    assert so_far.series == {"loss": [(1, 1.0)], "acc": [(2, 0.5)]}
    assert read_text(CsvLogs, folder / "other.csv", path.read_text()) == so_far.series
