"""A checkpoint file: written completely or not at all, and read without running code in it."""

from __future__ import annotations

import os
import pickle
import zipfile
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from run_record import RunRecorder, digest
from training_runs import tiny_spec

import lrtui.training.checkpoint.format as module
from lrtui.run.commands import ScaleLr, Stop
from lrtui.run.errors import CheckpointError
from lrtui.training.checkpoint.files import saved_files
from lrtui.training.checkpoint.format import Checkpoint, load_checkpoint, save_checkpoint
from lrtui.training.checkpoint.policy import Checkpoints


@pytest.fixture
def path(recording: RunRecorder, tmp_path: Path) -> Path:
    """Return a checkpoint from within an epoch."""
    spec = tiny_spec(at=("step 20: lr*0.5",), schedule="MultiStepLR([1, 3])")
    recording.run(spec, {8: [ScaleLr(2.0), Stop()]}, checkpoints=Checkpoints(tmp_path / "run"))
    return saved_files(tmp_path / "run")[-1].path


def everything(checkpoint: Checkpoint) -> Any:
    return digest({item.name: getattr(checkpoint, item.name) for item in fields(checkpoint) if item.name != "spec"})


def test_a_checkpoint_is_read_as_it_was_written(path: Path, tmp_path: Path) -> None:
    checkpoint = load_checkpoint(path)
    assert (checkpoint.step, checkpoint.script, checkpoint.spec.schedule) == (
        8,
        ["step 20: lr*0.5"],
        "MultiStepLR([1, 3])",
    )
    save_checkpoint(checkpoint, tmp_path / "again.pt", check=True)
    again = load_checkpoint(tmp_path / "again.pt")
    assert everything(again) == everything(checkpoint)
    assert again.spec == checkpoint.spec


def test_plain_pytorch_reads_it_too_and_it_is_its_owners_alone(path: Path) -> None:
    record = torch.load(path, weights_only=True, map_location="cpu")
    assert set(record["model"]) == {"0.weight", "0.bias", "3.weight", "3.bias"}
    assert record["spec"]["optimizer"] == "Adam(lr=0.01)"
    assert path.name == f"{record['seq']:010d}-step-8.pt"
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


class Shell:
    """Code that a pickle can make a reader run."""

    def __init__(self, words: str) -> None:
        self._words = words

    def __reduce__(self) -> Any:
        return os.system, (self._words,)


def test_code_in_it_is_not_run(path: Path, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    shell = Shell(f"touch {trace}")
    record = torch.load(path, weights_only=True)
    torch.save({**record, "model": shell}, path)
    with pytest.raises(CheckpointError, match=r"step-8\.pt contains objects other than .* No code in it was run"):
        load_checkpoint(path)
    path.write_bytes(pickle.dumps({**record, "model": shell}))
    with pytest.raises(CheckpointError, match=r"step-8\.pt is damaged, or not a checkpoint"):
        load_checkpoint(path)
    # in torch's old format, which was not an archive
    torch.save({**record, "model": shell}, path, _use_new_zipfile_serialization=False)
    with pytest.raises(CheckpointError, match=r"step-8\.pt is damaged, or not a checkpoint"):
        load_checkpoint(path)
    assert not trace.exists()


def test_a_damaged_file_is_reported_as_damaged(path: Path) -> None:
    whole = path.read_bytes()
    for length in (0, 1, 100, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(CheckpointError, match=r"step-8\.pt is damaged, or not a checkpoint"):
            load_checkpoint(path)
    # a single bit within the weights, which torch does not detect
    with zipfile.ZipFile(path.parent / "copy", "w"):
        pass
    for place in range(len(whole) // 3, len(whole) - 100, len(whole) // 20):
        flipped = bytearray(whole)
        flipped[place] ^= 1
        path.write_bytes(bytes(flipped))
        try:
            read = everything(load_checkpoint(path))
        except CheckpointError as error:
            assert "damaged" in str(error)
        else:
            # between the records of an archive there is padding
            path.write_bytes(whole)
            assert read == everything(load_checkpoint(path))


def test_a_file_that_is_not_a_checkpoint_is_reported_as_such(path: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"there is no checkpoint .*gone\.pt"):
        load_checkpoint(tmp_path / "gone.pt")
    with pytest.raises(CheckpointError, match="can't be read: Is a directory"):
        load_checkpoint(tmp_path)
    torch.save({"model": {}}, path)
    with pytest.raises(CheckpointError, match=r"step-8\.pt is not a checkpoint of lrtui"):
        load_checkpoint(path)
    torch.save([1, 2], path)
    with pytest.raises(CheckpointError, match="is not a checkpoint of lrtui"):
        load_checkpoint(path)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"format": 3}, r"was written by a newer lrtui \(format 3; this one reads up to 2\): upgrade lrtui"),
        ({"format": "x"}, "was written by a newer lrtui"),
        ({"step": "8"}, "was modified: its step is not of type int"),
        ({"model": 3}, "was modified: its model is not of type "),
        ({"spec": {"epochs": -1}}, "was modified: its settings are invalid: --epochs"),
        ({"spec": None}, "was modified: its spec is not of type RunSpec"),
        ({"random": None}, "was modified: its random is not of type "),
    ],
    ids=str,
)
def test_a_modified_file_is_refused_with_a_message(change: dict[str, Any], words: str, path: Path) -> None:
    torch.save({**torch.load(path, weights_only=True), **change}, path)
    with pytest.raises(CheckpointError, match=words):
        load_checkpoint(path)


class SmallDisk:
    """A file on a disk with room for this many bytes; after a failed write, a smaller one may still succeed."""

    def __init__(self, room: int) -> None:
        self._room = room

    def open(self, descriptor: int, mode: str) -> SmallDisk:
        self._file = os.fdopen(descriptor, mode)
        return self

    def write(self, data: bytes) -> int:
        if len(data) > self._room:
            raise OSError(28, "No space left on device")
        self._room -= len(data)
        return self._file.write(data)  # type: ignore[return-value, arg-type]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


def test_a_write_that_fails_leaves_neither_half_a_file_nor_its_name(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint = load_checkpoint(path)
    folder = tmp_path / "other"
    for room in (0, 10, *range(500, path.stat().st_size, 4999)):
        monkeypatch.setattr(module, "open", SmallDisk(room).open, raising=False)
        # torch would report a wrong position in the file
        with pytest.raises(OSError, match="No space left on device"):
            save_checkpoint(checkpoint, folder / "x.pt")
        assert list(folder.iterdir()) == []
    monkeypatch.undo()

    def no_name(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(module.os, "replace", no_name)
    with pytest.raises(KeyboardInterrupt):
        save_checkpoint(checkpoint, folder / "x.pt")
    assert list(folder.iterdir()) == []


def test_a_file_that_can_not_be_read_again_never_gets_its_name(path: Path, tmp_path: Path) -> None:
    checkpoint = replace(load_checkpoint(path), model={"x": Shell("true")})
    with pytest.raises(CheckpointError, match="contains objects other than"):
        save_checkpoint(checkpoint, tmp_path / "x.pt", check=True)
    assert not list(tmp_path.glob("x.pt*"))
