"""Which checkpoints are kept."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from lrtui.run.checkpoint_name import checkpoint_name
from lrtui.run.evaluations import Objective
from lrtui.training.checkpoint.files import SavedFile, files_to_remove, remove_unfinished, saved_files


def files(*seqs: int, size: int = 10) -> list[SavedFile]:
    return [SavedFile(Path(checkpoint_name(seq, seq)), seq, seq, size) for seq in seqs]


def gone(kept: list[SavedFile], ends: list[int], results: dict[int, dict[str, float]], limit: int = 1000) -> list[int]:
    return sorted(file.seq for file in files_to_remove(kept, ends, results.get, limit))


def test_names_sort_as_they_were_made_and_are_read_back(tmp_path: Path) -> None:
    for seq, step in ((9, 8), (10, 9), (1_000_000, 99), (123, 2)):
        (tmp_path / checkpoint_name(seq, step)).write_bytes(b"xx")
    (tmp_path / "notes.txt").touch()
    (tmp_path / f"{checkpoint_name(7, 7)}.unfinished").touch()
    found = saved_files(tmp_path)
    assert [(file.seq, file.step, file.size) for file in found] == [(9, 8, 2), (10, 9, 2), (123, 2, 2), (10**6, 99, 2)]
    assert [file.path.name for file in found] == sorted(file.path.name for file in found)
    assert saved_files(tmp_path / "nowhere") == []


def test_what_was_being_written_is_removed(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / f"{checkpoint_name(7, 7)}.unfinished").touch()
    (folder / checkpoint_name(8, 8)).touch()
    remove_unfinished(folder)
    remove_unfinished(tmp_path / "nowhere")
    assert [path.name for path in folder.iterdir()] == [checkpoint_name(8, 8)]


def test_epochs_ends_stay_and_of_the_others_the_newest() -> None:
    assert gone(files(1, 2, 3, 4, 5), [2, 4], {}) == [1, 3]
    assert gone(files(1, 2, 3, 4), [2, 4], {}) == [1, 3]
    assert gone(files(1), [], {}) == []
    assert gone([], [], {}) == []


def test_without_room_the_last_two_and_the_best_stay() -> None:
    results = {seq: {"accuracy": accuracy, "loss": 1.0} for seq, accuracy in ((1, 0.5), (2, 0.9), (3, 0.9), (4, 0.6))}
    everything = files(1, 2, 3, 4, 5, 6)
    assert gone(everything, [1, 2, 3, 4, 5, 6], results, limit=61) == []
    # the first of two equally good ones
    assert gone(everything, [1, 2, 3, 4, 5, 6], results, limit=60) == [1, 3, 4]
    assert gone(everything, [1, 2, 3, 4, 5], results, limit=60) == [1, 3]


@pytest.mark.parametrize("worst", [float("nan"), 2.0])
def test_without_accuracy_the_best_has_the_lowest_loss(worst: float) -> None:
    results = {1: {"loss": worst}, 2: {"loss": 0.5}, 3: {"loss": 0.7}}
    assert gone(files(1, 2, 3, 4, 5), [1, 2, 3, 4, 5], results, limit=1) == [1, 3]


def test_others_have_to_go_before_epochs_ends_do() -> None:
    assert gone(files(1, 2, 3, 4, 5), [1, 2, 3, 5], {}, limit=45) == [4]


@pytest.mark.parametrize("odd", [float("inf"), float("nan")])
def test_an_accuracy_that_is_not_finite_is_not_the_best(odd: float) -> None:
    results = {seq: {"accuracy": accuracy} for seq, accuracy in ((1, 0.6), (2, odd), (3, 0.5), (4, 0.5))}
    assert gone(files(1, 2, 3, 4), [1, 2, 3, 4], results, limit=40) == [2]


def test_the_best_that_stays_is_that_of_the_metric_that_the_task_names() -> None:
    results = {
        seq: {"accuracy": seq / 10, "loss": 1.0, "error": error} for seq, error in enumerate((3, 1, math.nan, 2), 1)
    }
    kept = files_to_remove(files(1, 2, 3, 4), [1, 2, 3, 4], results.get, 10, Objective("error", higher=False))
    assert [file.seq for file in kept] == [1]
    kept = files_to_remove(files(1, 2, 3, 4), [1, 2, 3, 4], results.get, 10, Objective("error", higher=True))
    assert [file.seq for file in kept] == [2]
