from __future__ import annotations

import csv
import math
from pathlib import Path

import pytest
from text_logs import SeriesSoFar, read, read_text, read_while_it_grows, reader_of, trouble_of

from lrtui.sources.text.csv_log import CsvLogs


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "metrics.csv"


def is_found(path: Path, *, in_folder: bool = True) -> bool:
    found = CsvLogs().find(path.parent, [path.name]) if in_folder else CsvLogs().find_file(path)
    return [log.path for log in found] == [path]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_columns_are_series_at_their_steps(path: Path, delimiter: str) -> None:
    text = "step,epoch,loss,lr\n10,0,0.5,1e-3\n20,1,nan,-inf\n".replace(",", delimiter)
    assert read_text(CsvLogs, path, text) == {
        "epoch": [(10, 0.0), (20, 1.0)],
        "loss": [(10, 0.5), (20, "nan")],
        "lr": [(10, 1e-3), (20, -math.inf)],
    }


def test_a_decimal_comma_is_read_where_semicolons_separate(path: Path) -> None:
    assert read_text(CsvLogs, path, "epoch;loss\n1;0,5\n2;0,25\n")["loss"] == [(1, 0.5), (2, 0.25)]


def test_blank_cells_are_no_values_and_columns_of_text_are_left_out(path: Path) -> None:
    text = "step,phase,loss,val_loss\n1,train,0.5,\n2,train,0.25,\n2,val,,0.75\n,val,,N/A\n3,train,nan,\n"
    assert read_text(CsvLogs, path, text) == {
        "loss": [(1, 0.5), (2, 0.25), (3, "nan")],
        "val_loss": [(2, 0.75)],
    }


def test_spaces_around_names_and_numbers_are_left_out(path: Path) -> None:
    # Ultralytics writes this
    text = "      epoch,      train/box_loss,     metrics/precision(B)\n          1,         0.5,       0.25\n"
    assert read_text(CsvLogs, path, text) == {
        "epoch": [(1, 1.0)],
        "train/box_loss": [(1, 0.5)],
        "metrics/precision(B)": [(1, 0.25)],
    }


def test_quoted_cells_may_contain_the_delimiter(path: Path) -> None:
    text = '"step","loss, train","note"\n"1","0.5","a, b"\n2,0.25,""\n'
    assert read_text(CsvLogs, path, text) == {"loss, train": [(1, 0.5), (2, 0.25)]}


def test_a_repeated_header_is_a_restart(path: Path) -> None:
    text = "step,loss\n1,1.0\n2,1.0\n3,1.0\nstep,loss\n2,2.0\n3,2.0\n"
    assert read_text(CsvLogs, path, text)["loss"] == [(1, 1.0), (2, 2.0), (3, 2.0)]
    text = "loss,acc\n1.0,0\n1.0,0\n1.0,0\nloss,acc\n2.0,0\n"
    assert read_text(CsvLogs, path, text)["loss"] == [(0, 2.0)]


def test_a_changed_header_renames_the_columns(path: Path) -> None:
    text = "epoch,loss\n1,1.0\nepoch,lr,loss\n2,0.1,2.0\nepoch,val_loss,lr\n3,3.0,0.1\n"
    assert read_text(CsvLogs, path, text) == {
        "epoch": [(1, 1.0), (2, 2.0), (3, 3.0)],
        "loss": [(1, 1.0), (2, 2.0)],
        "lr": [(2, 0.1), (3, 0.1)],
        "val_loss": [(3, 3.0)],
    }


def test_steps_that_go_back_supersede_later_ones(path: Path) -> None:
    text = "step,loss\n" + "".join(f"{step},1\n" for step in range(10)) + "".join(f"{step},2\n" for step in range(4, 7))
    found = read_text(CsvLogs, path, text)["loss"]
    assert found == [(step, 1.0) for step in range(4)] + [(step, 2.0) for step in range(4, 7)]


def test_batches_of_epochs_are_steps_of_the_run(path: Path) -> None:
    rows = [f"{epoch},{batch},{epoch}.{batch}" for epoch in (1, 2, 3) for batch in (1, 2, 3)]
    found = read_text(CsvLogs, path, "epoch,batch,loss\n" + "\n".join(rows))
    assert [step for step, _ in found["loss"]] == list(range(1, 10))


def test_lines_that_are_no_rows_are_named(path: Path) -> None:
    text = "step,loss,lr\n1,1,1\n2,2\n\n3,3,3\n4,4,4,4\n# comment\n5,5,5"
    found = read_text(CsvLogs, path, text)
    assert found["loss"] == [(1, 1.0), (3, 3.0), (5, 5.0)]
    assert trouble_of(CsvLogs, path) == (
        f"{path}, line 3 is left out: it has 2 cells where the header has 3 (1 more line is left out)."
    )


def test_a_last_row_without_a_line_break_is_read_once_the_file_is_quiet(path: Path) -> None:
    path.write_text("step,loss\n1,0.5\n2,0.2")
    so_far, reader = SeriesSoFar(), reader_of(CsvLogs, path)
    assert so_far.read_all(reader) == {"loss": [(1, 0.5)]}
    with path.open("a") as file:
        file.write("5")
    assert so_far.read_all(reader) == {"loss": [(1, 0.5)]}
    assert read(CsvLogs, path) == {"loss": [(1, 0.5), (2, 0.25)]}


def test_comments_and_blank_lines_before_the_header_are_left_out(path: Path) -> None:
    assert read_text(CsvLogs, path, "# run 1\n\nstep,loss\n1,0.5\n")["loss"] == [(1, 0.5)]
    assert read_text(CsvLogs, path, "# step, loss\n1,0.5\n")["loss"] == [(1, 0.5)]


def test_columns_without_names_are_left_out_and_equal_names_are_told_apart(path: Path) -> None:
    # pandas writes the number of the row first
    text = ",step,loss,loss\n0,5,0.5,1.5\n1,6,0.25,1.25\n"
    assert read_text(CsvLogs, path, text) == {"loss": [(5, 0.5), (6, 0.25)], "loss.1": [(5, 1.5), (6, 1.25)]}


def test_a_file_without_names_is_trouble(path: Path) -> None:
    assert read_text(CsvLogs, path, "1,0.5\n2,0.25\n") == {}
    assert trouble_of(CsvLogs, path) == f"{path} can't be read: its first row has no names of columns."


def test_times_may_be_dates(path: Path) -> None:
    path.write_text("step,loss,datetime\n1,0.5,2023-11-14 22:13:20+00:00\n2,0.5,\n")
    so_far = SeriesSoFar()
    so_far.read_all(reader_of(CsvLogs, path))
    assert so_far.times["loss"][0] == 1.7e9
    assert math.isnan(so_far.times["loss"][1])


def test_a_table_in_many_blocks_is_the_same(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [f"{step},{step * 0.25!r},{'' if step % 3 else step}" for step in range(3_000)]
    text = "step,loss,val_loss\n" + "\n".join(rows) + "\n"
    at_once = read_text(CsvLogs, path, text)
    monkeypatch.setattr("lrtui.sources.text.line_tail.BLOCK_BYTES", 1000)
    assert read_text(CsvLogs, path, text) == at_once
    assert at_once["loss"] == [(step, step * 0.25) for step in range(3_000)]


def test_the_csv_logger_of_keras_is_read(path: Path) -> None:
    # as keras.callbacks.CSVLogger writes: values as text, NA where there is no test
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=["epoch", "accuracy", "learning_rate", "loss", "val_loss"])
        writer.writeheader()
        for epoch in range(3):
            val_loss = 0.5 if epoch else "NA"
            row = {"epoch": epoch, "accuracy": 0.25 * epoch, "learning_rate": 1e-3, "loss": 1 / 3, "val_loss": val_loss}
            writer.writerow(row)
    assert is_found(path)
    found = read(CsvLogs, path)
    assert found["accuracy"] == [(0, 0.0), (1, 0.25), (2, 0.5)]
    assert found["loss"] == [(epoch, 1 / 3) for epoch in range(3)]
    assert found["val_loss"] == [(1, 0.5), (2, 0.5)]


def test_columns_without_end_are_cut_and_named(path: Path) -> None:
    count = 50_000
    text = "step," + ",".join(f"loss{number}" for number in range(count)) + "\n"
    found = read_text(CsvLogs, path, text + ("1" + ",0.5" * count + "\n") * 3)
    assert len(found) == 2_000
    assert found["loss0"] == [(1, 0.5)] * 3
    assert f"{path}: it has more than 2,000 series" in trouble_of(CsvLogs, path)


GROWING = {
    "steps": "step,loss,lr\n1,0.5,0.1\n2,0.25,\n3,nan,0.1\n2,7,0.1\n",
    "headers": "loss,lr\r\n1,2\r\n3,4\r\nloss,lr\r\n5,6\r\nlr,train_loss\r\n7,8\r\n",
    "epochs": "epoch,loss\n" + "".join(f"{index // 3},{index}\n" for index in range(9)),
    "batches": "epoch;batch;loss\n" + "".join(f"{index // 3};{index % 3};{index},5\n" for index in range(9)),
    "no end": "# a comment\nstep,loss\n1,2\n\n2,3,4\n3,5",
}


@pytest.mark.parametrize("kind", GROWING)
def test_a_table_that_grows_by_bytes_gives_the_same_series(path: Path, kind: str) -> None:
    data = GROWING[kind].encode()
    at_once = read_text(CsvLogs, path, data)
    assert at_once
    assert read_while_it_grows(CsvLogs, path, data, range(len(data))) == at_once
    for size in range(len(data)):
        assert read_while_it_grows(CsvLogs, path, data, [size]) == at_once, size


@pytest.mark.parametrize(
    ("name", "text", "in_folder", "named"),
    [
        ("progress.csv", "step,train/loss\n1,0.5\n", True, True),
        ("results.csv", "epoch,time,train/box_loss\n", True, False),
        ("losses.csv", "epoch,loss1,loss2\n1,0.5,2\n", True, True),
        ("log.tsv", "epoch\ttrain_loss\n1\t0.5\n", True, True),
        ("history.csv", "loss,val_loss\n0.5,0.25\n", True, True),
        ("iris.csv", "sepal,petal,species\n1,2,setosa\n", False, True),
        ("train.csv", "id,cat1,cat2,cat3,loss\n1,A,B,C,5.5\n", False, True),
        ("text.csv", "text,label\nhello,world\n", False, False),
        ("numbers.csv", "1,2,3\n4,5,6\n", False, False),
        ("empty.csv", "", False, False),
        ("run.txt", "step loss\n", False, False),
    ],
)
def test_a_table_is_found_by_its_header(path: Path, name: str, text: str, in_folder: bool, named: bool) -> None:
    path = path.with_name(name)
    path.write_text(text)
    assert is_found(path) == in_folder
    assert is_found(path, in_folder=False) == named
