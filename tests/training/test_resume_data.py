"""The data of a resumed run: the same samples, in the same order, with the same augmentation."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
import training_runs
from random_tasks import RandomTask
from run_record import RunRecorder, assert_same, of

from lrtui.run.commands import (
    ScaleLr,
    Stop,
)
from lrtui.run.events import (
    Notice,
    StepDone,
)
from lrtui.run.feed import LiveFeed
from lrtui.run.spec import RunSpec
from lrtui.training.checkpoint.files import ResumePoint, saved_files
from lrtui.training.checkpoint.policy import Checkpoints
from lrtui.training.reporter import Reporter
from lrtui.training.train import train


@pytest.mark.parametrize(
    "form", ["dataset", "no workers", "own generator", "weighted", "replacement", "in memory", "two workers"]
)
def test_a_resumed_run_gets_the_same_samples_with_the_same_augmentation(
    form: str, recording: RunRecorder, tmp_path: Path
) -> None:
    epochs = 2 if form == "two workers" else 3
    spec = RunSpec(epochs=epochs, batch_size=5, accumulate=2, schedule="OneCycleLR(max_lr=0.05)")
    make = partial(RandomTask, form)
    whole = recording.run(spec, make_task=make)
    steps = whole.started.batches_per_epoch
    pieces = recording.run_in_pieces(spec, [2, steps, steps + 3], tmp_path, make_task=make)
    assert_same(whole, pieces)
    assert not [e for piece in pieces for e in of(Notice, piece.events) if e.code == "resume"]


@pytest.mark.parametrize(
    ("form", "words"),
    [("stream", "IterableDataset"), ("batches", "returned a OwnBatches")],
)
def test_data_with_its_own_order_is_resumed_with_one_warning(
    form: str, words: str, recording: RunRecorder, tmp_path: Path
) -> None:
    spec = RunSpec(epochs=2, batch_size=5)
    make = partial(RandomTask, form)
    whole = recording.run(spec, make_task=make)
    pieces = recording.run_in_pieces(spec, [3], tmp_path, make_task=make)
    notices = [e for e in of(Notice, pieces[1].events) if e.code == "resume"]
    assert [(e.level, words in e.text) for e in notices] == [("warning", True)]
    assert list(pieces[0].steps) + list(pieces[1].steps) == list(whole.steps)
    if form == "batches":
        # an order that is always the same can be restored
        assert_same(whole, pieces)


@pytest.mark.parametrize("stops", [[2], [9], [12]], ids=["first epoch", "between epochs", "second epoch"])
def test_persistent_workers_that_draw_nothing_are_resumed_exactly(
    stops: list[int], recording: RunRecorder, tmp_path: Path
) -> None:
    spec = RunSpec(epochs=3, batch_size=5)
    make = partial(RandomTask, "persistent workers")
    whole = recording.run(spec, make_task=make)
    assert whole.started.batches_per_epoch == 9
    pieces = recording.run_in_pieces(spec, stops, tmp_path, make_task=make)
    assert_same(whole, pieces)
    (notice,) = [event for event in of(Notice, pieces[1].events) if event.code == "resume"]
    assert "with their random states" in notice.text


@pytest.mark.parametrize("stops", [[2], [4, 10]], ids=["first epoch", "between epochs, third epoch"])
def test_a_stream_goes_on_where_it_was_when_the_run_is_resumed(
    stops: list[int], recording: RunRecorder, tmp_path: Path
) -> None:
    spec = RunSpec(epochs=3, batch_size=5, train_samples=20)
    make = partial(RandomTask, "endless")
    whole = recording.run(spec, make_task=make)
    assert whole.started.batches_per_epoch == 4
    pieces = recording.run_in_pieces(spec, stops, tmp_path, make_task=make)
    assert_same(whole, pieces)
    (notice,) = [event for event in of(Notice, pieces[1].events) if event.code == "resume"]
    assert "it is started again, and the batches that are done are skipped" in notice.text


def test_batches_that_are_drawn_again_can_be_stopped_and_changed_in_between(
    recording: RunRecorder, tmp_path: Path
) -> None:
    spec = RunSpec(epochs=2, batch_size=5, schedule="StepLR(1)")
    make = partial(RandomTask, "no workers")
    whole = recording.run(spec, {6: [ScaleLr(2.0)]}, make_task=make)
    first = recording.go_on(spec, tmp_path, {6: [Stop()]}, [], make_task=make)
    task = make()
    data = task.training_data()
    reads = 0

    class Stopping(type(data.dataset)):  # type: ignore[misc]
        """Changes the lr and stops the run while it repeats the batches that are done."""

        def __getitem__(self, index: int) -> Any:
            nonlocal reads
            reads += 1
            if reads == 12:
                inbox.send(ScaleLr(2.0))
                inbox.send(Stop())
            return super().__getitem__(index)

    inbox = training_runs.ScriptedInbox({})
    data.dataset.__class__ = Stopping
    task.training_data = lambda: data
    reporter = Reporter(feed := LiveFeed(), next_seq=100)
    resume_point = ResumePoint(saved_files(tmp_path)[-1].path)
    train(spec, inbox, reporter, task, checkpoints=Checkpoints(tmp_path), resume_point=resume_point)
    between = feed.take(10**6)
    assert (between[-1].outcome, reads, of(StepDone, between)) == ("stopped", 15, [])  # type: ignore[attr-defined]
    resume_point = ResumePoint(saved_files(tmp_path)[-1].path)
    assert_same(
        whole, [first, recording.go_on(spec, tmp_path, None, [first], resume_point=resume_point, make_task=make)]
    )


class KeepsFigures(RandomTask):
    """A partly frozen model with non-persistent buffers, one of which grows."""

    class Model(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = RandomTask.model(RandomTask())
            self.body[0].bias.requires_grad_(False)
            self.body[1].eval()
            self.register_buffer("count", torch.zeros(()), persistent=False)
            self.register_buffer("seen", torch.zeros(0), persistent=False)

        def forward(self, inputs: torch.Tensor) -> torch.Tensor:
            if self.training:
                self.count += 1
                self.seen = torch.cat([self.seen, inputs.mean().reshape(1)])
            return self.body(inputs) * (1 + 0.01 * self.count + self.seen.sum())  # type: ignore[no-any-return]

    def model(self) -> torch.nn.Module:
        return self.Model()


def test_a_model_is_resumed_with_all_its_buffers(recording: RunRecorder, tmp_path: Path) -> None:
    spec = RunSpec(epochs=4, batch_size=15, optimizer="SGD(lr=0.01)", schedule="SWALR(swa_lr=0.02)")
    make = partial(KeepsFigures, "in memory")
    whole = recording.run(spec, make_task=make)
    assert_same(whole, recording.run_in_pieces(spec, [2, 7, 10], tmp_path, make_task=make))
